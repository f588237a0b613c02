"""Where an intruder stands and how it moves: places, perspective, movers on their way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.perspective import Perspective
from veroallarme_core.adaptation.sprites import (
    LUMINANCE,
    Floats,
    Picture,
    Placement,
    Sprite,
    is_infrared,
)
from veroallarme_core.contract import ObjectKind
from veroallarme_core.drawing import (
    AMBIENT,
    COLOUR,
    SUN,
    CarPose,
    CatPose,
    PersonPose,
    Pose,
    Viewpoint,
    floats,
    pose_alone,
    shadow_alone,
)

_PERSON_M = 1.75
_CAMERA_M = (2.2, 7.0)  # plausible heights of a camera above the ground
_HORIZON = (-0.12, 0.45)  # plausible rows of the horizon, as shares of the picture's height
_HIGHEST_FOOT = 0.2  # share of the picture's height above which nobody stands
_LEAST_COVER = 8  # pixels of a mover below which a frame does not show it
_GRID = (36, 64)  # cells of a picture of which it is not known where motion recurs
_KINDS = {"person": 0.7, "pet": 0.12, "car": 0.18}
_COUNTS_AS = {"person": ObjectKind.PERSON, "pet": ObjectKind.ANIMAL, "car": ObjectKind.VEHICLE}
_SMALL_PX = (12.0, 17.0)  # the camera blurs away a pixel or two of them
_LARGEST = 0.9  # share of the picture's height: nearer ones are cut off at its border
_TALLEST = {"person": 0.5, "pet": 0.15, "car": 0.25}  # share of the picture's height
_SLOW_STEP = (0.01, 0.15)  # lengths of the body from frame to frame of who stands or creeps
_STEP = {"person": (0.5, 4.0), "pet": (0.5, 6.0), "car": (0.3, 2.0), "cut": (0.5, 3.0)}
_LENGTH_M = {"person": 1.75, "pet": 0.6, "car": 4.2}
_HEIGHT = {"person": 1.0, "pet": 0.33, "car": 0.85}  # in heights of a person
_DOG_COATS = ("#2a2420", "#7a5a3a", "#c9b79a", "#e4ded2", "#4a4a4c")
_CAR_COLOURS = ("#e3e4e3", "#b9bdc0", "#7c8084", "#26282b", "#2f4466", "#8c2a26", "#5d5a50")


KindCounts = Callable[[str, float, float], bool]
"""Tells whether an object of a kind (see `ObjectKind`) counts at a row and a column."""


def counts_anywhere(kind: str, row: float, column: float) -> bool:
    """Tell that every kind counts everywhere."""
    return True


@dataclass(frozen=True)
class Place:
    """A pixel that a mover is to cover."""

    row: float
    column: float
    is_recurring: bool
    """Whether motion recurs there more than at nine of ten places."""


@dataclass(frozen=True)
class Stand:
    """Where something stands, and the perspective of that place."""

    column: float
    foot: float
    """Row of the feet."""
    height_px: float
    horizon: float
    """Row of the horizon; may lie above the picture."""
    camera_m: float = 3.0
    """Height of the camera above the ground."""


def choose_place(
    size: tuple[int, int],
    rng: np.random.Generator,
    places: NDArray[np.floating] | None,
    *,
    is_busy: bool,
    within: NDArray[np.uint8] | None = None,
) -> Place:
    """Choose a place in a picture of `size` (height, width).

    Args:
        places: float (gh, gw) over the picture, larger where motion recurs more; None: unknown.
        is_busy: choose one where motion recurs most: a cell of the upper tenth, the larger the
            likelier; otherwise any.
        within: uint8 (H, W), not 0 where it may be, not all 0; None is everywhere.
    """
    height, width = size
    is_known = places is not None and bool(np.any(places > 0))
    if not is_known and within is None:
        return Place(rng.uniform(0, height), rng.uniform(0, width), False)
    weights = np.zeros(_GRID) if not is_known else np.asarray(places, np.float64).clip(min=0)
    inside = _coverage(within, weights.shape)
    busy = weights >= max(np.quantile(weights[inside > 0], 0.9), np.finfo(np.float64).tiny)
    chances = (np.where(busy, weights, 0) * inside).ravel()
    if not is_busy or not chances.any():
        chances = inside.ravel()
    cell = int(rng.choice(weights.size, p=chances / chances.sum()))
    row, column = divmod(cell, weights.shape[1])
    y, x = (row + rng.random()) / weights.shape[0], (column + rng.random()) / weights.shape[1]
    return Place(y * height, x * width, bool(busy[row, column]))


def _coverage(within: NDArray[np.uint8] | None, grid: tuple[int, int]) -> NDArray[np.float64]:
    """Return which share of every cell of a grid an area covers."""
    if within is None:
        return np.ones(grid)
    area = (within > 0).astype(np.float32)
    small = cv2.resize(area, (grid[1], grid[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64)


def choose_stand(
    size: tuple[int, int],
    rng: np.random.Generator,
    place: Place,
    kind: str,
    *,
    is_small: bool,
    perspective: Perspective | None = None,
) -> Stand | None:
    """Choose a height in pixels and a perspective for a place; None where they do not agree.

    Where the camera's perspective is known it gives the height, and nobody is shown who would be
    smaller than can be seen. Else the height is log-uniform, up to half the frame; it, the row of
    the feet and the height of the camera together give the row of the horizon, which has to be
    plausible.
    """
    if perspective is not None:
        return _stand_in(perspective, size[0], rng, place, _HEIGHT[kind])
    limits = _SMALL_PX if is_small else (_SMALL_PX[1], size[0] * _TALLEST[kind])
    tall = math.exp(rng.uniform(*np.log(limits)))
    camera_m = math.exp(rng.uniform(*np.log(_CAMERA_M)))
    foot = place.row + tall / 2
    horizon = foot - tall / _HEIGHT[kind] * camera_m / _PERSON_M
    is_plausible = _HORIZON[0] * size[0] < horizon < _HORIZON[1] * size[0]
    if not is_plausible or foot < _HIGHEST_FOOT * size[0]:
        return None
    return Stand(place.column, foot, tall, horizon, camera_m)


def _stand_in(
    perspective: Perspective, rows: int, rng: np.random.Generator, place: Place, share: float
) -> Stand | None:
    """Let something stand on the ground that the camera has shown."""
    usual, _ = perspective.standing_on(place.row / rows, share)
    tall = usual * rows * math.exp(rng.normal(0.0, perspective.spread))
    if not _SMALL_PX[0] <= tall <= _LARGEST * rows:
        return None
    foot, horizon = place.row + tall / 2, perspective.horizon * rows
    return Stand(place.column, foot, tall, horizon, _PERSON_M * (foot - horizon) * share / tall)


def _choose_cut_stand(
    size: tuple[int, int],
    rng: np.random.Generator,
    place: Place,
    sprite: Sprite,
    perspective: Perspective | None = None,
) -> Stand | None:
    """Choose a horizon; it and the rows where the sprite stood and stands give its height."""
    if perspective is not None:
        usual = perspective.height_at(sprite.foot / size[0]) * size[0]
        share = sprite.alpha.shape[0] / usual if usual > 0 else math.inf
        stand = _stand_in(perspective, size[0], rng, place, share) if share < 2.0 else None
        # Enlarged it would be softer than what the camera shows there.
        is_sharp = stand is not None and stand.height_px <= 1.3 * sprite.alpha.shape[0]
        return stand if is_sharp else None
    horizon = rng.uniform(*_HORIZON) * size[0]
    own = sprite.alpha.shape[0]
    # The feet are half the height below the place, and the height follows from the feet.
    slope = own / (sprite.foot - horizon) if sprite.foot > horizon + 10 else math.inf
    tall = slope * (place.row - horizon) / (1 - slope / 2) if slope < 2 else 0.0
    foot = place.row + tall / 2
    if not _SMALL_PX[0] <= tall <= 1.3 * own or foot < _HIGHEST_FOOT * size[0]:
        return None
    return Stand(place.column, foot, tall, horizon)


def choose_shown(count: int, rng: np.random.Generator) -> range:
    """Choose the frames that show a mover: all, or as often the first or the last few."""
    length = count if rng.random() < 0.45 else int(rng.integers(1, count + 1))
    first = int(rng.choice((0, count - length)))
    return range(first, first + length)


@dataclass(frozen=True, eq=False)
class Track:
    """A mover on its way through a burst."""

    placed: tuple[Placement | None, ...]
    """One per frame; None where the frame does not show it."""
    kind: str
    is_recurring: bool
    """Whether it goes over a place where motion recurs most."""


def plan_track(
    frames: Sequence[Picture],
    rng: np.random.Generator,
    places: NDArray[np.floating] | None,
    sprite: Sprite | None,
    *,
    is_small: bool,
    is_busy: bool,
    is_slow: bool = False,
    within: NDArray[np.uint8] | None = None,
    perspective: Perspective | None = None,
    counts: KindCounts = counts_anywhere,
) -> Track | None:
    """Let a cut sprite, or a drawn mover where it is None, go through a burst.

    Args:
        frames: uint8 (H, W, 3) BGR each: their light falls on drawn movers.
        places: as for `choose_place`, and so are `is_busy` and `within`.
        is_small: a distant person, about 10-15 px tall when it is seen.
        is_slow: it stands almost still or creeps, and all frames show it.
        perspective: how tall people are where; None where the camera has not shown it.
        counts: tells whether a kind of object counts at a pixel.

    Returns:
        The track, or None where the place chosen and its perspective do not agree, or where only
        other kinds count there.
    """
    size = (frames[0].shape[0], frames[0].shape[1])
    place = choose_place(size, rng, places, is_busy=is_busy, within=within)
    kind = _choose_kind(rng, place, counts, is_small=is_small) if sprite is None else sprite.kind
    if kind is None or not counts(_COUNTS_AS.get(kind, kind), place.row, place.column):
        return None
    if sprite is None:
        is_small = is_small and kind == "person"
        stand = choose_stand(size, rng, place, kind, is_small=is_small, perspective=perspective)
    else:
        stand = _choose_cut_stand(size, rng, place, sprite, perspective)
    if stand is None:
        return None
    shown = range(len(frames)) if is_slow else choose_shown(len(frames), rng)
    anchor = int(rng.choice(shown))
    pace = _SLOW_STEP if is_slow else _STEP[kind if sprite is None else "cut"]
    steps = _steps(rng, len(frames), pace)
    if sprite is None:
        placed = _drawn_track(frames, rng, stand, (kind, steps), shown, anchor)
    else:
        placed = _cut_track(rng, stand, (sprite, steps), shown, anchor)
    return Track(tuple(placed), kind, place.is_recurring) if placed[anchor] else None


def _choose_kind(
    rng: np.random.Generator, place: Place, counts: KindCounts, *, is_small: bool
) -> str | None:
    """Choose who appears among those who count at a place; None where nobody does."""
    shares = {
        kind: share
        for kind, share in _KINDS.items()
        if counts(_COUNTS_AS[kind], place.row, place.column)
    }
    if not shares:
        return None
    if is_small and "person" in shares:
        return "person"
    total = sum(shares.values())
    return str(rng.choice(tuple(shares), p=[share / total for share in shares.values()]))


def _steps(rng: np.random.Generator, count: int, pace: tuple[float, float]) -> Floats:
    """Distances from frame to frame in lengths of the body, (count,); sometimes it stands still."""
    low, high = pace
    steps = math.exp(rng.uniform(math.log(low), math.log(high))) * rng.uniform(0.7, 1.3, count)
    if rng.random() < 0.15:
        steps[int(rng.integers(count))] = 0.0
    return steps.astype(np.float32)


def _cut_track(
    rng: np.random.Generator,
    stand: Stand,
    moving: tuple[Sprite, Floats],
    shown: range,
    anchor: int,
) -> list[Placement | None]:
    """Move a cut sprite mostly across; its size follows the row of its feet."""
    sprite, steps = moving
    way, count = np.cumsum(steps), len(steps)
    side = 1.0 if rng.random() < 0.5 else -1.0
    climb = rng.uniform(-0.3, 0.3)
    flipped = rng.random() < 0.5
    placed: list[Placement | None] = [None] * count
    for index in shown:
        along = float(way[index] - way[anchor]) * stand.height_px
        foot = stand.foot + climb * along
        tall = round(stand.height_px * (foot - stand.horizon) / (stand.foot - stand.horizon))
        if tall >= 8:
            figure = sprite.resized(tall, flipped=flipped)
            left = stand.column + side * along - figure.alpha.shape[1] / 2
            placed[index] = Placement(figure, round(foot - tall), round(left))
    return placed


def _drawn_track(
    frames: Sequence[Picture],
    rng: np.random.Generator,
    stand: Stand,
    moving: tuple[str, Floats],
    shown: range,
    anchor: int,
) -> list[Placement | None]:
    """Let a drawn mover walk or drive over the ground of the stand's perspective."""
    kind, lengths = moving
    view = _viewpoint(frames[0].shape[:2], stand, rng)
    towards = _on_ground(view, stand)
    looks = choose_looks(kind, rng)
    heading = rng.uniform(0, 360)
    steps = lengths * _LENGTH_M[kind]
    light = _Daylight.drawn(frames, rng)
    points = {anchor: (towards[0], towards[1], heading)}
    for index in range(anchor + 1, len(frames)):
        points[index] = _walked(points[index - 1], float(steps[index]), rng)
    for index in range(anchor - 1, -1, -1):
        points[index] = _walked(points[index + 1], -float(steps[index]), rng)
    placed: list[Placement | None] = [None] * len(frames)
    for index in shown:
        x, y, _ = points[index]
        if view.depth((x, y, 0.0)) > 1.5 + _LENGTH_M[kind] / 2:
            pose = posed(looks, points[index], rng.uniform(0, 2 * math.pi))
            placed[index] = light.place(view, pose, stand, is_infrared(frames[index]))
    return placed


def _viewpoint(size: tuple[int, int], stand: Stand, rng: np.random.Generator) -> Viewpoint:
    zoom = rng.uniform(0.9, 1.5)  # a wider lens would make upright people lean at the border
    focal = zoom * math.sqrt(size[0] * size[1])
    pitch = math.degrees(math.atan((size[0] / 2 - stand.horizon) / focal))
    return Viewpoint((0.0, 0.0, stand.camera_m), 0.0, pitch, zoom, size[0], size[1])


def _on_ground(view: Viewpoint, stand: Stand) -> tuple[float, float]:
    row, column = round(stand.foot), round(stand.column)
    ray = view.rays(row, row + 1, column, column + 1)[0, 0]
    reach = stand.camera_m / max(-float(ray[2]), 1e-3)
    return float(ray[0]) * reach, float(ray[1]) * reach


Point = tuple[float, float, float]
"""x and y in metres, heading in degrees."""


def _walked(start: Point, way_m: float, rng: np.random.Generator) -> Point:
    turn = start[2] + rng.uniform(-20, 20)
    along = math.radians(turn)
    return start[0] + way_m * math.cos(along), start[1] + way_m * math.sin(along), turn


def _colour(rng: np.random.Generator, brightest: float) -> str:
    hue, vivid = rng.uniform(0, 180), 150 * rng.random() ** 2
    shade = 255 * rng.uniform(0.12, brightest)
    pixel = np.array([[[hue, vivid, shade]]]).astype(np.uint8)
    red, green, blue = (int(value) for value in cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0])
    return f"#{red:02x}{green:02x}{blue:02x}"


def choose_looks(kind: str, rng: np.random.Generator) -> Pose:
    """Return a mover of random looks at the origin; `kind` is person, pet or car."""
    if kind == "car":
        return CarPose(0.0, 0.0, 0.0, str(rng.choice(_CAR_COLOURS)))
    if kind == "pet":
        size = 1.0 if rng.random() < 0.5 else rng.uniform(1.6, 2.2)
        return CatPose(0.0, 0.0, 0.0, 0.0, str(rng.choice(_DOG_COATS)), size)
    return PersonPose(
        0.0,
        0.0,
        0.0,
        0.0,
        coat=_colour(rng, 0.95),
        trousers=_colour(rng, 0.6),
        height_m=rng.uniform(1.55, 1.92),
        hooded=bool(rng.random() < 0.3),
    )


def posed(looks: Pose, point: Point, stride: float) -> Pose:
    """Put a mover at a point; `stride` is its phase in the walk cycle, in radians."""
    x, y, heading = point
    if isinstance(looks, CarPose):
        return replace(looks, x=x, y=y, heading_deg=heading)
    return replace(looks, x=x, y=y, heading_deg=heading, stride=stride)


@dataclass(frozen=True)
class _Daylight:
    """The light on a drawn mover during one burst."""

    sunshine: float
    """Share of the light that is direct."""
    towards_sun: tuple[float, float, float]
    ground: float
    """What the ground around reflects: the sprite is as bright as that allows."""
    infrared_gain: float
    shade: float
    """How much light its shadow takes."""
    folds: Floats
    """(h, w): cloth and fur are not of one tone."""

    @classmethod
    def drawn(cls, frames: Sequence[Picture], rng: np.random.Generator) -> _Daylight:
        is_bright = float(frames[0][::8, ::8].mean()) > 70
        around, high = rng.uniform(0, 2 * math.pi), rng.uniform(0.5, 1.2)
        return cls(
            sunshine=rng.uniform(0.0, 0.6) if is_bright else 0.0,
            towards_sun=(
                math.cos(around) * math.cos(high),
                math.sin(around) * math.cos(high),
                math.sin(high),
            ),
            ground=rng.uniform(0.14, 0.34),
            infrared_gain=rng.uniform(0.7, 2.0),
            shade=rng.uniform(0.35, 0.65),
            folds=rng.standard_normal((9, 5)).astype(np.float32),
        )

    def place(self, view: Viewpoint, pose: Pose, stand: Stand, infrared: bool) -> Placement | None:
        """Draw a mover in this light."""
        fine = 4 if stand.height_px < 60 else 2
        figure = pose_alone(view, pose, self.towards_sun, fine=fine)
        if figure is None or float(figure.cover.sum()) < _LEAST_COVER:
            return None
        layers = figure.layers / np.maximum(figure.cover, 1e-3)[..., None]
        colour = layers[..., COLOUR]
        if infrared:
            grey = 0.05 + (colour @ LUMINANCE) * (0.55 + 0.45 * layers[..., AMBIENT])
            light = floats(np.repeat(grey[..., None] * self.infrared_gain, 3, axis=2))
        else:
            direct = self.sunshine * 1.6 * layers[..., SUN]
            diffuse = (1 - self.sunshine) * layers[..., AMBIENT]
            light = floats(colour * (direct + diffuse)[..., None])
        light = self._textured(light, figure.cover, stand.height_px)
        kind = {PersonPose: "person", CatPose: "pet", CarPose: "car"}[type(pose)]
        sprite = Sprite(light / np.float32(self.ground), figure.cover, kind, infrared)
        window = figure.window
        shade = None if infrared else self._shade(view, pose)
        return Placement(sprite, window.top, window.left, shade)

    def _textured(self, light: Floats, cover: Floats, height_px: float) -> Floats:
        """Blend the steps of light upon a body, and give it folds."""
        blur_px = max(0.4, 0.012 * height_px)
        solid = cv2.GaussianBlur(cover, (0, 0), blur_px)
        soft = cv2.GaussianBlur(light * cover[..., None], (0, 0), blur_px)
        size = (cover.shape[1], cover.shape[0])
        folds = 1 + 0.16 * cv2.resize(self.folds, size, interpolation=cv2.INTER_CUBIC)
        tone = np.clip(folds, 0.5, 1.6) / np.maximum(solid, 1e-2)
        return np.asarray(soft * tone[..., None], np.float32)

    def _shade(self, view: Viewpoint, pose: Pose) -> tuple[Floats, int, int] | None:
        shadow = shadow_alone(view, pose, self.towards_sun)
        if shadow is None:
            return None
        direct = shadow.sun * self.shade if self.sunshine > 0.3 else 0.0
        taken = np.clip(direct + 0.3 * shadow.ambient, 0, 0.8).astype(np.float32)
        return taken, shadow.window.top, shadow.window.left
