"""Measure Stage 1 and the first judgement on real footage; prints Markdown.

    python benchmarks/first_judgement.py [FOOTAGE]

FOOTAGE (or the variable VEROALLARME_FOOTAGE) is a folder with `cameras/` and `scenes/`, each with
a folder per camera: `<event_id>/{0,1,2}.jpg` and `labels.csv`. Events labelled `uncertain` are
left out. No reference picture is given, so a burst without any motion is `unknown`.
"""

from __future__ import annotations

import csv
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import State
from veroallarme_core.judgement import BurstJudgement, judge_motion
from veroallarme_core.motion_detection import MotionDetectionResult, MotionDetector, min_area_for
from veroallarme_core.pictures import DecodedFrame, FrameError, read_frame

# The corrupt events of this camera have traffic on a street behind the premises, and no cue
# without learning tells it from traffic in the yard. Below this row there is only the yard.
STREET_CAMERA, STREET_ROWS = "cameras/factory", 190


@dataclass(frozen=True)
class LabelledEvent:
    """One labelled event: its folder and what a person says about it."""

    folder: Path
    label: str
    cause: str


@dataclass
class CameraFigures:
    """What was counted on one camera."""

    states: Counter[tuple[str, State]] = field(default_factory=Counter)
    causes: dict[str, Counter[State]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    damaged: Counter[tuple[str, State]] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)


def labelled_events(camera: Path) -> Iterator[LabelledEvent]:
    """Yield the labelled events of a camera's folder, without the uncertain ones."""
    with (camera / "labels.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row.get("uncertain", "0") != "1":
                yield LabelledEvent(camera / row["event_id"], row["label"], row["cause"])


def read_burst(folder: Path) -> list[DecodedFrame | None]:
    """Read the frames of an event in order of time; None where one cannot be decoded."""
    frames: list[DecodedFrame | None] = []
    for path in sorted(folder.glob("[0-9].jpg")):
        try:
            frames.append(read_frame(path))
        except FrameError:
            frames.append(None)
    return frames


def judge(
    frames: Sequence[DecodedFrame | NDArray[np.uint8] | None],
) -> tuple[MotionDetectionResult, BurstJudgement]:
    """Run Stage 1 and the judgement as the pipeline does."""
    first = next(frame for frame in frames if frame is not None)
    image = first.image if isinstance(first, DecodedFrame) else first
    detector = MotionDetector(min_area=min_area_for((image.shape[0], image.shape[1])))
    result = detector.detect_motion(frames)
    return result, judge_motion(result)


def measure(camera: Path) -> CameraFigures:
    """Judge every labelled event of a camera."""
    figures = CameraFigures()
    for event in labelled_events(camera):
        frames = read_burst(event.folder)
        start = time.perf_counter()
        result, judgement = judge(frames)
        figures.times_s.append(time.perf_counter() - start)
        figures.states[event.label, judgement.state] += 1
        figures.causes[f"{event.label}: {event.cause}"][judgement.state] += 1
        figures.reasons[event.label, judgement.reason] += 1
        if any(damage.kinds for damage in result.damage):
            figures.damaged[event.label, judgement.state] += 1
        if event.label == "relevant" and judgement.state is State.IRRELEVANT:
            figures.missed.append(f"{event.folder.name} ({judgement.reason})")
    return figures


def print_table(figures: dict[str, CameraFigures]) -> None:
    """Print what was kept and suppressed, a row per camera, and the sums."""
    print("| camera | relevant kept | irrelevant suppressed | unknown | ms per event | missed |")
    print("|---|---|---|---|---|---|")
    total: Counter[tuple[str, State]] = Counter()
    for name, camera in figures.items():
        total.update(camera.states)
        median = 1000 * statistics.median(camera.times_s)
        print(f"| {name} | {_row(camera.states)} | {median:.0f} | {', '.join(camera.missed)} |")
    print(f"| **all** | {_row(total)} | | |")


def _row(states: Counter[tuple[str, State]]) -> str:
    relevant = sum(count for (label, _), count in states.items() if label == "relevant")
    irrelevant = sum(count for (label, _), count in states.items() if label == "irrelevant")
    kept = relevant - states["relevant", State.IRRELEVANT]
    suppressed = states["irrelevant", State.IRRELEVANT]
    unknown = sum(count for (_, state), count in states.items() if state is State.UNKNOWN)
    return f"{kept} of {relevant} | {suppressed} of {irrelevant} | {unknown}"


def print_causes(figures: dict[str, CameraFigures]) -> None:
    """Print the states by label and cause, over all cameras."""
    causes: dict[str, Counter[State]] = defaultdict(Counter)
    for camera in figures.values():
        for cause, states in camera.causes.items():
            causes[cause].update(states)
    print("\n| label: cause | relevant | irrelevant | unknown |\n|---|---|---|---|")
    for cause, states in sorted(causes.items()):
        print(f"| {cause} | {' | '.join(str(states[state]) for state in _STATES)} |")


_STATES = (State.RELEVANT, State.IRRELEVANT, State.UNKNOWN)


def print_damage(figures: dict[str, CameraFigures], footage: Path) -> None:
    """Print how events with corrupt frames were judged."""
    print("\n| events with corrupt frames | relevant | irrelevant | unknown |\n|---|---|---|---|")
    for name, judged in figures.items():
        for label in ("relevant", "irrelevant"):
            counts = [judged.damaged[label, state] for state in _STATES]
            if sum(counts):
                print(f"| {name}, {label} | {' | '.join(map(str, counts))} |")
    camera = footage / STREET_CAMERA
    if camera.is_dir():
        states: Counter[State] = Counter()
        for event in labelled_events(camera):
            if event.cause == "corrupt":
                frames = [
                    None if frame is None else frame.image[STREET_ROWS:]
                    for frame in read_burst(event.folder)
                ]
                states[judge(frames)[1].state] += 1
        row = " | ".join(str(states[state]) for state in _STATES)
        print(f"| {STREET_CAMERA}, corrupt, without the street | {row} |")


def print_times(camera: Path, sizes: Sequence[tuple[int, int]], events: int = 15) -> None:
    """Print the median time of an event (three frames, decoded) at several frame sizes."""
    print("\n| frame size | Stage 1, ms | judgement, ms |\n|---|---|---|")
    bursts = [read_burst(event.folder) for event in labelled_events(camera)]
    for width, height in sizes:
        times: list[tuple[float, float]] = []
        for burst in bursts[:: max(1, len(bursts) // events)]:
            frames = [
                np.asarray(cv2.resize(frame.image, (width, height)), np.uint8)
                for frame in burst
                if frame is not None
            ]
            detector = MotionDetector(min_area=min_area_for((height, width)))
            start = time.perf_counter()
            result = detector.detect_motion(frames)
            middle = time.perf_counter()
            judge_motion(result)
            times.append((middle - start, time.perf_counter() - middle))
        stage_1, judgement = (
            1000 * statistics.median(column) for column in zip(*times, strict=True)
        )
        print(f"| {width}x{height} | {stage_1:.0f} | {judgement:.0f} |")


def main(arguments: Sequence[str]) -> int:
    """Measure all cameras below the footage folder."""
    named = arguments[0] if arguments else os.environ.get("VEROALLARME_FOOTAGE", "")
    footage = Path(named)
    cameras = sorted(path.parent for path in footage.glob("*/*/labels.csv")) if named else []
    if not cameras:
        where = f"no */*/labels.csv below {footage}" if named else "no folder named"
        print(f"No footage: {where}; give the folder or set VEROALLARME_FOOTAGE.", file=sys.stderr)
        return 2
    cv2.setNumThreads(1)
    figures = {str(camera.relative_to(footage)): measure(camera) for camera in cameras}
    print_table(figures)
    print_causes(figures)
    print_damage(figures, footage)
    print_times(
        max(cameras, key=lambda camera: len(figures[str(camera.relative_to(footage))].times_s)),
        [(704, 576), (1280, 720), (1920, 1080)],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
