"""One event's way to its verdict: pictures, judgement, alarm, store, broker, and learning."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

from veroallarme_core.contract import CameraSettings, State, Verdict
from veroallarme_core.pipeline import PipelineResult, not_judged
from veroallarme_core.worker.camera.alarm import MIN_HOLD_S, Alarm
from veroallarme_core.worker.camera.camera_judge import CameraJudge
from veroallarme_core.worker.camera.context import CameraContext
from veroallarme_core.worker.camera.journal import STORE_LIMIT_S, CameraJournal
from veroallarme_core.worker.camera.learning import CameraLearning
from veroallarme_core.worker.camera.pending_event import (
    LATE_PICTURES,
    FetchedFrames,
    PendingEvent,
    without_late_proof,
)
from veroallarme_core.worker.camera.pictures import CameraPictures
from veroallarme_core.worker.camera.publisher import CameraPublisher
from veroallarme_core.worker.camera.reference_watch import ReferenceWatch
from veroallarme_core.worker.camera.review import Review
from veroallarme_core.worker.camera.statistics import CameraStatistics
from veroallarme_core.worker.clock import now

_LOGGER = logging.getLogger(__name__)

FRAMES_LIMIT_S = 0.1
"""The part of `STORE_LIMIT_S` that the frames may take; they are written while it is judged."""
PRUNE_EVERY = 50
"""Events after which the limits on disk are enforced again."""
PICTURE_REMEDIES = {
    "frozen_picture": "start the camera again, or use another picture address",
    "no_contrast": "look whether something covers its lens, and whether it sees anything at all",
    LATE_PICTURES: "if this lasts, use a picture address that answers faster, or fewer pictures",
}
"""What to do about pictures that prove nothing, by the reason of the verdict."""


class EventDecider:
    """Brings one event after the other to its verdict; none is lost, whatever fails.

    Args:
        context: of the camera.
        alarm: raised by relevant verdicts.
        pictures: takes the bursts.
        judge: judges them.
        journal: stores frames and verdicts.
        publisher: publishes verdicts.
        statistics: counts them.
        learning: learns from them.
        review: chooses those worth a look.
        reference_watch: may take a picture without motion of them.
    """

    def __init__(
        self,
        context: CameraContext,
        *,
        alarm: Alarm,
        pictures: CameraPictures,
        judge: CameraJudge,
        journal: CameraJournal,
        publisher: CameraPublisher,
        statistics: CameraStatistics,
        learning: CameraLearning,
        review: Review,
        reference_watch: ReferenceWatch,
    ) -> None:
        self._context = context
        self._alarm = alarm
        self._pictures = pictures
        self._judge = judge
        self._journal = journal
        self._publisher = publisher
        self._statistics = statistics
        self._learning = learning
        self._review = review
        self._reference_watch = reference_watch

    async def decide(self, event: PendingEvent) -> None:
        """Judge an event, store its verdict and publish it."""
        try:
            await self._decide(event)
        except Exception as error:  # one event must not end the worker, nor be lost
            await self._alert(event, error)

    async def _decide(self, event: PendingEvent) -> None:
        settings = self._context.settings
        fetched, saving = FetchedFrames(frames=[]), _already(True)
        try:
            if not settings.enabled:
                result = not_judged("disabled", "Judging is switched off.", settings)
            else:
                saving = _already(False)
                fetched = event.fetched = event.fetched or await self._pictures.take(
                    event.pictures_at
                )
                saving = asyncio.ensure_future(self._journal.save_frames(event, fetched))
                result = await self._judge.judge(event, fetched, settings)
                result = without_late_proof(event, fetched, result)
        except Exception as error:
            result = self._internal_error(event, error)
        verdict = self._verdict(event, settings, result, fetched)
        await self._store_and_publish(event, verdict, result.picture, saving)
        self._context.spawn(self._reference_watch.note_event(result, fetched.frames))
        self._context.spawn(self._learn(event, fetched, result))

    async def _alert(self, event: PendingEvent, error: Exception) -> None:
        """Alert for an event whose verdict cannot be written down or sent."""
        result = self._internal_error(event, error)
        verdict = self._verdict(event, self._context.settings, result, FetchedFrames(frames=[]))
        await self._store_and_publish(event, verdict, None, _already(False))
        self.publish_statistics()

    def _internal_error(self, event: PendingEvent, error: Exception) -> PipelineResult:
        camera, event_id = self._context.id, event.event_id
        _LOGGER.error("%s: event %s failed", camera, event_id, exc_info=error)
        text = f"An internal error came up: {error!r}"
        self._context.complain("fault", text)
        return not_judged("internal_error", text, self._context.settings)

    def _verdict(
        self,
        event: PendingEvent,
        settings: CameraSettings,
        result: PipelineResult,
        fetched: FetchedFrames,
    ) -> Verdict:
        """Close the event and make its verdict; from here on starts belong to the next one."""
        event.open = False
        verdict = self._judge.verdict(
            event, fetched, settings, result, decided_at=now(), merged=event.starts - 1
        )
        if not verdict.relevant:
            return verdict
        until = self._alarm.raise_(verdict.decided_at, settings.hold_s)
        return replace(verdict, hold_until=until)

    async def _store_and_publish(
        self,
        event: PendingEvent,
        verdict: Verdict,
        picture: bytes | None,
        saving: asyncio.Future[bool],
    ) -> None:
        """Store first, then publish; what storing does not finish in time goes on behind."""
        await asyncio.wait({saving}, timeout=FRAMES_LIMIT_S)
        if not (saving.done() and saving.result()):
            verdict = verdict.unstored()
        verdict = self._with_alarm_end(verdict)
        storing = self._context.spawn(self._journal.add_verdict(verdict))
        done, _ = await asyncio.wait({storing}, timeout=STORE_LIMIT_S - FRAMES_LIMIT_S)
        if not done or not storing.result():
            verdict = verdict.unstored()
        self._statistics.count_verdict(verdict)
        if self._statistics.events % PRUNE_EVERY == 0:
            self._context.spawn(self.prune())
        verdict = self._with_alarm_end(verdict)
        _LOGGER.info("%s", verdict.in_one_line())
        self._publisher.publish_verdict(verdict, picture, lambda: self._note_published(event))
        self._review.add(verdict)
        self.note_reason(verdict.reason, verdict.explanation)

    def _with_alarm_end(self, verdict: Verdict) -> Verdict:
        """Return the verdict with the end of its alarm as known now: the motion may be over.

        What is stored from here on comes after what the motion's end has stored, and an alarm is
        never remembered longer than it is.
        """
        if not verdict.relevant:
            return verdict
        least = verdict.decided_at + timedelta(seconds=MIN_HOLD_S)
        return replace(verdict, hold_until=max(least, self._alarm.until or least))

    def _note_published(self, event: PendingEvent) -> None:
        """Take note that the broker has the verdict: its starts are covered."""
        event.published = True
        for acknowledge in event.unsafe:
            acknowledge()
        self._context.spawn(self._journal.mark_published(event.event_id))

    def note_reason(self, reason: str, explanation: str) -> None:
        """Tell of pictures that prove nothing, as long as the latest verdict says so."""
        for known_reason, remedy in PICTURE_REMEDIES.items():
            if known_reason == reason:
                self._context.complain(known_reason, f"{explanation.rstrip('.')}: {remedy}")
            else:
                self._context.resolve(known_reason)

    async def _learn(
        self, event: PendingEvent, fetched: FetchedFrames, result: PipelineResult
    ) -> None:
        """Learn from an event after its alarm, then tell how far that has come."""
        # The memory that judged it must not know it yet.
        await self._note_outcomes(event, fetched, result)
        if result.evidence is not None:
            await self._learning.observe(event.event_id, event.motion_at, result)
        self.publish_statistics()

    async def _note_outcomes(
        self, event: PendingEvent, fetched: FetchedFrames, result: PipelineResult
    ) -> None:
        """Find out what the event would be under other settings, and keep it beside its verdict."""
        if result.look_again is None:
            return
        outcomes = await self._context.services.judging.look_again(result.look_again)
        if outcomes is None:
            return
        nuisance = replace(result, state=State.IRRELEVANT)
        if without_late_proof(event, fetched, nuisance).state is not State.IRRELEVANT:
            outcomes = outcomes.doubted()
        await self._journal.add_outcomes(event.event_id, outcomes)

    def publish_statistics(self) -> None:
        """Publish totals and what was learned."""
        self._publisher.publish("stats", self._statistics.payload())

    async def prune(self) -> None:
        """Enforce the limits on disk."""
        if await self._journal.prune():
            self._review.refresh()


def _already(is_saved: bool) -> asyncio.Future[bool]:
    """Return what tells whether frames are saved, where nothing is left to be written."""
    saved: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    saved.set_result(is_saved)
    return saved
