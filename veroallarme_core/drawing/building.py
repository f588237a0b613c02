"""Walls, fences, hedges, parked cars and houses over one canvas."""

from __future__ import annotations

import numpy as np

from veroallarme_core.drawing.car import CarPose, car_footprint, car_shapes
from veroallarme_core.drawing.foliage import Greenery, Tree, plant
from veroallarme_core.drawing.materials import Materials
from veroallarme_core.drawing.perspective import Floats, Viewpoint, floats, shadow_on_ground
from veroallarme_core.drawing.place import TOWARDS_SUN, Lamp, Place
from veroallarme_core.drawing.surface import AMBIENT, DEPTH, SUN, Canvas, Grain, Material, paint


class Builder:
    """Bricks, fences and bushes over one canvas."""

    def __init__(self, view: Viewpoint, rng: np.random.Generator) -> None:
        self.canvas = Canvas.blank(view)
        self.rng = rng
        self.grain = Grain(rng)
        self.materials = Materials(self.grain, Grain(rng, roughness=1.15))

    def ground(
        self, x: tuple[float, float], y: tuple[float, float], material: Material | Floats
    ) -> None:
        """Cover a rectangle of the flat ground, left to right and near to far."""
        corners = [(x[0], y[0], 0), (x[1], y[0], 0), (x[1], y[1], 0), (x[0], y[1], 0)]
        self.canvas.plane(corners, material, is_ground=True)

    def shade(self, solid: Floats, *, contact_m: float = 0.25) -> None:
        """Let an upright quad throw its shadow and darken the ground it stands on."""
        fallen = shadow_on_ground(solid, TOWARDS_SUN)
        self.canvas.shade_ground(fallen, SUN, 0.95, 0.03)
        foot = floats([solid[0], solid[1]]) * floats([1, 1, 0])
        side = floats([[contact_m, contact_m, 0], [-contact_m, -contact_m, 0]])
        corners = floats([foot[0] + side[0], foot[1] + side[0], foot[1] + side[1]])
        corners = np.concatenate([corners, [foot[0] + side[1]]])
        self.canvas.shade_ground(corners, AMBIENT, 0.45, contact_m)

    def wall_along_y(
        self,
        x: float,
        y: tuple[float, float],
        z: tuple[float, float],
        material: Material | Floats,
        *,
        sun: float,
        ambient: float = 0.9,
        glow: float = 0.0,
    ) -> None:
        """Raise an upright rectangle that runs away from the camera."""
        corners = [(x, y[0], z[0]), (x, y[1], z[0]), (x, y[1], z[1]), (x, y[0], z[1])]
        self.canvas.plane(corners, material, sun=sun, ambient=ambient, glow=glow)

    def wall_along_x(
        self,
        x: tuple[float, float],
        y: float,
        z: tuple[float, float],
        material: Material | Floats,
        *,
        sun: float,
        ambient: float = 0.9,
        glow: float = 0.0,
    ) -> None:
        """Raise an upright rectangle that faces the camera."""
        corners = [(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])]
        self.canvas.plane(corners, material, sun=sun, ambient=ambient, glow=glow)

    def picket_fence(
        self, x: tuple[float, float], y: float, *, top: float = 1.1, colour: str = "#e6e2d6"
    ) -> None:
        """A fence along x: shadows of all pickets first, then rails, then pickets."""
        pitch, wide = 0.16, 0.10
        starts = np.arange(x[0], x[1], pitch)
        for left in starts:
            board = [(left, y, 0), (left + wide, y, 0), (left + wide, y, top), (left, y, top)]
            self.shade(floats(board), contact_m=0.06)
        for rail in (0.3, 0.82):
            self.wall_along_x(x, y + 0.03, (rail, rail + 0.08), paint("#b9b4a6"), sun=0.25)
        tone = paint(colour)
        for left in starts:
            right = left + wide
            board = [(left, y, 0.05), (right, y, 0.05), (right, y, top - 0.08)]
            board += [(left + wide / 2, y, top), (left, y, top - 0.08)]
            tint = tone * np.float32(self.rng.uniform(0.88, 1.02))
            self.canvas.plane(board, tint, sun=0.30, ambient=0.95)

    def window_along_y(self, x: float, y: tuple[float, float], z: tuple[float, float]) -> None:
        """A window in a wall that runs along y, lit from inside after dark."""
        frame = paint("#f1efe9")
        self.wall_along_y(x, (y[0] - 0.07, y[1] + 0.07), (z[0] - 0.1, z[1] + 0.07), frame, sun=0.7)
        middle = (y[0] + y[1]) / 2
        for left, right in ((y[0], middle - 0.03), (middle + 0.03, y[1])):
            self.wall_along_y(x, (left, right), z, self.glass, sun=0.25, glow=0.55)

    def window_along_x(
        self, x: tuple[float, float], y: float, z: tuple[float, float], *, glow: float
    ) -> None:
        """A window in a wall that runs along x."""
        frame = paint("#e9e6df")
        self.wall_along_x((x[0] - 0.08, x[1] + 0.08), y, (z[0] - 0.1, z[1] + 0.08), frame, sun=0.3)
        self.wall_along_x(x, y, z, self.glass, sun=0.2, glow=glow)

    def glass(self, u: Floats, v: Floats, footprint: Floats) -> Floats:
        """Material of window panes: the sky mirrored towards their upper edge."""
        sky = np.clip(0.35 + 0.5 * v + 0.12 * self.grain.at(u + v, v, 3.0), 0, 1)[..., None]
        return np.asarray(paint("#2b3a44") + (paint("#a9c0cc") - paint("#2b3a44")) * sky**2)

    def greenery(self, greenery: Greenery, *, shadow: bool = True) -> None:
        """Plant something that does not move, on its own shadow."""
        if shadow:
            for centre, radii in greenery.lobes:
                angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
                ring = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
                solid = floats(centre) + floats(radii) * ring.astype(np.float32)
                self.canvas.shade_ground(shadow_on_ground(solid, TOWARDS_SUN), SUN, 0.9, 0.12)
                self.canvas.shade_ground(solid * floats([1.05, 1.0, 0.0]), AMBIENT, 0.5, 0.3)
        plant(self.canvas, greenery, self.rng, TOWARDS_SUN)

    def hedge(
        self, x: tuple[float, float], y: float, height: float, *, leaf_m: float = 0.16
    ) -> None:
        """A hedge along x."""
        count = max(2, int((x[1] - x[0]) / 1.1))
        centres = np.linspace(x[0], x[1], count)
        lobes = tuple(
            (
                (float(c), y + float(self.rng.normal(0, 0.1)), height * 0.45),
                (0.9, 0.6, height * float(self.rng.uniform(0.5, 0.62))),
            )
            for c in centres
        )
        self.greenery(Greenery(lobes, 110 * count, leaf_m, "#22351c", "#6f8f45"))

    def litter(self, x: tuple[float, float], y: tuple[float, float], count: int) -> None:
        """Scatter fallen leaves on the ground."""
        for _ in range(count):
            here = floats([self.rng.uniform(*x), self.rng.uniform(*y), 0.0])
            turn, size = self.rng.uniform(0, np.pi), self.rng.uniform(0.025, 0.05)
            long = floats([np.cos(turn), np.sin(turn), 0]) * floats(size)
            wide = floats([-np.sin(turn), np.cos(turn), 0]) * floats(size * 0.5)
            tone = paint(str(self.rng.choice(["#a8843f", "#8a6a35", "#7f8a3c"])))
            leaf = self.canvas.view.project([here - long, here + wide, here + long, here - wide])
            depth = self.canvas.view.depth(here)
            self.canvas.dab(leaf, tone, 0.9, 0.9, depth, is_ground=True)

    def car(self, pose: CarPose) -> None:
        """Park a car."""
        outline = car_footprint(pose)
        self.canvas.shade_ground(outline, AMBIENT, 0.75, 0.18)
        for part in (0.35, 0.9):
            lifted = outline + floats([0, 0, part])
            self.canvas.shade_ground(shadow_on_ground(lifted, TOWARDS_SUN), SUN, 0.97, 0.05)
        roof = car_footprint(pose, shrink=0.72) + floats([0, 0, 1.42])
        self.canvas.shade_ground(shadow_on_ground(roof, TOWARDS_SUN), SUN, 0.97, 0.06)
        self.canvas.shade_ground(outline, SUN, 0.97, 0.1)
        for shape in car_shapes(self.canvas.view, pose, TOWARDS_SUN):
            self.canvas.dab(shape.outline, shape.colour, shape.sun, shape.ambient, shape.depth_m)

    def house(
        self,
        x: tuple[float, float],
        y: float,
        eaves: float,
        colours: tuple[str, str],
        windows: tuple[tuple[float, float, float], ...],
        *,
        ridge: float = 2.4,
    ) -> None:
        """A house seen from the front: facade, windows (left, sill, glow), roof, chimney."""
        wall, roof = colours
        self.wall_along_x(x, y, (0, eaves), self.materials.render(wall), sun=0.3)
        self.wall_along_x(
            x, y - 0.01, (eaves - 0.55, eaves), self.materials.render(wall), sun=0.1, ambient=0.6
        )
        porch = x[0] + 6.5
        self.wall_along_x((porch - 0.12, porch + 1.12), y, (0, 2.2), paint("#e6e2d8"), sun=0.3)
        self.wall_along_x((porch, porch + 1.0), y, (0, 2.1), paint("#4d3a35"), sun=0.25)
        for left, sill, glow in windows:
            self.window_along_x((x[0] + left, x[0] + left + 1.3), y, (sill, sill + 1.3), glow=glow)
        over = 0.5
        slope = [
            (x[0] - over, y - 0.4, eaves),
            (x[1] + over, y - 0.4, eaves),
            (x[1] - 1.0, y + 4, eaves + ridge),
            (x[0] + 1.0, y + 4, eaves + ridge),
        ]
        chimney = x[0] + 0.7 * (x[1] - x[0])
        brick = paint("#8a5a48")
        self.wall_along_x(
            (chimney, chimney + 0.9), y + 3, (eaves, eaves + ridge + 1), brick, sun=0.3
        )
        self.canvas.plane(slope, self.materials.tiles(roof), sun=0.75)
        self.wall_along_x(
            (x[0] - over, x[1] + over),
            y - 0.42,
            (eaves - 0.16, eaves + 0.04),
            paint("#d8d3c8"),
            sun=0.3,
        )

    def finish(self, tree: Tree, lamps: tuple[Lamp, ...], view: Viewpoint) -> Place:
        """Average down to the picture."""
        layers, ground = self.canvas.averaged()
        clouds = self.grain.tile(view.height, view.width)
        depth = self.canvas.layers[..., DEPTH].copy()
        return Place(view, layers, ground, depth, tree, lamps, clouds)
