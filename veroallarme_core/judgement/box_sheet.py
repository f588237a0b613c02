"""Boxes cut out of several pictures and laid side by side on one sheet.

What moved is scattered over a burst in dozens of small boxes, and a filter that is called for each
of them spends more time on being called than on pixels. On a sheet one call filters all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]

_WIDTH = 512  # of a sheet in pixels, more where a box is wider
_HEIGHT = 512  # past it another sheet begins: filters work in 32 bits, and the cache is small


class Box(NamedTuple):
    """A box in one of several pictures of the same size; x2 and y2 are exclusive."""

    picture: int
    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns in its picture."""
        return slice(self.y1, self.y2), slice(self.x1, self.x2)


@dataclass(frozen=True)
class BoxSheet:
    """Where each box lies on the sheet, with a margin of its own picture on every side.

    `corners` are the upper left corners (x, y) of the boxes with their margins, in pixels.
    """

    boxes: tuple[Box, ...]
    corners: tuple[tuple[int, int], ...]
    margin: int
    size: tuple[int, int]
    """(height, width) in pixels."""

    def cut(self, pictures: Sequence[Mask], border: int = cv2.BORDER_REFLECT_101) -> Mask:
        """Return uint8 of the sheet's size, the boxes of `pictures` on it.

        Args:
            pictures: uint8 (H, W), those that the boxes name by their index.
            border: what a margin holds beyond its picture, one of OpenCV's: filters expect the
                picture mirrored, and growing a mask nothing, `cv2.BORDER_CONSTANT`.
        """
        edges = (self.margin,) * 4
        wide = {
            index: cv2.copyMakeBorder(pictures[index], *edges, border, value=0)
            for index in {box.picture for box in self.boxes}
        }
        sheet = np.zeros(self.size, np.uint8)
        for box, (x, y) in zip(self.boxes, self.corners, strict=True):
            # In the widened picture a box with its margin begins where the box itself did.
            part = wide[box.picture][
                box.y1 : box.y2 + 2 * self.margin, box.x1 : box.x2 + 2 * self.margin
            ]
            sheet[y : y + part.shape[0], x : x + part.shape[1]] = part
        return sheet

    def parts(self, sheet: Mask) -> Iterator[tuple[Box, Mask]]:
        """Yield each box with its part of a sheet, without the margin."""
        for box, (x, y) in zip(self.boxes, self.corners, strict=True):
            top, left = y + self.margin, x + self.margin
            yield box, sheet[top : top + box.y2 - box.y1, left : left + box.x2 - box.x1]

    def paste(self, sheet: Mask, pictures: Sequence[Mask]) -> None:
        """Add what a sheet shows inside the boxes to the bits of `pictures`, in place."""
        for box, part in self.parts(sheet):
            pictures[box.picture][box.inside] |= part


def lay_out(boxes: Sequence[Box], margin: int) -> Iterator[BoxSheet]:
    """Lay boxes on as few sheets as hold them, row by row, the tallest first."""
    left = sorted(boxes, key=lambda box: box.y1 - box.y2)
    while left:
        width = max(_WIDTH, *(box.x2 - box.x1 + 2 * margin for box in left))
        corners: list[tuple[int, int]] = []
        x = top = bottom = 0
        for box in left:
            across, down = box.x2 - box.x1 + 2 * margin, box.y2 - box.y1 + 2 * margin
            if x + across > width:
                x, top = 0, bottom
            if corners and top + down > _HEIGHT:
                break
            corners.append((x, top))
            x, bottom = x + across, max(bottom, top + down)
        yield BoxSheet(tuple(left[: len(corners)]), tuple(corners), margin, (bottom, width))
        left = left[len(corners) :]


def boxes_of_blobs(picture: int, mask: Mask) -> Iterator[Box]:
    """Yield the boxes of a mask's blobs, those that lie close together in one."""
    joined = cv2.dilate(mask, np.ones((9, 9), np.uint8))
    # Contours take a tenth of the time of labelled components; a blob in a hole needs no own box.
    contours, _ = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for x, y, width, height in map(cv2.boundingRect, contours):
        yield Box(picture, x, y, x + width, y + height)


def has_blob_above(mask: Mask, area: float) -> bool:
    """Tell whether a connected blob of a mask, uint8 (h, w), has more than `area` pixels."""
    # Few pixels make no large blob: mostly there is nothing to connect.
    return cv2.countNonZero(np.ascontiguousarray(mask)) > area and largest_blob(mask) > area


def largest_blob(mask: Mask) -> int:
    """Return the area of the largest connected blob of a mask, uint8 (h, w), in pixels."""
    if not mask.any():
        return 0
    _, _, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask), connectivity=8)
    return int(stats[1:, cv2.CC_STAT_AREA].max())
