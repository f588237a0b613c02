"""A region of the picture: where something moved, and how it was judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class MotionRegion:
    """A connected region that moved; all values in pixels of the full frame."""

    x: int
    y: int
    width: int
    height: int
    area: int
    centroid: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the region as JSON-serialisable values."""
        return {
            "x": self.x,
            "y": self.y,
            "width": self.width,
            "height": self.height,
            "area": self.area,
            "centroid": list(self.centroid),
        }

    def to_bbox(self) -> tuple[int, int, int, int]:
        """Return the box as (x1, y1, x2, y2); x2 and y2 are exclusive."""
        return (self.x, self.y, self.x + self.width, self.y + self.height)


@dataclass(frozen=True)
class RelevanceRegion(MotionRegion):
    """A region that moved and how relevant it is; pixels of the full frame."""

    confidence: float
    """In [0, 1]: of the decision, or of Stage 1 where a network alone gave the score."""
    relevance_score: float
    """In [0, 1], higher is more relevant."""
    is_relevant: bool
    reason: str = ""
    """Code of what decided; empty where a network alone gave the score."""
    cues: Mapping[str, float] = field(default_factory=dict, compare=False)
    """The numbers behind the score; empty where a network alone gave it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the region as JSON-serialisable values."""
        return {
            **super().to_dict(),
            "bbox": list(self.to_bbox()),
            "confidence": self.confidence,
            "relevance_score": self.relevance_score,
            "is_relevant": self.is_relevant,
        }

    @classmethod
    def from_contract(cls, content: Mapping[str, Any]) -> RelevanceRegion:
        """Read what `to_contract` wrote."""
        x, y = content["centroid"]
        return cls(
            x=int(content["x"]),
            y=int(content["y"]),
            width=int(content["width"]),
            height=int(content["height"]),
            area=int(content["area"]),
            centroid=(int(x), int(y)),
            confidence=float(content["confidence"]),
            relevance_score=float(content["relevance_score"]),
            is_relevant=bool(content["is_relevant"]),
            reason=str(content["reason"]),
            cues={
                name: float(value)
                for name, value in content.get("cues", {}).items()
                if value is not None
            },
        )

    def to_contract(self) -> dict[str, Any]:
        """Return the region as the contract writes it in a verdict."""
        return {
            **super().to_dict(),
            "confidence": round(self.confidence, 4),
            "relevance_score": round(self.relevance_score, 4),
            "is_relevant": self.is_relevant,
            "reason": self.reason,
        }
