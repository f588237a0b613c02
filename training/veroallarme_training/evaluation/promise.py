"""Does a threshold that promises a recall keep it? The calibration, run again and again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class KeptPromise:
    """How often a promised recall was kept over resamples.

    `kept` is the share of resamples whose threshold keeps the promise on all positives, which
    stand for the camera: nothing but the calibration sample is left to chance. `kept_on_rest` is
    the share on the positives that were not drawn. These are few, so even a true recall above the
    promise is missed on them now and then: `expected_on_rest` is the share that a valid
    calibration reaches there (the misses follow a beta-binomial distribution).
    """

    kept: float
    kept_on_rest: float
    expected_on_rest: float
    rank: int
    """The threshold is the score of this rank among the positives drawn, from the lowest."""


def calibration_rank(count: int, alpha: float) -> int:
    """Return the largest k with P(Bin(count, alpha) >= k) >= 0.95; 0 where there is none.

    With the k-th smallest of `count` scores of positives as the threshold, at most the share
    `alpha` of all positives falls below it, with 95 % confidence.
    """
    rank, below, term = 0, 0.0, (1.0 - alpha) ** count
    while 1.0 - (below + term) >= CONFIDENCE:
        below += term
        rank += 1
        term *= (count - rank + 1) / rank * alpha / (1.0 - alpha)
    return rank


def kept_promise(
    positive_scores: ArrayLike, alpha: float, resamples: int, rng: np.random.Generator
) -> KeptPromise | None:
    """Calibrate on random halves of like positives, and count how often the promise holds.

    Args:
        positive_scores: (N,) scores of relevant events that the calibration may count as alike.
        alpha: share of relevant events that may be missed.

    Returns:
        None where half of the positives are too few for any threshold: the camera would go on
        learning.
    """
    scores = np.sort(np.asarray(positive_scores, np.float64))
    half = len(scores) // 2
    rank = calibration_rank(half, alpha)
    if rank == 0:
        return None
    kept = on_rest = 0
    for _ in range(resamples):
        # With replacement: the half is then a sample of a camera that has these scores.
        threshold = np.sort(rng.choice(scores, half))[rank - 1]
        kept += bool((scores < threshold).sum() <= alpha * len(scores) + 1e-9)
        drawn = rng.permutation(len(scores))
        threshold = np.sort(scores[drawn[:half]])[rank - 1]
        rest = scores[drawn[half:]]
        on_rest += bool((rest < threshold).sum() <= alpha * len(rest) + 1e-9)
    return KeptPromise(
        kept / resamples,
        on_rest / resamples,
        _expected_on_rest(half, len(scores) - half, rank, alpha),
        rank,
    )


def recalls_elsewhere(
    positive_scores: ArrayLike,
    other_scores: ArrayLike,
    alpha: float,
    resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """Calibrate on resamples of some positives, and return the recall of others, (resamples,).

    None where the positives are too few for any threshold.
    """
    scores, others = np.asarray(positive_scores, np.float64), np.asarray(other_scores, np.float64)
    rank = calibration_rank(len(scores), alpha)
    if rank == 0 or not len(others):
        return None
    thresholds = np.sort(rng.choice(scores, (resamples, len(scores))), axis=1)[:, rank - 1]
    return np.asarray((others >= thresholds[:, None]).mean(axis=1))


def _expected_on_rest(half: int, rest: int, rank: int, alpha: float) -> float:
    """Return P(misses <= alpha * rest): the true miss rate is Beta(rank, half - rank + 1)."""
    a, b = rank, half - rank + 1

    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    return sum(
        math.comb(rest, misses) * math.exp(log_beta(misses + a, rest - misses + b) - log_beta(a, b))
        for misses in range(math.floor(alpha * rest + 1e-9) + 1)
    )
