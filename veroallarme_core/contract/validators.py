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
from pathlib import Path
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


def number_between(low: float, high: float, unit: str = "") -> Validator:
    """Return a validator for a finite number in ``[low, high]``; truth values are refused."""
    remedy = _remedy(f"give a number from {low:g} to {high:g}", unit)

    def validate(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise vol.Invalid(remedy)
        # NaN compares false, so this refuses it as well.
        if not low <= value <= high:
            raise vol.Invalid(remedy)
        return float(value)

    return validate


def whole_between(low: int, high: int, unit: str = "") -> Validator:
    """Return a validator for a whole number, which JSON may write as 3.0 as well."""
    number = number_between(low, high, unit)
    remedy = _remedy(f"give a whole number from {low} to {high}", unit)

    def validate(value: Any) -> int:
        if not number(value).is_integer():
            raise vol.Invalid(remedy)
        return int(value)

    return validate


def integer_between(low: int, high: int, unit: str = "") -> Validator:
    """Return a validator for a whole number as a file writes it: 3, never 3.0."""
    remedy = _remedy(f"give a whole number from {low} to {high}", unit)

    def validate(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise vol.Invalid(remedy)
        return value

    return validate


def _remedy(expected: str, unit: str) -> str:
    return f"{expected} ({unit})" if unit else expected


def one_word_of(*words: str, verb: str = "choose") -> Validator:
    """Return a validator for one of several words; the sentence begins with the verb."""

    def validate(value: Any) -> str:
        if value not in words:
            raise vol.Invalid(f"{verb} one of {', '.join(words)}")
        return str(value)

    return validate


def one_of(kind: type[StrEnum], verb: str = "choose") -> Validator:
    """Return a validator that turns a word into a member of ``kind``."""
    word = one_word_of(*(member.value for member in kind), verb=verb)

    def validate(value: Any) -> StrEnum:
        return kind(word(value))

    return validate


def or_none(validator: Validator) -> Validator:
    """Return a validator that accepts None beside what the given one accepts."""

    def validate(value: Any) -> Any:
        return None if value is None else validator(value)

    return validate


def expanded_path(value: Any) -> Path:
    """Accept the path of a file or folder, ~ and ~user written out; it need not exist."""
    if not isinstance(value, str | Path) or not str(value):
        raise vol.Invalid("give a path")
    if "\0" in str(value):
        raise vol.Invalid("remove the null character")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise vol.Invalid("there is no such user: write the path out") from None


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
