"""Drawn scenes that ship with the package: labelled events of two surveillance cameras.

Nothing here is a photograph. Two small places are painted in perspective into layers of colour,
light and depth; people, a car and a cat are put together from limbs; light, weather and the
sensor do the rest. The same seed always draws the same pictures.
"""

from veroallarme_core.drawing.drawing import (
    DrawnEvent,
    draw_background,
    draw_event,
    draw_events,
    event_names,
)

__all__ = ["DrawnEvent", "draw_background", "draw_event", "draw_events", "event_names"]
