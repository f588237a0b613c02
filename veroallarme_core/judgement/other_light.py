"""Change that needs no mover, only other light.

Light changes what a place looks like, but brings no structure of its own: within one surface the
old brightness, a gain, an offset and a slope give the new one, and between two surfaces that catch
the light differently the edge stays where it was. A mover brings outlines where there were none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.judgement.box_sheet import boxes_of_blobs, has_blob_above, lay_out

Grey: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]
Gradient: TypeAlias = tuple[Floats, Floats]

NOMINAL_WIDTH = 704
"""Width of the pictures, in pixels, for which the numbers below were found."""
_WINDOW_SHARE = 1 / 64  # of the width: edge of the window in which the light is fitted
_WINDOW_LIMITS = (7, 11)  # ... and in pixels at working width
_LIGHT_CORRELATION = 0.85  # structure that correlates so well is the same structure
_LIGHT_TEXTURE = 5.0  # grey levels of standard deviation below which there is no structure
_LIGHT_RESIDUAL = 0.32  # grey levels of structure that a fit may leave, per pixel of the window
_LIGHT_SLOPE = 3.5  # grey levels per pixel, at a width of 704: insects at the lens are steeper
_EDGE_ANGLE = 0.9  # least cosine between the gradients of an edge that stayed
_EDGE_RATIO = 6.0  # an edge that stayed is at least this part as strong as it was
_EDGE_FLOOR = 0.8  # weakest gradient that is an edge, in grey levels per pixel
_EDGE_NEW = 0.6  # mean gradient of new edges that noise reaches, in grey levels per pixel
_EDGE_NEW_SHARE = 0.2  # ... and their share of all gradients, where these are strong
_EDGE_REACH = 3  # pixels at working width from an edge to the surfaces that the fit explains
_EDGE_MARGIN = 6  # pixels that an edge and what it is compared with look around themselves
_REMNANT = 3.0  # what light leaves over is at most this many times the smallest region
_REMNANT_COHERENCE = 0.58  # its gradients agree so well; those of a mover and a yard by half
_REMNANT_MARGIN = 7


def explained_by_light(
    befores: Sequence[Grey],
    afters: Sequence[Grey],
    changes: Sequence[Mask],
    *,
    largest: float,
    smallest: float,
) -> list[Mask]:
    """Return what shows the same things in another light, for each of several pairs of pictures.

    Args:
        befores: uint8 (h, w), the earlier picture of each pair; all of the same size.
        afters: uint8 (h, w), the later one.
        changes: uint8 (h, w), 255 where something moved.
        largest: blobs of more pixels are not searched for edges that stayed.
        smallest: smallest region in pixels, as wide as the pictures are.

    Returns:
        uint8 (h, w) for each pair, 255 at the changed pixels that light explains.
    """
    surfaces = _same_surfaces(befores, afters, changes)
    lights = [same & change for same, change in zip(surfaces, changes, strict=True)]
    rests = [change & ~light for change, light in zip(changes, lights, strict=True)]
    edges = _same_edges(befores, afters, surfaces, rests, largest)
    for index, rest in enumerate(rests):
        lights[index] |= edges[index] & rest
        lights[index] |= remnants_of_light(
            befores[index],
            afters[index],
            changes[index] & ~lights[index],
            lights[index],
            smallest,
        )
    return lights


def _same_surfaces(
    befores: Sequence[Grey], afters: Sequence[Grey], changes: Sequence[Mask]
) -> list[Mask]:
    """Return 255 where the boxes of a change show the same surfaces but for the light's fit."""
    same = [np.zeros_like(change) for change in changes]
    boxes = [box for index, change in enumerate(changes) for box in boxes_of_blobs(index, change)]
    width = changes[0].shape[1]
    window = int(np.clip(round(_WINDOW_SHARE * width) | 1, *_WINDOW_LIMITS))
    reach = window // 2 - 1
    steepest = _LIGHT_SLOPE * NOMINAL_WIDTH / width
    for sheet in lay_out(boxes, window // 2 + reach):
        shown = _surfaces(sheet.cut(befores), sheet.cut(afters), window, steepest)
        sheet.paste(shown, same)
    return same


def _surfaces(before: Grey, after: Grey, window: int, steepest: float) -> Mask:
    """Return 255 where two pictures show the same surfaces but for gain, offset and slope.

    A pixel is judged by every window that it lies in, not only by the one around it: the window
    around an edge sees two surfaces, and each may catch the light differently.
    """
    reach = window // 2 - 1
    correlation, texture_before, texture_after, slope = _fit_light(before, after, window)
    alike = (cv2.min(texture_before, texture_after) > _LIGHT_TEXTURE) & (
        correlation > _LIGHT_CORRELATION
    )
    # What the fit leaves: on a smooth surface a shadow adds no structure, a mover has outlines.
    added = cv2.max(texture_before, texture_after) * np.sqrt(1.0 - correlation * correlation)
    smooth = ((added < _LIGHT_RESIDUAL * window) & (slope < steepest)).astype(np.uint8) * 255
    smooth = cv2.dilate(smooth, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return np.asarray(np.where(alike, 255, smooth), np.uint8)


def _fit_light(before: Grey, after: Grey, window: int) -> tuple[Floats, Floats, Floats, Floats]:
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

    def around_the_planes(product: Floats, *parts: tuple[Floats, Floats]) -> Floats:
        """Return the mean product in each window without what the two planes explain of it."""
        left = np.asarray(cv2.blur(product, size), np.float32)
        for part, other in parts:
            left -= np.multiply(part, other, out=product)
        return left

    planes = [
        (np.asarray(part, np.float32), np.asarray(other, np.float32))
        for part, other in ((mean_a, mean_b), (across_a, across_b), (down_a, down_b))
    ]
    covariance = around_the_planes(a * b, *planes)
    var_a = around_the_planes(a * a, *((part, part) for part, _ in planes))
    var_b = around_the_planes(b * b, *((part, part) for _, part in planes))
    np.maximum(var_a, 0.0, out=var_a)
    np.maximum(var_b, 0.0, out=var_b)
    power = np.maximum(np.multiply(var_a, var_b, out=a), 1.0, out=a)
    correlation = np.divide(covariance, np.sqrt(power, out=power), out=covariance)
    np.subtract(across_b, across_a, out=across_b)
    np.subtract(down_b, down_a, out=down_b)
    slope = cv2.magnitude(across_b, down_b) / np.float32(np.sqrt(spread))
    return (
        np.clip(correlation, -1.0, 1.0, out=correlation),
        np.sqrt(var_a, out=var_a),
        np.sqrt(var_b, out=var_b),
        np.asarray(slope, np.float32),
    )


def _same_edges(
    befores: Sequence[Grey],
    afters: Sequence[Grey],
    surfaces: Sequence[Mask],
    rests: Sequence[Mask],
    largest: float,
) -> list[Mask]:
    """Return 255 along edges that both pictures have, next to surfaces that stayed.

    They are looked for in the boxes of the rests that hold no blob of more than `largest` pixels.
    """
    same = [np.zeros_like(rest) for rest in rests]
    boxes = [
        box
        for index, rest in enumerate(rests)
        for box in boxes_of_blobs(index, rest)
        if not has_blob_above(rest[box.inside], largest)
    ]
    reach = np.ones((2 * _EDGE_REACH + 1, 2 * _EDGE_REACH + 1), np.uint8)
    for sheet in lay_out(boxes, _EDGE_MARGIN):
        stayed = _edges_that_stayed(sheet.cut(befores), sheet.cut(afters))
        near = cv2.dilate(sheet.cut(surfaces, cv2.BORDER_CONSTANT), reach)
        sheet.paste(stayed & np.asarray(near, np.uint8), same)
    return same


def _edges_that_stayed(before: Grey, after: Grey) -> Mask:
    """Return uint8 (h, w), 255 along edges that both pictures have."""
    edges_before, edges_after = gradient(before), gradient(after)
    strengths = (strength(edges_before), strength(edges_after))
    new = cv2.max(
        new_edges(edges_before, edges_after, strengths, _EDGE_RATIO),
        new_edges(edges_after, edges_before, strengths[::-1], _EDGE_RATIO),
    )
    is_edge = cv2.dilate(cv2.min(*strengths), np.ones((3, 3), np.uint8)) > _EDGE_FLOOR
    stayed = is_little(np.asarray(new, np.float32), np.maximum(*strengths)) & is_edge
    return stayed.astype(np.uint8) * 255


def gradient(grey: Grey) -> Gradient:
    """Return the gradient of a grey picture (h, w), across and down, in grey levels per pixel."""
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def strength(edges: Gradient) -> Floats:
    """Return how strong a gradient is, float32 (h, w)."""
    return np.asarray(cv2.magnitude(*edges), np.float32)


def new_edges(
    edges: Gradient, others: Gradient, strengths: tuple[Floats, Floats], ratio: float
) -> Floats:
    """Return the strength of edges that have no parallel among the others within a pixel.

    The parallel may be of either sign, and weaker by `ratio`; `strengths` are those of the edges
    and of the others. Returns float32 (h, w), 0 where there is a parallel.
    """
    own, lengths = strengths
    height, width = own.shape
    unit = [part / (own + 1e-6) for part in edges]
    padded = [
        cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_REPLICATE) for part in (*others, lengths)
    ]
    least = padded[2] * np.float32(_EDGE_ANGLE)
    best = np.zeros_like(own)
    along, down = np.empty_like(own), np.empty_like(own)
    for dy in range(3):
        for dx in range(3):
            shifted = (slice(dy, dy + height), slice(dx, dx + width))
            np.multiply(unit[0], padded[0][shifted], out=along)
            np.multiply(unit[1], padded[1][shifted], out=down)
            np.abs(np.add(along, down, out=along), out=along)
            np.multiply(along, along > least[shifted], out=along)
            np.maximum(best, along, out=best)
    is_known = best >= np.maximum(_EDGE_FLOOR, own / ratio)
    return np.asarray(np.where(is_known, 0.0, own), np.float32)


def is_little(new: Floats, strongest: Floats) -> NDArray[np.bool_]:
    """Tell where new edges are no more than noise, or than the inexactness of strong ones."""
    limit = np.maximum(_EDGE_NEW, _EDGE_NEW_SHARE * cv2.blur(strongest, (5, 5)))
    return np.asarray(cv2.blur(new, (5, 5)) < limit, np.bool_)


def remnants_of_light(before: Grey, after: Grey, rest: Mask, light: Mask, min_area: float) -> Mask:
    """Return the small blobs of the rest that lie in the light and have the structure of before.

    Where surfaces of many sides meet (leaves, the points of a fence) no window shows one alone.

    Args:
        before: uint8 (h, w).
        after: uint8 (h, w).
        rest: uint8 (h, w), 255 where nothing explains a change.
        light: uint8 (h, w), 255 where light does.
        min_area: smallest region in pixels.
    """
    explained = np.zeros_like(rest)
    if not light.any() or not rest.any():
        return explained
    blobs = np.asarray(cv2.morphologyEx(rest, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    contours, _ = cv2.findContours(blobs, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        if width * height <= 0.5 * min_area:
            continue
        top, left = max(0, y - _REMNANT_MARGIN), max(0, x - _REMNANT_MARGIN)
        wide = (
            slice(top, y + height + _REMNANT_MARGIN),
            slice(left, x + width + _REMNANT_MARGIN),
        )
        shape = np.zeros(rest[wide].shape, np.uint8)
        cv2.drawContours(shape, [contour], -1, 255, cv2.FILLED, offset=(-left, -top))
        blob = np.asarray(cv2.bitwise_and(shape, blobs[wide]), np.uint8)
        if not 0.5 * min_area < np.count_nonzero(blob) <= _REMNANT * min_area:
            continue
        if np.count_nonzero(light[wide]) < np.count_nonzero(rest[wide]):
            continue
        coherence = _coherence(before[wide], after[wide])
        if float(np.median(coherence[blob > 0])) >= _REMNANT_COHERENCE:
            explained[wide] |= blob
    return explained


def _coherence(before: Grey, after: Grey) -> Floats:
    """Return how well the gradients of 7 x 7 surroundings agree, in [0, 1], whatever their sign."""
    edges_before, edges_after = gradient(before), gradient(after)
    common = np.abs(edges_before[0] * edges_after[0] + edges_before[1] * edges_after[1])
    size = (7, 7)
    power = cv2.blur(edges_before[0] ** 2 + edges_before[1] ** 2, size) * cv2.blur(
        edges_after[0] ** 2 + edges_after[1] ** 2, size
    )
    return np.asarray(cv2.blur(common, size) / (np.sqrt(power) + 0.3), np.float32)
