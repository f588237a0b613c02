"""Answers of detectors into scores and boxes, against loops that are slow and obvious."""

import math

import numpy as np
import pytest

from veroallarme_core.description.detector_layouts import (
    BINS,
    SCORES,
    LayoutError,
    NanoDetLayout,
    ShippedLayout,
    YoloxLayout,
    cells_of,
    place_boxes,
    recognise_layout,
)
from veroallarme_core.inference import Port

SIZE = (64, 96)
STRIDES = (8, 16, 32)
CELLS = sum(64 // stride * (96 // stride) for stride in STRIDES)


def slow_cells(size, strides):
    return [
        (x, y, stride)
        for stride in strides
        for y in range(-(-size[0] // stride))
        for x in range(-(-size[1] // stride))
    ]


def slow_box_of_bins(bins, cell, origin=0.5):
    """bins: the 44 numbers of a cell."""
    x, y, stride = cell
    distances = []
    for side in np.split(np.asarray(bins, float), 4):
        weights = [math.exp(value) for value in side]
        mean = sum(n * weight for n, weight in enumerate(weights)) / sum(weights)
        distances.append(mean * stride)
    centre_x, centre_y = (x + origin) * stride, (y + origin) * stride
    left, top, right, bottom = distances
    return [centre_x - left, centre_y - top, centre_x + right, centre_y + bottom]


def slow_box_of_yolox(answer, cell):
    x, y, stride = cell
    centre_x, centre_y = (x + answer[0]) * stride, (y + answer[1]) * stride
    width, height = math.exp(answer[2]) * stride, math.exp(answer[3]) * stride
    return [
        centre_x - width / 2,
        centre_y - height / 2,
        centre_x + width / 2,
        centre_y + height / 2,
    ]


class TestCells:
    @pytest.mark.parametrize("size", [(64, 96), (416, 416), (352, 416), (32, 32), (1280, 32)])
    @pytest.mark.parametrize("strides", [(8, 16, 32), (8, 16, 32, 64)])
    def test_are_those_of_all_strides(self, size, strides):
        expected = slow_cells(size, strides)
        cells = cells_of(size, len(expected))
        found = list(zip(cells.x, cells.y, cells.stride, strict=True))
        assert found == expected

    def test_another_number_is_told(self):
        with pytest.raises(LayoutError, match="1000 cells for a picture of 416x416"):
            cells_of((416, 416), 1000)


class TestBoxes:
    rng = np.random.default_rng(8)
    which = np.array([0, 5, CELLS - 1, 95, 97, 40])

    def check(self, layout, answers, slow):
        cells = cells_of(SIZE, CELLS)
        for image in range(2):
            boxes = layout.boxes(answers, image, self.which)
            found = place_boxes(boxes, cells, self.which)
            for box, index in zip(found, self.which, strict=True):
                expected = slow(image, index, slow_cells(SIZE, STRIDES)[index])
                assert box == pytest.approx(expected, rel=1e-5, abs=1e-3)

    def test_of_the_shipped_layout(self):
        bins = self.rng.normal(0, 4, (2, 44, CELLS)).astype(np.float32)
        scores = self.rng.uniform(0, 1, (2, 80, CELLS)).astype(np.float32)
        assert np.array_equal(ShippedLayout().scores([scores, bins]), scores)
        self.check(
            ShippedLayout(),
            [scores, bins],
            lambda image, index, cell: slow_box_of_bins(bins[image, :, index], cell),
        )

    @pytest.mark.parametrize(("bins", "origin"), [(8, 0.0), (11, 0.5)])
    def test_of_nanodet(self, bins, origin):
        answer = self.rng.uniform(0, 1, (2, CELLS, 80 + 4 * bins)).astype(np.float32)
        layout = NanoDetLayout(("output",), origin=origin)
        assert np.array_equal(layout.scores([answer])[1, 7], answer[1, :, 7])
        self.check(
            layout,
            [answer],
            lambda image, index, cell: slow_box_of_bins(answer[image, index, 80:], cell, origin),
        )

    def test_of_yolox(self):
        answer = self.rng.uniform(0, 1, (2, CELLS, 85)).astype(np.float32)
        layout = YoloxLayout(("output",))
        scores = layout.scores([answer])
        assert scores[1, 7, 30] == pytest.approx(answer[1, 30, 4] * answer[1, 30, 12])
        self.check(
            layout,
            [answer],
            lambda image, index, cell: slow_box_of_yolox(answer[image, index], cell),
        )

    @pytest.mark.parametrize("value", [-1e30, 1e30, 3e38])
    def test_stay_finite_whatever_is_answered(self, value):
        bins = np.zeros((1, 44, CELLS), np.float32)
        bins[0, 3] = value
        scores = np.zeros((1, 80, CELLS), np.float32)
        assert np.isfinite(ShippedLayout().boxes([scores, bins], 0, self.which)).all()
        answer = np.full((1, CELLS, 85), value, np.float32)
        assert np.isfinite(YoloxLayout(("o",)).boxes([answer], 0, self.which)[:, 2:]).all()


def ports(*names):
    return [Port(name, (None, None, None)) for name in names]


class TestRecognition:
    @pytest.mark.parametrize(
        ("channels", "kind"), [(85, YoloxLayout), (112, NanoDetLayout), (124, NanoDetLayout)]
    )
    def test_by_the_numbers_of_a_cell(self, channels, kind):
        answer = np.full((1, CELLS, channels), 0.5, np.float32)
        layout = recognise_layout(ports("boxes"), [answer], SIZE)
        assert type(layout) is kind
        assert layout.outputs == ("boxes",)

    def test_nanodet_plus_has_a_stride_more_and_counts_from_the_corner(self):
        cells = len(slow_cells(SIZE, (8, 16, 32, 64)))
        for count, origin in ((CELLS, 0.5), (cells, 0.0)):
            answer = np.full((1, count, 112), 0.5, np.float32)
            layout = recognise_layout(ports("output"), [answer], SIZE)
            assert layout == NanoDetLayout(("output",), origin=origin)

    def test_by_the_names_of_the_outputs_in_any_order(self):
        scores = np.zeros((1, 80, CELLS), np.float32)
        bins = np.zeros((1, 44, CELLS), np.float32)
        layout = recognise_layout(ports(BINS, SCORES), [bins, scores], SIZE)
        assert layout == ShippedLayout()

    @pytest.mark.parametrize(
        ("names", "shapes", "value", "sentence"),
        [
            (["o"], [(1, CELLS, 84)], 0.5, "84 numbers for each cell"),
            (["o"], [(1, CELLS, 86)], 0.5, "86 numbers for each cell"),
            (["o"], [(1, CELLS, 6)], 0.5, "6 numbers for each cell"),
            (["o"], [(1, CELLS - 1, 85)], 0.5, f"{CELLS - 1} cells for a picture of 96x64"),
            (["o"], [(1, 100, 4, 85)], 0.5, r"answers with the shape \(1, 100, 4, 85\)"),
            (["o"], [(3, CELLS, 85)], 0.5, r"answers with the shape \(3, "),
            (["o"], [(1, CELLS, 112)], -0.5, "scores are not from 0 to 1"),
            (["o"], [(1, CELLS, 85)], 40.0, "scores are not from 0 to 1"),
            (["a", "b"], [(1, 80, CELLS)] * 2, 0.5, "it has the outputs a, b"),
            ([SCORES, BINS], [(1, 80, CELLS), (1, 43, CELLS)], 0.5, "its bins have the shape"),
            ([SCORES, BINS], [(1, 80, CELLS), (1, 44, 5)], 0.5, "its bins have the shape"),
            ([SCORES, BINS], [(1, 91, CELLS), (1, 44, CELLS)], 0.5, "answers with the shape"),
        ],
    )
    def test_what_is_unknown_is_told(self, names, shapes, value, sentence):
        answers = [np.full(shape, value, np.float32) for shape in shapes]
        with pytest.raises(LayoutError, match=sentence):
            recognise_layout(ports(*names), answers, SIZE)

    def test_boxes_in_pixels_are_told(self):
        answer = np.full((1, CELLS, 85), 0.5, np.float32)
        answer[..., 0] = np.linspace(0, 96, CELLS)
        with pytest.raises(LayoutError, match="boxes are decoded already"):
            recognise_layout(ports("output"), [answer], SIZE)
