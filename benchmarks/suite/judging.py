"""An event from its JPEGs to its annotated picture, beside decoding alone and beside the peers.

All contenders take turns event by event, so that another load on the machine hits them all alike.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.event import EVENTS, SIZES, drawn_events, learned_state, real_events
from benchmarks.suite.figures import Figure, figure_of_rounds
from benchmarks.suite.peers import DetectorOnMotion, Frames, Subtraction, decode
from benchmarks.suite.plan import Part, Plan, milliseconds
from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import CameraSettings, Mode
from veroallarme_core.description import ObjectDetector
from veroallarme_core.pipeline import EventPipeline

AT = datetime(2026, 6, 10, 8, tzinfo=UTC)
"""When the measured events happen: after what the camera has learned."""
REAL_EVENTS = 24
"""Of each real camera, spread over its history."""
QUICK_EVENTS = EVENTS[:2]

Measured = dict[str, list[list[float]]]
"""For each contender the milliseconds of its events, round by round."""


def measure(plan: Plan) -> Part:
    """Measure at both sizes, on drawn events and on real ones where there are any."""
    cv2.setNumThreads(1)
    pipeline = EventPipeline.with_shipped_networks(1)
    figures: list[Figure] = []
    notes = []
    for height, width in SIZES[:1] if plan.quick else SIZES:
        events = drawn_events((height, width), QUICK_EVENTS if plan.quick else EVENTS)
        state = learned_state(pipeline, events)
        measured = _take_turns(plan, pipeline, events, state)
        figures += _figures(measured, f"{width}x{height}")
        if (height, width) == SIZES[0]:
            figures += _figures_of_one_size(plan, pipeline, events, state)
    if plan.footage is not None and not plan.quick:
        cameras = sorted(path.parent for path in plan.footage.glob("cameras/*/labels.csv"))
        for camera in cameras:
            figures += _real(plan, pipeline, camera)
        if not cameras:
            notes.append(f"real events: {plan.footage} holds no cameras/<camera>/labels.csv.")
    return Part(tuple(figures), tuple(notes))


def _real(plan: Plan, pipeline: EventPipeline, camera: Path) -> list[Figure]:
    count = len(list(camera.glob("*/0.jpg")))
    events = real_events(camera, max(1, count // REAL_EVENTS))
    measured = _take_turns(plan, pipeline, events, learned_state(pipeline, events))
    height, width = decode(events[0])[0].shape[:2]
    return _figures(measured, f"{width}x{height}, real, {camera.name}")


def _take_turns(
    plan: Plan, pipeline: EventPipeline, events: Sequence[Frames], state: CameraState
) -> Measured:
    settings, reference = CameraSettings(mode=Mode.FILTER), events[0][0]
    on_motion = DetectorOnMotion(ObjectDetector(threads=1))
    contenders: dict[str, Callable[[Frames], object]] = {
        "decoding": decode,
        "whole event": lambda frames: pipeline.judge(
            frames, settings, reference, state, motion_at=AT
        ),
        "MOG2": Subtraction("MOG2").judge,
        "KNN": Subtraction("KNN").judge,
        "detector on motion, 320x320": on_motion.judge,
    }
    return take_turns(plan, contenders, events)


def take_turns(
    plan: Plan, contenders: dict[str, Callable[[Frames], object]], events: Sequence[Frames]
) -> Measured:
    """Let everybody judge every event in every round, the first round for nothing."""
    measured: Measured = {name: [] for name in contenders}
    for turn in range(2 if plan.quick else plan.rounds + 1):
        this: dict[str, list[float]] = {name: [] for name in contenders}
        for frames in events:
            for name, judge in contenders.items():
                this[name].append(milliseconds(partial(judge, frames), plan.now))
        if turn:
            for name, times in this.items():
                measured[name].append(times)
    return measured


def _figures(measured: Measured, where: str) -> list[Figure]:
    decoding = measured["decoding"]
    figures = [
        figure_of_rounds(f"{name}, {where}", "ms", rounds, decoding)
        for name, rounds in measured.items()
    ]
    whole = np.array(measured["whole event"])
    p99 = float(np.percentile(whole, 99))
    worst = Figure(name=f"whole event, {where}, p99 over median", unit="x",
                   median=p99 / float(np.median(whole)))  # fmt: skip
    return [replace(figures[0], times_decoding=1.0), *figures[1:], worst]


def _figures_of_one_size(
    plan: Plan, pipeline: EventPipeline, events: Sequence[Frames], state: CameraState
) -> list[Figure]:
    updates = _updates(plan, pipeline, events, state)
    return [
        figure_of_rounds("update of the memory after an event, and its file", "ms", updates),
        _throughput(plan, pipeline, events, state),
    ]


def _updates(
    plan: Plan, pipeline: EventPipeline, events: Sequence[Frames], state: CameraState
) -> list[list[float]]:
    settings = CameraSettings(mode=Mode.FILTER)
    judged = [pipeline.judge(frames, settings, state=state, motion_at=AT) for frames in events]
    updates: list[list[float]] = []
    with tempfile.TemporaryDirectory(prefix="veroallarme-") as folder:
        state.folder = Path(folder)

        def learn(turn: int, index: int) -> None:
            at = AT + timedelta(hours=turn, minutes=index)
            state.observe(f"{at:%Y%m%d_%H%M%S}_{index:06x}", at, judged[index])
            state.save()

        for turn in range(1 if plan.quick else plan.rounds):
            works = [partial(learn, turn, index) for index in range(len(judged))]
            updates.append([milliseconds(work, plan.now) for work in works])
    return updates


def _throughput(
    plan: Plan, pipeline: EventPipeline, events: Sequence[Frames], state: CameraState
) -> Figure:
    """Judge in two threads, as the worker does; always by the clock."""
    settings = CameraSettings(mode=Mode.FILTER)
    rates = []
    with ThreadPoolExecutor(2) as threads:
        for _ in range(1 if plan.quick else plan.rounds):
            started = time.perf_counter()
            waiting = [
                threads.submit(pipeline.judge, frames, settings, None, state, motion_at=AT)
                for frames in events
            ]
            for future in waiting:
                future.result()
            rates.append([len(events) / (time.perf_counter() - started)])
    figure = figure_of_rounds("events judged by two threads, by the clock", "/s", rates)
    return replace(figure, p95=None, more_is_better=True)
