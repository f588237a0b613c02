"""Networks that remember what they saw of a burst: asked again, they need not look again."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.description.moving_objects import BlindDetector
from veroallarme_core.description.object_detector import DetectedObject, ObjectDetector
from veroallarme_core.description.scene_encoder import REACH_CELLS, CropDescription, SceneEncoder
from veroallarme_core.pictures import Frame

_Key = tuple[object, ...]
_MOST_BYTES = 3 * 256 * 256
"""Of a picture that is compared by its bytes; a burst keeps its frames, and crops are smaller."""


class RememberingDetector:
    """Looks once at a picture, as often as it is asked; for one burst, by one thread.

    Args:
        detector: that looks.
    """

    name: str
    """Of the detector."""

    def __init__(self, detector: ObjectDetector | BlindDetector | RememberingDetector) -> None:
        self.name = detector.name
        self._detector = detector
        self._seen: dict[_Key, tuple[DetectedObject, ...]] = {}
        self._held: list[Frame] = []

    def detect(
        self, frames: Sequence[Frame], *, size: int, min_score: float
    ) -> tuple[tuple[DetectedObject, ...], ...]:
        """Return the objects in each frame; see `ObjectDetector.detect`."""
        keys = [(size, min_score, *_key(frame)) for frame in frames]
        new = {key: frame for key, frame in zip(keys, frames, strict=True) if key not in self._seen}
        if new:
            self._held += [frame for frame in new.values() if frame.nbytes > _MOST_BYTES]
            found = self._detector.detect(list(new.values()), size=size, min_score=min_score)
            self._seen.update(zip(new, map(tuple, found), strict=True))
        return tuple(self._seen[key] for key in keys)

    def release_memory(self) -> None:
        """Give back what the network keeps."""
        self._detector.release_memory()


class RememberingEncoder:
    """Describes a picture once, as often as it is asked; for one burst, by one thread.

    Args:
        encoder: that describes.
    """

    name: str
    """Of the encoder."""

    def __init__(self, encoder: SceneEncoder | RememberingEncoder) -> None:
        self.name = encoder.name
        self._encoder = encoder
        self._frames: dict[_Key, NDArray[np.float32]] = {}
        self._held: list[Frame] = []
        self._crops: dict[_Key, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def encode_frames(self, frames: Sequence[Frame], grid: tuple[int, int]) -> NDArray[np.float32]:
        """Describe whole frames; see `SceneEncoder.encode_frames`."""
        key = (grid, *(part for frame in frames for part in _key(frame)))
        if key not in self._frames:
            self._held += frames
            self._frames[key] = self._encoder.encode_frames(frames, grid)
        return self._frames[key]

    def encode_cells(
        self, frames: Sequence[Frame], grid: tuple[int, int], needed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Describe some cells; see `SceneEncoder.encode_cells`. They are not remembered."""
        return self._encoder.encode_cells(frames, grid, needed)

    def describe_crops(self, crops: NDArray[np.uint8]) -> CropDescription:
        """Describe crops (N, H, W, 3); see `SceneEncoder.describe_crops`."""
        keys = [_key(crop) for crop in crops]
        new = {key: crop for key, crop in zip(keys, crops, strict=True) if key not in self._crops}
        if new:
            seen = self._encoder.describe_crops(np.stack(list(new.values())))
            self._crops.update(
                zip(new, zip(seen.embedding, seen.structure, strict=True), strict=True)
            )
        known = [self._crops[key] for key in keys]
        return CropDescription(
            np.stack([embedding for embedding, _ in known]),
            np.stack([structure for _, structure in known]),
        )

    def release_memory(self) -> None:
        """Give back what the network keeps."""
        self._encoder.release_memory()


class VariantsEncoder(RememberingEncoder):
    """Describes bursts that differ from one burst in a small part; the rest is described once.

    It says the same as the encoder itself, but for rounding. For one thread, and not for many
    bursts: it remembers the crops of all.

    Args:
        encoder: that describes.
        frames: of the burst that the others are variants of, uint8 (H, W, 3) BGR each.
    """

    def __init__(self, encoder: SceneEncoder | RememberingEncoder, frames: Sequence[Frame]) -> None:
        super().__init__(encoder)
        self._original = tuple(frames)

    def encode_cells(
        self, frames: Sequence[Frame], grid: tuple[int, int], needed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Describe some cells; see `SceneEncoder.encode_cells`."""
        if [frame.shape for frame in frames] != [frame.shape for frame in self._original]:
            return super().encode_cells(frames, grid, needed)
        differ = _cells_that_differ(frames, self._original, grid)
        cells = super().encode_cells(frames, grid, needed & differ)
        rest = needed & ~differ
        if rest.any():
            cells[:, rest] = self.encode_frames(self._original, grid)[:, rest]
        return cells


def _cells_that_differ(
    frames: Sequence[Frame], others: Sequence[Frame], grid: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the cells, (rows, columns), that may be described differently in other frames."""
    height, width = frames[0].shape[:2]
    changed = np.zeros((height, width), np.uint8)
    for frame, other in zip(frames, others, strict=True):
        for channel in cv2.split(cv2.absdiff(frame, other)):
            cv2.max(changed, channel, dst=changed)
    left, top, across, down = cv2.boundingRect(changed)
    differ = np.zeros(grid, np.bool_)
    if across:
        # A pixel beyond the edge of a cell has its part in it where the frame is enlarged.
        reach = REACH_CELLS + 1
        rows, columns = (
            slice(max(0, start * cells // edge - reach), -(-end * cells // edge) + reach)
            for start, end, cells, edge in (
                (top, top + down, grid[0], height),
                (left, left + across, grid[1], width),
            )
        )
        differ[rows, columns] = True
    return differ


def _key(picture: NDArray[np.uint8]) -> _Key:
    """Recognise a picture: a small one by its bytes, a large one by what holds it."""
    return (id(picture),) if picture.nbytes > _MOST_BYTES else (picture.shape, picture.tobytes())
