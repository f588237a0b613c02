"""The MQTT contract, version 1, as far as Home Assistant reads it.

Unknown fields are ignored, as a newer worker may send more.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self, final

from homeassistant.util import dt as dt_util

from .page_links import is_page
from .payload import (
    PayloadError,
    read_bool,
    read_count,
    read_datetime,
    read_enum,
    read_id,
    read_number,
    read_object,
    read_objects,
    read_optional,
    read_optional_object,
    read_share,
    read_text,
)
from .reasons import EventState, reason_word

CONTRACT_VERSION = 1
MAX_CAMERAS = 256
MAX_FAULTS = 8
MAX_OBJECTS = 8
MAX_REGIONS = 16
MAX_REVIEW_EVENTS = 20
MAX_BURST_BYTES = 24 * 1024 * 1024
FEEDBACK_WORDS = {True: "relevant", False: "nuisance"}
"""What thumbs are called in actions and attributes."""


def new_event_id(motion_at: datetime) -> str:
    """Make the unique id of an event, ``<YYYYMMDD>_<HHMMSS>_<6 hex>`` in UTC."""
    return f"{dt_util.as_utc(motion_at):%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"


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
        camera_id = read_id(content, "id")
        return cls(
            id=camera_id,
            name=read_text(content, "name") or camera_id,
            origin=read_text(content, "origin"),
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
    page: str | None = None

    @property
    def supported(self) -> bool:
        """Whether this integration speaks the worker's contract."""
        return self.contract == CONTRACT_VERSION

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``info``; of another contract nothing but its version is trusted."""
        contract = read_count(content, "contract")
        if contract != CONTRACT_VERSION:
            return cls(
                contract=contract,
                version="",
                cameras={},
                capabilities=frozenset(),
                inference=None,
                max_burst_bytes=MAX_BURST_BYTES,
            )
        cameras = [
            CameraInfo.from_json(camera)
            for camera in read_objects(content.get("cameras"), "cameras", MAX_CAMERAS)
        ]
        capabilities = content.get("capabilities")
        if not isinstance(capabilities, list):
            raise PayloadError("capabilities is no list")
        max_burst_bytes = read_optional(read_count, content, "max_burst_bytes") or MAX_BURST_BYTES
        return cls(
            contract=contract,
            version=read_text(content, "version"),
            cameras={camera.id: camera for camera in cameras},
            capabilities=frozenset(word for word in capabilities if isinstance(word, str)),
            inference=read_optional(read_text, content, "inference"),
            max_burst_bytes=min(max_burst_bytes, MAX_BURST_BYTES),
            page=_read_page(content),
        )


def _read_page(content: Mapping[str, Any]) -> str | None:
    """Read the address of the page; what is none is no reason to give up the cameras."""
    page = content.get("page")
    return page if isinstance(page, str) and is_page(page) else None


@final
@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is wrong, with its remedy."""

    key: str
    message: str

    @property
    def camera_id(self) -> str:
        """The camera that it is about; empty where it is about none."""
        camera_id, _, about = self.key.partition("/")
        return camera_id if about else ""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read an item of ``errors``."""
        key = content.get("key")
        return cls(key=str(key or "")[:128], message=read_text(content, "message"))


@final
@dataclass(frozen=True, kw_only=True)
class Health:
    """How a worker is."""

    backend: str
    model: str
    memory_mb: float
    faults: tuple[Fault, ...]
    """All that is not resolved, the latest first."""
    sent_at: datetime | None
    """By the worker's clock; None from one that does not tell."""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``health``."""
        errors = content.get("errors")
        if errors is None:  # a worker that tells of the latest alone
            latest = read_optional_object(content, "last_error")
            errors = [] if latest is None else [latest]
        return cls(
            backend=read_text(content, "backend"),
            model=read_text(content, "model"),
            memory_mb=read_number(content, "memory_mb", 1e9),
            faults=tuple(
                Fault.from_json(error) for error in read_objects(errors, "errors", MAX_FAULTS)
            ),
            sent_at=read_optional(read_datetime, content, "sent_at"),
        )


_REGION_NUMBERS = ("x", "y", "width", "height", "area", "confidence", "relevance_score")


def _region(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: read_number(content, name, 2.0**53) for name in _REGION_NUMBERS},
        "is_relevant": read_bool(content, "is_relevant"),
        "reason": read_text(content, "reason"),
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
    learning: bool
    """Whether the camera was still learning, so that what is irrelevant may have got through."""
    merged: int
    """Further starts of motion that it covers."""
    num_relevant: int
    num_irrelevant: int
    regions: list[dict[str, Any]]
    objects: list[str]
    """Kinds of what was recognised, each once, the most certain first."""
    pictures: int
    """Frames that came."""
    total_ms: float

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``verdict`` or ``event``."""
        return cls(
            event_id=read_id(content, "event_id"),
            state=read_enum(EventState, content, "state"),
            relevant=read_bool(content, "relevant"),
            score=read_optional(read_share, content, "score"),
            threshold=read_share(content, "threshold"),
            reason=read_text(content, "reason"),
            explanation=read_text(content, "explanation"),
            motion_at=read_datetime(content, "motion_at"),
            decided_at=read_datetime(content, "decided_at"),
            hold_until=read_optional(read_datetime, content, "hold_until"),
            learning=read_bool(content, "learning"),
            merged=read_count(content, "merged"),
            num_relevant=read_count(content, "num_relevant"),
            num_irrelevant=read_count(content, "num_irrelevant"),
            regions=[
                _region(region)
                for region in read_objects(content.get("regions"), "regions", MAX_REGIONS)
            ],
            objects=_kinds(content.get("objects", [])),
            pictures=read_count(read_object(content.get("frames"), "frames"), "fetched"),
            total_ms=read_number(read_object(content.get("timing_ms"), "timing_ms"), "total", 1e12),
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

    @property
    def reason_word(self) -> str:
        """Why it was judged so, as one of the words that are translated."""
        return reason_word(self.reason, self.state, self.objects)

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
            "objects": self.objects,
            "learning": self.learning,
        }


def _kinds(content: Any) -> list[str]:
    """Read what was recognised; a worker without a detector tells of nothing."""
    kinds = (read_text(found, "kind") for found in read_objects(content, "objects", MAX_OBJECTS))
    return list(dict.fromkeys(kinds))


def read_review(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read ``review``: suppressed events worth a look."""
    return [
        {
            "event_id": read_id(event, "event_id"),
            "motion_at": read_datetime(event, "motion_at").isoformat(),
            "score": read_optional(read_share, event, "score"),
            "reason": read_text(event, "reason"),
            "why": read_text(event, "why"),
        }
        for event in read_objects(content.get("events"), "events", MAX_REVIEW_EVENTS)
    ]
