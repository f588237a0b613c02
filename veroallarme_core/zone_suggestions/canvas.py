"""The small raster on which areas of the picture are put together and compared."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import Zone
from veroallarme_core.zone_suggestions.past_event import Box

Mask = NDArray[np.bool_]
"""bool (rows, columns), of a `Canvas`."""

COLUMNS = 160
"""Finer than the cells of the memory (some 55), coarser than anybody draws."""


class Canvas:
    """A raster over a picture of (height, width), rows and columns in its proportions."""

    def __init__(self, frame_dimensions: tuple[int, int]) -> None:
        height, width = frame_dimensions
        self.shape = (max(8, round(COLUMNS * height / width)), COLUMNS)

    def empty(self) -> Mask:
        """Return a mask of nothing."""
        return np.zeros(self.shape, np.bool_)

    def window(self, box: Box) -> tuple[slice, slice]:
        """Return the rows and columns of a box, at least one of each."""
        rows, columns = self.shape
        top, bottom = _between(box.y, box.bottom, rows)
        left, right = _between(box.x, box.x + box.width, columns)
        return slice(top, bottom), slice(left, right)

    def covered(self, boxes: Iterable[Box]) -> Mask:
        """Return the mask of all that some boxes cover."""
        mask = self.empty()
        for box in boxes:
            mask[self.window(box)] = True
        return mask

    def drawn(self, zone: Zone) -> Mask:
        """Return the mask of a zone."""
        rows, columns = self.shape
        picture = np.zeros(self.shape, np.uint8)
        corners = [[round(x * (columns - 1)), round(y * (rows - 1))] for x, y in zone.points]
        cv2.fillPoly(picture, [np.array(corners, np.int32)], 1)
        return picture > 0

    def resized(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a map of cells, smoothed over the raster."""
        rows, columns = self.shape
        resized = cv2.resize(cells, (columns, rows), interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized, np.float32)


def grown(mask: Mask, reach: int) -> Mask:
    """Widen a mask by some raster points to every side."""
    return _filtered(mask, cv2.MORPH_DILATE, reach)


def closed(mask: Mask, reach: int) -> Mask:
    """Close gaps of up to twice so many raster points."""
    return _filtered(mask, cv2.MORPH_CLOSE, reach)


def opened(mask: Mask, reach: int) -> Mask:
    """Drop what is thinner than twice so many raster points."""
    return _filtered(mask, cv2.MORPH_OPEN, reach)


def _filtered(mask: Mask, operation: int, reach: int) -> Mask:
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), operation, window) > 0, np.bool_)


def _between(low: float, high: float, count: int) -> tuple[int, int]:
    start = min(max(0, math.floor(low * count)), count - 1)
    return start, min(max(start + 1, round(high * count)), count)
