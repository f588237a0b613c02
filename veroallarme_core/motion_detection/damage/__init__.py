"""What is corrupt in a burst, one kind of damage per file.

A kind is a function that looks at the frames of a burst and marks the cells that it damaged;
`find_damage` lets all kinds look in turn and tells the damage by block of the frame.
"""

from veroallarme_core.motion_detection.damage.find import common_size, find_damage
from veroallarme_core.motion_detection.damage.frame_damage import (
    BLOCK_SIZE,
    DamageKind,
    FrameDamage,
)

__all__ = ["BLOCK_SIZE", "DamageKind", "FrameDamage", "common_size", "find_damage"]
