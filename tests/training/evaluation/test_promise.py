"""The calibration's promise against exact probabilities."""

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.evaluation.promise import (
    calibration_rank,
    kept_promise,
    recalls_elsewhere,
)


def at_least(k: int, count: int, alpha: float) -> float:
    """Return P(Bin(count, alpha) >= k)."""
    return sum(
        math.comb(count, n) * alpha**n * (1 - alpha) ** (count - n) for n in range(k, count + 1)
    )


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("count", [1, 13, 14, 58, 59, 298, 299, 473, 500])
def test_the_rank_is_the_largest_that_the_binomial_allows(count, alpha):
    rank = calibration_rank(count, alpha)
    assert rank == 0 or at_least(rank, count, alpha) >= 0.95
    assert at_least(rank + 1, count, alpha) < 0.95


def test_one_percent_needs_299_positives():
    assert (calibration_rank(298, 0.01), calibration_rank(299, 0.01)) == (0, 1)


def test_the_promise_is_kept_as_often_as_it_says():
    scores = np.random.default_rng(1).random(400)
    promise = kept_promise(scores, 0.05, 1500, np.random.default_rng(0))
    assert promise is not None
    assert promise.kept >= 0.94
    assert promise.kept_on_rest == pytest.approx(promise.expected_on_rest, abs=0.03)
    # Few positives to count on: a true promise looks broken now and then.
    assert promise.expected_on_rest < promise.kept


def test_too_few_positives_promise_nothing():
    assert kept_promise(np.linspace(0, 1, 117), 0.05, 10, np.random.default_rng(0)) is None
    assert kept_promise(np.linspace(0, 1, 118), 0.05, 10, np.random.default_rng(0)) is not None


def test_a_promise_is_kept_elsewhere_only_where_scores_are_alike():
    rng = np.random.default_rng(5)
    scores = rng.normal(size=600)
    alike = recalls_elsewhere(scores, rng.normal(size=5000), 0.05, 300, rng)
    lower = recalls_elsewhere(scores, rng.normal(-1.0, size=5000), 0.05, 300, rng)
    assert alike.shape == (300,)
    assert np.mean(alike >= 0.95) > 0.8
    # Below the 5 % quantile of a normal distribution lie 26 % of one that is a deviation lower.
    assert lower.mean() == pytest.approx(0.74, abs=0.06)
    assert recalls_elsewhere(scores[:58], scores, 0.05, 10, rng) is None
    assert recalls_elsewhere(scores, [], 0.05, 10, rng) is None
