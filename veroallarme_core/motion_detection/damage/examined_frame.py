"""A frame on its way through the search for damage, and what is counted in it cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection.damage.frame_damage import DamageKind
from veroallarme_core.pictures import shrink

WORK_WIDTH = 704
"""Wider frames are searched at about this width, in pixels: seams stay sharp, time bounded."""
CELL = 8
"""Edge of a cell in pixels at working width; cells carry all evidence of damage."""


@dataclass(eq=False)
class ExaminedFrame:
    """One frame at working size with the damage that was found in it so far."""

    image: NDArray[np.uint8]
    """The frame itself, uint8 (H, W, 3)."""
    lost: NDArray[np.bool_] | None
    """Pixels for which the file holds no data, bool (H, W); None where it was not cut off."""
    sharp: NDArray[np.uint8]
    """The frame at working size, uint8 (h, w, 3)."""
    picture: NDArray[np.uint8]
    """The same, slightly blurred: what is compared with the other frames."""
    cells: NDArray[np.bool_]
    """Damaged cells, bool (rows, cols)."""
    kinds: set[DamageKind] = field(default_factory=set)

    @classmethod
    def of(cls, image: NDArray[np.uint8], lost: NDArray[np.bool_] | None) -> ExaminedFrame:
        """Begin to examine a frame: nothing is known to be damaged yet."""
        sharp = shrink(image, WORK_WIDTH)
        smooth = np.asarray(cv2.blur(sharp, (3, 3)), dtype=np.uint8)
        cells = no_cells(sharp.shape[:2])
        return cls(image=image, lost=lost, sharp=sharp, picture=smooth, cells=cells)

    @cached_property
    def saturation(self) -> NDArray[np.float32]:
        """Mean saturation (largest minus smallest channel) of every cell, float32 (rows, cols)."""
        blue, green, red = cv2.split(self.picture)
        high, low = cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red)
        return cell_means(np.asarray(cv2.subtract(high, low), np.uint8))

    def mark(self, kind: DamageKind, cells: NDArray[np.bool_]) -> None:
        """Note that cells, bool (rows, cols), are damaged; none is no damage."""
        if cells.any():
            self.cells = self.cells | cells
            self.kinds.add(kind)


MarkDamage: TypeAlias = Callable[[Sequence[ExaminedFrame]], None]
"""Looks for one kind of damage in the frames of a burst and marks what it finds."""


def no_cells(size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return bool (rows, cols), False for every cell of a picture of (h, w) pixels."""
    return np.zeros((-(-size[0] // CELL), -(-size[1] // CELL)), np.bool_)


def cell_means(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Average uint8 (h, w) over cells -> float32 (rows, cols); border cells repeat the border."""
    height, width = values.shape
    rows, cols = -(-height // CELL), -(-width // CELL)
    missing = (rows * CELL - height, cols * CELL - width)
    if any(missing):
        values = np.pad(values, ((0, missing[0]), (0, missing[1])), mode="edge")
    # Area interpolation by a whole factor is the mean, several times faster than NumPy's.
    means = cv2.resize(values.astype(np.float32), (cols, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(means, dtype=np.float32)


def dilate(cells: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Grow cells by a rectangle of (rows, columns), both odd."""
    grown = cv2.dilate(cells.astype(np.uint8), np.ones(size, np.uint8))
    return np.asarray(grown, dtype=np.bool_)


def connected_to(seeds: NDArray[np.bool_], cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the `cells` in components (8-connected) that touch the seeds."""
    _, labels = cv2.connectedComponents((seeds | cells).astype(np.uint8), connectivity=8)
    touched = np.unique(labels[seeds])
    return np.asarray(cells & np.isin(labels, touched[touched > 0]), dtype=np.bool_)
