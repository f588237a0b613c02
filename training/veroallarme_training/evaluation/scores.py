"""What a scorer says of an event, and the `scores.csv` in which `veroallarme score` writes it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veroallarme_core.contract import State
from veroallarme_core.files import atomic_text_file
from veroallarme_training.evaluation.cameras import Camera, EvaluationError, read_table

SCORES_COLUMNS = ("event_id", "state", "score", "reason", "regions")


@dataclass(frozen=True)
class ScoredRegion:
    """A box in pixels of the full frame with its score, higher is more relevant."""

    x: int
    y: int
    width: int
    height: int
    score: float


@dataclass(frozen=True)
class EventScore:
    """How relevant an event is: higher is more, 1.0 where nothing can be judged.

    `state` is what was decided; None of a scorer that only ranks.
    """

    event_id: str
    score: float
    state: State | None = None
    reason: str = ""
    regions: tuple[ScoredRegion, ...] = ()


class Scorer(Protocol):
    """A row of the ladder."""

    @property
    def name(self) -> str:
        """How the row is called in the table."""

    def score(self, camera: Camera) -> Iterable[EventScore]:
        """Score at least the events that are asked for, in any order."""


def write_scores(path: Path, scores: Sequence[EventScore]) -> None:
    """Write scores as `veroallarme score` does, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_text_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(SCORES_COLUMNS)
        for event in scores:
            regions = [
                {"x": r.x, "y": r.y, "width": r.width, "height": r.height}
                | {"relevance_score": r.score}
                for r in event.regions
            ]
            state = "" if event.state is None else event.state.value
            row = (event.event_id, state, event.score, event.reason, json.dumps(regions))
            writer.writerow(row)


def read_scores(path: Path) -> list[EventScore]:
    """Read scores as `veroallarme score` writes them; an empty `state` decides nothing.

    Raises:
        EvaluationError: the file cannot be read, or a row is wrong.
    """
    return [_event_score(row, where) for where, row in read_table(path, SCORES_COLUMNS)]


def _event_score(row: dict[str, str], where: str) -> EventScore:
    try:
        state = State(row["state"]) if row["state"] else None
    except ValueError:
        states = ", ".join(State)
        raise EvaluationError(f"{where}: the state {row['state']!r} is none of {states}.") from None
    try:
        score = float(row["score"])
        regions = tuple(
            ScoredRegion(
                int(region["x"]),
                int(region["y"]),
                int(region["width"]),
                int(region["height"]),
                float(region["relevance_score"]),
            )
            for region in json.loads(row["regions"] or "[]")
        )
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{where}: score must be a number and regions a JSON list of objects with x, y, width, "
            f"height and relevance_score ({error})."
        ) from None
    if not all(math.isfinite(value) for value in [score, *(region.score for region in regions)]):
        raise EvaluationError(f"{where}: a score is not finite.")
    return EventScore(row["event_id"], score, state, row["reason"], regions)


class ScoresFile:
    """Scores that were written before, by `veroallarme score` or by an earlier evaluation.

    Args:
        name: of the row.
        pattern: path of a file; `{camera}` and `{group}` in it stand for the names of a camera's
            folder and of the folder above.
    """

    def __init__(self, name: str, pattern: str) -> None:
        self.name = name
        self._pattern = pattern

    def score(self, camera: Camera) -> list[EventScore]:
        """Read the scores of a camera."""
        pattern = self._pattern.replace("{camera}", camera.folder.name)
        return read_scores(Path(pattern.replace("{group}", camera.group)))
