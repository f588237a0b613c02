"""Today: what is worth a look, and each camera's day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from veroallarme_core.contract import OFF, LearningStats, State
from veroallarme_core.worker.camera import CameraWorker
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.history import CameraDay
from veroallarme_core.worker.page.pages.event_cards import (
    EventCard,
    bounds_of,
    cards_of,
    day_of,
    reason_key,
)
from veroallarme_core.worker.page.shell import House, render, words_of

MOST_WORTH_A_LOOK = 12
"""Cards of the review list that are shown at once; answered ones make room for others."""
MOST_REASONS = 4
MOST_TROUBLES = 3
_STRIP_HEIGHT = 32


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A part of the day in the strip, in parts of its length and height."""

    x: int
    alarms: float
    suppressed: float


@dataclass(frozen=True, kw_only=True)
class CameraToday:
    """What is told of a camera."""

    camera: CameraWorker
    day: CameraDay
    bars: Sequence[Bar]
    reasons: Sequence[tuple[str, str, int]]
    """Why events were suppressed: code, key of the words, and how often."""
    up: int
    down: int
    latest: EventCard | None
    is_reachable: bool
    troubles: Sequence[str]
    """What is wrong with it, in sentences."""
    learning: LearningStats


def routes(house: House) -> list[web.RouteDef]:
    """Return the routes of the page."""
    today = Today(house)
    return [web.get("/", today.show), web.get("/today/review", today.review)]


class Today:
    """Answers with the day of all cameras."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lists = house.past_events.lists

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page of a day, today's if no other is asked for."""
        today = now().astimezone().date()
        asked = request.query.get("day", "")
        found = day_of(asked)
        day = min(found or today, today)
        cameras = sorted(self._house.cameras.values(), key=lambda one: one.context.config.name)
        return render(
            request,
            "today.html",
            day=day,
            unknown_day=asked if asked and (found is None or found > today) else "",
            is_today=day == today,
            before=day - timedelta(days=1),
            after=day + timedelta(days=1),
            begins=bounds_of(day)[0],
            cameras=[await self._camera(request, camera, day) for camera in cameras],
            **await self._worth_a_look(request),
        )

    async def review(self, request: web.Request) -> web.Response:
        """Answer with the review list alone."""
        return render(request, "today_review.html", **await self._worth_a_look(request))

    async def _worth_a_look(self, request: web.Request) -> dict[str, Any]:
        entries = [
            (entry.why != "close_call", -entry.motion_at.timestamp(), entry.event_id)
            for camera in self._house.cameras.values()
            for entry in camera.review.entries()
        ]
        ids = [event_id for *_, event_id in sorted(entries)]
        found = await self._lists.find(ids[: 2 * MOST_WORTH_A_LOOK])
        shown = [found[event_id] for event_id in ids if event_id in found][:MOST_WORTH_A_LOOK]
        cards = await cards_of(self._house, shown, words_of(request))
        return {"review": cards, "review_count": len(ids)}

    async def _camera(self, request: web.Request, camera: CameraWorker, day: Any) -> CameraToday:
        since, until = bounds_of(day)
        found = await self._lists.day(camera.id, since, until)
        words = words_of(request)
        latest = () if found.latest is None else (found.latest,)
        cards = await cards_of(self._house, latest, words)
        return CameraToday(
            camera=camera,
            day=found,
            bars=_bars(found),
            reasons=[
                (code, reason_key(code, State.IRRELEVANT, (), words), count)
                for code, count in found.reasons[:MOST_REASONS]
            ],
            up=sum(part.up for part in found.parts),
            down=sum(part.down for part in found.parts),
            latest=next(iter(cards), None),
            is_reachable=camera.connectivity.payload != OFF,
            troubles=[
                complaint.message
                for complaint in self._house.complaints.shown()
                if complaint.key.startswith(f"{camera.id}/")
            ][:MOST_TROUBLES],
            learning=camera.learning.stats(),
        )


def _bars(day: CameraDay) -> list[Bar]:
    """Return the parts in which something was; the busiest one is as high as the strip."""
    most = max((part.events for part in day.parts), default=0)
    return [
        Bar(
            x=index,
            alarms=round(_STRIP_HEIGHT * part.alarms / most, 1),
            suppressed=round(_STRIP_HEIGHT * part.suppressed / most, 1),
        )
        for index, part in enumerate(day.parts)
        if part.events
    ]
