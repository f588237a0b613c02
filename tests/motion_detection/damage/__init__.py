"""What the tests of all kinds of damage share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.drawn import draw_yard
from veroallarme_core.motion_detection.damage import BLOCK_SIZE, FrameDamage

HEIGHT, WIDTH = 288, 352
YARD = draw_yard(HEIGHT, WIDTH)


def kinds(damage: Sequence[FrameDamage]) -> list[set[str]]:
    return [{kind.value for kind in one.kinds} for one in damage]


def blocks_between(top: int, bottom: int, left: int, right: int) -> NDArray[np.bool_]:
    """The blocks of a frame that a rectangle of pixels touches."""
    blocks = np.zeros((HEIGHT // BLOCK_SIZE, WIDTH // BLOCK_SIZE), np.bool_)
    blocks[
        top // BLOCK_SIZE : -(-bottom // BLOCK_SIZE), left // BLOCK_SIZE : -(-right // BLOCK_SIZE)
    ] = True
    return blocks
