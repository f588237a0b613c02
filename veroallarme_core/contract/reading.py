"""JSON from outside: parsed strictly, and its mistakes told in one line."""

from __future__ import annotations

import json
from typing import Any

import voluptuous as vol

from veroallarme_core.contract.validators import advice, shown, value_at

MAX_ERROR_CHARACTERS = 300
"""Length of the sentence that refuses a payload; it ends up in the log and in the health."""


def parse_json(payload: bytes) -> Any:
    """Parse JSON in UTF-8.

    Raises:
        ValueError: it is none, or holds NaN or half a character pair.
        RecursionError: it is nested too deep.
    """
    content = json.loads(
        payload.decode("utf-8"), parse_int=_read_integer, parse_constant=_refuse_constant
    )
    if b"\\u" in payload:
        # JSON can write half of a character pair, which no other program could read from us again.
        json.dumps(content, ensure_ascii=False).encode("utf-8")
    return content


def _read_integer(digits: str) -> int | float:
    """Read an integer the way of every JSON reader that only knows doubles, however long it is."""
    return int(digits) if len(digits) < 16 else float(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def describe_mistakes(mistakes: vol.MultipleInvalid, content: Any) -> str:
    """Say all mistakes of a payload in one line: where, which value, what to do."""
    parts = []
    # voluptuous tells missing keys in no particular order.
    for error in sorted(mistakes.errors, key=lambda error: [str(step) for step in error.path]):
        value = shown(value_at(content, error.path))
        where = ".".join(str(step) for step in error.path)
        parts.append(": ".join(part for part in (where, value, advice(error)) if part))
    line = "; ".join(parts)
    if len(line) > MAX_ERROR_CHARACTERS:
        return f"{line[: MAX_ERROR_CHARACTERS - 1]}…"
    return line
