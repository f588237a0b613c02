"""Commands: what anybody who may publish to the broker can tell a camera."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import voluptuous as vol

from veroallarme_core.contract.queries import (
    GET_PICTURE_SCHEMA,
    IGNORE_HERE_SCHEMA,
    LIST_EVENTS_SCHEMA,
)
from veroallarme_core.contract.reading import describe_mistakes, parse_json
from veroallarme_core.contract.settings import SETTINGS_SCHEMA, Mode
from veroallarme_core.contract.validators import (
    MAX_SHOWN_CHARACTERS,
    moment,
    number_between,
    one_of,
    or_none,
    require_id,
    truth,
    whole_between,
)
from veroallarme_core.contract.zones import tolerant_zones

MAX_COMMAND_BYTES = 64 * 1024
"""Of a command without pictures."""
MAX_BURST_BYTES = 24 << 20
"""Of a command with pictures, their base64 included; a packet may have 32 MiB."""
MAX_FRAMES = 10
"""In one command."""
MAX_PARTS = 1000
"""Commas and opening brackets in a command with pictures: JSON of many small values would take
many times its size in memory."""

BRIDGED = frozenset({"config", "burst", "motion_end", "reference"})
"""What Home Assistant says of the cameras that it bridges; it counts in the order of coming."""
QUERIES = frozenset({"list_events", "get_picture", "ignore_here"})
"""What is asked about past events; each has one answer."""
MOMENTARY = frozenset({"burst", "motion_end", "reference", "analyze", *QUERIES})
"""Commands that are about this moment: what the broker has retained of them is stale."""


class CommandError(ValueError):
    """A command that cannot be carried out; the message is one sentence for the user."""


_BURST_ID = re.compile(r"[0-9]{8}_[0-9]{6}_[0-9a-f]{6}")


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


_FRAME_SCHEMA = vol.Schema(
    {vol.Required("captured_at"): moment, vol.Required("jpeg"): str}, extra=vol.REMOVE_EXTRA
)
_FRAMES = vol.All(
    [_FRAME_SCHEMA],
    vol.Length(max=MAX_FRAMES, msg=f"give at most {MAX_FRAMES} frames"),
)
_CONFIG_SCHEMA = vol.Schema(
    {
        vol.Required("name"): vol.All(str, vol.Length(min=1, max=64)),
        vol.Optional("burst_size", default=3): whole_between(2, MAX_FRAMES, "frames"),
        vol.Optional("spacing_s", default=0.6): number_between(0.5, 10, "seconds"),
        vol.Optional("mode"): one_of(Mode),
    },
    extra=vol.REMOVE_EXTRA,
)
_BURST_SCHEMA = vol.Schema(
    vol.All(
        vol.Schema(
            {
                vol.Required("event_id"): _burst_id,
                vol.Required("motion_at"): moment,
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
        vol.Optional("request_id"): or_none(require_id),
    },
    extra=vol.REMOVE_EXTRA,
)
# Unknown settings are ignored, as everywhere in the contract: a newer peer may send more.
_SET_SCHEMA = SETTINGS_SCHEMA.extend({"zones": tolerant_zones}, extra=vol.REMOVE_EXTRA)
_SUGGESTION_SCHEMA = vol.Schema(
    {
        vol.Required("id"): require_id,
        vol.Required("take"): truth,
    },
    extra=vol.REMOVE_EXTRA,
)
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
    "suggestion": _Command(schema=_SUGGESTION_SCHEMA, example='{"id": "zone_...", "take": true}'),
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
    "reference": _Command(
        schema=_FRAME_SCHEMA,
        example='{"captured_at": "...", "jpeg": "..."}',
        max_bytes=MAX_BURST_BYTES,
    ),
    "list_events": _Command(schema=LIST_EVENTS_SCHEMA, example='{"request_id": "..."}'),
    "get_picture": _Command(
        schema=GET_PICTURE_SCHEMA, example='{"request_id": "...", "event_id": "..."}'
    ),
    "ignore_here": _Command(
        schema=IGNORE_HERE_SCHEMA, example='{"request_id": "...", "event_id": "..."}'
    ),
}


def read_command(name: str, payload: bytes) -> dict[str, Any]:
    """Parse and validate the payload of a command.

    Args:
        name: one of `COMMAND_NAMES`.
        payload: the message as it came: JSON in UTF-8.

    Raises:
        CommandError: the payload is too long, is no JSON object or holds a wrong value; one line
            of at most `MAX_ERROR_CHARACTERS`.
    """
    command = _COMMANDS[name]
    _check_size(payload, command.max_bytes)
    try:
        content = parse_json(payload)
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
        raise CommandError(describe_mistakes(error, content)) from None


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """The user's thumb for an event."""

    event_id: str
    relevant: bool | None
    """None takes an earlier thumb back."""
    request_id: str | None = None
    """Names the topic of the answer; None wants none."""

    @classmethod
    def from_json(cls, payload: bytes) -> Feedback:
        """Read a `feedback`; raises `CommandError` as `read_command` does."""
        return cls(**read_command("feedback", payload))


@dataclass(frozen=True, kw_only=True)
class SuggestionAnswer:
    """The user's word on a suggested zone."""

    id: str
    take: bool
    """Whether it becomes a zone; False refuses it for good."""

    @classmethod
    def from_json(cls, payload: bytes) -> SuggestionAnswer:
        """Read a `suggestion`; raises `CommandError` as `read_command` does."""
        return cls(**read_command("suggestion", payload))


@dataclass(frozen=True, kw_only=True)
class BridgedCamera:
    """Definition of a camera whose bursts Home Assistant takes."""

    name: str
    burst_size: int
    spacing_s: float
    mode: Mode = Mode.AUTO
    """At first; what is set counts more."""

    @classmethod
    def from_json(cls, payload: bytes) -> BridgedCamera:
        """Read a `config`; raises `CommandError` as `read_command` does."""
        return cls(**read_command("config", payload))

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as the contract writes it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class BridgedFrame:
    """One picture that Home Assistant has taken."""

    captured_at: datetime
    """By Home Assistant's clock, in UTC."""
    jpeg: str
    """base64, not checked yet."""

    @classmethod
    def from_json(cls, payload: bytes) -> BridgedFrame:
        """Read a `reference`; raises `CommandError` as `read_command` does."""
        return cls(**read_command("reference", payload))


@dataclass(frozen=True, kw_only=True)
class BridgedBurst:
    """Motion of a bridged camera, with its pictures."""

    event_id: str
    motion_at: datetime
    """By Home Assistant's clock, in UTC."""
    frames: tuple[BridgedFrame, ...]

    @classmethod
    def from_json(cls, payload: bytes) -> BridgedBurst:
        """Read a `burst`; raises `CommandError` as `read_command` does."""
        content = read_command("burst", payload)
        return cls(**{**content, "frames": _frames_of(content["frames"])})


@dataclass(frozen=True, kw_only=True)
class MotionEnd:
    """The motion of a bridged event is over."""

    event_id: str

    @classmethod
    def from_json(cls, payload: bytes) -> MotionEnd:
        """Read a `motion_end`; raises `CommandError` as `read_command` does."""
        return cls(**read_command("motion_end", payload))


@dataclass(frozen=True, kw_only=True)
class AnalysisRequest:
    """Judge a burst now, without motion."""

    request_id: str
    frames: tuple[BridgedFrame, ...] | None = None
    """None where the worker is to take them itself."""

    @classmethod
    def from_json(cls, payload: bytes) -> AnalysisRequest:
        """Read an `analyze`; raises `CommandError` as `read_command` does."""
        content = read_command("analyze", payload)
        frames = _frames_of(content["frames"]) if "frames" in content else None
        return cls(request_id=content["request_id"], frames=frames)


def _frames_of(frames: Sequence[Mapping[str, Any]]) -> tuple[BridgedFrame, ...]:
    return tuple(BridgedFrame(**frame) for frame in frames)


def _check_size(payload: bytes, max_bytes: int) -> None:
    if len(payload) > max_bytes:
        raise CommandError(f"the payload has {len(payload)} bytes: send at most {max_bytes}")
    if len(payload) > MAX_COMMAND_BYTES:
        parts = sum(payload.count(mark) for mark in (b",", b"[", b"{"))
        if parts > MAX_PARTS:
            raise CommandError(
                f"the payload has {parts} commas and brackets: send pictures and little else"
            )


def _quote(payload: bytes) -> str:
    return repr(payload[:MAX_SHOWN_CHARACTERS])[:MAX_SHOWN_CHARACTERS]
