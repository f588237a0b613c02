"""The pixels behind a region, and regions made of some of them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import MotionRegion


def region_pixels(mask: NDArray[np.uint8], region: MotionRegion) -> NDArray[np.uint8]:
    """Return which pixels of a region's box are its own, uint8 (height, width), 255 there.

    Args:
        mask: the motion mask in which the region was found, uint8 (H, W).
        region: its box may hold parts of other regions.
    """
    x1, y1, x2, y2 = region.to_bbox()
    box = np.ascontiguousarray(mask[y1:y2, x1:x2])
    contours, _ = cv2.findContours(box, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) < 2:
        return box
    for contour in contours:
        if cv2.boundingRect(contour) == (0, 0, region.width, region.height):
            shape = np.zeros_like(box)
            cv2.drawContours(shape, [contour], -1, 255, cv2.FILLED)
            return np.asarray(cv2.bitwise_and(shape, box), np.uint8)
    # A part of a region may itself fall into parts.
    return box


def regions_in(
    pixels: NDArray[np.uint8], left: int, top: int, *, joined: bool = True
) -> list[MotionRegion]:
    """Return the pixels of a box as regions, the largest first: one of all, or one per blob.

    Args:
        pixels: uint8 (height, width), 255 where something moved.
        left, top: where the box lies in the frame.
        joined: make one region of all blobs.
    """
    if not pixels.any():
        return []
    blobs = [pixels]
    if not joined:
        count, labels = cv2.connectedComponents(pixels, connectivity=8)
        blobs = [np.where(labels == label, 255, 0).astype(np.uint8) for label in range(1, count)]
    regions = []
    for blob in blobs:
        x, y, width, height = cv2.boundingRect(blob)
        moments = cv2.moments(blob, binaryImage=True)
        area = moments["m00"]
        centroid = (left + round(moments["m10"] / area), top + round(moments["m01"] / area))
        regions.append(MotionRegion(left + x, top + y, width, height, round(area), centroid))
    return sorted(regions, key=lambda region: -region.area)
