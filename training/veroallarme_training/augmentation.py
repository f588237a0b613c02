"""How a training crop varies: where it is cut, and how the camera might have seen it.

All chance comes from the generator that is passed in, so that an item depends on its number, the
epoch and the seed alone, whichever process cuts it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.description import Square
from veroallarme_training.config import AugmentationSettings

Crop = NDArray[np.float32]


def vary_square(square: Square, settings: AugmentationSettings, rng: np.random.Generator) -> Square:
    """Return the square scaled about its centre and shifted."""
    if not settings.enabled:
        return square
    side = max(8, round(square.side * rng.uniform(*settings.scale)))
    reach = settings.shift * side
    dx, dy = rng.uniform(-reach, reach, 2)
    x = round(square.x + (square.side - side) / 2 + dx)
    y = round(square.y + (square.side - side) / 2 + dy)
    return Square(x, y, side)


def keep_inside(square: Square, frame_dimensions: tuple[int, int]) -> Square:
    """Return the square moved so that its centre lies in the frame of (H, W)."""
    height, width = frame_dimensions
    half = square.side // 2
    x = min(max(square.x, -half), width - 1 - half)
    y = min(max(square.y, -half), height - 1 - half)
    return Square(x, y, square.side)


def vary_order(
    count: int, settings: AugmentationSettings, rng: np.random.Generator
) -> tuple[int, ...]:
    """Return the frames' numbers, forwards or backwards: what moves may come from either side."""
    backwards = settings.enabled and rng.random() < settings.reverse_time
    return tuple(reversed(range(count))) if backwards else tuple(range(count))


def vary_flip(settings: AugmentationSettings, rng: np.random.Generator) -> bool:
    """Decide whether a crop (and its mask) is mirrored."""
    return settings.enabled and bool(rng.random() < settings.horizontal_flip)


def vary_pixels(crop: Crop, settings: AugmentationSettings, rng: np.random.Generator) -> Crop:
    """Change brightness, contrast, noise and sharpness of a crop (3, h, w) in [0, 1].

    All channels change alike: in a temporal crop they are frames of one camera, and a difference
    between them would be motion.
    """
    if not settings.enabled:
        return crop
    gain = 1.0 + rng.uniform(-settings.contrast, settings.contrast)
    offset = rng.uniform(-settings.brightness, settings.brightness)
    mean = float(crop.mean())
    varied = (crop - mean) * gain + mean + offset
    if rng.random() < settings.blur:
        blurred = cv2.GaussianBlur(varied.transpose(1, 2, 0), (0, 0), 1.0)
        varied = np.asarray(blurred, np.float32).transpose(2, 0, 1)
    sigma = rng.uniform(0.0, settings.noise)
    if sigma > 0:
        varied = varied + sigma * rng.standard_normal(crop.shape, np.float32)
    return np.ascontiguousarray(np.clip(varied, 0.0, 1.0), np.float32)
