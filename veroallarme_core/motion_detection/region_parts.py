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
    if not joined:
        return blobs_in(pixels, left, top)
    return [_region_of(pixels, (left, top))] if pixels.any() else []


def blobs_in(
    pixels: NDArray[np.uint8], left: int = 0, top: int = 0, *, min_area: float = 1.0
) -> list[MotionRegion]:
    """Return the blobs (8-connected) of at least `min_area` pixels as regions, the largest first.

    Other arguments as for `regions_in`.
    """
    _, labels = cv2.connectedComponents(pixels, connectivity=8)
    # Numbers of each label take ten times as long as the labels: most blobs are too small to ask.
    contours, hierarchy = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    found: list[tuple[int, int, MotionRegion]] = []
    for contour, links in zip(contours, () if hierarchy is None else hierarchy[0], strict=True):
        x, y, width, height = cv2.boundingRect(contour)
        is_hole = links[3] >= 0
        if is_hole or width * height < min_area:
            continue
        column, row = contour[0, 0]
        label = int(labels[row, column])
        blob = (labels[y : y + height, x : x + width] == label).view(np.uint8)
        region = _region_of(blob, (left, top), (x, y))
        if region.area >= min_area:
            found.append((-region.area, label, region))
    return [region for _, _, region in sorted(found, key=lambda blob: blob[:2])]


def _region_of(
    pixels: NDArray[np.uint8], corner: tuple[int, int], inner: tuple[int, int] = (0, 0)
) -> MotionRegion:
    """Return pixels as a region; they begin at `inner` of a box that lies at `corner`, (x, y)."""
    x, y, width, height = cv2.boundingRect(pixels)
    moments = cv2.moments(pixels, binaryImage=True)
    area = moments["m00"]
    centroid = (
        corner[0] + round(inner[0] + moments["m10"] / area),
        corner[1] + round(inner[1] + moments["m01"] / area),
    )
    left, top = corner[0] + inner[0] + x, corner[1] + inner[1] + y
    return MotionRegion(left, top, width, height, round(area), centroid)
