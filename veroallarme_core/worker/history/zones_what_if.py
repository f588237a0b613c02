"""What other zones would have done to the last events, estimated by the boxes of what moved.

`judgement.Premises` has the moving pixels themselves; of an event of the past its boxes are known,
and how many pixels moved in each. They are taken to fill the box evenly. Where boxes cannot tell,
the event counts as alerting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import State, Zone, ZoneKind
from veroallarme_core.judgement import BORDER, CLEAR_SHARE, INSIDE_SHARE, OUTSIDE
from veroallarme_core.motion_detection import min_area_for
from veroallarme_core.worker.history.remembered import RememberedEvent

COLUMNS = 320
"""Of the raster that zones are drawn on."""
_NOT_MOVING = frozenset({"burnt_in_text", "light"})
"""Reasons of regions in which nothing moves, wherever they lie."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ZonesAnswer:
    """What zones would have done to the last events."""

    events: int
    alarms: int
    """Events that were judged relevant, by the zones in force then."""
    suppressed: int
    """Those of the alarms that would have been none."""
    confirmed: int
    """Alarms that the user called relevant."""
    missed: int
    """Those of `confirmed` that would have been none."""
    rejected: int
    """Alarms that the user called false."""
    rejected_suppressed: int
    """Those of `rejected` that would have been none."""
    more: int
    """Events without alarm that may have raised one: what moved there counts now."""


class PastRegions:
    """The regions of the last events, in arrays: a corner is dragged, and an answer is due.

    Args:
        events: of one camera, newest first.
    """

    def __init__(self, events: Sequence[RememberedEvent]) -> None:
        self._events = events
        rows = [
            (index, region.x, region.y, region.width, region.height, region.area_px)
            for index, event in enumerate(events)
            for region in event.regions
        ]
        table = np.array(rows, np.float64).reshape(-1, 6)
        self._owner = table[:, 0].astype(np.intp)
        self._boxes = table[:, 1:5]
        self._area_px = table[:, 5]
        found = [region for event in events for region in event.regions]
        self._relevant = np.array([region.is_relevant for region in found], np.bool_)
        self._outside = np.array([region.reason == OUTSIDE for region in found], np.bool_)
        self._moving = np.array([region.reason not in _NOT_MOVING for region in found], np.bool_)
        least = [
            0.0 if event.frame_dimensions is None else float(min_area_for(event.frame_dimensions))
            for event in events
        ]
        least_px = np.array(least, np.float64)[self._owner] if rows else np.zeros(0)
        # As `Premises` has it: so many moving pixels make a region count where they lie.
        self._enough = np.minimum(
            INSIDE_SHARE * least_px, np.maximum(1.0, CLEAR_SHARE * self._area_px)
        )

    @cached_property
    def _shape(self) -> tuple[int, int]:
        sizes = [event.frame_dimensions for event in self._events if event.frame_dimensions]
        height, width = sizes[0] if sizes else (9, 16)
        return max(8, round(COLUMNS * height / width)), COLUMNS

    @cached_property
    def _corners(self) -> tuple[NDArray[np.intp], ...]:
        """Rows and columns of the raster where every box begins and ends, at least one of each."""
        rows, columns = self._shape
        x, y, width, height = self._boxes.T
        top = np.clip(np.floor(y * rows), 0, rows - 1).astype(np.intp)
        left = np.clip(np.floor(x * columns), 0, columns - 1).astype(np.intp)
        bottom = np.clip(np.rint((y + height) * rows).astype(np.intp), top + 1, rows)
        right = np.clip(np.rint((x + width) * columns).astype(np.intp), left + 1, columns)
        return top, bottom, left, right

    def answer(self, zones: Sequence[Zone]) -> ZonesAnswer:
        """Return what these zones, instead of those of then, would have done."""
        counting, always = self._areas(zones)
        counts = self._counts(counting)
        alerts = self._share(always) * self._area_px >= self._enough
        alerts &= self._moving & (self._share(always) > 0)
        rings = self._any(counts & self._relevant) | self._any(alerts)
        opened = self._any(counts & self._outside)
        was = np.array([event.state is State.RELEVANT for event in self._events], np.bool_)
        sure = np.array([event.is_complete and event.is_whole for event in self._events], np.bool_)
        has_relevant = self._any(self._relevant)
        gone = was & sure & has_relevant & ~rings & ~opened
        up = np.array([event.thumb is True for event in self._events], np.bool_)
        down = np.array([event.thumb is False for event in self._events], np.bool_)
        quiet = np.array([event.state is State.IRRELEVANT for event in self._events], np.bool_)
        return ZonesAnswer(
            events=len(self._events),
            alarms=int(was.sum()),
            suppressed=int(gone.sum()),
            confirmed=int((was & up).sum()),
            missed=int((gone & up).sum()),
            rejected=int((was & down).sum()),
            rejected_suppressed=int((gone & down).sum()),
            more=int((quiet & (opened | self._any(alerts))).sum()),
        )

    def _areas(self, zones: Sequence[Zone]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return where motion counts and where it always alerts, 1 there; see `Premises.of`."""
        only, ignore, always = (
            self._drawn(zone for zone in zones if zone.kind is kind)
            for kind in (ZoneKind.ONLY, ZoneKind.IGNORE, ZoneKind.ALWAYS)
        )
        counting = only if only.any() else np.ones(self._shape, np.uint8)
        if any(zone.kind is ZoneKind.ONLY for zone in zones):
            counting = only
        return counting & (1 - ignore) | always, always

    def _drawn(self, zones: Iterable[Zone]) -> NDArray[np.uint8]:
        rows, columns = self._shape
        mask = np.zeros(self._shape, np.uint8)
        for zone in zones:
            corners = [[round(x * (columns - 1)), round(y * (rows - 1))] for x, y in zone.points]
            cv2.fillPoly(mask, [np.array(corners, np.int32)], 1)
        return mask

    def _counts(self, counting: NDArray[np.uint8]) -> Flags:
        """Tell of every region whether it would count; see `Premises.split`."""
        width = max(1, round(BORDER * self._shape[1]))
        window = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
        deep = np.asarray(cv2.erode(counting, window, borderValue=1), np.uint8)
        inside = self._share(counting)
        return np.asarray(
            (inside >= CLEAR_SHARE) | (self._share(deep) * self._area_px >= self._enough)
        ) & (inside > 0)

    def _share(self, mask: NDArray[np.uint8]) -> Floats:
        """Return which share of every box a mask covers."""
        sums = cv2.integral(mask)
        top, bottom, left, right = self._corners
        covered = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        return np.asarray(covered / ((bottom - top) * (right - left)), np.float64)

    def _any(self, regions: Flags) -> Flags:
        """Tell of every event whether any of its regions is flagged."""
        flagged = np.zeros(len(self._events), np.bool_)
        flagged[self._owner[regions]] = True
        return flagged
