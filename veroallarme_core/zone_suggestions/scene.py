"""What a camera has seen, under the zones that are in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veroallarme_core.contract import Zone
from veroallarme_core.judgement import Premises
from veroallarme_core.zone_suggestions.busy_places import peoples_places
from veroallarme_core.zone_suggestions.canvas import Canvas, Mask
from veroallarme_core.zone_suggestions.ignored_area import IgnoredArea, suppressed_by
from veroallarme_core.zone_suggestions.past_event import PastEvent


@dataclass(frozen=True, eq=False)
class Scene:
    """The events of a camera, and which parts of the picture may be proposed to be ignored."""

    canvas: Canvas
    events: Sequence[PastEvent]
    """In order of time."""
    alarms: Sequence[PastEvent]
    """Those judged relevant that the zones in force let through: some were judged before these."""
    ignored: Mask
    """Where motion does not count already."""
    kept: Mask
    """What must not be proposed: that, where motion always alerts, and where people stood."""

    @classmethod
    def of(cls, canvas: Canvas, events: Sequence[PastEvent], zones: Sequence[Zone]) -> Scene:
        """Lay the zones in force over the past of a camera."""
        rows, columns = canvas.shape
        premises = Premises.of(zones, (rows, columns))
        ignored = canvas.empty() if premises.mask is None else premises.mask == 0
        kept = ignored | peoples_places(canvas, events)
        if premises.always is not None:
            kept = kept | (premises.always > 0)
        area = IgnoredArea(canvas, ignored)
        alarms = [event for event in events if event.is_alarm and not area.suppresses(event)]
        return cls(canvas, events, alarms, ignored, kept)

    def spared(
        self, zones: Sequence[Zone], alarms: Sequence[PastEvent] | None = None
    ) -> list[PastEvent]:
        """Return the alarms that would be none if some more zones were ignored.

        Args:
            zones: to ignore.
            alarms: to look among; None takes all.
        """
        if not zones:
            return []
        mask = self.ignored
        for zone in zones:
            mask = mask | self.canvas.drawn(zone)
        return suppressed_by(
            IgnoredArea(self.canvas, mask), self.alarms if alarms is None else alarms
        )
