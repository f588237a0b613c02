"""Lists of past events over all cameras, for pages that are looked at."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from veroallarme_core.contract import CommandError, State, Zone
from veroallarme_core.worker.history.turns import Turns
from veroallarme_core.worker.storage import EventFilter, EventStore, ListedEvent, Position, Storage
from veroallarme_core.zone_suggestions import PastEvent as MovedEvent
from veroallarme_core.zone_suggestions import moved_inside

MOST_WAITING = 256
_PARTS = 96
"""Of a day: a quarter of an hour each."""
_LOOKED_THROUGH = 300
"""Verdicts that are read at once where a zone is asked for; some 10 ms of the database thread."""
_MOST_LOOKED_THROUGH = 6000
"""... and for one page; what comes after them is for the next one."""


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """A page of past events, newest first."""

    events: Sequence[ListedEvent]
    next: Position | None
    """Where the next page begins; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class DayPart:
    """What one camera saw in a part of a day."""

    since: datetime
    until: datetime
    alarms: int = 0
    suppressed: int = 0
    would: int = 0
    """Those of the alarms that were judged nuisance, by a camera that alerts for all."""
    unknown: int = 0
    """Those among both that could not be judged."""
    up: int = 0
    """Thumbs up."""
    down: int = 0

    @property
    def events(self) -> int:
        """All of them."""
        return self.alarms + self.suppressed


@dataclass(frozen=True, kw_only=True)
class CameraDay:
    """A camera's day at a glance."""

    parts: Sequence[DayPart]
    """In order of time, those without any event too."""
    reasons: Sequence[tuple[str, int]]
    """Why events were suppressed: codes and how often, the most frequent first."""
    latest: ListedEvent | None
    """None on a day without any."""
    is_whole: bool
    """Whether all events of the day are counted; of very many only the newest ones are."""

    @property
    def alarms(self) -> int:
        """Events that raised the alarm."""
        return sum(part.alarms for part in self.parts)

    @property
    def suppressed(self) -> int:
        """Events that raised none."""
        return sum(part.suppressed for part in self.parts)

    @property
    def would(self) -> int:
        """Those of the alarms that would have been suppressed."""
        return sum(part.would for part in self.parts)

    @property
    def unknown(self) -> int:
        """Events that could not be judged."""
        return sum(part.unknown for part in self.parts)


MOST_OF_A_DAY = 5000
"""Events that are counted of one camera and day."""


class EventLists:
    """Answers what lists ask, one after the other: alarms go first.

    Args:
        storage: holds verdicts and thumbs.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._turns = Turns(MOST_WAITING)

    async def page(
        self,
        wanted: EventFilter,
        limit: int,
        before: Position | None = None,
        zone: Zone | None = None,
    ) -> EventPage:
        """Return a page of events.

        Args:
            wanted: which ones.
            limit: most events; with a zone there may be fewer, and more on the next page.
            before: where the former page ended.
            zone: only events that moved inside it.

        Raises:
            CommandError: the store cannot be read.
        """
        async with self._turns.wait():
            if zone is not None:
                return await self._page_inside(wanted, limit, before, zone)
            found = await self._storage.database(
                lambda store: store.listing.page(wanted, limit + 1, before)
            )
        shown = found[:limit]
        return EventPage(
            events=shown, next=shown[-1].position if len(found) > limit and shown else None
        )

    async def newer(
        self, wanted: EventFilter, limit: int, after: Position | None, zone: Zone | None = None
    ) -> list[ListedEvent]:
        """Return what came since an event, newest first; at most so many, the oldest ones.

        Args:
            wanted: which events.
            limit: most events.
            after: the event; None takes everything for new.
            zone: only events that moved inside it.

        Raises:
            CommandError: the store cannot be read.
        """
        begin = after or Position(motion_at=datetime.min.replace(tzinfo=UTC), event_id="")
        async with self._turns.wait():
            events = await self._storage.database(
                lambda store: store.listing.newer(wanted, limit, begin)
            )
            if zone is not None:
                verdicts = await self._storage.database(
                    lambda store: store.listing.verdicts([event.event_id for event in events])
                )
                events = await asyncio.to_thread(_inside, zone, events, verdicts)
        return events[::-1]

    async def count(self, wanted: EventFilter) -> int:
        """Return how many events are wanted.

        Raises:
            CommandError: the store cannot be read.
        """
        async with self._turns.wait():
            return await self._storage.database(lambda store: store.listing.count(wanted))

    async def reasons(self) -> list[str]:
        """Return the codes of all reasons that occur, the most frequent first.

        Raises:
            CommandError: the store cannot be read.
        """
        async with self._turns.wait():
            return await self._storage.database(lambda store: store.listing.reasons())

    async def find(self, event_ids: Sequence[str]) -> dict[str, ListedEvent]:
        """Return what lists know of some events, by their ids; unknown ones are missing.

        Raises:
            CommandError: the store cannot be read.
        """
        async with self._turns.wait():
            found = await self._storage.database(lambda store: store.listing.find(event_ids))
        return {event.event_id: event for event in found}

    async def pictures(self, events: Sequence[ListedEvent]) -> dict[str, int]:
        """Return how many frames of each event are still kept, by the ids of the events.

        Raises:
            CommandError: the disk cannot be read.
        """
        wanted = [(event.camera, event.event_id) for event in events]
        async with self._turns.wait():
            return await self._storage.files(
                lambda store: {
                    event_id: store.frames.count(camera, event_id) for camera, event_id in wanted
                }
            )

    async def neighbours(self, event: ListedEvent) -> tuple[ListedEvent | None, ListedEvent | None]:
        """Return the camera's events right before and right after one.

        Raises:
            CommandError: the store cannot be read.
        """
        wanted = EventFilter(cameras=(event.camera,))
        async with self._turns.wait():
            older = await self._storage.database(
                lambda store: store.listing.page(wanted, 1, event.position)
            )
            newer = await self._storage.database(
                lambda store: store.listing.newer(wanted, 1, event.position)
            )
        return next(iter(older), None), next(iter(newer), None)

    async def day(self, camera: str, since: datetime, until: datetime) -> CameraDay:
        """Return a camera's day at a glance.

        Args:
            camera: its id.
            since: the beginning of the day where the user is; aware.
            until: its end; 23 or 25 hours later where clocks are changed.

        Raises:
            CommandError: the store cannot be read.
        """
        wanted = EventFilter(cameras=(camera,), since=since, until=until)
        async with self._turns.wait():
            events = await self._storage.database(
                lambda store: store.listing.page(wanted, MOST_OF_A_DAY + 1)
            )
        return _at_a_glance(events, since, until)

    async def _page_inside(
        self, wanted: EventFilter, limit: int, before: Position | None, zone: Zone
    ) -> EventPage:
        found: list[ListedEvent] = []
        for _ in range(_MOST_LOOKED_THROUGH // _LOOKED_THROUGH):
            candidates, verdicts = await self._storage.database(
                partial(_with_verdicts, wanted=wanted, before=before)
            )
            for event in await asyncio.to_thread(_inside, zone, candidates, verdicts):
                found.append(event)
                if len(found) == limit:
                    return EventPage(events=found, next=event.position)
            if len(candidates) < _LOOKED_THROUGH:
                return EventPage(events=found, next=None)
            before = candidates[-1].position
        return EventPage(events=found, next=before)


def _with_verdicts(
    store: EventStore, *, wanted: EventFilter, before: Position | None
) -> tuple[list[ListedEvent], dict[str, dict[str, Any]]]:
    events = store.listing.page(wanted, _LOOKED_THROUGH, before)
    return events, store.listing.verdicts([event.event_id for event in events])


def _inside(
    zone: Zone, events: Sequence[ListedEvent], verdicts: Mapping[str, Mapping[str, Any]]
) -> list[ListedEvent]:
    inside = []
    for event in events:
        moved = MovedEvent.from_verdict(verdicts.get(event.event_id, {}), event.feedback)
        if moved is not None and moved_inside(zone, moved):
            inside.append(event)
    return inside


def _at_a_glance(events: Sequence[ListedEvent], since: datetime, until: datetime) -> CameraDay:
    length = (until - since) / _PARTS
    edges = [since + number * length for number in range(_PARTS)] + [until]
    parts = [DayPart(since=begin, until=end) for begin, end in itertools.pairwise(edges)]
    reasons: dict[str, int] = {}
    for event in events[:MOST_OF_A_DAY]:
        index = min(int((event.motion_at - since) / length), _PARTS - 1)
        part = parts[index]
        parts[index] = replace(
            part,
            alarms=part.alarms + event.relevant,
            suppressed=part.suppressed + (not event.relevant),
            would=part.would + (event.relevant and event.state is State.IRRELEVANT),
            unknown=part.unknown + (event.state is State.UNKNOWN),
            up=part.up + (event.feedback is True),
            down=part.down + (event.feedback is False),
        )
        if not event.relevant:
            reasons[event.reason] = reasons.get(event.reason, 0) + 1
    return CameraDay(
        parts=parts,
        reasons=sorted(reasons.items(), key=lambda item: (-item[1], item[0])),
        latest=events[0] if events else None,
        is_whole=len(events) <= MOST_OF_A_DAY,
    )


def position_of(text: str) -> Position:
    """Read a position as an address carries it, see `written_position`.

    Raises:
        CommandError: it is none.
    """
    at, _, event_id = text.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not event_id.replace("_", "").isalnum():
            raise ValueError
    except ValueError:
        raise CommandError(
            f"the place in the list {text[:80]!r} is not understood: begin at its top"
        ) from None
    return Position(motion_at=moment, event_id=event_id)


def written_position(position: Position) -> str:
    """Return a position for an address."""
    return f"{position.motion_at.isoformat()}~{position.event_id}"
