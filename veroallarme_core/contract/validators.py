"""Validators of values that came from outside, and the sentences that refuse them.

Each is a function for voluptuous: it returns the value as the program needs it or raises an Invalid
whose message says what to do.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import voluptuous as vol

from veroallarme_core.contract.ids import is_valid_id

Validator = Callable[[Any], Any]

MISSING: Final = object()
"""What `value_at` returns where a path leads nowhere."""

MAX_SHOWN_CHARACTERS = 80

_MOMENT = re.compile(
    r"(19[7-9]|2[0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)

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


def number_between(low: float, high: float, unit: str) -> Validator:
    """Return a validator for a finite number in ``[low, high]``; truth values are refused."""

    def validate(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise vol.Invalid(f"give a number from {low:g} to {high:g} ({unit})")
        # NaN compares false, so this refuses it as well.
        if not low <= value <= high:
            raise vol.Invalid(f"give a number from {low:g} to {high:g} ({unit})")
        return float(value)

    return validate


def whole_between(low: int, high: int, unit: str) -> Validator:
    """Return a validator for a whole number, which JSON may write as 3.0 as well."""

    def validate(value: Any) -> int:
        number: float = number_between(low, high, unit)(value)
        if not number.is_integer():
            raise vol.Invalid(f"give a whole number from {low} to {high} ({unit})")
        return int(number)

    return validate


def one_of(kind: type[StrEnum]) -> Validator:
    """Return a validator that turns a word into a member of ``kind``."""
    words = ", ".join(member.value for member in kind)

    def validate(value: Any) -> StrEnum:
        try:
            return kind(value)
        except ValueError:
            raise vol.Invalid(f"choose one of {words}") from None

    return validate


def truth(value: Any) -> bool:
    """Accept true and false only; a text such as "no" is refused rather than taken for true."""
    if not isinstance(value, bool):
        raise vol.Invalid("give true or false")
    return value


def require_id(value: Any) -> str:
    """Accept an id, as a validator for configuration and messages."""
    if not isinstance(value, str) or not is_valid_id(value):
        raise vol.Invalid("use 1 to 64 of the characters a-z, 0-9 and _")
    return value


def moment(value: Any) -> datetime:
    """Accept a moment with its zone, ISO 8601, and return it in UTC."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        # A month that is none.
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value).astimezone(UTC)
    raise vol.Invalid("give a time with its zone, such as 2026-11-23T06:14:02.517+00:00")
