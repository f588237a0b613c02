"""The motion of one camera, as it is told: starts become events, ends let the alarm end."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import datetime, timedelta
from typing import TypeVar

from veroallarme_core.worker.camera.alarm import Alarm
from veroallarme_core.worker.camera.context import CameraContext
from veroallarme_core.worker.camera.event_queue import EventQueue
from veroallarme_core.worker.camera.in_order import InOrder
from veroallarme_core.worker.camera.journal import CameraJournal
from veroallarme_core.worker.camera.pending_event import Acknowledge, FetchedFrames, Signal
from veroallarme_core.worker.camera.pictures import CameraPictures
from veroallarme_core.worker.camera.publisher import CameraPublisher
from veroallarme_core.worker.camera.statistics import CameraStatistics
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.snapshots import LATE_AFTER_S, Burst

_LOGGER = logging.getLogger(__name__)

BURST_AUTO_END_S = 60.0
"""Seconds after which the motion of a burst counts as over without an end."""
MAX_KNOWN_BURSTS = 100
"""Bursts that are recognised when they come again before the journal can tell."""
MAX_KNOWN_ENDS = 200
"""Ends of motion that are recognised when the broker delivers them again; it may have sent 100."""

BRIDGED_MOTION = "burst"
"""The source of the motion that Home Assistant tells of."""
UNSEEN_MOTION = "unseen"
"""The source of motion whose pictures nobody looks at; no end of a burst ends it."""

T = TypeVar("T")


class Motion:
    """Takes starts and ends of motion, from triggers and with the bursts of Home Assistant.

    Args:
        context: of the camera.
        alarm: lasts as long as the motion.
        queue: holds the events that cover the starts.
        journal: stores the starts before they are acknowledged.
        pictures: take note of the bursts.
        statistics: count the starts.
        publisher: tells where an end ends the alarm.
    """

    def __init__(
        self,
        context: CameraContext,
        *,
        alarm: Alarm,
        queue: EventQueue,
        journal: CameraJournal,
        pictures: CameraPictures,
        statistics: CameraStatistics,
        publisher: CameraPublisher,
    ) -> None:
        self._context = context
        self._alarm = alarm
        self._queue = queue
        self._journal = journal
        self._pictures = pictures
        self._statistics = statistics
        self._publisher = publisher
        self._signals = InOrder(context.spawn)
        self._known_bursts: deque[str] = deque(maxlen=MAX_KNOWN_BURSTS)
        self._known_ends: deque[str] = deque(maxlen=MAX_KNOWN_ENDS)

    # --- messages of triggers ------------------------------------------------------------

    def start(self, signal: Signal, auto_end_s: float) -> None:
        """Take a motion start.

        Args:
            signal: the message that tells it.
            auto_end_s: seconds after which the motion counts as over without an end.
        """
        known: asyncio.Task[str | None] | None = None
        if signal.redelivered and signal.delivery is not None:
            known = self._context.spawn(self._journal.find_delivery(signal.delivery))

        def accept() -> None:
            if (event_id := None if known is None else _result(known)) is None:
                self._accept(signal, auto_end_s)
            else:
                _LOGGER.debug(
                    "%s: start delivered again, covered by %s", self._context.id, event_id
                )
                signal.acknowledge()

        self._signals.take(accept, after=known)

    def _accept(self, signal: Signal, auto_end_s: float) -> None:
        # It may have begun long ago, but whether it is over already is not known.
        is_new = self._alarm.motion_started(auto_end_s, signal.trigger)
        level = logging.INFO if is_new else logging.DEBUG
        _LOGGER.log(level, "%s: motion starts (%s)", self._context.id, signal.description)
        event = self._queue.event_of_signal(signal)
        self._statistics.count_start()
        self._context.tell("motion", event.event_id)
        self._context.spawn(
            self._journal.add_start(event, signal.received_at, signal.acknowledge, signal.delivery)
        )

    def end(self, signal: Signal) -> None:
        """Take a trigger's word that its motion is over."""

        def accept() -> None:
            if signal.redelivered and signal.delivery in self._known_ends:
                # It is older than starts that came since, and has ended what it could.
                signal.acknowledge()
                return
            _LOGGER.debug("%s: motion ends (%s)", self._context.id, signal.description)
            if signal.delivery is not None:
                self._known_ends.append(signal.delivery)
            self._end(signal.trigger, signal.acknowledge)

        self._signals.take(accept)

    def forget_deliveries(self) -> None:
        """Take note that the broker counts its messages anew."""
        self._known_ends.clear()

    def _end(self, source: str, acknowledge: Acknowledge) -> None:
        if not self._alarm.motion_ended([source]):
            acknowledge()
            return
        if not self._alarm.is_on:
            self._publisher.publish_alarm()
        if (until := self._alarm.until) is not None:
            self._context.spawn(self._journal.set_alarm_until(until, acknowledge))

    # --- bursts of Home Assistant --------------------------------------------------------

    async def owner_of(self, event_id: str, *, redelivered: bool) -> str | None:
        """Return the camera that an event belongs to, as far as the journal can tell now.

        Args:
            event_id: of a burst.
            redelivered: whether the broker delivers that burst again.
        """
        if event_id in self._known_bursts:
            return self._context.id
        return await self._journal.camera_of(event_id, redelivered=redelivered)

    def remember_event(self, event_id: str) -> None:
        """Recognise an event of a former run when its burst comes again."""
        self._known_bursts.append(event_id)

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
        self._known_bursts.append(event_id)
        waited_s = max(0.0, (now() - motion_at).total_seconds())
        late = f", {waited_s:.0f} s after it" if waited_s > LATE_AFTER_S else ""
        camera = self._context.id
        _LOGGER.info("%s: motion starts (a burst of Home Assistant%s)", camera, late)
        self._alarm.motion_started(BURST_AUTO_END_S - waited_s, BRIDGED_MOTION)
        fetched = self._pictures.note_burst(burst, fetch_ms=waited_s * 1e3)
        event = self._queue.event_of_burst(event_id, motion_at, fetched)
        self._statistics.count_start()
        self._context.tell("motion", event.event_id)
        kept = fetched if event.fetched is fetched else FetchedFrames(frames=[])
        self._context.spawn(self._journal.add_burst(event, kept, motion_at, acknowledge))

    def add_unseen(self, motion_at: datetime, acknowledge: Acknowledge) -> None:
        """Take a motion start whose frames nobody looks at, because there are too many.

        Args:
            motion_at: when it moved, UTC, as far as is known.
            acknowledge: called once the start is safe.
        """
        self._alarm.motion_started(BURST_AUTO_END_S, UNSEEN_MOTION)
        event = self._queue.event_of_unseen(motion_at)
        self._statistics.count_start()
        self._context.tell("motion", event.event_id)
        self._context.spawn(self._journal.add_start(event, motion_at, acknowledge, delivery=None))

    def end_burst(self, event_id: str, acknowledge: Acknowledge) -> None:
        """Take the word that the motion of the latest burst is over; others are over already."""
        if self._known_bursts and self._known_bursts[-1] == event_id:
            self._end(BRIDGED_MOTION, acknowledge)
            return
        if event_id not in self._known_bursts:
            _LOGGER.info(
                "%s: the end of motion of %s is not taken: no burst has brought that event since "
                "the worker began", self._context.id, event_id,
            )  # fmt: skip
        acknowledge()

    def note_clock(self, ahead: timedelta) -> None:
        """Take note of how far Home Assistant's clock is ahead of this machine's; 0 where it fits.

        Args:
            ahead: negative where it is behind.
        """
        if not ahead:
            self._context.resolve("clock")
            return
        side = "ahead of" if ahead > timedelta() else "behind"
        self._context.complain(
            "clock",
            f"the clock of Home Assistant's machine is {_length(abs(ahead))} {side} "
            "that of the worker's machine: set both by the network; until then motion is dated by "
            "the worker's clock",
        )


def _result(task: asyncio.Task[T]) -> T | None:
    """Return what a task that has ended has found; None where it failed."""
    return None if task.cancelled() or task.exception() is not None else task.result()


def _length(time_: timedelta) -> str:
    """Write a length of time for people, to the minute."""
    minutes = round(time_.total_seconds() / 60)
    days, minutes = divmod(minutes, 24 * 60)
    parts = ((days, "days"), (minutes // 60, "h"), (minutes % 60, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "less than a minute"
