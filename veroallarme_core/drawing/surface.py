"""What a camera could see, before light falls on it: the layers that a place is painted into."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from veroallarme_core.drawing.perspective import Floats, Viewpoint, floats

COLOUR = slice(0, 3)
"""Reflectance, BGR, linear light."""
SUN = 3
"""Share of the sunlight that arrives."""
AMBIENT = 4
"""Share of the sky's light that arrives."""
DEPTH = 5
"""Metres along the optical axis."""
GLOW = 6
"""Light of its own after dark: windows, lamps."""
SKY = 7
"""1 where nothing but sky is seen."""
CHANNELS = 8
FAR_M = 160.0
SUPERSAMPLING = 2
"""A place is painted this much larger and averaged down, against stair steps."""
_FAR_PX = 2**21
"""An outline that leads farther away is cut off: what draws it counts sixteenths in 32 bits."""

Material = Callable[[Floats, Floats, Floats], Floats]
"""(u_m, v_m, footprint_m), each (h, w) -> reflectance (h, w, 3)."""


def paint(code: str) -> Floats:
    """Turn ``#rrggbb`` into BGR in linear light, (3,)."""
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return floats([blue**2, green**2, red**2])


class Grain:
    """Tileable fractal noise, looked up in metres instead of pixels."""

    def __init__(self, rng: np.random.Generator, roughness: float = 0.62, side: int = 256) -> None:
        """Roll the tile: octaves of smoothed noise, normalised to mean 0, deviation 1.

        ``roughness`` is the share of the amplitude that each finer octave keeps.
        """
        tile = np.zeros((side, side), np.float32)
        for octave in range(6):
            cells = 4 << octave
            coarse = rng.standard_normal((cells, cells), dtype=np.float32)
            wrapped = np.pad(coarse, 2, mode="wrap")
            scale = side // cells
            grown = cv2.resize(wrapped, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
            tile += grown[2 * scale : -2 * scale, 2 * scale : -2 * scale] * roughness**octave
        self._tile = np.asarray((tile - tile.mean()) / tile.std(), np.float32)

    def at(self, u: Floats, v: Floats, period_m: float) -> Floats:
        """Noise at (u, v) metres, repeating after ``period_m``; same shape as ``u``."""
        scale = self._tile.shape[0] / period_m
        return np.asarray(
            cv2.remap(
                self._tile,
                np.asarray(u * scale, np.float32),
                np.asarray(v * scale, np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_WRAP,
            ),
            np.float32,
        )

    def tile(self, height: int, width: int) -> Floats:
        """Stretch the noise over a picture, (height, width)."""
        return np.asarray(cv2.resize(self._tile, (width, height)), np.float32)


@dataclass(frozen=True)
class Canvas:
    """The layers under the brush, ``SUPERSAMPLING`` times the size of the picture."""

    view: Viewpoint
    layers: Floats
    ground: NDArray[np.uint8]
    """255 where the flat ground is seen: shadows fall there."""

    @classmethod
    def blank(cls, view: Viewpoint) -> Canvas:
        """Start with nothing but sky for a picture of the size of ``view``."""
        large = view.scaled(SUPERSAMPLING)
        layers = np.zeros((large.height, large.width, CHANNELS), np.float32)
        layers[..., AMBIENT] = 1
        layers[..., DEPTH] = FAR_M
        layers[..., SKY] = 1
        return cls(large, layers, np.zeros(layers.shape[:2], np.uint8))

    def stencil(self, outline: Floats, blur_px: float = 0.0) -> tuple[Floats, int, int] | None:
        """Fill an outline in pixels; return its cover in [0, 1] with the top left corner."""
        cut = self._filled(outline, int(3 * blur_px) + 2)
        if cut is None:
            return None
        cover, top, left = cut
        soft = floats(cover / 255.0)
        if blur_px > 0.3:
            soft = np.asarray(cv2.GaussianBlur(soft, (0, 0), blur_px), np.float32)
        return soft, top, left

    def _filled(self, outline: Floats, margin: int) -> tuple[NDArray[np.uint8], int, int] | None:
        """Fill an outline with 255 in a window of its own; return it with its corner.

        A scene has twenty thousand leaves: on so few numbers Python is faster than NumPy.
        """
        if len(outline) < 3:
            return None
        (low_x, low_y), (high_x, high_y) = (
            outline.min(axis=0).tolist(),
            outline.max(axis=0).tolist(),
        )
        left = min(max(math.floor(low_x) - margin, 0), self.view.width)
        top = min(max(math.floor(low_y) - margin, 0), self.view.height)
        right = min(max(math.ceil(high_x) + margin, 0), self.view.width)
        bottom = min(max(math.ceil(high_y) + margin, 0), self.view.height)
        if right <= left or bottom <= top:
            return None
        cover = np.zeros((bottom - top, right - left), np.uint8)
        fixed = (outline - (left, top)) * 16
        if min(low_x, low_y) < -_FAR_PX or max(high_x, high_y) > _FAR_PX:
            fixed = np.clip(fixed, -(2**26), 2**26)
        cv2.fillPoly(cover, [fixed.astype(np.int32)], 255, cv2.LINE_8, 4)
        return cover, top, left

    def plane(
        self,
        polygon: ArrayLike,
        material: Material | Floats,
        *,
        sun: float = 1.0,
        ambient: float = 1.0,
        glow: float = 0.0,
        is_ground: bool = False,
    ) -> None:
        """Paint a planar polygon (N, 3); a material gets u, v along its first edge and across."""
        corners = np.asarray(polygon, np.float32)
        cut = self.stencil(self.view.outline(corners))
        if cut is None:
            return
        cover, top, left = cut
        window = np.s_[top : top + cover.shape[0], left : left + cover.shape[1]]
        inside = cover > 0.5
        along = corners[1] - corners[0]
        normal = np.cross(along, corners[2] - corners[0])
        rays = self.view.rays(top, top + cover.shape[0], left, left + cover.shape[1])
        reach = np.dot(corners[0] - floats(self.view.position), normal)
        facing = rays @ normal
        depth = np.clip(reach / np.where(np.abs(facing) < 1e-9, 1e-9, facing), 0, FAR_M)
        layers = self.layers[window]
        if callable(material):
            unit_u = along / np.linalg.norm(along)
            unit_v = np.cross(normal / np.linalg.norm(normal), unit_u)
            hit = rays * depth[..., None] + (floats(self.view.position) - corners[0])
            steep = np.abs(facing) / np.linalg.norm(normal) / np.linalg.norm(rays, axis=2)
            footprint = depth / self.view.focal_px / np.maximum(steep, 0.02)
            colour = material(hit @ unit_u, hit @ unit_v, footprint.astype(np.float32))
        else:
            colour = np.broadcast_to(material, (*cover.shape, 3))
        painted = np.empty((int(inside.sum()), CHANNELS), np.float32)
        painted[:, COLOUR] = colour[inside]
        painted[:, DEPTH] = depth[inside]
        painted[:, [SUN, AMBIENT, GLOW, SKY]] = (sun, ambient, glow, 0.0)
        layers[inside] = painted
        self.ground[window][inside] = 255 if is_ground else 0

    def dab(
        self,
        outline: Floats,
        colour: Floats,
        sun: float,
        ambient: float,
        depth: float,
        *,
        is_ground: bool = False,
    ) -> None:
        """Paint one flat patch given in pixels: a leaf cluster, a face of a car, a twig."""
        cut = self._filled(outline, 2)
        if cut is None:
            return
        cover, top, left = cut
        inside = cover > 127
        window = np.s_[top : top + cover.shape[0], left : left + cover.shape[1]]
        self.layers[window][inside] = (*colour, sun, ambient, depth, 0.0, 0.0)
        self.ground[window][inside] = 255 if is_ground else 0

    def shade_ground(
        self, polygon: ArrayLike, channel: int, darkness: float, blur_m: float
    ) -> None:
        """Darken sun or ambient light on the ground under a polygon (N, 3) at z = 0."""
        corners = np.asarray(polygon, np.float32)
        blur_px = blur_m * self.view.pixels_per_metre(corners.mean(axis=0))
        cut = self.stencil(self.view.outline(corners), min(blur_px, 40.0))
        if cut is None:
            return
        cover, top, left = cut
        window = np.s_[top : top + cover.shape[0], left : left + cover.shape[1]]
        allowed = self.ground[window].astype(np.float32) / 255
        self.layers[window][..., channel] *= 1 - darkness * cover * allowed

    def averaged(self) -> tuple[Floats, Floats]:
        """Average down to the picture: layers (H, W, 8) and share of ground (H, W)."""
        size = (self.view.width // SUPERSAMPLING, self.view.height // SUPERSAMPLING)
        layers = cv2.resize(self.layers, size, interpolation=cv2.INTER_AREA)
        ground = cv2.resize(self.ground, size, interpolation=cv2.INTER_AREA)
        return floats(layers), floats(ground / 255.0)
