"""Leaves: hedges and bushes that stand still, and a tree that sways."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from veroallarme_core.drawing.perspective import Floats, Viewpoint, floats, shadow_on_ground
from veroallarme_core.drawing.shapes import Point
from veroallarme_core.drawing.surface import (
    DEPTH,
    Canvas,
    paint,
)


@dataclass(frozen=True)
class Greenery:
    """A mass of leaves: ellipsoids filled with small clusters."""

    lobes: tuple[tuple[Point, Point], ...]
    """Centre and radii of each ellipsoid, in metres."""
    clusters: int
    leaf_m: float
    dark: str = "#26391c"
    light: str = "#86a350"
    has_core: bool = True
    """Whether the inside is dense: leaves, but not blossoms upon leaves."""

    def scatter(self, rng: np.random.Generator, towards_sun: Point) -> tuple[Floats, Floats]:
        """Place the clusters: centres (N, 3) and how sunlit each is in [0, 1], (N,)."""
        weights = np.array([math.prod(radii) ** (2 / 3) for _, radii in self.lobes])
        lobe = rng.choice(len(self.lobes), self.clusters, p=weights / weights.sum())
        direction = rng.standard_normal((self.clusters, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        shell = rng.uniform(0.55, 1.0, (self.clusters, 1)) ** 0.6
        centre = np.array([c for c, _ in self.lobes])[lobe]
        radii = np.array([r for _, r in self.lobes])[lobe]
        place = centre + direction * radii * shell
        sun = np.asarray(towards_sun) / np.linalg.norm(towards_sun)
        lit = 0.42 + 0.42 * (direction @ sun) + 0.18 * direction[:, 2]
        lit = lit * (0.55 + 0.45 * shell[:, 0]) + rng.normal(0, 0.1, self.clusters)
        keep = place[:, 2] > 0.02
        return place[keep].astype(np.float32), np.clip(lit[keep], 0, 1).astype(np.float32)


def leaf_outline(
    rng: np.random.Generator, centre_px: Floats, radius_px: float, flat: float
) -> Floats:
    """Draw one cluster as a ragged, slightly flattened hexagon, (6, 2) pixels."""
    angles = np.arange(6) * (math.pi / 3) + rng.uniform(0, math.pi / 3)
    radius = radius_px * rng.uniform(0.55, 1.2, 6)
    shape = np.stack([np.cos(angles) * radius, np.sin(angles) * radius * flat], axis=1)
    return np.asarray(centre_px + shape, np.float32)


def plant(canvas: Canvas, greenery: Greenery, rng: np.random.Generator, towards_sun: Point) -> None:
    """Paint leaves that do not move, from the far and dark ones to the near and bright."""
    place, lit = greenery.scatter(rng, towards_sun)
    in_view = canvas.view.into_view(place)
    pixels = canvas.view.onto_picture(in_view)
    dark, light = paint(greenery.dark), paint(greenery.light)
    for centre, radii in greenery.lobes if greenery.has_core else ():
        _core(canvas, centre, radii, dark)
    order = np.argsort(-in_view[:, 2] + 0.35 * lit)
    for i in order:
        if in_view[i, 2] < 1.0:
            continue
        radius = max(1.0, greenery.leaf_m * canvas.view.focal_px / float(in_view[i, 2]))
        outline = leaf_outline(rng, pixels[i], radius, 0.8)
        tint = dark + (light - dark) * lit[i] * rng.uniform(0.8, 1.1)
        canvas.dab(outline, tint, float(lit[i]), 0.45 + 0.55 * float(lit[i]), float(in_view[i, 2]))


def _core(canvas: Canvas, centre: Point, radii: Point, dark: Floats) -> None:
    """Fill the inside of a lobe with shade, so that no light shines through its middle."""
    depth = canvas.view.depth(centre)
    if depth < 1.0:
        return
    scale = canvas.view.pixels_per_metre(centre) * 0.72
    angles = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    ring = np.stack([np.cos(angles) * radii[0], np.sin(angles) * radii[2]], axis=1) * scale
    outline = canvas.view.project(centre)[0] + ring
    canvas.dab(outline.astype(np.float32), dark, 0.12, 0.5, depth)


@dataclass(frozen=True)
class Tree:
    """A tree as a picture of its own, so that wind can bend it frame by frame."""

    layers: Floats
    """(h, w, CHANNELS), premultiplied by ``cover``."""
    cover: Floats
    """(h, w) in [0, 1]."""
    corner: tuple[int, int]
    """Top and left of the window in the picture."""
    shade: Floats
    """(H, W): share of sunlight that the crown takes from the ground."""
    depth_m: float
    pixels_per_metre: float
    stiffness: Floats
    """(h, w): how far each pixel gives way, 0 at the foot, about 1 in the crown."""
    flutter: tuple[Floats, Floats]
    """Two fields (h, w) of local disorder."""

    def swayed(self, lean_m: float, flutter_m: float, phase: float) -> tuple[Floats, Floats]:
        """Bend the tree; return its layers, premultiplied, and its cover."""
        height, width = self.cover.shape
        rows, columns = np.indices((height, width), np.float32)
        first, second = self.flutter
        swing = math.cos(phase) * first + math.sin(phase) * second
        heave = math.cos(phase * 1.3 + 1) * second - math.sin(phase * 1.3 + 1) * first
        give = self.stiffness * self.pixels_per_metre
        map_x = np.asarray(columns - give * (lean_m + flutter_m * swing), np.float32)
        map_y = np.asarray(rows - give * 0.6 * flutter_m * heave, np.float32)
        bent = [
            cv2.remap(part, map_x, map_y, cv2.INTER_LINEAR)
            for part in (self.layers[..., :4], self.layers[..., 4:], self.cover)
        ]
        return np.concatenate(bent[:2], axis=2).astype(np.float32), bent[2].astype(np.float32)

    def swayed_shade(self, lean_m: float, flutter_m: float, phase: float) -> Floats:
        """Return the moving shadow of the crown on the ground, (H, W)."""
        shift = self.pixels_per_metre * (lean_m + 0.6 * flutter_m * math.cos(phase))
        lift = self.pixels_per_metre * 0.25 * flutter_m * math.sin(phase)
        move = floats([[1, 0, shift], [0, 1, lift]])
        size = (self.shade.shape[1], self.shade.shape[0])
        return np.asarray(cv2.warpAffine(self.shade, move, size), np.float32)


def grow_tree(
    view: Viewpoint,
    foot: Point,
    crown: Greenery,
    trunk: tuple[tuple[Point, Point, float, float], ...],
    rng: np.random.Generator,
    towards_sun: Point,
) -> Tree:
    """Paint a tree into layers of its own.

    ``trunk`` holds the branches: start, end, and the radius in metres at both.
    """
    canvas = Canvas.blank(view)
    canvas.layers[...] = 0
    for start, end, thick, thin in trunk:
        _branch(canvas, (start, end), (thick, thin), towards_sun)
    plant(canvas, crown, rng, towards_sun)
    painted = canvas.layers[..., DEPTH] > 0
    cover_large = painted.astype(np.float32)
    layers, _ = canvas.averaged()
    size = (view.width, view.height)
    cover = np.asarray(cv2.resize(cover_large, size, interpolation=cv2.INTER_AREA), np.float32)
    scale = view.pixels_per_metre(foot)
    margin = int(0.6 * scale) + 4
    rows, columns = np.nonzero(cover.max(axis=1))[0], np.nonzero(cover.max(axis=0))[0]
    if len(rows) == 0:
        raise ValueError(f"The tree at {foot} lies outside the picture; move it into the view.")
    top, left = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
    bottom, right = min(rows[-1] + margin, view.height), min(columns[-1] + margin, view.width)
    window = np.s_[top:bottom, left:right]
    foot_row = float(view.project(foot)[0, 1])
    height = np.clip((foot_row - np.arange(top, bottom)) / (3.6 * scale), 0, 1.2)
    spread = np.repeat(height[:, None] ** 1.5, right - left, axis=1)
    return Tree(
        layers=layers[window].copy(),
        cover=cover[window].copy(),
        corner=(int(top), int(left)),
        shade=_shade(view, crown, trunk, rng, towards_sun),
        depth_m=view.depth(foot),
        pixels_per_metre=scale,
        stiffness=spread.astype(np.float32),
        flutter=(_field(rng, bottom - top, right - left), _field(rng, bottom - top, right - left)),
    )


def _field(rng: np.random.Generator, height: int, width: int) -> Floats:
    coarse = rng.standard_normal((7, 7), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def _branch(
    canvas: Canvas, ends: tuple[Point, Point], radii: tuple[float, float], towards_sun: Point
) -> None:
    in_view = canvas.view.into_view(floats(ends))
    start, end = canvas.view.onto_picture(in_view)
    along = end - start
    side = floats([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-3)
    wide, thin = floats(radii) * canvas.view.focal_px / in_view[:, 2]
    bark = paint("#5b4a3a")
    sunny = 1.0 if np.dot(canvas.view.axes[:2] @ floats(towards_sun), side) > 0 else -1.0
    for left, right, sun in ((-1.0, 1.0, 0.15), (0.1, 1.0, 0.55), (0.5, 0.95, 0.75)):
        edges = (
            (start + side * sunny * wide * left, end + side * sunny * thin * left),
            (start + side * sunny * wide * right, end + side * sunny * thin * right),
        )
        outline = floats([edges[0][0], edges[0][1], edges[1][1], edges[1][0]])
        canvas.dab(outline, bark, sun, 0.7, float(in_view[0, 2]))


def _shade(
    view: Viewpoint,
    crown: Greenery,
    trunk: tuple[tuple[Point, Point, float, float], ...],
    rng: np.random.Generator,
    towards_sun: Point,
) -> Floats:
    shade = np.zeros((view.height, view.width), np.uint8)
    place, _ = crown.scatter(rng, towards_sun)
    # Only some of the leaves: between them the ground stays dappled with sun.
    fallen = view.into_view(shadow_on_ground(place[::3], towards_sun))
    fallen = fallen[fallen[:, 2] > 1.0]
    for (x, y), depth in zip(view.onto_picture(fallen), fallen[:, 2], strict=True):
        radius = crown.leaf_m * 1.05 * view.focal_px / depth
        if -99 < x < view.width + 99 and -99 < y < view.height + 99:
            axes = (max(1, round(radius)), max(1, round(radius * 0.5)))
            cv2.ellipse(shade, (round(float(x)), round(float(y))), axes, 0, 0, 360, 235, -1)
    for start, end, thick, thin in trunk:
        low, high = floats(start), floats(end)
        across = floats([thick, 0, 0]), floats([thin, 0, 0])
        solid = floats([low - across[0], high - across[1], high + across[1], low + across[0]])
        outline = view.outline(shadow_on_ground(solid, towards_sun))
        if len(outline) >= 3:
            cv2.fillPoly(shade, [(outline * 16).astype(np.int32)], 235, cv2.LINE_AA, 4)
    blur = max(0.6, view.height / 400)
    return floats(cv2.GaussianBlur(shade, (0, 0), blur) / 255.0)
