"""The events of a folder in which something moved, and the count of those that were left out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import overload

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_training.events import Event, EventsError, find_events
from veroallarme_training.motion_cache import (
    BrokenEventError,
    Detector,
    EventMotion,
    MotionCache,
    Picture,
    read_frames,
)

MAX_REGIONS = 16
"""Regions taken of one event, the largest first: a gust of wind must not outweigh a week."""


class MovingEvent:
    """An event with at least one region that moved.

    Args:
        event: where it lies.
        all_regions: how many regions moved in it.
        read_motion: reads what moved, once, when it is asked for.
    """

    def __init__(
        self, event: Event, all_regions: int, read_motion: Callable[[], EventMotion]
    ) -> None:
        self.event = event
        self.region_count = min(all_regions, MAX_REGIONS)
        """How many of its regions are taken."""
        self._read_motion = read_motion

    @classmethod
    def found(cls, event: Event, motion: EventMotion) -> MovingEvent:
        """Return an event whose motion is in memory."""
        return cls(event, len(motion.regions), partial(_same, motion))

    @cached_property
    def motion(self) -> EventMotion:
        """What moved."""
        return self._read_motion()

    def read_frames(self, region: int) -> list[Picture]:
        """Decode the at most three frames that show a region, uint8 (H, W, 3) BGR each."""
        return read_frames(self.event, self.motion.region_frames[region])

    def read_all_frames(self) -> dict[int, Picture]:
        """Decode every frame that shows one of its regions, by the frame's index."""
        needed = sorted({index for frames in self.motion.region_frames for index in frames})
        return dict(zip(needed, read_frames(self.event, needed), strict=True))

    def region_map(self) -> NDArray[np.int32]:
        """Return int32 (H, W): 0 where nothing moved, else the number of the region plus 1."""
        _, labels, stats, _ = cv2.connectedComponentsWithStats(
            self.motion.motion_mask, connectivity=8
        )
        lookup = np.zeros(len(stats), np.int32)
        for label, (x, y, width, height, area) in enumerate(stats[1:].tolist(), start=1):
            same_box = [
                (abs(region.area - area), number)
                for number, region in enumerate(self.motion.regions, start=1)
                if (region.x, region.y, region.width, region.height) == (x, y, width, height)
            ]
            # By the box: once in a while OpenCV counts a few pixels more in the unfiltered mask.
            lookup[label] = min(same_box)[1] if same_box else 0
        return np.asarray(lookup[labels], np.int32)


def _same(motion: EventMotion) -> EventMotion:
    return motion


@dataclass(frozen=True)
class SkippedEvent:
    """An event that is broken, and why."""

    event: Event
    reason: str


@dataclass(frozen=True, eq=False)
class MovingEvents:
    """What a folder holds to learn from."""

    events: Sequence[MovingEvent]
    skipped: tuple[SkippedEvent, ...] = ()
    still: int = 0
    """Events in which nothing moved."""

    def only(self, events: Iterable[Event]) -> MovingEvents:
        """Return the part that belongs to `events`; what was left out stays counted."""
        names = {event.name for event in events}
        kept = tuple(moving for moving in self.events if moving.event.name in names)
        return replace(self, events=kept)

    def joined(self, other: MovingEvents) -> MovingEvents:
        """Return these events and then the other ones, and all that was left out."""
        return MovingEvents(
            JoinedEvents(self.events, other.events),
            self.skipped + other.skipped,
            self.still + other.still,
        )

    def __str__(self) -> str:
        regions = sum(moving.region_count for moving in self.events)
        text = f"{len(self.events):,} events with {regions:,} moving regions"
        if self.still:
            text += f"; {self.still:,} without motion"
        if self.skipped:
            text += f"; {len(self.skipped):,} broken, the first: {self.skipped[0].reason}"
        return text


class JoinedEvents(Sequence[MovingEvent]):
    """Several sequences of events, one after the other; none of them is copied."""

    def __init__(self, *parts: Sequence[MovingEvent]) -> None:
        self.parts = tuple(part for part in parts if len(part))
        self.ends = list(accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    @overload
    def __getitem__(self, at: int) -> MovingEvent: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[MovingEvent]: ...
    def __getitem__(self, at: int | slice) -> MovingEvent | Sequence[MovingEvent]:
        """Return an event, or some of them."""
        numbers = range(len(self))[at]
        if isinstance(numbers, range):
            return [self[number] for number in numbers]
        part = bisect_right(self.ends, numbers)
        return self.parts[part][numbers - self.ends[part]]


def find_motion(
    events: Sequence[Event],
    cache: MotionCache,
    watch: Callable[[Iterable[Event]], Iterable[Event]] = lambda events: events,
) -> MovingEvents:
    """Find out in which events something moved; broken ones are skipped and counted.

    Args:
        events: where to look.
        cache: computes each event once.
        watch: wraps the events that are gone through, for a progress bar.
    """
    moving, skipped, still = [], [], 0
    for event in watch(events):
        try:
            motion = cache.motion(event)
        except BrokenEventError as error:
            skipped.append(SkippedEvent(event, str(error)))
            continue
        if motion.regions:
            moving.append(MovingEvent.found(event, motion))
        else:
            still += 1
    return MovingEvents(tuple(moving), tuple(skipped), still)


def load_moving_events(
    data_dir: str | Path | MovingEvents,
    detector: Detector | None = None,
    *,
    max_sequences: int | None = None,
    cache_dir: str | Path | None = None,
) -> MovingEvents:
    """Find the events of a folder in which something moved.

    Raises:
        EventsError: the folder holds no event, or none that shows motion.
    """
    if isinstance(data_dir, MovingEvents):
        return data_dir
    events = find_events(data_dir, max_sequences)
    found = find_motion(events, MotionCache(detector, cache_dir))
    if not found.events:
        raise EventsError(f"None of the {len(events):,} events of {data_dir} can be used: {found}.")
    return found
