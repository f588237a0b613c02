"""An event on its way to a verdict: the motion that it covers, and the pictures that show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from veroallarme_core.contract import FrameCounts, State, iso
from veroallarme_core.pipeline import PipelineResult
from veroallarme_core.worker.snapshots import SnapshotError, covers

LATE_PICTURES = "late_pictures"
"""The reason of an event whose pictures prove nothing because of when they were taken."""
_UNKNOWN = datetime.fromtimestamp(0, UTC)
"""The earliest moment of motion of which nobody knows when it was."""

Acknowledge = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A start or an end of motion, as the broker delivered it."""

    received_at: datetime
    """When it came, UTC."""
    acknowledge: Acknowledge
    """Called once the start is safe, or the end is remembered."""
    trigger: str = ""
    """Which of the camera's triggers it is of."""
    delivery: str | None = None
    """Recognises the message when the broker delivers it again; None for QoS 0."""
    redelivered: bool = False
    """Whether the broker says that it has delivered it before."""
    not_before: datetime | None = None
    """Since when it may have waited at the broker; None where it came at once."""
    retained: bool = False
    """Whether it tells the past, since nobody knows when."""
    shown: str = ""
    """What a log says of the message."""

    @property
    def motion_at(self) -> datetime:
        """When it moved, as far as is known."""
        return self.not_before or self.received_at

    @property
    def earliest_at(self) -> datetime:
        """The first moment at which it may have moved."""
        return _UNKNOWN if self.retained else self.motion_at

    @property
    def description(self) -> str:
        """What a log says of it."""
        if self.retained:
            return f"{self.shown}, retained: nobody knows when"
        if self.not_before is not None:
            return f"{self.shown}, may have waited at the broker since {iso(self.not_before)}"
        return self.shown


@dataclass(frozen=True, kw_only=True)
class FetchedFrames:
    """The frames of an event and what fetching them cost."""

    frames: list[bytes]
    """Encoded pictures."""
    taken_at: tuple[datetime, ...] = ()
    """When each of the frames was taken, by this machine's clock."""
    counts: FrameCounts = field(default_factory=FrameCounts)
    fetch_ms: float = 0.0
    fault: SnapshotError | None = None
    """What went wrong first."""


@dataclass(eq=False)
class PendingEvent:
    """An event on its way to a verdict, and the motion starts that it covers."""

    event_id: str
    motion_at: datetime
    """When it moved, as far as is known."""
    starts: int = 0
    fetched: FetchedFrames | None = None
    """Its frames: some are there from the beginning, from Home Assistant or a former run."""
    unsafe: list[Acknowledge] = field(default_factory=list)
    """Acknowledgements of starts that could not be journalled; they wait for the verdict."""
    open: bool = True
    """Whether further starts may join."""
    published: bool = False
    """Whether the broker has the verdict."""
    is_undated: bool = False
    """Whether nobody knows when one of its starts moved."""

    def __post_init__(self) -> None:
        """Begin with a known moment."""
        self.earliest_at = self.latest_at = self.motion_at
        """First and last moment at which any of its starts may have moved."""
        self.pictures_at = self.motion_at
        """The moment of which pictures are wanted."""

    def add_start(self, earliest_at: datetime, latest_at: datetime) -> None:
        """Cover one more start, which moved between two moments."""
        self.starts += 1
        self.is_undated |= earliest_at < latest_at
        self.earliest_at = min(self.earliest_at, earliest_at)
        self.latest_at = max(self.latest_at, latest_at)

    def shows(self, earliest_at: datetime, latest_at: datetime) -> bool:
        """Whether its pictures show what moved between two moments, or may yet do so."""
        return self.fetched is None or covers(self.fetched.taken_at, earliest_at, latest_at)


def without_late_proof(
    event: PendingEvent, fetched: FetchedFrames, result: PipelineResult
) -> PipelineResult:
    """Let pictures prove nuisance only where they show the moment of the motion."""
    if result.state is not State.IRRELEVANT:
        return result
    if covers(fetched.taken_at, event.earliest_at, event.latest_at):
        return result
    if event.is_undated:
        text = "It moved while the worker was away, and the pictures may come too late to show it."
        return result.without_proof(LATE_PICTURES, text)
    later = [at for at in fetched.taken_at if at > event.earliest_at]
    if later and not covers(later, event.earliest_at, event.earliest_at):
        late_s = (min(later) - event.earliest_at).total_seconds()
        text = f"The pictures begin {late_s:.0f} s after the motion: what moved may have left."
        return result.without_proof(LATE_PICTURES, text, late_s=late_s)
    text = "The pictures end before the latest motion that was reported, and cannot show it."
    return result.without_proof(LATE_PICTURES, text)
