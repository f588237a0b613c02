"""How crops vary, and what never varies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_core.description.region_crops import Square
from veroallarme_training.augmentation import (
    keep_inside,
    vary_flip,
    vary_order,
    vary_pixels,
    vary_square,
)
from veroallarme_training.config import AugmentationSettings

OFF = AugmentationSettings(enabled=False)
ON = AugmentationSettings()


def rng(seed=0):
    return np.random.default_rng(seed)


def test_switched_off_nothing_varies():
    square, crop = Square(3, 4, 50), rng().random((3, 8, 8), np.float32)
    assert vary_square(square, OFF, rng()) == square
    assert vary_order(3, OFF, rng()) == (0, 1, 2)
    assert not vary_flip(OFF, rng())
    assert vary_pixels(crop, OFF, rng()) is crop


@given(st.integers(0, 1000), st.integers(16, 400))
def test_squares_stay_within_the_settings(seed, side):
    varied = vary_square(Square(10, 20, side), ON, rng(seed))
    assert ON.scale[0] * side - 1 <= varied.side <= ON.scale[1] * side + 1
    for before, after in ((10, varied.x), (20, varied.y)):
        shift = after + varied.side / 2 - before - side / 2
        assert abs(shift) <= ON.shift * varied.side + 1


@given(st.integers(-900, 900), st.integers(-900, 900), st.integers(8, 900))
def test_the_centre_stays_in_the_frame(x, y, side):
    kept = keep_inside(Square(x, y, side), (120, 160))
    assert 0 <= kept.x + side // 2 < 160
    assert 0 <= kept.y + side // 2 < 120


def test_time_runs_either_way_and_crops_are_mirrored_half_the_time():
    generator = rng()
    orders = [vary_order(3, ON, generator) for _ in range(400)]
    assert set(orders) == {(0, 1, 2), (2, 1, 0)}
    assert 150 < orders.count((2, 1, 0)) < 250
    assert 150 < sum(vary_flip(ON, generator) for _ in range(400)) < 250


@given(st.integers(0, 1000))
def test_pixels_stay_in_range_and_still_places_stay_still(seed):
    grey = np.repeat(rng(seed).random((1, 12, 12), np.float32), 3, axis=0)
    settings = AugmentationSettings(noise=0.0, blur=0.5)
    varied = vary_pixels(grey, settings, rng(seed))
    assert varied.dtype == np.float32
    assert varied.min() >= 0
    assert varied.max() <= 1
    # In a temporal crop a difference between channels would be motion.
    assert np.allclose(varied[0], varied[1], atol=1e-6)
    assert np.allclose(varied[0], varied[2], atol=1e-6)
