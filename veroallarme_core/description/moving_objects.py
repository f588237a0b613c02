"""People, animals and vehicles that move in a burst: what the detector finds where pixels moved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import ALL_KINDS
from veroallarme_core.description.object_detector import (
    CLASS_GROUPS,
    DetectedObject,
    ObjectDetector,
)
from veroallarme_core.motion_detection import MotionDetectionResult, MotionRegion, common_area
from veroallarme_core.pictures import Frame

if TYPE_CHECKING:
    from veroallarme_core.description.remembering import RememberingDetector

DETECTOR_FRAME_PX = 320
"""Pixels of the longer edge at which whole frames are looked at.

Of 224, 320 and 416 this orders the events of 24 real cameras best: a larger one finds more of what
is far away, and more that is nothing."""
DETECTOR_CROP_PX = 224
"""Pixels of the edge at which squares around regions are looked at: who is far away shows there."""
CROPPED_REGIONS = 4
"""Regions that are looked at closely, those first that are hardest to explain."""
_CROP_MARGIN = 1.5  # edge of the square, in longer edges of the region
_LEAST_CROP = 160  # pixels of the edge: smaller ones would only be enlarged
_AS_CLOSE = 1.25  # edge of another square that shows a region as well as its own, in edges of that
_STANDING = 0.7  # intersection over union from which an object has not moved between two frames
_SAME = 0.5  # intersection over union from which two boxes of a kind are one object
LEAST_SCORE = 0.05
"""What scores less is not told of."""
TOLD_SCORE = 0.3
"""Score from which a verdict names an object."""
CERTAIN_SCORE = 0.5
"""Score from which what the detector recognises is taken for what it says."""
MOVED_SHARE = 0.08
"""Share of a box that moved where the object in it did, and not only a leaf before a parked car."""
_GROUP_NUMBERS = {group: number for number, group in enumerate(CLASS_GROUPS)}
_DAMAGED_SHARE = 0.3  # of a box: what is found in another camera's picture is not here

Box = tuple[int, int, int, int]
"""(x1, y1, x2, y2) in pixels of the frame, x2 and y2 exclusive."""


@dataclass(frozen=True)
class BlindDetector:
    """Finds nothing, under the name of a detector that might."""

    name: str

    def detect(
        self, frames: Sequence[Frame], *, size: int, min_score: float
    ) -> tuple[tuple[DetectedObject, ...], ...]:
        """Return no object for each frame."""
        return ((),) * len(frames)

    def release_memory(self) -> None:
        """Give nothing back: it holds nothing."""


@dataclass(frozen=True)
class MovingObjects:
    """What moves in a burst.

    `detector` is the name of what looked, `by_frame` holds the objects of every frame of the burst,
    largest score first; none where a frame could not be looked at. `squares` are the parts of the
    frames that were looked at closely, (x1, y1, x2, y2). `found` holds, by frame, all that was
    found, also what stands still: a later look adds to it.
    """

    detector: str
    by_frame: tuple[tuple[DetectedObject, ...], ...] = ()
    squares: tuple[Box, ...] = ()
    found: tuple[tuple[DetectedObject, ...], ...] = field(default=(), repr=False)

    def score_in(self, region: MotionRegion, kinds: Collection[str] = ALL_KINDS) -> float:
        """Return the largest score in a region's box, in [0, 1]; 0 where none of `kinds` is."""
        best = self.best_in(region, kinds)
        return 0.0 if best is None else best.score

    def best_in(
        self, region: MotionRegion, kinds: Collection[str] = ALL_KINDS
    ) -> DetectedObject | None:
        """Return the object of some kinds with the largest score that overlaps a region's box."""
        objects, boxes = self._all
        if not objects:
            return None
        x1, y1, x2, y2 = region.to_bbox()
        touches = (boxes[:, 0] < x2) & (boxes[:, 2] > x1) & (boxes[:, 1] < y2) & (boxes[:, 3] > y1)
        inside = (objects[index] for index in np.flatnonzero(touches))
        return next((found for found in inside if found.group in kinds), None)

    @cached_property
    def _all(self) -> tuple[list[DetectedObject], NDArray[np.int_]]:
        """The objects of all frames, largest score first, and their boxes (n, 4)."""
        objects = [found for objects in self.by_frame for found in objects]
        objects.sort(key=lambda found: -found.score)
        return objects, np.array([found.to_bbox() for found in objects]).reshape(-1, 4)

    def was_looked_at(self, region: MotionRegion) -> bool:
        """Tell whether all of a region was looked at closely."""
        return _lies_within(region, self.squares)

    def is_standing(self, frame: int, found: DetectedObject) -> bool:
        """Tell whether an object of a frame is at the same place in another frame as well."""
        return any(
            other.group == found.group and _union(found, other) > _STANDING
            for index, objects in enumerate(self.by_frame)
            if index != frame
            for other in objects
        )

    def certain(self, score: float) -> tuple[DetectedObject, ...]:
        """Return the objects of all frames that have at least this score."""
        return tuple(
            found for objects in self.by_frame for found in objects if found.score >= score
        )

    @property
    def clearest_frame(self) -> int | None:
        """Index of the frame that shows most of what a verdict names; None where nothing does.

        A mover is somewhere else in each frame: all frames together would tell of three of it.
        """
        sums = [
            sum(found.score for found in objects if found.score >= TOLD_SCORE)
            for objects in self.by_frame
        ]
        return sums.index(max(sums)) if any(sums) else None

    @property
    def told(self) -> tuple[DetectedObject, ...]:
        """The objects that a verdict names: those of the clearest frame."""
        clearest = self.clearest_frame
        if clearest is None:
            return ()
        return tuple(found for found in self.by_frame[clearest] if found.score >= TOLD_SCORE)


def find_moving_objects(
    detector: ObjectDetector | BlindDetector | RememberingDetector,
    motion: MotionDetectionResult,
    moved: NDArray[np.uint8],
    regions: Sequence[MotionRegion],
    *,
    kinds_in: Callable[[MotionRegion], Collection[str]] = lambda region: ALL_KINDS,
    earlier: MovingObjects | None = None,
) -> MovingObjects:
    """Look for objects in the frames of a burst and around its regions; keep those that moved.

    A region is looked at closely where the whole frames show for certain nothing that counts: who
    is recognised already need not be recognised again.

    Args:
        detector: finds objects.
        motion: what Stage 1 found, with the frames.
        moved: uint8 (H, W), non-zero where something moved that counts.
        regions: where it did, the most important first.
        kinds_in: tells which kinds of objects count in a region.
        earlier: what was found in this burst before some of the regions were known.

    Raises:
        InferenceError: the detector failed.
    """
    dimensions = motion.frame_dimensions
    usable = {
        index: frame
        for index, (frame, damage) in enumerate(zip(motion.frames, motion.damage, strict=True))
        if frame is not None and frame.shape[:2] == dimensions and damage.is_usable
    }
    moved_sums = _summed(moved)
    damaged_sums = {
        index: _summed(motion.damage[index].pixel_mask(dimensions))
        for index in usable
        if motion.damage[index].blocks.any()
    }

    def told(found: Sequence[Sequence[DetectedObject]], squares: Sequence[Box]) -> MovingObjects:
        by_frame = tuple(
            _moving(objects, moved_sums, damaged_sums.get(index)) if index in usable else ()
            for index, objects in enumerate(found)
        )
        return MovingObjects(detector.name, by_frame, tuple(squares), tuple(map(tuple, found)))

    frames = list(usable.values())
    if earlier is None:
        found: list[list[DetectedObject]] = [[] for _ in motion.frames]
        for index, objects in zip(
            usable, _detect(detector, frames, DETECTOR_FRAME_PX), strict=True
        ):
            found[index] = _without_twins(objects)
        earlier = told(found, ())
    else:
        found = [list(objects) for objects in earlier.found]
        earlier = told(found, earlier.squares)
    squares = _squares_to_look_at(earlier, regions, dimensions, kinds_in)
    if not squares:
        return earlier
    crops = [
        np.ascontiguousarray(frame[y1:y2, x1:x2]) for frame in frames for x1, y1, x2, y2 in squares
    ]
    indices = list(usable)
    for number, objects in enumerate(_detect(detector, crops, DETECTOR_CROP_PX)):
        frame_number, square = divmod(number, len(squares))
        x1, y1 = squares[square][:2]
        found[indices[frame_number]] += [seen.shifted(x1, y1) for seen in objects]
    return told([_without_twins(objects) for objects in found], (*earlier.squares, *squares))


def _squares_to_look_at(
    known: MovingObjects,
    regions: Sequence[MotionRegion],
    dimensions: tuple[int, int],
    kinds_in: Callable[[MotionRegion], Collection[str]],
) -> list[Box]:
    """Return squares around the first regions in which nobody is recognised for certain."""
    squares: list[Box] = []
    for region in regions:
        if len(squares) == CROPPED_REGIONS:
            break
        square = square_for_detector(region, dimensions)
        # Regions of one mover lie side by side: a square of about that size shows them all.
        as_close = [
            other
            for other in (*known.squares, *squares)
            if other[2] - other[0] <= _AS_CLOSE * (square[2] - square[0])
        ]
        if _lies_within(region, as_close):
            continue
        if known.score_in(region, kinds_in(region)) < CERTAIN_SCORE:
            squares.append(square)
    return squares


def _lies_within(region: MotionRegion, squares: Sequence[Box]) -> bool:
    x1, y1, x2, y2 = region.to_bbox()
    return any(
        left <= x1 and top <= y1 and right >= x2 and bottom >= y2
        for left, top, right, bottom in squares
    )


def _detect(
    detector: ObjectDetector | BlindDetector | RememberingDetector,
    pictures: Sequence[Frame],
    size: int,
) -> Sequence[Sequence[DetectedObject]]:
    return detector.detect(pictures, size=size, min_score=LEAST_SCORE)


def square_for_detector(region: MotionRegion, dimensions: tuple[int, int]) -> Box:
    """Return a square around a region, moved into the frame: (x1, y1, x2, y2)."""
    side = max(round(_CROP_MARGIN * max(region.width, region.height)), _LEAST_CROP)
    (x1, x2), (y1, y2) = (
        _placed(start + length // 2, min(side, edge), edge)
        for start, length, edge in (
            (region.x, region.width, dimensions[1]),
            (region.y, region.height, dimensions[0]),
        )
    )
    return x1, y1, x2, y2


def _placed(middle: int, side: int, edge: int) -> tuple[int, int]:
    start = max(0, min(middle - side // 2, edge - side))
    return start, start + side


def _without_twins(objects: Sequence[DetectedObject]) -> list[DetectedObject]:
    """Keep of what was found twice, in the frame and in a crop, the more certain one."""
    ranked = sorted(objects, key=lambda found: -found.score)
    if not ranked:
        return []
    kept = cv2.dnn.NMSBoxesBatched(
        [(found.x, found.y, found.width, found.height) for found in ranked],
        [found.score for found in ranked],
        [_GROUP_NUMBERS[found.group] for found in ranked],
        0.0,
        _SAME,
    )
    return [ranked[index] for index in sorted(kept)]


def _union(found: DetectedObject, other: DetectedObject) -> float:
    """Return the intersection of two boxes over their union."""
    common = common_area(found.to_bbox(), other.to_bbox())
    return common / (found.width * found.height + other.width * other.height - common)


def _moving(
    objects: Sequence[DetectedObject], moved: NDArray[np.int32], damaged: NDArray[np.int32] | None
) -> tuple[DetectedObject, ...]:
    """Keep what moved and is not corrupt; the masks come as `cv2.integral` sums them up."""
    if not objects:
        return ()
    boxes = np.array([found.to_bbox() for found in objects])
    stays = _shares_covered(boxes, moved) >= MOVED_SHARE
    if damaged is not None:
        stays &= _shares_covered(boxes, damaged) <= _DAMAGED_SHARE
    return tuple(found for found, is_kept in zip(objects, stays, strict=True) if is_kept)


def _shares_covered(boxes: NDArray[np.int_], sums: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return which share of each box (n, 4) a mask covers."""
    x1, y1, x2, y2 = boxes.T
    covered = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]
    return np.asarray(covered / ((x2 - x1) * (y2 - y1)))


def _summed(mask: NDArray[np.uint8] | NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return how many pixels of a mask are set above and left of each, (H + 1, W + 1)."""
    return np.asarray(cv2.integral((mask > 0).astype(np.uint8)), np.int32)


def share_covered(found: DetectedObject, mask: NDArray[np.uint8] | NDArray[np.bool_]) -> float:
    """Return which share of an object's box a mask (H, W) covers."""
    x1, y1, x2, y2 = found.to_bbox()
    return float(np.count_nonzero(mask[y1:y2, x1:x2])) / (found.width * found.height)
