"""What a frame and its regions look like, as numbers: a frozen ImageNet network for every camera.

EfficientNet-Lite0 (https://arxiv.org/abs/1905.11946, without squeeze and excitation), cut in two:
the trunk describes each cell of a whole frame, trunk and head together describe a crop.
`docs/encoder.md` tells where it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.description.region_crops import Frame, Square, cut_square
from veroallarme_core.inference import Graph, ModelError, choose_runtime, open_graph

TRUNK_FILE, HEAD_FILE = "scene_trunk.onnx", "scene_head.onnx"
CELL_CHANNELS = 40
"""Numbers that describe a cell of a frame."""
ENCODER_NAME = "lite0-1"
"""Of the encoder that ships: what was learned with another one must not be mixed with it."""
EMBEDDING_DIM = 1280
STRUCTURE_SHAPE = (112, 7, 7)
"""Channels, rows and columns of what a crop shows where."""
CELL_PX = 8
CROP_PX = 112
MAX_BATCH = 6
"""Most crops in one inference, those of two regions in three frames: larger batches are hardly
faster, and the runtime keeps 4 MB for each size that it has met."""

REACH_CELLS = 5
"""A cell is described by what lies up to so many cells around it: 67 pixels by the trunk."""
_WINDOWS = (16, 24, 32)
"""Edges in cells of the parts of frames that are described alone: the runtime keeps 4 MB for each
size that it has met."""
_ENLARGED, _MIN_SIDE_PX = 1.3, 32
_REMEDY = "install the package again"


def grid_for(frame_dimensions: tuple[int, int], cells: int = 2576) -> tuple[int, int]:
    """Return the (rows, columns) of about `cells` square cells that cover a frame.

    Args:
        frame_dimensions: (H, W) of the frame.
        cells: how many; 2576 are 46 x 56 of a 704x576 picture.

    Raises:
        ValueError: an edge of the frame is not positive.
    """
    height, width = frame_dimensions
    if min(height, width) < 1:
        raise ValueError(f"A frame has edges of at least one pixel, not {frame_dimensions} (H, W).")
    columns = max(4, round((cells * width / height) ** 0.5))
    return max(4, round(columns * height / width)), columns


def crop_region(frame: Frame, bbox: tuple[int, int, int, int]) -> Frame:
    """Cut the square around a region as `SceneEncoder.embed_crops` takes it.

    The region is in the middle of a square of 1.3 times its longer edge, at least 32 px and at most
    the frame's longer edge. Beyond the frame its border is continued: squares moved into the frame
    instead, as the relevance network sees them, told relevant regions at the edges less well.

    Args:
        frame: uint8 (H, W, 3) BGR.
        bbox: (x1, y1, x2, y2) in pixels, x2 and y2 exclusive.

    Returns:
        uint8 (112, 112, 3) BGR.

    Raises:
        ValueError: the frame is no BGR picture.
    """
    _require_bgr(frame)
    x1, y1, x2, y2 = bbox
    wanted = max(_MIN_SIDE_PX, math.ceil(_ENLARGED * max(x2 - x1, y2 - y1)))
    side = min(wanted, max(frame.shape[:2]))
    # Whole pixels: a square between them would be blurred.
    square = Square((x1 + x2 - side) // 2, (y1 + y2 - side) // 2, side)
    return _resized(cut_square(frame, square), CROP_PX, CROP_PX)


class CropDescription(NamedTuple):
    """What N crops show."""

    embedding: NDArray[np.float32]
    """(N, 1280): what, no number negative."""
    structure: NDArray[np.float32]
    """(N, 112, 7, 7): what is where, each channel in standard deviations over ImageNet."""


class SceneEncoder:
    """Describes frames and crops; may be shared between threads.

    The same picture gives the same numbers on every CPU, but for rounding: 32 bits are forced.

    Args:
        backend: `openvino` or `onnxruntime`; None takes OpenVINO on x86-64 and ONNX Runtime
            elsewhere, whichever is installed.
        threads: most threads of one inference; None leaves the choice to the runtime.
        folder: where the two files are; None takes those that ship with the package.
        at_once: inferences that run side by side where several threads ask.

    Raises:
        ModelError: an argument is wrong, a file cannot be loaded, or no runtime is installed.
    """

    name: str
    """Of the network and its version; features of different names must not be compared."""
    backend: str
    """`openvino` or `onnxruntime`."""

    def __init__(
        self,
        backend: str | None = None,
        threads: int | None = None,
        *,
        folder: Path | None = None,
        at_once: int = 1,
    ) -> None:
        self.backend = choose_runtime(backend, "The encoder")
        folder = folder or Path(str(resources.files("veroallarme_core"))) / "models"
        self._trunk, self._head = (
            open_graph(self.backend, folder / name, threads, remedy=_REMEDY, at_once=at_once)
            for name in (TRUNK_FILE, HEAD_FILE)
        )
        self.name = _name(self._trunk, folder / TRUNK_FILE)
        other = _name(self._head, folder / HEAD_FILE)
        if self.name != other:
            raise ModelError(
                f"{folder} holds the trunk of {self.name} and the head of {other}; {_REMEDY}, or "
                "run `veroallarme-train encoder`."
            )

    def encode_frames(self, frames: Sequence[Frame], grid: tuple[int, int]) -> NDArray[np.float32]:
        """Describe every cell of some frames.

        Args:
            frames: uint8 (H, W, 3) BGR; their sizes may differ.
            grid: (rows, columns) of the cells, as `grid_for` gives it.

        Returns:
            float32 (N, rows, columns, 40).

        Raises:
            ValueError: a frame is no BGR picture, or the grid has no cell.
            InferenceError: the runtime failed, or its answer holds no finite numbers.
        """
        rows, columns = _checked_grid(grid, frames)
        cells = np.empty((len(frames), rows, columns, CELL_CHANNELS), np.float32)
        # One by one: together they are no faster, and memory does not grow with the burst.
        for frame, frame_cells in zip(frames, cells, strict=True):
            image = _network_input([_resized(frame, rows * CELL_PX, columns * CELL_PX)])
            (c3,) = self._trunk.run(image, "c3")
            frame_cells[:] = c3[0].transpose(1, 2, 0)
        return cells

    def encode_cells(
        self, frames: Sequence[Frame], grid: tuple[int, int], needed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Describe some cells of frames as `encode_frames` does; what lies around them is left out.

        Args:
            frames: as for `encode_frames`.
            grid: as for `encode_frames`.
            needed: (rows, columns), True where a cell is needed.

        Returns:
            float32 (N, rows, columns, 40); what is not needed may be 0.

        Raises:
            ValueError: as `encode_frames`.
            InferenceError: as `encode_frames`.
        """
        rows, columns = _checked_grid(grid, frames)
        window = _window_around(needed)
        if window is None:
            return self.encode_frames(frames, grid)
        cells = np.zeros((len(frames), rows, columns, CELL_CHANNELS), np.float32)
        if not window.size or not frames:
            return cells
        pixels = window.scaled(CELL_PX)
        whole = (_resized(frame, rows * CELL_PX, columns * CELL_PX) for frame in frames)
        image = _network_input([np.ascontiguousarray(frame[pixels.slices]) for frame in whole])
        (c3,) = self._trunk.run(image, "c3")
        inner = window.without_border(grid)
        found = c3.transpose(0, 2, 3, 1)
        offset = (slice(None), *inner.relative_to(window).slices)
        cells[(slice(None), *inner.slices)] = found[offset]
        return cells

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the embeddings alone of what `describe_crops` describes."""
        return self.describe_crops(crops).embedding

    def describe_crops(self, crops: NDArray[np.uint8]) -> CropDescription:
        """Describe crops of regions, at most `MAX_BATCH` at a time.

        Args:
            crops: uint8 (N, 112, 112, 3) BGR, as `crop_region` cuts them; N may be 0.

        Raises:
            ValueError: the array has another shape or type.
            InferenceError: the runtime failed, or its answer holds no finite numbers.
        """
        if crops.dtype != np.uint8 or crops.shape[1:] != (CROP_PX, CROP_PX, 3):
            raise ValueError(
                f"Crops must be uint8 (N, {CROP_PX}, {CROP_PX}, 3) BGR, "
                f"not {crops.dtype} {crops.shape}."
            )
        embedding = np.empty((len(crops), EMBEDDING_DIM), np.float32)
        structure = np.empty((len(crops), *STRUCTURE_SHAPE), np.float32)
        for start in range(0, len(crops), MAX_BATCH):
            part = slice(start, start + MAX_BATCH)
            (c3,) = self._trunk.run(_network_input(crops[part]), "c3")
            embedding[part], structure[part] = self._head.run(c3, "embedding", "structure")
        return CropDescription(embedding, structure)

    def release_memory(self) -> None:
        """Give back what is only needed while pictures are described, some 30 MB in OpenVINO."""
        self._trunk.release()
        self._head.release()


def load_scene_encoder(backend: str = "auto", threads: int = 2) -> SceneEncoder:
    """Load the encoder as the configuration's `inference` says, and run it once.

    The first event then does not wait for the runtime to prepare itself. `torch` is a choice for
    the relevance network alone; the encoder takes it for `auto`.

    Args:
        backend: `auto`, `openvino`, `onnxruntime` or `torch`.
        threads: most threads of one inference.

    Raises:
        ModelError: as `SceneEncoder`.
        InferenceError: the runtime failed.
    """
    encoder = SceneEncoder(None if backend in ("auto", "torch") else backend, threads)
    # A full batch: what the runtime prepares for a size that no event has would only be kept.
    encoder.embed_crops(np.zeros((MAX_BATCH, CROP_PX, CROP_PX, 3), np.uint8))
    return encoder


class _Window(NamedTuple):
    """A rectangle: of cells, or of pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def size(self) -> int:
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    def scaled(self, factor: int) -> _Window:
        return _Window(*(factor * value for value in self))

    def relative_to(self, other: _Window) -> _Window:
        return self._replace(top=self.top - other.top, left=self.left - other.left)

    def without_border(self, grid: tuple[int, int]) -> _Window:
        """Return what is described as in the whole frame: all but `REACH_CELLS` within it."""
        (top, bottom), (left, right) = (
            (
                start + REACH_CELLS * (start > 0),
                start + length - REACH_CELLS * (start + length < whole),
            )
            for start, length, whole in (
                (self.top, self.height, grid[0]),
                (self.left, self.width, grid[1]),
            )
        )
        return _Window(top, left, bottom - top, right - left)


def _window_around(needed: NDArray[np.bool_]) -> _Window | None:
    """Return a window of one of few sizes, whose inner part holds all that is needed.

    None where that takes the whole frame; without a cell where nothing is needed.
    """
    rows, columns = np.flatnonzero(needed.any(axis=1)), np.flatnonzero(needed.any(axis=0))
    if not len(rows):
        return _Window(0, 0, 0, 0)
    spans = [
        (max(0, int(found[0]) - REACH_CELLS), min(whole, int(found[-1]) + 1 + REACH_CELLS), whole)
        for found, whole in ((rows, needed.shape[0]), (columns, needed.shape[1]))
    ]
    longest = max(stop - start for start, stop, _ in spans)
    side = next((side for side in _WINDOWS if side >= longest), None)
    if side is None or side >= max(needed.shape):
        return None
    (top, height), (left, width) = (
        (min(start, max(0, whole - side)), min(side, whole)) for start, _, whole in spans
    )
    return _Window(top, left, height, width)


def _checked_grid(grid: tuple[int, int], frames: Sequence[Frame]) -> tuple[int, int]:
    if min(grid) < 1:
        raise ValueError(f"grid must be at least (1, 1) rows and columns, not {grid}.")
    for frame in frames:
        _require_bgr(frame)
    return grid


def _require_bgr(frame: Frame) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise ValueError(
            f"The frame must be a uint8 array of shape (H, W, 3), not {frame.dtype} {frame.shape}."
        )


def _resized(picture: Frame, height: int, width: int) -> Frame:
    # Averaging keeps thin limbs that skipping pixels would lose.
    shrinks = picture.shape[1] >= width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=interpolation), np.uint8)


def _network_input(pictures: Sequence[Frame] | NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return uint8 BGR pictures of one size as float32 (N, 3, H, W) RGB in about [-1, 1]."""
    blob = cv2.dnn.blobFromImages(
        list(pictures), scalefactor=1 / 128, mean=(127, 127, 127), swapRB=True
    )
    return np.asarray(blob, np.float32)


def _name(graph: Graph, path: Path) -> str:
    try:
        return f"{graph.properties['name']}-{graph.properties['version']}"
    except KeyError:
        raise ModelError(
            f"{path} cannot be loaded by {graph.runtime} as a part of the encoder: it does not say "
            f"what it is; {_REMEDY}."
        ) from None
