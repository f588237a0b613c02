"""One camera's empty scene, painted but not yet lit."""

from __future__ import annotations

from dataclasses import dataclass

from veroallarme_core.drawing.foliage import Tree
from veroallarme_core.drawing.perspective import Floats, Viewpoint
from veroallarme_core.drawing.shapes import Point

TOWARDS_SUN: Point = (-0.66, 0.30, 0.69)
"""From the left and a little ahead: shadows fall to the right and towards the camera."""


@dataclass(frozen=True)
class Lamp:
    """A light that burns after dark."""

    position: Point
    power_bgr: tuple[float, float, float]


@dataclass(frozen=True)
class Place:
    """One camera's empty scene, before light: still layers, a tree, lamps."""

    view: Viewpoint
    layers: Floats
    """(H, W, CHANNELS)."""
    ground: Floats
    """(H, W): share of flat ground."""
    depth_large: Floats
    """Depth in metres before averaging, for what stands before a mover."""
    tree: Tree
    lamps: tuple[Lamp, ...]
    clouds: Floats
    """(H, W): noise for sky and drifting shadow."""
