"""The logistic fit, against that of scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from veroallarme_core.adaptation.logistic import fit_logistic


@pytest.mark.parametrize("seed", range(3))
def test_logistic_fit_is_that_of_scikit_learn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    inputs = draw.normal(size=(200, 6))
    target = (inputs @ draw.normal(size=6) + draw.normal(size=200) > 0.3).astype(np.float64)
    weight = draw.uniform(0, 2, 200) / 100
    found = fit_logistic(np.hstack([inputs, np.ones((200, 1))]), target, weight)
    peer = LogisticRegression(C=3.0, tol=1e-10, max_iter=1000)
    peer.fit(inputs, target, sample_weight=weight)
    assert found[:-1] == pytest.approx(peer.coef_[0], abs=1e-3)
    assert found[-1] == pytest.approx(peer.intercept_[0], abs=1e-2)


@pytest.mark.parametrize("side", [0.0, 1.0])
def test_logistic_fit_of_one_side_alone_stays_finite(side: float) -> None:
    inputs = np.hstack([np.eye(5), np.ones((5, 1))])
    found = fit_logistic(inputs, np.full(5, side), np.full(5, 0.2))
    assert np.isfinite(found).all()
    assert ((inputs @ found > 0) == bool(side)).all()
    assert np.array_equal(fit_logistic(inputs[:0], np.zeros(0), np.zeros(0)), np.zeros(6))
