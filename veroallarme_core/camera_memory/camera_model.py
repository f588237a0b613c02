"""What adaptation learned of one camera: how to weigh what is seen, and where to draw the line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.camera_memory.assessed_region import AssessedRegion
from veroallarme_core.camera_memory.region_bank import event_key
from veroallarme_core.camera_memory.state_file import Arrays, read_learned, write_state
from veroallarme_core.contract import Promise
from veroallarme_core.description import SKETCH_DIM, RegionEvidence

Floats = NDArray[np.float64]

FORMAT_VERSION = 2
FOLDS = 5
"""Heads of a camera; none judges an event that it was fitted to."""
QUANTILES = 101
CUES = ("unexplained", "deviation", "novelty", "quiet")
"""What the teacher weighs, each by its rank among the camera's own regions."""
_CUE_WEIGHTS = (2 / 7, 2 / 7, 2 / 7, 1 / 7)
OBJECT_WEIGHT = 0.5
"""Of the square root of what the detector says, beside the rank among what moved here."""
_STEEPNESS = 12.0  # of the score where it crosses the threshold, per rank


@dataclass(frozen=True, eq=False)
class CameraModel:
    """One camera's teacher, heads and threshold, as `adaptation` writes them."""

    encoder: str
    events: int
    """Events that it was learned from."""
    cue_quantiles: Floats
    """(4, QUANTILES): of `CUES` among the camera's regions."""
    teacher_quantiles: Floats
    """(QUANTILES,): of the mean rank."""
    heads: Floats
    """(FOLDS, SKETCH_DIM + 1): linear functions of the sketch; the last number is the constant."""
    head_quantiles: Floats
    """(FOLDS, QUANTILES): of what each head says of the camera's regions."""
    threshold: float
    """Rank in [0, 1] at which the score is 0.5."""
    promise: Promise | None
    """None where the recall that was asked for cannot be promised: the camera is learning."""
    detector: str = ""
    """What looked for objects while it was learned: another one's scores mean something else."""
    view: int = 0
    """Which of the camera's views it was learned from: how often it had been turned before."""
    lines: Mapping[float, float] = field(default_factory=dict)
    """By recall, the threshold that would have promised it; what is missing could not be."""

    def rank(self, regions: Sequence[AssessedRegion], event_id: str) -> Floats:
        """Return how high regions rank, (n,), from 0 to 1, among all that moved and as objects."""
        if not regions:
            return np.zeros(0)
        unusual = self.rank_here(regions, event_id)
        if not self.detector:
            return unusual
        likeness = np.array([region.likeness for region in regions])
        return np.asarray((unusual + OBJECT_WEIGHT * likeness) / (1.0 + OBJECT_WEIGHT))

    def rank_here(self, regions: Sequence[AssessedRegion], event_id: str) -> Floats:
        """Return how high regions rank among all that moved here, (n,), from 0 to 1."""
        teacher = ranks(self.teacher(regions), self.teacher_quantiles)
        return (teacher + self.student(regions, event_id)) / 2

    def teacher(self, regions: Sequence[AssessedRegion]) -> Floats:
        """Return the mean rank of the teacher's cues, (n,)."""
        return teacher_ranks(cue_values(regions), self.cue_quantiles)

    def student(self, regions: Sequence[RegionEvidence], event_id: str) -> Floats:
        """Return how high the head that was not fitted to the event ranks its regions, (n,)."""
        fold = fold_of(event_id)
        sketches = np.stack([region.sketch for region in regions]).astype(np.float64)
        head_outputs = sketches @ self.heads[fold, :-1] + self.heads[fold, -1]
        return ranks(head_outputs, self.head_quantiles[fold])

    def score(self, rank: Floats) -> Floats:
        """Return scores in (0, 1); at the calibrated threshold the score is 0.5."""
        return np.asarray(1.0 / (1.0 + np.exp(-_STEEPNESS * (rank - self.threshold))))

    def rank_at(self, score: float) -> float:
        """Return the rank that has a score, infinite where the score is 0 or 1."""
        if not 0.0 < score < 1.0:
            return math.inf if score >= 1.0 else -math.inf
        return self.threshold + math.log(score / (1.0 - score)) / _STEEPNESS

    def save(self, path: Path) -> None:
        """Write the model in one step.

        Raises:
            OSError: the file cannot be written.
        """
        facts: Mapping[str, Any] = {
            "encoder": self.encoder,
            "detector": self.detector,
            "events": self.events,
            "threshold": self.threshold,
            "view": self.view,
            "lines": sorted(self.lines.items()),
            "promise": None if self.promise is None else self.promise.to_dict(),
        }
        write_state(
            path,
            "camera model",
            FORMAT_VERSION,
            facts,
            {name: getattr(self, name) for name in _SHAPES},
        )

    @classmethod
    def load(cls, path: Path, encoder: str) -> CameraModel:
        """Read a model.

        Raises:
            FileNotFoundError: there is none.
            StateFileError: it is broken, of another version or of another encoder.
        """
        return read_learned(path, "camera model", FORMAT_VERSION, encoder, cls._restored)

    @classmethod
    def _restored(cls, facts: Mapping[str, Any], arrays: Arrays) -> CameraModel:
        found = {name: arrays[name].astype(np.float64) for name in _SHAPES}
        shapes = {name: array.shape for name, array in found.items()}
        if shapes != _SHAPES:
            raise ValueError(f"its arrays are {shapes}")
        promise, threshold = facts["promise"], float(facts["threshold"])
        if not math.isfinite(threshold):
            raise ValueError(f"the threshold is {threshold}")
        return cls(
            encoder=facts["encoder"],
            detector=str(facts["detector"]),
            events=int(facts["events"]),
            threshold=threshold,
            view=int(facts["view"]),
            # Earlier editions kept none.
            lines={float(recall): float(line) for recall, line in facts.get("lines", ())},
            promise=None if promise is None else Promise.from_dict(promise),
            **found,
        )


_SHAPES: dict[str, tuple[int, ...]] = {
    "cue_quantiles": (len(CUES), QUANTILES),
    "teacher_quantiles": (QUANTILES,),
    "heads": (FOLDS, SKETCH_DIM + 1),
    "head_quantiles": (FOLDS, QUANTILES),
}


def score_by_other_line(score: float, line: float, other_line: float) -> float:
    """Return the score in [0, 1] of what has `score` by one line, had the line lain elsewhere."""
    if not 0.0 < score < 1.0:
        return score
    rank = line + math.log(score / (1.0 - score)) / _STEEPNESS
    return 1.0 / (1.0 + math.exp(-_STEEPNESS * (rank - other_line)))


def fold_of(event_id: str) -> int:
    """Return the fold of an event: its head was not fitted to it."""
    return event_key(event_id) % FOLDS


def cue_values(regions: Sequence[AssessedRegion]) -> Floats:
    """Return what the teacher weighs, (n, 4)."""
    return np.array(
        [
            (region.unexplained, region.deviation, region.novelty, 1.0 - region.recurrence)
            for region in regions
        ],
        np.float64,
    ).reshape(-1, len(CUES))


def teacher_ranks(values: Floats, quantiles: Floats) -> Floats:
    """Return the weighted mean rank of each row of cues, (n,)."""
    rank_by_cue = [ranks(values[:, k], quantiles[k]) for k in range(len(CUES))]
    return np.asarray(np.average(rank_by_cue, axis=0, weights=_CUE_WEIGHTS))


def quantiles_of(values: Floats) -> Floats:
    """Return the quantiles that `ranks` looks values up in, (QUANTILES,)."""
    return np.quantile(values, np.linspace(0.0, 1.0, QUANTILES))


def ranks(values: Floats, quantiles: Floats) -> Floats:
    """Return which share of the camera's regions lies below each value, from 0 to 1."""
    # Where many regions share a value it takes the middle of their ranks.
    steps = np.linspace(0.0, 1.0, len(quantiles))
    below = np.interp(values, quantiles, steps)
    first = np.searchsorted(quantiles, values, side="left")
    last = np.searchsorted(quantiles, values, side="right")
    tied = last - first > 1
    middle = (steps[np.minimum(first, len(steps) - 1)] + steps[np.maximum(last - 1, 0)]) / 2
    return np.where(tied, middle, below)
