"""What arrives over MQTT, read with care: switches, pictures, JSON objects and their fields.

A value is either understood or refused by `PayloadError`. Texts and lists are cut to what the
contract allows at most, because they become attributes.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from homeassistant.util import dt as dt_util
from homeassistant.util.json import JSON_DECODE_EXCEPTIONS, json_loads

MAX_TEXT_CHARACTERS = 500
MAX_IMAGE_BYTES = 8 * 1024 * 1024

type Payload = str | bytes | bytearray

_ID = re.compile(r"[a-z0-9_]{1,64}")


class PayloadError(ValueError):
    """A payload that does not follow the contract."""


def is_valid_id(text: str) -> bool:
    """Whether ``text`` may be the id of a site, worker, camera or event."""
    return _ID.fullmatch(text) is not None


def read_switch(payload: Payload) -> bool:
    """Read ``ON`` or ``OFF``."""
    if payload not in ("ON", "OFF"):
        raise PayloadError("neither ON nor OFF")
    return payload == "ON"


def read_image(payload: Payload) -> bytes:
    """Read a JPEG of at most `MAX_IMAGE_BYTES`."""
    if not isinstance(payload, bytes | bytearray) or not payload.startswith(b"\xff\xd8\xff"):
        raise PayloadError("no JPEG")
    if len(payload) > MAX_IMAGE_BYTES:
        raise PayloadError(f"more than {MAX_IMAGE_BYTES} bytes")
    return bytes(payload)


def read_json(payload: Payload) -> Mapping[str, Any]:
    """Read a JSON object."""
    try:
        content = json_loads(payload)
    except JSON_DECODE_EXCEPTIONS as error:
        raise PayloadError("not JSON") from error
    return read_object(content, "the payload")


def read_object(value: Any, name: str) -> Mapping[str, Any]:
    """Read an object."""
    if not isinstance(value, dict):
        raise PayloadError(f"{name} is no object")
    return value


def read_optional_object(content: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Read an object that may be missing."""
    return None if content.get(name) is None else read_object(content[name], name)


def read_objects(value: Any, name: str, limit: int) -> list[Mapping[str, Any]]:
    """Read a list of objects and cut it to ``limit``."""
    if not isinstance(value, list):
        raise PayloadError(f"{name} is no list")
    return [read_object(item, name) for item in value[:limit]]


def read_text(content: Mapping[str, Any], name: str) -> str:
    """Read a text and cut it to `MAX_TEXT_CHARACTERS`."""
    value = content.get(name)
    if not isinstance(value, str):
        raise PayloadError(f"{name} is no text")
    return value[:MAX_TEXT_CHARACTERS]


def read_id(content: Mapping[str, Any], name: str) -> str:
    """Read an id."""
    value = content.get(name)
    if not isinstance(value, str) or not is_valid_id(value):
        raise PayloadError(f"{name} is no id")
    return value


def read_bool(content: Mapping[str, Any], name: str) -> bool:
    """Read true or false."""
    value = content.get(name)
    if not isinstance(value, bool):
        raise PayloadError(f"{name} is neither true nor false")
    return value


def read_number(content: Mapping[str, Any], name: str, high: float) -> float:
    """Read a number from 0 to ``high``."""
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
        raise PayloadError(f"{name} is no number from 0 to {high:g}")
    return value


def read_share(content: Mapping[str, Any], name: str) -> float:
    """Read a number from 0 to 1."""
    return read_number(content, name, 1.0)


def read_count(content: Mapping[str, Any], name: str) -> int:
    """Read a whole number from 0."""
    value = read_number(content, name, 2.0**53)
    if value != int(value):
        raise PayloadError(f"{name} is no whole number")
    return int(value)


def read_datetime(content: Mapping[str, Any], name: str) -> datetime:
    """Read a time with its zone, in UTC."""
    value = content.get(name)
    try:
        moment = dt_util.parse_datetime(value) if isinstance(value, str) else None
        if moment is None or moment.tzinfo is None:
            raise PayloadError(f"{name} is no time")
        return dt_util.as_utc(moment)
    except (OverflowError, ValueError) as error:  # of a date that no calendar has
        raise PayloadError(f"{name} is no time") from error


def read_optional[T](
    read: Callable[[Mapping[str, Any], str], T], content: Mapping[str, Any], name: str
) -> T | None:
    """Read a field that may be missing or null."""
    return None if content.get(name) is None else read(content, name)


def read_enum[E: StrEnum](kind: type[E], content: Mapping[str, Any], name: str) -> E:
    """Read one of the words of ``kind``."""
    try:
        return kind(read_text(content, name))
    except ValueError as error:
        raise PayloadError(f"{name} is none of {', '.join(kind)}") from error
