"""What was never there to be decoded: the tail of a file cut off, and flat grey coefficients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection.damage.examined_frame import (
    CELL,
    WORK_WIDTH,
    ExaminedFrame,
    cell_means,
    dilate,
    no_cells,
)
from veroallarme_core.motion_detection.damage.frame_damage import DamageKind
from veroallarme_core.pictures import shrink

_GREY_LEVEL = 128
"""What JPEG shows where all coefficients are missing: the level shift of its decoder."""
_FLAT_SPREAD = 3
"""Largest deviation from it, in grey levels: rounding to YCbCr and back, no more."""


def mark_missing_data(frames: Sequence[ExaminedFrame]) -> None:
    """Mark what the files do not hold, and the grey with which an undecoded picture ends."""
    tails = [_undecoded_tail(frame.sharp) for frame in frames]
    # Grey that every frame shows at the same place, where nothing else is wrong: a privacy mask.
    is_mask = len(frames) > 1 and all(
        frame.lost is None and not frame.kinds and tail.any()
        for frame, tail in zip(frames, tails, strict=True)
    )
    shared = np.logical_and.reduce(tails) if is_mask else False
    for frame, tail in zip(frames, tails, strict=True):
        if frame.lost is not None:
            frame.kinds.add(DamageKind.TRUNCATED)
            frame.cells = frame.cells | _lost_cells(frame.lost)
        else:
            frame.mark(DamageKind.GREY_BAND, np.asarray(tail & ~np.asarray(shared), np.bool_))


def _lost_cells(lost: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find the cells of pixels for which the file holds no data."""
    cells = cell_means(shrink(lost.astype(np.uint8) * 255, WORK_WIDTH)) > 0
    # Frames are blurred a little before they are compared, over the border of a cell.
    return dilate(cells, (3, 3))


def _rows_with_picture(picture: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the rows of uint8 (h, w, 3) that hold anything but the grey of missing data."""
    off_grey = np.abs(picture.astype(np.int16) - _GREY_LEVEL) > _FLAT_SPREAD
    return np.flatnonzero(off_grey.any(axis=(1, 2)))


def _undecoded_tail(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the flat grey rows of cells with which a picture of a broken stream ends."""
    height = len(picture)
    tail = no_cells(picture.shape[:2])
    if _rows_with_picture(picture[-CELL:]).size:  # as in most frames
        return tail
    decoded = _rows_with_picture(picture)
    lost = (height - 1 - int(decoded[-1])) // CELL if decoded.size else len(tail)
    if lost > 0:
        tail[len(tail) - lost :] = True
    return tail
