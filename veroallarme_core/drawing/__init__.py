"""Drawn scenes that ship with the package: labelled events of two surveillance cameras.

Nothing here is a photograph. Two small places are painted in perspective into layers of colour,
light and depth; people, a car and a cat are put together from limbs; light, weather and the
sensor do the rest. The same seed always draws the same pictures.
"""

from veroallarme_core.drawing.car import CarPose
from veroallarme_core.drawing.cast import Pose, pose_alone, shadow_alone
from veroallarme_core.drawing.drawing import (
    DrawnEvent,
    Programme,
    Stage,
    draw_background,
    draw_event,
    draw_events,
    event_names,
)
from veroallarme_core.drawing.light import LightName
from veroallarme_core.drawing.perspective import STRAIGHT, Turn, Viewpoint, floats
from veroallarme_core.drawing.script import CALM, Script
from veroallarme_core.drawing.sensor import DAMAGES
from veroallarme_core.drawing.shapes import Point
from veroallarme_core.drawing.surface import AMBIENT, COLOUR, SUN
from veroallarme_core.drawing.walkers import CatPose, PersonPose

__all__ = [
    "AMBIENT",
    "CALM",
    "COLOUR",
    "DAMAGES",
    "STRAIGHT",
    "SUN",
    "CarPose",
    "CatPose",
    "DrawnEvent",
    "LightName",
    "PersonPose",
    "Point",
    "Pose",
    "Programme",
    "Script",
    "Stage",
    "Turn",
    "Viewpoint",
    "draw_background",
    "draw_event",
    "draw_events",
    "event_names",
    "floats",
    "pose_alone",
    "shadow_alone",
]
