"""One camera's way from motion starts to verdicts: queue, burst, judgement, alarm, state."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from veroallarme_core.camera_state import CameraState
from veroallarme_core.event_store import CameraRecord, OpenEvent
from veroallarme_core.pipeline import PipelineResult, not_judged
from veroallarme_core.settings import CameraSettings
from veroallarme_core.verdict import FrameCounts, State, Verdict, iso, new_event_id
from veroallarme_core.worker.alarm import Alarm, now
from veroallarme_core.worker.bursts import Burst, take_burst
from veroallarme_core.worker.config import CameraConfig
from veroallarme_core.worker.contract import OFF, ON, CommandError, Topics, dump
from veroallarme_core.worker.learning import CameraLearning
from veroallarme_core.worker.mqtt import Outgoing
from veroallarme_core.worker.mqtt_snapshots import MqttImageSource
from veroallarme_core.worker.reference import ReferencePicture
from veroallarme_core.worker.review import Review
from veroallarme_core.worker.snapshots import SnapshotClient, SnapshotError
from veroallarme_core.worker.storage import Storage

_LOGGER = logging.getLogger(__name__)

STORE_LIMIT_S = 0.18
"""Longest time that storing may hold up an alarm; 0.2 s are promised, with the sending."""
FRAMES_LIMIT_S = 0.1
"""The part of it that the frames may take; they are written while the burst is judged."""
JUDGE_LIMIT_S = 20.0
ANALYSIS_LIMIT_S = 28.0
"""Of a burst that no motion asked for, waiting included; 30 s are promised."""
MAX_ANALYSES = 5
"""Analyses of a camera that run or wait."""
BURST_AUTO_END_S = 60.0
"""Seconds after which the motion of a burst counts as over without an end."""
MAX_WAITING_BURSTS = 16
MAX_WAITING_BYTES = 32 << 20
"""Past either the frames of further bursts are given up, and what they show counts as unknown."""
MAX_KNOWN_BURSTS = 100
"""Bursts that are recognised when they come again before the journal can tell."""
PRUNE_EVERY = 50
"""Events after which the limits on disk are enforced again."""

STORAGE_ERRORS = (OSError, sqlite3.Error, RuntimeError, TimeoutError)
"""What a full disk, a locked database or a closing worker ends in."""

T = TypeVar("T")


class AnalysisError(RuntimeError):
    """An analysis cannot be made; the message says why, and what to do."""


Acknowledge = Callable[[], None]


class Judge(Protocol):
    """Runs the pipeline outside the event loop."""

    def __call__(
        self,
        frames: list[bytes],
        settings: CameraSettings,
        reference: ReferencePicture,
        state: CameraState | None,
        event: PendingEvent,
    ) -> Awaitable[PipelineResult]:
        """Judge a burst; see `EventPipeline.judge`."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a camera needs of the worker around it."""

    topics: Topics
    storage: Storage
    judge: Judge
    publish: Callable[[Outgoing], None]
    complain: Callable[[str, str], None]
    """Log a sentence (at most once a minute per key) and show it in the worker's health."""
    resolve: Callable[[str], None]
    """Take back a complaint, by its key."""
    analyses: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while an analysis is judged: the rest of the judging threads belongs to the alarms."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The frames of an event and what fetching them cost."""

    frames: list[bytes]
    counts: FrameCounts = field(default_factory=FrameCounts)
    fetch_ms: float = 0.0
    fault: SnapshotError | None = None
    """What went wrong first."""


@dataclass(eq=False)
class PendingEvent:
    """An event on its way to a verdict, and the motion starts that it covers."""

    event_id: str
    motion_at: datetime
    starts: int = 0
    taken: Taken | None = None
    """Frames that are there already, from Home Assistant or a former run; None takes a burst."""
    unsafe: list[Acknowledge] = field(default_factory=list)
    """Acknowledgements of starts that could not be journalled; they wait for the verdict."""
    open: bool = True
    """Whether further starts may join."""
    published: bool = False
    """Whether the broker has the verdict."""


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
        around: what it needs of the worker.
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
        around: Surroundings,
    ) -> None:
        self.config = config
        self.client = client
        self.settings = settings
        self.alarm = Alarm(record.alarm_until, self._alarm_ended, _held_until(record, settings))
        self._reference = reference
        self._learning = learning
        self._review = review
        self._around = around
        self._totals = record.totals
        self._verdict_json = None if record.last_verdict is None else dump(record.last_verdict)
        self._picture: bytes | None = None
        self._reachable: bool | None = None
        self._is_heard = True
        self._running: PendingEvent | None = None
        self._waiting: PendingEvent | None = None
        self._taken: deque[PendingEvent] = deque()
        self._bursts: deque[str] = deque(maxlen=MAX_KNOWN_BURSTS)
        self._analyses = 0
        self._analysing = asyncio.Lock()
        self._analysis_burst: asyncio.Task[Taken] | None = None
        self._wake = asyncio.Event()
        self._stopping = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def id(self) -> str:
        """The camera's id."""
        return self.config.id

    @property
    def queue_length(self) -> int:
        """Events that run or wait."""
        return (self._running is not None) + (self._waiting is not None) + len(self._taken)

    @property
    def learning(self) -> bool:
        """Whether the promise of recall cannot be kept yet; mode auto alerts until then."""
        return not self._learning.learned

    # --- motion in -----------------------------------------------------------------------

    def start(
        self,
        received_at: datetime,
        auto_end_s: float,
        acknowledge: Acknowledge,
        *,
        delivery: str | None,
        redelivered: bool,
    ) -> None:
        """Take a motion start.

        Args:
            received_at: when it came, UTC.
            auto_end_s: seconds after which the motion counts as over without an end.
            acknowledge: called once the start is safe.
            delivery: recognises the message when the broker delivers it again; None for QoS 0.
            redelivered: whether the broker says that it has delivered it before.
        """
        accept = partial(self._accept, received_at, auto_end_s, acknowledge, delivery)
        if redelivered and delivery is not None:
            self._spawn(self._accept_unknown(accept, acknowledge, delivery))
        else:
            accept()

    async def _accept_unknown(
        self, accept: Callable[[], None], acknowledge: Acknowledge, delivery: str
    ) -> None:
        """Accept a start that is delivered again only if the journal does not hold it."""
        try:
            async with asyncio.timeout(STORE_LIMIT_S):
                known = await self._around.storage.database(
                    lambda store: store.find_delivery(delivery)
                )
        except STORAGE_ERRORS as error:
            self._storage_failed("the journal cannot be read", error)
            known = None
        if known is None:
            accept()
        else:
            _LOGGER.debug("%s: start delivered again, covered by %s", self.id, known)
            acknowledge()

    def _accept(
        self,
        received_at: datetime,
        auto_end_s: float,
        acknowledge: Acknowledge,
        delivery: str | None,
    ) -> None:
        self.alarm.motion_started(received_at, auto_end_s)
        event = self._event_for(received_at)
        self._count_start(event)
        self._spawn(self._journal(event, received_at, acknowledge, delivery))

    def _count_start(self, event: PendingEvent) -> None:
        event.starts += 1
        self._totals = replace(self._totals, motions=self._totals.motions + 1)
        self._wake.set()

    def _event_for(self, received_at: datetime) -> PendingEvent:
        """Choose the event that covers a start: the running one, the waiting one or a new one."""
        running = self._running
        window = timedelta(seconds=self.config.merge_window_s)
        if running is not None and running.open and received_at - running.motion_at <= window:
            return running
        if self._waiting is None:
            self._waiting = PendingEvent(new_event_id(received_at), received_at)
        return self._waiting

    async def _journal(
        self,
        event: PendingEvent,
        received_at: datetime,
        acknowledge: Acknowledge,
        delivery: str | None,
    ) -> None:
        try:
            await self._around.storage.write(
                lambda store: store.add_start(
                    self.id, event.event_id, event.motion_at, received_at, delivery
                )
            )
        except STORAGE_ERRORS as error:
            self._storage_failed("a motion start cannot be journalled", error)
            if not event.published:
                event.unsafe.append(acknowledge)
                return
        acknowledge()

    async def owner_of(self, event_id: str) -> str | None:
        """Return the camera that an event belongs to, as far as the journal can tell now."""
        if event_id in self._bursts:
            return self.id
        try:
            async with asyncio.timeout(STORE_LIMIT_S):
                return await self._around.storage.database(lambda store: store.camera_of(event_id))
        except STORAGE_ERRORS as error:
            self._storage_failed("the journal cannot be read", error)
            return None

    def add_burst(
        self, event_id: str, motion_at: datetime, burst: Burst, acknowledge: Acknowledge
    ) -> None:
        """Take a motion start that comes with its frames.

        Args:
            event_id: one that no event has yet.
            motion_at: when it moved, UTC.
            burst: what came of the frames.
            acknowledge: called once frames and start are safe.
        """
        received_at = now()
        self._bursts.append(event_id)
        # A clock that runs ahead must not prolong the alarm.
        self.alarm.motion_started(min(motion_at, received_at), BURST_AUTO_END_S)
        waited_ms = max(0.0, (received_at - motion_at).total_seconds() * 1e3)
        taken = self._note_burst(burst, fetch_ms=waited_ms)
        event = self._event_of_burst(event_id, motion_at, taken)
        self._count_start(event)
        frames = taken.frames if event.taken is taken else []
        self._spawn(self._journal_burst(event, frames, received_at, acknowledge))

    def _event_of_burst(self, event_id: str, motion_at: datetime, taken: Taken) -> PendingEvent:
        """Make the event of a burst, or choose the one that covers all for which there is no room.

        The frames of one motion prove nothing about another: that one is judged without any.
        """
        if self._taken and self._taken[-1].open:
            return self._taken[-1]
        bursts = [taken, *(event.taken for event in self._taken if event.taken is not None)]
        waiting_bytes = sum(len(frame) for burst in bursts for frame in burst.frames)
        is_flood = len(self._taken) >= MAX_WAITING_BURSTS or waiting_bytes > MAX_WAITING_BYTES
        if is_flood:
            fault = SnapshotError(
                "flood",
                f"{len(self._taken)} bursts wait already: let the camera report motion less "
                "often, or give the worker a faster machine",
            )
            taken = Taken(frames=[], fault=fault)
        event = PendingEvent(event_id, motion_at, taken=taken, open=is_flood)
        self._taken.append(event)
        return event

    async def _journal_burst(
        self,
        event: PendingEvent,
        frames: list[bytes],
        received_at: datetime,
        acknowledge: Acknowledge,
    ) -> None:
        """Journal a burst once its frames are on disk; what cannot be stored is not safe."""
        if not await self._save_frames(event, frames) and not event.published:
            event.unsafe.append(acknowledge)
            acknowledge = _nothing
        await self._journal(event, received_at, acknowledge, delivery=None)

    def end_burst(self, event_id: str) -> None:
        """Take the word that the motion of the latest burst is over; others are over already."""
        if self._bursts and self._bursts[-1] == event_id:
            self.end(now())
        elif event_id not in self._bursts:
            _LOGGER.info(
                "%s: the end of motion of %s is not taken: no burst has brought that event since "
                "the worker began", self.id, event_id,
            )  # fmt: skip

    def end(self, received_at: datetime) -> None:
        """Take the camera's word that its motion is over."""
        if self.alarm.motion_ended(received_at):
            self._remember_alarm()

    def resume(self, event: OpenEvent, frames: list[bytes]) -> None:
        """Take up an event of the journal that a former run left without a verdict."""
        pending = PendingEvent(event.event_id, event.motion_at, max(1, event.starts))
        if frames:
            count = len(frames)
            counts = FrameCounts(requested=count, fetched=count, distinct=count)
            pending.taken = Taken(frames=frames, counts=counts)
        pending.open = False
        self._taken.append(pending)
        self._wake.set()

    # --- from an event to its verdict ----------------------------------------------------

    async def run(self) -> None:
        """Judge events as they come, until cancelled between two of them."""
        while True:
            event = await self._next()
            self._running = event
            self._idle.clear()
            if self._analysis_burst is not None:
                self._analysis_burst.cancel()
            try:
                await self._process(event)
            except Exception as error:  # one event must not end the worker, nor be lost
                await self._fail(event, error)
            finally:
                self._running = None
                self._idle.set()

    async def _next(self) -> PendingEvent:
        while True:
            if self._taken and not self._stopping:
                return self._taken.popleft()
            if self._waiting is not None and not self._stopping:
                event, self._waiting = self._waiting, None
                return event
            self._wake.clear()
            await self._wake.wait()

    async def finish(self, limit_s: float) -> None:
        """Begin no other event; wait for the running one and for what is being written.

        What does not end in time stays in the journal for the next start.
        """
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
                while self._tasks:
                    await asyncio.wait(set(self._tasks))
        self.alarm.stop()
        self._review.stop()

    async def _process(self, event: PendingEvent) -> None:
        settings = self.settings
        saving: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        taken = Taken(frames=[])
        try:
            if not settings.enabled:
                saving.set_result(True)
                result = not_judged("disabled", "Judging is switched off.", settings)
            else:
                taken = event.taken or await self._take(event.motion_at)
                saving = asyncio.ensure_future(self._save_frames(event, taken.frames))
                result = await self._judge(event, taken, settings)
        except Exception as error:
            result = self._internal_error(event, error)
            if not saving.done() and not isinstance(saving, asyncio.Task):
                saving.set_result(False)
        verdict = self._decide(event, settings, result, taken)
        await self._store_and_publish(event, verdict, result.picture, saving)
        self._spawn(self._learn(event, result))

    async def _learn(self, event: PendingEvent, result: PipelineResult) -> None:
        """Learn from an event after its alarm, then tell how far that has come."""
        if result.evidence is not None:
            await self._learning.observe(event.event_id, event.motion_at, result)
        self.publish_stats()

    async def _fail(self, event: PendingEvent, error: Exception) -> None:
        """Alert for an event whose verdict cannot be written down or sent."""
        result = self._internal_error(event, error)
        unsaved: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        unsaved.set_result(False)
        verdict = self._decide(event, self.settings, result, Taken(frames=[]))
        await self._store_and_publish(event, verdict, None, unsaved)
        self.publish_stats()

    def _internal_error(self, event: PendingEvent, error: Exception) -> PipelineResult:
        _LOGGER.error("%s: event %s failed", self.id, event.event_id, exc_info=error)
        text = f"An internal error came up: {error!r}"
        self._around.complain(f"{self.id}/fault", f"{self.id}: {text}")
        return not_judged("internal_error", text, self.settings)

    async def _take(self, motion_at: datetime) -> Taken:
        started = time.monotonic()
        options = self.config.burst
        burst = await take_burst(
            self.client,
            size=options.size,
            spacing_s=options.spacing_s,
            limit_s=options.limit_s,
            max_age_s=options.max_age_s,
            motion_at=motion_at,
        )
        return self._note_burst(burst, fetch_ms=(time.monotonic() - started) * 1e3)

    def _note_burst(self, burst: Burst, fetch_ms: float) -> Taken:
        """Take note of what came of a burst."""
        fault = burst.errors[0] if burst.errors else None
        self._note_reachable(bool(burst.fetched), fault)
        ages = [shot.age_ms for shot in burst.snapshots if shot.age_ms is not None]
        return Taken(
            frames=[shot.data for shot in burst.snapshots],
            counts=FrameCounts(
                requested=burst.requested,
                fetched=burst.fetched,
                distinct=len(burst.snapshots),
                age_ms=max(ages, default=None),
            ),
            fetch_ms=fetch_ms,
            fault=fault,
        )

    async def _judge(
        self, event: PendingEvent, taken: Taken, settings: CameraSettings
    ) -> PipelineResult:
        if not taken.frames and taken.fault is not None:
            text = f"No usable picture came from the camera: {taken.fault}"
            return not_judged("no_snapshot", text, settings, snapshot_error=taken.fault.code)
        try:
            async with asyncio.timeout(JUDGE_LIMIT_S):
                return await self._around.judge(
                    taken.frames, settings, self._reference, self._learning.state, event
                )
        except TimeoutError:
            text = f"Judging took longer than {JUDGE_LIMIT_S:g} seconds."
            self._around.complain(f"{self.id}/slow", f"{self.id}: {text}")
            return not_judged("model_failed", text, settings)

    def _decide(
        self,
        event: PendingEvent,
        settings: CameraSettings,
        result: PipelineResult,
        taken: Taken,
    ) -> Verdict:
        """Close the event and make its verdict; from here on starts belong to the next one."""
        event.open = False
        decided_at = now()
        return result.to_verdict(
            event_id=event.event_id,
            camera=self.id,
            settings=settings,
            learning=self.learning,
            motion_at=event.motion_at,
            decided_at=decided_at,
            hold=lambda: self.alarm.raise_(decided_at, settings.hold_s),
            merged=event.starts - 1,
            frames=taken.counts,
            fetch_ms=taken.fetch_ms,
        )

    # --- analyses ------------------------------------------------------------------------

    async def analyze(self, burst: Burst | None) -> Verdict:
        """Judge a burst that no motion asked for: it raises no alarm, counts and teaches nothing.

        Args:
            burst: from Home Assistant; None takes one from the camera.

        Raises:
            AnalysisError: too many wait already, or it takes too long.
        """
        if self._analyses >= MAX_ANALYSES:
            raise AnalysisError(
                f"{MAX_ANALYSES} analyses of this camera wait already: ask again when they are "
                "answered"
            )
        self._analyses += 1
        try:
            async with asyncio.timeout(ANALYSIS_LIMIT_S), self._analysing:
                return await self._analyze(burst)
        except TimeoutError:
            raise AnalysisError(
                f"it takes longer than {ANALYSIS_LIMIT_S:g} seconds: the camera is slow or sees "
                "much motion, ask again later"
            ) from None
        finally:
            self._analyses -= 1

    async def _analyze(self, burst: Burst | None) -> Verdict:
        begun_at, settings = now(), self.settings
        if burst is None:
            taken = await self._take_between_events()
        else:
            taken = self._note_burst(burst, fetch_ms=0.0)
        event = PendingEvent(new_event_id(begun_at), begun_at)
        async with self._around.analyses:
            result = await self._judge(event, taken, settings)
        verdict = result.to_verdict(
            event_id=event.event_id,
            camera=self.id,
            settings=settings,
            learning=self.learning,
            motion_at=begun_at,
            decided_at=now(),
            hold=lambda: None,
            merged=0,
            frames=taken.counts,
            fetch_ms=taken.fetch_ms,
        )
        return verdict.unstored()

    async def _take_between_events(self) -> Taken:
        """Take a burst while no event needs the camera; one that motion breaks off is repeated."""
        while True:
            while not self._idle.is_set():
                await self._idle.wait()
            burst = self._analysis_burst = asyncio.create_task(self._take(now()))
            try:
                await asyncio.wait({burst})
            finally:
                burst.cancel()
                self._analysis_burst = None
            if not burst.cancelled():
                return burst.result()

    # --- storing and publishing ----------------------------------------------------------

    async def _save_frames(self, event: PendingEvent, frames: list[bytes]) -> bool:
        if not frames:
            return True
        try:
            await self._around.storage.files(
                lambda store: store.save_frames(self.id, event.event_id, frames)
            )
        except STORAGE_ERRORS as error:
            self._storage_failed("frames cannot be stored", error)
            return False
        return True

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
        storing = self._spawn(self._store_verdict(verdict))
        done, _ = await asyncio.wait({storing}, timeout=STORE_LIMIT_S - FRAMES_LIMIT_S)
        if not done or not storing.result():
            verdict = verdict.unstored()
        self._count(verdict)
        self._publish_verdict(event, verdict, picture)

    async def _store_verdict(self, verdict: Verdict) -> bool:
        storage = self._around.storage
        try:
            await storage.write(lambda store: store.add_verdict(verdict))
        except STORAGE_ERRORS as error:
            self._storage_failed("a verdict cannot be stored", error)
            return False
        if verdict.stored:
            self._around.resolve(f"{self.id}/storage")
        return True

    def _count(self, verdict: Verdict) -> None:
        totals = self._totals
        self._totals = replace(
            totals,
            events=totals.events + 1,
            relevant=totals.relevant + (verdict.state is State.RELEVANT),
            suppressed=totals.suppressed + (not verdict.relevant),
            unknown=totals.unknown + (verdict.state is State.UNKNOWN),
            merged=totals.merged + verdict.merged,
        )
        if self._totals.events % PRUNE_EVERY == 0:
            self._spawn(self.prune())

    def _publish_verdict(
        self,
        event: PendingEvent,
        verdict: Verdict,
        picture: bytes | None,
    ) -> None:
        """Publish in the order of the contract: image, verdict, relevant, event."""
        payload = dump(verdict.to_dict())
        self._verdict_json = payload
        if picture is not None and self.config.publish_image:
            self._picture = picture
            self._publish("image", picture)
        self._publish("verdict", payload)
        self._publish("relevant", ON if self.alarm.is_on else OFF)
        _LOGGER.info("%s", verdict.in_one_line())
        self.publish_event(verdict.event_id, payload, lambda: self._note_published(event))
        self._review.add(verdict)

    def publish_event(
        self, event_id: str, payload: bytes, on_published: Callable[[], object] | None = None
    ) -> None:
        """Publish a decision on the topic that automations listen to."""
        topic = self._around.topics.camera(self.id, "event")
        published = on_published or (lambda: self._spawn(self._mark_published(event_id)))
        self._around.publish(
            Outgoing(topic=topic, payload=payload, retain=False, on_published=published)
        )

    def _note_published(self, event: PendingEvent) -> None:
        """Take note that the broker has the verdict: its starts are covered."""
        event.published = True
        for acknowledge in event.unsafe:
            acknowledge()
        self._spawn(self._mark_published(event.event_id))

    async def _mark_published(self, event_id: str) -> None:
        try:
            await self._around.storage.write(lambda store: store.mark_published(event_id))
        except STORAGE_ERRORS as error:
            self._storage_failed("a published verdict cannot be marked", error)

    async def prune(self) -> None:
        """Enforce the limits on disk."""
        storage, keep, at = self._around.storage, self.config.keep, now()
        try:
            spared = await storage.database(lambda store: store.spared(self.id))
            removed = await storage.files(
                lambda store: store.remove_folders(self.id, keep, spared, at)
            )
            await storage.database(lambda store: store.remove_records(self.id, keep, at))
        except STORAGE_ERRORS as error:
            self._storage_failed("old events cannot be removed", error)
        else:
            self._review.refresh()
            if removed:
                _LOGGER.info("%s: removed %d old events", self.id, removed)

    # --- commands ------------------------------------------------------------------------

    async def change_settings(self, change: Mapping[str, Any]) -> None:
        """Apply a validated change of settings, store it and publish the result."""
        self.settings = replace(self.settings, **change)
        payload = self.settings.to_dict()
        self._publish("settings", dump(payload))
        try:
            await self._around.storage.write(lambda store: store.set_settings(self.id, payload))
        except STORAGE_ERRORS as error:
            self._storage_failed("changed settings cannot be stored", error)

    async def give_feedback(self, event_id: str, relevant: bool | None) -> None:
        """Store a thumb, or take it back, and let it act at once.

        Raises:
            CommandError: the camera has no such event.
        """
        try:
            known = await self._around.storage.write(
                lambda store: store.set_feedback(self.id, event_id, relevant, now())
            )
        except STORAGE_ERRORS as error:
            self._storage_failed("feedback cannot be stored", error)
            return
        if not known:
            raise CommandError(
                f"feedback for the unknown event {event_id}: give the event_id of a "
                "verdict of this camera that is still kept"
            )
        await self._learning.apply_feedback(event_id, relevant)
        self._review.answer(event_id, relevant)
        self.publish_stats()

    # --- connectivity and the reference picture ------------------------------------------

    async def watch(self) -> None:
        """Take a reference picture now and then, and so learn whether the camera answers."""
        pause = self.config.reference_every_s
        while pause:
            if not (self.alarm.in_motion or self.alarm.is_on or self.queue_length):
                try:
                    await self._take_reference()
                except Exception as error:  # the reference is not worth a dead worker
                    _LOGGER.exception("%s: no reference picture", self.id)
                    self._around.complain(f"{self.id}/fault", f"{self.id}: {error!r}")
            await asyncio.sleep(pause)

    async def _take_reference(self) -> None:
        try:
            async with asyncio.timeout(self.config.burst.limit_s):
                shot = await self.client.fetch(now())
        except (SnapshotError, TimeoutError) as error:
            # A camera that sends pictures by MQTT may do so on motion only.
            if not isinstance(self.config.source, MqttImageSource):
                self._note_reachable(False, error if isinstance(error, SnapshotError) else None)
            return
        self._note_reachable(True, None)
        if self.alarm.in_motion or self.queue_length:
            # Motion began while the picture was taken: it may show the mover.
            return
        reference = self._reference
        try:
            await self._around.storage.files(lambda _: reference.save(shot.data))
        except STORAGE_ERRORS as error:
            self._storage_failed("the reference picture cannot be stored", error)

    def _note_reachable(self, reachable: bool, fault: SnapshotError | None) -> None:
        key = f"{self.id}/snapshots"
        if reachable:
            self._around.resolve(key)
        else:
            text = fault or "no picture came in time: check the camera and its address"
            self._around.complain(key, f"{self.id}: {text}")
        before = self._connectivity
        self._reachable = reachable
        self._tell_connectivity(before)

    def note_heard(self, is_heard: bool) -> None:
        """Take note whether the broker lets us hear the camera's triggers and pictures."""
        before = self._connectivity
        self._is_heard = is_heard
        self._tell_connectivity(before)

    @property
    def _connectivity(self) -> bytes | None:
        if not self._is_heard:
            return OFF
        return None if self._reachable is None else (ON if self._reachable else OFF)

    def _tell_connectivity(self, before: bytes | None) -> None:
        connectivity = self._connectivity
        if connectivity != before:
            # What is not known any more is cleared.
            self._publish("connectivity", connectivity or b"")

    # --- state ---------------------------------------------------------------------------

    def state(self) -> list[Outgoing]:
        """Return all retained state, in the order in which it is published."""
        payloads = {
            "settings": dump(self.settings.to_dict()),
            "stats": self._stats(),
            "review": self._review.payload(),
            "connectivity": self._connectivity,
            "image": self._picture,
            "verdict": self._verdict_json,
            "relevant": ON if self.alarm.is_on else OFF,
        }
        return [
            Outgoing(topic=self._around.topics.camera(self.id, suffix), payload=data, retain=True)
            for suffix, data in payloads.items()
            if data is not None
        ]

    def publish_stats(self) -> None:
        """Tell totals and what was learned."""
        self._publish("stats", self._stats())

    def _stats(self) -> bytes:
        return dump({**asdict(self._totals), **self._learning.stats()})

    def leave(self) -> None:
        """Publish nothing more: the camera has been removed."""
        self._around = replace(self._around, publish=_nothing)

    def _alarm_ended(self) -> None:
        self._publish("relevant", OFF)

    def _remember_alarm(self) -> None:
        until = self.alarm.until
        if until is not None:
            self._spawn(self._store_alarm(until))
        if not self.alarm.is_on:
            self._publish("relevant", OFF)

    async def _store_alarm(self, until: datetime) -> None:
        try:
            await self._around.storage.write(lambda store: store.set_alarm_until(self.id, until))
        except STORAGE_ERRORS as error:
            self._storage_failed("the end of an alarm cannot be stored", error)

    def _publish(self, suffix: str, payload: bytes) -> None:
        topic = self._around.topics.camera(self.id, suffix)
        self._around.publish(Outgoing(topic=topic, payload=payload, retain=True))

    def _storage_failed(self, what: str, error: Exception) -> None:
        self._around.complain(
            f"{self.id}/storage",
            f"{self.id}: {what} ({error or 'no answer in time'}): "
            "check that the disk is there, writable and not full",
        )

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _held_until(record: CameraRecord, settings: CameraSettings) -> datetime | None:
    """Return until when a former run's alarm stays on even if its motion ends; None if unknown."""
    verdict = record.last_verdict
    if record.alarm_until is None or verdict is None:
        return None
    if verdict["hold_until"] != iso(record.alarm_until):
        return None
    held = datetime.fromisoformat(verdict["decided_at"]) + timedelta(seconds=settings.hold_s)
    return min(held, record.alarm_until)


def _nothing(*_: object) -> None:
    """Do nothing."""
