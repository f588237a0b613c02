"""What is wrong with a value that came from outside, said so that its author can mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import voluptuous as vol

MISSING: Final = object()
"""What `value_at` returns where a path leads nowhere."""

MAX_SHOWN_CHARACTERS = 80

_ADVICE = {
    "extra keys not allowed": "unknown key: remove it",
    "required key not provided": "missing: add it",
    "expected str": "give a text",
    "expected a list": "give a list",
    "expected a dictionary": "give keys with values",
    "length of value must be at least 1": "give a text that is not empty",
    "length of value must be at most 64": "give at most 64 characters",
}
"""voluptuous's own messages, which name no remedy."""


def advice(error: vol.Invalid) -> str:
    """Return what to do about one mistake."""
    return _ADVICE.get(error.error_message, error.error_message)


def value_at(content: Any, path: Sequence[Any]) -> Any:
    """Return the value that stands at a path of keys and indices, or `MISSING`."""
    for step in path:
        try:
            content = content[step]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return content


def shown(value: Any) -> str | None:
    """Write a plain value short enough for a message; None for what is not plain."""
    if value is None:
        return "nothing"
    # A list or a mapping may hold secrets, and a short file may stand for gigabytes of them.
    if not isinstance(value, str | int | float):
        return None
    # An integer of thousands of digits cannot even be written.
    text = repr(value) if not isinstance(value, int) or abs(value) < 2**64 else "a huge number"
    if "@" in text:
        # An address may carry a user name and a password before the host.
        text = f"'(hidden)@{text.rpartition('@')[2]}"
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"
