"""Passwords as they may stand in a file that others read."""

from __future__ import annotations

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError

# OWASP's second choice: 19 MiB, where the library's default takes 64 of a small machine's.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
MIN_PASSWORD = 8
"""Characters; with few tries in five minutes that is enough."""
MOST_MEMORY_KIB = 1 << 20


def hash_password(password: str) -> str:
    """Return what proves a password and does not tell it: Argon2id, with a salt of its own."""
    return _HASHER.hash(password)


def is_password_hash(text: str) -> bool:
    """Whether a text is what `hash_password` returns, or another of its kind within reason."""
    try:
        parameters = extract_parameters(text)
    except InvalidHashError:
        return False
    return parameters.memory_cost <= MOST_MEMORY_KIB and parameters.time_cost <= 100
