"""What came of learning a camera."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from veroallarme_core.contract import Promise


@dataclass(frozen=True, kw_only=True)
class AdaptationReport:
    """What came of an adaptation."""

    learned: bool
    missing: str
    """One sentence on what is missing for the promise; empty where nothing is."""
    events: int
    unreadable: int
    """Events of which no frame can be decoded."""
    sessions: int
    regions: int
    sprites: int
    """Movers of the camera's own among the intruders."""
    knows_perspective: bool
    """Whether it has shown people enough to know how tall they are where."""
    suppressed: float
    """Share of the history that lies below the threshold."""
    seen: float
    """Share of the synthetic intruders that Stage 1 sees. The others count in the promise as well:
    what else moves decides about them."""
    promise: Promise | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-serialisable values."""
        promise = None if self.promise is None else self.promise.to_dict()
        return {**asdict(self), "promise": promise}
