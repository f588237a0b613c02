"""People, animals and vehicles that move in a burst: what the detector finds where pixels moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.description.object_detector import DetectedObject, ObjectDetector
from veroallarme_core.motion_detection import MotionDetectionResult, MotionRegion

DETECTION_SIZE = 320
"""Pixels of the longer edge at which whole frames are looked at.

Of 224, 320, 416 and crops around the regions this orders the events of 24 real cameras best: larger
inputs and crops find more of what is far away, and more that is nothing."""
LEAST_SCORE = 0.05
"""What scores less is not told of."""
TOLD_SCORE = 0.3
"""Score from which a verdict names an object."""
MOVED_SHARE = 0.08
"""Share of a box that moved where the object in it did, and not only a leaf before a parked car."""
_DAMAGED_SHARE = 0.3  # of a box: what is found in another camera's picture is not here


@dataclass(frozen=True)
class MovingObjects:
    """What moves in a burst.

    `by_frame` holds the objects of every frame that could be looked at, largest score first.
    """

    by_frame: tuple[tuple[DetectedObject, ...], ...] = ()

    def score_in(self, region: MotionRegion) -> float:
        """Return the largest score that overlaps a region's box, in [0, 1]; 0 where none does."""
        best = self.best_in(region)
        return 0.0 if best is None else best.score

    def best_in(self, region: MotionRegion) -> DetectedObject | None:
        """Return the object with the largest score that overlaps a region's box."""
        inside = (
            found
            for objects in self.by_frame
            for found in objects
            if _overlap(found.to_bbox(), region.to_bbox())
        )
        return max(inside, key=lambda found: found.score, default=None)

    @property
    def told(self) -> tuple[DetectedObject, ...]:
        """The objects that a verdict names: those of the frame that shows most of them.

        A mover is somewhere else in each frame; all frames together would tell of three of it.
        """
        named = [
            tuple(found for found in objects if found.score >= TOLD_SCORE)
            for objects in self.by_frame
        ]
        return max(named, key=lambda objects: sum(found.score for found in objects), default=())


def find_moving_objects(
    detector: ObjectDetector,
    motion: MotionDetectionResult,
    moved: NDArray[np.uint8],
) -> MovingObjects:
    """Look for objects in the whole frames of a burst, and keep those that moved.

    Args:
        detector: finds objects.
        motion: what Stage 1 found, with the frames.
        moved: uint8 (H, W), non-zero where something moved that counts.

    Raises:
        InferenceError: the detector failed.
    """
    dimensions = motion.frame_dimensions
    usable = [
        (frame, damage.pixel_mask(dimensions))
        for frame, damage in zip(motion.frames, motion.damage, strict=True)
        if frame is not None and frame.shape[:2] == dimensions and damage.is_usable
    ]
    found = detector.detect(
        [frame for frame, _ in usable],
        size=DETECTION_SIZE,
        min_score=LEAST_SCORE,
    )
    return MovingObjects(
        tuple(
            _moving(objects, moved, damaged)
            for objects, (_, damaged) in zip(found, usable, strict=True)
        )
    )


def _moving(
    objects: Sequence[DetectedObject], moved: NDArray[np.uint8], damaged: NDArray[np.uint8]
) -> tuple[DetectedObject, ...]:
    def share(mask: NDArray[np.uint8], found: DetectedObject) -> float:
        x1, y1, x2, y2 = found.to_bbox()
        return np.count_nonzero(mask[y1:y2, x1:x2]) / (found.width * found.height)

    return tuple(
        found
        for found in objects
        if share(moved, found) >= MOVED_SHARE and share(damaged, found) <= _DAMAGED_SHARE
    )


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(
        one[1], other[1]
    )
