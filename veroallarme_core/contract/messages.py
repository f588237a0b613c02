"""The MQTT contract, version 1: topics, payloads that the worker sends, commands it takes."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import voluptuous as vol

from veroallarme_core.contract.mistakes import MAX_SHOWN_CHARACTERS, advice, shown, value_at
from veroallarme_core.contract.settings import (
    SETTINGS_SCHEMA,
    Zone,
    number_between,
    require_id,
    truth,
)

CONTRACT_VERSION = 1
MAX_COMMAND_BYTES = 64 * 1024
"""Of a command without pictures."""
MAX_BURST_BYTES = 24 << 20
TOPIC_BYTES = 1024
"""What a burst's topic and header take of a packet at most."""
"""Of a command with pictures, their base64 included; a packet may have 32 MiB."""
MAX_FRAMES = 10
"""In one command."""
MAX_PARTS = 1000
"""Commas and opening brackets in a command with pictures: JSON of many small values would take
many times its size in memory."""
MAX_ERROR_CHARACTERS = 300
"""Length of the sentence that refuses a command; it ends up in the log and in the health."""
ON, OFF = b"ON", b"OFF"
ONLINE, OFFLINE = b"online", b"offline"

RETAINED_SUFFIXES = ("relevant", "verdict", "image", "connectivity", "stats", "settings", "review")
"""What a camera keeps on the broker, and what is cleared when the camera goes."""


BRIDGED = frozenset({"config", "burst", "motion_end"})
"""What Home Assistant says of the cameras that it bridges; it counts in the order of coming."""
MOMENTARY = frozenset({"burst", "motion_end", "analyze"})
"""Commands that are about this moment: what the broker has retained of them is stale."""


class CommandError(ValueError):
    """A command that cannot be carried out; the message is one sentence for the user."""


@dataclass(frozen=True, kw_only=True)
class Topics:
    """The topics of one site."""

    prefix: str = "veroallarme"
    site: str = "home"

    @property
    def root(self) -> str:
        """What all topics of the site begin with."""
        return f"{self.prefix}/{self.site}"

    @property
    def info(self) -> str:
        """Contract version, software version, cameras; retained."""
        return f"{self.root}/info"

    def status(self, worker: str) -> str:
        """``online`` or ``offline``; retained, and the worker's last will."""
        return f"{self.root}/worker/{worker}/status"

    def health(self, worker: str) -> str:
        """How the worker is; retained."""
        return f"{self.root}/worker/{worker}/health"

    def echo(self, worker: str) -> str:
        """What the worker says to itself, to know what the broker had kept for it."""
        return f"{self.root}/worker/{worker}/echo"

    def camera(self, camera: str, suffix: str) -> str:
        """One of a camera's topics."""
        return f"{self.root}/camera/{camera}/{suffix}"

    @property
    def commands(self) -> tuple[str, ...]:
        """The topic filters on which commands come in."""
        return tuple(self.camera("+", name) for name in _COMMANDS)

    def command(self, topic: str) -> tuple[str, str] | None:
        """Return the camera and the name of the command that a topic stands for, or None."""
        head, _, rest = topic.partition(f"{self.root}/camera/")
        camera, _, name = rest.partition("/")
        return (camera, name) if not head and name in _COMMANDS else None


def _zones(value: Any) -> Any:
    """Validate zones as the settings do, but ignore what a newer peer may say about them."""
    known = {field.name for field in fields(Zone)}
    if isinstance(value, list):
        value = [
            {name: zone[name] for name in zone if name in known} if isinstance(zone, dict) else zone
            for zone in value
        ]
    return SETTINGS_SCHEMA.schema["zones"](value)


_MOMENT = re.compile(
    r"(19[7-9]|2[0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_BURST_ID = re.compile(r"[0-9]{8}_[0-9]{6}_[0-9a-f]{6}")


def _moment(value: Any) -> datetime:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        # A month that is none.
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value).astimezone(UTC)
    raise vol.Invalid("give a time with its zone, such as 2026-11-23T06:14:02.517+00:00")


def _whole_between(low: int, high: int, unit: str) -> Any:
    """Return a validator for a whole number, which JSON may write as 3.0 as well."""

    def validate(value: Any) -> int:
        number: float = number_between(low, high, unit)(value)
        if not number.is_integer():
            raise vol.Invalid(f"give a whole number from {low} to {high} ({unit})")
        return int(number)

    return validate


def _burst_id(value: Any) -> str:
    if not isinstance(value, str) or not _BURST_ID.fullmatch(value):
        raise vol.Invalid("give motion_at in UTC as YYYYMMDD_HHMMSS, then _ and 6 hex digits")
    return value


def _agree(burst: dict[str, Any]) -> dict[str, Any]:
    """Refuse an event whose id, by which its frames are found and removed, names another time."""
    stamp = f"{burst['motion_at']:%Y%m%d_%H%M%S}"
    if not burst["event_id"].startswith(stamp):
        raise vol.Invalid(f"motion_at is {stamp} in UTC: begin with that", path=["event_id"])
    return burst


_FRAMES = vol.All(
    [
        vol.Schema(
            {vol.Required("captured_at"): _moment, vol.Required("jpeg"): str},
            extra=vol.REMOVE_EXTRA,
        )
    ],
    vol.Length(max=MAX_FRAMES, msg=f"give at most {MAX_FRAMES} frames"),
)
_CONFIG_SCHEMA = vol.Schema(
    {
        vol.Required("name"): vol.All(str, vol.Length(min=1, max=64)),
        vol.Optional("burst_size", default=3): _whole_between(2, MAX_FRAMES, "frames"),
        vol.Optional("spacing_s", default=0.6): number_between(0.5, 10, "seconds"),
    },
    extra=vol.REMOVE_EXTRA,
)
_BURST_SCHEMA = vol.Schema(
    vol.All(
        vol.Schema(
            {
                vol.Required("event_id"): _burst_id,
                vol.Required("motion_at"): _moment,
                vol.Required("frames"): _FRAMES,
            },
            extra=vol.REMOVE_EXTRA,
        ),
        _agree,
    )
)
_MOTION_END_SCHEMA = vol.Schema({vol.Required("event_id"): require_id}, extra=vol.REMOVE_EXTRA)
_ANALYZE_SCHEMA = vol.Schema(
    {vol.Required("request_id"): require_id, "frames": _FRAMES}, extra=vol.REMOVE_EXTRA
)
_FEEDBACK_SCHEMA = vol.Schema(
    {
        vol.Required("event_id"): require_id,
        vol.Required("relevant"): vol.Any(None, truth, msg="give true, false or null"),
    },
    extra=vol.REMOVE_EXTRA,
)
# Unknown settings are ignored, as everywhere in the contract: a newer peer may send more.
_SET_SCHEMA = SETTINGS_SCHEMA.extend({"zones": _zones}, extra=vol.REMOVE_EXTRA)
_LEARN_SCHEMA = vol.Schema({}, extra=vol.REMOVE_EXTRA)


@dataclass(frozen=True, kw_only=True)
class _Command:
    schema: vol.Schema
    example: str
    max_bytes: int = MAX_COMMAND_BYTES


_COMMANDS = {
    "set": _Command(schema=_SET_SCHEMA, example='{"mode": "filter"}'),
    "feedback": _Command(schema=_FEEDBACK_SCHEMA, example='{"event_id": "...", "relevant": true}'),
    "learn": _Command(schema=_LEARN_SCHEMA, example="{}"),
    "analyze": _Command(
        schema=_ANALYZE_SCHEMA, example='{"request_id": "..."}', max_bytes=MAX_BURST_BYTES
    ),
    "config": _Command(schema=_CONFIG_SCHEMA, example='{"name": "Front door"}'),
    "burst": _Command(
        schema=_BURST_SCHEMA,
        example='{"event_id": "...", "motion_at": "...", "frames": []}',
        max_bytes=MAX_BURST_BYTES,
    ),
    "motion_end": _Command(schema=_MOTION_END_SCHEMA, example='{"event_id": "..."}'),
}


# --- what is sent -----------------------------------------------------------------------------


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


def _to_json(payload: Any) -> str:
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def info_payload(
    version: str,
    site: str,
    cameras: Sequence[Mapping[str, str]],
    inference: str | None,
    max_packet_bytes: int | None = None,
) -> bytes:
    """Write the site's ``info``; it holds nothing that changes while the worker runs.

    Args:
        inference: runtimes and devices of the networks; None where none runs.
        max_packet_bytes: what the broker takes at most, topic included; None where it did not say.
    """
    limit = MAX_BURST_BYTES if max_packet_bytes is None else max_packet_bytes - TOPIC_BYTES
    return dump(
        {
            "contract": CONTRACT_VERSION,
            "version": version,
            "site": site,
            "cameras": list(cameras),
            "capabilities": sorted(_COMMANDS),
            "inference": inference,
            "max_burst_bytes": max(0, min(limit, MAX_BURST_BYTES)),
        }
    )


# --- what is received -------------------------------------------------------------------------


def read_command(name: str, payload: bytes) -> dict[str, Any]:
    """Parse and validate the payload of a command.

    Args:
        name: ``set``, ``feedback``, ``learn``, ``analyze``, ``config``, ``burst`` or
            ``motion_end``.
        payload: the message as it came: JSON in UTF-8.

    Raises:
        CommandError: the payload is too long, is no JSON object or holds a wrong value; one line
            of at most `MAX_ERROR_CHARACTERS`.
    """
    command = _COMMANDS[name]
    _check_size(payload, command.max_bytes)
    try:
        content = _parse(payload)
    # A hostile nesting depth ends in RecursionError, everything else in ValueError.
    except (ValueError, RecursionError):
        raise CommandError(
            f"the payload {_quote(payload)} is not JSON: send an object such as {command.example}"
        ) from None
    if not isinstance(content, dict):
        raise CommandError(
            f"the payload {_quote(payload)} is not a JSON object: send one such as "
            f"{command.example}"
        )
    try:
        return dict(command.schema(content))
    except vol.MultipleInvalid as error:
        raise CommandError(_describe(error, content)) from None


def _check_size(payload: bytes, max_bytes: int) -> None:
    if len(payload) > max_bytes:
        raise CommandError(f"the payload has {len(payload)} bytes: send at most {max_bytes}")
    if len(payload) > MAX_COMMAND_BYTES:
        parts = sum(payload.count(mark) for mark in (b",", b"[", b"{"))
        if parts > MAX_PARTS:
            raise CommandError(
                f"the payload has {parts} commas and brackets: send pictures and little else"
            )


def _parse(payload: bytes) -> Any:
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


def _quote(payload: bytes) -> str:
    return repr(payload[:MAX_SHOWN_CHARACTERS])[:MAX_SHOWN_CHARACTERS]


def _describe(mistakes: vol.MultipleInvalid, content: Any) -> str:
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
