"""What the store gives and takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from veroallarme_core.contract import ObjectKind, State


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
class EventFilter:
    """Which past events are wanted; what is empty or None asks for nothing."""

    cameras: Sequence[str] = ()
    states: Sequence[State] = ()
    reasons: Sequence[str] = ()
    """Codes of reasons."""
    kinds: Sequence[ObjectKind] = ()
    """An object of one of these kinds was recognised."""
    alarm: bool | None = None
    """False wants those that raised no alarm, True those that did."""
    since: datetime | None = None
    until: datetime | None = None
    """Only events that moved before it."""


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a page of events ends: its last event. It stays true while newer events come in."""

    motion_at: datetime
    event_id: str


@dataclass(frozen=True, kw_only=True)
class ListedEvent:
    """What a list over all cameras knows of an event."""

    event_id: str
    camera: str
    motion_at: datetime
    state: State
    relevant: bool
    """Whether it raised the alarm."""
    reason: str
    kinds: tuple[str, ...]
    """Of the objects recognised, the most certain first."""
    feedback: bool | None
    """None where there is no thumb."""

    @property
    def position(self) -> Position:
        """Where a page that ends with it goes on."""
        return Position(motion_at=self.motion_at, event_id=self.event_id)

    @classmethod
    def read(cls, row: Sequence[Any]) -> ListedEvent:
        """Take it from a row: the columns of the index, and the thumb."""
        return cls(
            motion_at=datetime.fromisoformat(row[0]),
            event_id=row[1],
            camera=row[2],
            state=State(row[3]),
            relevant=bool(row[4]),
            reason=row[5],
            kinds=tuple(kind for kind in row[6].split(",") if kind),
            feedback=None if row[7] is None else bool(row[7]),
        )


@dataclass(frozen=True, kw_only=True)
class JudgedEvent:
    """An event as it lies in the store, unread: a page of them is to be had quickly."""

    motion_at: str
    event_id: str
    verdict: str
    """JSON, as the contract wrote it then."""
    outcomes: str | None
    """JSON, what it would be under other settings; None where nobody found out."""
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
