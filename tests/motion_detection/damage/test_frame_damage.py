"""The damage of one frame."""

import numpy as np

from veroallarme_core.motion_detection.damage import (
    FrameDamage,
)


def test_pixel_mask_covers_the_blocks() -> None:
    blocks = np.zeros((2, 3), np.bool_)
    blocks[1, 2] = True
    mask = FrameDamage(frozenset(), blocks, 0.1).pixel_mask((20, 40))
    assert mask.shape == (20, 40)
    expected = np.zeros((20, 40), np.uint8)
    expected[16:, 32:] = 255
    np.testing.assert_array_equal(mask, expected)
