"""The totals of a camera, and how far it has been learned, as the contract writes them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, final

from .payload import (
    read_bool,
    read_count,
    read_enum,
    read_number,
    read_object,
    read_optional,
    read_optional_object,
    read_share,
    read_text,
)

MAX_DAYS = 36_500.0
PROMISE_SHARE = 0.95
"""Of what a promise needs; the rest is an adaptation that can keep it."""


class Outcome(StrEnum):
    """What became of an adaptation."""

    LEARNED = "learned"
    LEARNING = "learning"
    FAILED = "failed"


class LearningStage(StrEnum):
    """How far a camera has been learned, in a word."""

    LEARNED = "learned"
    NEEDS_EVENTS = "needs_events"
    NEEDS_TIMES = "needs_times"
    """Events enough, but too many of them at the same times."""
    NEEDS_LESSON = "needs_lesson"
    """Nothing is missing but an adaptation that can keep the promise."""
    OFF = "off"


@final
@dataclass(frozen=True, kw_only=True)
class Learning:
    """How far a camera has been learned."""

    learned: bool
    events_seen: int
    sessions_seen: int
    share: float
    missing: str
    events_needed: int | None
    """None where the worker does not tell."""
    sessions_needed: int | None
    days_left: float | None
    """Until these have come, at the pace of the last week; None where nobody can tell."""

    @property
    def whole_days_left(self) -> int | None:
        """The days to name: rather one too many than one too few."""
        return None if self.days_left is None else max(1, math.ceil(self.days_left))

    @property
    def lacks_events(self) -> bool:
        """Whether more has to move before anything can be promised."""
        return self.stage in (LearningStage.NEEDS_EVENTS, LearningStage.NEEDS_TIMES)

    @property
    def stage(self) -> LearningStage:
        """How far it is, in a word."""
        if self.learned:
            return LearningStage.LEARNED
        if self.events_needed == 0:
            return LearningStage.OFF
        if self.events_needed is None and self.share < PROMISE_SHARE:
            return LearningStage.NEEDS_EVENTS
        if self.events_seen < (self.events_needed or 0):
            return LearningStage.NEEDS_EVENTS
        if self.sessions_seen < (self.sessions_needed or 0):
            return LearningStage.NEEDS_TIMES
        return LearningStage.NEEDS_LESSON

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``learning``."""
        return cls(
            learned=read_bool(content, "learned"),
            events_seen=read_count(content, "events_seen"),
            sessions_seen=read_count(content, "sessions_seen"),
            share=read_share(content, "share"),
            missing=read_text(content, "missing"),
            events_needed=read_optional(read_count, content, "events_needed"),
            sessions_needed=read_optional(read_count, content, "sessions_needed"),
            days_left=read_optional(_read_days, content, "days_left"),
        )


def _read_days(content: Mapping[str, Any], name: str) -> float:
    return read_number(content, name, MAX_DAYS)


@final
@dataclass(frozen=True, kw_only=True)
class Promise:
    """The promise of recall and its evidence."""

    recall: float
    confidence: float
    synthetic: int
    confirmed: int
    since: str

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``promise``."""
        return cls(
            recall=read_share(content, "recall"),
            confidence=read_share(content, "confidence"),
            synthetic=read_count(content, "synthetic"),
            confirmed=read_count(content, "confirmed"),
            since=read_text(content, "since"),
        )


@final
@dataclass(frozen=True, kw_only=True)
class Stats:
    """Totals of a camera, which only grow, and what was learned."""

    events: int
    relevant: int
    suppressed: int
    unknown: int
    learning: Learning
    promise: Promise | None
    outcome: Outcome | None
    """Of the last adaptation."""
    notice: str | None

    @property
    def nuisance(self) -> int:
        """Events that were found irrelevant, whether or not they raised the alarm."""
        return max(0, self.events - self.relevant - self.unknown)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``stats``."""
        promise = read_optional_object(content, "promise")
        adaptation = read_optional_object(content, "adaptation")
        notice = read_optional_object(content, "notice")
        return cls(
            events=read_count(content, "events"),
            relevant=read_count(content, "relevant"),
            suppressed=read_count(content, "suppressed"),
            unknown=read_count(content, "unknown"),
            learning=Learning.from_json(read_object(content.get("learning"), "learning")),
            promise=None if promise is None else Promise.from_json(promise),
            outcome=None if adaptation is None else read_enum(Outcome, adaptation, "outcome"),
            notice=None if notice is None else read_text(notice, "message"),
        )
