"""Motion messages: does an MQTT message say that motion starts, that it ends, or neither?

A `Trigger` describes one kind of message of one camera; `read_signal` judges one message by it.

    >>> trigger = Trigger(topic="frigate/drive/motion", start=("ON",), end=("OFF",))
    >>> read_signal(trigger, b"ON", retained=False)
    <MotionSignal.START: 'start'>
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from paho.mqtt.client import topic_matches_sub

ANY_VALUE = "*"
"""As a start value: every message that is not an end starts motion."""

MAX_JSON_BYTES = 1 << 20
"""Longest payload that is parsed as JSON; motion messages are a few kilobytes at most."""

MAX_SHOWN_CHARACTERS = 80
"""Most that an error quotes of what came."""


class MotionSignal(StrEnum):
    """What a motion message says."""

    START = "start"
    END = "end"


class MotionPayloadError(ValueError):
    """A motion message cannot be understood; the text is one sentence fit for the log."""


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """How one kind of MQTT message announces the motion of a camera.

    Values are compared as text without regard to case and outer blanks: JSON `true` is "true",
    JSON `1` and `1.0` are "1", JSON `null` is "null".

    Attributes:
        topic: MQTT topic filter; may hold the wildcards + and #.
        start: Values that mean "motion starts"; "*" stands for any value that is not in `end`.
        end: Values that mean "motion ends"; an end wins over the "*" of `start`.
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
    path: str | None = None
    where: Mapping[str, str] = field(default_factory=dict, hash=False)
    ignore_retained: bool = True
    auto_end_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse a trigger that could never work."""
        check_topic_filter(self.topic)
        for name, values in (("start", self.start), ("end", self.end)):
            if isinstance(values, str):
                raise ValueError(f"{name} is the text {values!r}: give a list of values")
        if not self.start:
            raise ValueError(
                'start is empty: name at least one value that means "motion starts", such as ON, '
                'or "*" for any'
            )
        if ANY_VALUE in self.end:
            raise ValueError('end holds "*": only start may stand for any value')
        both = {_as_text(value) for value in self.start} & {_as_text(value) for value in self.end}
        if both:
            raise ValueError(f"{sorted(both)[0]!r} is in start and in end: remove it from one")
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


def read_signal(trigger: Trigger, payload: bytes, retained: bool) -> MotionSignal | None:
    """Judge one motion message.

    Args:
        trigger: What the camera's messages look like.
        payload: The message as it came.
        retained: Whether the broker marked it as retained.

    Returns:
        The signal, or None where the message is neither start nor end: another value, another
        camera's message on a shared topic, or a retained message that is to be ignored.

    Raises:
        MotionPayloadError: The payload cannot be understood: it is not UTF-8, it is not JSON
            although the trigger names a path, or a path leads nowhere or to no plain value.
    """
    if retained and trigger.ignore_retained:
        return None
    text = _decode(trigger, payload)
    value: object = text
    if trigger.path is not None or trigger.where:
        if not text.strip():
            return None  # an empty message is how a retained one is cleared
        document = _parse(trigger, payload, text)
        if not _applies(trigger, document, text):
            return None
        if trigger.path is not None:
            value = _value_at(trigger, document, trigger.path, text)
    return _signal_of(trigger, value, text)


def _signal_of(trigger: Trigger, value: object, text: str) -> MotionSignal | None:
    any_starts = ANY_VALUE in trigger.start
    if isinstance(value, (dict, list)):
        if any_starts:
            return MotionSignal.START
        raise _misunderstood(trigger, text, f"a plain value at {trigger.path}, not {_kind(value)}")
    found = _as_text(value)
    if found in {_as_text(end) for end in trigger.end}:
        return MotionSignal.END
    if any_starts or found in {_as_text(start) for start in trigger.start}:
        return MotionSignal.START
    return None


def _decode(trigger: Trigger, payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise _misunderstood(trigger, payload, "text in UTF-8") from None


def _parse(trigger: Trigger, payload: bytes, text: str) -> object:
    if len(payload) > MAX_JSON_BYTES:
        raise _misunderstood(trigger, text, f"JSON of at most {MAX_JSON_BYTES} bytes")
    try:
        document: object = json.loads(text)
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
    text = value if isinstance(value, str) else json.dumps(value)
    return text.strip().casefold()


def _fields(trigger: Trigger) -> str:
    paths = [*trigger.where, *(() if trigger.path is None else (trigger.path,))]
    return ", ".join(paths)


def _kind(value: object) -> str:
    return "an object" if isinstance(value, dict) else "a list"


def _misunderstood(trigger: Trigger, came: str | bytes, expected: str) -> MotionPayloadError:
    shown = repr(came[:MAX_SHOWN_CHARACTERS])[:MAX_SHOWN_CHARACTERS]
    return MotionPayloadError(
        f"motion message on {trigger.topic} not understood: came {shown}, expected {expected}"
    )
