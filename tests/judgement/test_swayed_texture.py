"""Sway: every moved pixel is looked for nearby in the other picture, against a slow search."""

import cv2
import numpy as np
import pytest

from veroallarme_core.judgement.swayed_texture import explained_by_sway

SIZE = (100, 352)
REACH = 2  # pixels at that width
RESIDUAL = 14


def texture(seed: int) -> np.ndarray:
    grey = np.random.default_rng(seed).integers(0, 256, SIZE, np.uint8)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.2), np.uint8)


def slow_residual(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The smallest mean difference of 3 x 3 surroundings, displacement by displacement."""
    padded = np.pad(source, REACH, mode="reflect")
    best = np.full(target.shape, 255, np.uint8)
    for dy in range(2 * REACH + 1):
        for dx in range(2 * REACH + 1):
            shifted = padded[dy : dy + SIZE[0], dx : dx + SIZE[1]]
            best = np.minimum(best, cv2.blur(cv2.absdiff(shifted, target), (3, 3)))
    return best


@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_all_boxes_together_are_as_each_pixel_alone(shift: int) -> None:
    befores = [texture(1), texture(2)]
    afters = [np.roll(befores[0], shift, axis=1), np.roll(befores[1], shift, axis=0)]
    rests = [np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)]
    rests[0][20:50, 30:90] = rests[0][70:75, 200:300] = rests[1][40:60, 100:130] = 255
    found = explained_by_sway(befores, afters, rests, largest=1e9)
    for before, after, rest, swayed in zip(befores, afters, rests, found, strict=True):
        came, went = slow_residual(before, after), slow_residual(after, before)
        expected = np.where(np.maximum(came, went) < RESIDUAL, rest, 0)
        np.testing.assert_array_equal(swayed, expected)
        assert (np.count_nonzero(swayed) == np.count_nonzero(rest)) == (shift <= REACH)


def test_large_blob_that_no_displacement_explains_is_not_searched() -> None:
    before = texture(3)
    after = before.copy()
    after[30:60, 100:140] = 255
    rest = np.zeros(SIZE, np.uint8)
    # What sways beside a mover, in the same box, is not looked for either.
    rest[30:60, 100:160] = 255
    after[30:60, 140:160] = np.roll(before, 1, axis=1)[30:60, 140:160]
    assert explained_by_sway([before], [after], [rest], largest=1e9)[0].any()
    assert not explained_by_sway([before], [after], [rest], largest=100)[0].any()


def test_nothing_moved_nothing_swayed() -> None:
    before, nothing = texture(4), np.zeros(SIZE, np.uint8)
    assert not explained_by_sway([before], [before], [nothing], largest=10)[0].any()
    assert explained_by_sway([], [], [], largest=10) == []
