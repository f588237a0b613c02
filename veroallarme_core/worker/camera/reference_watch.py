"""Takes the picture without motion now and then, and so learns whether the camera answers."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic

from veroallarme_core.contract import State
from veroallarme_core.judgement import OUTSIDE
from veroallarme_core.pipeline import PipelineResult
from veroallarme_core.worker.camera.alarm import Alarm
from veroallarme_core.worker.camera.connectivity import Connectivity
from veroallarme_core.worker.camera.context import CameraContext
from veroallarme_core.worker.camera.event_queue import EventQueue
from veroallarme_core.worker.camera.journal import CameraJournal
from veroallarme_core.worker.camera.reference import ReferencePicture
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.snapshots import (
    MqttImageSource,
    Snapshot,
    SnapshotClient,
    SnapshotError,
)

_LOGGER = logging.getLogger(__name__)


class ReferenceWatch:
    """Keeps the reference picture of one camera fresh.

    Args:
        context: of the camera.
        client: gives its snapshots.
        reference: its picture without motion.
        connectivity: told whether the camera answers.
        alarm: of the camera; while it is on no picture is taken.
        queue: of the camera; while an event waits no picture is taken.
        journal: stores the picture.
    """

    def __init__(
        self,
        context: CameraContext,
        client: SnapshotClient,
        reference: ReferencePicture,
        connectivity: Connectivity,
        alarm: Alarm,
        queue: EventQueue,
        journal: CameraJournal,
    ) -> None:
        self._context = context
        self._client = client
        self._reference = reference
        self._connectivity = connectivity
        self._alarm = alarm
        self._queue = queue
        self._journal = journal
        self._saved_at = -math.inf
        self._stirred_at = -math.inf

    async def run(self) -> None:
        """Take pictures until cancelled; end at once where none are wanted."""
        pause_s = self._context.config.reference_every_s
        while pause_s:
            if not (self._is_moving or self._alarm.is_on):
                try:
                    await self._take()
                except Exception as error:  # the reference is not worth a dead worker
                    _LOGGER.exception("%s: no reference picture", self._context.id)
                    self._context.complain("fault", repr(error))
            await asyncio.sleep(pause_s)

    @property
    def _is_moving(self) -> bool:
        return self._alarm.in_motion or bool(len(self._queue))

    async def _take(self) -> None:
        begun_at = now()
        shot = await self._fetch(begun_at)
        if shot is None or self._is_moving:
            # Motion began while the picture was taken: it may show the mover.
            return
        if begun_at - shot.captured_at > timedelta(seconds=self._context.config.burst.max_age_s):
            # A camera that sends pictures on motion only gives one of its last motion.
            return
        await self._save(shot.data)

    async def take_from_home_assistant(self, picture: bytes) -> None:
        """Take a picture that Home Assistant took while nothing moved, unless something does."""
        if not (self._is_moving or self._alarm.is_on):
            self._connectivity.note_reachable(True, None)
            await self._save(picture)

    async def note_event(self, result: PipelineResult, pictures: Sequence[bytes]) -> None:
        """Take the last picture of an event in which all that moved was outside the zones.

        Before a busy street a camera's motion hardly ever ends, and no other picture is taken.

        Args:
            result: of the event.
            pictures: of the event, in order of time.
        """
        if result.state is not State.IRRELEVANT:
            self._stirred_at = monotonic()
        pause_s = self._context.config.reference_every_s
        # Who came in a moment ago may stand there still.
        is_quiet = monotonic() - max(self._stirred_at, self._saved_at) >= pause_s > 0
        if result.reason == OUTSIDE and not result.damaged and pictures and is_quiet:
            await self._save(pictures[-1])

    async def _save(self, picture: bytes) -> None:
        self._saved_at = monotonic()
        await self._journal.save_reference(self._reference, picture)

    async def _fetch(self, begun_at: datetime) -> Snapshot | None:
        config = self._context.config
        try:
            async with asyncio.timeout(config.burst.limit_s):
                shot = await self._client.fetch(begun_at)
        except (SnapshotError, TimeoutError) as error:
            # A camera that sends pictures by MQTT may do so on motion only.
            if not isinstance(config.source, MqttImageSource):
                fault = error if isinstance(error, SnapshotError) else None
                self._connectivity.note_reachable(False, fault)
            return None
        self._connectivity.note_reachable(True, None)
        return shot
