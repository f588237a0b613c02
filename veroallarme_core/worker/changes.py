"""What changes in the worker, told at once to whoever listens, such as the page."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

MAX_LISTENERS = 256
MAX_UNHEARD = 64
"""Changes that wait for one listener; past that it is told to look at everything anew."""

RELOAD = "reload"


class TooManyListenersError(RuntimeError):
    """As many listen as may listen."""


@dataclass(frozen=True)
class Change:
    """Something is other than it was.

    Attributes:
        kind: What it is: ``motion``, ``verdict``, ``alarm``, ``feedback``, ``settings``,
            ``stats``, ``review``, ``suggestions``, ``connectivity``, ``health``, ``cameras``; or
            ``reload`` where changes were lost, and anything may be other than it was.
        camera: Its id; empty where it concerns the whole site.
        event_id: The event that it is about; None where it is about none.
    """

    kind: str
    camera: str = ""
    event_id: str | None = None


class Listener:
    """One who listens: what it has not heard yet, bounded."""

    def __init__(self) -> None:
        self._unheard: deque[Change] = deque()
        self._woken = asyncio.Event()

    def add(self, change: Change) -> None:
        """Queue a change; where too many wait, they all become one: look at everything."""
        if change in self._unheard:
            return
        if len(self._unheard) >= MAX_UNHEARD:
            self._unheard.clear()
            change = Change(RELOAD)
        self._unheard.append(change)
        self._woken.set()

    async def next(self) -> Change:
        """Wait for the next change."""
        while not self._unheard:
            self._woken.clear()
            await self._woken.wait()
        return self._unheard.popleft()


class Changes:
    """Hands each change to all who listen, and waits for none of them."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def tell(self, kind: str, camera: str = "", event_id: str | None = None) -> None:
        """Tell a change; takes a few microseconds for each listener, and never waits."""
        change = Change(kind, camera, event_id)
        for listener in self._listeners:
            listener.add(change)

    @contextlib.contextmanager
    def listener(self) -> Iterator[Listener]:
        """Listen until the block ends.

        Raises:
            TooManyListenersError: `MAX_LISTENERS` listen already.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise TooManyListenersError(f"{MAX_LISTENERS} listen already: close some pages")
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def listen(self) -> AsyncIterator[Change]:
        """Yield changes as they come.

        Raises:
            TooManyListenersError: `MAX_LISTENERS` listen already.
        """
        with self.listener() as listener:
            while True:
                yield await listener.next()
