"""Which part of a change needs no mover: other light, or texture that only swayed a little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.judgement.box_sheet import largest_blob
from veroallarme_core.judgement.other_light import (
    explained_by_light,
    gradient,
    is_little,
    new_edges,
    remnants_of_light,
    strength,
)
from veroallarme_core.judgement.swayed_texture import explained_by_sway
from veroallarme_core.motion_detection import GlobalChangeKind, PairChange
from veroallarme_core.pictures import shrink, shrink_factor

_WORK_WIDTH = (
    704  # wider frames are explained at about this width: the search costs width to the fourth
)
_EDGE_RATIO_INFRARED = 20.0  # an edge that stayed in another kind of light is that part as strong
_OBVIOUS = 20  # blobs this many times the smallest region are not worth a search


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
        return largest_blob(self.unexplained) / self.scale**2


@dataclass(frozen=True, eq=False)
class _WorkingPair:
    """A pair of frames at working size; all arrays are uint8 (h, w)."""

    pair: PairChange
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    changed: NDArray[np.uint8]

    @cached_property
    def is_infrared_switch(self) -> bool:
        return _is_infrared_switch(self.pair)


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
    working = _at_working_size(pairs, moved)
    lights, sways = _explain(pairs, working, min_area * scale**2)
    light, sway, left = (np.zeros_like(moved) for _ in range(3))
    for shown, by_light, by_sway in zip(working, lights, sways, strict=True):
        light |= by_light
        sway |= by_sway
        left |= shown.changed & ~by_light & ~by_sway
    small = np.ones((3, 3), np.uint8)
    without_specks = cv2.morphologyEx(left, cv2.MORPH_OPEN, small)
    joined = np.asarray(cv2.morphologyEx(without_specks, cv2.MORPH_CLOSE, small), np.uint8)
    rest = left | joined
    return ExplainedChange(moved, light & ~rest, sway & ~rest & ~light, joined, scale)


def _at_working_size(
    pairs: Sequence[PairChange], moved: NDArray[np.uint8]
) -> tuple[_WorkingPair, ...]:
    """Make the pairs smaller in which something moved."""
    working = []
    for pair in pairs:
        changed = np.asarray(cv2.bitwise_and(_shrink_mask(pair.mask), moved), np.uint8)
        if changed.any():
            before, after = shrink(pair.before, _WORK_WIDTH), shrink(pair.after, _WORK_WIDTH)
            working.append(_WorkingPair(pair, before, after, changed))
    return tuple(working)


def _explain(
    pairs: tuple[PairChange, ...], working: Sequence[_WorkingPair], smallest: float
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Return what light explains in each pair, and what sway explains of the rest."""
    befores = [shown.before for shown in working]
    afters = [shown.after for shown in working]
    changes = [shown.changed for shown in working]
    largest = _OBVIOUS * smallest
    if not working:
        return [], []
    lights = explained_by_light(befores, afters, changes, largest=largest, smallest=smallest)
    rests = []
    for shown, light in zip(working, lights, strict=True):
        if shown.is_infrared_switch:
            light |= _explained_by_infrared(pairs, shown, shown.changed & ~light)
            rest = shown.changed & ~light
            light |= remnants_of_light(shown.before, shown.after, rest, light, smallest)
            rests.append(np.zeros_like(rest))  # another kind of light moves no leaf
        else:
            rests.append(shown.changed & ~light)
    return lights, explained_by_sway(befores, afters, rests, largest)


def _shrink_mask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    smaller = shrink(mask, _WORK_WIDTH)
    return np.asarray(cv2.threshold(smaller, 0, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _is_infrared_switch(pair: PairChange) -> bool:
    change = pair.global_change
    return change is not None and change.kind is GlobalChangeKind.INFRARED_SWITCH


def _explained_by_infrared(
    pairs: tuple[PairChange, ...], switch: _WorkingPair, rest: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return the changed pixels whose structure both lights show, or the frames of one light.

    Surfaces that look different in one kind of light look alike in another, so edges vanish. What
    two frames of the same light show at the same place stands there and did not move; an edge that
    a single frame shows must be in the other light as well.
    """
    edges_before, edges_after = gradient(switch.before), gradient(switch.after)
    strengths = (strength(edges_before), strength(edges_after))
    ratio = _EDGE_RATIO_INFRARED
    gone = is_little(new_edges(edges_before, edges_after, strengths, ratio), strengths[0])
    come = is_little(new_edges(edges_after, edges_before, strengths[::-1], ratio), strengths[1])
    stood = _stood_still(pairs, switch.pair.previous, rest.shape)
    stands = _stood_still(pairs, switch.pair.current, rest.shape)
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
