"""Drawn bursts in which something crosses a still place, and in which nothing does."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (144, 176)


def scene(*boxes: tuple[int, int], noise: int = 0) -> NDArray[np.uint8]:
    """A textured still picture with a bright box of 30 pixels at each corner (x, y)."""
    rng = np.random.default_rng(7)
    picture = cv2.GaussianBlur(rng.integers(60, 140, (*SIZE, 3), dtype=np.uint8), (9, 9), 0)
    for x, y in boxes:
        picture[y : y + 30, x : x + 30] = (230, 235, 240)
    shift = np.random.default_rng(noise).integers(0, 3, picture.shape, dtype=np.uint8)
    return (picture + shift).astype(np.uint8)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".jpg", picture)[1].tobytes())


MOVING = [jpeg(scene((x, 60), noise=x)) for x in (20, 60, 110)]
STILL = [jpeg(scene(noise=number)) for number in range(3)]
