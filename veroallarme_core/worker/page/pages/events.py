"""Events: a gallery of all cameras, filtered, endless, and live."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from aiohttp import web

from veroallarme_core.contract import ALL_KINDS, CommandError
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.history import EventPage, position_of, written_position
from veroallarme_core.worker.page.pages.event_cards import by_day, cards_of
from veroallarme_core.worker.page.pages.event_filter import SHOWN, Wanted
from veroallarme_core.worker.page.shell import House, Words, render, words_of
from veroallarme_core.worker.storage import ListedEvent

FIRST_PAGE_SIZE, PAGE_SIZE = 24, 48
"""Divide by 2, 3, 4 and 6, the columns of a gallery. The first view shall be there at once."""
_LABELS = {"shown": "which", "reason": "cause", "kind": "object"}
"""Words for filters that are not named as the address names them."""
_MOST_SHOWN = 40
"""Characters of what an address asks for."""
MOST_NEW = 96
"""New events that are put on top of a list; of more the page is to be loaded anew."""


def routes(house: House) -> list[web.RouteDef]:
    """Return the routes of the page."""
    gallery = Gallery(house)
    return [
        web.get("/events", gallery.show),
        web.get("/events/more", gallery.more),
        web.get("/events/newer", gallery.newer),
    ]


class Gallery:
    """Answers with the gallery and with what it is continued by."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lists = house.past_events.lists

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the first page."""
        reasons = await self._reasons(words_of(request))
        wanted = Wanted.read(request.query, self._house.cameras).among(dict(reasons))
        page = await self._page(wanted, FIRST_PAGE_SIZE)
        count = None
        if wanted.zone is None:
            count = await self._lists.count(wanted.to_filter(self._house.cameras))
        return render(
            request,
            "events.html",
            wanted=wanted,
            unknown=_told(wanted.unknown, words_of(request)),
            count=count,
            **await self._shown(request, page.events),
            next=self._next(page),
            **self._choices(reasons),
        )

    async def more(self, request: web.Request) -> web.Response:
        """Answer with the next page: cards alone."""
        wanted = Wanted.read(request.query, self._house.cameras)
        try:
            before = position_of(request.query.get("before", ""))
        except CommandError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        page = await self._page(wanted, PAGE_SIZE, before)
        return render(
            request,
            "events_more.html",
            wanted=wanted,
            **await self._shown(request, page.events, before),
            next=self._next(page),
        )

    async def newer(self, request: web.Request) -> web.Response:
        """Answer with what came since the newest event of a list, and how many that is."""
        wanted = Wanted.read(request.query, self._house.cameras)
        after = None
        if request.query.get("after"):
            try:
                after = position_of(request.query["after"])
            except CommandError as error:
                raise web.HTTPBadRequest(text=str(error)) from None
        events = await self._lists.newer(
            wanted.to_filter(self._house.cameras), MOST_NEW, after, wanted.zone
        )
        response = render(
            request,
            "events_more.html",
            wanted=wanted,
            **await self._shown(request, events),
            next=None,
        )
        response.headers["X-Events"] = json.dumps(len(events))
        return response

    async def _page(self, wanted: Wanted, limit: int, before: Any = None) -> EventPage:
        return await self._lists.page(
            wanted.to_filter(self._house.cameras), limit, before, wanted.zone
        )

    def _next(self, page: EventPage) -> str | None:
        return None if page.next is None else written_position(page.next)

    async def _shown(
        self, request: web.Request, events: Sequence[ListedEvent], before: Any = None
    ) -> dict[str, Any]:
        cards = await cards_of(self._house, events, words_of(request))
        today = now().astimezone().date()
        return {
            "days": by_day(cards, None if before is None else before.motion_at),
            "today": today,
            "yesterday": today - timedelta(days=1),
        }

    async def _reasons(self, words: Words) -> list[tuple[str, str]]:
        """Return the codes of the reasons that occur, and their words in order."""
        reasons = [
            (code, words(f"reasons.{code}") if f"reasons.{code}" in words else code)
            for code in await self._lists.reasons()
        ]
        return sorted(reasons, key=lambda reason: reason[1].casefold())

    def _choices(self, reasons: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Return what the form offers."""
        cameras = sorted(self._house.cameras.values(), key=lambda one: one.context.config.name)
        return {
            "cameras": cameras,
            "shown": SHOWN,
            "kinds": [kind.value for kind in ALL_KINDS],
            "reasons": reasons,
            "has_zones": any(camera.context.settings.zones for camera in cameras),
        }


def _told(unknown: Mapping[str, str], words: Words) -> str:
    """Write what an address asks for and there is not."""
    return ", ".join(
        words(
            "events.unknown_one",
            filter=words(f"events.{_LABELS.get(name, name)}"),
            value=value[:_MOST_SHOWN],
        )
        for name, value in unknown.items()
    )
