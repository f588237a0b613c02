"""Stage 1: a burst of frames -> where something moved, what is corrupt, what changed globally."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection.damage import FrameDamage, common_size, find_damage
from veroallarme_core.motion_detection.global_change import (
    GlobalChange,
    GlobalChangeKind,
    find_global_change,
)
from veroallarme_core.pictures import DecodedFrame, read_frame, read_frame_or_none, write_picture

Frame: TypeAlias = NDArray[np.uint8]
"""A picture, uint8 (H, W, 3) BGR."""

FrameSource: TypeAlias = str | Path | Frame | DecodedFrame | None
"""A frame as it may be given: a path, a picture, a decoded picture, or None where it was lost."""

MIN_AREA_SHARE = 1.5e-4
"""Smallest region as a share of the frame: 61 px at 704x576, a person 10 px wide far away."""

MIN_AREA_FLOOR = 12
"""No region is smaller than this many pixels, however small the frame: below it is noise."""

MOTION_BGR = (0, 0, 255)

STRUCTURE_CORRELATION = 0.3
"""Under another kind of light a place has changed where its structure correlates less."""

STRUCTURE_TEXTURE = 6.0
"""Standard deviation, in grey levels, from which a place has a structure to compare."""


@dataclass(frozen=True)
class MotionRegion:
    """A connected region that moved; all values in pixels of the full frame."""

    x: int
    y: int
    width: int
    height: int
    area: int
    centroid: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the region as JSON-serialisable values."""
        return {
            "x": self.x,
            "y": self.y,
            "width": self.width,
            "height": self.height,
            "area": self.area,
            "centroid": list(self.centroid),
        }

    def to_bbox(self) -> tuple[int, int, int, int]:
        """Return the box as (x1, y1, x2, y2); x2 and y2 are exclusive."""
        return (self.x, self.y, self.x + self.width, self.y + self.height)


@dataclass(frozen=True, eq=False)
class PairChange:
    """What moved between the frames `previous` and `current` (their indices in the burst).

    All arrays are uint8 (H, W): `before` and `after` are what was compared, grey, blurred and
    with the global change taken out of `before`; `difference` is their difference in grey levels;
    `mask` is 255 where something moved, `valid` is 255 where the two frames can be compared.
    """

    previous: int
    current: int
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    valid: NDArray[np.uint8]
    difference: NDArray[np.uint8]
    global_change: GlobalChange | None = None


@dataclass(frozen=True, eq=False)
class MotionDetectionResult:
    """Everything Stage 1 found in one burst, with the frames themselves.

    `motion_mask` is uint8 (H, W), 255 where something moved between any two frames. `damage` has
    one entry per frame, `global_changes` one per consecutive pair of frames (None where the
    picture as a whole stayed, or where one of the two frames is unusable). `confidence` in [0, 1]
    is how far the clearest region stands out from the threshold. `pairs` holds every comparison
    that was made: of consecutive frames, and across a frame where that one is damaged.
    """

    motion_detected: bool
    motion_regions: tuple[MotionRegion, ...]
    motion_mask: NDArray[np.uint8]
    confidence: float
    total_motion_area: int
    frame_dimensions: tuple[int, int]
    frames: tuple[Frame | None, ...]
    damage: tuple[FrameDamage, ...]
    global_changes: tuple[GlobalChange | None, ...]
    pairs: tuple[PairChange, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pixel arrays as JSON-serialisable values."""
        return {
            "motion_detected": self.motion_detected,
            "motion_regions": [region.to_dict() for region in self.motion_regions],
            "confidence": self.confidence,
            "total_motion_area": self.total_motion_area,
            "frame_dimensions": list(self.frame_dimensions),
            "damage": [
                {"kinds": sorted(damage.kinds), "share": round(damage.share, 4)}
                for damage in self.damage
            ],
            "global_changes": [
                None if change is None else change.to_dict() for change in self.global_changes
            ],
        }


class MotionDetector:
    """Frame differencing: grey, blur, difference, threshold, morphology, contours.

    Args:
        threshold: smallest difference that counts, in grey levels, 1 to 254.
        min_area: smallest region in pixels of the frame; see `min_area_for`.
        blur_size: edge of the Gaussian kernel in pixels, odd.
        open_size: edge of the opening that removes specks, in pixels; 1 switches it off.
        close_size: edge of the closing that joins the parts of a mover, in pixels; 1 is off.

    Raises:
        ValueError: a value is out of range; the sentence names it.
    """

    def __init__(
        self,
        threshold: int = 25,
        min_area: int = 500,
        *,
        blur_size: int = 5,
        open_size: int = 3,
        close_size: int = 9,
    ) -> None:
        _check_range("threshold", threshold, 1, 254)
        _check_range("min_area", min_area, 1, None)
        for name, size in (
            ("blur_size", blur_size),
            ("open_size", open_size),
            ("close_size", close_size),
        ):
            _check_range(name, size, 1, 99)
            if size % 2 == 0:
                raise ValueError(f"{name} must be an odd number of pixels, not {size}.")
        self.threshold = threshold
        self.min_area = min_area
        self.blur_size = blur_size
        self.open_size = open_size
        self.close_size = close_size

    def detect_motion(self, frames: Sequence[FrameSource]) -> MotionDetectionResult:
        """Find what moved in a burst of two or more frames, given in order of time.

        A path that cannot be read and None are undecodable frames: told as damage, never fatal.

        Raises:
            ValueError: fewer than two frames were given, or an array is no BGR picture.
        """
        if len(frames) < 2:
            raise ValueError(f"Motion needs a burst of at least 2 frames, {len(frames)} given.")
        pictures = [_load(index, source) for index, source in enumerate(frames)]
        images = tuple(None if picture is None else picture.image for picture in pictures)
        damage = find_damage(pictures)
        height, width = common_size(images)
        pairs = tuple(self._compare_all(images, damage, (height, width)))
        mask = np.zeros((height, width), np.uint8)
        difference = np.zeros((height, width), np.uint8)
        for pair in pairs:
            mask |= pair.mask
            np.maximum(difference, pair.difference, out=difference)
        regions, mask = self._regions(mask)
        changes = {(pair.previous, pair.current): pair.global_change for pair in pairs}
        return MotionDetectionResult(
            motion_detected=bool(regions),
            motion_regions=regions,
            motion_mask=mask,
            confidence=self._confidence(regions, mask, difference),
            total_motion_area=int(np.count_nonzero(mask)),
            frame_dimensions=(height, width),
            frames=images,
            damage=damage,
            global_changes=tuple(changes.get((i, i + 1)) for i in range(len(images) - 1)),
            pairs=pairs,
        )

    @staticmethod
    def visualize_motion(
        frame: str | Path | Frame,
        result: MotionDetectionResult,
        output_path: str | Path | None = None,
        show_mask: bool = True,
        show_boxes: bool = True,
        show_centroids: bool = True,
    ) -> Frame:
        """Draw what moved on a frame of the burst, in red.

        Args:
            frame: a path or uint8 (H, W, 3) BGR; it is not changed.
            result: of a burst of frames of the same size.
            output_path: where to write the picture, its suffix says how (.jpg, .png); None writes
                nothing.
            show_mask: tint the pixels that moved.
            show_boxes: draw a box around each region.
            show_centroids: mark the centroid of each region.

        Returns:
            uint8 (H, W, 3) BGR.

        Raises:
            FrameError: the path is no readable picture.
            ValueError: an argument is wrong.
            OSError: the file cannot be written.
        """
        loaded = read_frame(frame) if isinstance(frame, str | Path) else _load(0, frame)
        assert loaded is not None
        picture = loaded.image.copy()
        if picture.shape[:2] != result.frame_dimensions:
            raise ValueError(
                f"The frame is {picture.shape[:2]} (H, W), but the motion was found in frames of "
                f"{result.frame_dimensions}; give a frame of the same burst."
            )
        if show_mask:
            moved = result.motion_mask > 0
            picture[moved] = (picture[moved] * 0.6 + np.multiply(MOTION_BGR, 0.4)).astype(np.uint8)
        for region in result.motion_regions:
            x1, y1, x2, y2 = region.to_bbox()
            if show_boxes:
                cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), MOTION_BGR, 2)
            if show_centroids:
                cv2.drawMarker(picture, region.centroid, MOTION_BGR, markerSize=9)
        if output_path is not None:
            write_picture(Path(output_path), picture)
        return picture

    def _compare_all(
        self,
        images: Sequence[Frame | None],
        damage: Sequence[FrameDamage],
        size: tuple[int, int],
    ) -> Iterator[PairChange]:
        """Compare each frame with the last one before it that is undamaged at the same place."""
        greys = [
            self._grey(image) if image is not None and image.shape[:2] == size else None
            for image in images
        ]
        sound = [self._sound(one, size) for one in damage]
        for current, grey in enumerate(greys):
            if grey is None or not sound[current].any():
                continue
            wanted = sound[current].copy()
            for previous in range(current - 1, -1, -1):
                before = greys[previous]
                if before is None or not wanted.any():
                    continue
                valid = np.asarray(cv2.bitwise_and(wanted, sound[previous]), np.uint8)
                if not valid.any():
                    continue
                wanted &= ~sound[previous]
                pair = (images[previous], images[current])
                assert pair[0] is not None and pair[1] is not None
                both_sound = np.asarray(cv2.bitwise_and(sound[previous], sound[current]), np.uint8)
                change = find_global_change(pair[0], pair[1], both_sound)
                yield self._compare((previous, current), (before, grey), valid, change)

    def _sound(self, damage: FrameDamage, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return uint8 (H, W), 255 where a frame is undamaged."""
        if not damage.blocks.any():
            return np.full(size, 255, np.uint8)
        # The codec and the blur smear the edge of the damage over its neighbours.
        reach = 2 * (self.blur_size + 2) + 1
        mask = cv2.dilate(damage.pixel_mask(size), np.ones((reach, reach), np.uint8))
        return np.asarray(cv2.bitwise_not(mask), np.uint8)

    def _compare(
        self,
        indices: tuple[int, int],
        greys: tuple[NDArray[np.uint8], NDArray[np.uint8]],
        valid: NDArray[np.uint8],
        change: GlobalChange | None,
    ) -> PairChange:
        previous, current = greys
        if change is None:
            difference = self._difference(previous, current)
        elif change.kind is GlobalChangeKind.EXPOSURE:
            previous = _adjust_brightness(previous, change)
            difference = self._difference(previous, current)
        elif change.kind is GlobalChangeKind.CAMERA_SHAKE:
            previous, valid = _register(previous, valid, change)
            difference = _difference_beyond_neighbours(previous, current)
        else:
            difference = self._difference_of_structure(previous, current)
        difference = np.asarray(cv2.bitwise_and(difference, difference, mask=valid), np.uint8)
        mask = self._clean(self._threshold(difference))
        mask = np.asarray(cv2.bitwise_and(mask, valid), np.uint8)
        return PairChange(*indices, previous, current, mask, valid, difference, change)

    def _grey(self, image: Frame) -> NDArray[np.uint8]:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return np.asarray(cv2.GaussianBlur(grey, (self.blur_size,) * 2, 0), dtype=np.uint8)

    @staticmethod
    def _difference(previous: NDArray[np.uint8], current: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.absdiff(previous, current), dtype=np.uint8)

    def _difference_of_structure(
        self, previous: NDArray[np.uint8], current: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Compare what surfaces look like under another light: by correlation, not brightness."""
        correlation, before, after = local_correlation(previous, current)
        # Either texture will do: what appears before a plain wall has one, the wall has none.
        # Infrared turns contrasts round (foliage becomes the brightest), so the sign is no change.
        textured = np.maximum(before, after) > STRUCTURE_TEXTURE
        unlike = np.where(textured, 1.0 - np.abs(correlation), 0.0)
        scaled = unlike * (self.threshold / (1.0 - STRUCTURE_CORRELATION))
        return np.clip(scaled, 0, 255).astype(np.uint8)

    def _threshold(self, difference: NDArray[np.uint8]) -> NDArray[np.uint8]:
        _, mask = cv2.threshold(difference, self.threshold, 255, cv2.THRESH_BINARY)
        return np.asarray(mask, dtype=np.uint8)

    def _clean(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Remove specks, then join the parts of a mover."""
        for operation, size in (
            (cv2.MORPH_OPEN, self.open_size),
            (cv2.MORPH_CLOSE, self.close_size),
        ):
            if size > 1:
                kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
                mask = np.asarray(cv2.morphologyEx(mask, operation, kernel), dtype=np.uint8)
        return mask

    def _regions(
        self, mask: NDArray[np.uint8]
    ) -> tuple[tuple[MotionRegion, ...], NDArray[np.uint8]]:
        kept = np.zeros_like(mask)
        if mask.size == 0:
            return (), kept
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        regions = []
        for contour in contours:
            x, y, width, height = cv2.boundingRect(contour)
            if width * height < self.min_area:
                continue
            box = (slice(y, y + height), slice(x, x + width))
            shape = np.zeros((height, width), np.uint8)
            cv2.drawContours(shape, [contour], -1, 255, cv2.FILLED, offset=(-x, -y))
            shape = np.asarray(cv2.bitwise_and(shape, mask[box]), np.uint8)
            moments = cv2.moments(shape, binaryImage=True)
            area = round(moments["m00"])
            if area < self.min_area:
                continue
            kept[box] |= shape
            centroid = (
                x + round(moments["m10"] / moments["m00"]),
                y + round(moments["m01"] / moments["m00"]),
            )
            regions.append(MotionRegion(x, y, width, height, area, centroid))
        regions.sort(key=lambda region: -region.area)
        return tuple(regions), kept

    def _confidence(
        self,
        regions: Sequence[MotionRegion],
        mask: NDArray[np.uint8],
        difference: NDArray[np.uint8],
    ) -> float:
        levels = [
            cv2.mean(_crop(difference, region), mask=_crop(mask, region))[0] for region in regions
        ]
        return max(
            (max(0.0, 1.0 - self.threshold / (2 * max(level, 1))) for level in levels), default=0.0
        )


def local_correlation(
    previous: NDArray[np.uint8], current: NDArray[np.uint8], window: int = 15
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Correlate two grey pictures in a window around each pixel.

    The correlation is that of a fit by gain and offset: 1 where only the light changed.

    Args:
        previous: uint8 (H, W).
        current: uint8 (H, W).
        window: edge of the window in pixels, odd.

    Returns:
        The correlation in [-1, 1] and the texture of either picture (its standard deviation in
        the window, in grey levels), all float32 (H, W). Without texture the correlation tells
        nothing.
    """
    a, b = previous.astype(np.float32), current.astype(np.float32)
    size = (window, window)
    mean_a, mean_b = cv2.blur(a, size), cv2.blur(b, size)
    var_a = np.maximum(cv2.blur(a * a, size) - mean_a * mean_a, 0.0)
    var_b = np.maximum(cv2.blur(b * b, size) - mean_b * mean_b, 0.0)
    covariance = cv2.blur(a * b, size) - mean_a * mean_b
    correlation = covariance / np.sqrt(np.maximum(var_a * var_b, 1.0))
    return (
        np.asarray(np.clip(correlation, -1.0, 1.0), np.float32),
        np.asarray(np.sqrt(var_a), np.float32),
        np.asarray(np.sqrt(var_b), np.float32),
    )


def detect_motion_from_paths(
    paths: Sequence[str | Path], *, threshold: int = 25, min_area: int = 500
) -> MotionDetectionResult:
    """Find what moved in a burst of picture files, in order of time."""
    return MotionDetector(threshold=threshold, min_area=min_area).detect_motion(list(paths))


def min_area_for(frame_dimensions: tuple[int, int]) -> int:
    """Return the smallest region worth reporting, in pixels, for frames of (H, W)."""
    height, width = frame_dimensions
    return max(MIN_AREA_FLOOR, round(height * width * MIN_AREA_SHARE))


def _load(index: int, source: FrameSource) -> DecodedFrame | None:
    if source is None or isinstance(source, DecodedFrame):
        return source
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise ValueError(
                f"Frame {index} must be a uint8 array of shape (H, W, 3), "
                f"not {source.dtype} {source.shape}."
            )
        return DecodedFrame(source)
    return read_frame_or_none(source)


def _crop(picture: NDArray[np.uint8], region: MotionRegion) -> NDArray[np.uint8]:
    x1, y1, x2, y2 = region.to_bbox()
    return picture[y1:y2, x1:x2]


def _adjust_brightness(grey: NDArray[np.uint8], change: GlobalChange) -> NDArray[np.uint8]:
    """Give a picture the brightness that it has after an exposure change."""
    levels = np.clip(np.arange(256) * change.gain + change.offset, 0, 255)
    return np.asarray(cv2.LUT(grey, levels.round().astype(np.uint8)), dtype=np.uint8)


def _register(
    grey: NDArray[np.uint8], valid: NDArray[np.uint8], change: GlobalChange
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Move a picture to where the camera looks after a shake, with what is valid of it."""
    matrix = np.array(change.warp).reshape(2, 3)
    size = (grey.shape[1], grey.shape[0])
    moved = cv2.warpAffine(grey, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(valid, matrix, size, flags=cv2.INTER_NEAREST)
    inside = cv2.bitwise_and(cv2.erode(inside, np.ones((5, 5), np.uint8)), valid)
    return np.asarray(moved, np.uint8), np.asarray(inside, np.uint8)


def _difference_beyond_neighbours(
    previous: NDArray[np.uint8], current: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return how far a pixel lies outside the range of its neighbours in the other picture.

    Registration leaves a pixel of error, which a plain difference shows along every edge.
    """
    kernel = np.ones((3, 3), np.uint8)

    def beyond(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
        above = cv2.subtract(one, cv2.dilate(other, kernel))
        below = cv2.subtract(cv2.erode(other, kernel), one)
        return np.asarray(cv2.max(above, below), np.uint8)

    return np.asarray(cv2.max(beyond(previous, current), beyond(current, previous)), np.uint8)


def _check_range(name: str, value: int, low: int, high: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be a whole number, not {value!r}.")
    if value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {limits}, not {value}.")
