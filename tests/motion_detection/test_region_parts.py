"""Blobs and regions made of the pixels of a box, against OpenCV's statistics of all labels."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from veroallarme_core.contract import MotionRegion
from veroallarme_core.motion_detection import blobs_in, regions_in


def blobs_by_statistics(pixels: NDArray[np.uint8], left: int, top: int) -> list[MotionRegion]:
    _, _, stats, centroids = cv2.connectedComponentsWithStats(pixels, connectivity=8)
    found = [
        MotionRegion(left + x, top + y, width, height, area, (left + across, top + down))
        for (x, y, width, height, area), (across, down) in zip(
            stats[1:].tolist(), centroids[1:].round().astype(int).tolist(), strict=True
        )
    ]
    return sorted(found, key=lambda blob: -blob.area)


@pytest.mark.parametrize("density", [0.0, 0.05, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("smooth", [1, 5, 9])
def test_blobs_are_those_of_the_statistics(density: float, smooth: int) -> None:
    # Rings and blobs inside them, blobs that touch by a corner, single pixels, full rows.
    noise = np.random.default_rng(3).random((61, 87)).astype(np.float32)
    smoothed = cv2.blur(noise, (smooth, smooth))
    pixels = np.where(smoothed < np.quantile(smoothed, density), 255, 0).astype(np.uint8)
    expected = blobs_by_statistics(pixels, 7, 11)
    assert blobs_in(pixels, 7, 11) == expected
    assert regions_in(pixels, 7, 11, joined=False) == expected
    large = [blob for blob in expected if blob.area >= 12.5]
    assert blobs_in(pixels, 7, 11, min_area=12.5) == large


def test_a_blob_inside_a_ring_is_one_of_its_own() -> None:
    pixels = np.zeros((30, 30), np.uint8)
    cv2.rectangle(pixels, (2, 2), (27, 27), 255, 2)
    pixels[14:16, 13:17] = 255
    ring, inner = blobs_in(pixels)
    assert ring.to_bbox() == (1, 1, 29, 29)
    assert ring.area == np.count_nonzero(pixels) - 8
    assert (inner.to_bbox(), inner.area) == ((13, 14, 17, 16), 8)


def test_all_pixels_of_a_box_are_one_region() -> None:
    pixels = np.zeros((20, 30), np.uint8)
    pixels[2:4, 3:5] = pixels[10:14, 20:26] = 255
    (region,) = regions_in(pixels, 100, 50)
    assert (region.to_bbox(), region.area) == ((103, 52, 126, 64), 28)
    assert regions_in(np.zeros_like(pixels), 100, 50) == []
