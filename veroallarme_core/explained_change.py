"""Which part of a change needs no mover: other light, or texture that only swayed a little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.frames import shrink, shrink_factor
from veroallarme_core.global_change import GlobalChangeKind
from veroallarme_core.motion_detection import PairChange, local_correlation

_WORK_WIDTH = (
    704  # wider frames are explained at about this width: the search costs width to the fourth
)
_LIGHT_WINDOW = 11  # pixels over which gain and offset of the light are fitted
_LIGHT_CORRELATION = 0.85  # structure that correlates so well is the same structure
_LIGHT_TEXTURE = 5.0  # grey levels of standard deviation below which there is no structure
_LIGHT_RESIDUAL = 3.5  # grey levels of structure that a fit may leave on a smooth surface
_SWAY_SHARE = 0.006  # largest displacement as a share of the width: 4 px at 704
_SWAY_LIMITS = (1, 5)  # ... and in pixels at working width
_SWAY_RESIDUAL = 14  # grey levels between a pixel's surroundings and where they came from
_OBVIOUS = 20  # blobs this many times the smallest region are not worth a search

_Box: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class ExplainedChange:
    """What explains the moved pixels of one burst; all masks are uint8 (h, w) at working size.

    `moved` is everything that moved, `light` and `sway` what is explained by other light or by a
    small displacement in every pair in which it moved, `unexplained` what is left, without specks.
    `scale` is working size over frame size.
    """

    moved: NDArray[np.uint8]
    light: NDArray[np.uint8]
    sway: NDArray[np.uint8]
    unexplained: NDArray[np.uint8]
    scale: float

    def crop(self, bbox: tuple[int, int, int, int]) -> ExplainedChange:
        """Return the part inside a box (x1, y1, x2, y2) of frame coordinates."""
        height, width = self.moved.shape
        x1, y1 = (int(value * self.scale) for value in bbox[:2])
        x2, y2 = (int(np.ceil(value * self.scale)) for value in bbox[2:])
        rows, cols = slice(y1, min(max(y2, y1 + 1), height)), slice(x1, min(max(x2, x1 + 1), width))
        return ExplainedChange(
            self.moved[rows, cols],
            self.light[rows, cols],
            self.sway[rows, cols],
            self.unexplained[rows, cols],
            self.scale,
        )

    @property
    def largest_unexplained(self) -> float:
        """Area of the largest unexplained blob, in pixels of the frame."""
        return _largest_blob(self.unexplained) / self.scale**2


def explain_change(
    pairs: tuple[PairChange, ...], motion_mask: NDArray[np.uint8], min_area: int
) -> ExplainedChange:
    """Take what other light or a small sway explains out of the change of a burst.

    Args:
        pairs: the comparisons of Stage 1.
        motion_mask: uint8 (H, W), 255 where Stage 1 reports motion.
        min_area: smallest region in pixels of the frame; what is far larger is not searched.
    """
    if not motion_mask.any():
        nothing = np.zeros_like(motion_mask)
        return ExplainedChange(nothing, nothing, nothing, nothing, 1.0)
    scale = 1.0 / shrink_factor(motion_mask.shape[1], _WORK_WIDTH)
    moved = _shrink_mask(motion_mask)
    light, sway = np.zeros_like(moved), np.zeros_like(moved)
    left = np.zeros_like(moved)
    for pair in pairs:
        changed = np.asarray(cv2.bitwise_and(_shrink_mask(pair.mask), moved), np.uint8)
        if not changed.any():
            continue
        before, after = shrink(pair.before, _WORK_WIDTH), shrink(pair.after, _WORK_WIDTH)
        infrared = GlobalChangeKind.INFRARED_SWITCH
        same_light = pair.global_change is None or pair.global_change.kind is not infrared
        by_light, by_sway = np.zeros_like(moved), np.zeros_like(moved)
        # Each blob is examined in its own box: together they cover little of most pictures.
        for box in _boxes(changed):
            by_light[box] |= _explained_by_light(before, after, changed, box)
            if same_light:
                rest = np.asarray(cv2.subtract(changed[box], by_light[box]), np.uint8)
                by_sway[box] |= _explained_by_sway(before, after, rest, box, min_area * scale**2)
        light |= by_light
        sway |= by_sway
        left |= changed & ~by_light & ~by_sway
    small = np.ones((3, 3), np.uint8)
    without_specks = cv2.morphologyEx(left, cv2.MORPH_OPEN, small)
    joined = np.asarray(cv2.morphologyEx(without_specks, cv2.MORPH_CLOSE, small), np.uint8)
    rest = left | joined
    return ExplainedChange(moved, light & ~rest, sway & ~rest & ~light, joined, scale)


def _shrink_mask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    smaller = shrink(mask, _WORK_WIDTH)
    return np.asarray(cv2.threshold(smaller, 0, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _boxes(changed: NDArray[np.uint8]) -> Iterator[_Box]:
    """Yield the boxes (rows, columns) of the blobs, those that lie close together in one."""
    joined = cv2.dilate(changed, np.ones((9, 9), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    for x, y, width, height, _ in stats[1:count].tolist():
        yield slice(y, y + height), slice(x, x + width)


def _widen(box: _Box, margin: int) -> tuple[_Box, _Box]:
    """Return a box with a margin, and where the box lies inside it."""
    rows, cols = box
    top, left = max(0, rows.start - margin), max(0, cols.start - margin)
    wide = (slice(top, rows.stop + margin), slice(left, cols.stop + margin))
    inner = (
        slice(rows.start - top, rows.stop - top),
        slice(cols.start - left, cols.stop - left),
    )
    return wide, inner


def _explained_by_light(
    before: NDArray[np.uint8], after: NDArray[np.uint8], changed: NDArray[np.uint8], box: _Box
) -> NDArray[np.uint8]:
    """Return the changed pixels of a box where a gain and an offset explain the change."""
    wide, inner = _widen(box, _LIGHT_WINDOW // 2)
    correlation, texture_before, texture_after = local_correlation(
        before[wide], after[wide], _LIGHT_WINDOW
    )
    alike = (np.minimum(texture_before, texture_after) > _LIGHT_TEXTURE) & (
        correlation > _LIGHT_CORRELATION
    )
    # What the fit leaves: on a smooth surface a shadow adds no structure, a mover has outlines.
    added = np.maximum(texture_before, texture_after) * np.sqrt(1.0 - correlation**2)
    same = (alike | (added < _LIGHT_RESIDUAL))[inner]
    return np.where(same, changed[box], 0).astype(np.uint8)


def _explained_by_sway(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    changed: NDArray[np.uint8],
    box: _Box,
    min_area: float,
) -> NDArray[np.uint8]:
    """Return the changed pixels of a box whose surroundings lie a small way off in the other.

    `changed` is uint8 of the box's size; `min_area` is in pixels at working size.
    """
    reach = int(np.clip(round(_SWAY_SHARE * before.shape[1]), *_SWAY_LIMITS))
    wide, inner = _widen(box, reach + 2)
    one, other = before[wide], after[wide]
    beyond = _beyond_neighbourhood(one, other, reach)[inner]
    if _largest_blob(changed & beyond) > _OBVIOUS * min_area:
        return np.zeros_like(changed)
    residual = np.maximum(
        _residual_after_sway(one, other, reach), _residual_after_sway(other, one, reach)
    )
    return np.where(residual[inner] < _SWAY_RESIDUAL, changed, 0).astype(np.uint8)


def _beyond_neighbourhood(
    before: NDArray[np.uint8], after: NDArray[np.uint8], reach: int
) -> NDArray[np.uint8]:
    """Return 255 where no pixel within reach has that brightness: no displacement explains it."""
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    above = cv2.subtract(after, cv2.dilate(before, kernel))
    below = cv2.subtract(cv2.erode(before, kernel), after)
    distance = cv2.max(above, below)
    return np.asarray(cv2.threshold(distance, _SWAY_RESIDUAL, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _residual_after_sway(
    source: NDArray[np.uint8], target: NDArray[np.uint8], reach: int
) -> NDArray[np.uint8]:
    """Return the smallest mean difference of 3 x 3 surroundings over all displacements."""
    height, width = target.shape
    padded = cv2.copyMakeBorder(source, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    best = np.full(target.shape, 255, np.uint8)
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            shifted = padded[dy : dy + height, dx : dx + width]
            residual = cv2.blur(cv2.absdiff(shifted, target), (3, 3))
            np.minimum(best, residual, out=best)
    return best


def _largest_blob(mask: NDArray[np.uint8]) -> int:
    if not mask.any():
        return 0
    _, _, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask), connectivity=8)
    return int(stats[1:, cv2.CC_STAT_AREA].max())
