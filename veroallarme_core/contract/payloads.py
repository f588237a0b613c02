"""What the worker tells of itself and its cameras, besides verdicts and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from veroallarme_core.contract.commands import MAX_BURST_BYTES
from veroallarme_core.contract.encoding import iso
from veroallarme_core.contract.topics import COMMAND_NAMES

CONTRACT_VERSION = 1
TOPIC_BYTES = 1024
"""What a burst's topic and header take of a packet at most."""
ON, OFF = b"ON", b"OFF"
ONLINE, OFFLINE = b"online", b"offline"


@dataclass(frozen=True, kw_only=True)
class CameraInfo:
    """A camera of the site."""

    id: str
    name: str
    origin: str
    """Who defines it: `local`, the worker's configuration file, or `home_assistant`."""


@dataclass(frozen=True, kw_only=True)
class Info:
    """What a site offers; holds nothing that changes while the worker runs."""

    version: str
    """Of the worker's software."""
    site: str
    cameras: Sequence[CameraInfo]
    inference: str | None
    """Runtimes and devices of the networks; None where none runs."""
    max_packet_bytes: int | None = None
    """What the broker takes at most, topic included; None where it did not say."""
    page: str | None = None
    """Where people find the worker's page; None where there is none, or nobody knows."""

    def to_dict(self) -> dict[str, Any]:
        """Return the ``info`` as the contract writes it."""
        broker = MAX_BURST_BYTES
        if self.max_packet_bytes is not None:
            broker = self.max_packet_bytes - TOPIC_BYTES
        return {
            "contract": CONTRACT_VERSION,
            "version": self.version,
            "site": self.site,
            "cameras": [asdict(camera) for camera in self.cameras],
            "capabilities": sorted(COMMAND_NAMES),
            "inference": self.inference,
            "max_burst_bytes": max(0, min(broker, MAX_BURST_BYTES)),
            "page": self.page,
        }


@dataclass(frozen=True, kw_only=True)
class HealthError:
    """Something that is wrong at the moment."""

    key: str
    """Names it for programs."""
    message: str
    """One sentence for people."""
    at: datetime
    """When it came up."""

    def to_dict(self) -> dict[str, Any]:
        """Return the error as the contract writes it."""
        return {"key": self.key, "message": self.message, "at": iso(self.at)}


@dataclass(frozen=True, kw_only=True)
class TopicHealth:
    """What a topic that a camera depends on has brought since the worker began."""

    topic: str
    gives: str
    """`motion`, `pictures` or `bursts`."""
    count: int
    """Starts of motion, or pictures."""
    last_at: datetime | None
    note: str | None
    """What is wrong with it, or that nothing has come yet; else None."""

    def to_dict(self) -> dict[str, Any]:
        """Return what the health says of the topic."""
        last_at = None if self.last_at is None else iso(self.last_at)
        return {**asdict(self), "last_at": last_at}


@dataclass(frozen=True, kw_only=True)
class Health:
    """How a worker is."""

    sentence: str
    """For people."""
    version: str
    """Of the worker's software."""
    sent_at: datetime
    backend: str
    """What computes."""
    model: str
    """What judges."""
    queue: Mapping[str, int]
    """Events that run or wait, by camera."""
    memory_mb: float
    """Largest use since the start."""
    errors: Sequence[HealthError]
    """What is not resolved, the latest first."""
    topics: Mapping[str, Sequence[TopicHealth]]
    """By camera."""
    discovery: str
    """``off``, ``on``, ``withdrawn`` because Home Assistant's integration is there, or ``withheld``
    because the broker does not let the worker hear of it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the ``health`` as the contract writes it."""
        errors = [error.to_dict() for error in self.errors]
        return {
            "sentence": self.sentence,
            "version": self.version,
            "sent_at": iso(self.sent_at),
            "backend": self.backend,
            "model": self.model,
            "queue": dict(self.queue),
            "memory_mb": round(self.memory_mb, 1),
            "last_error": errors[0] if errors else None,
            "errors": errors,
            "topics": {
                camera: [topic.to_dict() for topic in topics]
                for camera, topics in self.topics.items()
            },
            "discovery": self.discovery,
        }


@dataclass(frozen=True, kw_only=True)
class LearningProgress:
    """How far a camera has learned."""

    events_seen: int
    sessions_seen: int
    share: float
    """From 0 to 1."""
    missing: str
    """One sentence on what is missing; empty where the camera has learned."""
    events_needed: int = 0
    """Events that a promise needs at least; 0 where nothing is learned."""
    sessions_needed: int = 0
    """Different times at which they have to be, at least."""
    days_left: float | None = None
    """Days until they have come, at the pace of the last week; None where nobody can tell yet,
    nothing moved in it, or enough has come."""

    def to_dict(self) -> dict[str, Any]:
        """Return the progress as JSON-serialisable values."""
        days = None if self.days_left is None else max(0.1, round(self.days_left, 1))
        return {**asdict(self), "days_left": days}


@dataclass(frozen=True, kw_only=True)
class HeightRecall:
    """How synthetic intruders of a range of heights fared."""

    from_px: int
    to_px: int | None
    """Exclusive; None is any height."""
    synthetic: int
    recall: float


@dataclass(frozen=True, kw_only=True)
class Promise:
    """Which recall is promised, and what stands behind it."""

    recall: float
    """Share of the intruders like those behind it that will raise the alarm."""
    confidence: float
    """Probability that the promise holds."""
    synthetic: int
    """Synthetic intruders over the camera's own pictures that it was calibrated on."""
    synthetic_recall: float | None
    confirmed: int
    """Events that the user called relevant."""
    confirmed_recall: float | None
    since: str
    """When it was calibrated, ISO 8601 in UTC."""
    smallest_px: int = 0
    """Height in pixels below which nobody is covered; 0 where everybody is who can be seen."""
    by_height: tuple[HeightRecall, ...] = ()
    """How it is kept by height, the smallest first."""

    def to_dict(self) -> dict[str, Any]:
        """Return the promise as JSON-serialisable values."""
        return {**asdict(self), "by_height": [asdict(height) for height in self.by_height]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Promise:
        """Read what `to_dict` wrote.

        Raises:
            KeyError, TypeError: a part is missing, or unknown.
        """
        heights = tuple(HeightRecall(**height) for height in content["by_height"])
        return cls(**{**content, "by_height": heights})


@dataclass(frozen=True, kw_only=True)
class AdaptationStats:
    """How the last adaptation of a camera went."""

    at: str
    """When it ended, ISO 8601 in UTC."""
    seconds: float
    events: int
    """Events that it learned from."""
    outcome: str
    """`learned`, `learning` or `failed`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the adaptation as the contract writes it."""
        return {**asdict(self), "seconds": round(self.seconds, 1)}


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A word of the camera's memory, such as that the camera was re-aimed."""

    at: datetime
    message: str
    """One sentence for people."""

    def to_dict(self) -> dict[str, Any]:
        """Return the notice as the contract writes it."""
        return {"at": iso(self.at), "message": self.message}


@dataclass(frozen=True, kw_only=True)
class LearningStats:
    """The part of a camera's stats that is about learning."""

    learned: bool
    """Whether the promise of recall can be kept."""
    progress: LearningProgress
    promise: Promise | None
    """None until there is one."""
    adaptation: AdaptationStats | None
    """None before the first one."""
    notice: Notice | None
    """The latest one since the worker's start."""

    def to_dict(self) -> dict[str, Any]:
        """Return the part of the ``stats`` that is about learning."""
        return {
            "learning": {"learned": self.learned, **self.progress.to_dict()},
            "promise": None if self.promise is None else self.promise.to_dict(),
            "adaptation": None if self.adaptation is None else self.adaptation.to_dict(),
            "notice": None if self.notice is None else self.notice.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Totals of one camera, which only grow, and what it has learned."""

    motions: int
    """Motion starts accepted."""
    events: int
    """Verdicts given."""
    relevant: int
    suppressed: int
    """Verdicts that kept the alarm off."""
    unknown: int
    merged: int
    """Motion starts that joined an event which another start had opened."""
    learning: LearningStats

    def to_dict(self) -> dict[str, Any]:
        """Return the ``stats`` as the contract writes them."""
        return {
            "motions": self.motions,
            "events": self.events,
            "relevant": self.relevant,
            "suppressed": self.suppressed,
            "unknown": self.unknown,
            "merged": self.merged,
            **self.learning.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class ReviewEntry:
    """A suppressed event that is worth a look."""

    event_id: str
    motion_at: datetime
    score: float | None
    threshold: float
    reason: str
    why: str
    """`close_call`: its score just missed the threshold; `sample`: it was drawn at random."""

    def to_dict(self) -> dict[str, Any]:
        """Return the event as the contract writes it."""
        return {
            "event_id": self.event_id,
            "motion_at": iso(self.motion_at),
            "score": None if self.score is None else round(self.score, 4),
            "threshold": round(self.threshold, 4),
            "reason": self.reason,
            "why": self.why,
        }


@dataclass(frozen=True, kw_only=True)
class ReviewList:
    """The suppressed events of a camera that are worth a look."""

    events: Sequence[ReviewEntry]

    def to_dict(self) -> dict[str, Any]:
        """Return the ``review`` as the contract writes it."""
        return {"events": [event.to_dict() for event in self.events]}


@dataclass(frozen=True, kw_only=True)
class FailedAnalysis:
    """Answer to `analyze` where there is no verdict."""

    error: str
    """Why there is none, and what to do."""

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as the contract writes it."""
        return {"error": self.error}
