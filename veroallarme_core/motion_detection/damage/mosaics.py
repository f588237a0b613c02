"""Mosaics: patches of flat macroblocks, of which the detail never came."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection.damage.examined_frame import ExaminedFrame, dilate
from veroallarme_core.motion_detection.damage.frame_damage import BLOCK_SIZE, DamageKind

_MOSAIC_BLOCKS = 12
"""Fewest flat macroblocks of a mosaic. In 519 clean frames of real footage at most 3 are flat in
one frame of the burst alone. No real footage at hand shows a mosaic: drawn ones are what it is held
against, raw and as JPEG of quality 90."""
_MOSAIC_FILL = 0.12
"""Share of them in the patch that they span: half of a drawn mosaic's blocks kept their detail."""
_MOSAIC_DETAIL = 5.0
"""Mean deviation from its own mean, in grey levels, of a flat block."""
_MOSAIC_STEP = 10
"""Step along most of a side of such a block, in grey levels."""


def mark_mosaics(frames: Sequence[ExaminedFrame]) -> None:
    """Mark patches of flat macroblocks: blocks without detail that differ from their neighbours."""
    if len(frames) < 2:
        return
    flat = [_flat_macroblocks(frame.image) for frame in frames]
    for index, frame in enumerate(frames):
        # A wall of tiles or an encoder's blocking is in the other frames as well.
        own = flat[index].copy()
        for other in flat[:index] + flat[index + 1 :]:
            own &= ~other
        blocks = _patches_of(own)
        if blocks.any():
            size = (frame.cells.shape[1], frame.cells.shape[0])
            grown = cv2.resize(blocks.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            frame.mark(DamageKind.MACROBLOCKS, np.asarray(grown, np.uint8) > 0)


def _patches_of(flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the boxes in which flat macroblocks, bool (rows, cols), lie close together."""
    patches = np.zeros_like(flat)
    if np.count_nonzero(flat) < _MOSAIC_BLOCKS:
        return patches
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        dilate(flat, (5, 5)).astype(np.uint8), connectivity=8
    )
    members = np.bincount(labels[flat], minlength=count)
    for label in range(1, count):
        x, y, width, height, _ = stats[label].tolist()
        if members[label] >= max(_MOSAIC_BLOCKS, _MOSAIC_FILL * width * height):
            patches[y : y + height, x : x + width] = True
    return patches


def _flat_macroblocks(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find blocks of 16 x 16 pixels without detail, but with steps at their borders.

    Returns bool (rows, cols) on the grid of the frame at full size, whole blocks only.
    """
    height, width = (length // BLOCK_SIZE * BLOCK_SIZE for length in image.shape[:2])
    rows, cols = height // BLOCK_SIZE, width // BLOCK_SIZE
    if rows < 3 or cols < 3:
        return np.zeros((rows, cols), np.bool_)
    # Brightness alone: the codec smears colour over the border of a block.
    grey = np.asarray(cv2.cvtColor(image[:height, :width], cv2.COLOR_BGR2GRAY), np.uint8)
    # Steps from one pixel to the next, exactly on the grid: things in a scene know no grid.
    first, last = slice(BLOCK_SIZE, None, BLOCK_SIZE), slice(BLOCK_SIZE - 1, -1, BLOCK_SIZE)
    across = cv2.absdiff(np.ascontiguousarray(grey[:, first]), np.ascontiguousarray(grey[:, last]))
    down = cv2.absdiff(np.ascontiguousarray(grey[first]), np.ascontiguousarray(grey[last]))
    steps_across = across.reshape(rows, BLOCK_SIZE, cols - 1)
    steps_down = down.reshape(rows - 1, cols, BLOCK_SIZE)
    # Not along all of a side: the codec softens a few pixels of it.
    fewest = BLOCK_SIZE - BLOCK_SIZE // 4
    is_sharp_across = np.count_nonzero(steps_across > _MOSAIC_STEP, axis=1) >= fewest
    is_sharp_down = np.count_nonzero(steps_down > _MOSAIC_STEP, axis=2) >= fewest
    sides = np.zeros((rows, cols), np.uint8)
    sides[:, 1:] += is_sharp_across
    sides[:, :-1] += is_sharp_across
    sides[1:] += is_sharp_down
    sides[:-1] += is_sharp_down
    # Few blocks stand out on two sides: only their inside is looked at.
    flat = sides >= 2
    blocks = grey.reshape(rows, BLOCK_SIZE, cols, BLOCK_SIZE).swapaxes(1, 2)[flat]  # (n, 16, 16)
    mean = np.rint(blocks.mean(axis=(1, 2), keepdims=True))
    detail = np.rint(np.abs(blocks - mean).mean(axis=(1, 2)))
    flat[flat] = detail < _MOSAIC_DETAIL
    return np.asarray(flat, np.bool_)
