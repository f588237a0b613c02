"""What one event costs, stage by stage, and as a multiple of decoding its frames; prints Markdown.

    python -m benchmarks.event
    python -m benchmarks.event --footage /path/to/footage --every 8
    python -m benchmarks.event --clock cpu          # on a machine that others use at the same time

An event is three JPEG frames that become a verdict with its picture. Drawn events of 704x576 and
1920x1080 are judged by a camera that has learned nothing yet and by one that has learned, with a
reference picture and without; with --footage (or VEROALLARME_FOOTAGE and --footage alone) also
real ones, at the size that they have. OpenCV, NumPy and the inference run on one thread each.
What decides is the last row, in the same run: machines are shared.
"""

from __future__ import annotations

import argparse
import os

# NumPy's matrices are small here: threads that wait for the next one would only fight the rest.
# It reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

from veroallarme_core.camera_memory import FOLDS, QUANTILES, CameraModel, CameraState, SceneMemory
from veroallarme_core.contract import CameraSettings, Mode, Promise
from veroallarme_core.demo.events import encode
from veroallarme_core.description import SKETCH_DIM
from veroallarme_core.drawing import draw_event
from veroallarme_core.pipeline import EventPipeline, event_pipeline, judged_burst

SIZES = ((576, 704), (1080, 1920))
EVENTS = (
    "person_in_the_drive",
    "tree_in_light_wind",
    "cloud_shadow",
    "nothing_moves",
    "corrupt_green_band",
    "person_under_the_moving_tree",
    "rain_streaks",
    "infrared_switch",
    "person_in_infrared",
    "noise_at_night",
)
STAGES = {
    "decode": (event_pipeline, ("decode_burst",)),
    "Stage 1": (event_pipeline, ("find_motion",)),
    "rules": (event_pipeline, ("judge_by_rules", "add_faint")),
    "detect": (event_pipeline, ("find_moving_objects",)),
    "describe": (event_pipeline, ("gather_evidence",)),
    "memory": (event_pipeline, ("judge_from_memory", "rank_by_appearance")),
    "picture": (judged_burst, ("strongest_frame", "draw_verdict", "encode_jpeg")),
}
"""The functions in which each stage spends its time, and the module that calls them."""
WHOLE = "whole event"
BEGUN = datetime(2026, 6, 1, 8, tzinfo=UTC)
LINE = 0.8
"""Rank below which the learned camera suppresses, and looks twice before it does."""
HISTORY = 12
"""Hours in each of which the learned camera has seen all of its events."""

Clock = Callable[[], float]
Frames = tuple[bytes, ...]


@dataclass
class Times:
    """Seconds that the events of one table took, by stage."""

    stages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    regions: list[int] = field(default_factory=list)

    def add(self, spent: dict[str, float], regions: int) -> None:
        """Add one event."""
        for stage in (*STAGES, WHOLE):
            self.stages[stage].append(spent.get(stage, 0.0))
        self.regions.append(regions)

    def ratio(self) -> float:
        """Return the median of the whole event over that of decoding."""
        return float(np.median(self.stages[WHOLE]) / np.median(self.stages["decode"]))


@contextmanager
def _stages_timed(spent: dict[str, float], clock: Clock) -> Iterator[None]:
    """Add to `spent` what each stage of the pipeline takes."""

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            started = clock()
            try:
                return function(*arguments, **named)
            finally:
                spent[stage] = spent.get(stage, 0.0) + clock() - started

        return call

    with ExitStack() as stack:
        for stage, (caller, names) in STAGES.items():
            for name in names:
                function = timed(stage, getattr(caller, name))
                stack.enter_context(mock.patch.object(caller, name, function))
        yield


def measure(
    pipeline: EventPipeline,
    events: Sequence[Frames],
    reference: bytes | None,
    state: CameraState | None,
    clock: Clock,
    repeats: int,
) -> Times:
    """Judge every event, the first round for nothing: runtimes prepare themselves."""
    settings = CameraSettings(mode=Mode.FILTER)
    at = BEGUN + timedelta(days=9)
    times = Times()
    for turn in range(repeats + 1):
        for frames in events:
            spent: dict[str, float] = {}
            with _stages_timed(spent, clock):
                started = clock()
                result = pipeline.judge(frames, settings, reference, state, motion_at=at)
                spent[WHOLE] = clock() - started
            if turn:
                times.add(spent, len(result.regions))
    return times


def learned_state(pipeline: EventPipeline, events: Sequence[Frames]) -> CameraState:
    """Return a camera that has seen these events several times, with a model that ranks evenly.

    What it judges does not matter here, only that all of it is computed.
    """
    folder, memory = Path(os.devnull), SceneMemory(pipeline.encoder_name)
    settings, fresh = CameraSettings(mode=Mode.FILTER), CameraState(folder, memory)
    seen = [pipeline.judge(frames, settings, state=fresh).evidence for frames in events]
    for session in range(HISTORY):
        for index, evidence in enumerate(seen):
            at = BEGUN + timedelta(hours=session, minutes=index)
            if evidence is not None:
                memory.observe(evidence, f"{at:%Y%m%d_%H%M%S}_{index:06x}", at.timestamp())
    even = np.linspace(0.0, 1.0, QUANTILES)
    model = CameraModel(
        encoder=memory.encoder,
        detector=pipeline.detector_name,
        events=memory.events,
        cue_quantiles=np.tile(even, (4, 1)),
        teacher_quantiles=even,
        heads=np.zeros((FOLDS, SKETCH_DIM + 1)),
        head_quantiles=np.tile(even, (FOLDS, 1)),
        threshold=LINE,
        promise=Promise(
            recall=0.99,
            confidence=0.95,
            synthetic=1200,
            synthetic_recall=0.99,
            confirmed=0,
            confirmed_recall=None,
            since="2026-06-01T00:00:00+00:00",
        ),
        view=memory.reaimed,
    )
    return CameraState(folder, memory, model)


def drawn_events(size: tuple[int, int], names: Sequence[str] = EVENTS) -> list[Frames]:
    """Draw the events as a camera of (height, width) would send them."""
    return [tuple(encode(frame) for frame in draw_event(name, size=size).frames) for name in names]


def real_events(camera: Path, every: int) -> list[Frames]:
    """Read every so many events of a camera's folder, one folder of pictures each."""
    folders = sorted(path.parent for path in camera.glob("*/0.jpg"))[::every]
    return [
        tuple(path.read_bytes() for path in sorted(folder.glob("[0-9].jpg"))) for folder in folders
    ]


def print_table(title: str, times: Times) -> None:
    """Print one table: milliseconds by stage, and the whole event over its decoding."""
    regions = f"{np.median(times.regions):.0f} regions in the median, {max(times.regions)} at most"
    print(f"\n{title}: {len(times.regions)} events, {regions}\n")
    print("| stage | median, ms | p95 | p99 |\n|---|---|---|---|")
    for stage, seconds in times.stages.items():
        row = (f"{1e3 * value:.1f}" for value in np.percentile(seconds, (50, 95, 99)))
        print(f"| {stage} | {' | '.join(row)} |")
    print(f"| whole event / decoding | {times.ratio():.1f} x | | |", flush=True)


def _measure_camera(
    title: str,
    pipeline: EventPipeline,
    events: Sequence[Frames],
    clock: Clock,
    repeats: int,
) -> None:
    """Print the tables of one camera: fresh and learned, without a reference picture and with."""
    learned = learned_state(pipeline, events)
    reference = events[0][0]
    for name, state in (("fresh", None), ("learned", learned)):
        print_table(f"{title}, {name}", measure(pipeline, events, None, state, clock, repeats))
    times = measure(pipeline, events, reference, learned, clock, repeats)
    print_table(f"{title}, learned, with a reference picture", times)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--footage", nargs="?", const="", metavar="DIR", help="real events as well")
    parser.add_argument("--every", type=int, default=8, help="take every so many real events")
    parser.add_argument("--repeats", type=int, default=5, help="of every drawn event")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    arguments = parser.parse_args(argv)
    footage = arguments.footage or os.environ.get("VEROALLARME_FOOTAGE", "")
    if arguments.footage is not None and not footage:
        parser.error("--footage: name a folder, or set VEROALLARME_FOOTAGE to one")
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    cv2.setNumThreads(1)
    pipeline = EventPipeline.with_shipped_networks(1)
    print(
        f"{arguments.clock} time; one thread each for OpenCV {cv2.__version__}, "
        f"NumPy {np.__version__}, {pipeline.encoder_name} and {pipeline.detector_name}"
    )
    for height, width in SIZES:
        events = drawn_events((height, width))
        title = f"Drawn, {width}x{height}"
        _measure_camera(title, pipeline, events, clock, arguments.repeats)
    if arguments.footage is not None:
        cameras = sorted(path.parent for path in Path(footage).glob("cameras/*/labels.csv"))
        if not cameras:
            print(f"No cameras/*/labels.csv below {footage}.", file=sys.stderr)
            return 2
        for camera in cameras:
            events = real_events(camera, arguments.every)
            _measure_camera(f"Real, {camera.name}", pipeline, events, clock, 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
