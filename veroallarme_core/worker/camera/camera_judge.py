"""Judges the bursts of one camera, by its settings and by what it has learned."""

from __future__ import annotations

import asyncio
from datetime import datetime

from veroallarme_core.contract import CameraSettings, Verdict
from veroallarme_core.pipeline import PipelineResult, not_judged
from veroallarme_core.worker.camera.context import CameraContext
from veroallarme_core.worker.camera.judging import OverloadedError
from veroallarme_core.worker.camera.learning import CameraLearning
from veroallarme_core.worker.camera.pending_event import FetchedFrames, PendingEvent
from veroallarme_core.worker.camera.reference import ReferencePicture

JUDGE_LIMIT_S = 20.0
OVERLOADED = "overloaded"
"""The reason of an event whose pictures waited too long, and the key of what is said of it."""
_REMEDY_OVERLOADED = "take smaller pictures, share the cameras among workers, or a faster machine"


class CameraJudge:
    """Makes verdicts of bursts.

    Args:
        context: of the camera.
        reference: its picture without motion.
        learning: what it has learned.
    """

    def __init__(
        self, context: CameraContext, reference: ReferencePicture, learning: CameraLearning
    ) -> None:
        self._context = context
        self._reference = reference
        self._learning = learning

    async def judge(
        self, event: PendingEvent, fetched: FetchedFrames, settings: CameraSettings
    ) -> PipelineResult:
        """Judge a burst; one without a usable picture, or that takes too long, is unknown.

        So is one that nobody had time for: an alarm comes `WAIT_LIMIT_S` after its pictures at the
        latest, whatever moves elsewhere.
        """
        if not fetched.frames and fetched.fault is not None:
            text = f"No usable picture came from the camera: {fetched.fault}"
            return not_judged("no_snapshot", text, settings, snapshot_error=fetched.fault.code)
        try:
            async with asyncio.timeout(JUDGE_LIMIT_S):
                result = await self._context.services.judging.judge(
                    fetched.frames,
                    settings,
                    self._reference,
                    self._learning.state,
                    event_id=event.event_id,
                    motion_at=event.motion_at,
                )
        except OverloadedError as error:
            self._context.complain(
                OVERLOADED,
                f"more moved at once than this machine can look at ({error}): {_REMEDY_OVERLOADED}",
            )
            text = "More moved at once than could be looked at: nobody looked at these pictures."
            return not_judged(OVERLOADED, text, settings)
        except TimeoutError:
            text = f"Judging took longer than {JUDGE_LIMIT_S:g} seconds."
            self._context.complain("slow", text)
            return not_judged("model_failed", text, settings)
        self._context.resolve(OVERLOADED)
        return result

    def verdict(
        self,
        event: PendingEvent,
        fetched: FetchedFrames,
        settings: CameraSettings,
        result: PipelineResult,
        *,
        decided_at: datetime,
        merged: int,
    ) -> Verdict:
        """Make the verdict of what judging has found; see `PipelineResult.to_verdict`."""
        return result.to_verdict(
            event_id=event.event_id,
            camera=self._context.id,
            settings=settings,
            learning=not self._learning.learned,
            motion_at=event.motion_at,
            decided_at=decided_at,
            merged=merged,
            frames=fetched.counts,
            fetch_ms=fetched.fetch_ms,
        )
