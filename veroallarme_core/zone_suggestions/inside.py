"""Which past events moved inside a zone."""

from __future__ import annotations

from veroallarme_core.contract import Zone
from veroallarme_core.zone_suggestions.canvas import Canvas
from veroallarme_core.zone_suggestions.ignored_area import IgnoredArea
from veroallarme_core.zone_suggestions.past_event import PastEvent


def moved_inside(zone: Zone, event: PastEvent) -> bool:
    """Tell whether at least a third of a region of an event lies in a zone."""
    canvas = Canvas(event.frame_dimensions)
    return IgnoredArea(canvas, canvas.drawn(zone)).moves_in(event)
