"""Texture that only swayed a little: what shows at a place lies a small way off in the other frame.

Leaves and grass come back to where they were; each small piece of them is found again nearby, in
the frame before and in the frame after alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.judgement.box_sheet import Box, boxes_of_blobs, has_blob_above, lay_out

Grey = NDArray[np.uint8]
Mask = NDArray[np.uint8]

_SHARE = 0.006  # largest displacement as a share of the width: 4 px at 704
_LIMITS = (1, 5)  # ... and in pixels at working width
_RESIDUAL = 14  # grey levels between a pixel's surroundings and where they came from


def explained_by_sway(
    befores: Sequence[Grey], afters: Sequence[Grey], rests: Sequence[Mask], largest: float
) -> list[Mask]:
    """Return the pixels that swayed, for each of several pairs of pictures of the same size.

    Args:
        befores: uint8 (h, w), the earlier picture of each pair.
        afters: uint8 (h, w), the later one.
        rests: uint8 (h, w), 255 where something moved that is to be explained.
        largest: blobs of more pixels that no displacement explains are not worth a search.

    Returns:
        uint8 (h, w) for each pair, 255 where the surroundings of a pixel of `rests` lie a small
        way off in the other picture, whichever of the two one starts from.
    """
    swayed = [np.zeros_like(rest) for rest in rests]
    boxes = [box for index, rest in enumerate(rests) for box in boxes_of_blobs(index, rest)]
    if not boxes:
        return swayed
    reach = int(np.clip(round(_SHARE * befores[0].shape[1]), *_LIMITS))
    worth = _worth_a_search(boxes, befores, afters, rests, reach, largest)
    for sheet in lay_out(worth, reach + 2):
        # Beyond the picture its border goes on, or what stands there would have no surroundings.
        edge = cv2.BORDER_REPLICATE
        came, went = _residuals(sheet.cut(befores, edge), sheet.cut(afters, edge), reach)
        found = (came < _RESIDUAL) & (went < _RESIDUAL)
        sheet.paste(found.astype(np.uint8) * 255, swayed)
    return [found & rest for found, rest in zip(swayed, rests, strict=True)]


def _worth_a_search(
    boxes: Sequence[Box],
    befores: Sequence[Grey],
    afters: Sequence[Grey],
    rests: Sequence[Mask],
    reach: int,
    largest: float,
) -> list[Box]:
    """Leave out the boxes with a large blob whose brightness is nowhere near in the other frame."""
    worth = []
    for sheet in lay_out(boxes, reach):
        beyond = _beyond_neighbourhood(sheet.cut(befores), sheet.cut(afters), reach)
        worth += [
            box
            for box, part in sheet.parts(beyond)
            if not has_blob_above(part & rests[box.picture][box.inside], largest)
        ]
    return worth


def _beyond_neighbourhood(before: Grey, after: Grey, reach: int) -> Mask:
    """Return 255 where no pixel within reach has that brightness: no displacement explains it."""
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    above = cv2.subtract(after, cv2.dilate(before, kernel))
    below = cv2.subtract(cv2.erode(before, kernel), after)
    distance = cv2.max(above, below)
    return np.asarray(cv2.threshold(distance, _RESIDUAL, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _residuals(before: Grey, after: Grey, reach: int) -> tuple[Grey, Grey]:
    """Return the smallest mean difference of 3 x 3 surroundings over all displacements.

    The first says how well each pixel of `after` is found in `before`, the second how well each
    pixel of `before` is found in `after`; both uint8 (h, w).
    """
    height, width = after.shape
    # A rim to search in, for the boxes at the border of a sheet.
    rim = (reach,) * 4
    source = np.asarray(cv2.copyMakeBorder(before, *rim, cv2.BORDER_REPLICATE), np.uint8)
    came, went = np.full_like(after, 255), np.full_like(source, 255)
    step, mean = np.empty_like(after), np.empty_like(after)
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            shifted = (slice(dy, dy + height), slice(dx, dx + width))
            cv2.absdiff(source[shifted], after, dst=step)
            cv2.blur(step, (3, 3), dst=mean)
            cv2.min(came, mean, dst=came)
            # The same difference, seen from the other picture.
            nearest = went[shifted]
            cv2.min(nearest, mean, dst=nearest)
    return came, went[reach : reach + height, reach : reach + width]
