"""The alarm of one camera: whether it is on, and when it ends if nothing more is heard.

Neither the worker's clock nor Home Assistant's is trusted: either may be wrong, or be set while an
alarm is on. Wherever possible the length of an alarm counts, on a clock that nobody sets.
"""

from collections.abc import Callable
from datetime import timedelta

from homeassistant.util import dt as dt_util

from .contract import Verdict


class Alarm:
    """The alarm of one camera."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Start without any knowledge.

        Args:
            monotonic: a clock in seconds that nobody sets.
        """
        self._monotonic = monotonic
        self._relevant: bool | None = None
        self._verdict: Verdict | None = None
        self._ends_at: float | None = None
        """By the monotonic clock; None where the end is not known."""
        self._retained: Verdict | None = None
        """The verdict whose end is only known by the clocks, as the broker had retained it."""
        self._clock_lead = timedelta()

    @property
    def is_on(self) -> bool | None:
        """Whether the alarm is on; None until the worker has told."""
        return False if self._relevant and self.left_s == 0.0 else self._relevant

    @property
    def left_s(self) -> float | None:
        """Seconds until the alarm ends even if nothing more is heard; None where unknown."""
        return None if self._ends_at is None else max(0.0, self._ends_at - self._monotonic())

    def set_clock_lead(self, lead: timedelta) -> None:
        """Set how far the worker's clock is ahead of Home Assistant's."""
        self._clock_lead = lead
        if self._retained is not None:
            self._end_by_clock(self._retained)

    def update_verdict(self, verdict: Verdict, *, retained: bool) -> None:
        """Take the end of the alarm from the latest verdict."""
        is_known = self._verdict is not None and self._verdict.event_id == verdict.event_id
        self._verdict = verdict
        if not verdict.relevant or (is_known and self._ends_at is not None):
            return
        if retained:
            self._end_by_clock(verdict)
        else:
            self._end_by_length(verdict)

    def update_relevant(self, relevant: bool, *, retained: bool) -> None:
        """Switch the alarm as the worker says."""
        self._relevant = relevant
        if relevant and not retained and self._verdict is not None and not self.is_on:
            # The worker raises it now, although by our clock its end is over.
            self._end_by_length(self._verdict)

    def clear_relevant(self) -> None:
        """Forget whether the alarm is on."""
        self._relevant = None

    def clear_verdict(self) -> None:
        """Forget the verdict; an alarm that is on lasts until the worker ends it."""
        self._verdict = None
        self.clear_end()

    def clear_end(self) -> None:
        """Let an alarm whose end is not known last until the worker ends it."""
        self._ends_at = self._retained = None

    def _end_by_length(self, verdict: Verdict) -> None:
        """End the alarm after its length from now."""
        length_s = _length_s(verdict)
        self._ends_at = None if length_s is None else self._monotonic() + length_s
        self._retained = None

    def _end_by_clock(self, verdict: Verdict) -> None:
        """End the alarm after what is left of it, of which only the clocks can tell.

        It is never more than the whole alarm, and may grow once the worker's clock is known.
        """
        length_s = _length_s(verdict)
        hold_until = verdict.by_our_clock(self._clock_lead).hold_until
        self.clear_end()
        if length_s is None or hold_until is None:
            return
        left_s = (hold_until - dt_util.utcnow()).total_seconds()
        self._ends_at = self._monotonic() + min(max(left_s, 0.0), length_s)
        self._retained = verdict


def _length_s(verdict: Verdict) -> float | None:
    """Return how long an alarm lasts at most; None where only the worker can tell.

    A worker whose clock was set back between motion and decision names an end before the beginning.
    """
    if verdict.hold_until is None or verdict.hold_until <= verdict.decided_at:
        return None
    return (verdict.hold_until - verdict.decided_at).total_seconds()
