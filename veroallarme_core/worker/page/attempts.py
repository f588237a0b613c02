"""How often a login may fail: few times from one address, and not often from all together."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable

MOST_FAILURES = 5
"""From one address within `WINDOW_S`."""
MOST_FAILURES_OF_ALL = 60
"""Within `WINDOW_S` from all addresses: whoever has many of them shall not have many tries."""
WINDOW_S = 300.0
MAX_ADDRESSES = 1024
"""Addresses that are remembered, the latest to fail; failures of all count on without them."""


class Attempts:
    """Counts failed logins.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of_all: deque[float] = deque(maxlen=MOST_FAILURES_OF_ALL)
        self._of: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Return the seconds after which an address may try again; 0 where it may now."""
        of_one = self._of.get(_household(address), deque())
        waits = (
            failures[0] + WINDOW_S - self._clock()
            for failures, most in ((of_one, MOST_FAILURES), (self._of_all, MOST_FAILURES_OF_ALL))
            if len(failures) >= most
        )
        return max(0.0, *waits, 0.0)

    def begin(self, address: str) -> None:
        """Count a login as failed, before anybody knows: many at once shall not slip through."""
        household = _household(address)
        failures = self._of.setdefault(household, deque(maxlen=MOST_FAILURES))
        self._of.move_to_end(household)
        if len(self._of) > MAX_ADDRESSES:
            self._of.popitem(last=False)
        at = self._clock()
        failures.append(at)
        self._of_all.append(at)

    def succeed(self, address: str) -> None:
        """Take back that a login has failed, and forget the failures of its address before it."""
        if self._of.pop(_household(address), None) and self._of_all:
            self._of_all.pop()


def _household(address: str) -> str:
    """Return what counts as one: an IPv4 address, or the 2^64 addresses that a home has of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
