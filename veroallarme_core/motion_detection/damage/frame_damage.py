"""The damage of one frame, block by block, as the rest of the house sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

BLOCK_SIZE = 16
"""Edge of a block in pixels of the frame; damage is told and masked by block."""


class DamageKind(StrEnum):
    """The ways in which a frame is corrupt."""

    UNDECODABLE = "undecodable"
    TRUNCATED = "truncated"
    GREEN_BAND = "green_band"
    GREY_BAND = "grey_band"
    MACROBLOCKS = "macroblocks"
    FOREIGN_PICTURE = "foreign_picture"


@dataclass(frozen=True, eq=False)
class FrameDamage:
    """The damage of one frame.

    `blocks` is bool (rows, cols), True where a block of `BLOCK_SIZE` pixels is damaged;
    `share` is the damaged share of the frame in [0, 1].
    """

    kinds: frozenset[DamageKind]
    blocks: NDArray[np.bool_]
    share: float

    @property
    def is_usable(self) -> bool:
        """Tell whether any block of the frame can be compared."""
        return not bool(self.blocks.all())

    def pixel_mask(self, frame_dimensions: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the damage as uint8 (H, W), 255 where a pixel is damaged."""
        height, width = frame_dimensions
        blocks = self.blocks.astype(np.uint8) * 255
        mask = np.repeat(np.repeat(blocks, BLOCK_SIZE, axis=0), BLOCK_SIZE, axis=1)
        return np.ascontiguousarray(mask[:height, :width])
