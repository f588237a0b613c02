"""The usual look of a scene under one light, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.description import BurstEvidence, RegionEvidence

Floats = NDArray[np.float32]

_MEMORY_EVENTS = 64  # events over which a cell's usual look is averaged
_LARGEST_DEVIATION = 20.0
_CLIP = 2.5  # spreads beyond which a sight no longer moves the mean (Huber 1964)
_STEP = 1.5


class Plate:
    """The usual look of every cell under one light: robust location and spread of its features.

    A recursive Huber estimate (Huber 1964, https://doi.org/10.1214/aoms/1177703732) in the place
    of the mean and covariance of PaDiM (https://arxiv.org/abs/2011.08785), so that a mover which
    stays for some events does not become background.
    """

    def __init__(self, location: Floats, spread: Floats, events: int) -> None:
        self.location = location
        self.spread = spread
        self.events = events

    @classmethod
    def from_burst(cls, evidence: BurstEvidence) -> Plate:
        """Begin with one burst."""
        location = _median(evidence)
        # How much cells differ from one another is the only scale that is known yet.
        typical = np.median(np.abs(location - location.mean(axis=(0, 1))), axis=(0, 1))
        spread = np.broadcast_to(0.5 * typical + 1e-3, location.shape)
        return cls(location, spread.astype(np.float32), 1)

    def deviation(self, regions: Sequence[RegionEvidence]) -> list[Floats]:
        """Return how far each cell of some regions is from usual, (n,), in its clearest frame."""
        floor = 0.5 * np.median(self.spread, axis=(0, 1)) + 1e-3
        channels = self.location.shape[2]
        location = self.location.reshape(-1, channels)
        spread = np.maximum(self.spread, floor).reshape(-1, channels)
        deviations = []
        for region in regions:
            distance = np.abs(region.features - location[region.cells]) / spread[region.cells]
            cells = np.minimum(distance, _LARGEST_DEVIATION).mean(axis=2)  # (frames, n)
            deviations.append(np.where(region.intact, cells, 0.0).max(axis=0).astype(np.float32))
        return deviations

    def likeness(self, evidence: BurstEvidence) -> float:
        """Return the correlation of a burst with this view, over its intact cells."""
        seen = evidence.intact.any(axis=0)
        if not seen.any():
            return 1.0
        here, usual = _median(evidence)[seen], self.location[seen]
        here, usual = here - here.mean(axis=0), usual - usual.mean(axis=0)
        norm = np.linalg.norm(here, axis=0) * np.linalg.norm(usual, axis=0) + 1e-6
        return float(np.mean((here * usual).sum(axis=0) / norm))

    def learn(self, evidence: BurstEvidence) -> None:
        """Take a burst into account."""
        self.events += 1
        frames = len(evidence.features)
        step = _STEP * max(1 / self.events, 1 / _MEMORY_EVENTS) / frames
        for features, intact in zip(evidence.features, evidence.intact, strict=True):
            rate = step * intact[..., None].astype(np.float32)
            distance = features - self.location
            limit = _CLIP * self.spread
            clipped = np.clip(distance, -limit, limit)
            self.location += rate * clipped
            excess = np.clip(np.abs(clipped) / self.spread - 1.0, -1.0, 1.0)
            self.spread *= np.exp(rate * excess)


def _median(evidence: BurstEvidence) -> Floats:
    """Return the median of a burst's frames, (rows, columns, C), from intact cells where there are.

    A mover in one frame of three does not show in it.
    """
    features, intact = evidence.features, evidence.intact
    median = _median_of_all(features)
    partly = intact.any(axis=0) & ~intact.all(axis=0)
    if partly.any():
        kept = np.where(intact[:, partly, None], features[:, partly], np.nan)
        median[partly] = np.nanmedian(kept, axis=0)
    return median


def _median_of_all(features: Floats) -> Floats:
    """Return the median over the first axis; NumPy takes ten times as long for three."""
    if len(features) != 3:
        return np.asarray(np.median(features, axis=0), np.float32)
    first, second, third = features
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.asarray(np.maximum(low, np.minimum(high, third)), np.float32)
