"""The front of a house: drive, lawn with a tree, fence, street, the houses opposite."""

from __future__ import annotations

import numpy as np

from veroallarme_core.drawing.building import Builder
from veroallarme_core.drawing.car import CarPose
from veroallarme_core.drawing.foliage import Greenery, grow_tree
from veroallarme_core.drawing.perspective import STRAIGHT, Turn, Viewpoint, floats
from veroallarme_core.drawing.place import TOWARDS_SUN, Lamp, Place
from veroallarme_core.drawing.shapes import Point
from veroallarme_core.drawing.surface import AMBIENT, SUN, paint


def paint_street(rng: np.random.Generator, height: int, width: int, turn: Turn = STRAIGHT) -> Place:
    """Paint the front of the house for a picture of ``height`` x ``width`` pixels."""
    view = Viewpoint((0.0, -0.6, 4.3), -0.5, 18.3, 0.72, height, width).turned(turn)
    build = Builder(view, rng)
    _street_ground(build)
    _across_the_street(build)
    build.car(CarPose(-7.5, 21.6, 180.0, "#39516b"))
    _street_lamp(build, (-2.6, 23.0))
    _front_garden(build)
    _garage_wing(build)
    build.car(CarPose(3.5, 8.8, 90.0, "#8c3a33"))
    foot: Point = (-5.0, 9.0, 0.0)
    crown = Greenery(
        (
            ((-5.1, 9.0, 3.5), (1.5, 1.4, 1.15)),
            ((-6.1, 9.2, 3.0), (1.0, 1.0, 0.8)),
            ((-4.0, 8.9, 3.1), (1.05, 1.0, 0.85)),
            ((-5.0, 8.9, 4.3), (1.0, 1.0, 0.8)),
        ),
        3400,
        0.105,
        "#27401c",
        "#94ad52",
    )
    trunk = (
        ((-5.0, 9.0, 0.0), (-5.02, 9.0, 2.4), 0.17, 0.12),
        ((-5.02, 9.0, 2.0), (-5.8, 9.1, 3.2), 0.09, 0.04),
        ((-5.02, 9.0, 2.1), (-4.2, 8.9, 3.3), 0.09, 0.04),
        ((-5.02, 9.0, 2.2), (-5.0, 9.0, 3.9), 0.09, 0.04),
    )
    tree = grow_tree(view, foot, crown, trunk, rng, TOWARDS_SUN)
    lamps = (
        Lamp((-2.6, 21.6, 4.8), (5.5, 9.5, 13.0)),
        Lamp((5.0, 5.2, 2.3), (1.6, 3.2, 4.6)),
    )
    return build.finish(tree, lamps, view)


def _street_ground(build: Builder) -> None:
    make = build.materials
    build.ground((-70, 70), (23.8, 150), make.grass("#55683a", "#7e9152"))
    build.ground((-70, 70), (22.4, 24.4), make.slabs("#a8a49b", 0.6, 0.6))
    build.ground((-70, 70), (22.2, 22.42), paint("#c2beb4"))
    build.ground((-70, 70), (16.0, 22.2), make.asphalt())
    for start in np.arange(-60.0, 60.0, 4.5):
        build.ground((start, start + 2.2), (19.0, 19.13), paint("#d9d7cd"))
    build.ground((-70, 70), (16.0, 16.28), make.asphalt("#58595b"))
    build.ground((-70, 70), (15.75, 16.0), paint("#c2beb4"))
    build.ground((-70, 70), (13.6, 15.75), make.slabs("#b1aca1", 0.6, 0.6))
    build.ground((-70, 70), (-8, 13.6), make.grass())
    build.ground((-1.75, -1.6), (-8, 13.6), paint("#bdb6a8"))
    build.ground((4.85, 5.2), (-8, 13.6), make.asphalt("#4b4038"))
    build.ground((-1.6, 4.85), (-8, 15.75), make.slabs("#b3a691", 0.42, 0.28, bond=True))
    build.ground((-13, -1.75), (12.1, 13.6), make.asphalt("#5c4a3c"))
    for track in (0.35, 1.85):
        worn = [(track, -2, 0), (track + 0.28, -2, 0), (track + 0.22, 15.7, 0), (track, 15.7, 0)]
        build.canvas.shade_ground(worn, AMBIENT, 0.16, 0.12)
        build.canvas.shade_ground(worn, SUN, 0.07, 0.12)
    build.litter((-9.0, 4.5), (2.6, 13.0), 170)


_HOUSES = (
    # left and right, distance, eaves, wall and roof, windows' left edges, lit below, lit above
    ((-33, -22), 34, 5.2, ("#c9b79c", "#7d5a4c"), (1.5, 5.0, 8.0), (0.0, 0.7, 0.0), (0.6, 0, 0.5)),
    ((-17, -6.5), 33, 5.0, ("#d9d2c3", "#6b6660"), (1.2, 4.4, 7.6), (0.8, 0, 0.6), (0, 0.6, 0)),
    ((0.5, 12), 35, 5.4, ("#b9a48b", "#84503f"), (1.4, 4.8, 8.2), (0.0, 0.7, 0.0), (0.5, 0, 0.6)),
    ((17, 30), 34, 5.0, ("#cfc6b4", "#5f5a57"), (1.4, 5.0, 9.0), (0.4, 0, 0.7), (0, 0.6, 0)),
)


def _across_the_street(build: Builder) -> None:
    for x in np.arange(-95.0, 95.0, 6.5):
        size = float(build.rng.uniform(3.5, 6.5))
        crown = ((float(x), 66 + float(build.rng.normal(0, 4)), size * 0.8), (5.0, 3.0, size))
        build.greenery(Greenery((crown,), 200, 0.7, "#33452b", "#7b9057"), shadow=False)
    for x_m, y, eaves, colours, lefts, below, above in _HOUSES:
        windows = [(left, 0.9, glow) for left, glow in zip(lefts, below, strict=True)]
        windows += [(left, 3.3, glow) for left, glow in zip(lefts, above, strict=True)]
        build.house(x_m, y, eaves, colours, tuple(windows))
    for x, size in ((-20.0, 3.0), (-3.2, 3.4), (14.5, 3.1), (-35.5, 3.6), (31.0, 3.2)):
        lobes = (
            ((x, 30.0, 2.6 + size * 0.4), (size * 0.62, size * 0.6, size * 0.75)),
            ((x + 0.9, 29.8, 2.2), (size * 0.45, size * 0.5, size * 0.5)),
        )
        build.greenery(Greenery(lobes, 620, 0.28, "#2b4020", "#80994f"))
    build.hedge((-34, -4.5), 25.3, 1.3, leaf_m=0.22)
    build.hedge((-1.2, 30), 25.3, 1.2, leaf_m=0.22)


def _street_lamp(build: Builder, foot: tuple[float, float]) -> None:
    x, y = foot
    steel = paint("#5f676b")
    pole = floats([(x - 0.06, y, 0), (x + 0.06, y, 0), (x + 0.06, y, 5), (x - 0.06, y, 5)])
    build.shade(pole, contact_m=0.15)
    build.wall_along_x((x - 0.06, x + 0.06), y, (0, 5.0), steel, sun=0.5)
    build.wall_along_y(x, (y - 1.4, y), (4.95, 5.05), steel, sun=0.6)
    build.wall_along_x(
        (x - 0.2, x + 0.2), y - 1.4, (4.86, 5.02), paint("#d8d4c0"), sun=0.5, glow=2.5
    )


def _front_garden(build: Builder) -> None:
    bed = []
    for x in np.arange(-11.5, -2.4, 0.95):
        size = float(build.rng.uniform(0.22, 0.34))
        bed.append(((float(x), 13.15 + float(build.rng.normal(0, 0.12)), size), (0.4, 0.3, size)))
    build.greenery(Greenery(tuple(bed), 520, 0.075, "#2c4424", "#8fa85d"))
    flowers = tuple((c, (r[0] * 0.9, r[1] * 0.9, r[2] * 1.05)) for c, r in bed[::2])
    build.greenery(
        Greenery(flowers, 110, 0.045, "#a8485a", "#e8b0a8", has_core=False), shadow=False
    )
    build.picket_fence((-13.0, -1.75), 11.9)
    build.picket_fence((5.3, 14.0), 13.4)
    for x in (-1.85, 5.05):
        y = 11.9 if x < 0 else 13.4
        post = floats([(x - 0.2, y, 0), (x + 0.2, y, 0), (x + 0.2, y, 1.35), (x - 0.2, y, 1.35)])
        build.shade(post)
        stone = build.materials.slabs("#b5a893", 0.4, 0.22)
        build.wall_along_y(x - 0.2, (y - 0.2, y + 0.2), (0, 1.3), stone, sun=0.65)
        build.wall_along_x((x - 0.2, x + 0.2), y - 0.2, (0, 1.3), stone, sun=0.25)
        build.wall_along_x((x - 0.25, x + 0.25), y - 0.25, (1.3, 1.4), paint("#d5cdbd"), sun=0.4)
    bushes = (
        ((-8.2, 7.2, 0.42), (0.85, 0.7, 0.6)),
        ((-7.2, 6.4, 0.32), (0.6, 0.55, 0.45)),
        ((-3.0, 4.9, 0.3), (0.55, 0.5, 0.45)),
        ((-2.35, 4.1, 0.2), (0.4, 0.4, 0.32)),
    )
    build.greenery(Greenery(bushes, 900, 0.065, "#29401f", "#8aa653"))
    blooms = tuple((c, (r[0], r[1], r[2] * 1.06)) for c, r in bushes[2:])
    build.greenery(Greenery(blooms, 90, 0.04, "#c9b06a", "#fff3c4", has_core=False), shadow=False)


def _garage_wing(build: Builder) -> None:
    """The wing of the house to the right of the drive."""
    shade = [(5.2, -6, 0), (5.2, 9.5, 0), (4.4, 9.5, 0), (4.4, -6, 0)]
    build.canvas.shade_ground(floats(shade), AMBIENT, 0.4, 0.35)
    plaster = build.materials.render("#ddd0b6")
    build.wall_along_x((5.2, 14), 9.5, (0, 2.9), plaster, sun=0.35)
    build.wall_along_y(5.2, (-6, 9.5), (0, 2.9), plaster, sun=0.72)
    build.wall_along_y(
        5.19,
        (-6, 9.5),
        (0, 0.45),
        build.materials.slabs("#8d7f70", 0.45, 0.22, bond=True),
        sun=0.62,
    )
    build.window_along_y(5.18, (7.2, 8.5), (1.0, 2.1))
    build.wall_along_y(5.18, (4.9, 6.0), (0, 2.15), paint("#efece4"), sun=0.7)
    build.wall_along_y(5.17, (5.0, 5.9), (0.05, 2.07), build.materials.boards("#54705f"), sun=0.7)
    build.wall_along_y(5.16, (5.2, 5.7), (1.2, 1.85), build.glass, sun=0.3, glow=0.5)
    build.wall_along_y(5.16, (5.05, 5.1), (0.95, 1.08), paint("#d9c27a"), sun=0.9)
    build.wall_along_y(5.1, (5.2, 5.36), (2.3, 2.55), paint("#3b3f42"), sun=0.6, glow=2.2)
    roof = [(4.75, -6, 2.75), (4.75, 9.9, 2.75), (9.5, 9.9, 5.0), (9.5, -6, 5.0)]
    build.canvas.plane(roof, build.materials.tiles("#7c4b3c"), sun=0.95)
    build.wall_along_y(4.72, (-6, 9.95), (2.62, 2.8), paint("#e9e4d8"), sun=0.75)
    build.wall_along_y(5.17, (9.15, 9.25), (0, 2.65), paint("#c9c4ba"), sun=0.6)
    pots = (
        ((4.85, 7.3, 0.35), (0.28, 0.3, 0.34)),
        ((4.85, 6.5, 0.3), (0.25, 0.3, 0.3)),
        ((4.9, 4.3, 0.35), (0.28, 0.32, 0.36)),
    )
    build.greenery(Greenery(pots, 330, 0.06, "#2a4020", "#8ba65a"))
