"""Flat shapes in the picture, from which movers are put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from veroallarme_core.drawing.perspective import Floats, Viewpoint, floats, shadow_on_ground

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Shape:
    """A patch of one colour, ready to be filled."""

    outline: Floats
    """(N, 2) pixels of the view that it was made for."""
    colour: Floats
    """Reflectance BGR, linear light."""
    sun: float
    ambient: float
    depth_m: float
    glow: float = 0.0


@dataclass(frozen=True)
class Limb:
    """A tapered capsule between two joints: legs, arms, trunks of bodies."""

    start: Point
    end: Point
    start_radius: float
    end_radius: float
    colour: Floats
    part: str = ""
    """Limbs of the same part are drawn as one rounded body."""


def hull(points: Floats) -> Floats:
    """Return the convex hull of pixels (N, 2) as (M, 2)."""
    return np.asarray(cv2.convexHull(points.astype(np.float32)).reshape(-1, 2), np.float32)


_CIRCLE = floats(
    [(math.cos(2 * math.pi * i / 14), math.sin(2 * math.pi * i / 14)) for i in range(14)]
)


def limb_shapes(view: Viewpoint, limbs: Sequence[Limb], towards_sun: Point) -> list[Shape]:
    """Turn limbs into shapes, far ones first: a dark side, then the sunny side upon it."""
    light = (view.axes @ floats(towards_sun))[:2]
    light = light / max(float(np.hypot(*light)), 1e-6)
    bodies: dict[object, list[Limb]] = {}
    for number, limb in enumerate(limbs):
        bodies.setdefault(limb.part or number, []).append(limb)
    drawn = [_body_shapes(view, body, light) for body in bodies.values()]
    drawn.sort(key=lambda shapes: -shapes[0].depth_m)
    return [shape for shapes in drawn for shape in shapes]


def _body_shapes(view: Viewpoint, body: Sequence[Limb], light: Floats) -> list[Shape]:
    in_view = view.into_view([point for limb in body for point in (limb.start, limb.end)])
    radii = floats([r for limb in body for r in (limb.start_radius, limb.end_radius)])
    radii = radii * view.focal_px / in_view[:, 2]
    ends = view.onto_picture(in_view)
    depth = float(in_view[:, 2].mean())
    middle = ends.mean(axis=0)
    shapes = []
    for share, offset, sun in ((1.0, 0.0, 0.12), (0.78, 0.22, 0.45), (0.5, 0.42, 0.85)):
        drawn_in = ends if len(body) == 1 else middle + (ends - middle) * (0.5 + 0.5 * share)
        rings = [
            end + light * radius * offset + _CIRCLE * max(radius * share, 0.35)
            for end, radius in zip(drawn_in, radii, strict=True)
        ]
        outline = hull(np.concatenate(rings))
        shapes.append(Shape(outline, body[0].colour, sun, 0.6 + 0.4 * sun, depth))
    return shapes


def limb_shadow(view: Viewpoint, limbs: Sequence[Limb], towards_sun: Point) -> list[Floats]:
    """Outlines in pixels of the shadows that limbs throw on the ground."""
    outlines = []
    for limb in limbs:
        fallen = shadow_on_ground([limb.start, limb.end], towards_sun)
        rings = [
            centre + np.concatenate([_CIRCLE * radius, np.zeros((14, 1))], axis=1)
            for centre, radius in zip(fallen, (limb.start_radius, limb.end_radius), strict=True)
        ]
        outlines.append(hull(view.project(np.concatenate(rings))))
    return outlines
