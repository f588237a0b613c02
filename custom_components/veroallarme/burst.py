"""A burst: the pictures of one motion on their way from Home Assistant to the worker."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .contract import new_event_id
from .pictures import Capture


@dataclass(eq=False)
class Burst:
    """Motion on its way to the worker."""

    motion_at: datetime
    capture: Capture = field(default_factory=Capture)
    expires_at: float = 0.0
    """When it is given up, on the clock of the event loop."""
    event_id: str = ""

    def __post_init__(self) -> None:
        """Give it an id of its own: sent twice it is still the same event."""
        self.event_id = self.event_id or new_event_id(self.motion_at)

    def to_json(self) -> dict[str, Any]:
        """Write it as the contract wants it."""
        return {
            "event_id": self.event_id,
            "motion_at": self.motion_at.isoformat(),
            "frames": self.capture.frames,
        }
