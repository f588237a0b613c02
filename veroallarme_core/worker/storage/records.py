"""What the store gives and takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class KeepLimits:
    """How long and how much of a camera's events is kept; what has feedback is spared."""

    days: float = 30.0
    size_mb: float = 1000.0


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Counts of one camera that only grow."""

    motions: int = 0
    """Motion starts accepted."""
    events: int = 0
    """Verdicts given."""
    relevant: int = 0
    suppressed: int = 0
    """Verdicts that kept the alarm off."""
    unknown: int = 0
    merged: int = 0


@dataclass(frozen=True, kw_only=True)
class OpenEvent:
    """An event that the journal knows and no verdict covers yet."""

    event_id: str
    camera: str
    motion_at: datetime
    starts: int
    latest_at: datetime | None = None
    """When the latest of its starts came; None where it has none."""


@dataclass(frozen=True, kw_only=True)
class PastEvent:
    """An event that was judged, and the user's word on it."""

    verdict: Mapping[str, Any]
    """As the contract wrote it then."""
    feedback: bool | None
    """None where there is no thumb."""


@dataclass(frozen=True, kw_only=True)
class SuppressedEvent:
    """An event that raised no alarm."""

    event_id: str
    motion_at: datetime
    score: float | None
    """In [0, 1]; None where it could not be judged."""
    threshold: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class CameraRecord:
    """What the store remembers of one camera across restarts."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    alarm_until: datetime | None = None
    totals: Totals = field(default_factory=Totals)
    last_verdict: Mapping[str, Any] | None = None
