"""Zones: drawn on a recent picture, over the map of what keeps moving."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from veroallarme_core.contract import (
    CommandError,
    SuggestionAnswer,
    Zone,
    read_command,
)
from veroallarme_core.pictures import Frame, FrameError, decode_frame, encode_jpeg
from veroallarme_core.worker.camera import STORAGE_ERRORS, CameraWorker
from veroallarme_core.worker.history import FEWEST_EVENTS, PastRegions, ZonesAnswer
from veroallarme_core.worker.page.pages.choosing import by_name, choose
from veroallarme_core.worker.page.shell import House, Words, render, words_of
from veroallarme_core.worker.storage import EventStore

_PAGE = "/cameras/{camera:[a-z0-9_]{1,64}}/zones"
_MOST_WIDTH = 1280
"""Of the picture in pixels: zones are drawn on it, nobody looks for faces."""
_LOOKED_THROUGH = 20
"""Events among which one with pictures is looked for."""
_MOST_REGIONS_KEPT = 4
"""Cameras whose regions are kept in arrays while somebody drags."""


def routes(house: House) -> list[web.RouteDef]:
    """Return the routes of the page."""
    page = ZonesPage(house)

    async def choose_camera(request: web.Request) -> web.Response:
        return choose(request, house, "zones", "zones.title")

    return [
        web.get("/zones", choose_camera),
        web.get(_PAGE, page.show),
        web.get(f"{_PAGE}/picture", page.picture),
        web.get(f"{_PAGE}/heat", page.heat),
        web.post(f"{_PAGE}/estimate", page.estimate),
        web.post(_PAGE, page.save),
        web.post(f"{_PAGE}/suggestion", page.answer_suggestion),
    ]


class ZonesPage:
    """Shows the zones of a camera, and takes what is drawn.

    Args:
        house: Has the cameras.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._recent = house.past_events.recent
        self._regions: OrderedDict[str, tuple[object, PastRegions]] = OrderedDict()

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        camera = self._house.camera(request)
        zones = camera.context.settings.zones
        offered = camera.suggestions.offered
        try:
            sentence = words_for(words_of(request), await self._estimated(camera, zones), zones)
        except STORAGE_ERRORS:
            sentence = words_of(request)("zones.no_estimate")
        return render(
            request,
            "zones.html",
            camera=camera,
            cameras=by_name(self._house),
            zones=json.dumps([zone.to_dict() for zone in zones]),
            version=version_of(zones),
            suggestions=offered,
            suggested=json.dumps([one.zone.to_dict() for one in offered]),
            has_heat=_recurrence(camera) is not None,
            has_picture=await self._has_picture(camera),
            history=_too_little(camera),
            fewest_events=FEWEST_EVENTS,
            sentence=sentence,
            kinds=("only", "ignore", "always"),
        )

    async def picture(self, request: web.Request) -> web.Response:
        """Answer with the latest picture of a camera there is.

        Raises:
            web.HTTPNotFound: There is none.
        """
        camera = self._house.camera(request)
        try:
            frame = await self._latest_frame(camera)
        except STORAGE_ERRORS:
            frame = None
        if frame is None:
            raise web.HTTPNotFound(text="There is no picture of this camera yet.")
        return web.Response(body=frame, content_type="image/jpeg")

    async def heat(self, request: web.Request) -> web.Response:
        """Answer with the map of what keeps moving where, as a picture one can see through.

        Raises:
            web.HTTPNotFound: The camera has not seen enough.
        """
        recurrence = _recurrence(self._house.camera(request))
        if recurrence is None:
            raise web.HTTPNotFound
        picture = await asyncio.to_thread(draw_heat, recurrence)
        return web.Response(body=picture, content_type="image/png")

    async def estimate(self, request: web.Request) -> web.Response:
        """Answer with the sentence of what some zones would have done."""
        camera = self._house.camera(request)
        zones, sentence = await _zones_of(request)
        if zones is None:
            return web.json_response({"sentence": sentence}, status=400)
        said = words_of(request)
        try:
            found = await self._estimated(camera, zones)
        except STORAGE_ERRORS:
            return web.json_response({"sentence": said("zones.no_estimate")}, status=503)
        return web.json_response(
            {"sentence": words_for(said, found, zones), "missed": found.missed}
        )

    async def save(self, request: web.Request) -> web.Response:
        """Let zones act from now on."""
        camera = self._house.camera(request)
        zones, sentence = await _zones_of(request)
        if zones is None:
            return web.json_response({"sentence": sentence}, status=400)
        # Another page may have changed them, or somebody who ignored motion from a notification.
        known = request.query.get("version")
        if known is not None and known != version_of(camera.context.settings.zones):
            return web.json_response({"sentence": words_of(request)("zones.changed")}, status=409)
        await camera.change_settings({"zones": zones})
        return web.json_response(_now(camera, words_of(request)("zones.saved")))

    async def answer_suggestion(self, request: web.Request) -> web.Response:
        """Take a suggested zone, or refuse it."""
        camera = self._house.camera(request)
        try:
            answer = SuggestionAnswer.from_json(await request.read())
            await camera.answer_suggestion(answer)
        except CommandError as error:
            return web.json_response({"sentence": str(error)}, status=409)
        key = "zones.taken" if answer.take else "zones.refused"
        return web.json_response(_now(camera, words_of(request)(key)))

    async def _estimated(self, camera: CameraWorker, zones: Sequence[Zone]) -> ZonesAnswer:
        events = await self._recent.of(camera.id)
        kept = self._regions.get(camera.id)
        if kept is None or kept[0] is not events:
            kept = (events, await asyncio.to_thread(PastRegions, events))
            self._regions[camera.id] = kept
            self._regions.move_to_end(camera.id)
            while len(self._regions) > _MOST_REGIONS_KEPT:
                self._regions.popitem(last=False)
        return kept[1].answer(zones)

    async def _has_picture(self, camera: CameraWorker) -> bool:
        """Whether there is something to draw on."""
        try:
            events = (await self._recent.of(camera.id))[:_LOOKED_THROUGH]
            load = partial(_any_frames, camera=camera.id, events=[one.event_id for one in events])
            if await self._house.storage.files(load):
                return True
        except STORAGE_ERRORS:
            pass  # the page tells of it where it counts events
        return await asyncio.to_thread(camera.reference.load) is not None

    async def _latest_frame(self, camera: CameraWorker) -> bytes | None:
        for event in (await self._recent.of(camera.id))[:_LOOKED_THROUGH]:
            frames: list[bytes] = []
            with contextlib.suppress(OSError):  # it may just be removed
                load = partial(_load, camera=camera.id, event_id=event.event_id)
                frames = await self._house.storage.files(load)
            if frames:
                shown = await asyncio.to_thread(_shown, frames)
                if shown is not None:
                    return shown
        # Before the first event: what the camera sees while nothing moves.
        still = await asyncio.to_thread(camera.reference.load)
        return None if still is None else await asyncio.to_thread(_shown, [still])


def _now(camera: CameraWorker, sentence: str) -> dict[str, Any]:
    """Return a sentence, and the zones that are in force: no two have the same name."""
    zones = camera.context.settings.zones
    return {
        "sentence": sentence,
        "zones": [zone.to_dict() for zone in zones],
        "version": version_of(zones),
    }


def words_for(said: Words, found: ZonesAnswer, zones: Sequence[Zone]) -> str:
    """Write what zones would have done as sentences."""
    if not found.events:
        return said("zones.estimate_none")
    if not zones:
        return said("zones.estimate_empty", events=found.events)
    parts = [
        said("zones.estimate", count=found.suppressed, alarms=found.alarms),
        said("zones.estimate_missed", count=found.missed, confirmed=found.confirmed)
        if found.confirmed
        else said("zones.estimate_no_thumbs"),
    ]
    if found.rejected:
        parts.append(
            said(
                "zones.estimate_rejected",
                count=found.rejected_suppressed,
                rejected=found.rejected,
            )
        )
    if found.more:
        parts.append(said("zones.estimate_more", count=found.more))
    return " ".join(parts)


def draw_heat(recurrence: NDArray[np.float32]) -> bytes:
    """Return a PNG of the cells: the more often something moves, the more of it is to be seen."""
    strength = np.clip(recurrence / max(float(recurrence.max()), 0.05), 0.0, 1.0)
    grey = (255 * strength).astype(np.uint8)
    rows, columns = grey.shape
    larger = cv2.resize(grey, (columns * 8, rows * 8), interpolation=cv2.INTER_CUBIC)
    colours = cv2.applyColorMap(larger, cv2.COLORMAP_INFERNO)
    seen_through = np.dstack([colours, np.minimum(larger, 200)])
    return bytes(cv2.imencode(".png", seen_through)[1].tobytes())


def _recurrence(camera: CameraWorker) -> NDArray[np.float32] | None:
    state = camera.learning.state
    known = None if state is None else state.recurrence()
    return None if known is None or known[0] < FEWEST_EVENTS else known[1]


def _too_little(camera: CameraWorker) -> int | None:
    """Return the events that are too few to tell what keeps moving; None where they are not."""
    state = camera.learning.state
    known = None if state is None else state.recurrence()
    count = 0 if known is None else known[0]
    return None if state is None or count >= FEWEST_EVENTS else count


def _any_frames(store: EventStore, *, camera: str, events: Sequence[str]) -> bool:
    return any(store.frames.count(camera, event_id) for event_id in events)


def _load(store: EventStore, *, camera: str, event_id: str) -> list[bytes]:
    return store.frames.load(camera, event_id)


def _shown(frames: Sequence[bytes]) -> bytes | None:
    """Return the last frame that can be decoded, no wider than needed; None where none can."""
    for data in reversed(frames):
        with contextlib.suppress(FrameError):
            return encode_jpeg(_no_wider(decode_frame(data).image))
    return None


def _no_wider(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    if width <= _MOST_WIDTH:
        return frame
    size = (_MOST_WIDTH, max(1, round(height * _MOST_WIDTH / width)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def version_of(zones: Sequence[Zone]) -> str:
    """Return what tells these zones from others."""
    content = json.dumps([zone.to_dict() for zone in zones])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


async def _zones_of(request: web.Request) -> tuple[tuple[Zone, ...] | None, str]:
    """Return the zones that a request holds; else None and what is wrong with them."""
    try:
        change = read_command("set", await request.read())
    except CommandError as error:
        return None, str(error)
    if "zones" not in change:
        return None, "zones: give a list of zones"
    return change["zones"], ""
