"""Who is logged in: sessions, known by a secret that the browser keeps in a cookie."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

IDLE_LIMIT_S = 7 * 86400.0
LIFE_LIMIT_S = 30 * 86400.0
MAX_SESSIONS = 200
"""The one that was not used for longest ends for a new one."""


@dataclass
class _Session:
    began_at: float
    used_at: float


class Sessions:
    """Begins, knows and ends sessions; a restart of the worker ends them all.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By the hash of their secret: whoever can read memory dumps shall not log in by them.
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self) -> str:
        """Begin a session, and return its secret."""
        secret = secrets.token_urlsafe(32)
        at = self._clock()
        self._sessions[_digest(secret)] = _Session(at, at)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return secret

    def knows(self, secret: str) -> bool:
        """Whether a secret is that of a session, which then goes on."""
        digest = _digest(secret)
        session = self._sessions.get(digest)
        if session is None:
            return False
        at = self._clock()
        if at - session.began_at > LIFE_LIMIT_S or at - session.used_at > IDLE_LIMIT_S:
            del self._sessions[digest]
            return False
        session.used_at = at
        self._sessions.move_to_end(digest)
        return True

    def end(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(secret), None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
