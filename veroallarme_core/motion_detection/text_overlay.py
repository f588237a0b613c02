"""Lines of text that a camera burns into its picture: its clock, its name."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_MARGIN = 0.14  # text stands within this share of the height from the upper or lower border
_HEIGHTS = (0.012, 0.075)  # height of a glyph as a share of the frame's
_FEWEST_PIXELS = 8  # a glyph is at least this high
_CONTRAST = 45  # of a stroke against what surrounds it, in grey levels
_WHITE = 160  # a stroke is at least this bright
_MOST_ELONGATED = 1.6  # width of a single glyph over its height
_GLYPH_PITCH = 0.8  # distance of glyphs that run into one another, in glyph heights
_INK = (0.35, 0.75)  # share of its box that a run of such glyphs fills: a rail fills all of it
_FEWEST_GLYPHS = 6
_WIDEST_GAP = 2.5  # between neighbouring glyphs, in glyph heights
_REACH = 3.0  # how far a line may go on in glyphs that change, in glyph heights


@dataclass(frozen=True)
class TextLine:
    """A line of burnt-in text, with room for the glyphs that change.

    In pixels of the frame; x2 and y2 are exclusive.
    """

    x1: int
    y1: int
    x2: int
    y2: int

    def contains(self, bbox: tuple[int, int, int, int], tolerance: int = 2) -> bool:
        """Tell whether a box (x1, y1, x2, y2) lies inside the line, but for `tolerance` pixels."""
        return (
            bbox[0] >= self.x1 - tolerance
            and bbox[1] >= self.y1 - tolerance
            and bbox[2] <= self.x2 + tolerance
            and bbox[3] <= self.y2 + tolerance
        )


def find_text_lines(frames: Sequence[NDArray[np.uint8]]) -> tuple[TextLine, ...]:
    """Find the lines of text that stand still in all frames of a burst.

    A line is a row of at least six strokes of equal height, sharp against what is behind them,
    the same in every frame, near the upper or lower border. Nothing else in a scene is.

    Args:
        frames: two or more pictures, uint8 (H, W, 3) BGR, all of the same size.
    """
    if len(frames) < 2:
        return ()
    height, width = frames[0].shape[:2]
    margin = round(_MARGIN * height)
    if margin < _FEWEST_PIXELS:
        return ()
    lines: list[TextLine] = []
    for top in (0, height - margin):
        strips = [frame[top : top + margin] for frame in frames]
        for glyphs in _lines_of(_glyphs(_standing_strokes(strips), height)):
            x1, y1 = glyphs[:, 0].min(), glyphs[:, 1].min() + top
            x2 = (glyphs[:, 0] + glyphs[:, 2]).max()
            y2 = (glyphs[:, 1] + glyphs[:, 3]).max() + top
            reach = round(_REACH * float(np.median(glyphs[:, 3])))
            lines.append(
                TextLine(max(0, int(x1) - reach), int(y1), min(width, int(x2) + reach), int(y2))
            )
    return tuple(lines)


def _standing_strokes(strips: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return uint8 (h, w), 255 where every frame has a bright stroke that is the same in all."""
    kernel = np.ones((9, 9), np.uint8)
    standing: NDArray[np.uint8] | None = None
    first: NDArray[np.uint8] | None = None
    for strip in strips:
        grey = np.asarray(cv2.cvtColor(strip, cv2.COLOR_BGR2GRAY), np.uint8)
        hat = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, kernel)
        sharp = cv2.threshold(hat, _CONTRAST, 255, cv2.THRESH_BINARY)[1]
        white = cv2.threshold(grey, _WHITE, 255, cv2.THRESH_BINARY)[1]
        strokes = np.asarray(cv2.bitwise_and(sharp, white), np.uint8)
        if standing is None or first is None:
            standing, first = strokes, grey
        else:
            step = cv2.absdiff(grey, first)
            same = cv2.threshold(step, _CONTRAST, 255, cv2.THRESH_BINARY_INV)[1]
            standing = np.asarray(
                cv2.bitwise_and(cv2.bitwise_and(standing, strokes), same), np.uint8
            )
        if not standing.any():
            break  # as in most pictures, or soon
    assert standing is not None
    return standing


def _glyphs(strokes: NDArray[np.uint8], frame_height: int) -> NDArray[np.int32]:
    """Return the boxes (x, y, width, height) of what may be glyphs, int32 (N, 4).

    A run of glyphs that touch one another comes as that many boxes.
    """
    low = max(_FEWEST_PIXELS, _HEIGHTS[0] * frame_height)
    boxes: list[tuple[int, int, int, int]] = []
    # Text fills a small part of the strip, or nothing of it.
    left, top, across, down = cv2.boundingRect(strokes)
    if not across:
        return np.zeros((0, 4), np.int32)
    part = strokes[top : top + down, left : left + across]
    _, _, stats, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
    offset = np.array((left, top, 0, 0, 0))
    for x, y, width, height, area in (stats[1:] + offset).tolist():
        if not low <= height <= _HEIGHTS[1] * frame_height:
            continue
        if width <= _MOST_ELONGATED * height:
            boxes.append((x, y, width, height))
        elif _INK[0] <= area / (width * height) <= _INK[1]:
            count = round(width / (_GLYPH_PITCH * height))
            edges = np.linspace(x, x + width, count + 1).round().astype(int).tolist()
            boxes.extend((x1, y, x2 - x1, height) for x1, x2 in itertools.pairwise(edges))
    return np.array(boxes, np.int32).reshape(-1, 4)


def _lines_of(glyphs: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """Group glyphs of equal top and height that follow one another closely."""
    lines: list[NDArray[np.int32]] = []
    left = glyphs[np.argsort(glyphs[:, 0])]
    while len(left) >= _FEWEST_GLYPHS:
        tops, bottoms = left[:, 1], left[:, 1] + left[:, 3]
        # (N, N): which glyphs stand on the same line as which
        aligned = np.abs(tops[:, None] - tops) <= 2
        aligned &= np.abs(bottoms[:, None] - bottoms) <= 2
        chosen = aligned[int(aligned.sum(axis=1).argmax())]
        line = left[chosen]
        gaps = line[1:, 0] - (line[:-1, 0] + line[:-1, 2])
        height = float(np.median(line[:, 3]))
        runs = np.split(line, np.flatnonzero(gaps > _WIDEST_GAP * height) + 1)
        lines.extend(run for run in runs if len(run) >= _FEWEST_GLYPHS)
        left = left[~chosen]
    return lines
