"""How tall people are at a place of one camera's picture, learned from those it has shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FEWEST_SIGHTINGS = 12
_LEAST_SPREAD = 0.04  # standard deviation of the feet's rows, in picture heights
_PLAUSIBLE_SLOPE = (0.08, 2.5)  # height over distance from the horizon: cameras 0.7 to 20 m high
_SPREAD_LIMITS = (0.12, 0.4)  # of the logarithm of heights: posture, age, slopes of the ground


@dataclass(frozen=True)
class Sighting:
    """A person who was recognised, in shares of the picture's height."""

    foot: float
    """Row of the feet."""
    height: float


@dataclass(frozen=True)
class Perspective:
    """A level ground: people are `slope` times as tall as their feet are below the horizon.

    All lengths are shares of the picture's height.
    """

    slope: float
    horizon: float
    """Row; it may lie above the picture."""
    spread: float
    """Standard deviation of the logarithm of heights around that."""

    @classmethod
    def of(cls, sightings: Sequence[Sighting]) -> Perspective | None:
        """Fit a ground to people who were seen; None where they are too few or all in one row.

        The slope is the median of those of all pairs (Theil 1950, Sen 1968,
        https://doi.org/10.1080/01621459.1968.10480934), so that up to a third of the sightings may
        be mistakes.
        """
        foot = np.array([person.foot for person in sightings])
        height = np.array([person.height for person in sightings])
        if len(foot) < _FEWEST_SIGHTINGS or float(np.std(foot)) < _LEAST_SPREAD:
            return None
        slope = _median_slope(foot, height)
        if not _PLAUSIBLE_SLOPE[0] < slope < _PLAUSIBLE_SLOPE[1]:
            return None
        horizon = float(np.median(foot - height / slope))
        expected = slope * (foot - horizon)
        if float(np.mean(expected > 0)) < 0.9:
            return None
        ratio = np.log(height[expected > 0] / expected[expected > 0])
        spread = 1.4826 * float(np.median(np.abs(ratio - np.median(ratio))))
        return cls(slope, horizon, float(np.clip(spread, *_SPREAD_LIMITS)))

    def height_at(self, foot: float) -> float:
        """Return how tall a person is whose feet are in a row; 0 at the horizon and above it."""
        return max(0.0, self.slope * (foot - self.horizon))

    def standing_on(self, middle: float, share: float = 1.0) -> tuple[float, float]:
        """Return height and row of the feet of something whose middle is in a row.

        Args:
            middle: row of its middle.
            share: its height in heights of a person.
        """
        slope = self.slope * share
        if slope >= 2.0 or middle <= self.horizon:
            return 0.0, middle
        height = slope * (middle - self.horizon) / (1.0 - slope / 2.0)
        return height, middle + height / 2.0


def _median_slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    first, second = np.triu_indices(len(x), 1)
    across = x[second] - x[first]
    # Feet in the same row tell nothing of the slope.
    apart = np.abs(across) > _LEAST_SPREAD / 4
    return float(np.median((y[second] - y[first])[apart] / across[apart]))
