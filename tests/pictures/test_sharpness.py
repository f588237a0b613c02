"""How blurred a picture is: less than another where it is, whatever its size."""

import cv2
import numpy as np
import pytest

from veroallarme_core.drawing import draw_event
from veroallarme_core.pictures.sharpness import BLURRED, blur


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return draw_event("person_in_the_drive", size=(576, 704)).frames[0]


def out_of_focus(picture: np.ndarray, share: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), share * picture.shape[1])


def test_the_worse_the_focus_the_more_blurred(picture: np.ndarray) -> None:
    values = [
        blur(picture),
        *(blur(out_of_focus(picture, share)) for share in (0.002, 0.004, 0.01)),
    ]
    assert values == sorted(values)
    assert values[0] < BLURRED < values[-1]


def test_a_large_picture_that_is_soft_in_each_pixel_is_not_blurred(picture: np.ndarray) -> None:
    large = cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    assert blur(large) < BLURRED


def test_what_moves_along_one_direction_is_blurred(picture: np.ndarray) -> None:
    assert blur(cv2.blur(picture, (25, 1))) > BLURRED
    assert blur(cv2.blur(picture, (1, 25))) > BLURRED


def test_extremes() -> None:
    assert blur(np.full((40, 60, 3), 90, np.uint8)) == 1.0
    noise = np.random.default_rng(3).integers(0, 256, (144, 176, 3), dtype=np.uint8)
    assert blur(noise) < 0.3
    assert blur(np.zeros((1, 1, 3), np.uint8)) == 1.0
