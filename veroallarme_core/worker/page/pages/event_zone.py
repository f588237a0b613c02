"""A zone around a region of an event: looked at, then applied."""

from __future__ import annotations

from aiohttp import web

from veroallarme_core.contract import ZoneKind
from veroallarme_core.worker.history import RegionZone
from veroallarme_core.worker.page.pages.event_cards import cards_of
from veroallarme_core.worker.page.shell import House, render, url_for, words_of

_ZONE = (
    "/events/{camera:[a-z0-9_]{1,64}}/{event_id:[a-z0-9_]{1,64}}"
    "/regions/{number:[0-9]{1,2}}/{kind:ignore|always}"
)


def routes(house: House) -> list[web.RouteDef]:
    """Return the routes of the page."""
    zone = EventZone(house)
    return [web.get(_ZONE, zone.show), web.post(_ZONE, zone.apply)]


class EventZone:
    """Shows the zone that would be drawn, and draws it."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the area, and what it would have changed."""
        proposed = await self._proposed(request)
        event_id = request.match_info["event_id"]
        camera = self._house.camera(request)
        evidence = await self._house.past_events.evidence.gather(camera, event_id)
        (card,) = await cards_of(self._house, [evidence.listed], words_of(request))
        return render(
            request,
            "event_zone.html",
            card=card,
            camera=camera,
            proposed=proposed,
            size=evidence.verdict["frame_dimensions"],
        )

    async def apply(self, request: web.Request) -> web.Response:
        """Let the zone act from now on, and go back to the event."""
        proposed = await self._proposed(request)
        camera = self._house.camera(request)
        await self._house.past_events.region_zones.add(camera, proposed)
        done = "ignored" if proposed.zone.kind is ZoneKind.IGNORE else "always"
        path = f"/events/{camera.id}/{request.match_info['event_id']}"
        raise web.HTTPSeeOther(url_for(request, path, done=done))

    async def _proposed(self, request: web.Request) -> RegionZone:
        return await self._house.past_events.region_zones.propose(
            self._house.camera(request),
            request.match_info["event_id"],
            int(request.match_info["number"]),
            ZoneKind(kind := request.match_info["kind"]),
            words_of(request)(f"why.{kind}_name"),
        )
