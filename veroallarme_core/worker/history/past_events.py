"""Past events for who asks: lists, pictures, and zones around what moved."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from veroallarme_core.contract import (
    MAX_ZONES,
    CommandError,
    EventList,
    EventQuery,
    IgnoredZones,
    IgnoreQuery,
    PastEventSummary,
    PictureQuery,
    RelevanceRegion,
    VerdictObject,
    Zone,
    ZoneKind,
)
from veroallarme_core.pictures import (
    Frame,
    FrameError,
    decode_frame,
    draw_verdict,
    encode_jpeg,
    strongest_frame,
)
from veroallarme_core.worker.camera import CameraWorker
from veroallarme_core.worker.history.event_lists import EventLists
from veroallarme_core.worker.history.evidence import Evidence
from veroallarme_core.worker.history.region_zones import RegionZones
from veroallarme_core.worker.history.remembered import RecentEvents
from veroallarme_core.worker.history.thumbnails import Thumbnails
from veroallarme_core.worker.history.turns import Turns
from veroallarme_core.worker.storage import PastEvent, Storage
from veroallarme_core.zone_suggestions import (
    NothingToIgnoreError,
    zone_that_covers,
    zones_around,
)
from veroallarme_core.zone_suggestions import PastEvent as MovedEvent

MAX_WAITING = 64
"""Requests that wait for their turn; a page of thumbnails asks for 50 at once."""


class PastEvents:
    """Answers questions about past events, one after the other: alarms go first.

    Args:
        storage: holds verdicts, thumbs and frames.
    """

    def __init__(self, storage: Storage) -> None:
        self.lists = EventLists(storage)
        self.thumbnails = Thumbnails(storage)
        self.evidence = Evidence(storage)
        self.region_zones = RegionZones(storage, self.evidence)
        self.recent = RecentEvents(storage)
        self._storage = storage
        self._turns = Turns(MAX_WAITING)

    async def list(self, camera: CameraWorker, query: EventQuery) -> EventList:
        """Return a page of a camera's events.

        Raises:
            CommandError: it cannot be had.
        """
        async with self._turns.wait():
            found = await self._storage.database(lambda store: store.past_events(camera.id, query))
            counts = await self._storage.database(
                lambda store: store.count_events(camera.id, query.count_between)
            )
            page = found[: query.limit]
            ids = [str(event.verdict["event_id"]) for event in page]
            pictures = await self._storage.files(
                lambda store: [store.frames.count(camera.id, event_id) for event_id in ids]
            )
        if not camera.context.config.publish_image:
            pictures = [0] * len(page)
        events = [
            PastEventSummary(verdict=event.verdict, feedback=event.feedback, pictures=count)
            for event, count in zip(page, pictures, strict=True)
        ]
        return EventList(events=events, more=len(found) > query.limit, counts=counts)

    async def picture(self, camera: CameraWorker, query: PictureQuery) -> bytes:
        """Return a picture of an event as JPEG.

        Raises:
            CommandError: it cannot be had.
        """
        if not camera.context.config.publish_image:
            raise CommandError("pictures of this camera are not published: see publish_image")
        return await self.show(camera, query)

    async def show(self, camera: CameraWorker, query: PictureQuery) -> bytes:
        """Return a picture of an event as JPEG, for who may see the camera: it is not published.

        Raises:
            CommandError: it cannot be had.
        """
        async with self._turns.wait():
            event = await self._find(camera, query.event_id)
            frames = await self._storage.files(
                lambda store: store.frames.load(camera.id, query.event_id)
            )
            if not frames:
                raise CommandError(f"the pictures of {query.event_id} are no longer kept")
            zones = camera.context.settings.zones
            return await asyncio.to_thread(_draw, event.verdict, frames, query, zones)

    async def ignore(self, camera: CameraWorker, query: IgnoreQuery) -> IgnoredZones:
        """Add zones around what raised the alarm of an event, or tell which those would be.

        Raises:
            CommandError: nothing can be ignored there.
        """
        async with self._turns.wait():
            event = await self._find(camera, query.event_id)
        moved = MovedEvent.from_verdict(event.verdict, event.feedback)
        if moved is None:
            raise CommandError("nothing was seen to move in this event: there is nothing to ignore")
        zones = camera.context.settings.zones
        # Who asks twice, or from a second phone, gets the zones that are there.
        there = [zone_that_covers(region.box, ZoneKind.IGNORE, zones) for region in moved.relevant]
        if there and None not in there:
            known = tuple(dict.fromkeys(zone for zone in there if zone is not None))
            return IgnoredZones(zones=known, added=not query.preview)
        try:
            added = zones_around(moved, {zone.name for zone in zones})
        except NothingToIgnoreError as error:
            raise CommandError(str(error)) from None
        if len(zones) + len(added) > MAX_ZONES:
            raise CommandError(
                f"the camera has {len(zones)} zones of at most {MAX_ZONES}: remove one first"
            )
        if not query.preview:
            await camera.change_settings({"zones": (*zones, *added)})
        return IgnoredZones(zones=added, added=not query.preview)

    async def _find(self, camera: CameraWorker, event_id: str) -> PastEvent:
        query = EventQuery(request_id="", event_id=event_id, limit=1)
        found = await self._storage.database(lambda store: store.past_events(camera.id, query))
        if not found:
            raise CommandError(
                f"the event {event_id} is unknown: give the event_id of a verdict of this camera "
                "that is still kept"
            )
        return found[0]


def _draw(
    verdict: Mapping[str, Any],
    frames: Sequence[bytes],
    query: PictureQuery,
    zones: Sequence[Zone],
) -> bytes:
    """Return a frame of an event, or the one that shows it best with what was found in it.

    Raises:
        CommandError: there is no such frame, or it cannot be decoded.
    """
    if query.frame is not None:
        if query.frame >= len(frames):
            raise CommandError(f"the event has {len(frames)} pictures: give a smaller frame")
        picture = _decode(frames[query.frame])
        if picture is None:
            raise CommandError("this picture cannot be decoded")
    else:
        picture = _annotated(verdict, [_decode(frame) for frame in frames], zones)
    return encode_jpeg(_no_wider(picture, query.width))


def _annotated(
    verdict: Mapping[str, Any], frames: Sequence[Frame | None], zones: Sequence[Zone]
) -> Frame:
    regions = [RelevanceRegion.from_contract(region) for region in verdict["regions"]]
    objects = [VerdictObject.from_dict(found) for found in verdict.get("objects", ())]
    # What was recognised was so in one frame: the one that differs there.
    boxes = [found.to_bbox() for found in objects] + [region.to_bbox() for region in regions]
    frame = strongest_frame(frames, boxes[0] if boxes else None)
    if frame is None:
        raise CommandError("none of the pictures can be decoded")
    return draw_verdict(frame, regions, objects=objects, zones=zones)


def _decode(data: bytes) -> Frame | None:
    try:
        return decode_frame(data).image
    except FrameError:
        return None


def _no_wider(picture: Frame, width: int | None) -> Frame:
    if width is None or picture.shape[1] <= width:
        return picture
    size = (width, max(1, round(picture.shape[0] * width / picture.shape[1])))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
