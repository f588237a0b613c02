"""Runs the rows of the ladder over cameras and measures each against the labels."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from tqdm import tqdm

from veroallarme_core.contract import State
from veroallarme_training.evaluation.cameras import Camera, EvaluationError, LabelledCamera
from veroallarme_training.evaluation.intruders import Trial, intruder_figures
from veroallarme_training.evaluation.measures import (
    Figure,
    mean_figure,
    mean_of_draws,
    overlap,
    ranking_figures,
    share_figure,
    threshold_at,
)
from veroallarme_training.evaluation.product import Cost, Product
from veroallarme_training.evaluation.promise import kept_promise
from veroallarme_training.evaluation.scores import EventScore, Scorer, write_scores

SAME_PLACE = 0.5
"""A labelled box takes the best score of the regions that share so much of the smaller area."""

RANKING_RECALL = 0.99
"""Where a row decides nothing, its causes are counted at this recall."""

MIN_LEFT = 20
"""Thumbs leave at least so many labelled events to evaluate on."""

CORRUPT = "corrupt"
"""The cause of events in which nothing but corrupt frames moved, in the labels file."""

_SHARES = ("state_suppressed", "state_missed", "corrupt_suppressed", "corrupt_kept")


class Taught(Protocol):
    """Something that becomes a scorer once a user has given thumbs."""

    @property
    def name(self) -> str:
        """How the row is called, without the thumbs."""

    def taught(self, thumbs: Mapping[str, bool]) -> Scorer:
        """Learn that these events are relevant (True) or not (False)."""


@runtime_checkable
class Learning(Protocol):
    """Something that learns a camera before it scores it."""

    def learn(self, camera: Camera) -> None:
        """Learn the camera, if that is not done yet."""


@dataclass(frozen=True)
class WithThumbs:
    """A row that learns from thumbs: drawn `draws` times, evaluated on the other events."""

    learner: Taught
    count: int
    draws: int = 3

    @property
    def name(self) -> str:
        """How the row is called in the table."""
        return f"{self.learner.name} + {self.count} thumbs"


Row: TypeAlias = Scorer | WithThumbs


@dataclass(frozen=True)
class LeaveOneCameraOut:
    """A row that is fitted on the labels of all other cameras, for each camera anew."""

    name: str
    fit: Callable[[Sequence[LabelledCamera]], Scorer]
    cameras: Sequence[LabelledCamera]

    def score(self, camera: Camera) -> Iterable[EventScore]:
        """Fit on the others and score this one.

        Raises:
            EvaluationError: there is no other camera.
        """
        others = [labelled for labelled in self.cameras if labelled.camera.folder != camera.folder]
        if not others:
            raise EvaluationError(f"{self.name} is fitted on other cameras: give at least two.")
        return self.fit(others).score(camera)


@dataclass
class CauseCount:
    """How many events of one cause there are, and how many of them were suppressed."""

    events: int = 0
    ranking: int = 0
    """At 99 % recall."""
    state: int | None = None
    """As decided; None of a row that decides nothing."""


@dataclass(frozen=True, eq=False)
class CameraResult:
    """A row on a camera; of several draws of thumbs the scores and causes are the first one's."""

    camera: str
    figures: Mapping[str, Figure]
    scores: Sequence[EventScore]
    causes: Mapping[tuple[bool, str], CauseCount]
    positives: Sequence[float]
    """Scores of the relevant events."""
    seconds: float
    """Per event that was asked for."""
    trials: Sequence[Trial] = ()
    """Intruders that appeared on the camera after the product had learned it."""


@dataclass(frozen=True, eq=False)
class RowResult:
    """A row on all cameras, and over the cameras of each group."""

    row: Row
    cameras: Mapping[str, CameraResult]
    means: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    """By group, the mean over its cameras; only of groups of several cameras."""
    totals: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    """By group, shares of all its events together; decisions only, for ranks of different cameras
    do not compare."""

    @property
    def name(self) -> str:
        """How the row is called in the table."""
        return self.row.name


def evaluate_row(
    row: Row,
    cameras: Sequence[LabelledCamera],
    *,
    resamples: int,
    seed: int,
    scores_dir: Path | None = None,
) -> RowResult:
    """Score every camera by one row and measure it.

    Args:
        row: a scorer, or one that learns from thumbs.
        cameras: with their labels, which reach the row only as thumbs.
        resamples: of the bootstrap.
        seed: the same seed gives the same thumbs and the same intervals.
        scores_dir: where the scores are written, `<row>/<group>_<camera>.csv`; None writes none.

    Raises:
        TrainingError: the row cannot be computed.
    """
    results = {}
    for labelled in tqdm(cameras, desc=row.name, disable=None, leave=False):
        # By name, not by order: a camera more or less changes nothing for the others.
        rng = np.random.default_rng([seed, *labelled.camera.name.encode()])
        result = _evaluate_camera(row, labelled, rng, resamples)
        if result is None:
            continue
        results[labelled.camera.name] = result
        if scores_dir is not None:
            file = f"{labelled.camera.name.replace('/', '_')}.csv"
            write_scores(scores_dir / row.name.replace(" ", "_") / file, result.scores)
    rng = np.random.default_rng(seed)
    groups = Counter(
        labelled.camera.group for labelled in cameras if labelled.camera.name in results
    )
    several = [group for group, count in groups.items() if count > 1]
    own = {
        group: [result for name, result in results.items() if name.rpartition("/")[0] == group]
        for group in several
    }
    return RowResult(
        row,
        results,
        {group: _means(own[group], rng) for group in several},
        {group: _totals(own[group], rng, resamples) for group in several},
    )


def _evaluate_camera(
    row: Row, labelled: LabelledCamera, rng: np.random.Generator, resamples: int
) -> CameraResult | None:
    draws = []
    trials: Sequence[Trial] = ()
    for thumbs in _drawn_thumbs(row, labelled, rng):
        scorer = row.learner.taught(thumbs) if isinstance(row, WithThumbs) else row
        if isinstance(scorer, Learning):
            scorer.learn(labelled.camera)  # not a part of the time per event
        started = time.perf_counter()
        all_scores = list(scorer.score(labelled.camera))
        scores = _checked(all_scores, labelled.camera, row.name)
        seconds = (time.perf_counter() - started) / len(scores)
        others = [score for score in scores if score.event_id not in thumbs]
        figures = measure(labelled, others, rng, resamples)
        if isinstance(scorer, Product):
            trials = scorer.try_intruders(labelled.camera, all_scores)
            figures |= intruder_figures(trials, rng, resamples)
            figures |= promise_figures(trials, rng, resamples)
            figures |= cost_figures(scorer.costs.get(labelled.camera.name, []))
        draws.append((others, seconds, figures))
    if not draws:
        return None
    scores, seconds, _ = draws[0]
    return CameraResult(
        labelled.camera.name,
        mean_of_draws([figures for _, _, figures in draws]),
        scores,
        count_causes(labelled, scores),
        [score.score for score in scores if labelled.labels[score.event_id].relevant],
        seconds,
        trials,
    )


def _drawn_thumbs(
    row: Row, labelled: LabelledCamera, rng: np.random.Generator
) -> list[dict[str, bool]]:
    """Return the thumbs of every draw; a single empty draw for a row that learns from none."""
    if not isinstance(row, WithThumbs):
        return [{}]
    drawn = [draw_thumbs(labelled, row.count, rng) for _ in range(row.draws)]
    return [thumbs for thumbs in drawn if thumbs is not None]


def draw_thumbs(
    labelled: LabelledCamera, count: int, rng: np.random.Generator
) -> dict[str, bool] | None:
    """Draw the events that a user gave thumbs, True for relevant.

    They are drawn at random from the earlier half of the labelled events, or from the first
    `count` where that half has fewer: a user answers to alarms as they come, before the later
    ones. None where fewer than `MIN_LEFT` events would be left.
    """
    ordered = sorted(labelled.labels)
    if count > len(ordered) - MIN_LEFT:
        return None
    early = ordered[: max(count, len(ordered) // 2)]
    drawn = rng.choice(len(early), count, replace=False)
    return {early[number]: labelled.labels[early[number]].relevant for number in sorted(drawn)}


def _checked(scores: Iterable[EventScore], camera: Camera, row: str) -> list[EventScore]:
    """Return the scores that were asked for, in order of time."""
    by_id = {score.event_id: score for score in scores}
    missing = sorted(camera.asked - by_id.keys())
    if missing:
        raise EvaluationError(
            f"The row {row} has no score for {len(missing)} of the {len(camera.asked)} labelled "
            f"events of {camera.name}, such as {missing[0]}."
        )
    return [by_id[event_id] for event_id in sorted(camera.asked)]


# --- measures of one camera ----------------------------------------------------------------------


def measure(
    labelled: LabelledCamera,
    scores: Sequence[EventScore],
    rng: np.random.Generator,
    resamples: int,
) -> dict[str, Figure]:
    """Measure the scores of a camera's events, which come in order of time.

    Names of figures: those of `ranking_measures`; `state_suppressed` (of the irrelevant events)
    and `state_missed` (of the relevant ones) by what was decided; these with `later_` for the
    later half of the events; `region_auc` and `region_average_precision`; `corrupt_suppressed` (of
    the events in which nothing but corrupt frames moved) and `corrupt_kept` (of the relevant ones
    with damaged frames), as decided, or at 99 % recall where nothing is decided.
    """
    figures = _event_figures(labelled, scores, rng, resamples)
    middle = sorted(labelled.labels)[len(labelled.labels) // 2]
    late = [score for score in scores if score.event_id >= middle]
    later = _event_figures(labelled, late, rng, resamples)
    figures |= {f"later_{name}": figure for name, figure in later.items()}
    figures |= _region_figures(labelled, scores, rng, resamples)
    suppressed = _suppressed(labelled, scores)
    corrupt = [
        hit
        for score, hit in zip(scores, suppressed, strict=True)
        if labelled.labels[score.event_id].cause == CORRUPT
        and not labelled.labels[score.event_id].relevant
    ]
    movers = labelled.damaged_movers
    kept = [
        not hit for score, hit in zip(scores, suppressed, strict=True) if score.event_id in movers
    ]
    return figures | _defined(
        corrupt_suppressed=share_figure(corrupt, rng, resamples),
        corrupt_kept=share_figure(kept, rng, resamples),
    )


def _defined(**figures: Figure | None) -> dict[str, Figure]:
    return {name: figure for name, figure in figures.items() if figure is not None}


def _event_figures(
    labelled: LabelledCamera,
    scores: Sequence[EventScore],
    rng: np.random.Generator,
    resamples: int,
) -> dict[str, Figure]:
    relevant = np.array([labelled.labels[score.event_id].relevant for score in scores], bool)
    figures = ranking_figures([score.score for score in scores], relevant, rng, resamples)
    if any(score.state is None for score in scores):
        return figures
    suppressed = np.array([score.state is State.IRRELEVANT for score in scores], bool)
    return figures | _defined(
        state_suppressed=share_figure(suppressed[~relevant], rng, resamples),
        state_missed=share_figure(suppressed[relevant], rng, resamples),
    )


def _region_figures(
    labelled: LabelledCamera,
    scores: Sequence[EventScore],
    rng: np.random.Generator,
    resamples: int,
) -> dict[str, Figure]:
    """Measure how the labelled boxes rank; one that no region covers scores below all others."""
    values, truth, units = [], [], []
    for number, score in enumerate(scores):
        for box, relevant in labelled.boxes.get(score.event_id, ()):
            at_place = [
                region.score
                for region in score.regions
                if overlap(box, (region.x, region.y, region.width, region.height)) >= SAME_PLACE
            ]
            values.append(max(at_place, default=-math.inf))
            truth.append(relevant)
            units.append(number)
    if not any(math.isfinite(value) for value in values):
        return {}
    figures = ranking_figures(values, truth, rng, resamples, units)
    return {f"region_{k}": figures[k] for k in ("auc", "average_precision") if k in figures}


def _suppressed(labelled: LabelledCamera, scores: Sequence[EventScore]) -> list[bool]:
    """Tell which events were suppressed: as decided, else at `RANKING_RECALL`."""
    if all(score.state is not None for score in scores):
        return [score.state is State.IRRELEVANT for score in scores]
    return _below_recall(labelled, scores)


def _below_recall(labelled: LabelledCamera, scores: Sequence[EventScore]) -> list[bool]:
    relevant = [labelled.labels[score.event_id].relevant for score in scores]
    if not any(relevant):
        return [False] * len(scores)
    threshold = threshold_at([score.score for score in scores], relevant, RANKING_RECALL)
    return [score.score < threshold for score in scores]


def count_causes(
    labelled: LabelledCamera, scores: Sequence[EventScore]
) -> dict[tuple[bool, str], CauseCount]:
    """Count the suppressed events by label and cause."""
    decides = all(score.state is not None for score in scores)
    counts: dict[tuple[bool, str], CauseCount] = {}
    for score, below in zip(scores, _below_recall(labelled, scores), strict=True):
        label = labelled.labels[score.event_id]
        count = counts.setdefault((label.relevant, label.cause), CauseCount())
        count.events += 1
        count.ranking += below
        if decides:
            count.state = (count.state or 0) + (score.state is State.IRRELEVANT)
    return counts


def promise_figures(
    trials: Sequence[Trial], rng: np.random.Generator, resamples: int
) -> dict[str, Figure]:
    """Return `promise_kept`, the share of resamples that keep a recall of 99 % of intruders."""
    scores = [trial.score for trial in trials if trial.is_seen]
    promise = kept_promise(scores, 1.0 - RANKING_RECALL, resamples, rng)
    return {} if promise is None else {"promise_kept": _plain(promise.kept, len(scores))}


def cost_figures(costs: Sequence[Cost]) -> dict[str, Figure]:
    """Return what the latest adaptation took, `adapt_s` and `adapt_mb`; its count is of events."""
    if not costs:
        return {}
    last = costs[-1]
    return {
        "adapt_s": _plain(last.seconds, last.events),
        "adapt_mb": _plain(last.peak_mb, last.events),
    }


def _plain(value: float, count: int) -> Figure:
    """Return a figure whose chance is unknown."""
    return Figure(value, np.array([value]), count)


# --- over several cameras ------------------------------------------------------------------------


def _means(results: Sequence[CameraResult], rng: np.random.Generator) -> dict[str, Figure]:
    names = sorted(set[str]().union(*(result.figures for result in results)))
    figures = {
        name: [result.figures[name] for result in results if name in result.figures]
        for name in names
    }
    return {name: mean_figure(values, rng) for name, values in figures.items() if len(values) > 1}


def _totals(
    results: Sequence[CameraResult], rng: np.random.Generator, resamples: int
) -> dict[str, Figure]:
    totals = {}
    for name in _SHARES:
        figures = [result.figures[name] for result in results if name in result.figures]
        count = sum(figure.count for figure in figures)
        hits = round(sum(figure.value * figure.count for figure in figures))
        total = share_figure(np.arange(count) < hits, rng, resamples)
        if total is not None and len(figures) > 1:
            totals[name] = total
    return totals
