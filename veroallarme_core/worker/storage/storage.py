"""The event store behind the event loop: one thread for the database, one for the frames."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from veroallarme_core.worker.storage.event_store import EventStore, StoreError

_LOGGER = logging.getLogger(__name__)

MAX_PENDING = 512
"""Calls that may wait for a slow disk before new ones are refused at once."""
MAX_KEPT = 10_000
"""Failed writes that are kept to be repeated."""

PASSING_ERRORS = (OSError, sqlite3.OperationalError)
"""What a full disk and a locked database raise; the same write may succeed later."""

T = TypeVar("T")


class Storage:
    """Runs the blocking calls of an `EventStore` in order, outside the event loop."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self._database = ThreadPoolExecutor(1, thread_name_prefix="veroallarme-database")
        self._files = ThreadPoolExecutor(1, thread_name_prefix="veroallarme-files")
        self._pending = 0
        # Only the database thread changes it.
        self._kept: deque[Callable[[EventStore], object]] = deque()

    async def database(self, call: Callable[[EventStore], T]) -> T:
        """Run a call in the database thread.

        Raises:
            StoreError: too many calls wait already.
            sqlite3.Error, OSError: the call failed.
        """
        return await self._run(self._database, call)

    async def write(self, call: Callable[[EventStore], T]) -> T:
        """Run a write in the database thread; where disk or lock forbid it, it is kept.

        Kept writes are repeated by `retry`. As long as there are any, later ones queue behind
        them, so that an older write never undoes a newer one.

        Raises:
            StoreError: earlier writes are kept, and this one now is too; or there is no room.
            sqlite3.Error, OSError: the write failed.
        """
        return await self._run(self._database, lambda store: self._write_or_keep(store, call))

    async def files(self, call: Callable[[EventStore], T]) -> T:
        """Run a call in the thread for frames, so that a slow disk does not hold the journal."""
        return await self._run(self._files, call)

    @property
    def kept(self) -> int:
        """How many failed writes wait to be repeated."""
        return len(self._kept)

    async def retry(self) -> int:
        """Repeat the kept writes in order until one fails again; return how many are left."""
        return await self._run(self._database, self._repeat)

    async def _run(self, executor: ThreadPoolExecutor, call: Callable[[EventStore], T]) -> T:
        if self._pending >= MAX_PENDING:
            raise StoreError(
                f"{MAX_PENDING} writes wait already: check the disk of {self.store.path}"
            )
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, call, self.store)
        finally:
            self._pending -= 1

    def _write_or_keep(self, store: EventStore, call: Callable[[EventStore], T]) -> T:
        if self._kept:
            earlier = len(self._kept)
            self._keep(call)
            raise StoreError(f"{earlier} earlier writes have not succeeded yet")
        try:
            return call(store)
        except PASSING_ERRORS:
            self._keep(call)
            raise

    def _keep(self, call: Callable[[EventStore], object]) -> None:
        if len(self._kept) >= MAX_KEPT:
            raise StoreError(f"{MAX_KEPT} writes have failed already: {self.store.path} is lost")
        self._kept.append(call)

    def _repeat(self, store: EventStore) -> int:
        while self._kept:
            try:
                self._kept[0](store)
            except PASSING_ERRORS:
                break
            except sqlite3.Error:
                _LOGGER.exception("a write that had been kept is given up")
            self._kept.popleft()
        return len(self._kept)

    def close(self) -> None:
        """Finish what is queued, repeat what was kept once more, close the database; blocks."""
        self._files.shutdown()
        self._database.shutdown()
        if left := self._repeat(self.store):
            _LOGGER.error("%d writes to %s are lost", left, self.store.path)
        self.store.close()
