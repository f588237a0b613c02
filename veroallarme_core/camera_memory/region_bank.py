"""The regions of a camera's past: where and when they moved, and what they looked like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.description import RegionEvidence

Floats = NDArray[np.float32]

BANK_SIZE = 3600
"""Regions that are remembered; of a longer history a random part."""
BANK_SKETCH = 64
"""Numbers of a region's sketch that are remembered: as good as all of them for likeness."""
BANK_ARRAYS = ("session", "event", "label", "place", "sketch")
"""What the bank holds of every region, an array each."""
SAME_PLACE = 0.06
"""Standard deviation of what counts as the same place, in edges of the frame."""

_SKETCH_SCALE = 0.125


class RegionBank:
    """Regions of the past: where and in which session they moved, and what they looked like."""

    def __init__(self) -> None:
        self.session = np.zeros(0, np.int32)
        self.event = np.zeros(0, np.uint64)
        self.label = np.zeros(0, np.int8)
        """1 in events that the user called relevant, -1 in those called nuisance, else 0."""
        self.place = np.zeros((0, 2), np.float32)
        self.sketch = np.zeros((0, BANK_SKETCH), np.int8)
        self._centre: Floats | None = None

    def __len__(self) -> int:
        return len(self.session)

    def add(
        self, regions: Sequence[RegionEvidence], session: int, event: int, draw: np.random.Generator
    ) -> None:
        """Remember the regions of an event; where there is no room, forget random ones."""
        if not regions:
            return
        sketches = np.stack([_quantised(region.sketch) for region in regions])
        places = np.stack([region.place for region in regions]).astype(np.float32)
        count = len(regions)
        self.session = np.append(self.session, np.full(count, session, np.int32))
        self.event = np.append(self.event, np.full(count, event, np.uint64))
        self.label = np.append(self.label, np.zeros(count, np.int8))
        self.place = np.concatenate([self.place, places])
        self.sketch = np.concatenate([self.sketch, sketches])
        excess = len(self) - BANK_SIZE
        if excess > 0:
            # What the user has judged is never forgotten, as long as there is anything else.
            free = np.flatnonzero(self.label == 0)
            free = free if len(free) >= excess else np.arange(len(self))
            self._keep(~np.isin(np.arange(len(self)), draw.choice(free, excess, replace=False)))
        self._centre = None

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        for name in BANK_ARRAYS:
            setattr(self, name, getattr(self, name)[kept])

    def judge(
        self, event_id: str, relevant: bool | None, place: NDArray[np.float32] | None = None
    ) -> None:
        """Take the user's word on an event, or take it back (None).

        A thumb down is about all its regions. A thumb up is about the one at `place`, or about
        the one that was added first.
        """
        rows = np.flatnonzero(self.event == np.uint64(event_key(event_id)))
        label = self.label.copy()
        label[rows] = 0
        if relevant and len(rows):
            distance = 0 if place is None else np.abs(self.place[rows] - place).sum(axis=1)
            label[rows[np.argmin(np.broadcast_to(distance, len(rows)))]] = 1
        elif relevant is not None:
            label[rows] = -1
        self.label = label

    def likeness(self, regions: Sequence[RegionEvidence]) -> Floats:
        """Return how much regions are like those of the bank, in place and look: (n, len(bank)).

        1 is the same look at the same place; it falls with the distance of the places.
        """
        sketches = np.stack([_quantised(region.sketch) for region in regions])
        return self._likeness(sketches, np.stack([region.place for region in regions]))

    def likeness_to(self, row: int) -> Floats:
        """Return how much all regions of the bank are like one of them: (len(bank),)."""
        likeness = self._likeness(self.sketch[row : row + 1], self.place[row : row + 1])
        return np.asarray(likeness[0], np.float32)

    def _likeness(self, sketches: NDArray[np.int8], places: Floats) -> Floats:
        if self._centre is None:
            self._centre = self.sketch.mean(axis=0, dtype=np.float32)
        past = _unit(self.sketch - self._centre)
        here = _unit(sketches - self._centre)
        distance = places[:, None] - self.place[None]
        near = np.exp(-(distance**2).sum(axis=2) / (2 * SAME_PLACE**2))
        return np.asarray((here @ past.T + 1) / 2 * near, np.float32)


def event_key(event_id: str) -> int:
    """Return a number for an event id, as the bank holds it: FNV-1a of 64 bits."""
    key = 0xCBF29CE484222325
    for byte in event_id.encode():
        key = ((key ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return key


def _quantised(sketch: Floats) -> NDArray[np.int8]:
    steps = np.clip(np.rint(sketch[:BANK_SKETCH] / _SKETCH_SCALE), -127, 127)
    return np.asarray(steps, np.int8)


def _unit(vectors: Floats) -> Floats:
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-6), np.float32)
