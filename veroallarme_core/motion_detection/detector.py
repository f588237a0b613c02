"""Stage 1: a burst of frames -> where something moved, what is corrupt, what changed globally."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import MotionRegion
from veroallarme_core.motion_detection.comparison import compare_greys
from veroallarme_core.motion_detection.damage import FrameDamage, common_size, find_damage
from veroallarme_core.motion_detection.frame_source import FrameSource, frame_of
from veroallarme_core.motion_detection.global_change import find_change_between
from veroallarme_core.motion_detection.motion_picture import draw_motion
from veroallarme_core.motion_detection.regions import find_regions
from veroallarme_core.motion_detection.result import Frame, MotionDetectionResult, PairChange
from veroallarme_core.motion_detection.whole_picture import WholePicture


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
        pictures = [frame_of(index, source) for index, source in enumerate(frames)]
        images = tuple(None if picture is None else picture.image for picture in pictures)
        damage = find_damage(pictures)
        height, width = common_size(images)
        pairs = tuple(self._compare_all(images, damage, (height, width)))
        mask = np.zeros((height, width), np.uint8)
        for pair in pairs:
            mask |= pair.mask
        regions, mask = find_regions(mask, self.min_area)
        changes = {(pair.previous, pair.current): pair.global_change for pair in pairs}
        return MotionDetectionResult(
            motion_detected=bool(regions),
            motion_regions=regions,
            motion_mask=mask,
            confidence=self._confidence(regions, mask, pairs),
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
        """Draw what moved on a frame of the burst, in red; see `draw_motion`."""
        return draw_motion(
            frame,
            result,
            output_path,
            show_mask=show_mask,
            show_boxes=show_boxes,
            show_centroids=show_centroids,
        )

    def _compare_all(
        self,
        images: Sequence[Frame | None],
        damage: Sequence[FrameDamage],
        size: tuple[int, int],
    ) -> Iterator[PairChange]:
        """Compare each frame with the last one before it that is undamaged at the same place."""
        fitting = [
            image if image is not None and image.shape[:2] == size else None for image in images
        ]
        greys = [None if image is None else self._grey(image) for image in fitting]
        wholes = [None if image is None else WholePicture(image) for image in fitting]
        sound = [self._sound(frame_damage, size) for frame_damage in damage]
        for current, grey in enumerate(greys):
            after = wholes[current]
            if grey is None or after is None or not sound[current].any():
                continue
            wanted = sound[current].copy()
            for previous in range(current - 1, -1, -1):
                earlier, before = greys[previous], wholes[previous]
                if earlier is None or before is None or not wanted.any():
                    continue
                valid = np.asarray(cv2.bitwise_and(wanted, sound[previous]), np.uint8)
                if not valid.any():
                    continue
                wanted &= ~sound[previous]
                is_damaged = damage[previous].blocks.any() or damage[current].blocks.any()
                both_sound = sound[previous] & sound[current]
                change = find_change_between(before, after, both_sound if is_damaged else None)
                compared = compare_greys(earlier, grey, valid, change, self.threshold)
                shown, valid, difference = compared
                mask = np.asarray(cv2.bitwise_and(self._moved(difference), valid), np.uint8)
                yield PairChange(previous, current, shown, grey, mask, valid, difference, change)

    def _sound(self, damage: FrameDamage, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return uint8 (H, W), 255 where a frame is undamaged."""
        if not damage.blocks.any():
            return np.full(size, 255, np.uint8)
        # The codec and the blur smear the edge of the damage over its neighbours.
        reach = 2 * (self.blur_size + 2) + 1
        mask = cv2.dilate(damage.pixel_mask(size), np.ones((reach, reach), np.uint8))
        return np.asarray(cv2.bitwise_not(mask), np.uint8)

    def _grey(self, image: Frame) -> NDArray[np.uint8]:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return np.asarray(cv2.GaussianBlur(grey, (self.blur_size,) * 2, 0), dtype=np.uint8)

    def _moved(self, difference: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return 255 where a difference counts, without specks, the parts of a mover joined."""
        mask = np.asarray(
            cv2.threshold(difference, self.threshold, 255, cv2.THRESH_BINARY)[1], np.uint8
        )
        x, y, width, height = cv2.boundingRect(mask)
        # Round kernels are slow, and most of most pictures is empty.
        margin = self.open_size + self.close_size
        rows = slice(max(0, y - margin), y + height + margin)
        columns = slice(max(0, x - margin), x + width + margin)
        part = mask[rows, columns]
        for operation, size in (
            (cv2.MORPH_OPEN, self.open_size),
            (cv2.MORPH_CLOSE, self.close_size),
        ):
            if size > 1 and width:
                kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
                part = np.asarray(cv2.morphologyEx(part, operation, kernel), dtype=np.uint8)
        mask[rows, columns] = part
        return mask

    def _confidence(
        self,
        regions: Sequence[MotionRegion],
        mask: NDArray[np.uint8],
        pairs: Sequence[PairChange],
    ) -> float:
        """Return how far the clearest region stands out from the threshold, in [0, 1]."""
        best = 0.0
        for region in regions:
            x1, y1, x2, y2 = region.to_bbox()
            box = (slice(y1, y2), slice(x1, x2))
            difference = np.maximum.reduce([pair.difference[box] for pair in pairs])
            level = cv2.mean(difference, mask=mask[box])[0]
            best = max(best, 1.0 - self.threshold / (2 * max(level, 1)))
        return best


def detect_motion_from_paths(
    paths: Sequence[str | Path], *, threshold: int = 25, min_area: int = 500
) -> MotionDetectionResult:
    """Find what moved in a burst of picture files, in order of time."""
    return MotionDetector(threshold=threshold, min_area=min_area).detect_motion(list(paths))


def _check_range(name: str, value: int, low: int, high: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be a whole number, not {value!r}.")
    if value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {limits}, not {value}.")
