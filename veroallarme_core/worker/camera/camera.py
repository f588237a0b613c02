"""One camera: puts together what takes its motion, judges its events and tells of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from veroallarme_core.contract import (
    MAX_ZONES,
    CameraSettings,
    CommandError,
    FrameCounts,
    SuggestionAnswer,
    dump,
    dump_state,
    iso,
    with_names_of_their_own,
)
from veroallarme_core.worker.camera.alarm import Alarm
from veroallarme_core.worker.camera.analyses import Analyses
from veroallarme_core.worker.camera.camera_judge import CameraJudge
from veroallarme_core.worker.camera.connectivity import Connectivity
from veroallarme_core.worker.camera.context import CameraContext, WorkerServices
from veroallarme_core.worker.camera.event_decider import EventDecider
from veroallarme_core.worker.camera.event_queue import EventQueue
from veroallarme_core.worker.camera.journal import CameraJournal
from veroallarme_core.worker.camera.learning import CameraLearning
from veroallarme_core.worker.camera.motion import BURST_AUTO_END_S, Motion
from veroallarme_core.worker.camera.pending_event import FetchedFrames, PendingEvent
from veroallarme_core.worker.camera.pictures import CameraPictures
from veroallarme_core.worker.camera.publisher import CameraPublisher
from veroallarme_core.worker.camera.reference import ReferencePicture
from veroallarme_core.worker.camera.reference_watch import ReferenceWatch
from veroallarme_core.worker.camera.review import Review
from veroallarme_core.worker.camera.statistics import CameraStatistics
from veroallarme_core.worker.camera.suggestions import Suggestions
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.config import CameraConfig
from veroallarme_core.worker.mqtt import Outgoing
from veroallarme_core.worker.onvif import AUTO_END_S
from veroallarme_core.worker.snapshots import SnapshotClient
from veroallarme_core.worker.storage import CameraRecord, OpenEvent


class CameraWorker:
    """Judges the motion of one camera: one event running, at most one waiting.

    Args:
        config: of the camera.
        client: gives its snapshots.
        record: what the store remembers of it.
        settings: those of the file, changed by what the user has set since.
        reference: its picture without motion.
        learning: what it has learned.
        review: which of its suppressed events are worth a look.
        suggestions: zones that its history proposes to ignore.
        services: what the worker gives to it.
    """

    def __init__(
        self,
        config: CameraConfig,
        client: SnapshotClient,
        record: CameraRecord,
        settings: CameraSettings,
        reference: ReferencePicture,
        learning: CameraLearning,
        review: Review,
        suggestions: Suggestions,
        services: WorkerServices,
    ) -> None:
        self.client = client
        self.context = context = CameraContext(config, settings, services)
        self.alarm = _former_alarm(record, config, settings, self._alarm_ended)
        self.reference = reference
        self.learning = learning
        self.review = review
        self.suggestions = suggestions
        self._last_verdict = record.last_verdict
        self._publisher = CameraPublisher(context, self.alarm, record.last_verdict)
        self.connectivity = Connectivity(context, self._publisher)
        self.pictures = CameraPictures(context, client, self.connectivity)
        self.queue = EventQueue(context)
        self._journal = CameraJournal(context)
        self.statistics = CameraStatistics(record.totals, learning)
        judge = CameraJudge(context, reference, learning)
        self.analyses = Analyses(context, self.queue, self.pictures, judge)
        self.motion = Motion(
            context,
            alarm=self.alarm,
            queue=self.queue,
            journal=self._journal,
            pictures=self.pictures,
            statistics=self.statistics,
            publisher=self._publisher,
        )
        self.reference_watch = ReferenceWatch(
            context, client, reference, self.connectivity, self.alarm, self.queue, self._journal
        )
        self._decider = EventDecider(
            context,
            alarm=self.alarm,
            pictures=self.pictures,
            judge=judge,
            journal=self._journal,
            publisher=self._publisher,
            statistics=self.statistics,
            learning=learning,
            review=review,
            reference_watch=self.reference_watch,
        )
        if record.last_verdict is not None:
            self.motion.remember_event(record.last_verdict["event_id"])

    @property
    def id(self) -> str:
        """The camera's id."""
        return self.context.id

    # --- events --------------------------------------------------------------------------

    async def run(self) -> None:
        """Judge events as they come, until cancelled between two of them."""
        if (last := self._last_verdict) is not None:
            self._decider.note_reason(last["reason"], last["explanation"])
        while True:
            event = await self.queue.next()
            self.pictures.interrupt()
            try:
                await self._decider.decide(event)
            finally:
                self.queue.done()
            del event  # Its pictures do not wait in memory for the next one.

    def resume(self, event: OpenEvent, frames: list[bytes], taken_at: list[datetime]) -> None:
        """Take up an event of the journal that a former run left without a verdict.

        Args:
            event: of the journal.
            frames: that are on disk; empty takes pictures of this moment.
            taken_at: when each of them was taken.
        """
        pending = PendingEvent(event.event_id, event.motion_at, max(1, event.starts))
        pending.latest_at = max(event.motion_at, event.latest_at or event.motion_at)
        if frames:
            count = len(frames)
            counts = FrameCounts(requested=count, fetched=count, distinct=count)
            pending.fetched = FetchedFrames(frames=frames, taken_at=tuple(taken_at), counts=counts)
        self.motion.remember_event(event.event_id)
        self.queue.add(pending)

    async def finish(self, limit_s: float) -> None:
        """Begin no other event; wait for the running one and for what is being written.

        What does not end in time stays in the journal for the next start.
        """
        self.queue.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self.queue.until_idle()
                await self.context.finish()
        self.alarm.stop()
        self.review.stop()
        self.suggestions.stop()

    async def prune(self) -> None:
        """Enforce the limits on disk."""
        await self._decider.prune()

    # --- commands ------------------------------------------------------------------------

    async def change_settings(self, change: Mapping[str, Any]) -> None:
        """Apply a validated change of settings, store it and publish the result."""
        if "zones" in change:
            change = {**change, "zones": with_names_of_their_own(change["zones"])}
        self.context.settings = replace(self.context.settings, **change)
        payload = self.context.settings.to_dict()
        self._publisher.publish("settings", dump_state(payload))
        await self._journal.set_settings(payload)
        if "zones" in change and self.suggestions.is_offering:
            self.renew_suggestions()  # a zone may have been drawn where one is suggested

    async def give_feedback(self, event_id: str, relevant: bool | None) -> None:
        """Store a thumb, or take it back, and let it act at once.

        Raises:
            CommandError: the camera has no such event.
        """
        is_known = await self._journal.set_feedback(event_id, relevant)
        if is_known is None:
            return
        if not is_known:
            raise CommandError(
                f"feedback for the unknown event {event_id}: give the event_id of a "
                "verdict of this camera that is still kept"
            )
        await self.learning.apply_feedback(event_id, relevant)
        self.review.answer(event_id, relevant)
        self.context.tell("feedback", event_id)
        self.publish_statistics()
        if self.suggestions.is_offering:
            self.renew_suggestions()  # nothing may be suggested that hides a thumb up

    def renew_suggestions(self) -> None:
        """Look, beside the events, what the camera's history proposes to ignore."""
        self.context.spawn(self.suggestions.renew(lambda: self.context.settings.zones))

    async def answer_suggestion(self, answer: SuggestionAnswer) -> None:
        """Ignore what the user has taken from now on, or suggest it no more.

        Raises:
            CommandError: nothing is suggested under this id, or there is no room for a zone.
        """
        if not answer.take:
            return await self.suggestions.refuse(answer.id)
        if len(self.context.settings.zones) >= MAX_ZONES:
            raise CommandError(
                f"the camera has {MAX_ZONES} zones, the most there may be: remove one by `set`"
            )
        zone = await self.suggestions.take(answer.id)
        # Read after the wait: zones may have been set meanwhile.
        await self.change_settings({"zones": (*self.context.settings.zones, zone)})

    # --- what the broker has -------------------------------------------------------------

    def state(self) -> list[Outgoing]:
        """Return all retained state, in the order in which it is published."""
        return self._publisher.retained(
            {
                "settings": dump_state(self.context.settings.to_dict()),
                "stats": self.statistics.payload(),
                "review": self.review.payload(),
                "suggestions_image": self.suggestions.picture,
                "suggestions": self.suggestions.payload(),
                "connectivity": self.connectivity.payload,
            }
        )

    def publish_statistics(self) -> None:
        """Publish totals and what was learned."""
        self._decider.publish_statistics()

    def publish_former(self, verdict: Mapping[str, Any]) -> None:
        """Publish a decision that a former run had no broker for, as the contract writes it."""
        event_id = verdict["event_id"]

        def mark() -> None:
            self.context.spawn(self._journal.mark_published(event_id))

        self._publisher.publish_event(dump(verdict), mark)

    def leave(self) -> None:
        """Publish nothing more: the camera has been removed."""
        self._publisher.close()

    def _alarm_ended(self) -> None:
        self._publisher.publish_alarm()


def _former_alarm(
    record: CameraRecord,
    config: CameraConfig,
    settings: CameraSettings,
    ended: Callable[[], None],
) -> Alarm:
    """Take over the alarm of a former run, as far as its end is known and may be believed."""
    verdict, until = record.last_verdict, record.alarm_until
    if until is None:
        return Alarm(None, ended)
    # The wall clock may have been set meanwhile, and no alarm is on for longer than it can be.
    longest_s = max(
        settings.hold_s,
        BURST_AUTO_END_S,
        *(trigger.auto_end_s for trigger in config.triggers),
        *(() if config.onvif is None else (AUTO_END_S,)),
    )
    is_latest = verdict is not None and verdict["hold_until"] == iso(until)
    # Of several triggers nobody knows any more whose motion it was: none of them ends it.
    is_of_several = len(config.triggers) > 1 or config.onvif is not None
    if verdict is None or not is_latest or is_of_several:
        return Alarm(min(until, now() + timedelta(seconds=longest_s)), ended)
    decided_at = datetime.fromisoformat(verdict["decided_at"])
    longest = max(until - decided_at, timedelta(seconds=longest_s))
    held = min(decided_at + timedelta(seconds=settings.hold_s), until)
    return Alarm(min(until, now() + longest), ended, held)
