"""What one camera keeps in the store; what cannot be kept ends in a complaint."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from veroallarme_core.contract import Verdict
from veroallarme_core.pipeline import Outcomes
from veroallarme_core.worker.camera.context import STORAGE_ERRORS, CameraContext
from veroallarme_core.worker.camera.pending_event import (
    Acknowledge,
    FetchedFrames,
    PendingEvent,
)
from veroallarme_core.worker.camera.reference import ReferencePicture
from veroallarme_core.worker.clock import now

_LOGGER = logging.getLogger(__name__)

STORE_LIMIT_S = 0.18
"""Longest time that storing may hold up an alarm; 0.2 s are promised, with the sending."""
DELIVERY_LIMIT_S = 5.0
"""Longest time that the journal is asked for a message that the broker delivers again.

A connection that broke has brought it before, so its alarm is late anyway, and most of these are
journalled: a machine that has just started needs longer than `STORE_LIMIT_S` to look, and what is
then taken for new is covered twice.
"""


class CameraJournal:
    """Reads and writes what the store knows of one camera; no method raises what a disk raises.

    Args:
        context: of the camera.
    """

    def __init__(self, context: CameraContext) -> None:
        self._context = context
        self._storage = context.services.storage

    async def find_delivery(self, delivery: str) -> str | None:
        """Return the event of a start that the journal holds; None where it cannot be read."""
        try:
            async with asyncio.timeout(DELIVERY_LIMIT_S):
                return await self._storage.database(lambda store: store.find_delivery(delivery))
        except STORAGE_ERRORS as error:
            self._failed("the journal cannot be read", error)
            return None

    async def camera_of(self, event_id: str, *, redelivered: bool) -> str | None:
        """Return the camera that an event belongs to, as far as the journal can tell now.

        Args:
            redelivered: whether the broker delivers its burst again.
        """
        limit_s = DELIVERY_LIMIT_S if redelivered else STORE_LIMIT_S
        try:
            async with asyncio.timeout(limit_s):
                return await self._storage.database(lambda store: store.camera_of(event_id))
        except STORAGE_ERRORS as error:
            self._failed("the journal cannot be read", error)
            return None

    async def add_start(
        self,
        event: PendingEvent,
        received_at: datetime,
        acknowledge: Acknowledge,
        delivery: str | None,
    ) -> None:
        """Journal a start, then acknowledge it; where that fails its verdict acknowledges it."""
        camera = self._context.id
        try:
            await self._storage.write(
                lambda store: store.add_start(
                    camera, event.event_id, event.motion_at, received_at, delivery
                )
            )
        except STORAGE_ERRORS as error:
            self._failed("a motion start cannot be journalled", error)
            if not event.published:
                event.unsafe.append(acknowledge)
                return
        acknowledge()

    async def add_burst(
        self,
        event: PendingEvent,
        fetched: FetchedFrames,
        motion_at: datetime,
        acknowledge: Acknowledge,
    ) -> None:
        """Journal a burst once its frames are on disk; what cannot be stored is not safe."""
        if not await self.save_frames(event, fetched) and not event.published:
            event.unsafe.append(acknowledge)
            acknowledge = _nothing
        # Its frames were taken for it, whenever it came.
        await self.add_start(event, motion_at, acknowledge, delivery=None)

    async def save_frames(self, event: PendingEvent, fetched: FetchedFrames) -> bool:
        """Store the frames of an event; return whether they are safe."""
        if not fetched.frames:
            return True
        camera = self._context.id
        try:
            await self._storage.files(
                lambda store: store.frames.save(
                    camera, event.event_id, fetched.frames, fetched.taken_at
                )
            )
        except STORAGE_ERRORS as error:
            self._failed("frames cannot be stored", error)
            return False
        return True

    async def add_verdict(self, verdict: Verdict) -> bool:
        """Store a verdict; return whether it is safe."""
        try:
            await self._storage.write(lambda store: store.add_verdict(verdict))
        except STORAGE_ERRORS as error:
            self._failed("a verdict cannot be stored", error)
            return False
        if verdict.stored:
            self._context.resolve("storage")
        return True

    async def add_outcomes(self, event_id: str, outcomes: Outcomes) -> None:
        """Store what an event would be under other settings."""
        content = outcomes.to_dict()
        try:
            await self._storage.write(lambda store: store.outcomes.add(event_id, content))
        except STORAGE_ERRORS as error:
            self._failed("what other settings would do cannot be stored", error)

    async def mark_published(self, event_id: str) -> None:
        """Remember that the broker has a verdict."""
        try:
            await self._storage.write(lambda store: store.mark_published(event_id))
        except STORAGE_ERRORS as error:
            self._failed("a published verdict cannot be marked", error)

    async def set_alarm_until(self, until: datetime, acknowledge: Acknowledge) -> None:
        """Remember when the alarm ends; until then the broker keeps the end of the motion."""
        camera = self._context.id
        try:
            await self._storage.write(lambda store: store.set_alarm_until(camera, until))
        except STORAGE_ERRORS as error:
            self._failed("the end of an alarm cannot be stored", error)
        acknowledge()

    async def set_settings(self, settings: Mapping[str, Any]) -> None:
        """Remember changed settings."""
        camera = self._context.id
        try:
            await self._storage.write(lambda store: store.set_settings(camera, settings))
        except STORAGE_ERRORS as error:
            self._failed("changed settings cannot be stored", error)

    async def set_feedback(self, event_id: str, relevant: bool | None) -> bool | None:
        """Store a thumb; return whether the event is known, or None where it cannot be stored."""
        camera = self._context.id
        try:
            return await self._storage.write(
                lambda store: store.set_feedback(camera, event_id, relevant, now())
            )
        except STORAGE_ERRORS as error:
            self._failed("feedback cannot be stored", error)
            return None

    async def save_reference(self, reference: ReferencePicture, picture: bytes) -> None:
        """Store the picture without motion."""
        try:
            await self._storage.files(lambda _: reference.save(picture))
        except STORAGE_ERRORS as error:
            self._failed("the reference picture cannot be stored", error)

    async def prune(self) -> bool:
        """Enforce the limits on disk; return whether that went well."""
        camera, keep, at = self._context.id, self._context.config.keep, now()
        try:
            spared = await self._storage.database(lambda store: store.spared(camera))
            removed = await self._storage.files(
                lambda store: store.frames.remove_old(camera, keep, spared, at)
            )
            await self._storage.database(lambda store: store.remove_records(camera, keep, at))
        except STORAGE_ERRORS as error:
            self._failed("old events cannot be removed", error)
            return False
        if removed:
            _LOGGER.info("%s: removed %d old events", camera, removed)
        return True

    def _failed(self, trouble: str, error: Exception) -> None:
        self._context.complain(
            "storage",
            f"{trouble} ({str(error) or 'no answer in time'}): "
            "check that the disk is there, writable and not full",
        )


def _nothing() -> None:
    """Acknowledge nothing."""
