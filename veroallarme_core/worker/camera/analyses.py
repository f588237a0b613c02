"""Analyses of one camera: bursts that no motion asked for, judged when nothing else is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from veroallarme_core.contract import Verdict, new_event_id
from veroallarme_core.worker.camera.camera_judge import CameraJudge
from veroallarme_core.worker.camera.context import CameraContext
from veroallarme_core.worker.camera.event_queue import EventQueue
from veroallarme_core.worker.camera.pending_event import FetchedFrames, PendingEvent
from veroallarme_core.worker.camera.pictures import CameraPictures
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.snapshots import Burst

ANALYSIS_LIMIT_S = 28.0
"""Of a burst that no motion asked for, waiting included; 30 s are promised."""
MAX_ANALYSES = 5
"""Analyses of a camera that run or wait."""


class AnalysisError(RuntimeError):
    """An analysis cannot be made; the message says why, and what to do."""


class Analyses:
    """Judges bursts that raise no alarm, count nothing and teach nothing; one at a time.

    Args:
        context: of the camera.
        queue: of its events, which go first.
        pictures: takes the bursts.
        judge: judges them.
    """

    def __init__(
        self,
        context: CameraContext,
        queue: EventQueue,
        pictures: CameraPictures,
        judge: CameraJudge,
    ) -> None:
        self._context = context
        self._queue = queue
        self._pictures = pictures
        self._judge = judge
        self._count = 0
        self._turn = asyncio.Lock()

    async def analyze(self, burst: Burst | None) -> Verdict:
        """Judge a burst that no motion asked for.

        Args:
            burst: from Home Assistant; None takes one from the camera.

        Raises:
            AnalysisError: too many wait already, or it takes too long.
        """
        async with self._in_turn():
            return await self._analyze(burst)

    async def take_pictures(self) -> FetchedFrames:
        """Take a burst that no motion asked for, and judge nothing.

        Raises:
            AnalysisError: too many wait already, or it takes too long.
        """
        async with self._in_turn():
            return await self._pictures.take_between_events(self._queue.until_idle)

    @contextlib.asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        if self._count >= MAX_ANALYSES:
            raise AnalysisError(
                f"{MAX_ANALYSES} analyses of this camera wait already: ask again when they are "
                "answered"
            )
        self._count += 1
        try:
            async with asyncio.timeout(ANALYSIS_LIMIT_S), self._turn:
                yield
        except TimeoutError:
            raise AnalysisError(
                f"it takes longer than {ANALYSIS_LIMIT_S:g} seconds: the camera is slow or sees "
                "much motion, ask again later"
            ) from None
        finally:
            self._count -= 1

    async def _analyze(self, burst: Burst | None) -> Verdict:
        begun_at, settings = now(), self._context.settings
        if burst is None:
            fetched = await self._pictures.take_between_events(self._queue.until_idle)
        else:
            fetched = self._pictures.note_burst(burst, fetch_ms=0.0)
        event = PendingEvent(new_event_id(begun_at), begun_at)
        async with self._context.services.judging.analyses:
            result = await self._judge.judge(event, fetched, settings)
        verdict = self._judge.verdict(event, fetched, settings, result, decided_at=now(), merged=0)
        return verdict.unstored()
