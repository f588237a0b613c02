"""One event, at an address that stays: why it was judged so, its frames, and the user's word."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from veroallarme_core.contract import PictureQuery
from veroallarme_core.worker.history import FEWEST_EVENTS, THUMBNAIL_TYPE
from veroallarme_core.worker.page.pages.deciding import sentences, told_regions
from veroallarme_core.worker.page.pages.event_cards import EventCard, cards_of
from veroallarme_core.worker.page.pages.why import lines_of, recurrence_picture
from veroallarme_core.worker.page.shell import House, render, url_for, words_of
from veroallarme_core.worker.storage import ListedEvent

_EVENT = "/events/{camera:[a-z0-9_]{1,64}}/{event_id:[a-z0-9_]{1,64}}"
_PICTURES_CACHED = "private, max-age=600"
"""A login that ends must not leave pictures behind for long, and scrolling back must not load."""
_WIDTHS = ("360", "1280")
"""Pixels: on a card, and on the page of an event."""
_THUMBS = {"true": True, "false": False, "": None}
DONE = ("ignored", "always")
"""What may have been done from an event, as its address says it."""


def routes(house: House) -> list[web.RouteDef]:
    """Return the routes of the page."""
    event = EventPages(house)
    return [
        web.get(_EVENT, event.show),
        web.get(f"{_EVENT}/card", event.card),
        web.get(f"{_EVENT}/thumbnail", event.thumbnail),
        web.get(f"{_EVENT}/frames/{{frame:[0-9]}}", event.frame),
        web.post(f"{_EVENT}/feedback", event.feedback),
    ]


class EventPages:
    """Answers what is asked of one event."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._past = house.past_events

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page of an event."""
        listed, card = await self._find(request)
        camera = self._house.camera(request)
        evidence = await self._past.evidence.gather(camera, listed.event_id)
        older, newer = await self._past.lists.neighbours(listed)
        words = words_of(request)
        shown = {
            alike.event.event_id: alike.event
            for judged in evidence.regions
            for alike in judged.alike or ()
            if alike.event is not None
        }
        shown.update((event.event_id, event) for event in (older, newer) if event is not None)
        cards = await cards_of(self._house, [*shown.values()], words)
        others = {other.event.event_id: other for other in cards}
        regions = told_regions(evidence, words)
        return render(
            request,
            "event.html",
            card=card,
            camera=camera,
            evidence=evidence,
            size=evidence.verdict["frame_dimensions"],
            sentence=sentences(evidence, card.reason, regions, words),
            regions=regions,
            alike=others,
            recurrence=recurrence_picture(evidence.recurrence),
            learns=camera.learning.state is not None,
            fewest_events=FEWEST_EVENTS,
            event_lines=lines_of(evidence.verdict["cues"], words),
            older=None if older is None else others[older.event_id],
            newer=None if newer is None else others[newer.event_id],
            done=request.query.get("done") if request.query.get("done") in DONE else None,
        )

    async def card(self, request: web.Request) -> web.Response:
        """Answer with the card of an event alone, as galleries show it."""
        _, card = await self._find(request)
        return render(request, "event_card.html", card=card)

    async def thumbnail(self, request: web.Request) -> web.Response:
        """Answer with the small annotated picture."""
        camera = self._house.camera(request)
        body = await self._past.thumbnails.get(camera.id, request.match_info["event_id"])
        return _picture(body, THUMBNAIL_TYPE)

    async def frame(self, request: web.Request) -> web.Response:
        """Answer with one frame as it was taken."""
        width = request.query.get("width", "")
        query = PictureQuery(
            request_id="",
            event_id=request.match_info["event_id"],
            frame=int(request.match_info["frame"]),
            width=int(width) if width in _WIDTHS else None,
        )
        return _picture(await self._past.show(self._house.camera(request), query), "image/jpeg")

    async def feedback(self, request: web.Request) -> web.Response:
        """Take a thumb, or take it back."""
        listed, card = await self._find(request)
        given = (await request.post()).get("relevant")
        if given not in _THUMBS:
            raise web.HTTPBadRequest(
                text=f"relevant: {str(given)[:40]!r} is no answer: give true, false or nothing"
            )
        await self._house.camera(request).give_feedback(listed.event_id, _THUMBS[str(given)])
        if "text/html" in request.headers.get("Accept", ""):
            raise web.HTTPSeeOther(url_for(request, card.path))
        return web.json_response({"relevant": _THUMBS[str(given)]})

    async def _find(self, request: web.Request) -> tuple[ListedEvent, EventCard]:
        camera = self._house.camera(request)
        event_id = request.match_info["event_id"]
        listed = (await self._past.lists.find([event_id])).get(event_id)
        if listed is None or listed.camera != camera.id:
            raise web.HTTPNotFound(text=words_of(request)("failed.no_event", event=event_id))
        (card,) = await cards_of(self._house, [listed], words_of(request))
        return listed, card


def _picture(body: bytes, content_type: str) -> web.Response:
    headers: dict[str, Any] = {"Cache-Control": _PICTURES_CACHED}
    return web.Response(body=body, content_type=content_type, headers=headers)
