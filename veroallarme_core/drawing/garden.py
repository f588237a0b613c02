"""The garden behind the house: terrace, lawn with a tree, shed, board fence."""

from __future__ import annotations

import numpy as np

from veroallarme_core.drawing.building import Builder
from veroallarme_core.drawing.foliage import Greenery, grow_tree
from veroallarme_core.drawing.perspective import STRAIGHT, Turn, Viewpoint, floats
from veroallarme_core.drawing.place import TOWARDS_SUN, Lamp, Place
from veroallarme_core.drawing.shapes import Point
from veroallarme_core.drawing.surface import paint


def paint_garden(rng: np.random.Generator, height: int, width: int, turn: Turn = STRAIGHT) -> Place:
    """Paint the garden for a picture of ``height`` x ``width`` pixels."""
    view = Viewpoint((0.0, 0.0, 3.1), 12.0, 17.0, 0.84, height, width).turned(turn)
    build = Builder(view, rng)
    make = build.materials
    build.ground((-60, 60), (-4, 120), make.grass("#4a6532", "#88a255"))
    build.ground((-60, 60), (13.6, 15), make.asphalt("#54453a"))
    build.ground((-3.2, 12), (-4, 4.3), make.slabs("#b8a58d", 0.5, 0.5))
    for step in range(8):
        y = 4.8 + 1.05 * step
        build.ground((-0.4 + 0.09 * step, 0.35 + 0.09 * step), (y, y + 0.62), paint("#b4ada0"))
    build.litter((-6.0, 4.0), (4.6, 13.0), 140)
    _behind_the_garden(build)
    _garden_fence(build)
    _shed(build)
    foot: Point = (-3.4, 9.0, 0.0)
    crown = Greenery(
        (
            ((-3.4, 9.0, 3.0), (1.35, 1.3, 0.95)),
            ((-4.2, 9.1, 2.6), (0.9, 0.9, 0.7)),
            ((-2.6, 8.9, 2.55), (0.9, 0.9, 0.7)),
            ((-3.4, 8.9, 3.7), (0.85, 0.85, 0.7)),
        ),
        2800,
        0.095,
        "#294422",
        "#9bb25a",
    )
    trunk = (
        ((-3.4, 9.0, 0.0), (-3.45, 9.0, 2.0), 0.13, 0.09),
        ((-3.45, 9.0, 1.7), (-4.1, 9.1, 2.7), 0.07, 0.03),
        ((-3.45, 9.0, 1.8), (-2.7, 8.9, 2.7), 0.07, 0.03),
    )
    tree = grow_tree(view, foot, crown, trunk, rng, TOWARDS_SUN)
    lamps = (Lamp((2.0, 0.5, 2.6), (2.4, 4.6, 6.4)),)
    return build.finish(tree, lamps, view)


def _behind_the_garden(build: Builder) -> None:
    for x in np.arange(-60.0, 75.0, 5.5):
        size = float(build.rng.uniform(3.0, 6.0))
        crown = ((float(x), 48 + float(build.rng.normal(0, 3)), size * 0.8), (4.2, 3.0, size))
        build.greenery(Greenery((crown,), 220, 0.55, "#33482b", "#7f965a"), shadow=False)
    build.house(
        (8, 20),
        27,
        4.8,
        ("#d3c5ae", "#7a4c3e"),
        ((1.5, 0.9, 0.0), (5, 0.9, 0.0), (1.5, 3.0, 0.7), (5, 3.0, 0.0), (9, 3.0, 0.6)),
    )
    build.house((-22, -10), 30, 5.0, ("#c4bda9", "#5f5b59"), ((2, 3.1, 0.0), (6, 3.1, 0.6)))
    for x, size in ((-6.5, 2.6), (4.6, 2.9), (23.0, 3.2)):
        lobes = (((x, 21.0, 2.4), (size * 0.7, size * 0.6, size * 0.85)),)
        build.greenery(Greenery(lobes, 620, 0.22, "#2b4223", "#7f9a50"))


def _garden_fence(build: Builder) -> None:
    fence = floats([(-16, 15, 0), (18, 15, 0), (18, 15, 1.75), (-16, 15, 1.75)])
    build.shade(fence, contact_m=0.3)
    build.wall_along_x((-16, 18), 15, (0, 1.7), build.materials.boards("#9a7350"), sun=0.3)
    build.wall_along_x((-16, 18), 14.97, (1.68, 1.78), paint("#b38d67"), sun=0.5)
    for x in np.arange(-16, 18, 2.4):
        build.wall_along_x((x, x + 0.11), 14.94, (0, 1.86), paint("#7f5d41"), sun=0.35)
    bed = []
    for x in np.arange(-9.5, 12.0, 1.05):
        size = float(build.rng.uniform(0.25, 0.5))
        bed.append(((float(x), 14.2 + float(build.rng.normal(0, 0.15)), size), (0.5, 0.35, size)))
    build.greenery(Greenery(tuple(bed), 1100, 0.085, "#294022", "#8aa556"))
    blooms = tuple((c, (r[0] * 0.95, r[1], r[2] * 1.05)) for c, r in bed[1::3])
    build.greenery(Greenery(blooms, 150, 0.055, "#b88a2e", "#f0d070", has_core=False), shadow=False)


def _shed(build: Builder) -> None:
    front = floats([(4.6, 11, 0), (7.8, 11, 0), (7.8, 11, 2.5), (4.6, 11, 2.5)])
    build.shade(front)
    build.shade(front + floats([0, 2, 0]))
    boards = build.materials.boards("#7c6a55", 0.18)
    build.wall_along_y(4.6, (11, 13.4), (0, 2.1), boards, sun=0.75)
    build.wall_along_x((4.6, 7.8), 11, (0, 2.1), boards, sun=0.32)
    gable = [(4.6, 11, 2.05), (7.8, 11, 2.05), (6.2, 11, 2.85)]
    build.canvas.plane(gable, boards, sun=0.3)
    build.canvas.plane(
        [(4.35, 10.8, 2.0), (4.35, 13.6, 2.0), (6.2, 13.6, 2.95), (6.2, 10.8, 2.95)],
        build.materials.tiles("#55504c"),
        sun=0.95,
    )
    build.canvas.plane(
        [(6.2, 10.8, 2.95), (8.05, 10.8, 2.0), (8.05, 10.8, 1.9), (6.2, 10.8, 2.83)],
        paint("#cbbfae"),
        sun=0.4,
    )
    build.wall_along_x(
        (5.1, 6.0), 10.98, (0, 1.9), build.materials.boards("#93805f", 0.15), sun=0.35
    )
    build.window_along_x((6.5, 7.3), 10.98, (1.1, 1.7), glow=0.0)
    pots = (((3.6, 4.6, 0.4), (0.4, 0.4, 0.42)), ((-2.7, 4.9, 0.35), (0.38, 0.38, 0.4)))
    build.greenery(Greenery(pots, 380, 0.06, "#2a4020", "#93ad5d"))
