"""From script to pictures: bursts of three frames with exact masks."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.drawing.car import LENGTH_M, CarPose
from veroallarme_core.drawing.cast import Figure, Pose, lay, pose_figure, pose_shadow
from veroallarme_core.drawing.light import (
    Lighting,
    LightName,
    Window,
    cloud_shadow,
    light_of,
)
from veroallarme_core.drawing.perspective import STRAIGHT, Floats, Turn, floats
from veroallarme_core.drawing.place import Place
from veroallarme_core.drawing.places import build_place
from veroallarme_core.drawing.script import CALM, FRAMES, SCRIPTS, Label, Script
from veroallarme_core.drawing.sensor import (
    DAMAGES,
    Picture,
    burn_in_clock,
    expose_noise,
    insect,
    jpeg_softened,
    noise_sheet,
    rain,
)
from veroallarme_core.drawing.shapes import Point
from veroallarme_core.drawing.surface import AMBIENT, DEPTH, SUN, Grain

DEFAULT_SIZE = (576, 704)
_Sway = tuple[float, float, float]
"""Lean and flutter in metres, phase in radians."""


@dataclass(frozen=True)
class DrawnEvent:
    """One labelled burst."""

    name: str
    camera: str
    label: Label
    cause: str
    gap_s: float
    """Seconds between frames."""
    frames: tuple[Picture, ...]
    """Three (H, W, 3) BGR uint8."""
    masks: tuple[NDArray[np.bool_], ...]
    """Where the relevant mover is seen, (H, W) per frame; all False for irrelevant events."""


def event_names() -> tuple[str, ...]:
    """Names of all events in the order in which the demo plays them."""
    return tuple(script.name for script in SCRIPTS)


def draw_events(
    seed: int = 7, size: tuple[int, int] = DEFAULT_SIZE, *, with_movers: bool = True
) -> Iterator[DrawnEvent]:
    """Draw the demo's programme, one event at a time.

    Args:
        seed: changes leaves, textures and noise; the same seed draws the same pictures.
        size: height and width in pixels, even, from 120 x 160 to 1080 x 1920.
        with_movers: False leaves out people, cars and the cat, for comparison.

    Raises:
        ValueError: the size is odd or out of range.
    """
    return Programme(seed, size, with_movers=with_movers).events()


def draw_event(
    name: str, seed: int = 7, size: tuple[int, int] = DEFAULT_SIZE, *, with_mover: bool = True
) -> DrawnEvent:
    """Draw one event by name; ``with_mover=False`` leaves out the mover, for comparison.

    Raises:
        ValueError: no event has this name, or the size is odd or out of range.
    """
    _check_size(size)
    for number, script in enumerate(SCRIPTS):
        if script.name == name:
            return Stage(script.camera, seed, size).play(script, number, with_mover=with_mover)
    raise ValueError(
        f"No drawn event is called {name!r}; choose one of: {', '.join(event_names())}."
    )


def draw_background(
    seed: int = 7,
    size: tuple[int, int] = DEFAULT_SIZE,
    light: LightName = "day",
    camera: str = "street",
) -> Picture:
    """Draw a camera's empty scene, the reference picture, (H, W, 3) BGR uint8.

    Raises:
        ValueError: there is no such light or camera, or the size is odd or out of range.
    """
    _check_size(size)
    light_of(light)
    return _empty(Stage(camera, seed, size), camera, light)


def _check_size(size: tuple[int, int]) -> None:
    height, width = size
    if height % 2 or width % 2 or not (120 <= height <= 1080 and 160 <= width <= 1920):
        raise ValueError(
            f"A drawn scene cannot be {height} x {width} pixels (height x width); "
            "choose even numbers from 120 x 160 to 1080 x 1920."
        )


class Programme:
    """The demo's events and the empty scenes of its cameras; see `draw_events`.

    Each camera's place is painted once, when it is first needed. Threads may draw side by side.
    """

    def __init__(
        self, seed: int = 7, size: tuple[int, int] = DEFAULT_SIZE, *, with_movers: bool = True
    ) -> None:
        _check_size(size)
        self._seed = seed
        self._size = size
        self._with_movers = with_movers
        self.cameras = tuple(dict.fromkeys(script.camera for script in SCRIPTS))
        """In the order in which they come on."""
        self._stages: dict[str, Stage] = {}
        self._painting = {camera: threading.Lock() for camera in self.cameras}

    def events(self) -> Iterator[DrawnEvent]:
        """Draw one event at a time; again from the first one whenever it is called."""
        for number, script in enumerate(SCRIPTS):
            stage = self._stage(script.camera)
            yield stage.play(script, number, with_mover=self._with_movers)

    def background(self, camera: str) -> Picture:
        """Draw a camera's empty scene by day, as `draw_background` does."""
        return _empty(self._stage(camera), camera)

    def _stage(self, camera: str) -> Stage:
        with self._painting[camera]:
            if camera not in self._stages:
                self._stages[camera] = Stage(camera, self._seed, self._size)
            return self._stages[camera]


def _empty(stage: Stage, camera: str, light: LightName = "day") -> Picture:
    clock = {"day": "10:02:00", "overcast": "15:30:00", "dusk": "20:30:00"}.get(light, "22:30:00")
    script = Script(
        name="background", camera=camera, cause="nothing", clock=clock, light=(light, light, light)
    )
    return stage.play(script, len(SCRIPTS)).frames[0]


class Stage:
    """One camera's place with everything about it that is worth keeping between events."""

    def __init__(
        self, camera: str, seed: int, size: tuple[int, int], turn: Turn = STRAIGHT
    ) -> None:
        self.seed = seed
        self.place: Place = build_place(camera, seed, *size, turn)
        self.grain = Grain(np.random.default_rng((seed, 11)))
        self.noise = noise_sheet(np.random.default_rng((seed, 12)), *size)
        self._lighting: dict[str, Lighting] = {}

    def play(self, script: Script, number: int, *, with_mover: bool = True) -> DrawnEvent:
        """Draw one event; its ``number`` gives its noise."""
        frames, masks = [], []
        for index in range(FRAMES):
            rng = np.random.default_rng((self.seed, 100 + number, index))
            grey, mask = self._scene(script, index, with_mover)
            picture = self._snapshot(grey, script, index, rng)
            damage = script.damage[index]
            if damage is not None:
                mask &= ~DAMAGES[damage](picture, rng)
            frames.append(picture)
            masks.append(mask)
        return DrawnEvent(
            script.name,
            script.camera,
            script.label,
            script.cause,
            script.gap_s,
            tuple(frames),
            tuple(masks),
        )

    def _lighting_of(self, name: LightName) -> Lighting:
        if name not in self._lighting:
            self._lighting[name] = Lighting(self.place, self._resting[..., DEPTH], light_of(name))
        return self._lighting[name]

    @cached_property
    def _resting(self) -> Floats:
        """Layers with the tree at rest and without anybody."""
        layers = self.place.layers.copy()
        self._shade_by_tree(layers, 0.0, 0.0, 0.0)
        lay(*self.place.tree.swayed(0.0, 0.0, 0.0), layers[self._tree_window.slices])
        return layers

    @cached_property
    def _tree_window(self) -> Window:
        top, left = self.place.tree.corner
        height, width = self.place.tree.cover.shape
        return Window(top, top + height, left, left + width)

    def _shade_by_tree(self, layers: Floats, lean: float, flutter: float, phase: float) -> None:
        shade = self.place.tree.swayed_shade(lean, flutter, phase)
        layers[..., SUN] *= 1 - 0.92 * shade * self.place.ground

    def _scene(
        self, script: Script, index: int, with_mover: bool
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Compose and light one frame; grey levels as float and the mover's mask."""
        pose = script.pose(index) if script.pose and with_mover else None
        passing = [passer(index) for passer in script.passers]
        poses = [other for other in (pose, *passing) if other is not None]
        mask = np.zeros(self.place.layers.shape[:2], np.bool_)
        moved = [] if script.wind == CALM else [self._tree_window]
        if not poses and script.wind == CALM:
            layers = self._resting
        else:
            layers = self.place.layers.copy()
            figures = []
            for other in poses:
                self._shade_by_mover(layers, other)
                sun = 0.25 if script.in_shade else 1.0
                figure = pose_figure(self.place, other, sun=sun)
                if figure is not None:
                    figures.append((figure, other is pose))
            moved += [figure.window for figure, _ in figures]
            self._stack(layers, figures, mask, _sway(script, index))
        lighting = self._lighting_of(script.light[index])
        sun_share = None
        if script.clouds_m is not None:
            sun_share = cloud_shadow(self.grain, lighting.positions, script.clouds_m[index])
        beams = [
            _own_beam(lighting.positions, pose)
            for pose in poses
            if isinstance(pose, CarPose) and pose.lights
        ]
        if script.headlights is not None:
            beams.append(_beam(lighting.positions, *script.headlights(index), 1.2))
        extra = floats(np.sum(beams, axis=0)) if beams else None
        return lighting.develop(layers, sun_share=sun_share, extra=extra, moved=moved), mask

    def _shade_by_mover(self, layers: Floats, pose: Pose) -> None:
        shadow = pose_shadow(self.place, pose)
        if shadow is not None:
            part = layers[shadow.window.slices]
            part[..., SUN] *= 1 - shadow.sun
            part[..., AMBIENT] *= 1 - shadow.ambient

    def _stack(
        self,
        layers: Floats,
        figures: list[tuple[Figure, bool]],
        mask: NDArray[np.bool_],
        sway: _Sway,
    ) -> None:
        """Lay tree and movers over the still scene, the farther ones first; in place.

        The mask gets what is seen of the figures marked as the mover.
        """
        self._shade_by_tree(layers, *sway)
        bent, cover = self.place.tree.swayed(*sway)
        tree = Figure(self._tree_window, bent, cover, self.place.tree.depth_m)
        ordered = sorted([(tree, False), *figures], key=lambda item: -item[0].depth_m)
        for figure, is_mover in ordered:
            window = figure.window.slices
            lay(figure.layers, figure.cover, layers[window])
            if is_mover:
                mask[window] = figure.cover > 0.5
            else:
                mask[window] &= figure.cover < 0.5

    def _snapshot(
        self, grey: Floats, script: Script, index: int, rng: np.random.Generator
    ) -> Picture:
        light = light_of(script.light[index])
        grey = grey * np.float32(script.exposure[index])
        if script.rain:
            rain(grey, rng, script.rain)
        if script.insect is not None:
            insect(grey, script.insect(index), float(index % 2))
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.45), np.float32)
        picture = expose_noise(grey, self.noise, light.noise * script.noise, rng)
        if light.is_infrared:
            picture = np.repeat(picture[..., 1:2], 3, axis=2)
        start = datetime.fromisoformat(f"{script.day}T{script.clock}")
        moment = start + timedelta(seconds=index * script.gap_s)
        burn_in_clock(picture, f"{moment:%Y-%m-%d %H:%M:%S}", script.camera.upper())
        return jpeg_softened(picture)


def _sway(script: Script, index: int) -> _Sway:
    lean, flutter = script.wind
    phase = 2.1 * index + script.gust
    return lean * math.sin(phase), flutter, phase


def _own_beam(positions: Floats, pose: CarPose) -> Floats:
    """Headlights of a car in sight, upon the ground before it."""
    turn = math.radians(pose.heading_deg)
    ahead, half = (math.cos(turn), math.sin(turn)), LENGTH_M / 2
    source = (pose.x + ahead[0] * half, pose.y + ahead[1] * half, 0.65)
    aim = (source[0] + 6 * ahead[0], source[1] + 6 * ahead[1], 0.0)
    return _beam(positions, source, aim, 1.1)


def _beam(positions: Floats, source: Point, aim: Point, power: float) -> Floats:
    """Light of a pair of headlamps on world positions (H, W, 3), BGR."""
    axis = floats(aim) - floats(source)
    axis = axis / np.linalg.norm(axis)
    offset = positions - floats(source)
    distance = np.sqrt(np.einsum("hwc,hwc->hw", offset, offset) + 1e-3)
    cone = np.exp((offset @ axis / distance - 1) * 38) / (1 + (distance / 16) ** 2)
    return np.asarray(power * cone[..., None] * floats([0.75, 0.95, 1.0]), np.float32)
