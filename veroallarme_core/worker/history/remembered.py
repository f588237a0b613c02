"""The last events of a camera as they are remembered: enough to tell what might have been."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from veroallarme_core.contract import State
from veroallarme_core.judgement import PROVING_SHARE
from veroallarme_core.pipeline import Outcomes
from veroallarme_core.worker.storage import EventStore, JudgedEvent, Storage

MOST_EVENTS = 500
PAGE = 100
"""Events that the database thread reads in one go: it has alarms to serve."""
MOST_CAMERAS = 4
"""Whose events are kept in memory, of those that were asked for last."""
ANSWER_LIMIT_S = 10.0
"""How long reading may take, waiting for one's turn included."""
FRESH_S = 3.0
"""For so long what was read is taken for what there is: somebody drags a corner meanwhile."""


@dataclass(frozen=True, kw_only=True)
class RememberedRegion:
    """Where something moved: a box in shares of the picture."""

    x: float
    y: float
    width: float
    height: float
    area_px: int
    is_relevant: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class RememberedEvent:
    """An event of the past."""

    event_id: str
    motion_at: str
    """ISO 8601 in UTC."""
    state: State
    was_alarm: bool
    score: float | None
    """In [0, 1]; None where it could not be judged."""
    threshold: float
    learning: bool
    """Whether the camera was learning then."""
    names_kinds: bool
    """Whether it was left out for the kinds of objects that count."""
    regions: tuple[RememberedRegion, ...]
    is_complete: bool
    """Whether all that was relevant in it is among the regions; a verdict lists 16."""
    is_whole: bool
    """Whether its pictures could be compared nearly everywhere."""
    frame_dimensions: tuple[int, int] | None
    """Height and width in pixels."""
    thumb: bool | None
    outcomes: Outcomes | None
    """What it would be under other settings; None where nobody found out."""

    @property
    def moment(self) -> datetime:
        """When it moved."""
        return datetime.fromisoformat(self.motion_at)

    @classmethod
    def read(cls, stored: JudgedEvent) -> RememberedEvent | None:
        """Read a stored event; None where its verdict was written otherwise."""
        try:
            return cls._read(stored, json.loads(stored.verdict))
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return None

    @classmethod
    def _read(cls, stored: JudgedEvent, verdict: Mapping[str, Any]) -> RememberedEvent:
        size = verdict["frame_dimensions"]
        regions: tuple[RememberedRegion, ...] = ()
        if size is not None:
            height, width = (int(edge) for edge in size)
            regions = tuple(_region(found, height, width) for found in verdict["regions"])
            size = (height, width)
        score = verdict["score"]
        relevant = sum(region.is_relevant for region in regions)
        return cls(
            event_id=stored.event_id,
            motion_at=stored.motion_at,
            state=State(verdict["state"]),
            was_alarm=bool(verdict["relevant"]),
            score=None if score is None else float(score),
            threshold=float(verdict["threshold"]),
            learning=bool(verdict["learning"]),
            names_kinds=any(region.reason == "unwanted_object" for region in regions),
            regions=regions,
            is_complete=relevant == verdict["num_relevant"],
            is_whole=verdict["cues"].get("comparable_share", 1.0) >= PROVING_SHARE,
            frame_dimensions=size,
            thumb=stored.feedback,
            outcomes=_outcomes(stored.outcomes),
        )


class RecentEvents:
    """Reads the last events of cameras, and keeps those that are asked for again and again.

    Args:
        storage: holds them.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._kept: OrderedDict[str, tuple[float, Sequence[RememberedEvent]]] = OrderedDict()
        self._turn = asyncio.Lock()

    async def of(self, camera: str) -> Sequence[RememberedEvent]:
        """Return a camera's last events, newest first.

        Raises:
            OSError, sqlite3.Error, StoreError: they cannot be read, or not in time.
        """
        # Who asks while they are read gets what is being read.
        async with asyncio.timeout(ANSWER_LIMIT_S), self._turn:
            kept = self._kept.get(camera)
            if kept is not None and time.monotonic() - kept[0] < FRESH_S:
                return kept[1]
            events = await self._read(camera)
            self._kept[camera] = (time.monotonic(), events)
            self._kept.move_to_end(camera)
            while len(self._kept) > MOST_CAMERAS:
                self._kept.popitem(last=False)
            return events

    async def _read(self, camera: str) -> Sequence[RememberedEvent]:
        stored: list[JudgedEvent] = []
        before: tuple[str, str] | None = None
        while len(stored) < MOST_EVENTS:
            limit = min(PAGE, MOST_EVENTS - len(stored))
            page = await self._storage.database(
                partial(_read_page, camera=camera, before=before, limit=limit)
            )
            stored += page
            if len(page) < limit:
                break
            before = (page[-1].motion_at, page[-1].event_id)
        read = await asyncio.to_thread(lambda: [RememberedEvent.read(one) for one in stored])
        return [event for event in read if event is not None]


def _read_page(
    store: EventStore, camera: str, before: tuple[str, str] | None, limit: int
) -> list[JudgedEvent]:
    return store.outcomes.judged_before(camera, before, limit)


def _region(found: Mapping[str, Any], height: int, width: int) -> RememberedRegion:
    return RememberedRegion(
        x=found["x"] / width,
        y=found["y"] / height,
        width=found["width"] / width,
        height=found["height"] / height,
        area_px=int(found["area"]),
        is_relevant=bool(found["is_relevant"]),
        reason=str(found["reason"]),
    )


def _outcomes(stored: str | None) -> Outcomes | None:
    if stored is None:
        return None
    try:
        return Outcomes.from_dict(json.loads(stored))
    except (KeyError, TypeError, ValueError):
        return None  # another version wrote it: it is not known
