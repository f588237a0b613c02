"""What a zone to ignore would do to events of the past."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from veroallarme_core.contract import ObjectKind
from veroallarme_core.judgement import BORDER, CLEAR_SHARE, INSIDE_SHARE
from veroallarme_core.motion_detection import min_area_for
from veroallarme_core.zone_suggestions.canvas import COLUMNS, Canvas, Mask, grown
from veroallarme_core.zone_suggestions.past_event import MovedBox, PastEvent

_BORDER = max(1, round(BORDER * COLUMNS))


class IgnoredArea:
    """An area in which motion would not count.

    It judges as `judgement.Premises` does, but by what is stored of an event: a region's moving
    pixels are taken to fill its box evenly, where `Premises` has the pixels themselves. A region is
    gone where less than a third of it lies outside, and of that too little beyond the border to be
    a mover of its own.
    """

    def __init__(self, canvas: Canvas, mask: Mask) -> None:
        self.mask = mask
        self._canvas = canvas
        self._beyond = ~grown(mask, _BORDER)

    def hides(self, region: MovedBox, frame_dimensions: tuple[int, int]) -> bool:
        """Tell whether a region would be gone."""
        window = self._canvas.window(region.box)
        if np.mean(~self.mask[window]) >= CLEAR_SHARE:
            return False
        height, width = frame_dimensions
        beyond_px = float(np.mean(self._beyond[window])) * region.moving_share * height * width
        return beyond_px < INSIDE_SHARE * min_area_for(frame_dimensions)

    def suppresses(self, event: PastEvent) -> bool:
        """Tell whether an alarm would have been none: all that was relevant in it is gone."""
        relevant = event.relevant
        return (
            event.is_alarm
            and event.is_complete
            and event.is_whole
            and bool(relevant)
            and all(self.hides(region, event.frame_dimensions) for region in relevant)
        )

    def moves_in(self, event: PastEvent) -> bool:
        """Tell whether anything moves in it: at least a third of a region lies there."""
        return any(
            np.mean(self.mask[self._canvas.window(region.box)]) >= CLEAR_SHARE
            for region in event.regions
        )

    def holds_somebody(self, event: PastEvent) -> bool:
        """Tell whether a person or an animal was recognised for certain in it."""
        return any(
            found.is_certain
            and found.kind is not ObjectKind.VEHICLE
            and bool(self.mask[self._canvas.window(found.box)].any())
            for found in event.objects
        )


def suppressed_by(area: IgnoredArea, events: Iterable[PastEvent]) -> list[PastEvent]:
    """Return the alarms that would have been none."""
    return [event for event in events if area.suppresses(event)]
