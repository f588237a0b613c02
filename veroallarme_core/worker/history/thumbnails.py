"""Small annotated pictures of past events, each made once and kept beside its frames."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np

from veroallarme_core.contract import CommandError, RelevanceRegion, VerdictObject
from veroallarme_core.pictures import (
    IRRELEVANT_BGR,
    OBJECT_BGR,
    RELEVANT_BGR,
    Frame,
    FrameError,
    decode_frame,
    strongest_frame,
)
from veroallarme_core.worker.camera import STORAGE_ERRORS
from veroallarme_core.worker.storage import Storage

_LOGGER = logging.getLogger(__name__)

WIDTH_PX = 320
"""Of a thumbnail at most: two beside each other fill a phone."""
QUALITY = 55
"""Of WebP. On footage a thumbnail takes 6 kB, 14 where it is full of leaves."""
CONTENT_TYPE = "image/webp"
MOST_REGIONS = 6
"""That are outlined, those with the largest scores: in wind a tree would cover all else."""
MOST_WAITING = 400
"""Thumbnails that wait to be made; a page shows 60."""
ANSWER_LIMIT_S = 30.0
_NICENESS = 10


class Thumbnails:
    """Gives the thumbnails of events; what is missing is made, one at a time.

    Args:
        storage: holds frames, verdicts and the thumbnails.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        # A thread of its own, which gets the processor when judging does not want it.
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="veroallarme-thumbnails", initializer=_yield_to_others
        )
        self._making: dict[tuple[str, str], asyncio.Task[bytes]] = {}

    async def get(self, camera: str, event_id: str) -> bytes:
        """Return the thumbnail of an event as WebP.

        Raises:
            CommandError: it cannot be had.
        """
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                kept = await self._storage.files(
                    lambda store: store.frames.thumbnail(camera, event_id)
                )
                return kept if kept is not None else await self._made(camera, event_id)
        except STORAGE_ERRORS as error:
            reason = str(error) or "no answer in time"
            raise CommandError(
                f"the picture of {event_id} cannot be read ({reason}): ask again later"
            ) from error

    async def _made(self, camera: str, event_id: str) -> bytes:
        key = camera, event_id
        if (task := self._making.get(key)) is None:
            if len(self._making) >= MOST_WAITING:
                raise CommandError(f"{MOST_WAITING} pictures wait to be made: ask again later")
            task = asyncio.create_task(self._make(camera, event_id))
            self._making[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        # Whoever goes away takes the picture from nobody else.
        return await asyncio.shield(task)

    def _forget(self, key: tuple[str, str], done: asyncio.Task[bytes]) -> None:
        self._making.pop(key, None)
        if not done.cancelled():
            done.exception()  # it is told to whoever still waits

    async def _make(self, camera: str, event_id: str) -> bytes:
        verdicts = await self._storage.database(lambda store: store.listing.verdicts([event_id]))
        if (verdict := verdicts.get(event_id)) is None or verdict["camera"] != camera:
            raise CommandError(
                f"the event {event_id} is unknown: give the event_id of a verdict of this camera "
                "that is still kept"
            )
        frames = await self._storage.files(lambda store: store.frames.load(camera, event_id))
        if not frames:
            raise CommandError(f"the pictures of {event_id} are no longer kept")
        loop = asyncio.get_running_loop()
        picture = await loop.run_in_executor(self._thread, draw_thumbnail, verdict, frames)
        try:
            await self._storage.files(
                lambda store: store.frames.save_thumbnail(camera, event_id, picture)
            )
        except OSError as error:
            # It is shown all the same, and made again when it is asked for again.
            _LOGGER.debug("the thumbnail of %s is not kept: %s", event_id, error)
        return picture


def draw_thumbnail(verdict: Mapping[str, Any], frames: Sequence[bytes]) -> bytes:
    """Return the frame that shows an event best, small, with what was found in it.

    Zones are left out: they may change, and a thumbnail is made once.

    Args:
        verdict: of the event.
        frames: encoded, in order of time.

    Returns:
        WebP, at most `WIDTH_PX` wide.

    Raises:
        CommandError: no frame can be decoded.
    """
    regions = [RelevanceRegion.from_contract(region) for region in verdict["regions"]]
    objects = [VerdictObject.from_dict(found) for found in verdict.get("objects", ())]
    boxes = [found.to_bbox() for found in objects] + [region.to_bbox() for region in regions]
    frame = strongest_frame([_decoded(data) for data in frames], boxes[0] if boxes else None)
    if frame is None:
        raise CommandError("none of the pictures can be decoded")
    share = min(1.0, WIDTH_PX / frame.shape[1])
    size = (round(frame.shape[1] * share), max(1, round(frame.shape[0] * share)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    # Drawn after it was made small, and without numbers: these are for who looks closer.
    for found in objects:
        _outline(small, found.to_bbox(), share, OBJECT_BGR)
    for region in sorted(regions[:MOST_REGIONS], key=lambda region: region.is_relevant):
        colour = RELEVANT_BGR if region.is_relevant else IRRELEVANT_BGR
        _outline(small, region.to_bbox(), share, colour)
    done, data = cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done:
        raise CommandError("the picture cannot be made small")
    return data.tobytes()


def _outline(
    picture: Frame, bbox: tuple[int, int, int, int], share: float, colour: tuple[int, int, int]
) -> None:
    x1, y1, x2, y2 = (round(edge * share) for edge in bbox)
    for ink, thickness in (((0, 0, 0), 3), (colour, 2)):
        cv2.rectangle(picture, (x1, y1), (max(x1 + 2, x2), max(y1 + 2, y2)), ink, thickness)


def _decoded(data: bytes) -> Frame | None:
    try:
        return decode_frame(data).image
    except FrameError:
        return None


def _yield_to_others() -> None:
    """Lower the priority of this thread; only Linux has one for each thread."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
