"""A pinhole camera over a flat world: x to the right, y ahead, z up, all in metres."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]


def floats(values: ArrayLike) -> Floats:
    """Turn numbers into a float32 array: the precision of everything drawn here."""
    return np.asarray(values, np.float32)


NEAR_M = 0.25
"""Whatever is nearer to the lens than this is clipped away."""


@dataclass(frozen=True)
class Turn:
    """How a camera was aimed anew."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    zoom: float = 1.0
    """Factor of the focal length."""


STRAIGHT = Turn()


@dataclass(frozen=True)
class Viewpoint:
    """Where a camera stands, where it looks, and how many pixels it has."""

    position: tuple[float, float, float]
    yaw_deg: float
    """Turn to the right of the y axis."""
    pitch_deg: float
    """Tilt below the horizon."""
    zoom: float
    """Focal length as a share of the picture's geometric mean side."""
    height: int
    width: int

    def scaled(self, factor: int) -> Viewpoint:
        """Return the same view with ``factor`` times the pixels each way."""
        return replace(self, height=self.height * factor, width=self.width * factor)

    def turned(self, turn: Turn) -> Viewpoint:
        """Return the view of the same camera aimed elsewhere."""
        return replace(
            self,
            yaw_deg=self.yaw_deg + turn.yaw_deg,
            pitch_deg=self.pitch_deg + turn.pitch_deg,
            zoom=self.zoom * turn.zoom,
        )

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return self.zoom * math.sqrt(self.height * self.width)

    @cached_property
    def axes(self) -> Floats:
        """Rows: the camera's right, down and forward directions in the world, (3, 3)."""
        yaw, pitch = math.radians(self.yaw_deg), math.radians(self.pitch_deg)
        right = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
        forward = np.array(
            [math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), -math.sin(pitch)]
        )
        return np.stack([right, np.cross(forward, right), forward]).astype(np.float32)

    def into_view(self, points: ArrayLike) -> Floats:
        """Turn world points (N, 3) into camera coordinates: right, down, forward."""
        offset = np.asarray(points, np.float32).reshape(-1, 3) - floats(self.position)
        return np.asarray(offset @ self.axes.T, np.float32)

    def onto_picture(self, in_view: Floats) -> Floats:
        """Project camera coordinates (N, 3) to pixels (N, 2)."""
        ahead = np.maximum(in_view[:, 2:], NEAR_M)
        centre = floats([self.width / 2, self.height / 2])
        return np.asarray(in_view[:, :2] * self.focal_px / ahead + centre, np.float32)

    def project(self, points: ArrayLike) -> Floats:
        """Project world points (N, 3) to pixels (N, 2)."""
        return self.onto_picture(self.into_view(points))

    def outline(self, polygon: ArrayLike) -> Floats:
        """Project a planar polygon (N, 3), cut at the near plane; (M, 2) pixels, maybe empty."""
        return self.onto_picture(clip_near(self.into_view(polygon)))

    def depth(self, point: ArrayLike) -> float:
        """Distance of a world point along the optical axis, in metres."""
        return float(self.into_view(point)[0, 2])

    def pixels_per_metre(self, point: ArrayLike) -> float:
        """Return how large one metre at a world point appears."""
        return self.focal_px / max(self.depth(point), NEAR_M)

    def rays(self, top: int, bottom: int, left: int, right: int) -> Floats:
        """World directions of the pixels of a window, (h, w, 3), one metre along the axis."""
        across = (np.arange(left, right, dtype=np.float32) + 0.5 - self.width / 2) / self.focal_px
        along = (np.arange(top, bottom, dtype=np.float32) + 0.5 - self.height / 2) / self.focal_px
        axes = self.axes
        return np.asarray(
            across[None, :, None] * axes[0] + along[:, None, None] * axes[1] + axes[2], np.float32
        )

    @property
    def horizon_px(self) -> float:
        """Row of the horizon."""
        return self.height / 2 - self.focal_px * math.tan(math.radians(self.pitch_deg))


def clip_near(in_view: Floats) -> Floats:
    """Cut a polygon in camera coordinates at the near plane (Sutherland-Hodgman)."""
    kept: list[Floats] = []
    for index, current in enumerate(in_view):
        previous = in_view[index - 1]
        if (current[2] < NEAR_M) != (previous[2] < NEAR_M):
            share = (NEAR_M - previous[2]) / (current[2] - previous[2])
            kept.append(previous + share * (current - previous))
        if current[2] >= NEAR_M:
            kept.append(current)
    return np.asarray(kept, np.float32).reshape(-1, 3)


def shadow_on_ground(points: ArrayLike, towards_sun: tuple[float, float, float]) -> Floats:
    """Slide world points (N, 3) along the sunlight down to the ground."""
    solid = np.asarray(points, np.float32).reshape(-1, 3)
    sun = floats(towards_sun)
    return np.asarray(solid - solid[:, 2:] / sun[2] * sun, np.float32)
