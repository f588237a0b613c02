"""How values are written for other programs: moments as text, payloads as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MAX_INDENTED_BYTES = 2048
"""State that is larger than this when it is compact stays so: nobody reads it line by line."""


def iso(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def dump(payload: Mapping[str, Any]) -> bytes:
    """Write a payload as compact JSON in UTF-8, whatever its numbers and texts are.

    A number that JSON does not have becomes null, half of a character pair becomes "?": no
    verdict may be lost because of one odd cue or file name.
    """
    try:
        text = _to_json(payload)
    except ValueError:
        text = _to_json(_without_nan(payload))
    return text.encode("utf-8", "replace")


def dump_state(payload: Mapping[str, Any]) -> bytes:
    """Write retained state as `dump` does, indented where it is small enough to be read."""
    compact = dump(payload)
    if len(compact) > MAX_INDENTED_BYTES:
        return compact
    # What `dump` has made of odd numbers and texts is kept.
    return json.dumps(json.loads(compact), indent=2, ensure_ascii=False).encode()


def _to_json(payload: Any) -> str:
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
