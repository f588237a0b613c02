"""Why one past event was judged as it was: everything that stands behind its verdict."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.camera_memory import SESSION_S, AlikeRegion, CameraState, event_key
from veroallarme_core.contract import CommandError, RelevanceRegion, VerdictObject, Zone
from veroallarme_core.worker.camera import CameraWorker
from veroallarme_core.worker.history.turns import Turns
from veroallarme_core.worker.storage import EventFilter, EventStore, ListedEvent, Storage

MOST_ALIKE = 5
"""Past regions that are shown for each region."""
FEWEST_EVENTS = 20
"""Events from which a share of them tells something: of 20 it is known to about a tenth."""
MOST_WAITING = 64
_MOST_OF_A_SESSION = 500


@dataclass(frozen=True, kw_only=True)
class AlikeEvent:
    """A region of another event that is like one, and that event."""

    likeness: float
    """In [0, 1]."""
    at: datetime
    """When it moved; of an event that is no longer kept, the quarter of an hour."""
    thumb: bool | None
    """The user's word, as the memory knows it."""
    event: ListedEvent | None
    """None where it is no longer kept."""


@dataclass(frozen=True, kw_only=True)
class JudgedRegion:
    """A region of the event, and what stands behind its score."""

    region: RelevanceRegion
    """Its `cues` are empty in verdicts that an earlier release wrote."""
    alike: Sequence[AlikeEvent] | None
    """The most alike past regions, the most alike first; None where the memory does not hold it."""
    recurrence: float | None
    """Share of the events in which its place moves; None where that is not known yet."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recurrence:
    """Where the camera sees motion again and again."""

    events: int
    """Events of the present view."""
    shares: NDArray[np.float32]
    """(rows, columns): share of the events in which every cell moves."""

    @property
    def tells(self) -> bool:
        """Whether it has seen enough to be shown."""
        return self.events >= FEWEST_EVENTS


@dataclass(frozen=True, kw_only=True, eq=False)
class EventEvidence:
    """Everything that stands behind a verdict."""

    verdict: Mapping[str, Any]
    """As it was stored."""
    listed: ListedEvent
    regions: Sequence[JudgedRegion]
    """The largest score first."""
    objects: Sequence[VerdictObject]
    zones: Sequence[Zone]
    """That are in force now."""
    recurrence: Recurrence | None


class Evidence:
    """Gathers what stands behind verdicts, one after the other: alarms go first.

    Args:
        storage: holds verdicts, thumbs and frames.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._turns = Turns(MOST_WAITING)

    async def gather(self, camera: CameraWorker, event_id: str) -> EventEvidence:
        """Return what stands behind the verdict of an event.

        Raises:
            CommandError: there is no such event, or it cannot be read.
        """
        async with self._turns.wait():
            listed, verdict = await self._find(camera, event_id)
            regions = [RelevanceRegion.from_contract(region) for region in verdict["regions"]]
            size = verdict["frame_dimensions"]
            alike: Sequence[Sequence[AlikeEvent] | None] = [None] * len(regions)
            recurrence = None
            if (state := camera.learning.state) is not None and size is not None:
                found = await asyncio.to_thread(_remembered, state, event_id, regions, size)
                alike = await self._storage.database(
                    lambda store: [_events_of(store, camera.id, some) for some in found]
                )
                recurrence = await asyncio.to_thread(_recurrence, state)
        return EventEvidence(
            verdict=verdict,
            listed=listed,
            regions=[
                JudgedRegion(region=region, alike=some, recurrence=_share(region, size, recurrence))
                for region, some in zip(regions, alike, strict=True)
            ],
            objects=[VerdictObject.from_dict(found) for found in verdict.get("objects", ())],
            zones=camera.context.settings.zones,
            recurrence=recurrence,
        )

    async def _find(
        self, camera: CameraWorker, event_id: str
    ) -> tuple[ListedEvent, Mapping[str, Any]]:
        def find(store: EventStore) -> tuple[list[ListedEvent], dict[str, dict[str, Any]]]:
            return store.listing.find([event_id]), store.listing.verdicts([event_id])

        found, verdicts = await self._storage.database(find)
        if not found or found[0].camera != camera.id:
            raise CommandError(
                f"the event {event_id} is unknown: give the event_id of a verdict of this camera "
                "that is still kept"
            )
        return found[0], verdicts[event_id]


def _remembered(
    state: CameraState, event_id: str, regions: Sequence[RelevanceRegion], size: Sequence[int]
) -> list[tuple[AlikeRegion, ...] | None]:
    height, width = size
    places = [
        ((region.x + region.width / 2) / width, (region.y + region.height / 2) / height)
        for region in regions
    ]
    return state.alike(event_id, places, MOST_ALIKE)


def _recurrence(state: CameraState) -> Recurrence | None:
    known = state.recurrence()
    return None if known is None else Recurrence(events=known[0], shares=known[1])


def _events_of(
    store: EventStore, camera: str, regions: Sequence[AlikeRegion] | None
) -> list[AlikeEvent] | None:
    """Find the events of remembered regions: the memory knows their time and a number of them."""
    if regions is None:
        return None
    alike = []
    for region in regions:
        begin = datetime.fromtimestamp(region.session * SESSION_S, UTC)
        wanted = EventFilter(
            cameras=(camera,), since=begin, until=begin + timedelta(seconds=SESSION_S)
        )
        event = next(
            (
                event
                for event in store.listing.page(wanted, _MOST_OF_A_SESSION)
                if event_key(event.event_id) == region.event_key
            ),
            None,
        )
        alike.append(
            AlikeEvent(
                likeness=region.likeness,
                at=begin if event is None else event.motion_at,
                thumb=region.thumb if event is None else event.feedback,
                event=event,
            )
        )
    return alike


def _share(
    region: RelevanceRegion, size: Sequence[int] | None, recurrence: Recurrence | None
) -> float | None:
    """Return how often the place of a region moves: the mean over the cells that it covers."""
    if recurrence is None or size is None or not recurrence.tells:
        return None
    rows, columns = recurrence.shares.shape
    height, width = size
    x1, y1, x2, y2 = region.to_bbox()
    top, bottom = math.floor(y1 / height * rows), math.ceil(y2 / height * rows)
    left, right = math.floor(x1 / width * columns), math.ceil(x2 / width * columns)
    cells = recurrence.shares[top:bottom, left:right]
    return float(cells.mean()) if cells.size else None
