"""Synthetic histories: weeks before one drawn camera, to develop and test what learns from them.

Each event is drawn anew: who comes, how they look, where they go and when, in the weather and the
light of that day and hour. What recurs is the place, the tree, and the traffic of the street.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from veroallarme_core.adaptation import choose_looks, contrast_inside, posed
from veroallarme_core.drawing import (
    CALM,
    DAMAGES,
    STRAIGHT,
    CarPose,
    DrawnEvent,
    LightName,
    Point,
    Pose,
    Script,
    Stage,
    Turn,
    floats,
)
from veroallarme_core.files import atomic_text_file
from veroallarme_training.errors import TrainingError

Camera = Literal["street", "garden"]
_Path = Callable[[int], Pose | None]
_Ground = tuple[float, float, float, float]
"""Left, right, near and far in metres."""
_Rng = np.random.Generator

_JPEG_QUALITY = 88
_LEAST_VISIBLE = 2e-4  # share of the picture of an intruder in its clearest frame
_LEAST_CONTRAST = 10.0  # ... and its contrast in grey levels
_REDRAWN = 10  # times that an event is drawn again because nobody sees the intruder
_INTRUDERS = {"person": 0.7, "pet": 0.18, "car": 0.12}
_CAUSES = {"person": "person", "pet": "animal", "car": "vehicle"}
_SPEED_M_S = {"person": (0.5, 1.8), "pet": (0.3, 2.0), "car": (0.8, 3.0)}
_GROUNDS: dict[Camera, tuple[_Ground, ...]] = {
    "street": ((-1.2, 2.3, 5.0, 12.5), (-8.5, -2.2, 5.0, 11.2)),
    "garden": ((-2.8, 3.8, 5.0, 13.0),),
}
_DRIVE: _Ground = (0.6, 1.8, 6.0, 15.0)
_LANES = ((17.4, 0.0), (20.7, 180.0))
"""Distance and heading of the street's lanes."""
_PAVEMENTS = (14.7, 23.1)
_NUISANCES = {"street": 10.0, "tree": 4.0, "rain": 4.0, "headlights": 2.0, "insect": 3.0}
_NUISANCES |= {"light": 1.5, "corrupt": 1.0}
"""How often each nuisance raises an alarm, where the place, the hour and the weather allow it."""
_TRAFFIC = np.interp(np.arange(24), (0, 4, 8, 12, 17, 20, 23), (1.5, 1, 4, 3, 4, 3, 2))
"""How many motions there are, by the hour."""


_REAIMED = Turn(yaw_deg=-9.0, pitch_deg=2.0, zoom=1.12)


@dataclass(frozen=True, kw_only=True)
class HistoryOptions:
    """What a synthetic history is made of."""

    camera: Camera = "street"
    days: int = 21
    events_per_day: int = 14
    relevant_share: float = 0.1
    """Share of events with an intruder on the premises."""
    corrupt_share: float = 0.06
    """Share of the other events in which a frame is damaged as well."""
    size: tuple[int, int] = (360, 640)
    """Height and width in pixels, even."""
    seed: int = 0
    start: date = date(2026, 5, 4)
    reaim_day: int | None = None
    """Number of the day, from 0, on whose morning the camera is aimed anew; None: never."""
    reaim: Turn = _REAIMED

    def __post_init__(self) -> None:
        if self.days < 1 or not 1 <= self.events_per_day <= 500:
            raise TrainingError(
                f"A history of {self.days} days with {self.events_per_day} events each cannot be "
                "drawn: give at least 1 day and 1-500 events."
            )
        for name in ("relevant_share", "corrupt_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} is {getattr(self, name)}: give a share from 0 to 1.")


def write_history(
    folder: str | Path,
    options: HistoryOptions | None = None,
    watch: Callable[[Iterable[Script]], Iterable[Script]] = lambda scripts: scripts,
) -> None:
    """Write `<folder>/<YYYYMMDD_HHMMSS>/{0,1,2}.jpg` and, last of all, `<folder>/labels.csv`.

    The same options write the same pictures.

    Args:
        folder: new or empty.
        watch: wraps the events that are gone through, for a progress bar.

    Raises:
        TrainingError: the folder is not empty.
    """
    options = options or HistoryOptions()
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise TrainingError(f"{root} is not empty: give a new folder for the history.")
    rows = []
    for event, script in _draw(options, watch):
        name = event_id(script)
        (root / name).mkdir()
        for number, frame in enumerate(event.frames):
            quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
            cv2.imwrite(str(root / name / f"{number}.jpg"), frame, quality)
        rows.append((name, event.label, event.cause))
    with atomic_text_file(root / "labels.csv") as file:
        csv.writer(file).writerows([("event_id", "label", "cause"), *rows])


def event_id(script: Script) -> str:
    """Return `YYYYMMDD_HHMMSS`, the time of the first frame."""
    return f"{datetime.fromisoformat(f'{script.day}T{script.clock}'):%Y%m%d_%H%M%S}"


def _draw(
    options: HistoryOptions, watch: Callable[[Iterable[Script]], Iterable[Script]]
) -> Iterator[tuple[DrawnEvent, Script]]:
    rng = np.random.default_rng((options.seed, 1))
    stage, aimed = Stage(options.camera, options.seed, options.size), STRAIGHT
    for number, script in enumerate(watch(list(_scripts(options, rng)))):
        turn = _turn(options, script)
        if turn != aimed:
            stage, aimed = Stage(options.camera, options.seed, options.size, turn), turn
        event = stage.play(script, number)
        for _ in range(_REDRAWN if script.pose else 0):
            if _is_seen(event, stage.play(script, number, with_mover=False)):
                break
            kind = next(kind for kind, cause in _CAUSES.items() if cause == script.cause)
            script = replace(script, pose=_intruder(kind, options.camera, script.gap_s, rng))
            event = stage.play(script, number)
        yield event, script


def _is_seen(event: DrawnEvent, empty: DrawnEvent) -> bool:
    """Tell whether some frame shows the intruder clearly; `empty` is the same without one."""
    return any(
        mask.mean() >= _LEAST_VISIBLE
        and contrast_inside(floats(before), floats(after), mask) >= _LEAST_CONTRAST
        for before, after, mask in zip(empty.frames, event.frames, event.masks, strict=True)
    )


def _turn(options: HistoryOptions, script: Script) -> Turn:
    day = (date.fromisoformat(script.day) - options.start).days
    return options.reaim if options.reaim_day is not None and day >= options.reaim_day else STRAIGHT


@dataclass(frozen=True)
class _Weather:
    """One day's weather."""

    wind: tuple[float, float]
    """How far the crown leans and how far its leaves flutter, in metres."""
    light: LightName
    rain: float

    @classmethod
    def drawn(cls, rng: _Rng) -> _Weather:
        rain = rng.uniform(0.4, 1.6) if rng.random() < 0.15 else 0.0
        wind = (CALM, (0.06, 0.03), (0.2, 0.06))[int(rng.choice(3, p=(0.3, 0.45, 0.25)))]
        is_overcast = rain > 0 or rng.random() < 0.25
        return cls(wind, "overcast" if is_overcast else "day", rain)


def _scripts(options: HistoryOptions, rng: _Rng) -> Iterator[Script]:
    """Write down every event of a history, in order of time."""
    minutes = np.repeat(_TRAFFIC, 60) / (60 * _TRAFFIC.sum())
    for day in range(options.days):
        weather = _Weather.drawn(rng)
        for minute in sorted(rng.choice(24 * 60, options.events_per_day, replace=False, p=minutes)):
            when = datetime.combine(options.start, time()) + timedelta(
                days=day, minutes=int(minute), seconds=int(rng.integers(60))
            )
            yield _event(options, when, weather, rng)


def _event(options: HistoryOptions, when: datetime, weather: _Weather, rng: _Rng) -> Script:
    light = _light(when, weather)
    is_raining = weather.rain > 0 and rng.random() < 0.7
    force = rng.uniform(0.3, 1.2)
    script = Script(
        name=f"{when:%Y%m%d_%H%M%S}",
        camera=options.camera,
        cause="",
        clock=f"{when:%H:%M:%S}",
        day=f"{when:%Y-%m-%d}",
        gap_s=rng.uniform(1.8, 2.6),
        light=(light, light, light),
        wind=(weather.wind[0] * force, weather.wind[1] * force),
        gust=rng.uniform(0, 2 * math.pi),
        rain=weather.rain if is_raining else 0.0,
        noise=rng.uniform(0.8, 1.5),
        exposure=(rng.uniform(0.88, 1.12),) * 3,
    )
    if rng.random() < options.relevant_share:
        script = _with_intruder(script, rng)
    else:
        script = _with_nuisance(script, rng)
    if rng.random() < options.corrupt_share:
        script = replace(script, damage=_damage(rng))
    return script


def _light(when: datetime, weather: _Weather) -> LightName:
    hour = when.hour + when.minute / 60
    if hour < 5.5 or hour >= 21:
        return "infrared"
    return "dusk" if hour < 6.5 or hour >= 20 else weather.light


def _with_intruder(script: Script, rng: _Rng) -> Script:
    kinds = {kind: share for kind, share in _INTRUDERS.items() if _can_enter(kind, script.camera)}
    kind = _weighted(kinds, rng)
    passers = _traffic(script, rng) if script.camera == "street" and rng.random() < 0.3 else ()
    pose = _intruder(kind, script.camera, script.gap_s, rng)
    return replace(script, cause=_CAUSES[kind], pose=pose, passers=passers)


def _can_enter(kind: str, camera: str) -> bool:
    return kind != "car" or camera == "street"


def _with_nuisance(script: Script, rng: _Rng) -> Script:
    """Choose what raises the alarm among what the place, the hour and the weather allow."""
    light = script.light[0]
    is_allowed = {
        "street": script.camera == "street",
        "tree": script.wind != CALM,
        "rain": script.rain > 0,
        "headlights": light in ("dusk", "infrared"),
        "insect": light == "infrared",
    }
    shares = {cause: share for cause, share in _NUISANCES.items() if is_allowed.get(cause, True)}
    cause = _weighted(shares, rng)
    script = replace(script, cause=cause)
    if cause == "street":
        return replace(script, passers=_traffic(script, rng))
    if cause == "tree":
        gust = rng.uniform(1.0, 2.0)
        return replace(script, wind=(script.wind[0] * gust, script.wind[1] * gust))
    if cause == "headlights":
        return replace(script, headlights=_sweep(rng))
    if cause == "insect":
        return replace(script, insect=_flight(rng))
    if cause == "light":
        return _with_other_light(script, rng)
    return replace(script, damage=_damage(rng)) if cause == "corrupt" else script


def _weighted(shares: dict[str, float], rng: _Rng) -> str:
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))


def _damage(rng: _Rng) -> tuple[str | None, str | None, str | None]:
    damage: list[str | None] = [None, None, None]
    damage[int(rng.integers(3))] = str(rng.choice(list(DAMAGES)))
    return damage[0], damage[1], damage[2]


def _with_other_light(script: Script, rng: _Rng) -> Script:
    """Let clouds drift, the exposure jump, or the camera switch between colour and infrared."""
    light = script.light[0]
    if light == "dusk":
        return replace(script, light=(light, light, "infrared"))
    if light == "day" and rng.random() < 0.5:
        drift = np.cumsum(rng.uniform(2, 8, 3))
        return replace(script, clouds_m=(float(drift[0]), float(drift[1]), float(drift[2])))
    jump = rng.uniform(1.15, 1.5) ** rng.choice((-1, 1))
    first, second, third = script.exposure
    if rng.random() < 0.5:
        second *= jump
    return replace(script, exposure=(first, second, third * jump))


# --- who goes where ------------------------------------------------------------------------------


def _traffic(script: Script, rng: _Rng) -> tuple[_Path, ...]:
    """One or two who go by in the street."""
    has_lights = script.light[0] in ("dusk", "infrared")
    return tuple(
        _passer(script.gap_s, has_lights, rng) for _ in range(1 if rng.random() < 0.7 else 2)
    )


def _passer(gap_s: float, has_lights: bool, rng: _Rng) -> _Path:
    if rng.random() < 0.7:
        looks, speed = choose_looks("car", rng), rng.uniform(5, 14)
        assert isinstance(looks, CarPose)
        looks = replace(looks, lights=has_lights)
        y, heading = _LANES[int(rng.integers(len(_LANES)))]
    else:
        looks, speed = choose_looks("person", rng), rng.uniform(0.9, 1.8)
        y, heading = (
            float(rng.choice(_PAVEMENTS)) + rng.uniform(-0.5, 0.5),
            rng.choice((0.0, 180.0)),
        )
    return _straight(looks, (rng.uniform(-11, 11), y, float(heading)), speed * gap_s, rng, None)


def _intruder(kind: str, camera: str, gap_s: float, rng: _Rng) -> _Path:
    """Let somebody cross the premises: there in all frames, or only in the first or last ones."""
    grounds = _GROUNDS["garden" if camera == "garden" else "street"]
    ground = _DRIVE if kind == "car" else grounds[int(rng.integers(len(grounds)))]
    left, right, near, far = ground
    heading = rng.choice((-90.0, 90.0)) if kind == "car" else rng.uniform(0, 360)
    at = (rng.uniform(left, right), rng.uniform(near, far), float(heading))
    pace = rng.uniform(*_SPEED_M_S[kind]) * gap_s
    return _straight(choose_looks(kind, rng), at, pace, rng, ground)


def _straight(looks: Pose, at: Point, pace_m: float, rng: _Rng, ground: _Ground | None) -> _Path:
    """Walk or drive straight on, through a point in one of the frames.

    Off its ground, if it has one, nobody is seen.
    """
    anchor = int(rng.integers(3))
    phase, turn = rng.uniform(0, 2 * math.pi), math.radians(at[2])

    def pose(frame: int) -> Pose | None:
        way = pace_m * (frame - anchor)
        x, y = at[0] + way * math.cos(turn), at[1] + way * math.sin(turn)
        if ground is not None and not (ground[0] <= x <= ground[1] and ground[2] <= y <= ground[3]):
            return None
        return posed(looks, (x, y, at[2]), phase + 4.4 * way)

    return pose


def _sweep(rng: _Rng) -> Callable[[int], tuple[Point, Point]]:
    """A car out of sight whose light sweeps over the premises."""
    x, along = rng.uniform(-9, 9), rng.uniform(-3, 3)
    aim_x, across, far = rng.uniform(-5, 5), rng.uniform(-3, 3), rng.uniform(6, 12)
    return lambda frame: (
        (x + along * frame, 18.5, 0.8),
        (aim_x + across * frame, far - 1.5 * frame, 1.5),
    )


def _flight(rng: _Rng) -> Callable[[int], tuple[float, float]]:
    """An insect before the lens, somewhere else in each frame, in some of them out of sight."""
    places = rng.uniform(-0.3, 1.3, (3, 2))
    places[int(rng.integers(3))] = rng.uniform(0.1, 0.9, 2)
    return lambda frame: (float(places[frame, 0]), float(places[frame, 1]))
