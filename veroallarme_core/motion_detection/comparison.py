"""How far two grey frames differ, with what changed the whole picture taken out of it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection.global_change import GlobalChange, GlobalChangeKind

Grey = NDArray[np.uint8]

STRUCTURE_CORRELATION = 0.3
"""Under another kind of light a place has changed where its structure correlates less."""

STRUCTURE_TEXTURE = 6.0
"""Standard deviation, in grey levels, from which a place has a structure to compare."""


def compare_greys(
    previous: Grey, current: Grey, valid: Grey, change: GlobalChange | None, threshold: int
) -> tuple[Grey, Grey, Grey]:
    """Compare two grey, blurred frames.

    Args:
        previous: uint8 (H, W).
        current: uint8 (H, W).
        valid: uint8 (H, W), 255 where the two can be compared.
        change: what changed the whole picture, if anything did.
        threshold: grey levels from which a difference counts; it is the scale of a difference of
            structure.

    Returns:
        `previous` with the change taken out of it, what is valid of that, and the difference in
        grey levels, 0 where it is not valid; all uint8 (H, W).
    """
    if change is None:
        difference = cv2.absdiff(previous, current)
    elif change.kind is GlobalChangeKind.EXPOSURE:
        previous = _adjust_brightness(previous, change)
        difference = cv2.absdiff(previous, current)
    elif change.kind is GlobalChangeKind.CAMERA_SHAKE:
        previous, valid = _register(previous, valid, change)
        difference = _difference_beyond_neighbours(previous, current)
    else:
        difference = _difference_of_structure(previous, current, threshold)
    return previous, valid, np.asarray(cv2.bitwise_and(difference, valid), np.uint8)


def _difference_of_structure(previous: Grey, current: Grey, threshold: int) -> Grey:
    """Compare what surfaces look like under another light: by correlation, not brightness."""
    correlation, before, after = local_correlation(previous, current)
    # Either texture will do: what appears before a plain wall has one, the wall has none.
    # Infrared turns contrasts round (foliage becomes the brightest), so the sign is no change.
    textured = np.maximum(before, after) > STRUCTURE_TEXTURE
    unlike = np.where(textured, 1.0 - np.abs(correlation), 0.0)
    scaled = unlike * (threshold / (1.0 - STRUCTURE_CORRELATION))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def local_correlation(
    previous: NDArray[np.uint8], current: NDArray[np.uint8], window: int = 15
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Correlate two grey pictures in a window around each pixel.

    The correlation is that of a fit by gain and offset: 1 where only the light changed.

    Args:
        previous: uint8 (H, W).
        current: uint8 (H, W).
        window: edge of the window in pixels, odd.

    Returns:
        The correlation in [-1, 1] and the texture of either picture (its standard deviation in
        the window, in grey levels), all float32 (H, W). Without texture the correlation tells
        nothing.
    """
    a, b = previous.astype(np.float32), current.astype(np.float32)
    size = (window, window)
    mean_a, mean_b = cv2.blur(a, size), cv2.blur(b, size)
    var_a = np.maximum(cv2.blur(a * a, size) - mean_a * mean_a, 0.0)
    var_b = np.maximum(cv2.blur(b * b, size) - mean_b * mean_b, 0.0)
    covariance = cv2.blur(a * b, size) - mean_a * mean_b
    correlation = covariance / np.sqrt(np.maximum(var_a * var_b, 1.0))
    return (
        np.asarray(np.clip(correlation, -1.0, 1.0), np.float32),
        np.asarray(np.sqrt(var_a), np.float32),
        np.asarray(np.sqrt(var_b), np.float32),
    )


def _adjust_brightness(grey: NDArray[np.uint8], change: GlobalChange) -> NDArray[np.uint8]:
    """Give a picture the brightness that it has after an exposure change."""
    levels = np.clip(np.arange(256) * change.gain + change.offset, 0, 255)
    return np.asarray(cv2.LUT(grey, levels.round().astype(np.uint8)), dtype=np.uint8)


def _register(
    grey: NDArray[np.uint8], valid: NDArray[np.uint8], change: GlobalChange
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Move a picture to where the camera looks after a shake, with what is valid of it."""
    matrix = np.array(change.warp).reshape(2, 3)
    size = (grey.shape[1], grey.shape[0])
    moved = cv2.warpAffine(grey, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(valid, matrix, size, flags=cv2.INTER_NEAREST)
    inside = cv2.bitwise_and(cv2.erode(inside, np.ones((5, 5), np.uint8)), valid)
    return np.asarray(moved, np.uint8), np.asarray(inside, np.uint8)


def _difference_beyond_neighbours(
    previous: NDArray[np.uint8], current: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return how far a pixel lies outside the range of its neighbours in the other picture.

    Registration leaves a pixel of error, which a plain difference shows along every edge.
    """
    kernel = np.ones((3, 3), np.uint8)

    def beyond(picture: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
        above = cv2.subtract(picture, cv2.dilate(other, kernel))
        below = cv2.subtract(cv2.erode(other, kernel), picture)
        return np.asarray(cv2.max(above, below), np.uint8)

    return np.asarray(cv2.max(beyond(previous, current), beyond(current, previous)), np.uint8)
