"""Small drawn pictures with the texture and the noise of a camera, for tests of Stage 1."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def draw_yard(height: int = 288, width: int = 352, seed: int = 1) -> Picture:
    """Draw a textured, colourful, empty scene: uint8 (height, width, 3) BGR."""
    rng = np.random.default_rng(seed)
    cells = (max(height // 24, 2), max(width // 24, 2))
    coarse = rng.uniform(70, 170, (*cells, 1)) + rng.uniform(-12, 12, (*cells, 3))
    fine = rng.uniform(-22, 22, (max(height // 4, 2), max(width // 4, 2), 1))
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = cv2.resize(fine, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture + grain[..., None], 0, 255).astype(np.uint8)


def add_noise(picture: Picture, seed: int, sigma: float = 2.0) -> Picture:
    """Add sensor noise of `sigma` grey levels."""
    noise = np.random.default_rng(seed).normal(0.0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def burst_of(*pictures: Picture) -> list[Picture]:
    """Give each picture of a burst its own noise."""
    return [add_noise(picture, seed) for seed, picture in enumerate(pictures)]


def draw_person(picture: Picture, x: int, y: int, width: int = 14, height: int = 36) -> Picture:
    """Draw a dark upright figure with a bright head, its top left corner at (x, y)."""
    result = picture.copy()
    cv2.rectangle(result, (x, y + width), (x + width - 1, y + height - 1), (25, 20, 15), -1)
    cv2.circle(result, (x + width // 2, y + width // 2), width // 2, (190, 210, 240), -1)
    return result


def encode(picture: Picture, extension: str = ".jpg", quality: int = 90) -> bytes:
    """Encode a picture."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality] if extension == ".jpg" else []
    done, data = cv2.imencode(extension, picture, parameters)
    assert done
    return data.tobytes()


def draw_green_band(picture: Picture, top: int, seed: int = 5) -> Picture:
    """Replace everything below row `top` by what a decoder shows for chroma planes of zeros."""
    rng = np.random.default_rng(seed)
    result = picture.copy()
    rows, width = picture.shape[0] - top, picture.shape[1]
    noise = rng.uniform(0, 60, (rows, width, 3))
    noise[..., 1] += rng.uniform(110, 190, (rows, width))
    result[top:] = noise.astype(np.uint8)
    return result


def paste_foreign(picture: Picture, x: int, top: int, seed: int = 77) -> Picture:
    """Paste another camera's picture right of column `x`, from row `top` down."""
    result = picture.copy()
    other = draw_yard(*picture.shape[:2], seed=seed)
    result[top:, x:] = 255 - other[top:, x:]
    return result
