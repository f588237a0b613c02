"""What the numbers mean that detectors answer with: three layouts, told apart by their shapes.

A detector looks at a picture in cells of 8, 16 and 32 pixels (NanoDet-Plus: also 64), and answers
for each of them with a score per class and a box. Boxes are decoded only for the cells that matter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.inference import Port

Floats = NDArray[np.float32]

SCORES, BINS = "scores", "bins"
"""The outputs of the detector that ships."""
IMAGE_MEAN, IMAGE_STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
"""Of blue, green and red over ImageNet: what NanoDet was trained with."""

_CLASSES = 80  # of COCO
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_YOLOX_CHANNELS = 4 + 1 + _CLASSES
_MIDDLE = 0.5  # of a cell; NanoDet-Plus, the one with a stride of 64, counts from the corner


class LayoutError(ValueError):
    """A detector's answer is in no known layout; `str(error)` says what is wrong with it."""


class Cells(NamedTuple):
    """The cells of a picture, those of the finest stride first, row by row."""

    x: Floats
    """(cells,) column of each."""
    y: Floats
    """(cells,) row of each."""
    stride: Floats
    """(cells,) edge of each in pixels."""


@dataclass(frozen=True)
class DetectorLayout(ABC):
    """How to feed a detector and how to read what it answers."""

    outputs: tuple[str, ...]
    """Names of the outputs that `scores` and `boxes` take."""
    fill: int
    """Grey level around a picture of another shape than the input."""
    normalised: bool
    """Whether the input is in deviations from the mean of ImageNet, not in grey levels."""

    @abstractmethod
    def scores(self, answers: Sequence[Floats]) -> Floats:
        """Return the score of each class in each cell, (N, 80, cells)."""

    @abstractmethod
    def boxes(self, answers: Sequence[Floats], image: int, cells: NDArray[np.intp]) -> Floats:
        """Return the boxes of some cells of one image before they are placed.

        The result is (k, 4): left, top, right and bottom of the box in cells, from the corner of
        its own.
        """


@dataclass(frozen=True)
class ShippedLayout(DetectorLayout):
    """NanoDet-g as `veroallarme-train detector` writes it: its graph normalises the picture."""

    outputs: tuple[str, ...] = (SCORES, BINS)
    fill: int = 0  # as in training; the mean of ImageNet changed AUC on 198 scenes by .001
    normalised: bool = False

    def scores(self, answers: Sequence[Floats]) -> Floats:
        """Return the first output, (N, 80, cells)."""
        return answers[0]

    def boxes(self, answers: Sequence[Floats], image: int, cells: NDArray[np.intp]) -> Floats:
        """Read the second output, (N, 4 x bins, cells)."""
        return _boxes_of_bins(answers[1][image][:, cells].T)


@dataclass(frozen=True)
class NanoDetLayout(DetectorLayout):
    """NanoDet as its own `export_onnx.py` writes it: (N, cells, 80 scores + 4 x bins)."""

    fill: int = 0
    normalised: bool = True
    origin: float = _MIDDLE

    def scores(self, answers: Sequence[Floats]) -> Floats:
        """Return the first 80 numbers of each cell."""
        return answers[0][..., :_CLASSES].transpose(0, 2, 1)

    def boxes(self, answers: Sequence[Floats], image: int, cells: NDArray[np.intp]) -> Floats:
        """Read what is behind the scores."""
        return _boxes_of_bins(answers[0][image][cells, _CLASSES:], self.origin)


@dataclass(frozen=True)
class YoloxLayout(DetectorLayout):
    """YOLOX as its own `export_onnx.py` writes it: (N, cells, box, objectness, 80 scores)."""

    fill: int = 114
    normalised: bool = False

    def scores(self, answers: Sequence[Floats]) -> Floats:
        """Return objectness times the score of the class."""
        product: Floats = answers[0][..., 4:5] * answers[0][..., 5:]
        return product.transpose(0, 2, 1)

    def boxes(self, answers: Sequence[Floats], image: int, cells: NDArray[np.intp]) -> Floats:
        """Read centre and logarithm of the size, both in cells."""
        box = answers[0][image][cells, :4].astype(np.float64)
        half = np.exp(np.minimum(box[:, 2:], _LARGEST_LOG)) / 2.0
        return np.concatenate([box[:, :2] - half, box[:, :2] + half], axis=1).astype(np.float32)


_LARGEST_LOG = 10.0  # 22,000 cells: more than any picture has, and no overflow


def _boxes_of_bins(bins: Floats, origin: float = _MIDDLE) -> Floats:
    """Return boxes for distributions over distances, (k, 4 x bins), after Generalized Focal Loss.

    Each side's distance, in cells, is the mean of 0, 1, 2, ... under the softmax of its bins
    (https://arxiv.org/abs/2006.04388), from a point of the cell: `origin` right of and below its
    corner.
    """
    by_side = bins.reshape(len(bins), 4, -1).astype(np.float64)
    weights = np.exp(by_side - by_side.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    distances = weights @ np.arange(by_side.shape[2])  # (k, 4)
    return np.asarray(origin + distances * (-1.0, -1.0, 1.0, 1.0), np.float32)


@lru_cache(maxsize=64)
def cells_of(input_size: tuple[int, int], count: int) -> Cells:
    """Return the cells of an input of (height, width) that are `count` in number.

    Raises:
        LayoutError: no known combination of strides gives so many.
    """
    for strides in _STRIDES:
        grids = [tuple(-(-edge // stride) for edge in input_size) for stride in strides]
        if sum(rows * columns for rows, columns in grids) == count:
            parts = [np.divmod(np.arange(rows * columns), columns) for rows, columns in grids]
            sizes = [len(y) for y, _ in parts]
            return Cells(
                np.concatenate([x for _, x in parts]).astype(np.float32),
                np.concatenate([y for y, _ in parts]).astype(np.float32),
                np.repeat(strides, sizes).astype(np.float32),
            )
    raise LayoutError(
        f"{count} cells for a picture of {input_size[1]}x{input_size[0]} fit none of the strides "
        f"{' and '.join(map(str, _STRIDES))}"
    )


def place_boxes(boxes: Floats, cells: Cells, which: NDArray[np.intp]) -> Floats:
    """Return boxes (k, 4) in pixels of the network's input, for cells of the indices `which`."""
    corner = np.stack([cells.x[which], cells.y[which]] * 2, axis=1)
    return (corner + boxes) * cells.stride[which, None]


def recognise_layout(
    outputs: Sequence[Port], answers: Sequence[Floats], input_size: tuple[int, int]
) -> DetectorLayout:
    """Tell a detector's layout by what it answers to one picture.

    Args:
        outputs: of the graph.
        answers: of all of them, in their order.
        input_size: (height, width) of the picture.

    Raises:
        LayoutError: the layout is not known.
    """
    names = tuple(port.name for port in outputs)
    layout: DetectorLayout
    if set(names) == {SCORES, BINS}:
        layout = ShippedLayout()
        answers = [answers[names.index(name)] for name in layout.outputs]
        cells = _shape(answers[0], 1, _CLASSES)[2]
        bins = _shape(answers[1], 1)
        if bins[1] % 4 or bins[1] < 8 or bins[2] != cells:
            raise LayoutError(f"its bins have the shape {bins}")
    elif len(names) == 1:
        _, cells, channels = _shape(answers[0], 2)
        has_stride_64 = cells_of(input_size, cells).stride[-1] == 64
        layout = _joined_layout(names, channels, 0.0 if has_stride_64 else _MIDDLE)
    else:
        raise LayoutError(f"it has the outputs {', '.join(names)}")
    cells_of(input_size, cells)  # which fails where there are none of so many
    scores = layout.scores(answers)
    if not (scores.min() >= 0.0 and scores.max() <= 1.0):
        raise LayoutError("its scores are not from 0 to 1")
    if isinstance(layout, YoloxLayout) and np.abs(answers[0][..., :2]).max() > _FARTHEST_CENTRE:
        raise LayoutError("its boxes are decoded already")
    return layout


_FARTHEST_CENTRE = 16.0
"""Cells between a cell and the centre of its box: raw answers stay below 3, decoded ones are the
pixels of the whole picture."""


def _joined_layout(names: tuple[str, ...], channels: int, origin: float) -> DetectorLayout:
    if channels == _YOLOX_CHANNELS:
        return YoloxLayout(names)
    if channels >= _CLASSES + 8 and (channels - _CLASSES) % 4 == 0:
        return NanoDetLayout(names, origin=origin)
    raise LayoutError(f"it has {channels} numbers for each cell")


def _shape(answer: Floats, axis: int, size: int | None = None) -> tuple[int, ...]:
    if answer.ndim != 3 or answer.shape[0] != 1 or (size and answer.shape[axis] != size):
        raise LayoutError(f"it answers with the shape {answer.shape}")
    return answer.shape
