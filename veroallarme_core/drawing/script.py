"""What the demo plays: every event as data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from veroallarme_core.drawing.car import CarPose
from veroallarme_core.drawing.cast import Pose
from veroallarme_core.drawing.light import LightName
from veroallarme_core.drawing.shapes import Point
from veroallarme_core.drawing.walkers import CatPose, PersonPose

Label = Literal["relevant", "irrelevant"]
FRAMES = 3
GAP_S = 0.5
CALM, LIGHT_WIND, STRONG_WIND = (0.0, 0.0), (0.06, 0.03), (0.24, 0.07)
"""How far the crown leans and how far its leaves flutter, in metres."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """One event before it is drawn."""

    name: str
    camera: str = "street"
    cause: str
    clock: str
    """Time of the first frame, ``HH:MM:SS``."""
    day: str = "2026-05-14"
    gap_s: float = GAP_S
    light: tuple[LightName, LightName, LightName] = ("day", "day", "day")
    pose: Callable[[int], Pose | None] | None = None
    """The mover in frame 0, 1, 2."""
    passers: tuple[Callable[[int], Pose | None], ...] = ()
    """Who goes by off the premises."""
    in_shade: bool = False
    wind: tuple[float, float] = CALM
    gust: float = 0.4
    """Phase of the swaying in the first frame, in radians."""
    rain: float = 0.0
    """1 is a shower."""
    clouds_m: tuple[float, float, float] | None = None
    """How far the shadows of clouds have drifted."""
    headlights: Callable[[int], tuple[Point, Point]] | None = None
    """Where the lamps of a car out of sight are, and where they aim."""
    insect: Callable[[int], tuple[float, float]] | None = None
    """Where an insect is before the lens, as shares of width and height."""
    noise: float = 1.0
    exposure: tuple[float, float, float] = (1.0, 1.0, 1.0)
    damage: tuple[str | None, str | None, str | None] = (None, None, None)

    @property
    def label(self) -> Label:
        """An event is relevant when somebody or something moves on the premises."""
        return "irrelevant" if self.pose is None else "relevant"


_DUSK: tuple[LightName, LightName, LightName] = ("dusk", "dusk", "dusk")
_INFRARED: tuple[LightName, LightName, LightName] = ("infrared", "infrared", "infrared")
_OVERCAST: tuple[LightName, LightName, LightName] = ("overcast", "overcast", "overcast")


def walk(
    start: tuple[float, float], heading_deg: float, *, pace_m: float = 0.68, **looks: str | bool
) -> Callable[[int], PersonPose]:
    """Let a person walk straight on, ``pace_m`` per frame."""
    turn = math.radians(heading_deg)

    def pose(frame: int) -> PersonPose:
        way = pace_m * frame
        x, y = start[0] + way * math.cos(turn), start[1] + way * math.sin(turn)
        return PersonPose(x, y, heading_deg, 0.7 + way * 4.4, **looks)  # type: ignore[arg-type]

    return pose


def drive(
    *poses: tuple[float, float, float], colour: str, lights: bool = False
) -> Callable[[int], CarPose]:
    """Let a car pass through x, y, heading per frame."""
    return lambda frame: CarPose(*poses[frame], colour, lights)


def prowl(start: tuple[float, float], heading_deg: float, coat: str) -> Callable[[int], CatPose]:
    """Let a cat walk straight on."""
    turn = math.radians(heading_deg)

    def pose(frame: int) -> CatPose:
        way = 0.36 * frame
        x, y = start[0] + way * math.cos(turn), start[1] + way * math.sin(turn)
        return CatPose(x, y, heading_deg, 0.9 + way * 7.0, coat)

    return pose


def _turning_car(frame: int) -> tuple[Point, Point]:
    """A car that turns in the street: its light sweeps over the premises."""
    return (-7.0 + 2.5 * frame, 18.5, 0.8), (5.2, 11.5 - 2.7 * frame, 1.5)


def _insect(frame: int) -> tuple[float, float]:
    return 0.30 + 0.2 * frame, 0.42 - 0.07 * frame


SCRIPTS: tuple[Script, ...] = (
    Script(
        name="person_in_the_drive", cause="person", clock="10:12:04", pose=walk((1.15, 8.1), -108)
    ),
    Script(name="tree_in_light_wind", cause="tree", clock="10:26:41", wind=LIGHT_WIND),
    Script(
        name="car_turns_into_the_drive",
        cause="car",
        clock="10:41:17",
        pose=drive((1.6, 15.6, -103), (1.25, 14.0, -97), (1.1, 12.3, -92), colour="#d9dcdd"),
    ),
    Script(name="cloud_shadow", cause="shadow", clock="10:58:30", clouds_m=(0.0, 5.0, 10.0)),
    Script(
        name="person_behind_the_fence",
        cause="person",
        clock="11:20:09",
        pose=walk((-4.6, 12.5), 4, coat="#7b3d36", trousers="#38342e"),
    ),
    Script(name="nothing_moves", cause="nothing", clock="11:37:55"),
    Script(
        name="cat_in_the_garden",
        camera="garden",
        cause="cat",
        clock="11:52:13",
        pose=prowl((0.4, 6.6), 12, "#c98a4a"),
    ),
    Script(
        name="corrupt_green_band",
        cause="corrupt",
        clock="12:05:48",
        damage=(None, "green_band", None),
    ),
    Script(
        name="person_at_the_gate",
        cause="person",
        clock="12:31:26",
        pose=walk((2.4, 14.4), 200, coat="#3f6b4a", trousers="#4a4038"),
    ),
    Script(name="exposure_jump", cause="exposure", clock="12:44:02", exposure=(1.0, 1.0, 1.24)),
    Script(
        name="person_under_the_moving_tree",
        cause="person",
        clock="13:08:37",
        wind=STRONG_WIND,
        pose=walk((-5.9, 8.1), -6, coat="#bdb6a4", trousers="#33415a"),
        in_shade=True,
    ),
    Script(name="tree_in_strong_wind", cause="tree", clock="13:15:50", wind=STRONG_WIND),
    Script(
        name="person_in_the_garden",
        camera="garden",
        cause="person",
        clock="13:40:31",
        pose=walk((3.9, 12.6), 187, coat="#2e2f33", trousers="#3a3d44", hooded=True),
    ),
    Script(
        name="garden_tree_in_wind",
        camera="garden",
        cause="tree",
        clock="13:59:12",
        wind=STRONG_WIND,
    ),
    Script(
        name="person_despite_a_corrupt_frame",
        cause="person",
        clock="14:22:45",
        pose=walk((-0.4, 12.0), -86, coat="#c7a23c", trousers="#2d3440"),
        damage=(None, "grey_band", None),
    ),
    Script(
        name="corrupt_macroblocks",
        camera="garden",
        cause="corrupt",
        clock="14:51:20",
        damage=(None, None, "macroblocks"),
    ),
    Script(name="rain_streaks", cause="rain", clock="16:03:33", light=_OVERCAST, rain=1.0),
    Script(
        name="person_in_the_rain",
        cause="person",
        clock="16:11:58",
        light=_OVERCAST,
        rain=1.0,
        pose=walk((0.6, 10.4), -100, coat="#d0b23f", trousers="#33383f", hooded=True),
    ),
    Script(
        name="person_at_dusk",
        cause="person",
        clock="20:47:16",
        light=_DUSK,
        pose=walk((2.6, 6.4), 128, coat="#55504d", trousers="#2a2c31"),
    ),
    Script(
        name="headlights_on_the_wall",
        cause="headlights",
        clock="21:02:40",
        light=_DUSK,
        headlights=_turning_car,
    ),
    Script(
        name="car_at_dusk",
        cause="car",
        clock="21:10:05",
        light=_DUSK,
        pose=drive(
            (1.3, 13.4, -94), (1.15, 11.9, -91), (1.1, 10.6, -90), colour="#6f7f8c", lights=True
        ),
    ),
    Script(
        name="infrared_switch",
        cause="infrared_switch",
        clock="21:24:11",
        light=("dusk", "dusk", "infrared"),
    ),
    Script(name="noise_at_night", cause="noise", clock="22:38:59", light=_INFRARED, noise=2.2),
    Script(
        name="person_in_infrared",
        cause="person",
        clock="23:05:27",
        light=_INFRARED,
        pose=walk((0.2, 9.8), -60, coat="#4a4d52", trousers="#33363a"),
    ),
    Script(
        name="insect_at_the_lens",
        camera="garden",
        cause="insect",
        clock="23:41:08",
        light=_INFRARED,
        insect=_insect,
    ),
    Script(
        name="cat_at_night",
        camera="garden",
        cause="cat",
        clock="23:58:20",
        light=_INFRARED,
        pose=prowl((2.4, 6.2), 160, "#efebe2"),
    ),
)
"""The demo's programme, in the order in which it is played."""
