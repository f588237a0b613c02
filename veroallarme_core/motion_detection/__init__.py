"""Stage 1: what moved in a burst of frames.

`MotionDetector` compares the frames and returns a `MotionDetectionResult`: the regions that moved,
what is corrupt in each frame, how the picture changed as a whole. Nothing here judges.
"""

from veroallarme_core.contract import MotionRegion
from veroallarme_core.motion_detection.damage import (
    BLOCK_SIZE,
    DamageKind,
    FrameDamage,
    common_size,
    find_damage,
)
from veroallarme_core.motion_detection.detector import MotionDetector, detect_motion_from_paths
from veroallarme_core.motion_detection.frame_source import FrameSource
from veroallarme_core.motion_detection.global_change import GlobalChange, GlobalChangeKind
from veroallarme_core.motion_detection.region_parts import blobs_in, region_pixels, regions_in
from veroallarme_core.motion_detection.regions import common_area, min_area_for
from veroallarme_core.motion_detection.result import MotionDetectionResult, PairChange
from veroallarme_core.motion_detection.text_overlay import TextLine, find_text_lines

__all__ = [
    "BLOCK_SIZE",
    "DamageKind",
    "FrameDamage",
    "FrameSource",
    "GlobalChange",
    "GlobalChangeKind",
    "MotionDetectionResult",
    "MotionDetector",
    "MotionRegion",
    "PairChange",
    "TextLine",
    "blobs_in",
    "common_area",
    "common_size",
    "detect_motion_from_paths",
    "find_damage",
    "find_text_lines",
    "min_area_for",
    "region_pixels",
    "regions_in",
]
