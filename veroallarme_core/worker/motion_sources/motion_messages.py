"""Motion messages: does an MQTT message say that motion starts, or that it ends?

A `Trigger` describes one kind of message of one camera; `read_signal` judges one message by it.

    >>> trigger = Trigger(topic="frigate/drive/motion", start=("ON",), end=("OFF",))
    >>> read_signal(trigger, b"ON", retained=False)
    <MotionSignal.START: 'start'>
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations

from paho.mqtt.client import topic_matches_sub

ANY_VALUE = "*"
"""As a start value: every message that is not an end starts motion."""

MAX_JSON_BYTES = 1 << 20
"""Longest payload that is parsed as JSON; motion messages are a few kilobytes at most."""

MAX_SHOWN_CHARACTERS = 80
"""Most that an error quotes of what came."""

_QUOTES = ('""', "''", "``", "\u201c\u201d", "\u2018\u2019")
_MARKS = "\ufeff\u200b"
"""Characters without width that editors put before or around a text."""
_MAX_WRAPPINGS = 4
"""Quotes within quotes that are taken off; a hostile message may hold a million."""


class MotionSignal(StrEnum):
    """What a motion message says."""

    START = "start"
    END = "end"
    PAST = "past"
    """Nothing: the broker had retained it, so it tells the past."""
    OTHER = "other"
    """Nothing: it is about something else, such as another camera, or the trigger ignores it."""


class MotionPayloadError(ValueError):
    """A motion message cannot be understood; the text is one sentence fit for the log."""


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """How one kind of MQTT message announces the motion of a camera.

    Values are compared as text without regard to case and to what some senders wrap around it:
    blanks, quotes, a byte-order mark, and null characters with all that follows them. JSON `true`
    is "true", JSON `1` and `1.0` are "1", JSON `null` is "null".

    Attributes:
        topic: MQTT topic filter; may hold the wildcards + and #.
        start: Values that mean "motion starts"; "*" stands for any value that is not in `end`.
        end: Values that mean "motion ends"; an end wins over the "*" of `start`.
        ignore: Values that are known to mean neither, about which nothing needs to be said.
        path: Dotted path to the value in a JSON payload, such as "message.data.active" (a number
            picks an item of a list); None takes the whole payload as the value.
        where: Further JSON paths and the value each must hold, for topics shared by cameras. A
            message with another value there is about something else.
        ignore_retained: Whether a retained message, which tells the past, is no signal.
        auto_end_s: Seconds after a start at which motion counts as over when no end has come.

    Raises:
        ValueError: A field is unusable; the text names the field, its value and the remedy.
    """

    topic: str
    start: tuple[str, ...]
    end: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    path: str | None = None
    where: Mapping[str, str] = field(default_factory=dict, hash=False)
    ignore_retained: bool = True
    auto_end_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse a trigger that could never work."""
        check_topic_filter(self.topic)
        lists = {"start": self.start, "end": self.end, "ignore": self.ignore}
        for name, values in lists.items():
            if isinstance(values, str):
                raise ValueError(f"{name} is the text {values!r}: give a list of values")
            if ANY_VALUE in values and name != "start":
                raise ValueError(f'{name} holds "*": only start may stand for any value')
        if not self.start:
            raise ValueError(
                'start is empty: name at least one value that means "motion starts", such as ON, '
                'or "*" for any'
            )
        for name, other in combinations(lists, 2):
            both = {_as_text(v) for v in lists[name]} & {_as_text(v) for v in lists[other]}
            if both:
                shared = sorted(both)[0]
                raise ValueError(f"{shared!r} is in {name} and in {other}: remove it from one")
        for path in (*(() if self.path is None else (self.path,)), *self.where):
            if not all(path.split(".")):
                raise ValueError(
                    f"{path!r} is no JSON path: write field names joined by dots, such as "
                    "message.data.active"
                )
        if not (math.isfinite(self.auto_end_s) and self.auto_end_s > 0):
            raise ValueError(f"auto_end_s is {self.auto_end_s}: give seconds above 0")


def check_topic_filter(topic_filter: str) -> None:
    """Check that a text is a valid MQTT topic filter.

    Raises:
        ValueError: It is not; the text says why.
    """
    levels = topic_filter.split("/")
    if not topic_filter or "\0" in topic_filter or len(topic_filter.encode()) > 65535:
        raise ValueError(
            f"topic {topic_filter[:80]!r} is empty, too long or holds a null character"
        )
    if any("+" in level and level != "+" for level in levels):
        raise ValueError(f"topic {topic_filter!r}: + must stand alone between two slashes")
    if any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        raise ValueError(f"topic {topic_filter!r}: # must stand alone as the last level")


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a topic is covered by an MQTT topic filter."""
    return bool(topic_matches_sub(topic_filter, topic))


def read_signal(trigger: Trigger, payload: bytes, retained: bool) -> MotionSignal:
    """Judge one motion message.

    Args:
        trigger: What the camera's messages look like.
        payload: The message as it came.
        retained: Whether the broker marked it as retained.

    Raises:
        MotionPayloadError: The payload cannot be understood: its value is neither start nor end,
            it is not UTF-8, it is not JSON although the trigger names a path, or a path leads
            nowhere or to no plain value.
    """
    if retained and trigger.ignore_retained:
        return MotionSignal.PAST
    text = _decode(trigger, payload)
    value: object = text
    if trigger.path is not None or trigger.where:
        document = _parse(trigger, payload, text)
        if not _applies(trigger, document, text):
            return MotionSignal.OTHER
        if trigger.path is not None:
            value = _value_at(trigger, document, trigger.path, text)
    return _signal_of(trigger, value, text)


def plain_text(payload: bytes) -> str:
    """Read a message that is one word, in small letters and without what is wrapped around it."""
    return _as_text(_before_null(payload).decode("utf-8", "replace"))


def show_payload(payload: bytes | str) -> str:
    """Quote a message for people, in one short line."""
    return repr(payload[:MAX_SHOWN_CHARACTERS])[:MAX_SHOWN_CHARACTERS]


def _signal_of(trigger: Trigger, value: object, text: str) -> MotionSignal:
    any_starts = ANY_VALUE in trigger.start
    if isinstance(value, (dict, list)):
        if any_starts:
            return MotionSignal.START
        raise _misunderstood(trigger, text, f"a plain value at {trigger.path}, not {_kind(value)}")
    found = _as_text(value)
    if found in {_as_text(end) for end in trigger.end}:
        return MotionSignal.END
    if found in {_as_text(ignored) for ignored in trigger.ignore}:
        return MotionSignal.OTHER
    if any_starts or found in {_as_text(start) for start in trigger.start}:
        return MotionSignal.START
    raise MotionPayloadError(
        f"{_shown_value(value)} on topic {trigger.topic} is neither start nor end: add it to the "
        "trigger's start, end or ignore" + _hint_at_path(trigger, found)
    )


def _shown_value(value: object) -> str:
    return show_payload(value) if isinstance(value, str) else json.dumps(value)[:80]


def _hint_at_path(trigger: Trigger, found: str) -> str:
    """Say what a trigger lacks that takes JSON for a word."""
    if trigger.path is None and found.startswith("{"):
        return ", or name the JSON field that tells it as path"
    return ""


def _decode(trigger: Trigger, payload: bytes) -> str:
    """Read a message as text, and as UTF-16 where its byte-order mark says so."""
    encoding = "utf-16" if payload[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"
    if encoding == "utf-8":
        payload = _before_null(payload)
    try:
        return payload.decode(encoding)
    except UnicodeDecodeError:
        raise _misunderstood(trigger, payload, "text in UTF-8") from None


def _before_null(payload: bytes) -> bytes:
    """Cut a message at its first null byte, as its sender does: what follows was never meant."""
    return payload.lstrip(b"\0").partition(b"\0")[0]


def _parse(trigger: Trigger, payload: bytes, text: str) -> object:
    if len(payload) > MAX_JSON_BYTES:
        raise _misunderstood(trigger, text, f"JSON of at most {MAX_JSON_BYTES} bytes")
    try:
        document: object = json.loads(text.strip("\0 \t\r\n" + _MARKS))
    except (ValueError, RecursionError):
        # RecursionError: a hostile payload of a million opening brackets.
        raise _misunderstood(trigger, text, f"JSON with {_fields(trigger)}") from None
    return document


def _applies(trigger: Trigger, document: object, text: str) -> bool:
    """Tell whether all of `where` holds; another camera's message need not have every field."""
    missing: list[str] = []
    for path, wanted in trigger.where.items():
        present, value = look_up(document, path)
        if not present:
            missing.append(path)
        elif isinstance(value, (dict, list)) or _as_text(value) != _as_text(wanted):
            return False
    if missing:
        raise _misunderstood(trigger, text, f"JSON with {', '.join(missing)}")
    return True


def _value_at(trigger: Trigger, document: object, path: str, text: str) -> object:
    present, value = look_up(document, path)
    if not present:
        raise _misunderstood(trigger, text, f"JSON with {path}")
    return value


def look_up(document: object, path: str) -> tuple[bool, object]:
    """Follow a dotted path through parsed JSON.

    Args:
        document: What `json.loads` gave.
        path: Names of fields joined by dots; a number picks an item of a list.

    Returns:
        Whether the path leads to a value, and the value.
    """
    value = document
    for name in path.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and len(name) < 7:
            if int(name) >= len(value):
                return False, None
            value = value[int(name)]
        else:
            return False, None
    return True, value


def _as_text(value: object) -> str:
    """Write a plain JSON value the way that people write it in a configuration."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return _undressed(value if isinstance(value, str) else json.dumps(value)).casefold()


def _undressed(text: str) -> str:
    """Take off what some senders wrap around a value."""
    for _ in range(_MAX_WRAPPINGS):
        text = text.lstrip("\0").partition("\0")[0].strip().strip(_MARKS).strip()
        if len(text) < 2 or text[0] + text[-1] not in _QUOTES:
            break
        text = text[1:-1]
    return text


def _fields(trigger: Trigger) -> str:
    paths = [*trigger.where, *(() if trigger.path is None else (trigger.path,))]
    return ", ".join(paths)


def _kind(value: object) -> str:
    return "an object" if isinstance(value, dict) else "a list"


def _misunderstood(trigger: Trigger, came: str | bytes, expected: str) -> MotionPayloadError:
    return MotionPayloadError(
        f"motion message on {trigger.topic} not understood: came {show_payload(came)}, "
        f"expected {expected}"
    )
