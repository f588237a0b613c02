"""Boxes on one sheet: what is filtered there is what the pictures themselves would show."""

import cv2
import numpy as np
import pytest

from veroallarme_core.judgement.box_sheet import (
    Box,
    boxes_of_blobs,
    has_blob_above,
    largest_blob,
    lay_out,
)

SIZE = (90, 120)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SIZE, np.uint8)


def random_boxes(seed: int, count: int) -> list[Box]:
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(count):
        y, x = int(rng.integers(SIZE[0] - 1)), int(rng.integers(SIZE[1] - 1))
        height, width = int(rng.integers(1, SIZE[0] - y)), int(rng.integers(1, SIZE[1] - x))
        boxes.append(Box(int(rng.integers(2)), x, y, x + width, y + height))
    return boxes


@pytest.mark.parametrize("seed", range(5))
def test_a_filter_sees_what_lies_around_each_box(seed: int) -> None:
    pictures = [noise(seed), noise(seed + 100)]
    boxes = random_boxes(seed, 12)
    for sheet in lay_out(boxes, 3):
        blurred = cv2.blur(sheet.cut(pictures), (7, 7))
        for box, part in sheet.parts(blurred):
            expected = cv2.blur(pictures[box.picture], (7, 7))[box.inside]
            np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize(("count", "margin"), [(1, 0), (40, 2), (400, 9)])
def test_every_box_lies_on_one_sheet_and_none_on_another(count: int, margin: int) -> None:
    boxes = random_boxes(7, count)
    laid: list[Box] = []
    for sheet in lay_out(boxes, margin):
        taken = np.zeros(sheet.size, np.uint8)
        for box, (x, y) in zip(sheet.boxes, sheet.corners, strict=True):
            height = box.y2 - box.y1 + 2 * margin
            width = box.x2 - box.x1 + 2 * margin
            place = taken[y : y + height, x : x + width]
            assert place.shape == (height, width)
            assert not place.any()
            place[:] = 1
        laid += sheet.boxes
    assert sorted(laid) == sorted(boxes)


def test_no_boxes_need_no_sheet() -> None:
    assert list(lay_out([], 4)) == []


def test_what_is_pasted_is_added_inside_the_boxes_alone() -> None:
    pictures = [np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)]
    pictures[0][:5] = 255
    (sheet,) = lay_out([Box(0, 10, 3, 30, 20), Box(1, 0, 0, 4, 4)], 2)
    sheet.paste(np.full(sheet.size, 255, np.uint8), pictures)
    expected = np.zeros(SIZE, np.uint8)
    expected[:5] = expected[3:20, 10:30] = 255
    np.testing.assert_array_equal(pictures[0], expected)
    assert np.count_nonzero(pictures[1]) == 16


def test_beyond_its_picture_a_mask_holds_nothing() -> None:
    full = np.full(SIZE, 255, np.uint8)
    (sheet,) = lay_out([Box(0, 0, 0, SIZE[1], SIZE[0])], 5)
    assert np.count_nonzero(sheet.cut([full], cv2.BORDER_CONSTANT)) == full.size


def test_boxes_hold_all_that_is_set_and_join_what_lies_close() -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[10:20, 10:20] = mask[10:20, 24:30] = mask[60:64, 80:84] = 255
    boxes = list(boxes_of_blobs(1, mask))
    assert len(boxes) == 2
    covered = np.zeros(SIZE, np.uint8)
    for box in boxes:
        assert box.picture == 1
        covered[box.inside] = 255
    assert not (mask & ~covered).any()


@pytest.mark.parametrize("seed", range(5))
def test_blob_above_an_area_is_the_largest(seed: int) -> None:
    mask = np.where(noise(seed) > 150, 255, 0).astype(np.uint8)
    largest = largest_blob(mask)
    assert largest > 0
    assert has_blob_above(mask, largest - 1)
    assert not has_blob_above(mask, largest)
    assert largest_blob(np.zeros(SIZE, np.uint8)) == 0
