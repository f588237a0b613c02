"""What Stage 1 found in a burst: every comparison of two frames, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import MotionRegion
from veroallarme_core.motion_detection.damage import FrameDamage
from veroallarme_core.motion_detection.global_change import GlobalChange

Frame: TypeAlias = NDArray[np.uint8]
"""A picture, uint8 (H, W, 3) BGR."""


@dataclass(frozen=True, eq=False)
class PairChange:
    """What moved between the frames `previous` and `current` (their indices in the burst).

    All arrays are uint8 (H, W): `before` and `after` are what was compared, grey, blurred and
    with the global change taken out of `before`; `difference` is their difference in grey levels;
    `mask` is 255 where something moved, `valid` is 255 where the two frames can be compared.
    """

    previous: int
    current: int
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    valid: NDArray[np.uint8]
    difference: NDArray[np.uint8]
    global_change: GlobalChange | None = None


@dataclass(frozen=True, eq=False)
class MotionDetectionResult:
    """Everything Stage 1 found in one burst, with the frames themselves.

    `motion_mask` is uint8 (H, W), 255 where something moved between any two frames. `damage` has
    one entry per frame, `global_changes` one per consecutive pair of frames (None where the
    picture as a whole stayed, or where one of the two frames is unusable). `confidence` in [0, 1]
    is how far the clearest region stands out from the threshold. `pairs` holds every comparison
    that was made: of consecutive frames, and across a frame where that one is damaged.
    """

    motion_detected: bool
    motion_regions: tuple[MotionRegion, ...]
    motion_mask: NDArray[np.uint8]
    confidence: float
    total_motion_area: int
    frame_dimensions: tuple[int, int]
    frames: tuple[Frame | None, ...]
    damage: tuple[FrameDamage, ...]
    global_changes: tuple[GlobalChange | None, ...]
    pairs: tuple[PairChange, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pixel arrays as JSON-serialisable values."""
        return {
            "motion_detected": self.motion_detected,
            "motion_regions": [region.to_dict() for region in self.motion_regions],
            "confidence": self.confidence,
            "total_motion_area": self.total_motion_area,
            "frame_dimensions": list(self.frame_dimensions),
            "damage": [
                {"kinds": sorted(damage.kinds), "share": round(damage.share, 4)}
                for damage in self.damage
            ],
            "global_changes": [
                None if change is None else change.to_dict() for change in self.global_changes
            ],
        }
