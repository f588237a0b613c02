"""Regions that moved: the connected parts of a mask that are large enough to be no noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import MotionRegion

MIN_AREA_SHARE = 1.5e-4
"""Smallest region as a share of the frame: 61 px at 704x576, a person 10 px wide far away."""

MIN_AREA_FLOOR = 12
"""No region is smaller than this many pixels, however small the frame: below it is noise."""


def common_area(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> int:
    """Return how many pixels two boxes (x1, y1, x2, y2) share."""
    across = min(box[2], other[2]) - max(box[0], other[0])
    down = min(box[3], other[3]) - max(box[1], other[1])
    return max(0, across) * max(0, down)


def min_area_for(frame_dimensions: tuple[int, int]) -> int:
    """Return the smallest region worth reporting, in pixels, for frames of (H, W)."""
    height, width = frame_dimensions
    return max(MIN_AREA_FLOOR, round(height * width * MIN_AREA_SHARE))


def find_regions(
    mask: NDArray[np.uint8], min_area: int
) -> tuple[tuple[MotionRegion, ...], NDArray[np.uint8]]:
    """Return the regions of a mask, uint8 (H, W), the largest first, and the mask of them alone.

    `min_area` is the smallest region in pixels.
    """
    kept = np.zeros_like(mask)
    if mask.size == 0:
        return (), kept
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    regions = []
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        if width * height < min_area:
            continue
        box = (slice(y, y + height), slice(x, x + width))
        shape = np.zeros((height, width), np.uint8)
        cv2.drawContours(shape, [contour], -1, 255, cv2.FILLED, offset=(-x, -y))
        shape = np.asarray(cv2.bitwise_and(shape, mask[box]), np.uint8)
        moments = cv2.moments(shape, binaryImage=True)
        area = round(moments["m00"])
        if area < min_area:
            continue
        kept[box] |= shape
        centroid = (
            x + round(moments["m10"] / moments["m00"]),
            y + round(moments["m01"] / moments["m00"]),
        )
        regions.append(MotionRegion(x, y, width, height, area, centroid))
    regions.sort(key=lambda region: -region.area)
    return tuple(regions), kept
