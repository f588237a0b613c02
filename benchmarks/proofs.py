"""What each proof of nuisance suppresses, and whom it would hide; prints Markdown.

    python -m benchmarks.proofs [FOOTAGE] [--people N] [--seed S]

Bursts are drawn in which light, the clock, a corrupt frame, a shaking camera or traffic outside a
zone would make a proof, once empty and N times with a person of 10 to 140 px who stands, creeps or
walks, faint to clear, by day, at dusk and in infrared. A rule that suppresses a burst with a person
hides an intruder: the goal is none. FOOTAGE (or VEROALLARME_FOOTAGE) is a folder with `cameras/`
and `scenes/`, labelled; its events are judged as on the first day, without a reference picture.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.first_judgement import LabelledEvent, labelled_events
from veroallarme_core.contract import CameraSettings, Mode, State, Zone
from veroallarme_core.pipeline import EventPipeline

Floats = NDArray[np.float32]


class Light(NamedTuple):
    """How a drawn ground looks under one light; grey levels."""

    size: tuple[int, int]
    brightness: tuple[float, float]
    texture: float
    noise: float
    is_coloured: bool


LIGHTS = {
    "day": Light((576, 704), (70, 170), 22.0, 2.0, True),
    "dusk": Light((720, 1280), (30, 90), 12.0, 3.0, True),
    "infrared": Light((576, 704), (14, 60), 9.0, 2.0, False),
}
HEIGHTS_PX = (10, 28, 48, 80, 140)
STEPS_PX = (0, 1, 2, 4, 8, 30)
CONTRASTS = (-60, -30, -18, 18, 30, 60)
QUALITIES = (60, 75, 85, 95)
ZONE = Zone(name="left", points=((0, 0), (0.6, 0), (0.6, 1), (0, 1)))


@dataclass(frozen=True)
class Burst:
    """One drawn burst: what would make the proof, and who is in it."""

    seed: int
    light: str
    circumstance: str
    height_px: int = 0
    """0 is nobody."""
    step_px: int = 0
    contrast: int = 0


def draw_ground(light: Light, rng: np.random.Generator) -> Floats:
    """Draw a textured ground, float32 (H, W, 3)."""
    height, width = light.size
    grey = rng.uniform(*light.brightness, (height // 24, width // 24, 1))
    coarse = (grey + rng.uniform(-12, 12, (*grey.shape[:2], 3)) * light.is_coloured).astype("f4")
    fine = rng.uniform(-light.texture, light.texture, (height // 4, width // 4)).astype("f4")
    ground = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = cv2.resize(fine, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(ground + grain[..., None], np.float32)


def draw_person(ground: Floats, x: int, y: int, height: int, contrast: float) -> Floats:
    """Draw a head on a body that is `contrast` grey levels off the ground, with folds."""
    width = max(4, height // 3)
    body = np.zeros(ground.shape[:2], np.float32)
    cv2.circle(body, (x + width // 2, y + width // 2), max(2, width // 3), 1.0, -1)
    cv2.rectangle(body, (x, y + width), (x + width - 1, y + height), 1.0, -1)
    body = cv2.GaussianBlur(body, (3, 3), 0)[..., None]
    mean = ground[y : y + height, x : x + width].mean(axis=(0, 1))
    folds = 6 * np.sin(np.arange(ground.shape[0], dtype=np.float32) / 4)[:, None, None]
    return np.asarray(ground * (1 - body) + (mean + contrast + folds) * body, np.float32)


def _soft_light(picture: Floats, index: int, rng: np.random.Generator) -> Floats:
    across = np.linspace(-1, 1, picture.shape[1], dtype=np.float32)[None, :, None]
    return np.asarray(picture + 14 * index * across + 5 * index, np.float32)


def _exposure(picture: Floats, index: int, rng: np.random.Generator) -> Floats:
    return np.asarray(picture * (1 + 0.06 * index), np.float32)


def _shake(picture: Floats, index: int, rng: np.random.Generator) -> Floats:
    matrix = np.array([[1, 0, 3.0 * index], [0, 1, -2.0 * index]])
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REFLECT), "f4")


def _corrupt(picture: Floats, index: int, rng: np.random.Generator) -> Floats:
    shown = picture.copy()
    if index == 1:
        top = round(0.93 * shown.shape[0]) // 16 * 16
        shown[top:] = rng.uniform(0, 60, shown[top:].shape)
        shown[top:, :, 1] += rng.uniform(110, 190, shown[top:, :, 1].shape)
    return shown


def _clock(picture: Floats, index: int, rng: np.random.Generator) -> Floats:
    shown = np.clip(picture, 0, 255).astype(np.uint8)
    text = f"2026-11-28 10:31:{7 + 9 * index:02}"
    for colour, width in ((20, 5), (245, 2)):
        cv2.putText(shown, text, (20, 30), cv2.FONT_HERSHEY_PLAIN, 1.4, (colour,) * 3, width)
    return shown.astype(np.float32)


def _traffic(picture: Floats, index: int, rng: np.random.Generator) -> Floats:
    shown = picture.copy()
    x = round(0.75 * shown.shape[1]) + 40 * index
    shown[100:140, x : x + 70] = 220
    return shown


CIRCUMSTANCES: dict[str, Callable[[Floats, int, np.random.Generator], Floats]] = {
    "nothing": lambda picture, index, rng: picture,
    "soft light": _soft_light,
    "exposure": _exposure,
    "shake": _shake,
    "corrupt frame": _corrupt,
    "clock": _clock,
    "traffic outside": _traffic,
}


def draw(burst: Burst) -> tuple[list[bytes], bytes]:
    """Return a burst and a reference picture without motion, encoded."""
    names = (*LIGHTS, *CIRCUMSTANCES)
    key = [burst.seed, names.index(burst.light), names.index(burst.circumstance)]
    rng = np.random.default_rng([*key, burst.height_px, burst.step_px, burst.contrast % 256])
    light = LIGHTS[burst.light]
    ground = draw_ground(light, rng)
    quality = int(rng.choice(QUALITIES))

    def photograph(picture: Floats) -> bytes:
        noise = rng.normal(0, light.noise, (*picture.shape[:2], 3 if light.is_coloured else 1))
        shown = np.clip(picture + noise, 0, 255).astype(np.uint8)
        return cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()

    change = CIRCUMSTANCES[burst.circumstance]
    x = int(rng.integers(60, round(0.6 * light.size[1]) - 160))
    y = int(rng.integers(60, light.size[0] - 240))
    frames = []
    for index in range(3):
        picture = ground
        if burst.height_px:
            at = x + burst.step_px * index
            picture = draw_person(ground, at, y, burst.height_px, burst.contrast)
        frames.append(photograph(change(picture, index, rng)))
    return frames, photograph(change(ground, 2 if burst.circumstance == "exposure" else 0, rng))


@cache
def _pipeline() -> EventPipeline:
    cv2.setNumThreads(1)
    return EventPipeline.with_shipped_networks()


def judge_drawn(burst: Burst) -> tuple[Burst, State, str]:
    """Judge a drawn burst as a fresh installation does that has a reference picture."""
    frames, reference = draw(burst)
    zones = (ZONE,) if burst.circumstance == "traffic outside" else ()
    settings = CameraSettings(mode=Mode.FILTER, zones=zones)
    result = _pipeline().judge(frames, settings, reference)
    return burst, result.state, result.reason


def judge_event(event: LabelledEvent) -> tuple[str, State, str]:
    """Judge a real event as a fresh installation does; its label comes first."""
    frames = [path.read_bytes() for path in sorted(event.folder.glob("[0-9].jpg"))]
    result = _pipeline().judge(frames, CameraSettings(mode=Mode.FILTER))
    return event.label, result.state, result.reason


def drawn_people(count: int, seed: int) -> Iterator[Burst]:
    """Yield bursts with a person, spread evenly over light, circumstance, size, step, contrast."""
    rng = np.random.default_rng(seed)
    choices = (tuple(LIGHTS), tuple(CIRCUMSTANCES), HEIGHTS_PX, STEPS_PX, CONTRASTS)
    columns = []
    for values in choices:
        column = [values[k % len(values)] for k in range(count)]
        rng.shuffle(column)
        columns.append(column)
    for number, (light, circumstance, height, step, contrast) in enumerate(
        zip(*columns, strict=True)
    ):
        yield Burst(seed + number, light, circumstance, height, step, contrast)


def real_events(footage: Path) -> Iterator[LabelledEvent]:
    """Yield the labelled events of all cameras below a folder."""
    for labels in sorted(footage.glob("*/*/labels.csv")):
        yield from labelled_events(labels.parent)


def print_drawn(judged: list[tuple[Burst, State, str]]) -> int:
    """Print by rule what is suppressed and who is hidden; return how many people are hidden."""
    by_rule: dict[str, Counter[str]] = defaultdict(Counter)
    hidden = [
        (burst, reason)
        for burst, state, reason in judged
        if burst.height_px and state is State.IRRELEVANT
    ]
    for burst, state, reason in judged:
        if state is State.IRRELEVANT:
            by_rule[reason]["hidden" if burst.height_px else "empty"] += 1
    people = sum(bool(burst.height_px) for burst, _, _ in judged)
    print(f"| rule | empty bursts suppressed (of {len(judged) - people}) | people hidden |")
    print("|---|---|---|")
    for rule, counts in sorted(by_rule.items()):
        print(f"| {rule} | {counts['empty']} | {counts['hidden']} of {people} |")
    for name in ("light", "circumstance", "height_px", "step_px", "contrast"):
        totals = Counter(getattr(burst, name) for burst, _, _ in judged if burst.height_px)
        found = Counter(getattr(burst, name) for burst, _ in hidden)
        cells = ", ".join(f"{value}: {found[value]} of {totals[value]}" for value in sorted(totals))
        print(f"\nHidden by {name}: {cells}")
    return len(hidden)


def print_real(judged: list[tuple[str, State, str]]) -> None:
    """Print by rule what is suppressed of real events."""
    totals = Counter(label for label, _, _ in judged)
    rules = sorted({reason for *_, state, reason in judged if state is State.IRRELEVANT})
    print("\n| rule, real events | irrelevant suppressed | relevant suppressed |\n|---|---|---|")
    for rule in [*rules, "all"]:
        found = Counter(
            label
            for label, state, reason in judged
            if state is State.IRRELEVANT and rule in (reason, "all")
        )
        cells = (f"{found[label]} of {totals[label]}" for label in ("irrelevant", "relevant"))
        print(f"| {rule} | {' | '.join(cells)} |")


def main(arguments: list[str]) -> int:
    """Judge drawn and real bursts, print the tables, and fail where a person is hidden."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("footage", nargs="?", default=os.environ.get("VEROALLARME_FOOTAGE"))
    parser.add_argument("--people", type=int, default=1260, help="bursts with a person")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    empty = [
        Burst(options.seed + k, light, circumstance)
        for k in range(4)
        for light in LIGHTS
        for circumstance in CIRCUMSTANCES
    ]
    bursts = [*empty, *drawn_people(options.people, options.seed)]
    with ProcessPoolExecutor() as pool:
        hidden = print_drawn(list(pool.map(judge_drawn, bursts, chunksize=8)))
        if options.footage:
            events = list(real_events(Path(options.footage)))
            print_real(list(pool.map(judge_event, events, chunksize=8)))
    return 1 if hidden else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
