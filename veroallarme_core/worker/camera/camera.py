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
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from veroallarme_core.camera_memory.camera_state import CameraState
from veroallarme_core.contract import (
    OFF,
    ON,
    CameraSettings,
    CommandError,
    FrameCounts,
    State,
    Stats,
    Topics,
    Verdict,
    dump,
    iso,
    new_event_id,
)
from veroallarme_core.pipeline import PipelineResult, not_judged
from veroallarme_core.worker.camera.alarm import MIN_HOLD_S, Alarm
from veroallarme_core.worker.camera.in_order import InOrder
from veroallarme_core.worker.camera.learning import CameraLearning
from veroallarme_core.worker.camera.reference import ReferencePicture
from veroallarme_core.worker.camera.review import Review
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.config.config import CameraConfig
from veroallarme_core.worker.mqtt.connection import Outgoing
from veroallarme_core.worker.snapshots.bursts import LATE_AFTER_S, Burst, covers, take_burst
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource
from veroallarme_core.worker.snapshots.snapshots import SnapshotClient, SnapshotError
from veroallarme_core.worker.storage.event_store import CameraRecord, OpenEvent
from veroallarme_core.worker.storage.storage import Storage

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
MAX_KNOWN_ENDS = 200
"""Ends of motion that are recognised when the broker delivers them again; it may have sent 100."""
PRUNE_EVERY = 50
"""Events after which the limits on disk are enforced again."""

BRIDGED_MOTION = "burst"
"""The source of the motion that Home Assistant tells of."""
LATE_PICTURES = "late_pictures"
"""The reason of an event whose pictures prove nothing because of when they were taken."""
PICTURE_REMEDIES = {
    "frozen_picture": "start the camera again, or use another picture address",
    "no_contrast": "look whether something covers its lens, and whether it sees anything at all",
    LATE_PICTURES: "if this lasts, use a picture address that answers faster, or fewer pictures",
}
"""What to do about pictures that prove nothing, by the reason of the verdict."""
_UNKNOWN = datetime.fromtimestamp(0, UTC)
"""The earliest moment of motion of which nobody knows when it was."""

STORAGE_ERRORS = (OSError, sqlite3.Error, RuntimeError, TimeoutError)
"""What a full disk, a locked database or a closing worker ends in."""

T = TypeVar("T")


class AnalysisError(RuntimeError):
    """An analysis cannot be made; the message says why, and what to do."""


Acknowledge = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A start or an end of motion, as the broker delivered it."""

    received_at: datetime
    """When it came, UTC."""
    acknowledge: Acknowledge
    """Called once the start is safe, or the end is remembered."""
    trigger: str = ""
    """Which of the camera's triggers it is of."""
    delivery: str | None = None
    """Recognises the message when the broker delivers it again; None for QoS 0."""
    redelivered: bool = False
    """Whether the broker says that it has delivered it before."""
    not_before: datetime | None = None
    """Since when it may have waited at the broker; None where it came at once."""
    retained: bool = False
    """Whether it tells the past, since nobody knows when."""
    shown: str = ""
    """What a log says of the message."""

    @property
    def motion_at(self) -> datetime:
        """When it moved, as far as is known."""
        return self.not_before or self.received_at

    @property
    def earliest_at(self) -> datetime:
        """The first moment at which it may have moved."""
        return _UNKNOWN if self.retained else self.motion_at

    @property
    def told(self) -> str:
        """What a log says of it."""
        if self.retained:
            return f"{self.shown}, retained: nobody knows when"
        if self.not_before is not None:
            return f"{self.shown}, may have waited at the broker since {iso(self.not_before)}"
        return self.shown


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
    taken_at: tuple[datetime, ...] = ()
    """When each of the frames was taken, by this machine's clock."""
    counts: FrameCounts = field(default_factory=FrameCounts)
    fetch_ms: float = 0.0
    fault: SnapshotError | None = None
    """What went wrong first."""


@dataclass(eq=False)
class PendingEvent:
    """An event on its way to a verdict, and the motion starts that it covers."""

    event_id: str
    motion_at: datetime
    """When it moved, as far as is known."""
    starts: int = 0
    taken: Taken | None = None
    """Its frames: some are there from the beginning, from Home Assistant or a former run."""
    unsafe: list[Acknowledge] = field(default_factory=list)
    """Acknowledgements of starts that could not be journalled; they wait for the verdict."""
    open: bool = True
    """Whether further starts may join."""
    published: bool = False
    """Whether the broker has the verdict."""
    is_undated: bool = False
    """Whether nobody knows when one of its starts moved."""

    def __post_init__(self) -> None:
        """Begin with a known moment."""
        self.earliest_at = self.latest_at = self.motion_at
        """First and last moment at which any of its starts may have moved."""
        self.pictures_at = self.motion_at
        """The moment of which pictures are wanted."""

    def add_start(self, earliest_at: datetime, latest_at: datetime) -> None:
        """Cover one more start, which moved between two moments."""
        self.starts += 1
        self.is_undated |= earliest_at < latest_at
        self.earliest_at = min(self.earliest_at, earliest_at)
        self.latest_at = max(self.latest_at, latest_at)

    def shows(self, earliest_at: datetime, latest_at: datetime) -> bool:
        """Whether its pictures show what moved between two moments, or may yet do so."""
        return self.taken is None or covers(self.taken.taken_at, earliest_at, latest_at)


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
        self.alarm = _former_alarm(record, config, settings, self._alarm_ended)
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
        self._ends: deque[str] = deque(maxlen=MAX_KNOWN_ENDS)
        self._last_verdict = record.last_verdict
        if record.last_verdict is not None:
            self._bursts.append(record.last_verdict["event_id"])
        self._analyses = 0
        self._analysing = asyncio.Lock()
        self._analysis_burst: asyncio.Task[Taken] | None = None
        self._wake = asyncio.Event()
        self._stopping = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._signals = InOrder(self._spawn)
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

    def start(self, signal: Signal, auto_end_s: float) -> None:
        """Take a motion start.

        Args:
            signal: the message that tells it.
            auto_end_s: seconds after which the motion counts as over without an end.
        """
        known: asyncio.Task[str | None] | None = None
        if signal.redelivered and signal.delivery is not None:
            known = self._spawn(self._find_delivery(signal.delivery))

        def accept() -> None:
            if (event_id := None if known is None else _result(known)) is None:
                self._accept(signal, auto_end_s)
            else:
                _LOGGER.debug("%s: start delivered again, covered by %s", self.id, event_id)
                signal.acknowledge()

        self._signals.take(accept, after=known)

    async def _find_delivery(self, delivery: str) -> str | None:
        """Return the event of a start that the journal holds; None where it cannot be read."""
        try:
            async with asyncio.timeout(STORE_LIMIT_S):
                return await self._around.storage.database(
                    lambda store: store.find_delivery(delivery)
                )
        except STORAGE_ERRORS as error:
            self._storage_failed("the journal cannot be read", error)
            return None

    def _accept(self, signal: Signal, auto_end_s: float) -> None:
        # It may have begun long ago, but whether it is over already is not known.
        is_new = self.alarm.motion_started(auto_end_s, signal.trigger)
        level = logging.INFO if is_new else logging.DEBUG
        _LOGGER.log(level, "%s: motion starts (%s)", self.id, signal.told)
        event = self._event_for(signal)
        self._count_start(event, signal.earliest_at, signal.received_at)
        self._spawn(self._journal(event, signal.received_at, signal.acknowledge, signal.delivery))

    def _count_start(self, event: PendingEvent, earliest_at: datetime, latest_at: datetime) -> None:
        event.add_start(earliest_at, latest_at)
        self._totals = replace(self._totals, motions=self._totals.motions + 1)
        self._wake.set()

    def _event_for(self, signal: Signal) -> PendingEvent:
        """Choose the event that covers a start: the running one, the waiting one or a new one.

        Pictures that were taken before it moved prove nothing about it, so that an event which has
        its pictures takes only what they show.
        """
        running = self._running
        window = timedelta(seconds=self.config.merge_window_s)
        if (
            running is not None
            and running.open
            and signal.motion_at - running.motion_at <= window
            and running.shows(signal.earliest_at, signal.received_at)
        ):
            return running
        if self._waiting is None:
            self._waiting = PendingEvent(new_event_id(signal.motion_at), signal.motion_at)
            # Of what may have moved at any time the present is the best guess.
            self._waiting.pictures_at = signal.received_at
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
            motion_at: when it moved, UTC, by this machine's clock.
            burst: what came of the frames.
            acknowledge: called once frames and start are safe.
        """
        self._bursts.append(event_id)
        waited_s = max(0.0, (now() - motion_at).total_seconds())
        late = f", {waited_s:.0f} s after it" if waited_s > LATE_AFTER_S else ""
        _LOGGER.info("%s: motion starts (a burst of Home Assistant%s)", self.id, late)
        self.alarm.motion_started(BURST_AUTO_END_S - waited_s, BRIDGED_MOTION)
        taken = self._note_burst(burst, fetch_ms=waited_s * 1e3)
        event = self._event_of_burst(event_id, motion_at, taken)
        self._count_start(event, motion_at, motion_at)
        stored = taken if event.taken is taken else Taken(frames=[])
        self._spawn(self._journal_burst(event, stored, motion_at, acknowledge))

    def note_clock(self, ahead: timedelta) -> None:
        """Take note of how far Home Assistant's clock is ahead of this machine's; 0 where it fits.

        Args:
            ahead: negative where it is behind.
        """
        key = f"{self.id}/clock"
        if not ahead:
            self._around.resolve(key)
            return
        side = "ahead of" if ahead > timedelta() else "behind"
        self._around.complain(
            key,
            f"{self.id}: the clock of Home Assistant's machine is {_length(abs(ahead))} {side} "
            "that of the worker's machine: set both by the network; until then motion is dated by "
            "the worker's clock",
        )

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
        taken: Taken,
        motion_at: datetime,
        acknowledge: Acknowledge,
    ) -> None:
        """Journal a burst once its frames are on disk; what cannot be stored is not safe."""
        if not await self._save_frames(event, taken) and not event.published:
            event.unsafe.append(acknowledge)
            acknowledge = _nothing
        # Its frames were taken for it, whenever it came.
        await self._journal(event, motion_at, acknowledge, delivery=None)

    def end_burst(self, event_id: str, acknowledge: Acknowledge) -> None:
        """Take the word that the motion of the latest burst is over; others are over already."""
        if self._bursts and self._bursts[-1] == event_id:
            self._end(BRIDGED_MOTION, acknowledge)
            return
        if event_id not in self._bursts:
            _LOGGER.info(
                "%s: the end of motion of %s is not taken: no burst has brought that event since "
                "the worker began", self.id, event_id,
            )  # fmt: skip
        acknowledge()

    def end(self, signal: Signal) -> None:
        """Take a trigger's word that its motion is over."""

        def accept() -> None:
            if signal.redelivered and signal.delivery in self._ends:
                # It is older than starts that came since, and has ended what it could.
                signal.acknowledge()
                return
            _LOGGER.debug("%s: motion ends (%s)", self.id, signal.told)
            if signal.delivery is not None:
                self._ends.append(signal.delivery)
            self._end(signal.trigger, signal.acknowledge)

        self._signals.take(accept)

    def forget_deliveries(self) -> None:
        """Take note that the broker counts its messages anew."""
        self._ends.clear()

    def _end(self, source: str, acknowledge: Acknowledge) -> None:
        if not self.alarm.motion_ended([source]):
            acknowledge()
            return
        if not self.alarm.is_on:
            self._publish_alarm()
        if (until := self.alarm.until) is not None:
            self._spawn(self._store_alarm(until, acknowledge))

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
            pending.taken = Taken(frames=frames, taken_at=tuple(taken_at), counts=counts)
        pending.open = False
        self._bursts.append(event.event_id)
        self._taken.append(pending)
        self._wake.set()

    # --- from an event to its verdict ----------------------------------------------------

    async def run(self) -> None:
        """Judge events as they come, until cancelled between two of them."""
        if (last := self._last_verdict) is not None:
            self._note_reason(last["reason"], last["explanation"])
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
                taken = event.taken = event.taken or await self._take(event.pictures_at)
                saving = asyncio.ensure_future(self._save_frames(event, taken))
                result = _timely(event, taken, await self._judge(event, taken, settings))
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
        # Clocks of two machines differ a little, and no picture comes from the future.
        arrived_at = now()
        ages = [shot.age_ms for shot in burst.snapshots if shot.age_ms is not None]
        return Taken(
            frames=[shot.data for shot in burst.snapshots],
            taken_at=tuple(min(shot.captured_at, arrived_at) for shot in burst.snapshots),
            counts=FrameCounts(
                requested=burst.requested,
                fetched=burst.fetched,
                distinct=burst.distinct,
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

    async def _save_frames(self, event: PendingEvent, taken: Taken) -> bool:
        if not taken.frames:
            return True
        try:
            await self._around.storage.files(
                lambda store: store.save_frames(
                    self.id, event.event_id, taken.frames, taken.taken_at
                )
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
        verdict = self._held(verdict)
        storing = self._spawn(self._store_verdict(verdict))
        done, _ = await asyncio.wait({storing}, timeout=STORE_LIMIT_S - FRAMES_LIMIT_S)
        if not done or not storing.result():
            verdict = verdict.unstored()
        self._count(verdict)
        self._publish_verdict(event, self._held(verdict), picture)

    def _held(self, verdict: Verdict) -> Verdict:
        """Return the verdict with the end of its alarm as known now: the motion may be over.

        What is stored from here on comes after what the motion's end has stored, and an alarm is
        never remembered longer than it is.
        """
        if not verdict.relevant:
            return verdict
        least = verdict.decided_at + timedelta(seconds=MIN_HOLD_S)
        return replace(verdict, hold_until=max(least, self.alarm.until or least))

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
        self._publish_alarm()
        _LOGGER.info("%s", verdict.in_one_line())
        self.publish_event(verdict.event_id, payload, lambda: self._note_published(event))
        self._review.add(verdict)
        self._note_reason(verdict.reason, verdict.explanation)

    def _note_reason(self, reason: str, explanation: str) -> None:
        """Tell of pictures that prove nothing, as long as the latest verdict says so."""
        for known, remedy in PICTURE_REMEDIES.items():
            key = f"{self.id}/{known}"
            if known == reason:
                self._around.complain(key, f"{self.id}: {explanation.rstrip('.')}: {remedy}")
            else:
                self._around.resolve(key)

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
        begun_at = now()
        try:
            async with asyncio.timeout(self.config.burst.limit_s):
                shot = await self.client.fetch(begun_at)
        except (SnapshotError, TimeoutError) as error:
            # A camera that sends pictures by MQTT may do so on motion only.
            if not isinstance(self.config.source, MqttImageSource):
                self._note_reachable(False, error if isinstance(error, SnapshotError) else None)
            return
        self._note_reachable(True, None)
        if self.alarm.in_motion or self.queue_length:
            # Motion began while the picture was taken: it may show the mover.
            return
        if begun_at - shot.captured_at > timedelta(seconds=self.config.burst.max_age_s):
            # A camera that sends pictures on motion only gives one of its last motion.
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
        }
        state = [
            Outgoing(topic=self._around.topics.camera(self.id, suffix), payload=data, retain=True)
            for suffix, data in payloads.items()
            if data is not None
        ]
        return [*state, self._alarm_state()]

    def publish_stats(self) -> None:
        """Tell totals and what was learned."""
        self._publish("stats", self._stats())

    def _stats(self) -> bytes:
        stats = Stats(**asdict(self._totals), learning=self._learning.stats())
        return dump(stats.to_dict())

    def leave(self) -> None:
        """Publish nothing more: the camera has been removed."""
        self._around = replace(self._around, publish=_nothing)

    def _alarm_ended(self) -> None:
        self._publish_alarm()

    def _publish_alarm(self) -> None:
        self._around.publish(self._alarm_state())

    def _alarm_state(self) -> Outgoing:
        """Return the alarm as it is; once the broker has it, it may end."""
        topic = self._around.topics.camera(self.id, "relevant")
        if not self.alarm.is_on:
            return Outgoing(topic=topic, payload=OFF, retain=True)
        return Outgoing(
            topic=topic,
            payload=ON,
            retain=True,
            on_published=self.alarm.seen,
            on_refused=self.alarm.refused,
        )

    async def _store_alarm(self, until: datetime, acknowledge: Acknowledge) -> None:
        """Remember when the alarm ends; until then the broker keeps the end of the motion."""
        try:
            await self._around.storage.write(lambda store: store.set_alarm_until(self.id, until))
        except STORAGE_ERRORS as error:
            self._storage_failed("the end of an alarm cannot be stored", error)
        acknowledge()

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


def _result(task: asyncio.Task[T]) -> T | None:
    """Return what a task that has ended has found; None where it failed."""
    return None if task.cancelled() or task.exception() is not None else task.result()


def _timely(event: PendingEvent, taken: Taken, result: PipelineResult) -> PipelineResult:
    """Let pictures prove nuisance only where they show the moment of the motion."""
    if result.state is not State.IRRELEVANT:
        return result
    if covers(taken.taken_at, event.earliest_at, event.latest_at):
        return result
    if event.is_undated:
        text = "It moved while the worker was away, and the pictures may come too late to show it."
        return result.without_proof(LATE_PICTURES, text)
    later = [at for at in taken.taken_at if at > event.earliest_at]
    if later and not covers(later, event.earliest_at, event.earliest_at):
        late_s = (min(later) - event.earliest_at).total_seconds()
        text = f"The pictures begin {late_s:.0f} s after the motion: what moved may have left."
        return result.without_proof(LATE_PICTURES, text, late_s=late_s)
    text = "The pictures end before the latest motion that was reported, and cannot show it."
    return result.without_proof(LATE_PICTURES, text)


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
        settings.hold_s, BURST_AUTO_END_S, *(trigger.auto_end_s for trigger in config.triggers)
    )
    is_latest = verdict is not None and verdict["hold_until"] == iso(until)
    # Of several triggers nobody knows any more whose motion it was: none of them ends it.
    if verdict is None or not is_latest or len(config.triggers) > 1:
        return Alarm(min(until, now() + timedelta(seconds=longest_s)), ended)
    decided_at = datetime.fromisoformat(verdict["decided_at"])
    longest = max(until - decided_at, timedelta(seconds=longest_s))
    held = min(decided_at + timedelta(seconds=settings.hold_s), until)
    return Alarm(min(until, now() + longest), ended, held)


def _length(time_: timedelta) -> str:
    """Write a length of time for people, to the minute."""
    minutes = round(time_.total_seconds() / 60)
    days, minutes = divmod(minutes, 24 * 60)
    parts = ((days, "days"), (minutes // 60, "h"), (minutes % 60, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "less than a minute"


def _nothing(*_: object) -> None:
    """Do nothing."""
