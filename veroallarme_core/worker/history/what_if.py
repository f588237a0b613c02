"""What the last events of a camera would have been under other settings, from what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from veroallarme_core.contract import (
    CameraSettings,
    Mode,
    ObjectKind,
    OnUnknown,
    State,
    raises_alarm,
)
from veroallarme_core.judgement import GENERAL_THRESHOLD
from veroallarme_core.worker.history.remembered import RememberedEvent

_ROUNDED = 5e-5
"""A stored score is rounded by so much: that close to a threshold it tells nothing."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Settings to try."""

    mode: Mode = Mode.AUTO
    threshold: float | None = None
    """None takes the calibrated one."""
    objects: tuple[ObjectKind, ...] = tuple(ObjectKind)
    recall: float | None = None
    """To promise; None leaves it as it was."""
    on_unknown: OnUnknown = OnUnknown.ALERT

    @classmethod
    def of(cls, settings: CameraSettings) -> Choice:
        """Return what a camera is set to."""
        return cls(
            mode=settings.mode,
            threshold=settings.threshold,
            objects=settings.objects,
            on_unknown=settings.on_unknown,
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What other settings would have done to the last events."""

    events: int
    alarms_then: int
    """Events that raised the alarm."""
    alarms: int
    """Events that would have raised it, those of `not_known` among them."""
    not_known: int
    """Events of which nobody can tell without judging anew; they count as alerting."""
    confirmed: int
    """Events that the user called relevant."""
    missed: int
    """Those of `confirmed` that would have raised no alarm."""
    rejected: int
    """Events that the user called false alarms."""
    still_ringing: int
    """Those of `rejected` that would have raised the alarm."""
    lost: tuple[RememberedEvent, ...] = ()
    """The missed, newest first, ten at most."""

    @property
    def suppressed(self) -> int:
        """Events that would have raised no alarm."""
        return self.events - self.alarms


def state_under(event: RememberedEvent, choice: Choice) -> State | None:
    """Return what an event would have been; None where that is not known."""
    threshold = GENERAL_THRESHOLD if choice.threshold is None else choice.threshold
    if event.outcomes is not None:
        return event.outcomes.state(threshold=threshold, kinds=choice.objects, recall=choice.recall)
    # Of what was judged before other outcomes were kept the verdict tells what follows from it.
    if choice.recall is not None or set(choice.objects) != set(ObjectKind) or event.names_kinds:
        return None
    if event.state is State.UNKNOWN:
        return State.UNKNOWN if threshold >= event.threshold else None
    if event.score is None:
        return None
    if abs(threshold - event.threshold) < _ROUNDED:
        return event.state
    if threshold <= event.score - _ROUNDED:
        return State.RELEVANT
    if event.state is State.IRRELEVANT and threshold >= event.score + _ROUNDED:
        return State.IRRELEVANT
    return None


def would_alarm(event: RememberedEvent, choice: Choice) -> bool | None:
    """Tell whether an event would have raised the alarm; None where that is not known."""
    settings = CameraSettings(mode=choice.mode, on_unknown=choice.on_unknown)
    states = [state] if (state := state_under(event, choice)) is not None else list(State)
    answers = {raises_alarm(settings, one, learning=event.learning) for one in states}
    return answers.pop() if len(answers) == 1 else None


def answer(events: Sequence[RememberedEvent], choice: Choice) -> Answer:
    """Return what some settings would have done to events, given newest first."""
    alarms = [(event, would_alarm(event, choice)) for event in events]
    missed = [event for event, rings in alarms if rings is False and event.thumb is True]
    return Answer(
        events=len(events),
        alarms_then=sum(event.was_alarm for event in events),
        alarms=sum(rings is not False for _, rings in alarms),
        not_known=sum(rings is None for _, rings in alarms),
        confirmed=sum(event.thumb is True for event in events),
        missed=len(missed),
        rejected=sum(event.thumb is False for event in events),
        still_ringing=sum(rings is not False for event, rings in alarms if event.thumb is False),
        lost=tuple(missed[:10]),
    )


def recalls_known(events: Iterable[RememberedEvent]) -> dict[float, int]:
    """Return by recall of how many events it is known what it would have done."""
    counts: dict[float, int] = {}
    for event in events:
        known = {} if event.outcomes is None else event.outcomes.lines
        for recall in known:
            counts[recall] = counts.get(recall, 0) + 1
    return dict(sorted(counts.items()))
