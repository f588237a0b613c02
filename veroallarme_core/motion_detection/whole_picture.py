"""A frame as a whole: what is compared to tell that not a part of it changed but all of it.

A frame is compared with the one before it and the one after it; what is known of it alone is
computed once.
"""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.pictures import shrink, shrink_factor

WORK_WIDTH = 480
"""Wider frames are compared at about this width, in pixels."""
PLACES = 16
"""Places per side of which the brightness is told."""
_CORNERS = 240
_COARSE_CORNERS = 80  # enough for a median, and their windows cover a good part of the picture
_COARSENESS = 4  # corners are found sixteen times as fast in a picture of a quarter of the width

Valid: TypeAlias = NDArray[np.uint8] | None
"""uint8 (h, w) at working size, 255 where a frame is undamaged; None for everywhere."""


class WholePicture:
    """One frame at working size.

    Args:
        image: uint8 (H, W, 3) BGR.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.factor = shrink_factor(image.shape[1], WORK_WIDTH)
        """Pixels of the frame per pixel here."""
        self._picture = shrink(image, WORK_WIDTH)

    @cached_property
    def grey(self) -> NDArray[np.uint8]:
        """The frame in grey, uint8 (h, w)."""
        return np.asarray(cv2.cvtColor(self._picture, cv2.COLOR_BGR2GRAY), np.uint8)

    def coarse_corners_within(self, valid: Valid) -> NDArray[np.float32]:
        """Find some corners, float32 (N, 2), to within a few pixels."""
        return self._coarse_corners if valid is None else self._find_coarse_corners(valid)

    def chroma_within(self, valid: Valid) -> float:
        """Return the mean distance of the picture from grey, in levels."""
        return max(_mean_within(distance, valid) for distance in self._distances)

    def places_within(self, valid: Valid) -> NDArray[np.float64]:
        """Average the brightness of 16 x 16 places, float64 (256,); nan where nothing is valid."""
        return self._places if valid is None else _places(self.grey, valid)

    def corners_within(self, valid: Valid) -> NDArray[np.float32]:
        """Find the corners that are best followed, float32 (N, 2), the clearest first."""
        return self._corners if valid is None else _find_corners(self.grey, _CORNERS, 7, valid)

    @cached_property
    def _distances(self) -> list[NDArray[np.uint8]]:
        """How far each two of the three channels lie apart, each uint8 (h, w)."""
        blue, green, red = cv2.split(self._picture)
        pairs = ((blue, green), (green, red), (blue, red))
        return [np.asarray(cv2.absdiff(*pair), np.uint8) for pair in pairs]

    @cached_property
    def _coarse_corners(self) -> NDArray[np.float32]:
        return self._find_coarse_corners(None)

    def _find_coarse_corners(self, valid: Valid) -> NDArray[np.float32]:
        width = max(1, self.grey.shape[1] // _COARSENESS)
        inside = None
        if valid is not None:
            small = cv2.threshold(shrink(valid, width), 254, 255, cv2.THRESH_BINARY)[1]
            inside = np.asarray(small, np.uint8)
        corners = _find_corners(shrink(self.grey, width), _COARSE_CORNERS, 3, inside)
        factor = shrink_factor(self.grey.shape[1], width)
        return corners * factor + np.float32((factor - 1) / 2)

    @cached_property
    def _places(self) -> NDArray[np.float64]:
        return _places(self.grey, None)

    @cached_property
    def _corners(self) -> NDArray[np.float32]:
        return _find_corners(self.grey, _CORNERS, 7, None)


def _mean_within(values: NDArray[np.uint8], valid: Valid) -> float:
    if valid is None:
        return float(cv2.mean(values)[0])
    # Three times as fast as a mean with a mask.
    total = cv2.sumElems(cv2.bitwise_and(values, valid))[0]
    return float(total) / max(1, cv2.countNonZero(valid))


def _places(grey: NDArray[np.uint8], valid: Valid) -> NDArray[np.float64]:
    size = (PLACES, PLACES)
    if valid is None:
        level = cv2.resize(grey.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return level.ravel().astype(np.float64)
    weight = cv2.resize((valid > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    level = cv2.bitwise_and(grey, valid).astype(np.float32)
    total = cv2.resize(level, size, interpolation=cv2.INTER_AREA)
    places = np.full(PLACES * PLACES, np.nan)
    known = weight.ravel() > 0.5
    places[known] = total.ravel()[known] / weight.ravel()[known]
    return places


def _find_corners(
    grey: NDArray[np.uint8], count: int, distance_px: float, valid: Valid
) -> NDArray[np.float32]:
    corners = cv2.goodFeaturesToTrack(grey, count, 0.01, distance_px, mask=valid)
    if corners is None:
        return np.zeros((0, 2), np.float32)
    return np.asarray(corners.reshape(-1, 2), np.float32)
