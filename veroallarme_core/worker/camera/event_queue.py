"""The queue of one camera: one event runs, at most one waits, and bursts wait with their frames."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime, timedelta

from veroallarme_core.contract import new_event_id
from veroallarme_core.worker.camera.context import CameraContext
from veroallarme_core.worker.camera.pending_event import FetchedFrames, PendingEvent, Signal
from veroallarme_core.worker.snapshots import SnapshotError

MAX_WAITING_BURSTS = 16
MAX_WAITING_BYTES = 32 << 20
"""Past either the frames of further bursts are given up, and what they show counts as unknown."""


class EventQueue:
    """Chooses the event that covers a motion start, and gives one event after the other.

    Args:
        context: of the camera.
    """

    def __init__(self, context: CameraContext) -> None:
        self._context = context
        self.running: PendingEvent | None = None
        self._waiting: PendingEvent | None = None
        self._with_frames: deque[PendingEvent] = deque()
        self._was_with_frames = False
        self._wake = asyncio.Event()
        self._is_stopped = False
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        """Return how many events run or wait."""
        return (self.running is not None) + (self._waiting is not None) + len(self._with_frames)

    def event_of_signal(self, signal: Signal) -> PendingEvent:
        """Choose the event that covers a start: the running one, the waiting one or a new one.

        Pictures that were taken before it moved prove nothing about it, so that an event which has
        its pictures takes only what they show.
        """
        event = self._event_to_join(signal)
        event.add_start(signal.earliest_at, signal.received_at)
        self._wake.set()
        return event

    def _event_to_join(self, signal: Signal) -> PendingEvent:
        running = self.running
        window = timedelta(seconds=self._context.config.merge_window_s)
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

    def event_of_burst(
        self, event_id: str, motion_at: datetime, fetched: FetchedFrames
    ) -> PendingEvent:
        """Make the event of a burst, or choose the one that covers all for which there is no room.

        The frames of one motion prove nothing about another: that one is judged without any.
        """
        event = self._with_frames[-1] if self._with_frames else None
        if event is None or not event.open:
            is_flood = self._has_no_room(fetched)
            event = PendingEvent(
                event_id,
                motion_at,
                fetched=self._given_up() if is_flood else fetched,
                open=is_flood,
            )
            self._with_frames.append(event)
        event.add_start(motion_at, motion_at)
        self._wake.set()
        return event

    def event_of_unseen(self, motion_at: datetime) -> PendingEvent:
        """Choose the event that covers motion of a flood; it has no pictures, and gets none."""
        if self._waiting is None:
            fault = SnapshotError(
                "flood", "too many bursts came at once: let the camera report motion less often"
            )
            self._waiting = PendingEvent(
                new_event_id(motion_at),
                motion_at,
                fetched=FetchedFrames(frames=[], fault=fault),
            )
        self._waiting.add_start(motion_at, motion_at)
        self._wake.set()
        return self._waiting

    def _has_no_room(self, fetched: FetchedFrames) -> bool:
        waiting = (event.fetched for event in self._with_frames if event.fetched is not None)
        waiting_bytes = sum(len(frame) for burst in (fetched, *waiting) for frame in burst.frames)
        return len(self._with_frames) >= MAX_WAITING_BURSTS or waiting_bytes > MAX_WAITING_BYTES

    def _given_up(self) -> FetchedFrames:
        fault = SnapshotError(
            "flood",
            f"{len(self._with_frames)} bursts wait already: let the camera report motion less "
            "often, or give the worker a faster machine",
        )
        return FetchedFrames(frames=[], fault=fault)

    def add(self, event: PendingEvent) -> None:
        """Add an event that takes no further starts."""
        event.open = False
        self._with_frames.append(event)
        self._wake.set()

    async def next(self) -> PendingEvent:
        """Wait for the next event; it runs until `done`."""
        while True:
            if not self._is_stopped and (event := self._take_next()) is not None:
                self.running = event
                self._idle.clear()
                return event
            self._wake.clear()
            await self._wake.wait()

    def _take_next(self) -> PendingEvent | None:
        # By turns with the bursts of a flood, or that would hold its alarm back.
        is_unseen = self._waiting is not None and self._waiting.fetched is not None
        if self._with_frames and not (is_unseen and self._was_with_frames):
            self._was_with_frames = True
            return self._with_frames.popleft()
        self._was_with_frames = False
        event, self._waiting = self._waiting, None
        return event

    def done(self) -> None:
        """Take note that the running event has its verdict."""
        self.running = None
        self._idle.set()

    def stop(self) -> None:
        """Give no further event."""
        self._is_stopped = True

    async def until_idle(self) -> None:
        """Wait until no event runs."""
        while not self._idle.is_set():
            await self._idle.wait()
