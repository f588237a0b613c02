"""Measures of a ranking and of decisions, with bootstrap samples behind every figure.

Every measure is computed at once for many weightings of the events: weights of one give the figure
itself, weights drawn at random give its bootstrap samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RECALLS = (0.95, 0.98, 0.99)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Figure:
    """A value with samples of what it might have been, float64 (resamples,)."""

    value: float
    samples: Floats
    count: int
    """Events, or regions, that the value stands on."""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval; it holds the value even where that is 0 or 1."""
        low, high = np.percentile(self.samples, [2.5, 97.5])
        return min(float(low), self.value), max(float(high), self.value)


def ranking_measures(
    scores: ArrayLike, relevant: ArrayLike, weights: ArrayLike | None = None
) -> dict[str, Floats]:
    """Measure how well scores rank relevant events above irrelevant ones.

    `auc`, ties count half; `average_precision`, as scikit-learn defines it; and for each of
    `RECALLS` `suppressed_95` ...: the share of irrelevant events below the largest threshold that
    keeps at least this share of the relevant ones.

    Args:
        scores: float (N,), higher is more relevant.
        relevant: bool (N,), with at least one of each.
        weights: (B, N), how often each event counts; None counts all of them once.

    Returns:
        float64 (B,) each, NaN where no relevant or no irrelevant event has a weight.
    """
    truth = np.asarray(relevant, bool)
    weight = np.ones((1, len(truth))) if weights is None else np.asarray(weights, np.float64)
    kept_relevant, kept_irrelevant = _kept(np.asarray(scores, np.float64), truth, weight)
    # (B, U) each, by threshold from the highest score to the lowest
    positives, negatives = kept_relevant[:, -1], kept_irrelevant[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = kept_relevant / positives[:, None]
        false_rate = kept_irrelevant / negatives[:, None]
        precision = kept_relevant / (kept_relevant + kept_irrelevant)
    gained = np.diff(recall, axis=1, prepend=0.0)
    alarmed = np.diff(false_rate, axis=1, prepend=0.0)
    measures = {
        "auc": (alarmed * (recall - gained / 2)).sum(axis=1),
        "average_precision": (gained * np.nan_to_num(precision)).sum(axis=1),
    }
    for share in RECALLS:
        measures[f"suppressed_{share * 100:.0f}"] = suppressed_at(recall, false_rate, share)
    undefined = (positives == 0) | (negatives == 0)
    return {name: np.where(undefined, np.nan, values) for name, values in measures.items()}


def _kept(scores: Floats, truth: NDArray[np.bool_], weight: Floats) -> tuple[Floats, Floats]:
    """Return the weight (B, U) of relevant and irrelevant events at each of the U thresholds."""
    values, place = np.unique(-scores, return_inverse=True)
    order = np.argsort(place, kind="stable")
    last = np.cumsum(np.bincount(place, minlength=len(values))) - 1  # (U,): of each threshold
    relevant, irrelevant = (
        np.cumsum((weight * side)[:, order], axis=1)[:, last]  # (B, N) -> (B, U)
        for side in (truth, ~truth)
    )
    return relevant, irrelevant


def suppressed_at(recall: Floats, false_rate: Floats, share: float) -> Floats:
    """Return 1 - false rate at the first threshold with at least this recall; inputs (B, U)."""
    first = (recall >= share - 1e-9).argmax(axis=1)
    return np.asarray(1.0 - np.take_along_axis(false_rate, first[:, None], axis=1)[:, 0])


def threshold_at(scores: ArrayLike, relevant: ArrayLike, share: float) -> float:
    """Return the largest threshold that keeps at least this share of the relevant events."""
    positives = np.sort(np.asarray(scores, np.float64)[np.asarray(relevant, bool)])
    return float(positives[math.floor((1.0 - share) * len(positives) + 1e-9)])


def curve(scores: ArrayLike, relevant: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return recall, precision and suppressed share at every threshold, (U,) each."""
    truth = np.asarray(relevant, bool)
    weight = np.ones((1, len(truth)))
    hits, alarms = (k[0] for k in _kept(np.asarray(scores, np.float64), truth, weight))
    return hits / hits[-1], hits / (hits + alarms), 1.0 - alarms / alarms[-1]


def ranking_figures(
    scores: ArrayLike,
    relevant: ArrayLike,
    rng: np.random.Generator,
    resamples: int,
    units: ArrayLike | None = None,
) -> dict[str, Figure]:
    """Measure a ranking with its bootstrap; empty where one of the labels is missing.

    Events are drawn with replacement, relevant and irrelevant ones apart, so that their numbers
    stay. Where several scores belong to one event (regions), `units` int (N,) names the event of
    each, and whole events are drawn.
    """
    truth = np.asarray(relevant, bool)
    if truth.all() or not truth.any():
        return {}
    if units is None:
        weights = np.zeros((resamples, len(truth)))
        for label in (True, False):
            count = int((truth == label).sum())
            drawn = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
            weights[:, truth == label] = drawn
    else:
        _, unit = np.unique(np.asarray(units), return_inverse=True)
        count = int(unit.max()) + 1
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
        weights = drawn[:, unit].astype(np.float64)
    values = ranking_measures(scores, truth)
    samples = ranking_measures(scores, truth, weights)
    return {
        name: Figure(float(values[name][0]), _defined(samples[name], values[name][0]), len(truth))
        for name in values
    }


def _defined(samples: Floats, value: float) -> Floats:
    """Put the value itself where a resample holds one label only."""
    return np.where(np.isnan(samples), value, samples)


def share_figure(hits: ArrayLike, rng: np.random.Generator, resamples: int) -> Figure | None:
    """Return the share of True in bool (N,), None for N = 0.

    The samples are drawn from Jeffreys' posterior: a bootstrap of no miss in fifty events would
    never show one, and its interval would promise what fifty events cannot.
    """
    values = np.asarray(hits, bool)
    if not values.size:
        return None
    count = int(values.sum())
    samples = rng.beta(count + 0.5, values.size - count + 0.5, size=resamples)
    return Figure(float(values.mean()), samples, values.size)


def mean_figure(figures: Sequence[Figure], rng: np.random.Generator) -> Figure:
    """Return the mean over cameras; a resample draws the cameras, then one sample of each."""
    size = max(len(figure.samples) for figure in figures)
    stacked = np.stack([np.resize(figure.samples, size) for figure in figures])  # (cameras, B)
    cameras, resamples = stacked.shape
    drawn = rng.integers(cameras, size=(cameras, resamples))
    samples = stacked[drawn, rng.integers(resamples, size=(cameras, resamples))].mean(axis=0)
    value = float(np.mean([figure.value for figure in figures]))
    return Figure(value, samples, sum(figure.count for figure in figures))


def mean_of_draws(draws: Sequence[Mapping[str, Figure]]) -> dict[str, Figure]:
    """Return the mean over random draws of one experiment; its samples are those of all."""
    names = set[str]().union(*draws)
    mean = {}
    for name in names:
        figures = [draw[name] for draw in draws if name in draw]
        samples = np.stack([figure.samples for figure in figures])  # (draws, B)
        # Every draw gives its part: the interval holds the chance of the draw as well.
        mixed = samples[np.arange(samples.shape[1]) % len(figures), np.arange(samples.shape[1])]
        value = float(np.mean([figure.value for figure in figures]))
        mean[name] = Figure(value, mixed, max(figure.count for figure in figures))
    return mean


def overlap(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Return the shared area of two boxes (x, y, width, height) over the smaller one's area."""
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    smaller = min(box[2] * box[3], other[2] * other[3])
    return max(width, 0) * max(height, 0) / smaller if smaller > 0 else 0.0
