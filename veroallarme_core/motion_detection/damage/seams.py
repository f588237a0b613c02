"""Straight vertical seams, and the rectangle that begins at one.

Nothing in front of a lens has an edge that is straight to a pixel over half the picture and changes
all that lies on one side of it; a picture of another channel that was pasted in has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection.damage.examined_frame import CELL

SEAM_STEP = 12.0
"""Smallest step across a seam, in grey levels."""
SEAM_REACH = 8
"""Pixels looked at on either side of a seam."""
_SEAM_CHANGE = 14.0
"""Smallest difference on the changed side of a seam, in grey levels."""
_SEAM_BEND = 1.5
"""A pasted edge deviates less than this from a straight line, in pixels."""


@dataclass(frozen=True)
class Seam:
    """A straight vertical edge of change: column, rows [top, bottom) and the changed side."""

    x: int
    top: int
    bottom: int
    side: int  # +1: the right of it has changed, -1: the left


def seams_of_picture(picture: NDArray[np.uint8], shortest: int) -> Iterator[Seam]:
    """Yield straight vertical steps of one picture that stand out from what is beside them."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    rows, width = grey.shape[0] // CELL, grey.shape[1]
    step = np.zeros_like(grey)
    step[:, 3:-3] = np.minimum(cv2.absdiff(grey[:, 6:], grey[:, :-6]), 60)
    strips = _strip_means(step[: rows * CELL], rows)
    near, far = 6, 14
    beside = np.asarray(cv2.blur(strips, (far - near, 1), borderType=cv2.BORDER_REPLICATE))
    centre = (near + far) // 2
    edge = np.zeros(strips.shape, np.bool_)
    middle = slice(centre, width - centre)
    neighbours = np.maximum(beside[:, : width - 2 * centre], beside[:, 2 * centre :])
    edge[:, middle] = (strips[:, middle] > SEAM_STEP) & (strips[:, middle] > 1.6 * neighbours)
    for x, top, bottom in _longest_runs(edge, -(-shortest // CELL), gap=3):
        yield Seam(x, top * CELL, bottom * CELL, side=0)


def change_seams(difference: NDArray[np.uint8], shortest: int) -> Iterator[Seam]:
    """Yield straight vertical edges of change at least `shortest` pixels long."""
    width = difference.shape[1]
    rows = len(difference) // CELL
    capped = cv2.threshold(difference[: rows * CELL], 60, 0, cv2.THRESH_TRUNC)[1]
    strips = _strip_means(np.asarray(capped, np.uint8), rows)
    sums = np.cumsum(np.pad(strips, ((0, 0), (1, 0))), axis=1)
    gap, reach = 2, SEAM_REACH
    first = reach + gap
    right = (sums[:, first + gap + reach : width] - sums[:, first + gap : width - reach]) / reach
    left = (sums[:, reach : width - first - gap] - sums[:, : width - first - gap - reach]) / reach
    for side, inner, outer in ((1, right, left), (-1, left, right)):
        edge = (inner > _SEAM_CHANGE) & (outer < 0.4 * inner)
        edge = cv2.dilate(edge.astype(np.uint8), np.ones((1, 5), np.uint8)).astype(np.bool_)
        for column, top, bottom in _longest_runs(edge, -(-shortest // CELL), gap=1):
            x = first + column
            if _bend(strips[top:bottom], x) <= _SEAM_BEND:
                yield Seam(x, top * CELL, bottom * CELL, side)


def _strip_means(values: NDArray[np.uint8], rows: int) -> NDArray[np.float32]:
    """Average uint8 (rows * CELL, w) over the height of a cell -> float32 (rows, w)."""
    size = (values.shape[1], rows)
    # Area interpolation by a whole factor is the mean, several times faster than NumPy's.
    return np.asarray(
        cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32
    )


def _longest_runs(
    edge: NDArray[np.bool_], shortest: int, gap: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (column, top, bottom) of the runs down a column, stepping over short gaps.

    `shortest` and `gap` are in rows.
    """
    if not edge.size or np.count_nonzero(edge, axis=0).max() * (gap + 1) < shortest:
        return  # too few, even if each bridged a gap: as in most pictures
    kernel = np.ones((gap + 1, 1), np.uint8)
    bridged = cv2.morphologyEx(edge.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    length = np.zeros(bridged.shape, np.int32)
    run = np.zeros(bridged.shape[1], np.int32)
    for row, present in enumerate(bridged.astype(np.bool_)):
        run = np.where(present, run + 1, 0)
        length[row] = run
    while length.size and length.max() >= max(shortest, 1):
        bottom, column = (int(i) for i in np.unravel_index(int(length.argmax()), length.shape))
        top = bottom + 1 - int(length[bottom, column])
        # A run is a few columns wide; its middle is where the seam lies.
        ahead = length[bottom, column : column + 8]
        width = int(np.argmin(np.append(ahead >= ahead[0] - 1, False)))
        yield column + width // 2, top, bottom + 1
        length[:, max(column - 12, 0) : column + 20][top : bottom + 1] = 0


def _bend(strips: NDArray[np.float32], x: int) -> float:
    """Return how far the edge near column `x` deviates from it over the rows, in pixels."""
    window = strips[:, max(x - 6, 0) : x + 7]
    position = np.abs(np.diff(window, axis=1)).argmax(axis=1)
    return float(np.median(np.abs(position - np.median(position))))


def step_across(picture: NDArray[np.uint8], seam: Seam) -> float:
    """Return the median step of a BGR picture across a seam, in grey levels."""
    strip = picture[seam.top : seam.bottom, seam.x - 4 : seam.x + 5].mean(axis=2)
    return float(np.median(np.abs(strip[:, 6:].mean(axis=1) - strip[:, :3].mean(axis=1))))


def rectangle_beyond(
    seam: Seam, changed: NDArray[np.bool_], damaged: NDArray[np.bool_]
) -> tuple[slice, slice]:
    """Return the cells beyond a seam, as far as whole columns and rows have changed."""
    top, bottom = seam.top // CELL, -(-seam.bottom // CELL)
    column = seam.x // CELL
    lost = (changed | damaged)[top:bottom].mean(axis=0) > 0.4
    # A quiet column inside another picture (its own sky) does not end it; three in a row do.
    if seam.side > 0:
        cols = slice(column, column + _reach(lost[column:]))
    else:
        cols = slice(column + 1 - _reach(lost[column::-1]), column + 1)
    while top > 0 and changed[top - 1, cols].mean() > 0.5:
        top -= 1
    while bottom < len(changed) and (changed | damaged)[bottom, cols].mean() > 0.5:
        bottom += 1
    return slice(top, bottom), cols


def _reach(lost: NDArray[np.bool_]) -> int:
    """Return how many cells from the first on are lost, stepping over gaps of up to two."""
    reach, gap = 1, 0
    for index, is_lost in enumerate(lost):
        gap = 0 if is_lost else gap + 1
        if gap > 2:
            break
        if is_lost:
            reach = index + 1
    return reach
