"""What is corrupt in the frames of a burst: every kind of damage in turn.

A network camera's broken stream leaves traces that nothing in front of a lens does. Each kind looks
at the frames alone or compares them, and marks what it finds; the later kinds build on what the
earlier ones have marked.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection.damage.examined_frame import CELL, ExaminedFrame, MarkDamage
from veroallarme_core.motion_detection.damage.foreign_pictures import mark_foreign_pictures
from veroallarme_core.motion_detection.damage.frame_damage import (
    BLOCK_SIZE,
    DamageKind,
    FrameDamage,
)
from veroallarme_core.motion_detection.damage.green import mark_green
from veroallarme_core.motion_detection.damage.missing_data import mark_missing_data
from veroallarme_core.motion_detection.damage.mosaics import mark_mosaics
from veroallarme_core.pictures import DecodedFrame

KINDS_OF_DAMAGE: tuple[MarkDamage, ...] = (
    mark_green,
    mark_missing_data,
    mark_mosaics,
    mark_foreign_pictures,
)
"""In this order: a seam proves more where garbage has been found already."""


def find_damage(
    frames: Sequence[NDArray[np.uint8] | DecodedFrame | None],
) -> tuple[FrameDamage, ...]:
    """Find what is corrupt in each frame of a burst.

    Args:
        frames: uint8 (H, W, 3) BGR, decoded frames (which know whether their file was cut off),
            or None where a frame could not be decoded.

    Returns:
        One entry per frame. All block grids have the shape that fits the most frequent frame
        size; a frame of another size is foreign as a whole.
    """
    images = [frame.image if isinstance(frame, DecodedFrame) else frame for frame in frames]
    lost = [frame.lost if isinstance(frame, DecodedFrame) else None for frame in frames]
    size = common_size(images)
    examined = [
        ExaminedFrame.of(image, gone) if image is not None and image.shape[:2] == size else None
        for image, gone in zip(images, lost, strict=True)
    ]
    comparable = [frame for frame in examined if frame is not None]
    for mark_damage in KINDS_OF_DAMAGE:
        mark_damage(comparable)
    return tuple(
        _summarise(frame, image is None, size)
        for frame, image in zip(examined, images, strict=True)
    )


def common_size(images: Sequence[NDArray[np.uint8] | None]) -> tuple[int, int]:
    """Return the most frequent (H, W) of the frames, the first one in a draw; (0, 0) if none."""
    sizes = [(image.shape[0], image.shape[1]) for image in images if image is not None]
    return max(dict.fromkeys(sizes), key=sizes.count) if sizes else (0, 0)


def _summarise(
    frame: ExaminedFrame | None, undecodable: bool, size: tuple[int, int]
) -> FrameDamage:
    height, width = size
    shape = (-(-height // BLOCK_SIZE), -(-width // BLOCK_SIZE))
    if frame is None:
        kind = DamageKind.UNDECODABLE if undecodable else DamageKind.FOREIGN_PICTURE
        return FrameDamage(frozenset({kind}), np.ones(shape, np.bool_), 1.0)
    if not frame.cells.any():
        return FrameDamage(frozenset(frame.kinds), np.zeros(shape, np.bool_), 0.0)
    blocks = _blocks_of(frame.cells, frame.picture.shape[:2], size)
    weight = np.outer(_block_sizes(height), _block_sizes(width))
    return FrameDamage(
        frozenset(frame.kinds), blocks, float((weight * blocks).sum() / (height * width))
    )


def _blocks_of(
    cells: NDArray[np.bool_], working: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Map cells at working size to the blocks of the frame that they touch."""
    height, width = size
    mask = np.repeat(np.repeat(cells, CELL, axis=0), CELL, axis=1)[: working[0], : working[1]]
    y1, y2 = _block_edges(height, working[0])
    x1, x2 = _block_edges(width, working[1])
    integral = cv2.integral(mask.astype(np.uint8))
    total = (
        integral[np.ix_(y2, x2)]
        - integral[np.ix_(y1, x2)]
        - integral[np.ix_(y2, x1)]
        + integral[np.ix_(y1, x1)]
    )
    return np.asarray(total > 0, np.bool_)


def _block_edges(length: int, working: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the blocks along `length` pixels begin and end at working size."""
    starts = np.arange(0, length, BLOCK_SIZE) * working / length
    ends = starts + BLOCK_SIZE * working / length
    first = np.minimum(np.floor(starts).astype(np.int64), working - 1)
    return first, np.clip(np.ceil(ends).astype(np.int64), first + 1, working)


def _block_sizes(length: int) -> NDArray[np.int64]:
    """Return the lengths of the blocks that cover `length` pixels; the last may be shorter."""
    starts = np.arange(0, length, BLOCK_SIZE)
    return np.minimum(BLOCK_SIZE, length - starts)
