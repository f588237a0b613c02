"""Questions about the past wait for each other, never for long, and alarms wait for none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from veroallarme_core.contract import CommandError
from veroallarme_core.worker.camera import STORAGE_ERRORS

ANSWER_LIMIT_S = 10.0
"""How long an answer may take, waiting included."""


class Turns:
    """Lets one question in at a time, and turns what a disk raises into a sentence.

    Args:
        most: questions that may wait.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._turn = asyncio.Lock()
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def wait(self) -> AsyncIterator[None]:
        """Wait for one's turn, which lasts as long as the block.

        Raises:
            CommandError: too many wait already, it took too long, or the disk failed.
        """
        if self._waiting >= self._most:
            raise CommandError(f"{self._most} requests wait already: ask again later")
        self._waiting += 1
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S), self._turn:
                yield
        except STORAGE_ERRORS as error:
            reason = str(error) or "no answer in time"
            raise CommandError(f"the events cannot be read ({reason}): ask again later") from error
        finally:
            self._waiting -= 1
