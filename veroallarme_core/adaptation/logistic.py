"""Logistic regression of weighted rows, and the whitening of its inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_COMPONENTS = 64  # of the sketches that a head sees
_DECAY = 1.0 / 3.0  # weight of a head's size against its errors, which weigh 2 together

Floats = NDArray[np.float64]


def whitening(sketches: Floats) -> tuple[Floats, Floats]:
    """Return the mean, (d,), and directions, (d, k), in which sketches have unit variance."""
    mean = sketches.mean(axis=0)
    deviation = sketches.std(axis=0) + 1e-6
    values, vectors = np.linalg.eigh(np.cov((sketches - mean) / deviation, rowvar=False))
    best = np.argsort(values)[::-1][:_COMPONENTS]
    scale = np.sqrt(np.maximum(values[best], 1e-6))
    return mean, vectors[:, best] / scale / deviation[:, None]


def fit_logistic(inputs: Floats, target: Floats, weight: Floats) -> Floats:
    """Fit a logistic regression by Newton's method; its last input must be the constant 1.

    Args:
        inputs: (n, k).
        target: (n,), 0 or 1.
        weight: (n,), not negative.

    Returns:
        (k,): the weights; all but the constant's are kept small.
    """
    decay = np.full(inputs.shape[1], _DECAY)
    decay[-1] = 1e-4
    weights = np.zeros(inputs.shape[1])
    for _ in range(25):
        chance = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (weight * (chance - target)) + decay * weights
        curvature = (inputs * (weight * chance * (1 - chance))[:, None]).T @ inputs
        step = np.linalg.solve(curvature + np.diag(decay), slope)
        weights -= step
        if float(np.abs(step).max()) < 1e-6:
            break
    return weights
