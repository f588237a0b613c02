"""The MQTT contract, version 1, as far as Home Assistant reads it.

Whatever arrives is either understood or refused by `PayloadError`; unknown fields are ignored, as
a newer worker may send more. Texts and lists are cut to what the contract allows at most, because
they become attributes.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self, final

from homeassistant.util import dt as dt_util
from homeassistant.util.json import JSON_DECODE_EXCEPTIONS, json_loads

CONTRACT_VERSION = 1
MAX_CAMERAS = 256
MAX_REGIONS = 16
MAX_REVIEW_EVENTS = 20
MAX_TEXT_CHARACTERS = 500
MAX_IMAGE_BYTES = 8 * 1024 * 1024
MAX_BURST_FRAMES = 10
MAX_BURST_BYTES = 24 * 1024 * 1024

type Payload = str | bytes | bytearray

_ID = re.compile(r"[a-z0-9_]{1,64}")


class PayloadError(ValueError):
    """A payload that does not follow the contract."""


class EventState(StrEnum):
    """The raw judgement of an event."""

    RELEVANT = "relevant"
    IRRELEVANT = "irrelevant"
    UNKNOWN = "unknown"


def is_valid_id(text: str) -> bool:
    """Whether ``text`` may be the id of a site, worker, camera or event."""
    return _ID.fullmatch(text) is not None


def new_event_id(motion_at: datetime) -> str:
    """Make the unique id of an event, ``<YYYYMMDD>_<HHMMSS>_<6 hex>`` in UTC."""
    return f"{dt_util.as_utc(motion_at):%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"


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
    return _object(content, "the payload")


# --- fields -----------------------------------------------------------------------------------


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise PayloadError(f"{name} is no object")
    return value


def _optional_object(content: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return None if content.get(name) is None else _object(content[name], name)


def _items(value: Any, name: str, limit: int) -> list[Mapping[str, Any]]:
    """Read a list of objects and cut it to ``limit``."""
    if not isinstance(value, list):
        raise PayloadError(f"{name} is no list")
    return [_object(item, name) for item in value[:limit]]


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str):
        raise PayloadError(f"{name} is no text")
    return value[:MAX_TEXT_CHARACTERS]


def _id(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not is_valid_id(value):
        raise PayloadError(f"{name} is no id")
    return value


def _truth(content: Mapping[str, Any], name: str) -> bool:
    value = content.get(name)
    if not isinstance(value, bool):
        raise PayloadError(f"{name} is neither true nor false")
    return value


def _number(content: Mapping[str, Any], name: str, high: float) -> float:
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
        raise PayloadError(f"{name} is no number from 0 to {high:g}")
    return value


def _share(content: Mapping[str, Any], name: str) -> float:
    return _number(content, name, 1.0)


def _count(content: Mapping[str, Any], name: str) -> int:
    value = _number(content, name, 2.0**53)
    if value != int(value):
        raise PayloadError(f"{name} is no whole number")
    return int(value)


def _moment(content: Mapping[str, Any], name: str) -> datetime:
    value = content.get(name)
    try:
        moment = dt_util.parse_datetime(value) if isinstance(value, str) else None
        if moment is None or moment.tzinfo is None:
            raise PayloadError(f"{name} is no time")
        return dt_util.as_utc(moment)
    except (OverflowError, ValueError) as error:  # of a date that no calendar has
        raise PayloadError(f"{name} is no time") from error


def _optional[T](
    read: Callable[[Mapping[str, Any], str], T], content: Mapping[str, Any], name: str
) -> T | None:
    return None if content.get(name) is None else read(content, name)


def _word[E: StrEnum](kind: type[E], content: Mapping[str, Any], name: str) -> E:
    try:
        return kind(_text(content, name))
    except ValueError as error:
        raise PayloadError(f"{name} is none of {', '.join(kind)}") from error


# --- payloads ---------------------------------------------------------------------------------


class Origin(StrEnum):
    """Who defines a camera."""

    LOCAL = "local"
    HOME_ASSISTANT = "home_assistant"


@final
@dataclass(frozen=True, kw_only=True)
class CameraInfo:
    """A camera of the site."""

    id: str
    name: str
    origin: str

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read an item of ``cameras``."""
        camera = _id(content, "id")
        return cls(
            id=camera, name=_text(content, "name") or camera, origin=_text(content, "origin")
        )


@final
@dataclass(frozen=True, kw_only=True)
class Info:
    """What a site offers."""

    contract: int
    version: str
    cameras: Mapping[str, CameraInfo]
    capabilities: frozenset[str]
    inference: str | None
    max_burst_bytes: int

    @property
    def supported(self) -> bool:
        """Whether this integration speaks the worker's contract."""
        return self.contract == CONTRACT_VERSION

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``info``; of another contract nothing but its version is trusted."""
        contract = _count(content, "contract")
        if contract != CONTRACT_VERSION:
            return cls(
                contract=contract,
                version="",
                cameras={},
                capabilities=frozenset(),
                inference=None,
                max_burst_bytes=MAX_BURST_BYTES,
            )
        cameras = map(CameraInfo.from_json, _items(content.get("cameras"), "cameras", MAX_CAMERAS))
        capabilities = content.get("capabilities")
        if not isinstance(capabilities, list):
            raise PayloadError("capabilities is no list")
        return cls(
            contract=contract,
            version=_text(content, "version"),
            cameras={camera.id: camera for camera in cameras},
            capabilities=frozenset(word for word in capabilities if isinstance(word, str)),
            inference=_optional(_text, content, "inference"),
            max_burst_bytes=min(
                _optional(_count, content, "max_burst_bytes") or MAX_BURST_BYTES, MAX_BURST_BYTES
            ),
        )


@final
@dataclass(frozen=True, kw_only=True)
class Health:
    """How a worker is."""

    backend: str
    model: str
    memory_mb: float
    error: str | None
    """The latest trouble that is not resolved, with its remedy."""
    sent_at: datetime | None
    """By the worker's clock; None from one that does not tell."""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``health``."""
        error = _optional_object(content, "last_error")
        return cls(
            backend=_text(content, "backend"),
            model=_text(content, "model"),
            memory_mb=_number(content, "memory_mb", 1e9),
            error=None if error is None else _text(error, "message"),
            sent_at=_optional(_moment, content, "sent_at"),
        )


_REGION_NUMBERS = ("x", "y", "width", "height", "area", "confidence", "relevance_score")


def _region(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: _number(content, name, 2.0**53) for name in _REGION_NUMBERS},
        "is_relevant": _truth(content, "is_relevant"),
        "reason": _text(content, "reason"),
    }


@final
@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The judgement of one event and the alarm that follows from it."""

    event_id: str
    state: EventState
    relevant: bool
    score: float | None
    threshold: float
    reason: str
    explanation: str
    motion_at: datetime
    decided_at: datetime
    hold_until: datetime | None
    num_relevant: int
    num_irrelevant: int
    regions: list[dict[str, Any]]
    total_ms: float

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``verdict`` or ``event``."""
        return cls(
            event_id=_id(content, "event_id"),
            state=_word(EventState, content, "state"),
            relevant=_truth(content, "relevant"),
            score=_optional(_share, content, "score"),
            threshold=_share(content, "threshold"),
            reason=_text(content, "reason"),
            explanation=_text(content, "explanation"),
            motion_at=_moment(content, "motion_at"),
            decided_at=_moment(content, "decided_at"),
            hold_until=_optional(_moment, content, "hold_until"),
            num_relevant=_count(content, "num_relevant"),
            num_irrelevant=_count(content, "num_irrelevant"),
            regions=[
                _region(one) for one in _items(content.get("regions"), "regions", MAX_REGIONS)
            ],
            total_ms=_number(_object(content.get("timing_ms"), "timing_ms"), "total", 1e12),
        )

    def by_our_clock(self, lead: timedelta) -> Self:
        """Return the verdict with its times by Home Assistant's clock.

        Args:
            lead: how far the worker's clock is ahead.
        """
        if not lead:
            return self
        try:
            return replace(
                self,
                motion_at=self.motion_at - lead,
                decided_at=self.decided_at - lead,
                hold_until=self.hold_until and self.hold_until - lead,
            )
        except OverflowError:  # at the end of all calendars
            return self

    def summary(self) -> dict[str, Any]:
        """Return what an automation wants to know of an event."""
        return {
            "event_id": self.event_id,
            "relevant": self.relevant,
            "score": self.score,
            "threshold": self.threshold,
            "reason": self.reason,
            "explanation": self.explanation,
            "motion_at": self.motion_at.isoformat(),
            "decided_at": self.decided_at.isoformat(),
            "num_relevant": self.num_relevant,
            "num_irrelevant": self.num_irrelevant,
        }


class Outcome(StrEnum):
    """What became of an adaptation."""

    LEARNED = "learned"
    LEARNING = "learning"
    FAILED = "failed"


@final
@dataclass(frozen=True, kw_only=True)
class Learning:
    """How far a camera has been learned."""

    learned: bool
    events_seen: int
    sessions_seen: int
    share: float
    missing: str

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``learning``."""
        return cls(
            learned=_truth(content, "learned"),
            events_seen=_count(content, "events_seen"),
            sessions_seen=_count(content, "sessions_seen"),
            share=_share(content, "share"),
            missing=_text(content, "missing"),
        )


@final
@dataclass(frozen=True, kw_only=True)
class Promise:
    """The promise of recall and its evidence."""

    recall: float
    confidence: float
    synthetic: int
    confirmed: int
    since: str

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``promise``."""
        return cls(
            recall=_share(content, "recall"),
            confidence=_share(content, "confidence"),
            synthetic=_count(content, "synthetic"),
            confirmed=_count(content, "confirmed"),
            since=_text(content, "since"),
        )


@final
@dataclass(frozen=True, kw_only=True)
class Stats:
    """Totals of a camera, which only grow, and what was learned."""

    relevant: int
    suppressed: int
    unknown: int
    learning: Learning
    promise: Promise | None
    outcome: Outcome | None
    """Of the last adaptation."""
    notice: str | None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``stats``."""
        promise = _optional_object(content, "promise")
        adaptation = _optional_object(content, "adaptation")
        notice = _optional_object(content, "notice")
        return cls(
            relevant=_count(content, "relevant"),
            suppressed=_count(content, "suppressed"),
            unknown=_count(content, "unknown"),
            learning=Learning.from_json(_object(content.get("learning"), "learning")),
            promise=None if promise is None else Promise.from_json(promise),
            outcome=None if adaptation is None else _word(Outcome, adaptation, "outcome"),
            notice=None if notice is None else _text(notice, "message"),
        )


class Mode(StrEnum):
    """How far a camera's verdicts reach its alarm."""

    AUTO = "auto"
    FILTER = "filter"
    SHADOW = "shadow"


class OnUnknown(StrEnum):
    """What an event that cannot be judged does to the alarm."""

    ALERT = "alert"
    SUPPRESS = "suppress"


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a camera that Home Assistant shows."""

    enabled: bool
    mode: Mode
    on_unknown: OnUnknown
    threshold: float | None
    """None takes the calibrated threshold."""
    hold_s: float

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``settings``."""
        return cls(
            enabled=_truth(content, "enabled"),
            mode=_word(Mode, content, "mode"),
            on_unknown=_word(OnUnknown, content, "on_unknown"),
            threshold=_optional(_share, content, "threshold"),
            hold_s=_number(content, "hold_s", 3600.0),
        )


def read_review(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read ``review``: suppressed events worth a look."""
    return [
        {
            "event_id": _id(event, "event_id"),
            "motion_at": _moment(event, "motion_at").isoformat(),
            "score": _optional(_share, event, "score"),
            "reason": _text(event, "reason"),
            "why": _text(event, "why"),
        }
        for event in _items(content.get("events"), "events", MAX_REVIEW_EVENTS)
    ]
