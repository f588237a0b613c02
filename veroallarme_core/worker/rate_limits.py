"""How many commands of each kind a camera takes: token buckets, one for each camera and kind."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MAX_BUCKETS = 8192
"""Far more than there may be cameras and kinds of commands; the oldest is given up."""


@dataclass(frozen=True)
class Rate:
    """How often something may happen.

    Attributes:
        at_once: How often at once, after a rest.
        per_s: How often per second for ever.
    """

    at_once: int
    per_s: float


RATES: Mapping[str, Rate] = {
    # A slider that is drawn sends some ten; scenes and automations change a few settings at once.
    "set": Rate(30, 1.0),
    # All that is put forward for a look, and some more.
    "feedback": Rate(60, 2.0),
    # Of a camera that sees motion all the time Home Assistant sends one every two seconds, and what
    # waited for a worker that was away comes at once. Past it motion counts, without its pictures.
    "burst": Rate(60, 1.0),
    "motion_end": Rate(120, 2.0),
    "reference": Rate(12, 0.1),
    "config": Rate(20, 0.2),
}
UNKNOWN_CAMERA = Rate(60, 1.0)
"""Of all cameras together that are not there: what is wrong with each is told, and crowds out what
is wrong with real ones."""
NEW_CAMERA = Rate(300, 10.0)
"""Of the definitions of all of them together: Home Assistant may define its own all at once."""


class TokenBucket:
    """Lets through what a rate allows.

    Args:
        rate: that is allowed.
        clock: monotonic, in seconds.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self.rate = rate
        self._clock = clock
        self._tokens = float(rate.at_once)
        self._at = clock()

    def take(self) -> bool:
        """Take a token; return whether there was one."""
        self._refill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    @property
    def is_rested(self) -> bool:
        """Whether half of what may come at once may come now: a flood is over."""
        self._refill()
        return self._tokens * 2 >= self.rate.at_once

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(
            float(self.rate.at_once), self._tokens + (now - self._at) * self.rate.per_s
        )
        self._at = now


class RateLimits:
    """Knows how many commands of each kind each camera has had.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str], TokenBucket] = OrderedDict()

    def bucket(self, camera: str | None, name: str) -> TokenBucket | None:
        """Return the bucket of a command; None for a kind that is bounded in another way.

        Args:
            camera: its id; None for one that is not there.
            name: of the command.
        """
        rate = RATES.get(name)
        if rate is None:
            return None
        key = (camera or "", name)
        if camera is None:
            rate = NEW_CAMERA if name == "config" else UNKNOWN_CAMERA
            key = ("", "config" if name == "config" else "")
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(rate, self._clock)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        return bucket
