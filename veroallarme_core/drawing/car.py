"""A low-poly hatchback, parked or driving."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from veroallarme_core.drawing.perspective import Floats, Viewpoint, floats
from veroallarme_core.drawing.shapes import Point, Shape
from veroallarme_core.drawing.surface import paint

LENGTH_M = 4.2
WIDTH_M = 1.76
_BELT = 0.92
_PROFILE = (
    (-2.08, 0.30),
    (-2.12, 0.62),
    (-2.05, 0.90),
    (-1.6, _BELT + 0.02),
    (0.85, _BELT + 0.02),
    (1.75, 0.78),
    (2.06, 0.62),
    (2.12, 0.40),
    (2.06, 0.26),
)
"""Side of the lower body from tail to nose: metres ahead of the middle, metres up."""


@dataclass(frozen=True)
class CarPose:
    """Where a car stands on the ground."""

    x: float
    y: float
    heading_deg: float
    """0 = along x, 90 = away from the camera."""
    colour: str
    lights: bool = False


def _to_world(pose: CarPose, points: ArrayLike) -> Floats:
    """Turn (ahead, left, up) metres, (N, 3), into world points."""
    local = np.asarray(points, np.float32).reshape(-1, 3)
    turn = math.radians(pose.heading_deg)
    cos, sin = math.cos(turn), math.sin(turn)
    x = pose.x + local[:, 0] * cos - local[:, 1] * sin
    y = pose.y + local[:, 0] * sin + local[:, 1] * cos
    return np.stack([x, y, local[:, 2]], axis=1).astype(np.float32)


def car_footprint(pose: CarPose, shrink: float = 1.0) -> Floats:
    """Corners of the car on the ground, (4, 3)."""
    half_l, half_w = LENGTH_M / 2 * shrink, WIDTH_M / 2 * shrink
    corners = [(-half_l, -half_w, 0), (half_l, -half_w, 0), (half_l, half_w, 0)]
    return _to_world(pose, [*corners, (-half_l, half_w, 0)])


class _Assembly:
    """Collects the visible faces of a car in the order in which they are painted."""

    def __init__(self, view: Viewpoint, pose: CarPose, towards_sun: Point) -> None:
        self.view, self.pose = view, pose
        self.sun = floats(towards_sun) / np.float32(np.linalg.norm(towards_sun))
        self.shapes: list[Shape] = []

    def face(
        self,
        points: ArrayLike,
        outwards: Point,
        colour: Floats,
        *,
        glow: float = 0.0,
        gloss: float = 0.0,
    ) -> None:
        """Add a face unless it looks away from the camera."""
        world = _to_world(self.pose, points)
        origin = _to_world(self.pose, (0, 0, 0))[0]
        normal = _to_world(self.pose, outwards)[0] - origin
        normal = normal / np.linalg.norm(normal)
        if np.dot(world.mean(axis=0) - floats(self.view.position), normal) >= 0:
            return
        outline = self.view.outline(world)
        if len(outline) < 3:
            return
        sun = max(0.0, float(normal @ self.sun)) + gloss
        ambient = 0.55 + 0.45 * max(0.0, float(normal[2]))
        depth = float(self.view.into_view(world)[:, 2].mean())
        self.shapes.append(Shape(outline, colour, sun, ambient, depth, glow))


def car_shapes(view: Viewpoint, pose: CarPose, towards_sun: Point) -> list[Shape]:
    """Shapes of a car in painting order."""
    parts = _Assembly(view, pose, towards_sun)
    for ahead in (-1.32, 1.30):
        for side in (-1.0, 1.0):
            _tyre(parts, ahead, side)
    _lower_body(parts)
    for ahead in (-1.32, 1.30):
        for side in (-1.0, 1.0):
            _wheel(parts, ahead, side)
    _cabin(parts)
    _ends(parts)
    return parts.shapes


def _lower_body(parts: _Assembly) -> None:
    colour = paint(parts.pose.colour)
    half = WIDTH_M / 2
    for (a0, z0), (a1, z1) in pairwise(_PROFILE):
        quad = [(a0, -half, z0), (a1, -half, z1), (a1, half, z1), (a0, half, z0)]
        parts.face(quad, (z0 - z1, 0.0, a1 - a0), colour, gloss=0.06)
    for side in (-1.0, 1.0):
        outline = [(a, side * half, z) for a, z in _PROFILE]
        parts.face(outline, (0.0, side, 0.05), colour)
        sill = [(-2.06, side * half, 0.42), (2.08, side * half, 0.42)]
        sill += [(2.06, side * half, 0.26), (-2.08, side * half, 0.30)]
        parts.face(sill, (0.0, side, 0.0), colour * np.float32(0.35))
        crease = [(-2.0, side * half, 0.72), (1.8, side * half, 0.70)]
        crease += [(1.8, side * half, 0.66), (-2.0, side * half, 0.67)]
        parts.face(crease, (0.0, side, 0.0), colour * np.float32(1.35))


def _wheel(parts: _Assembly, ahead: float, side: float) -> None:
    half = WIDTH_M / 2 * side
    angles = np.linspace(0, 2 * math.pi, 20, endpoint=False)

    def disc(radius: float) -> list[Point]:
        return [(ahead + radius * math.cos(a), half, 0.31 + radius * math.sin(a)) for a in angles]

    parts.face(disc(0.37), (0.0, side, 0.0), paint("#15171a"))
    parts.face(disc(0.31), (0.0, side, 0.0), paint("#26282b"))
    parts.face(disc(0.20), (0.0, side, 0.0), paint("#a3a8ac"))
    parts.face(disc(0.07), (0.0, side, 0.0), paint("#4a4e52"))


def _tyre(parts: _Assembly, ahead: float, side: float) -> None:
    """The part of a wheel that shows below the bumper from ahead or behind."""
    outer, inner = side * (WIDTH_M / 2 - 0.02), side * (WIDTH_M / 2 - 0.24)
    for end in (-1.0, 1.0):
        reach = ahead + 0.24 * end
        tread = [
            (reach, inner, 0.03),
            (reach, outer, 0.03),
            (reach, outer, 0.5),
            (reach, inner, 0.5),
        ]
        parts.face(tread, (end, 0.0, 0.0), paint("#1b1c1e"))


def _cabin(parts: _Assembly) -> None:
    colour, glass = paint(parts.pose.colour), paint("#27323b")
    low, high = WIDTH_M / 2 - 0.04, 0.60
    back, front, roof_back, roof_front, top = -1.95, 1.0, -1.35, 0.15, 1.46
    windscreen = [(front, -low, _BELT), (front, low, _BELT), (roof_front, high, top)]
    windscreen += [(roof_front, -high, top)]
    parts.face(windscreen, (0.5, 0.0, 0.8), paint("#3c4c58"), gloss=0.15)
    rear = [(back, -low, _BELT), (back, low, _BELT), (roof_back, high, top)]
    rear += [(roof_back, -high, top)]
    parts.face(rear, (-0.6, 0.0, 0.6), paint("#303d47"), gloss=0.1)
    for left, right in ((-0.30, -0.12), (-0.06, 0.02)):
        _sky_streak(parts, (back, roof_back), (left, right), (low, high))
        _sky_streak(parts, (front, roof_front), (left, right), (low, high))
    for side in (-1.0, 1.0):
        pane = [(back, side * low, _BELT), (front, side * low, _BELT)]
        pane += [(roof_front, side * high, top), (roof_back, side * high, top)]
        parts.face(pane, (0.0, side, 0.45), colour)
        for start, end in ((0.10, 0.46), (0.51, 0.86)):
            parts.face(_pane(side, low, high, start, end), (0.0, side, 0.45), glass, gloss=0.1)
    roof = [(roof_back - 0.1, -high, top), (roof_front + 0.06, -high, top)]
    roof += [(roof_front + 0.06, high, top), (roof_back - 0.1, high, top)]
    parts.face(roof, (0.0, 0.0, 1.0), colour, gloss=0.05)


def _sky_streak(
    parts: _Assembly,
    slope: tuple[float, float],
    across: tuple[float, float],
    widths: tuple[float, float],
) -> None:
    """A slanted band of mirrored sky on the windscreen or the rear window."""
    (bottom, top), (left, right), (low, high) = slope, across, widths
    outwards = (0.5, 0.0, 0.8) if bottom > 0 else (-0.6, 0.0, 0.6)
    lean = 0.45
    band = [(bottom, left * low, 0.94), (bottom, right * low, 0.94)]
    band += [(top, (right + lean) * high, 1.44), (top, (left + lean) * high, 1.44)]
    parts.face(band, outwards, paint("#5d7484"), gloss=0.1)


def _pane(side: float, low: float, high: float, start: float, end: float) -> list[Point]:
    """A side window between two shares of the cabin's length."""

    def at(share: float, rise: float) -> Point:
        bottom, top = -1.95 + 2.95 * share, -1.35 + 1.5 * share
        half = low + (high - low) * rise
        return (bottom + (top - bottom) * rise, side * half, _BELT + 0.54 * rise)

    return [at(start, 0.08), at(end, 0.08), at(end, 0.86), at(start, 0.86)]


def _ends(parts: _Assembly) -> None:
    lit = 3.0 if parts.pose.lights else 0.0
    for side in (-1.0, 1.0):
        inner, outer = side * 0.45, side * 0.84
        head = [(2.08, inner, 0.64), (2.02, outer, 0.68), (2.06, outer, 0.52), (2.12, inner, 0.52)]
        parts.face(head, (1.0, 0.0, 0.2), paint("#8f9aa2"), glow=lit, gloss=0.2)
        tail = [(-2.12, inner * 1.2, 0.86), (-2.10, outer, 0.86), (-2.14, outer, 0.62)]
        parts.face(
            [*tail, (-2.14, inner * 1.2, 0.62)], (-1.0, 0.0, 0.1), paint("#b4231f"), glow=0.12 * lit
        )
    for end in (-2.13, 2.10):
        bumper = [(end, -0.86, 0.36), (end, 0.86, 0.36), (end, 0.84, 0.25), (end, -0.84, 0.25)]
        parts.face(bumper, (math.copysign(1.0, end), 0.0, 0.0), paint("#232527"))
    grille = [(2.13, -0.4, 0.58), (2.13, 0.4, 0.58), (2.13, 0.4, 0.36), (2.13, -0.4, 0.36)]
    parts.face(grille, (1.0, 0.0, 0.0), paint("#1d2023"))
    for end in (-2.14, 2.15):
        plate = [(end, -0.26, 0.52), (end, 0.26, 0.52), (end, 0.26, 0.41), (end, -0.26, 0.41)]
        parts.face(plate, (math.copysign(1.0, end), 0.0, 0.0), paint("#e9e7dc"))
