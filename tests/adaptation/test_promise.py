"""The promise: how many misses it allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from veroallarme_core.adaptation.promise import allowed_misses


@pytest.mark.parametrize(
    ("count", "misses"),
    [(0, 0), (1, 0), (298, 0), (299, 1), (472, 1), (473, 2), (627, 2), (628, 3)],
)
def test_allowed_misses_of_known_sizes(count: int, misses: int) -> None:
    """Sample sizes of 99 % / 95 % tolerance limits, as tables give them."""
    assert allowed_misses(count, 0.99, 0.95) == misses


@given(st.integers(0, 3000), st.floats(0.5, 0.999), st.floats(0.5, 0.999))
def test_allowed_misses_are_those_of_the_binomial_distribution(
    count: int, recall: float, confidence: float
) -> None:
    k = allowed_misses(count, recall, confidence)

    def chance(misses: int) -> float:
        return float(binom.sf(misses - 1, count, 1 - recall))

    assert chance(k) >= confidence - 1e-9
    assert k == count or chance(k + 1) < confidence + 1e-9


def test_promise_is_kept_in_as_many_samples_as_it_says() -> None:
    draw = np.random.default_rng(1)
    k = allowed_misses(500, 0.95, 0.9)
    scores = np.sort(draw.uniform(size=(2000, 500)), axis=1)
    missed = scores[:, k - 1]  # of a uniform score, the share below the threshold
    assert 0.9 <= np.mean(missed <= 0.05) <= 0.95
