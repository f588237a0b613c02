"""Where motion counts, and of what: the zones that a user draws, laid over what moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import ALL_KINDS, ObjectKind, Zone, ZoneKind
from veroallarme_core.motion_detection import (
    MotionDetectionResult,
    MotionRegion,
    min_area_for,
    region_pixels,
    regions_in,
)

Mask = NDArray[np.uint8]
"""uint8 (H, W), 255 inside."""

INSIDE_SHARE = 0.5
"""Moving pixels inside that make a region count, in smallest regions (30 px at 704x576): a mover
that straddles the border counts where it stands, and a leaf that reaches over it does not."""

RIM = 1 / 64
"""Edge of the window, as a share of the width, by which what moves outside reaches further."""

BORDER = 1 / 50
"""Width of the border, as a share of the picture's: nobody draws a zone more exactly. What mostly
lies outside counts only if it reaches further in, as a car in the street does not."""

CLEAR_SHARE = 1 / 3
"""Share of its moving pixels inside from which a region counts as a whole, however small it is:
who stands at the far border has the feet inside. Of a tree beyond it only what is inside counts."""

_SMALL = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class PartedMotion:
    """What moved, parted by the border of the zones."""

    counted: tuple[MotionRegion, ...]
    """What counts: whole regions, and the parts inside of those that mostly lie outside."""
    outside: tuple[MotionRegion, ...]
    """What does not count."""
    moved: Mask
    """Where what counts moved."""
    beyond: Mask | None
    """Where what does not count moved, and its rim: a car in the street shines and rings into the
    drive beside it. None where everything counts."""


@dataclass(frozen=True, eq=False)
class Premises:
    """The part of a picture in which motion counts.

    `mask` is None where everything counts, `always` where no motion alerts by its place alone;
    what is in `always` is in `mask` as well. `kinds` of objects count, but in the parts of the
    picture of which `kinds_by_area` says otherwise.
    """

    mask: Mask | None = None
    always: Mask | None = None
    kinds: frozenset[ObjectKind] = frozenset(ALL_KINDS)
    kinds_by_area: tuple[tuple[Mask, frozenset[ObjectKind]], ...] = ()

    @classmethod
    def of(
        cls,
        zones: Sequence[Zone],
        frame_dimensions: tuple[int, int],
        objects: Iterable[ObjectKind] = ALL_KINDS,
    ) -> Premises:
        """Lay zones over frames of (height, width) in pixels; `objects` count in the picture."""
        kinds = frozenset(objects)
        only, ignore, always = (
            _drawn((zone for zone in zones if zone.kind is kind), frame_dimensions)
            for kind in (ZoneKind.ONLY, ZoneKind.IGNORE, ZoneKind.ALWAYS)
        )
        areas = _areas(zones, frame_dimensions, kinds)
        if only is None and ignore is None:
            return cls(None, always, kinds, areas)
        mask = np.full(frame_dimensions, 255, np.uint8) if only is None else only
        if ignore is not None:
            mask = mask & ~ignore
        return cls(mask if always is None else mask | always, always, kinds, areas)

    @property
    def judged(self) -> Mask | None:
        """Where it is judged what moved: all that counts, but for where motion always alerts.

        None where that is everywhere.
        """
        if self.always is None:
            return self.mask
        judged = ~self.always if self.mask is None else self.mask & ~self.always
        # Where nothing is left to judge, what always alerts is all that can be tried.
        return judged if judged.any() else self.always

    def split(self, motion: MotionDetectionResult) -> PartedMotion:
        """Part what moved into what counts and what does not, in the order of the result."""
        if self.mask is None:
            return PartedMotion(motion.motion_regions, (), motion.motion_mask, None)
        counted: list[MotionRegion] = []
        outside: list[MotionRegion] = []
        moved = motion.motion_mask.copy()
        for region in motion.motion_regions:
            parts, rest = self._cut(region, motion, self.mask)
            counted += parts
            if rest is not None:
                outside += regions_in(rest, region.x, region.y) if parts else [region]
                x1, y1, x2, y2 = region.to_bbox()
                moved[y1:y2, x1:x2] &= ~rest
        beyond = around(motion.motion_mask & ~moved)
        return PartedMotion(tuple(counted), tuple(outside), moved, beyond)

    def always_alerting(
        self, motion: MotionDetectionResult, regions: Iterable[MotionRegion]
    ) -> tuple[MotionRegion, ...]:
        """Return the regions that moved in a zone where motion always alerts."""
        if self.always is None:
            return ()
        return tuple(
            region
            for region in regions
            if np.count_nonzero(
                region_pixels(motion.motion_mask, region) & _crop(self.always, region)
            )
            >= _enough(region, motion)
        )

    def kinds_in(
        self, motion: MotionDetectionResult, region: MotionRegion
    ) -> frozenset[ObjectKind]:
        """Return the kinds of objects that count in a region: those of all zones it reaches into.

        Like motion, they count where enough pixels moved; what is faint has none and is in all of
        its box.
        """
        if not self.kinds_by_area:
            return self.kinds
        pixels = region_pixels(motion.motion_mask, region)
        if not pixels.any():
            pixels = np.full_like(pixels, 255)
        reached = [
            kinds
            for area, kinds in self.kinds_by_area
            if np.count_nonzero(pixels & _crop(area, region)) >= _enough(region, motion)
        ]
        return frozenset[ObjectKind]().union(*reached) if reached else frozenset(ALL_KINDS)

    def counts_at(self, kind: str, row: float, column: float) -> bool:
        """Tell whether an object of a kind counts at a pixel, wherever motion does."""
        at = int(row), int(column)
        in_areas = [kinds for area, kinds in self.kinds_by_area if area[at]]
        return any(kind in kinds for kinds in in_areas or [self.kinds])

    def touches_always(self, region: MotionRegion) -> bool:
        """Tell whether any pixel of a region's box lies where motion always alerts."""
        return self.always is not None and bool(_crop(self.always, region).any())

    def _cut(
        self, region: MotionRegion, motion: MotionDetectionResult, mask: Mask
    ) -> tuple[list[MotionRegion], Mask | None]:
        """Return the parts of a region that count, and the pixels of its box that do not."""
        here = _crop(mask, region)
        if here.all():
            return [region], None
        pixels = region_pixels(motion.motion_mask, region)
        inside = pixels & here
        count = np.count_nonzero(inside)
        if count >= CLEAR_SHARE * np.count_nonzero(pixels):
            return [region], None
        if count < _enough(region, motion):
            return [], pixels
        # The rim of what lies outside reaches over the border and joins those who stand there.
        without_rim = np.asarray(cv2.morphologyEx(inside, cv2.MORPH_OPEN, _SMALL), np.uint8)
        parts = regions_in(without_rim, region.x, region.y, joined=False)
        deep = inside & _crop(self._deep_inside, region)
        enough = [
            part
            for part in parts
            if np.count_nonzero(_part_of(deep, part, region)) >= _enough(region, motion)
        ]
        # Specks that are only together enough are one mover behind a fence.
        if not enough and np.count_nonzero(deep) >= _enough(region, motion):
            enough = list(regions_in(inside, region.x, region.y))
        return enough, pixels if not enough else pixels & ~here

    @cached_property
    def _deep_inside(self) -> Mask:
        """All that counts, but for its border; the edge of the picture is none."""
        mask = np.zeros((1, 1), np.uint8) if self.mask is None else self.mask
        width = max(1, round(BORDER * mask.shape[1]))
        window = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
        return np.asarray(cv2.erode(mask, window, borderValue=255), np.uint8)


def _part_of(pixels: Mask, part: MotionRegion, region: MotionRegion) -> Mask:
    """Return the pixels of a region's box that lie in the box of one of its parts."""
    top, left = part.y - region.y, part.x - region.x
    return pixels[top : top + part.height, left : left + part.width]


def around(moved: Mask) -> Mask:
    """Return where something moved and its rim, to which its light and its codec reach."""
    reach = max(3, round(RIM * moved.shape[1])) | 1
    return np.asarray(cv2.dilate(moved, np.ones((reach, reach), np.uint8)), np.uint8)


def _enough(region: MotionRegion, motion: MotionDetectionResult) -> float:
    """Return how many moving pixels of a region make it count where they lie."""
    return min(
        INSIDE_SHARE * min_area_for(motion.frame_dimensions), max(1.0, CLEAR_SHARE * region.area)
    )


def _drawn(zones: Iterable[Zone], frame_dimensions: tuple[int, int]) -> Mask | None:
    """Return the area of some zones; None where there are none."""
    height, width = frame_dimensions
    mask = None
    for zone in zones:
        mask = np.zeros((height, width), np.uint8) if mask is None else mask
        corners = [[round(x * (width - 1)), round(y * (height - 1))] for x, y in zone.points]
        cv2.fillPoly(mask, [np.array(corners, np.int32)], 255)
    return mask


def _areas(
    zones: Sequence[Zone], frame_dimensions: tuple[int, int], kinds: frozenset[ObjectKind]
) -> tuple[tuple[Mask, frozenset[ObjectKind]], ...]:
    """Return the zones where motion counts, each with its kinds; none where all have the same."""
    counting = [zone for zone in zones if zone.kind is ZoneKind.ONLY]
    areas = []
    for zone in counting if any(zone.objects for zone in counting) else ():
        mask = _drawn((zone,), frame_dimensions)
        if mask is not None:
            areas.append((mask, frozenset(zone.objects or kinds)))
    return tuple(areas)


def _crop(mask: Mask, region: MotionRegion) -> Mask:
    x1, y1, x2, y2 = region.to_bbox()
    return mask[y1:y2, x1:x2]
