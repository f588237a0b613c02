"""What somebody has to know to log in: a user and a password, or a token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from veroallarme_core.worker.config import PageConfig, hash_password

MAX_LENGTH = 1024
"""Characters of what is tried: nobody shall have us hash megabytes."""


class Credentials:
    """Knows whether what somebody says to be is right.

    Args:
        config: of the page.
    """

    def __init__(self, config: PageConfig) -> None:
        self._config = config
        self._hash = config.password_hash
        # One at a time: each takes a while of a core, and the cameras want theirs.
        self._turn = asyncio.Lock()

    @property
    def takes_password(self) -> bool:
        """Whether a user and a password let in."""
        return self._config.username is not None

    @property
    def takes_token(self) -> bool:
        """Whether a token lets in."""
        return self._config.token is not None

    def is_token(self, token: str) -> bool:
        """Whether this is the token."""
        return self._config.token is not None and _is_same(token, self._config.token)

    async def is_user(self, username: str, password: str) -> bool:
        """Whether these are user and password; takes as long for a wrong user as for a right one.

        Args:
            username: as typed.
            password: as typed.
        """
        if self._config.username is None or max(len(username), len(password)) > MAX_LENGTH:
            return False
        async with self._turn:
            is_right = await asyncio.to_thread(self._verify, password)
        return _is_same(username, self._config.username) and is_right

    def _verify(self, password: str) -> bool:
        if self._hash is None:
            self._hash = hash_password(self._config.password or "")
        try:
            return PasswordHasher().verify(self._hash, password)
        except (VerificationError, InvalidHashError):
            return False


def _is_same(given: str, expected: str) -> bool:
    """Compare without telling by the time where the first difference is."""
    digests = (hashlib.sha256(text.encode()).digest() for text in (given, expected))
    return hmac.compare_digest(*digests)
