"""Which messages may have waited at the broker while the worker was away.

A broker does not tell how long a message has waited. But it delivers in order: what comes before a
message that the worker has sent to itself after connecting may have waited, and what comes after
it has not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from veroallarme_core.worker.clock import now

QUIET_S = 10.0
"""Where the mark does not come back, the backlog counts as delivered after so long a silence: the
broker waits for no more than our acknowledgements, which take 2 s while the database is locked."""


class Backlog:
    """Knows since when a message may have waited.

    Args:
        path: a file that is there; its time is when the broker was last heard.
        lost: called where the mark does not come back.
    """

    def __init__(self, path: Path, lost: Callable[[], None]) -> None:
        self._path = path
        self._lost = lost
        self._heard_at = _time_of(path)
        self._since: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._mark = b""

    @property
    def since(self) -> datetime | None:
        """Since when what comes now may have waited; None where it comes at once."""
        return self._since

    def connected(self, *, resumed: bool) -> None:
        """Take note of a new connection.

        Args:
            resumed: whether the broker has kept what came meanwhile.
        """
        self._stop_timer()
        if resumed:
            # What an earlier connection did not bring to its end is still to come.
            self._since = self._since or self._heard_at
            self._mark = secrets.token_hex(8).encode()
        else:
            self._since = None

    def disconnected(self) -> None:
        """Take note that the connection is gone."""
        self._stop_timer()

    def heard(self) -> None:
        """Take note of a sign of the broker."""
        if self._since is None:
            self._heard_at = now()
        elif self._timer is not None:
            self._await_mark()

    def send_mark(self) -> bytes:
        """Return the message to oneself, which is sent now."""
        self._await_mark()
        return self._mark

    def take_mark(self, payload: bytes) -> None:
        """Take a message to oneself; one of an earlier connection says nothing."""
        if payload == self._mark:
            self._end()

    def remember(self) -> None:
        """Write down when the broker was last heard; blocks for a moment."""
        if self._since is None:
            seconds = self._heard_at.timestamp()
            with contextlib.suppress(OSError):
                os.utime(self._path, (seconds, seconds))

    def _await_mark(self) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(QUIET_S, self._give_up)

    def _give_up(self) -> None:
        self._lost()
        self._end()

    def _end(self) -> None:
        self._stop_timer()
        self._since = None
        self._heard_at = now()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _time_of(path: Path) -> datetime:
    """Return the time of a file; the present where there is none."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return now()
