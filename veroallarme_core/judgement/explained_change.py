"""Which part of a change needs no mover: other light, or texture that only swayed a little.

Light changes what a place looks like, but brings no structure of its own: within one surface the
old brightness, a gain, an offset and a slope give the new one, and between two surfaces that catch
the light differently the edge stays where it was. A mover brings outlines where there were none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection import GlobalChangeKind, PairChange
from veroallarme_core.pictures import shrink, shrink_factor

_WORK_WIDTH = (
    704  # wider frames are explained at about this width: the search costs width to the fourth
)
_WINDOW_SHARE = 1 / 64  # of the width: edge of the window in which the light is fitted
_WINDOW_LIMITS = (7, 11)  # ... and in pixels at working width
_LIGHT_CORRELATION = 0.85  # structure that correlates so well is the same structure
_LIGHT_TEXTURE = 5.0  # grey levels of standard deviation below which there is no structure
_LIGHT_RESIDUAL = 0.32  # grey levels of structure that a fit may leave, per pixel of the window
_LIGHT_SLOPE = 3.5  # grey levels per pixel, at a width of 704: insects at the lens are steeper
_EDGE_ANGLE = 0.9  # least cosine between the gradients of an edge that stayed
_EDGE_RATIO = 6.0  # an edge that stayed is at least this part as strong as it was
_EDGE_RATIO_INFRARED = 20.0  # ... in another kind of light
_EDGE_FLOOR = 0.8  # weakest gradient that is an edge, in grey levels per pixel
_EDGE_NEW = 0.6  # mean gradient of new edges that noise reaches, in grey levels per pixel
_EDGE_NEW_SHARE = 0.2  # ... and their share of all gradients, where these are strong
_EDGE_REACH = 3  # pixels at working width from an edge to the surfaces that the fit explains
_REMNANT = 3.0  # what light leaves over is at most this many times the smallest region
_REMNANT_COHERENCE = 0.58  # its gradients agree so well; those of a mover and a yard by half
_SWAY_SHARE = 0.006  # largest displacement as a share of the width: 4 px at 704
_SWAY_LIMITS = (1, 5)  # ... and in pixels at working width
_SWAY_RESIDUAL = 14  # grey levels between a pixel's surroundings and where they came from
_OBVIOUS = 20  # blobs this many times the smallest region are not worth a search

_Box: TypeAlias = tuple[slice, slice]
_Gradient: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]


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
    smallest = min_area * scale**2
    for pair in pairs:
        changed = np.asarray(cv2.bitwise_and(_shrink_mask(pair.mask), moved), np.uint8)
        if not changed.any():
            continue
        before, after = shrink(pair.before, _WORK_WIDTH), shrink(pair.after, _WORK_WIDTH)
        by_light = _explained_by_light(before, after, changed, smallest)
        by_sway = np.zeros_like(moved)
        if _is_infrared_switch(pair):
            by_light |= _explained_by_infrared(pairs, pair, (before, after), changed & ~by_light)
            rest = np.asarray(cv2.subtract(changed, by_light), np.uint8)
            by_light |= _remnants_of_light(before, after, rest, by_light, smallest)
        else:
            rest = np.asarray(cv2.subtract(changed, by_light), np.uint8)
            for box in _boxes(rest):
                by_sway[box] |= _explained_by_sway(before, after, rest[box], box, smallest)
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
    # Contours take a tenth of the time of labelled components; a blob in a hole needs no own box.
    contours, _ = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for x, y, width, height in map(cv2.boundingRect, contours):
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


# --- light ---------------------------------------------------------------------------------------


def _explained_by_light(
    before: NDArray[np.uint8], after: NDArray[np.uint8], changed: NDArray[np.uint8], min_area: float
) -> NDArray[np.uint8]:
    """Return the changed pixels, uint8 (h, w), that show the same things in another light.

    `min_area` is in pixels at working size.
    """
    light, same = np.zeros_like(changed), np.zeros_like(changed)
    # Each blob is examined in its own box: together they cover little of most pictures.
    for box in _boxes(changed):
        same[box] |= _same_surfaces(before, after, box)
        light[box] |= same[box] & changed[box]
    rest = np.asarray(cv2.subtract(changed, light), np.uint8)
    for box in _boxes(rest):
        if _largest_blob(rest[box]) <= _OBVIOUS * min_area:
            light[box] |= _same_edges(before, after, same, box) & rest[box]
    rest = np.asarray(cv2.subtract(changed, light), np.uint8)
    if light.any() and rest.any():
        light |= _remnants_of_light(before, after, rest, light, min_area)
    return light


def _same_surfaces(
    before: NDArray[np.uint8], after: NDArray[np.uint8], box: _Box
) -> NDArray[np.uint8]:
    """Return 255 where a box shows the same surfaces but for gain, offset and slope of the light.

    A pixel is judged by every window that it lies in, not only by the one around it: the window
    around an edge sees two surfaces, and each may catch the light differently.
    """
    window = int(np.clip(round(_WINDOW_SHARE * before.shape[1]) | 1, *_WINDOW_LIMITS))
    reach = window // 2 - 1
    wide, inner = _widen(box, window // 2 + reach)
    correlation, texture_before, texture_after, slope = _fit_light(
        before[wide], after[wide], window
    )
    alike = (np.minimum(texture_before, texture_after) > _LIGHT_TEXTURE) & (
        correlation > _LIGHT_CORRELATION
    )
    # What the fit leaves: on a smooth surface a shadow adds no structure, a mover has outlines.
    added = np.maximum(texture_before, texture_after) * np.sqrt(1.0 - correlation**2)
    is_gentle = slope < _LIGHT_SLOPE * _WORK_WIDTH / before.shape[1]
    smooth = ((added < _LIGHT_RESIDUAL * window) & is_gentle).astype(np.uint8) * 255
    smooth = cv2.dilate(smooth, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return np.asarray(np.where(alike, 255, smooth)[inner], np.uint8)


def _fit_light(
    before: NDArray[np.uint8], after: NDArray[np.uint8], window: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Correlate two grey pictures (h, w) in a window around each pixel, without their slopes.

    The slope is that of a plane fitted to the window: the edge of a soft shadow is one, and so is
    the beam of a lamp. Returns the correlation in [-1, 1], the texture of either picture (its
    standard deviation around the plane, in grey levels) and how much steeper the one is than the
    other, in grey levels per pixel; all float32 (h, w).
    """
    a, b = before.astype(np.float32), after.astype(np.float32)
    size = (window, window)
    mean_a, mean_b = cv2.blur(a, size), cv2.blur(b, size)
    ramp = np.arange(window, dtype=np.float32) - window // 2
    flat, spread = np.full(window, 1 / window, np.float32), float(np.mean(ramp**2))
    ramp /= window * np.sqrt(spread)
    across_a, down_a = cv2.sepFilter2D(a, -1, ramp, flat), cv2.sepFilter2D(a, -1, flat, ramp)
    across_b, down_b = cv2.sepFilter2D(b, -1, ramp, flat), cv2.sepFilter2D(b, -1, flat, ramp)
    var_a = cv2.blur(a * a, size) - mean_a**2 - across_a**2 - down_a**2
    var_b = cv2.blur(b * b, size) - mean_b**2 - across_b**2 - down_b**2
    covariance = cv2.blur(a * b, size) - mean_a * mean_b - across_a * across_b - down_a * down_b
    var_a, var_b = np.maximum(var_a, 0.0), np.maximum(var_b, 0.0)
    correlation = covariance / np.sqrt(np.maximum(var_a * var_b, 1.0))
    slope = cv2.magnitude(across_b - across_a, down_b - down_a) / np.float32(np.sqrt(spread))
    return (
        np.asarray(np.clip(correlation, -1.0, 1.0), np.float32),
        np.asarray(np.sqrt(var_a), np.float32),
        np.asarray(np.sqrt(var_b), np.float32),
        np.asarray(slope, np.float32),
    )


def _same_edges(
    before: NDArray[np.uint8], after: NDArray[np.uint8], same: NDArray[np.uint8], box: _Box
) -> NDArray[np.uint8]:
    """Return 255 along edges of a box that both pictures have, next to surfaces that stayed."""
    wide, inner = _widen(box, 6)
    one, other = _gradient(before[wide]), _gradient(after[wide])
    new = np.maximum(_new_edges(one, other, _EDGE_RATIO), _new_edges(other, one, _EDGE_RATIO))
    strength = (_strength(one), _strength(other))
    is_edge = cv2.dilate(np.minimum(*strength), np.ones((3, 3), np.uint8)) > _EDGE_FLOOR
    reach = 2 * _EDGE_REACH + 1
    is_near = cv2.dilate(same[wide], np.ones((reach, reach), np.uint8)) > 0
    stayed = _is_little(new, np.maximum(*strength)) & is_edge & is_near
    return np.asarray(np.where(stayed, 255, 0)[inner], np.uint8)


def _gradient(grey: NDArray[np.uint8]) -> _Gradient:
    """Return the gradient of a grey picture (h, w), across and down, in grey levels per pixel."""
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _strength(gradient: _Gradient) -> NDArray[np.float32]:
    return np.asarray(cv2.magnitude(*gradient), np.float32)


def _new_edges(edges: _Gradient, others: _Gradient, ratio: float) -> NDArray[np.float32]:
    """Return the strength of edges that have no parallel among the others within a pixel.

    The parallel may be of either sign, and weaker by `ratio`; float32 (h, w), 0 where there is one.
    """
    strength = cv2.magnitude(*edges)
    height, width = strength.shape
    unit = [part / (strength + 1e-6) for part in edges]
    padded = [cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_REPLICATE) for part in others]
    lengths = cv2.magnitude(padded[0], padded[1])
    best = np.zeros_like(strength)
    for dy in range(3):
        for dx in range(3):
            rows, cols = slice(dy, dy + height), slice(dx, dx + width)
            along = np.abs(unit[0] * padded[0][rows, cols] + unit[1] * padded[1][rows, cols])
            along[along <= _EDGE_ANGLE * lengths[rows, cols]] = 0.0
            np.maximum(best, along, out=best)
    is_known = best >= np.maximum(_EDGE_FLOOR, strength / ratio)
    return np.asarray(np.where(is_known, 0.0, strength), np.float32)


def _is_little(new: NDArray[np.float32], strength: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell where new edges are no more than noise, or than the inexactness of strong ones."""
    limit = np.maximum(_EDGE_NEW, _EDGE_NEW_SHARE * cv2.blur(strength, (5, 5)))
    return np.asarray(cv2.blur(new, (5, 5)) < limit, np.bool_)


def _remnants_of_light(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    rest: NDArray[np.uint8],
    light: NDArray[np.uint8],
    min_area: float,
) -> NDArray[np.uint8]:
    """Return the small blobs of the rest that lie in the light and have the structure of before.

    Where surfaces of many sides meet (leaves, the points of a fence) no window shows one alone.
    """
    explained = np.zeros_like(rest)
    kernel = np.ones((3, 3), np.uint8)
    blobs = np.asarray(cv2.morphologyEx(rest, cv2.MORPH_OPEN, kernel), np.uint8)
    contours, _ = cv2.findContours(blobs, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        if width * height <= 0.5 * min_area:
            continue
        wide, inner = _widen((slice(y, y + height), slice(x, x + width)), 7)
        shape = np.zeros(rest[wide].shape, np.uint8)
        offset = (inner[1].start - x, inner[0].start - y)
        cv2.drawContours(shape, [contour], -1, 255, cv2.FILLED, offset=offset)
        blob = np.asarray(cv2.bitwise_and(shape, blobs[wide])) > 0
        if not 0.5 * min_area < np.count_nonzero(blob) <= _REMNANT * min_area:
            continue
        if np.count_nonzero(light[wide]) < np.count_nonzero(rest[wide]):
            continue
        coherence = _coherence(before[wide], after[wide])
        if float(np.median(coherence[blob])) >= _REMNANT_COHERENCE:
            explained[wide] |= np.where(blob, 255, 0).astype(np.uint8)
    return explained


def _coherence(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how well the gradients of 7 x 7 surroundings agree, in [0, 1], whatever their sign."""
    one, other = _gradient(before), _gradient(after)
    common = np.abs(one[0] * other[0] + one[1] * other[1])
    size = (7, 7)
    power = cv2.blur(one[0] ** 2 + one[1] ** 2, size) * cv2.blur(
        other[0] ** 2 + other[1] ** 2, size
    )
    return np.asarray(cv2.blur(common, size) / (np.sqrt(power) + 0.3), np.float32)


# --- infrared ------------------------------------------------------------------------------------


def _is_infrared_switch(pair: PairChange) -> bool:
    change = pair.global_change
    return change is not None and change.kind is GlobalChangeKind.INFRARED_SWITCH


def _explained_by_infrared(
    pairs: tuple[PairChange, ...],
    switch: PairChange,
    greys: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    rest: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Return the changed pixels whose structure both lights show, or the frames of one light.

    Surfaces that look different in one kind of light look alike in another, so edges vanish. What
    two frames of the same light show at the same place stands there and did not move; an edge that
    a single frame shows must be in the other light as well.
    """
    one, other = _gradient(greys[0]), _gradient(greys[1])
    ratio = _EDGE_RATIO_INFRARED
    gone = _is_little(_new_edges(one, other, ratio), _strength(one))
    come = _is_little(_new_edges(other, one, ratio), _strength(other))
    stood = _stood_still(pairs, switch.previous, rest.shape)
    stands = _stood_still(pairs, switch.current, rest.shape)
    return np.where((gone | stood) & (come | stands), rest, 0).astype(np.uint8)


def _stood_still(
    pairs: tuple[PairChange, ...], frame: int, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Tell where a frame shows the same as another one in the same light, bool (h, w)."""
    still = np.zeros(shape, np.bool_)
    for pair in pairs:
        if frame in (pair.previous, pair.current) and not _is_infrared_switch(pair):
            near = cv2.dilate(_shrink_mask(pair.mask), np.ones((9, 9), np.uint8))
            still |= (near == 0) & (_shrink_mask(pair.valid) > 0)
    return still


# --- sway ----------------------------------------------------------------------------------------


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
