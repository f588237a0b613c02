"""The alarm of one camera: on from a relevant verdict until its motion ends, and never stale.

All lengths run on a monotonic clock: a wall clock that is set while an alarm is on neither ends nor
prolongs it. Moments of the wall clock are what is told and what outlives a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from time import monotonic

from veroallarme_core.worker.clock import now

MIN_HOLD_S = 0.2
"""How long an alarm is on at least, from the moment at which it can be seen."""
REFUSED_LIMIT_S = 150.0
"""How long an alarm that the broker refuses to show waits to be seen: it is sent again each minute,
and an alarm of a motion long ago would be stale."""


class Alarm:
    """Knows whether a camera's motion goes on and when its alarm ends.

    Motion is counted for each of its sources, such as the triggers of a camera: it goes on as long
    as that of any source does, and an end ends that of its own source alone.

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
        self._ends = _on_monotonic_clock(until)
        self._held = _on_monotonic_clock(held_until or until)
        self._motions: dict[str, float] = {}
        self._is_unseen = False
        self._given_up: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._schedule()

    @property
    def until(self) -> datetime | None:
        """The latest end of the alarm as far as is known; None where none was ever raised."""
        return self._until

    @property
    def is_on(self) -> bool:
        """Whether the alarm is on; one that nobody could see yet is."""
        ends = self._is_on_until()
        return ends is None or monotonic() < ends

    @property
    def in_motion(self) -> bool:
        """Whether the camera's motion goes on, as far as it has told."""
        return self._motion_ends() > monotonic()

    def _is_on_until(self) -> float | None:
        """Return the end as far as it is known; None as long as it waits to be seen."""
        ends = self._ends or 0.0
        if not self._is_unseen:
            return ends
        return None if self._given_up is None else max(ends, self._given_up)

    def _motion_ends(self) -> float:
        return max(self._motions.values(), default=0.0)

    def motion_started(self, lasts_s: float, source: str = "") -> bool:
        """Take note of motion that counts as over after ``lasts_s`` where no end comes.

        A start never shortens motion that goes on already.

        Returns:
            Whether it is a new one for its source.
        """
        clock = monotonic()
        known = self._motions.get(source, 0.0)
        self._motions[source] = max(clock + lasts_s, known)
        return known <= clock

    def motion_ended(self, sources: Collection[str] = ("",)) -> bool:
        """Take note that some sources see no motion; return whether this moved the alarm's end."""
        for source in sources:
            self._motions.pop(source, None)
        clock = monotonic()
        if self._ends is None or self._held is None or clock >= self._ends:
            return False
        ends = max(clock, self._held, self._motion_ends())
        if ends >= self._ends:
            return False
        self._end_at(ends, now(), clock)
        return True

    def raise_(self, at: datetime, hold_s: float) -> datetime:
        """Raise or prolong the alarm; return when it ends at the latest.

        Where the motion is over the alarm is on for a moment all the same, however short its hold:
        an alarm that nobody sees would be a miss. So it does not end before `seen`, either.

        Args:
            at: this moment.
            hold_s: how long it stays on even if the motion ends.
        """
        clock = monotonic()
        held = clock + (hold_s if self.in_motion else max(hold_s, MIN_HOLD_S))
        self._held = max(held, self._held or held)
        ends = max(held, self._motion_ends(), self._ends or held)
        self._is_unseen, self._given_up = True, None
        return self._end_at(ends, at, clock)

    def seen(self) -> None:
        """Take note that the alarm can be seen from now on: a moment later it may end."""
        if not self._is_unseen:
            return
        self._is_unseen = False
        clock = monotonic()
        least = clock + MIN_HOLD_S
        self._end_at(max(least, self._ends or least), now(), clock)

    def refused(self) -> None:
        """Take note that the broker does not show it: it may yet, but not for ever.

        The end of an alarm that nobody can see is bounded, or no reference picture would be taken
        as long as the broker refuses it.
        """
        if self._is_unseen and self._given_up is None:
            self._given_up = monotonic() + REFUSED_LIMIT_S
            self._schedule()

    def stop(self) -> None:
        """Forget the timer; the alarm itself stays as it is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_at(self, ends: float, at: datetime, clock: float) -> datetime:
        self._ends = ends
        self._until = at + timedelta(seconds=ends - clock)
        self._schedule()
        return self._until

    def _schedule(self) -> None:
        self.stop()
        ends = self._is_on_until()
        if ends is not None and self.is_on:
            wait_s = max(0.0, ends - monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self.is_on:
            self._schedule()
        else:
            self._is_unseen = False
            self._ended()


def _on_monotonic_clock(moment: datetime | None) -> float | None:
    return None if moment is None else monotonic() + (moment - now()).total_seconds()
