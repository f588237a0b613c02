"""Pictures of another channel that were pasted into a frame along perfectly straight seams."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection.damage.examined_frame import CELL, ExaminedFrame, cell_means
from veroallarme_core.motion_detection.damage.frame_damage import DamageKind
from veroallarme_core.motion_detection.damage.seams import (
    SEAM_REACH,
    SEAM_STEP,
    Seam,
    change_seams,
    rectangle_beyond,
    seams_of_picture,
    step_across,
)
from veroallarme_core.motion_detection.damage.smears import mark_smears

# Measured on real footage: 519 frames of 173 clean bursts, and 50 corrupt frames of a camera whose
# stream breaks; lengths of seams of change against the clean frames of the same burst.
_LONE_SEAM_SHARE = 0.6
"""Of the height, for a seam of change without any decoder garbage. In clean bursts the longest is
below .53 in 95 % of the frames; longer ones are in small pictures, hence the next."""
_LONE_SEAM = 200
"""Never less than this, in pixels: a person close by has edges too. The longest of the clean frames
is 160 in 95 % of them and 216 at most; of half of the corrupt ones 360 and more."""
_SEAM_SHARE = 0.10
"""Of the height, for a seam of change that ends in decoder garbage. Clean frames have longer ones
(median .21): the garbage is what proves."""
_OWN_SEAM_SHARE = 0.28
"""Of the height, for a step within one picture. House corners and posts are longer in half of the
clean frames (.39): it counts only above garbage, and where no frame without garbage shows it."""
_FAINT_STEP = 5.0
"""Step across a seam, in grey levels, that is enough where the other frame has none at all."""
_PASTE_WIDTH = 0.12
"""Of the width: what is narrower may be a person."""
_CHANGED = 14.0
"""A cell has changed when its pixels differ by this much on average, in grey levels."""
_RECTANGLE_FILL = 0.7
"""Share of changed cells in a pasted rectangle."""


def mark_foreign_pictures(frames: Sequence[ExaminedFrame]) -> None:
    """Mark the rectangles into which another picture was pasted."""
    # Two frames differ by the same from either side.
    changes = {
        frozenset(pair): _Change(_difference(frames[pair[0]], frames[pair[1]]))
        for pair in itertools.combinations(range(len(frames)), 2)
    }
    for index, frame in enumerate(frames):
        height, width = frame.picture.shape[:2]
        others = [number for number in range(len(frames)) if number != index]
        if not others or width < 8 * SEAM_REACH or height < 8 * CELL:
            continue
        compared = [(frames[number], changes[frozenset((index, number))]) for number in others]
        if frame.cells.any():
            _mark_pastes_of_corrupt(frame, compared)
        else:
            _mark_pastes_of_clean(frame, compared)


@dataclass(eq=False)
class _Change:
    """How two frames of a burst differ."""

    difference: NDArray[np.uint8]
    """In grey levels, uint8 (h, w)."""

    @cached_property
    def cells(self) -> NDArray[np.bool_]:
        """Cells that have changed, bool (rows, cols)."""
        capped = cv2.threshold(self.difference, 80, 0, cv2.THRESH_TRUNC)[1]
        return np.asarray(cell_means(np.asarray(capped, np.uint8)) > _CHANGED, np.bool_)

    @cached_property
    def lone_seams(self) -> tuple[Seam, ...]:
        """Seams that are long enough without any decoder garbage."""
        shortest = max(_LONE_SEAM, round(_LONE_SEAM_SHARE * len(self.difference)))
        return tuple(change_seams(self.difference, shortest))

    @cached_property
    def seams(self) -> tuple[Seam, ...]:
        """Seams that are long enough where they end in decoder garbage."""
        return tuple(change_seams(self.difference, round(_SEAM_SHARE * len(self.difference))))


_Compared: TypeAlias = Sequence[tuple[ExaminedFrame, _Change]]
"""The other frames of a burst, and how each of them differs from the one that is looked at."""


def _mark_pastes_of_clean(frame: ExaminedFrame, compared: _Compared) -> None:
    """Without decoder garbage only a long seam down to the border is proof."""
    for other, change in compared:
        changed = change.cells
        if changed.mean() < 0.5 * _PASTE_WIDTH:
            continue
        for seam in change.lone_seams:
            own, theirs = step_across(frame.picture, seam), step_across(other.picture, seam)
            rows, cols = rectangle_beyond(seam, changed, frame.cells)
            if (
                own > max(SEAM_STEP, 1.5 * theirs)
                and rows.stop >= len(changed) - 1
                and _is_wide(cols, changed)
                and changed[rows, cols].mean() >= _RECTANGLE_FILL
            ):
                _mark_foreign(frame, rows, cols)


def _mark_pastes_of_corrupt(frame: ExaminedFrame, compared: _Compared) -> None:
    """With decoder garbage in the frame, a straight seam that runs down into it is proof."""
    height = frame.picture.shape[0]
    garbage = frame.cells.copy()
    others = [other for other, _ in compared]
    differences = [change.difference for _, change in compared]
    for other, change in compared:
        changed = change.cells
        for seam in change.seams:
            rows, cols = rectangle_beyond(seam, changed, garbage)
            inside = ~garbage[rows, cols]
            if (
                _step_is_own(frame, other, seam)
                and _is_wide(cols, changed)
                and garbage[rows.stop - 1 : rows.stop + 2, cols].any(axis=0).mean() > 0.5
                and inside.any()
                and changed[rows, cols][inside].mean() >= _RECTANGLE_FILL
            ):
                _mark_foreign(frame, rows, cols)
    mark_smears(frame, others)
    if DamageKind.FOREIGN_PICTURE in frame.kinds:
        return
    for seam in seams_of_picture(frame.picture, round(_OWN_SEAM_SHARE * height)):
        _mark_own_seam(frame, others, differences, seam)


def _mark_own_seam(
    frame: ExaminedFrame,
    others: Sequence[ExaminedFrame],
    differences: Sequence[NDArray[np.uint8]],
    seam: Seam,
) -> None:
    """Mark what lies beyond a seam that every frame of the burst may carry."""
    top, bottom, column = seam.top // CELL, -(-seam.bottom // CELL), seam.x // CELL
    if not frame.cells[bottom : bottom + 4, max(column - 1, 0) : column + 2].any():
        return
    own = step_across(frame.picture, seam)
    if any(
        own < 1.5 * step_across(other.picture, seam) for other in others if not other.cells.any()
    ):
        return  # a post or a corner of a house: frames without any garbage show it as well
    cells = [cell_means(np.minimum(difference, 80)) for difference in differences]
    right = max(float(c[top:bottom, column + 1 :].mean()) for c in cells)
    left = max(float(c[top:bottom, :column].mean()) for c in cells)
    if min(left, right) > 0.6 * max(left, right):
        return
    changed = np.logical_or.reduce([c > _CHANGED for c in cells])
    side = 1 if right > left else -1
    cols = slice(column, changed.shape[1]) if side > 0 else slice(0, column + 1)
    rows, _ = rectangle_beyond(Seam(seam.x, seam.top, seam.bottom, side), changed, frame.cells)
    inside = ~frame.cells[rows, cols]
    if _is_wide(cols, changed) and inside.any() and changed[rows, cols][inside].mean() >= 0.5:
        _mark_foreign(frame, rows, cols)


def _step_is_own(frame: ExaminedFrame, other: ExaminedFrame, seam: Seam) -> bool:
    """Tell whether a seam lies in `frame`, not only in the frame that it was compared with."""
    own, theirs = step_across(frame.picture, seam), step_across(other.picture, seam)
    if own >= 1.5 * theirs:
        return own >= _FAINT_STEP
    # Two corrupt frames can carry the same seam, with different pictures beyond it.
    return bool(other.cells.any()) and own >= max(SEAM_STEP, 0.7 * theirs)


def _difference(frame: ExaminedFrame, other: ExaminedFrame) -> NDArray[np.uint8]:
    blue, green, red = cv2.split(np.asarray(cv2.absdiff(frame.picture, other.picture)))
    return np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8)


def _is_wide(cols: slice, cells: NDArray[np.bool_]) -> bool:
    return bool(cols.stop - cols.start >= _PASTE_WIDTH * cells.shape[1])


def _mark_foreign(frame: ExaminedFrame, rows: slice, cols: slice) -> None:
    frame.cells[rows, cols] = True
    frame.kinds.add(DamageKind.FOREIGN_PICTURE)
