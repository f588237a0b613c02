"""A judged event as it is remembered: boxes and scores, without its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from veroallarme_core.contract import ObjectKind, State
from veroallarme_core.description import CERTAIN_SCORE
from veroallarme_core.judgement import PROVING_SHARE

_NOT_MOVING = frozenset({"burnt_in_text"})
"""Reasons of regions in which nothing moves but the clock."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box in shares of the picture's width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height


@dataclass(frozen=True, kw_only=True)
class MovedBox:
    """A region that moved."""

    box: Box
    moving_share: float
    """Share of the whole picture that moved in it."""
    is_relevant: bool


@dataclass(frozen=True, kw_only=True)
class SeenObject:
    """Somebody or something that was recognised in the clearest frame."""

    kind: ObjectKind
    score: float
    """In [0, 1]."""
    box: Box

    @property
    def is_certain(self) -> bool:
        """Whether it is taken for what it is called."""
        return self.score >= CERTAIN_SCORE


@dataclass(frozen=True, kw_only=True)
class PastEvent:
    """What is kept of an event that was judged."""

    event_id: str
    motion_at: datetime
    is_alarm: bool
    """Whether it was judged relevant, and alerts wherever the camera filters."""
    score: float
    """In [0, 1]."""
    regions: tuple[MovedBox, ...]
    """What moved, burnt-in text left out."""
    is_complete: bool
    """Whether all of its relevant regions are here; a verdict lists 16."""
    is_whole: bool
    """Whether its pictures could be compared nearly everywhere. Where they are corrupt, what moved
    elsewhere is not known, and no zone makes nuisance of that."""
    objects: tuple[SeenObject, ...]
    thumb: bool | None
    """The user's word, True for relevant; None where there is none."""
    frame_dimensions: tuple[int, int]
    """Height and width in pixels."""

    @property
    def relevant(self) -> tuple[MovedBox, ...]:
        """The regions for which it alerts."""
        return tuple(region for region in self.regions if region.is_relevant)

    @classmethod
    def from_verdict(cls, verdict: Mapping[str, Any], thumb: bool | None) -> PastEvent | None:
        """Read a stored verdict; None where it saw nothing, or was written otherwise.

        Args:
            verdict: as the contract writes it; former versions named no objects.
            thumb: the user's word on it.
        """
        try:
            if verdict["frame_dimensions"] is None or verdict["score"] is None:
                return None
            return cls._read(verdict, thumb)
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return None

    @classmethod
    def _read(cls, verdict: Mapping[str, Any], thumb: bool | None) -> PastEvent:
        height, width = (int(edge) for edge in verdict["frame_dimensions"])
        regions = tuple(
            MovedBox(
                box=_box(region, height, width),
                moving_share=region["area"] / (height * width),
                is_relevant=bool(region["is_relevant"]),
            )
            for region in verdict["regions"]
            if region["reason"] not in _NOT_MOVING
        )
        return cls(
            event_id=str(verdict["event_id"]),
            motion_at=datetime.fromisoformat(verdict["motion_at"]),
            is_alarm=verdict["state"] == State.RELEVANT.value,
            score=float(verdict["score"]),
            regions=regions,
            is_complete=sum(region.is_relevant for region in regions) == verdict["num_relevant"],
            is_whole=verdict["cues"].get("comparable_share", 1.0) >= PROVING_SHARE,
            objects=tuple(
                SeenObject(
                    kind=ObjectKind(found["kind"]),
                    score=float(found["score"]),
                    box=_box(found, height, width),
                )
                for found in verdict.get("objects", ())
            ),
            thumb=thumb,
            frame_dimensions=(height, width),
        )


def _box(content: Mapping[str, Any], height: int, width: int) -> Box:
    return Box(
        x=content["x"] / width,
        y=content["y"] / height,
        width=content["width"] / width,
        height=content["height"] / height,
    )
