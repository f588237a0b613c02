"""Where motion counts: the zones that a user draws, laid over what moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import Zone
from veroallarme_core.motion_detection import MotionDetectionResult, MotionRegion, min_area_for

INSIDE_SHARE = 0.5
"""Moving pixels inside that make a region count, in smallest regions (30 px at 704x576): a mover
that straddles the border counts where it stands, and a leaf that reaches over it does not."""

OUTSIDE_REACH = 1 / 64
"""Edge of the window, as a share of the width, by which what moves outside reaches further."""


@dataclass(frozen=True, eq=False)
class Premises:
    """The part of a picture in which motion counts.

    `mask` is uint8 (H, W), 255 inside; None where no zone is drawn and everything counts.
    """

    mask: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, zones: Sequence[Zone], frame_dimensions: tuple[int, int]) -> Premises:
        """Lay zones over frames of (height, width) in pixels."""
        if not zones:
            return cls()
        height, width = frame_dimensions
        mask = np.zeros((height, width), np.uint8)
        for zone in zones:
            corners = [[round(x * (width - 1)), round(y * (height - 1))] for x, y in zone.points]
            cv2.fillPoly(mask, [np.array(corners, np.int32)], 255)
        return cls(mask)

    def split(
        self, motion: MotionDetectionResult
    ) -> tuple[tuple[MotionRegion, ...], tuple[MotionRegion, ...]]:
        """Return the regions that count and those that do not, in the order of the result."""
        if self.mask is None:
            return motion.motion_regions, ()
        enough = INSIDE_SHARE * min_area_for(motion.frame_dimensions)
        counts = [
            self._moved_inside(region, motion, self.mask) >= min(enough, region.area)
            for region in motion.motion_regions
        ]
        pairs = tuple(zip(motion.motion_regions, counts, strict=True))
        return (
            tuple(region for region, inside in pairs if inside),
            tuple(region for region, inside in pairs if not inside),
        )

    def outside(self, motion: MotionDetectionResult) -> NDArray[np.uint8] | None:
        """Return uint8 (H, W), 255 where something clear moves outside, and at its rim.

        A car in the street shines and rings into the drive beside it; that is the car's, too.
        None where no zone is drawn.
        """
        if self.mask is None:
            return None
        reach = max(3, round(OUTSIDE_REACH * motion.frame_dimensions[1])) | 1
        moved = cv2.bitwise_and(motion.motion_mask, cv2.bitwise_not(self.mask))
        return np.asarray(cv2.dilate(moved, np.ones((reach, reach), np.uint8)), np.uint8)

    @staticmethod
    def _moved_inside(
        region: MotionRegion, motion: MotionDetectionResult, mask: NDArray[np.uint8]
    ) -> int:
        x1, y1, x2, y2 = region.to_bbox()
        return int(np.count_nonzero(mask[y1:y2, x1:x2] & motion.motion_mask[y1:y2, x1:x2]))
