"""Steps that keep their order although some of them have to wait."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

_LOGGER = logging.getLogger(__name__)


class InOrder:
    """Takes steps in the order in which they come.

    A step is taken at once, unless it has to wait or an earlier one still does. What waits is
    bounded by whoever brings the steps: the broker sends only so many messages ahead of their
    acknowledgement, and what a step waits for has a limit.

    Args:
        spawn: runs a coroutine as a task of its own.
    """

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self._spawn = spawn
        self._waiting: deque[tuple[Callable[[], None], asyncio.Future[Any] | None]] = deque()

    def take(self, step: Callable[[], None], after: asyncio.Future[Any] | None = None) -> None:
        """Take a step once all earlier ones are taken.

        Args:
            step: must not block.
            after: what it has to wait for, however that ends; None where it may be taken at once.
        """
        if after is None and not self._waiting:
            step()
            return
        self._waiting.append((step, after))
        if len(self._waiting) == 1:
            self._spawn(self._take_all())

    async def _take_all(self) -> None:
        while self._waiting:
            step, after = self._waiting[0]
            if after is not None and not after.done():
                await asyncio.wait({after})
            # What comes while it is taken is behind all that waits, and not ahead of it.
            try:
                step()
            except Exception:  # one step must not hold up all later ones
                _LOGGER.exception("a step has failed")
            self._waiting.popleft()
