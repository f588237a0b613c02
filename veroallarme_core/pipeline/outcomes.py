"""What an event would be under other settings: kept beside its verdict, told without judging anew.

Everything follows from one judgement at the highest threshold there is. What alerts even there
alerts at every threshold; of the rest the largest score is the line, and the state at the highest
threshold is what lies beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from veroallarme_core.camera_memory import score_by_other_line
from veroallarme_core.contract import ObjectKind, State

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an event is where some kinds of objects count, at every threshold."""

    kinds: frozenset[ObjectKind]
    always: bool = False
    """Whether it alerts at every threshold."""
    ranked: float | None = None
    """Largest score in [0, 1] that the camera's own model gave; None where it gave none."""
    fixed: float | None = None
    """Largest score in [0, 1] of what no model ranked; None where there is none."""
    beyond: State = State.IRRELEVANT
    """What it is at a threshold above its scores."""

    def state(self, threshold: float, line: float | None, other_line: float | None) -> State:
        """Return what it is.

        Args:
            threshold: score in [0, 1] from which a region is relevant.
            line: rank at which the model's score was 0.5; None where no model judged.
            other_line: rank at which it is to be 0.5.
        """
        if self.always:
            return State.RELEVANT
        scores = [] if self.fixed is None else [self.fixed]
        if self.ranked is not None:
            moved = line is not None and other_line is not None and other_line != line
            scores.append(
                score_by_other_line(self.ranked, line, other_line)
                if moved and line is not None and other_line is not None
                else self.ranked
            )
        return State.RELEVANT if scores and max(scores) >= threshold else self.beyond

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-serialisable values."""
        return {
            "kinds": sorted(self.kinds),
            "always": self.always,
            "ranked": self.ranked,
            "fixed": self.fixed,
            "beyond": self.beyond.value,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Outcome:
        """Read what `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: it holds something else.
        """
        return cls(
            kinds=frozenset(map(ObjectKind, content["kinds"])),
            always=bool(content["always"]),
            ranked=_number(content["ranked"]),
            fixed=_number(content["fixed"]),
            beyond=State(content["beyond"]),
        )


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What an event would be, for each choice of kinds that was looked into."""

    chosen: frozenset[ObjectKind]
    """Kinds that counted when it was judged."""
    outcomes: Mapping[frozenset[ObjectKind], Outcome] = field(default_factory=dict)
    line: float | None = None
    """Rank at which the model's score was 0.5; None where no model judged."""
    recall: float | None = None
    """That the model promised."""
    lines: Mapping[float, float] = field(default_factory=dict)
    """By recall, where the line of the same model would have been; what is missing could not be
    promised."""

    def state(
        self,
        *,
        threshold: float,
        kinds: Iterable[ObjectKind],
        recall: float | None = None,
    ) -> State | None:
        """Return what the event would have been; None where that is not known.

        Args:
            threshold: score in [0, 1] from which a region is relevant.
            kinds: that count.
            recall: to promise; None leaves the model's own.
        """
        outcome = self.outcomes.get(frozenset(kinds))
        if outcome is None:
            return None
        if outcome.always:
            return State.RELEVANT
        if recall is None or recall == self.recall:
            return outcome.state(threshold, self.line, self.line)
        other_line = self.lines.get(recall)
        if self.line is None or other_line is None:
            # Without a promise no model would have judged, and nobody has looked what then.
            return None
        return outcome.state(threshold, self.line, other_line)

    def doubted(self) -> Outcomes:
        """Return them for pictures that cannot prove nuisance, whatever they show."""
        return replace(
            self,
            outcomes={
                kinds: replace(outcome, beyond=State.UNKNOWN)
                for kinds, outcome in self.outcomes.items()
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """Return them as JSON-serialisable values."""
        return {
            "version": VERSION,
            "chosen": sorted(self.chosen),
            "outcomes": [outcome.to_dict() for outcome in self.outcomes.values()],
            "line": self.line,
            "recall": self.recall,
            "lines": sorted(self.lines.items()),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Outcomes:
        """Read what `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: it holds something else, or another version wrote it.
        """
        if content["version"] != VERSION:
            raise ValueError(f"outcomes of version {content['version']}")
        outcomes = [Outcome.from_dict(item) for item in content["outcomes"]]
        return cls(
            chosen=frozenset(map(ObjectKind, content["chosen"])),
            outcomes={outcome.kinds: outcome for outcome in outcomes},
            line=_number(content["line"]),
            recall=_number(content["recall"]),
            lines={float(recall): float(line) for recall, line in content["lines"]},
        )


def choices_of_kinds(chosen: Iterable[ObjectKind]) -> Sequence[frozenset[ObjectKind]]:
    """Return every choice of kinds that may count, the one that does first, then the widest."""
    first = frozenset(chosen)
    kinds = tuple(ObjectKind)
    choices = [
        frozenset(kind for bit, kind in enumerate(kinds) if number >> bit & 1)
        for number in range(1, 1 << len(kinds))
    ]
    choices.sort(key=lambda choice: (choice != first, -len(choice), sorted(choice)))
    return choices


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no score")
    return number
