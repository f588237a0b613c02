"""Whether two snapshots show different pictures, whatever their bytes.

A camera that hangs sends the same picture again with another comment, with other bytes behind its
end or in another quality, and a file may be read before all of it is written. None of that is a
second picture, and only a second picture can show that something moved, or that nothing did.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veroallarme_core.pictures import JPEG_START, FrameError, decode_frame
from veroallarme_core.worker.snapshots.snapshots import Snapshot

_BLOCK = 8  # edge of a JPEG's block in pixels
_ROUNDING = 2.0
"""What rounding to whole grey levels may add to a difference of two coefficients."""
_DIFFERENT_SHARE = 0.025
"""Share of blocks that no common original explains, from which on pictures differ.

On 54 pairs of frames of 27 cameras at seven pairs of qualities from 30 to 98: at most 1.8 % where
one picture was compressed twice, at least 3.8 % where the next frame was (a wind turbine before a
clear sky). Where the noise of a sensor stays below some 1.5 grey levels and the quality changes as
well nothing can tell them apart: they count as one picture, and another one is asked for.
"""


@dataclass(frozen=True, eq=False)
class SeenPicture:
    """A snapshot that was decoded once to tell its picture from others.

    Attributes:
        snapshot: As it came.
        is_whole: Whether all of its data came.
        digest: Of the pixels as they stand upright, and their size.
        quantization: Of a JPEG's brightness, 64 steps; empty for other formats.
    """

    snapshot: Snapshot
    is_whole: bool
    digest: bytes = field(repr=False)
    quantization: tuple[int, ...] = field(repr=False)

    def has_more_than(self, other: SeenPicture) -> bool:
        """Tell whether this is the same file as another one, once more of it was written."""
        if self.is_whole or other.is_whole:
            return self.is_whole and not other.is_whole
        return len(_written(self.snapshot.data)) > len(_written(other.snapshot.data))


Seen = tuple[SeenPicture, int | None]
"""A picture, and the index of the one that it repeats."""


def look_at(snapshot: Snapshot, others: Sequence[SeenPicture]) -> Seen | FrameError:
    """Decode a snapshot and find the first of the others that shows the same picture.

    Blocks for some 20 ms for each megapixel, and twice as long where qualities differ. What cannot
    be decoded is returned, not raised.
    """
    try:
        picture = _see(snapshot)
    except FrameError as error:
        return error
    return picture, next((i for i, other in enumerate(others) if _is_same(picture, other)), None)


def _see(snapshot: Snapshot) -> SeenPicture:
    frame = decode_frame(snapshot.data)
    digest = hashlib.blake2b(repr(frame.image.shape).encode())
    digest.update(frame.image.data)
    return SeenPicture(
        snapshot,
        is_whole=not frame.truncated,
        digest=digest.digest(),
        quantization=_quantization(snapshot.data),
    )


def _is_same(picture: SeenPicture, other: SeenPicture) -> bool:
    if picture.digest == other.digest:
        return True
    if not (picture.is_whole and other.is_whole):
        return _is_beginning(picture.snapshot.data, other.snapshot.data)
    # An encoder with the same tables makes the same pixels of the same picture.
    if picture.quantization == other.quantization or not (
        picture.quantization and other.quantization
    ):
        return False
    return _have_common_original(picture, other)


def _written(data: bytes) -> bytes:
    """Return what of a file was written; the rest may stand there as zeros already."""
    return data.rstrip(b"\0")


def _is_beginning(picture: bytes, other: bytes) -> bool:
    """Tell whether one file is the other one before all of it was written."""
    shorter, longer = sorted((_written(picture), _written(other)), key=len)
    return longer.startswith(shorter)


def _have_common_original(picture: SeenPicture, other: SeenPicture) -> bool:
    """Tell whether two JPEGs of different quality may be the same picture, compressed twice.

    Compression moves a coefficient by half a step of its table at most. Where two pictures are
    further apart than the halves of both their steps, in more than a few blocks, no picture can
    have given both: the noise of a sensor alone does that.
    """
    luma, other_luma = _luma(picture.snapshot.data), _luma(other.snapshot.data)
    if luma.shape != other_luma.shape:
        return False
    blocks, other_blocks = _blocks(luma), _blocks(other_luma)  # (n, 8, 8)
    clipped = _is_clipped(blocks) | _is_clipped(other_blocks)
    steps = np.array([picture.quantization, other.quantization], np.float32).sum(axis=0)
    reach = steps.reshape(_BLOCK, _BLOCK) / 2 + _ROUNDING
    apart = np.abs(_cosine_transform(blocks - other_blocks)) > reach
    return float((apart.any(axis=(1, 2)) & ~clipped).mean()) <= _DIFFERENT_SHARE


def _is_clipped(blocks: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which blocks hold black or white, where decoding cuts off what compression added."""
    return np.asarray(((blocks <= 0) | (blocks >= 255)).any(axis=(1, 2)), np.bool_)


def _blocks(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cut brightness (H, W) into the whole blocks of a JPEG's grid -> (n, 8, 8)."""
    rows, cols = (length // _BLOCK for length in luma.shape)
    whole = luma[: rows * _BLOCK, : cols * _BLOCK].astype(np.float32)
    return whole.reshape(rows, _BLOCK, cols, _BLOCK).swapaxes(1, 2).reshape(-1, _BLOCK, _BLOCK)


def _cosine_transform(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Transform blocks (n, 8, 8) as a JPEG does, so that coefficients compare with its steps."""
    index = np.arange(_BLOCK)
    basis = np.cos((2 * index[None] + 1) * index[:, None] * np.pi / (2 * _BLOCK)) / 2
    basis[0] /= np.sqrt(2)
    basis = basis.astype(np.float32)
    return np.asarray(basis @ blocks @ basis.T, np.float32)


def _luma(jpeg: bytes) -> NDArray[np.uint8]:
    """Decode the brightness of a JPEG as it is stored, uint8 (H, W)."""
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
        picture.draft("L", picture.size)
        return np.asarray(picture.convert("L"), np.uint8)


def _quantization(data: bytes) -> tuple[int, ...]:
    if not data.startswith(JPEG_START):
        return ()
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        tables: dict[int, Sequence[int]] = getattr(picture, "quantization", {})
        return tuple(tables.get(0, ()))
