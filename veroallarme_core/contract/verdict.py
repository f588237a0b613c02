"""What a verdict says: the states, the regions behind them, and the JSON of the contract."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from veroallarme_core.contract.encoding import iso
from veroallarme_core.contract.object_kinds import ObjectKind
from veroallarme_core.contract.regions import RelevanceRegion

MAX_REGIONS = 16
"""Regions carried in a verdict; the rest is only counted, so that an attribute stays small."""

MAX_OBJECTS = 8
"""Objects carried in a verdict, the most certain ones."""

CueValue = float | int | bool | str


class State(StrEnum):
    """The raw judgement of an event, before the settings decide about the alarm."""

    RELEVANT = "relevant"
    IRRELEVANT = "irrelevant"
    UNKNOWN = "unknown"


def _plain_cues(cues: Mapping[str, CueValue]) -> dict[str, CueValue | None]:
    return {name: _plain(value) for name, value in cues.items()}


def _plain(value: CueValue) -> CueValue | None:
    """Write a cue as JSON can hold it: rounded, and null for what is no finite number."""
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None


@dataclass(frozen=True, kw_only=True)
class VerdictObject:
    """A person, animal or vehicle that moved; the box is in pixels of the full frame."""

    kind: ObjectKind
    class_name: str
    """What the detector calls it, such as `person` or `truck`."""
    score: float
    """In [0, 1]."""
    x: int
    y: int
    width: int
    height: int

    def to_dict(self) -> dict[str, Any]:
        """Return the object as the contract writes it."""
        return {
            "kind": self.kind.value,
            "class": self.class_name,
            "score": round(self.score, 3),
            "x": self.x,
            "y": self.y,
            "width": self.width,
            "height": self.height,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> VerdictObject:
        """Read what `to_dict` wrote."""
        box = {name: int(content[name]) for name in ("x", "y", "width", "height")}
        kind, score = ObjectKind(content["kind"]), float(content["score"])
        return cls(kind=kind, class_name=str(content["class"]), score=score, **box)

    def to_bbox(self) -> tuple[int, int, int, int]:
        """Return the box as (x1, y1, x2, y2); x2 and y2 are exclusive."""
        return (self.x, self.y, self.x + self.width, self.y + self.height)


@dataclass(frozen=True, kw_only=True)
class FrameCounts:
    """What became of the frames of a burst."""

    requested: int = 0
    fetched: int = 0
    distinct: int = 0
    damaged: int = 0
    age_ms: int | None = None
    """Age of the oldest frame when it arrived, where the camera tells; else None."""

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as the contract writes them."""
        return {
            "requested": self.requested,
            "fetched": self.fetched,
            "distinct": self.distinct,
            "damaged": self.damaged,
            "age_ms": self.age_ms,
        }


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Where the time of an event went, in milliseconds."""

    fetch: float = 0.0
    decode: float = 0.0
    motion: float = 0.0
    relevance: float = 0.0
    total: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """Return the times as the contract writes them."""
        return {
            name: round(getattr(self, name), 1)
            for name in ("fetch", "decode", "motion", "relevance", "total")
        }


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The judgement of one event and the alarm that follows from it.

    ``state`` and ``score`` are the raw judgement; ``relevant`` is what an automation sees.
    ``score`` is None where nothing could be judged. Times are aware datetimes.
    """

    event_id: str
    camera: str
    state: State
    relevant: bool
    score: float | None
    threshold: float
    reason: str
    explanation: str
    cues: Mapping[str, CueValue]
    motion_at: datetime
    decided_at: datetime
    hold_until: datetime | None
    mode: str
    learning: bool
    merged: int
    """Further motion starts that this event covers."""
    frame_dimensions: tuple[int, int] | None
    """Height and width of the frames in pixels; None where none could be decoded."""
    regions: Sequence[RelevanceRegion]
    objects: Sequence[VerdictObject]
    """What the detector recognises of what moved, most certain first."""
    frames: FrameCounts
    timing_ms: Timing
    model: str
    stored: bool = True

    @property
    def num_relevant(self) -> int:
        """How many of all regions, shown or not, are relevant."""
        return sum(region.is_relevant for region in self.regions)

    @property
    def num_irrelevant(self) -> int:
        """How many of all regions, shown or not, are irrelevant."""
        return len(self.regions) - self.num_relevant

    def unstored(self) -> Verdict:
        """Return the same verdict, saying that it could not be stored in time."""
        return replace(self, stored=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict JSON of contract version 1."""
        shown = sorted(self.regions, key=lambda region: -region.relevance_score)[:MAX_REGIONS]
        return {
            "event_id": self.event_id,
            "camera": self.camera,
            "state": self.state.value,
            "relevant": self.relevant,
            "score": None if self.score is None else round(self.score, 4),
            "threshold": round(self.threshold, 4),
            "reason": self.reason,
            "explanation": self.explanation,
            "cues": _plain_cues(self.cues),
            "motion_at": iso(self.motion_at),
            "decided_at": iso(self.decided_at),
            "hold_until": None if self.hold_until is None else iso(self.hold_until),
            "mode": self.mode,
            "learning": self.learning,
            "merged": self.merged,
            "frame_dimensions": self.frame_dimensions and list(self.frame_dimensions),
            "num_relevant": self.num_relevant,
            "num_irrelevant": self.num_irrelevant,
            "regions": [
                {**region.to_contract(), "cues": _plain_cues(region.cues)} for region in shown
            ],
            "objects": [found.to_dict() for found in self.objects[:MAX_OBJECTS]],
            "frames": self.frames.to_dict(),
            "timing_ms": self.timing_ms.to_dict(),
            "model": self.model,
            "stored": self.stored,
        }

    def in_one_line(self) -> str:
        """Return what a log says of it."""
        score = "no score" if self.score is None else f"score {self.score:.2f}"
        return (
            f"{self.camera}: {self.event_id} is {self.state.value}, "
            f"{'alarm' if self.relevant else 'no alarm'} ({self.reason}, {score}, threshold "
            f"{self.threshold:.2f}, {self.frames.distinct} of {self.frames.requested} pictures, "
            f"{self.timing_ms.total / 1e3:.1f} s): {self.explanation}"
        )
