"""The network's view of a region: one square cut from the frames, and its map pasted back.

Training and prediction cut with the same code, so that they cannot drift apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection import BLOCK_SIZE, FrameDamage, MotionDetectionResult

Frame = NDArray[np.uint8]

TEMPORAL_FRAMES = 3
"""Frames in a temporal crop: one per colour channel of an ordinary image network."""


class InputMode(StrEnum):
    """What the three channels of the network's input show."""

    TEMPORAL = "temporal"
    """The grey crops of three frames: what stands still is grey, what moves has coloured edges."""
    RGB = "rgb"
    """The colours of one frame."""


@dataclass(frozen=True, kw_only=True)
class CropGeometry:
    """How large a square is cut around a region.

    Raises:
        ValueError: a value is out of range; the sentence names it.
    """

    margin: float = 0.25
    """Added on every side, as a share of the region's longer edge."""
    min_side: int = 48
    """Smallest square in pixels: a person 10 px wide keeps surroundings to be told by."""

    def __post_init__(self) -> None:
        if not (_is_number(self.margin) and 0.0 <= self.margin <= 4.0):
            raise ValueError(f"margin must be a share from 0 to 4, not {self.margin!r}.")
        if not isinstance(self.min_side, int) or not 8 <= self.min_side <= 1024:
            raise ValueError(f"min_side must be 8 to 1024 pixels, not {self.min_side!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the geometry as JSON-serialisable values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CropGeometry:
        """Rebuild what `to_dict` gave; unknown keys of a later version are ignored."""
        return cls(**{name: values[name] for name in ("margin", "min_side") if name in values})


@dataclass(frozen=True)
class Square:
    """A square of the full frame in pixels; it may reach beyond the frame's edges."""

    x: int
    y: int
    side: int


def square_around(
    bbox: tuple[int, int, int, int],
    frame_dimensions: tuple[int, int],
    geometry: CropGeometry | None = None,
) -> Square:
    """Return the square with margin around a box, moved into the frame where it fits.

    Args:
        bbox: (x1, y1, x2, y2) in pixels, x2 and y2 exclusive, as `MotionRegion.to_bbox` gives it.
        frame_dimensions: (H, W) of the frame.
        geometry: None takes the defaults.
    """
    geometry = geometry or CropGeometry()
    x1, y1, x2, y2 = bbox
    longer = max(x2 - x1, y2 - y1, 1)
    side = max(geometry.min_side, math.ceil(longer * (1.0 + 2.0 * geometry.margin)))
    height, width = frame_dimensions
    return Square(_place(x1, x2, side, width), _place(y1, y2, side, height), side)


@dataclass(frozen=True, eq=False)
class RegionCrop:
    """One input of the network and where it belongs."""

    index: int
    """Of the region in `MotionDetectionResult.motion_regions`."""
    square: Square
    pixels: NDArray[np.float32]
    """float32 (3, height, width) in [0, 1]."""


def cut_regions(
    motion: MotionDetectionResult,
    frame: Frame | None = None,
    *,
    geometry: CropGeometry | None = None,
    size: tuple[int, int] = (224, 224),
    input_mode: InputMode = InputMode.TEMPORAL,
) -> Iterator[RegionCrop]:
    """Cut the network's input for every region that moved, one at a time.

    A temporal network gets one crop per region. One that sees a single frame gets a crop of each
    frame: the mover may be in any of them.

    Args:
        motion: what Stage 1 found, with the frames.
        frame: uint8 (H, W, 3) BGR, looked at where `motion` holds no frames.
        geometry: how large the squares are; None takes the defaults.
        size: (height, width) of the crops.
        input_mode: what their channels show.
    """
    dimensions = motion.frame_dimensions
    for index, region in enumerate(motion.motion_regions):
        bbox = region.to_bbox()
        square = square_around(bbox, dimensions, geometry)
        frames = frames_of_place(motion.frames, motion.damage, bbox, dimensions)
        if not frames and frame is not None:
            frames = [frame]
        rgb = input_mode is InputMode.RGB
        for view in ([single] for single in frames) if rgb else [frames] * bool(frames):
            pixels = cut_crop(view, square, size=size, input_mode=input_mode)
            yield RegionCrop(index, square, pixels)


def cut_crop(
    frames: Sequence[Frame],
    square: Square,
    *,
    size: tuple[int, int] = (224, 224),
    input_mode: InputMode = InputMode.TEMPORAL,
) -> NDArray[np.float32]:
    """Cut one square from the frames as the network's input.

    Beyond the frame its border is continued.

    Args:
        frames: uint8 (H, W, 3) BGR. Temporal takes one to three in order of time, of which the
            last stands in for those that are missing; RGB takes exactly one.
        square: where to cut.
        size: (height, width) of the input.
        input_mode: what the channels show.

    Returns:
        float32 (3, height, width) in [0, 1]: the three greys in order of time, or red, green, blue.

    Raises:
        ValueError: the number of frames does not fit the input mode.
    """
    most = 1 if input_mode is InputMode.RGB else TEMPORAL_FRAMES
    if not 1 <= len(frames) <= most:
        raise ValueError(f"A {input_mode} crop takes 1 to {most} frames, {len(frames)} given.")
    crops = [_cut(frame, square, size) for frame in frames]
    if input_mode is InputMode.RGB:
        channels = cv2.cvtColor(crops[0], cv2.COLOR_BGR2RGB)
    else:
        greys = [cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY) for crop in crops]
        greys += greys[-1:] * (TEMPORAL_FRAMES - len(greys))
        channels = np.stack(greys, axis=-1)
    # (h, w, 3) -> (3, h, w)
    return np.ascontiguousarray(channels.transpose(2, 0, 1), np.float32) / np.float32(255.0)


def cut_mask(
    mask: NDArray[np.uint8], square: Square, size: tuple[int, int] = (224, 224)
) -> NDArray[np.uint8]:
    """Cut the same square from a mask; beyond the frame it is 0.

    Args:
        mask: uint8 (H, W); its values are kept, none are mixed.
        square: where to cut.
        size: (height, width) of the result.

    Returns:
        uint8 (height, width).
    """
    inside, borders = _inside(square, (mask.shape[0], mask.shape[1]))
    crop = cv2.copyMakeBorder(mask[inside], *borders, cv2.BORDER_CONSTANT, value=0)
    height, width = size
    return np.asarray(cv2.resize(crop, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def paste_map(scores: NDArray[np.float32], square: Square, full_frame: NDArray[np.float32]) -> None:
    """Paste a crop's map back to the full frame; where maps overlap the largest value stays.

    Args:
        scores: float32 (h, w), the map of the crop.
        square: where the crop was cut.
        full_frame: float32 (H, W), changed in place.
    """
    dimensions = (full_frame.shape[0], full_frame.shape[1])
    inside, (top, _, left, _) = _inside(square, dimensions)
    target = full_frame[inside]
    if not target.size:
        return
    scaled = cv2.resize(scores, (square.side, square.side), interpolation=cv2.INTER_LINEAR)
    height, width = target.shape
    np.maximum(target, scaled[top : top + height, left : left + width], out=target)


def frames_of_place(
    frames: Sequence[Frame | None],
    damage: Sequence[FrameDamage],
    bbox: tuple[int, int, int, int],
    frame_dimensions: tuple[int, int],
) -> list[Frame]:
    """Choose the frames of a burst that show a place, at most three, in order of time.

    Frames that are corrupt there are left out where others are not; of a longer burst the first,
    the last and the one that differs most from them all are taken.

    Args:
        frames: uint8 (H, W, 3) BGR, or None where a frame was lost.
        damage: one entry per frame, or none at all.
        bbox: (x1, y1, x2, y2) in pixels, x2 and y2 exclusive.
        frame_dimensions: (H, W); frames of another size show something else and are left out.
    """
    x1, y1, x2, y2 = bbox
    blocks = (
        slice(y1 // BLOCK_SIZE, -(-y2 // BLOCK_SIZE)),
        slice(x1 // BLOCK_SIZE, -(-x2 // BLOCK_SIZE)),
    )
    fitting = [
        (frame, bool(damage) and bool(damage[index].blocks[blocks].any()))
        for index, frame in enumerate(frames)
        if frame is not None and frame.shape[:2] == frame_dimensions
    ]
    chosen = [frame for frame, damaged in fitting if not damaged]
    chosen = chosen or [frame for frame, _ in fitting]
    if len(chosen) <= TEMPORAL_FRAMES:
        return chosen
    crops = np.stack([frame[y1:y2, x1:x2] for frame in chosen]).astype(np.int16)
    # (frames, h, w, 3) -> (frames,)
    deviation = np.abs(crops - np.median(crops, axis=0)).mean(axis=(1, 2, 3))
    return [chosen[0], chosen[1 + int(deviation[1:-1].argmax())], chosen[-1]]


def _place(start: int, stop: int, side: int, length: int) -> int:
    """Return where a stretch of `side` begins that is centred on [start, stop), kept inside."""
    begin = round((start + stop - side) / 2)
    if side >= length:
        return (length - side) // 2
    return min(max(begin, 0), length - side)


def cut_square(frame: Frame, square: Square) -> Frame:
    """Return a square of a frame, uint8 (side, side, 3); beyond the frame its border is continued.

    Inside the frame it is a view of it.

    Raises:
        ValueError: the square lies outside the frame.
    """
    inside, borders = _inside(square, (frame.shape[0], frame.shape[1]))
    crop = frame[inside]
    if not crop.size:
        raise ValueError(f"{square} lies outside a frame of shape {frame.shape}.")
    if any(borders):
        crop = np.asarray(cv2.copyMakeBorder(crop, *borders, cv2.BORDER_REPLICATE), np.uint8)
    return crop


def _cut(frame: Frame, square: Square, size: tuple[int, int]) -> Frame:
    crop = cut_square(frame, square)
    height, width = size
    # Averaging keeps thin limbs that skipping pixels would lose.
    shrinks = square.side > min(size)
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (width, height), interpolation=interpolation), np.uint8)


def _inside(
    square: Square, frame_dimensions: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[int, int, int, int]]:
    """Return the part of a square inside the frame, and what is missing of it on each side.

    The second value is (top, bottom, left, right) in pixels.
    """
    height, width = frame_dimensions
    top, left = max(0, -square.y), max(0, -square.x)
    bottom = max(0, square.y + square.side - height)
    right = max(0, square.x + square.side - width)
    rows = slice(square.y + top, max(square.y + square.side - bottom, square.y + top))
    columns = slice(square.x + left, max(square.x + square.side - right, square.x + left))
    return (rows, columns), (top, bottom, left, right)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
