"""Day, dusk and infrared: from what is there to what the sensor sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np

from veroallarme_core.drawing.perspective import Floats, floats
from veroallarme_core.drawing.place import Place
from veroallarme_core.drawing.surface import (
    AMBIENT,
    COLOUR,
    DEPTH,
    GLOW,
    SKY,
    SUN,
    Grain,
    paint,
)

LightName = Literal["day", "overcast", "dusk", "infrared"]


@dataclass(frozen=True)
class Light:
    """The light of an hour; colours are BGR in linear light."""

    sun: Floats
    ambient: Floats
    zenith: Floats
    horizon: Floats
    cloud: Floats
    haze_per_m: float
    exposure: float
    lamps: float = 0.0
    is_infrared: bool = False
    noise: float = 1.6
    """Standard deviation of the sensor's noise in grey levels."""


def light_of(name: LightName) -> Light:
    """Look up a light.

    Raises:
        ValueError: there is no such light.
    """
    lights = {
        "day": Light(
            sun=floats([0.86, 1.06, 1.22]) * 1.35,
            ambient=floats([0.62, 0.50, 0.43]),
            zenith=paint("#5f93c9"),
            horizon=paint("#cfdde4"),
            cloud=paint("#f7f5f0"),
            haze_per_m=0.006,
            exposure=0.62,
        ),
        "overcast": Light(
            sun=floats([0.06, 0.06, 0.06]),
            ambient=floats([0.80, 0.79, 0.77]),
            zenith=paint("#9ea8ae"),
            horizon=paint("#c3c8c9"),
            cloud=paint("#b6bcbf"),
            haze_per_m=0.014,
            exposure=0.80,
            noise=2.2,
        ),
        "dusk": Light(
            sun=floats([0.02, 0.02, 0.03]),
            ambient=floats([0.150, 0.105, 0.085]),
            zenith=paint("#26324f"),
            horizon=paint("#b5785a"),
            cloud=paint("#5d4a56"),
            haze_per_m=0.004,
            exposure=1.15,
            lamps=1.0,
            noise=3.6,
        ),
        "infrared": Light(
            sun=floats([0, 0, 0]),
            ambient=floats([0.02, 0.02, 0.02]),
            zenith=paint("#0b0b0b"),
            horizon=paint("#151515"),
            cloud=paint("#121212"),
            haze_per_m=0.0,
            exposure=1.0,
            lamps=0.16,
            is_infrared=True,
            noise=4.2,
        ),
    }
    if name not in lights:
        raise ValueError(f"There is no light {name!r}; choose one of: {', '.join(lights)}.")
    return lights[name]


@dataclass(frozen=True)
class Window:
    """A rectangle of the picture in pixels."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the rectangle in an array (H, W, ...)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


class Lighting:
    """One light falling on one place."""

    def __init__(self, place: Place, depth: Floats, light: Light) -> None:
        """Take the still scene's ``depth`` in metres, (H, W), with the tree in it."""
        self.place, self.depth, self.light = place, depth, light

    @cached_property
    def positions(self) -> Floats:
        """World position of every pixel, (H, W, 3) metres."""
        view = self.place.view
        rays = view.rays(0, view.height, 0, view.width)
        return np.asarray(rays * self.depth[..., None] + floats(view.position), np.float32)

    @cached_property
    def sky(self) -> Floats:
        """The sky over the whole picture, (H, W, 3)."""
        view = self.place.view
        rows = np.arange(view.height, dtype=np.float32)[:, None, None]
        horizon = max(view.horizon_px, 1.0)
        climb = np.clip((horizon - rows) / (0.30 * view.height), 0, 1) ** 0.8
        base = self.light.horizon + (self.light.zenith - self.light.horizon) * climb
        stretched = cv2.resize(self.place.clouds, None, fx=2.2, fy=0.55)
        clouds = np.resize(stretched[: view.height, : view.width], (view.height, view.width))
        cover = np.clip(clouds * 0.55 + 0.15, 0, 1)[..., None] * 0.8
        return np.asarray(base + (self.light.cloud - base) * cover, np.float32)

    @cached_property
    def lamplight(self) -> Floats:
        """Light of lamps and of the camera's own emitter on the still scene, (H, W, 3)."""
        view = self.place.view
        whole = Window(0, view.height, 0, view.width)
        return self.lamplight_at(self.depth, whole)

    def lamplight_at(self, depth: Floats, window: Window) -> Floats:
        """Light of lamps and emitter on whatever is ``depth`` (h, w) metres away."""
        view = self.place.view
        rays = view.rays(window.top, window.bottom, window.left, window.right)
        positions = rays * depth[..., None] + floats(view.position)
        total = np.zeros_like(positions)
        for lamp in self.place.lamps if self.light.lamps else ():
            offset = positions - floats(lamp.position)
            squared = np.einsum("hwc,hwc->hw", offset, offset)
            below = np.clip(0.25 - offset[..., 2] / np.sqrt(squared + 0.1), 0.1, 1)
            total += (below / (squared + 4.0))[..., None] * floats(lamp.power_bgr)
        total *= np.float32(self.light.lamps)
        if self.light.is_infrared:
            across = np.square(rays @ view.axes[0]) + np.square(rays @ view.axes[1])
            total += (110.0 * np.exp(-across * 1.5) / (depth**2 + 55.0))[..., None]
        return np.asarray(total, np.float32)

    def develop(
        self,
        layers: Floats,
        *,
        sun_share: Floats | None = None,
        extra: Floats | None = None,
        moved: Sequence[Window] = (),
    ) -> Floats:
        """Light the layers of a frame and expose; BGR grey levels as float, (H, W, 3).

        ``sun_share`` (H, W) dims the sun, ``extra`` (H, W, 3) adds light, both per pixel;
        ``moved`` names the parts of the picture in which something stands before the still scene.
        """
        light = self.light
        sun = layers[..., SUN] if sun_share is None else layers[..., SUN] * sun_share
        falling = sun[..., None] * light.sun
        falling += layers[..., AMBIENT, None] * light.ambient
        if light.lamps:
            lamplight = self.lamplight.copy()
            for part in moved:
                depth = layers[part.slices][..., DEPTH]
                lamplight[part.slices] = self.lamplight_at(depth, part)
            falling += lamplight
        if extra is not None:
            falling += extra
        colour = layers[..., COLOUR]
        if light.is_infrared:
            grey = colour @ floats([0.15, 0.60, 0.25])
            grey = grey * (0.55 + 0.45 * layers[..., AMBIENT])
            colour = np.repeat((0.08 + 0.85 * grey)[..., None], 3, axis=2)
            falling = np.repeat(falling @ floats([[0.2], [0.3], [0.5]]), 3, axis=2)
        seen = colour * falling
        if light.haze_per_m:
            path = layers[..., DEPTH, None] * light.haze_per_m
            veil = path / (1 + path)
            seen += veil * (light.horizon * 0.85 - seen)
        if light.lamps:
            warm = [0.25, 0.25, 0.25] if light.is_infrared else [0.39, 0.81, 1.3]
            seen += layers[..., GLOW, None] * floats(warm)
        sky = layers[..., SKY, None]
        seen += sky * (self.sky - seen)
        return expose(seen, light.exposure)


def expose(seen: Floats, exposure: float) -> Floats:
    """Turn linear light into grey levels with a soft shoulder, as float."""
    bright = np.maximum(seen * np.float32(exposure), 0)
    rolled = bright * 1.28 / (bright + 0.28)
    rolled = bright + (rolled - bright) * np.minimum(bright, 1.0)
    return np.asarray(np.sqrt(np.clip(rolled, 0, 1)) * 255, np.float32)


def cloud_shadow(grain: Grain, positions: Floats, drift_m: float) -> Floats:
    """Share of sunlight under drifting clouds, (h, w), by the world position of each pixel."""
    field = grain.at(positions[..., 0] + drift_m, positions[..., 1] * 0.8, 60.0)
    return np.asarray(1 - 0.80 / (1 + np.exp(-field * 5)), np.float32)
