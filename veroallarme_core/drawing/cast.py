"""Putting movers into a place: cover, colour, shadow, and what stands before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from veroallarme_core.drawing.car import CarPose, car_footprint, car_shapes
from veroallarme_core.drawing.light import Window
from veroallarme_core.drawing.perspective import Floats, Viewpoint, floats, shadow_on_ground
from veroallarme_core.drawing.place import TOWARDS_SUN, Place
from veroallarme_core.drawing.shapes import Limb, Point, Shape, hull, limb_shadow, limb_shapes
from veroallarme_core.drawing.surface import (
    AMBIENT,
    CHANNELS,
    COLOUR,
    DEPTH,
    GLOW,
    SKY,
    SUN,
    SUPERSAMPLING,
)
from veroallarme_core.drawing.walkers import CatPose, PersonPose, cat_limbs, person_limbs

Pose = PersonPose | CatPose | CarPose

_FINE = 4
"""Movers are drawn this much larger than the picture: their limbs are thin."""


@dataclass(frozen=True)
class Figure:
    """A mover, ready to be laid over a place."""

    window: Window
    layers: Floats
    """(h, w, CHANNELS), premultiplied by ``cover``."""
    cover: Floats
    """(h, w) in [0, 1], where nothing of the still scene stands before it."""
    depth_m: float


@dataclass(frozen=True)
class Shadow:
    """What a mover takes from the light on the ground."""

    window: Window
    sun: Floats
    """(h, w): share of sunlight taken."""
    ambient: Floats
    """(h, w): share of ambient light taken."""


def pose_figure(place: Place, pose: Pose, sun: float = 1.0) -> Figure | None:
    """Draw a mover; None when it is outside the picture.

    ``sun`` scales the sunlight it gets, for one who walks in the shade.
    """
    return _figure(
        place.view, pose, sun, TOWARDS_SUN, lambda window, depth: _unhidden(place, window, depth)
    )


def pose_alone(
    view: Viewpoint, pose: Pose, towards_sun: Point = TOWARDS_SUN, *, fine: int = _FINE
) -> Figure | None:
    """Draw a mover with nothing around it; None when it is outside the picture.

    ``fine`` is how much larger it is drawn than the picture before it is averaged down.
    """
    return _figure(view, pose, 1.0, towards_sun, None, fine)


def _figure(
    view: Viewpoint,
    pose: Pose,
    sun: float,
    towards_sun: Point,
    unhidden: Callable[[Window, float], Floats] | None,
    fine: int = _FINE,
) -> Figure | None:
    large = view.scaled(fine)
    shapes = _shapes(large, pose, towards_sun)
    window = _window_around([floats(shape.outline / fine) for shape in shapes], view, 2)
    if window is None:
        return None
    height, width = window.bottom - window.top, window.right - window.left
    painted = np.zeros((height * fine, width * fine, 4), np.float32)
    extras = np.zeros((height * fine, width * fine, 3), np.float32)
    corner = floats([window.left, window.top]) * fine
    for shape in shapes:
        fixed = [np.round((shape.outline - corner) * 16).astype(np.int32)]
        tone = [float(c) for c in shape.colour]
        cv2.fillPoly(painted, fixed, (*tone, shape.sun * sun), cv2.LINE_8, 4)
        cv2.fillPoly(extras, fixed, (shape.ambient, shape.glow, 1.0), cv2.LINE_8, 4)
    depth = float(np.mean([shape.depth_m for shape in shapes]))
    solid = extras[..., 2]
    if unhidden is not None:
        solid = solid * unhidden(window, depth)
        painted *= solid[..., None]
        extras[..., :2] *= solid[..., None]
    painted[..., 3] = _softened(painted[..., 3], solid, fine * 0.012 * view.focal_px / depth)
    size = (width, height)
    small = cv2.resize(painted, size, interpolation=cv2.INTER_AREA)
    resized = cv2.resize(extras, size, interpolation=cv2.INTER_AREA)
    cover = np.asarray(cv2.resize(solid, size, interpolation=cv2.INTER_AREA), np.float32)
    layers = np.zeros((height, width, CHANNELS), np.float32)
    layers[..., COLOUR], layers[..., SUN] = small[..., :3], small[..., 3]
    layers[..., AMBIENT], layers[..., GLOW] = resized[..., 0], resized[..., 1]
    layers[..., DEPTH] = depth * cover
    return Figure(window, layers, cover, depth)


def pose_shadow(place: Place, pose: Pose) -> Shadow | None:
    """Draw the shadow of a mover on the ground; None when it is outside the picture."""
    shadow = shadow_alone(place.view, pose)
    if shadow is None:
        return None
    ground = place.ground[shadow.window.slices]
    return Shadow(shadow.window, shadow.sun * ground * 0.95, shadow.ambient * ground * 0.5)


def shadow_alone(view: Viewpoint, pose: Pose, towards_sun: Point = TOWARDS_SUN) -> Shadow | None:
    """Draw the shadow that a mover would throw on endless flat ground, at full strength."""
    if isinstance(pose, CarPose):
        base = car_footprint(pose)
        roof = car_footprint(pose, shrink=0.75) + floats([0, 0, 1.42])
        belt = base + floats([0, 0, 0.9])
        fallen = [shadow_on_ground(part, towards_sun) for part in (belt, roof)]
        sunny = [hull(view.project(np.concatenate([base, fallen[0]])))]
        sunny.append(hull(view.project(np.concatenate([fallen[0], fallen[1]]))))
        contact, softness = view.project(base), 0.14
    else:
        limbs = _limbs(pose)
        sunny = limb_shadow(view, limbs, towards_sun)
        reach = 0.30 if isinstance(pose, PersonPose) else 0.22
        angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ring = np.stack([np.cos(angles) * reach, np.sin(angles) * reach, 0 * angles], axis=1)
        contact, softness = view.project(ring + np.array([pose.x, pose.y, 0])), 0.10
    blur = softness * view.pixels_per_metre((pose.x, pose.y, 0.0))
    window = _window_around([*sunny, contact], view, int(3 * blur) + 3)
    if window is None:
        return None
    return Shadow(window, _filled(sunny, window, 0.6), _filled([contact], window, blur))


def lay(layers: Floats, cover: Floats, over: Floats) -> None:
    """Lay premultiplied layers (h, w, CHANNELS) over others, in place."""
    over *= 1 - cover[..., None]
    over += layers
    over[..., SKY] = np.clip(over[..., SKY], 0, 1)


def _shapes(view: Viewpoint, pose: Pose, towards_sun: Point) -> list[Shape]:
    if isinstance(pose, CarPose):
        return car_shapes(view, pose, towards_sun)
    return limb_shapes(view, _limbs(pose), towards_sun)


def _limbs(pose: PersonPose | CatPose) -> list[Limb]:
    return person_limbs(pose) if isinstance(pose, PersonPose) else cat_limbs(pose)


def _unhidden(place: Place, window: Window, depth_m: float) -> Floats:
    """Where nothing of the still scene is nearer than a mover, at the mover's resolution."""
    part = place.depth_large[
        window.top * SUPERSAMPLING : window.bottom * SUPERSAMPLING,
        window.left * SUPERSAMPLING : window.right * SUPERSAMPLING,
    ]
    beyond = (part > depth_m - 0.05).astype(np.float32)
    ground = cv2.resize(
        place.ground[window.slices], (part.shape[1], part.shape[0]), interpolation=cv2.INTER_NEAREST
    )
    beyond = np.maximum(beyond, (ground > 0.99).astype(np.float32))
    factor = _FINE // SUPERSAMPLING
    return np.repeat(np.repeat(beyond, factor, axis=0), factor, axis=1)


def _softened(sun: Floats, solid: Floats, blur_px: float) -> Floats:
    """Blend the steps of light upon a body, without bleeding over its edge."""
    if blur_px < 0.5:
        return sun
    spread = cv2.GaussianBlur(np.stack([sun, solid], axis=2), (0, 0), blur_px)
    return np.asarray(spread[..., 0] / np.maximum(spread[..., 1], 1e-3) * solid, np.float32)


def _window_around(outlines: Sequence[Floats], view: Viewpoint, margin: int) -> Window | None:
    points = np.concatenate([outline for outline in outlines if len(outline)])
    low, high = np.floor(points.min(axis=0)) - margin, np.ceil(points.max(axis=0)) + margin
    left, top = (int(max(v, 0)) for v in low)
    right, bottom = int(min(high[0], view.width)), int(min(high[1], view.height))
    if right - left < 1 or bottom - top < 1:
        return None
    return Window(top, bottom, left, right)


def _filled(outlines: Sequence[Floats], window: Window, blur_px: float) -> Floats:
    picture = np.zeros((window.bottom - window.top, window.right - window.left), np.uint8)
    corner = floats([window.left, window.top])
    for outline in outlines:
        fixed = np.round((outline - corner) * 16).astype(np.int32)
        cv2.fillPoly(picture, [fixed], 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(picture, (0, 0), max(blur_px, 0.4))
    return floats(soft / 255.0)
