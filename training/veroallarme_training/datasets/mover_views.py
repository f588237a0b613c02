"""In which frames a mover is seen, and where it is in another frame of the same event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_training.motion_cache import Picture
from veroallarme_training.moving_events import MovingEvent

PRESENT_SHARE = 0.5
"""A mover is in a frame that differs at its place at least this much of the largest difference."""

LIKE = 0.5
"""Two views show the same mover where their colour histograms correlate at least this much."""

SIZE_RATIO = 2.5
"""... and the areas of their boxes differ at most by this factor."""


@dataclass(frozen=True, eq=False)
class MoverView:
    """A region in a frame in which its mover is seen: the region's number, the frame's index."""

    region: int
    frame: int
    difference: float
    """How much the frame differs there from the background, in grey levels."""
    histogram: NDArray[np.float32]
    area: int


@dataclass(frozen=True, eq=False)
class EventViews:
    """All views of the movers of one event, and the places that are empty in some frame."""

    movers: tuple[MoverView, ...]
    empty: tuple[tuple[int, int], ...]
    """(region, frame): here the place of the region shows only its background."""

    @property
    def clearest(self) -> MoverView:
        """The view that differs most from its background; the first in a draw."""
        return max(self.movers, key=lambda view: view.difference)

    def match(self, view: MoverView) -> MoverView:
        """Return the view of the same mover in another frame; the view itself where none is."""
        others = [
            (similarity, other)
            for other in self.movers
            if other.frame != view.frame
            and 1 / SIZE_RATIO <= other.area / view.area <= SIZE_RATIO
            and (similarity := _similarity(view, other)) >= LIKE
        ]
        return max(others, key=lambda pair: pair[0])[1] if others else view


def find_views(
    moving: MovingEvent, regions: Iterable[int], frames: Mapping[int, Picture]
) -> EventViews:
    """Find out in which frames the mover of each region is seen.

    Where something moved, the median of the frames shows the background (with three frames or
    more), and the mover is where a frame differs from it. With two frames it may be in either.

    Args:
        moving: the event.
        regions: the numbers of the regions to look at.
        frames: the event's frames by their index, as `MovingEvent.read_all_frames` gives them.
    """
    movers, empty = [], []
    for number in regions:
        region = moving.motion.regions[number]
        x1, y1, x2, y2 = region.to_bbox()
        indices = moving.motion.region_frames[number]
        crops = [frames[index][y1:y2, x1:x2] for index in indices]
        differences = _differences(crops)
        for index, crop, difference in zip(indices, crops, differences, strict=True):
            if difference >= PRESENT_SHARE * max(differences):
                area = region.width * region.height
                movers.append(MoverView(number, index, difference, _histogram(crop), area))
            else:
                empty.append((number, index))
    return EventViews(tuple(movers), tuple(empty))


def _differences(crops: Sequence[Picture]) -> list[float]:
    """Return how much each crop differs from the median of all, in grey levels."""
    if len(crops) < 3:
        return [0.0] * len(crops)
    stack = np.stack(crops).astype(np.int16)  # (frames, h, w, 3)
    background = np.median(stack, axis=0).astype(np.int16)
    return [float(np.abs(crop - background).mean()) for crop in stack]


def _histogram(crop: Picture) -> NDArray[np.float32]:
    histogram = cv2.calcHist([crop], [0, 1, 2], None, [6, 6, 6], [0, 256] * 3)
    return np.asarray(cv2.GaussianBlur(histogram.reshape(6, 36), (3, 3), 0).ravel(), np.float32)


def _similarity(view: MoverView, other: MoverView) -> float:
    return float(cv2.compareHist(view.histogram, other.histogram, cv2.HISTCMP_CORREL))
