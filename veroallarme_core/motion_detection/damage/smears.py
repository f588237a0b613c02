"""Smears of saturated colour beside decoder garbage: macroblocks that kept the wrong chroma."""

from __future__ import annotations

from collections.abc import Sequence

from veroallarme_core.motion_detection.damage.examined_frame import (
    ExaminedFrame,
    connected_to,
    dilate,
)
from veroallarme_core.motion_detection.damage.frame_damage import DamageKind

_GARISH = 100.0
"""Mean saturation (largest minus smallest channel), in grey levels, of a smear's cells. By itself
it proves nothing: the most saturated thousandth of the cells lies above it in many clean frames (83
in the median of 519, up to 221). A smear adjoins garbage, and the other frames do not show it."""
_OTHERS_GARISH = 0.6 * _GARISH
"""At most this in the other frames: a red car stays one in them."""


def mark_smears(frame: ExaminedFrame, others: Sequence[ExaminedFrame]) -> None:
    """Mark the smears of saturated colour that adjoin decoder garbage."""
    garish = frame.saturation > _GARISH
    for other in others:
        if not garish.any():
            return
        garish &= (other.saturation < _OTHERS_GARISH) | other.cells
    if not garish.any():
        return
    near = dilate(garish | frame.cells, (3, 3))
    smears = connected_to(frame.cells, near) & dilate(garish, (3, 3))
    if (smears & ~frame.cells).any():
        frame.cells |= smears
        frame.kinds.add(DamageKind.MACROBLOCKS)
