"""The alarm of one camera: on from a relevant verdict until its motion ends, and never stale."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

MIN_HOLD_S = 0.2


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class Alarm:
    """Knows whether a camera's motion goes on and when its alarm ends.

    Args:
        until: end of an alarm that a former run raised, or None.
        ended: called when a raised alarm has run out.
        held_until: until when that alarm stays on even if its motion ends; None keeps it to its
            end.
    """

    def __init__(
        self,
        until: datetime | None,
        ended: Callable[[], None],
        held_until: datetime | None = None,
    ) -> None:
        self._until = until
        self._ended = ended
        self._held_until = held_until or until
        self._motion_until: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._schedule()

    @property
    def until(self) -> datetime | None:
        """The latest end of the alarm as far as is known; None where none was ever raised."""
        return self._until

    @property
    def is_on(self) -> bool:
        """Whether the alarm is on."""
        return self._until is not None and now() < self._until

    @property
    def in_motion(self) -> bool:
        """Whether the camera's motion goes on, as far as it has told."""
        return self._motion_until is not None and now() < self._motion_until

    def motion_started(self, at: datetime, auto_end_s: float) -> None:
        """Take note of a motion start; without an end it counts as over after ``auto_end_s``."""
        self._motion_until = at + timedelta(seconds=auto_end_s)

    def motion_ended(self, at: datetime) -> bool:
        """Take note of the end of motion; return whether this moved the end of the alarm."""
        self._motion_until = None
        if self._until is None or self._held_until is None or not self.is_on:
            return False
        end = max(at, self._held_until)
        if end >= self._until:
            return False
        self._until = end
        self._schedule()
        return True

    def raise_(self, at: datetime, hold_s: float) -> datetime:
        """Raise or prolong the alarm; return when it ends at the latest.

        Where the motion is over the alarm is on for a moment all the same, however short its hold:
        an alarm that nobody sees would be a miss.
        """
        held = at + timedelta(seconds=hold_s if self.in_motion else max(hold_s, MIN_HOLD_S))
        end = max(held, self._motion_until or held)
        self._held_until = max(held, self._held_until or held)
        self._until = max(end, self._until or end)
        self._schedule()
        return self._until

    def stop(self) -> None:
        """Forget the timer; the alarm itself stays as it is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        self.stop()
        if self._until is not None and self.is_on:
            wait = (self._until - now()).total_seconds()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, wait), self._expire)

    def _expire(self) -> None:
        if self.is_on:
            # The loop's clock runs a little ahead of the wall clock, or that was set back.
            self._schedule()
        else:
            self._timer = None
            self._ended()
