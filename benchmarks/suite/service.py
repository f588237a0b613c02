"""The worker, the demo and the installation: how soon they are there, and how much they hold."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import cv2

from benchmarks.suite.figures import Figure, figure_of_rounds
from benchmarks.suite.plan import Part, Plan
from benchmarks.worker import WorkerFigures
from benchmarks.worker import measure as measure_worker_process

CAMERAS, QUICK_CAMERAS = 20, 2
VERDICT_LIMIT_S = 120.0
PACKAGE = "veroallarme"


def measure_worker(plan: Plan) -> Part:
    """Start a worker, let its cameras see motion, and read its memory."""
    cv2.setNumThreads(1)
    cameras, rounds, starts = (QUICK_CAMERAS, 1, 1) if plan.quick else (CAMERAS, plan.rounds, 3)
    try:
        with tempfile.TemporaryDirectory(prefix="veroallarme-") as folder:
            measuring = measure_worker_process(
                Path(folder), cameras, rounds, starts, with_rest=not plan.quick
            )
            return Part(_worker_figures(asyncio.run(measuring)))
    except FileNotFoundError as error:  # mosquitto
        return Part(notes=(f"worker: {error}; nothing was measured.",))


def _worker_figures(measured: WorkerFigures) -> tuple[Figure, ...]:
    cameras = f"{measured.cameras} cameras"
    figures = [
        _of_each("worker, start to online, by the clock", "s", measured.online_s),
        _of_each("worker, start to online, processor time", "s", measured.online_cpu_s),
        _of_each(
            "motion to verdict beyond the snapshots, by the clock", "ms", measured.verdict_ms
        ),
        _of_each("worker, processor time of an event", "ms", measured.verdict_cpu_ms),
        _of_each(f"the same with motion at {cameras} at once, by the clock", "ms",
                 measured.at_once_ms),
    ]  # fmt: skip
    for name, memory in (
        ("online", measured.idle),
        ("after its events", measured.judged),
        ("at rest after them", measured.rested),
    ):
        if memory is not None:
            figures.append(
                Figure(name=f"worker of {cameras}, {name}", unit="MB", median=memory.resident)
            )
    if measured.judged is not None:
        peak = measured.judged.peak
        figures.append(Figure(name=f"worker of {cameras}, at most", unit="MB", median=peak))
    return tuple(figures)


def _of_each(name: str, unit: str, values: Sequence[float]) -> Figure:
    """Return the figure of values that each are a round: they come one after the other."""
    return figure_of_rounds(name, unit, _thirds(values))


def _thirds(values: Sequence[float]) -> list[Sequence[float]]:
    size = max(1, len(values) // 3)
    return [values[start : start + size] for start in range(0, size * 3, size) if values[start:]]


def measure_demo(plan: Plan) -> Part:
    """Time the demo to its first verdict, as on a second run: everything is installed."""
    rounds = 1 if plan.quick else 3
    wall, cpu = zip(*(_first_verdict() for _ in range(rounds)), strict=True)
    return Part(
        (
            _of_each("demo, first verdict of a second run, by the clock", "s", wall),
            _of_each("demo, processor time until it has ended", "s", cpu),
        )
    )


def _first_verdict() -> tuple[float, float]:
    before = os.times()
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "veroallarme_core.cli", "demo", "--once", "--limit", "1"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as demo:
        assert demo.stdout is not None
        lines = iter(demo.stdout)
        verdict = re.compile(r" (alarm|quiet) ")
        if not any(verdict.search(line) for line in lines):
            raise RuntimeError(f"the demo gave no verdict and ended with {demo.wait()}")
        seconds = time.monotonic() - started
        for _ in lines:
            pass
        demo.wait(VERDICT_LIMIT_S)
    after = os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])
    return seconds, cpu


def measure_installation(plan: Plan) -> Part:
    """Add up the files of the package and of all that it needs here, without extras."""
    from packaging.requirements import Requirement

    names, waiting = set(), [PACKAGE]
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        names.add(name)
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(_canonical(requirement.name))
    own = Path(__file__).resolve().parents[2] / "veroallarme_core"
    total = sum(_size(path) for path in own.rglob("*"))
    for name in names - {PACKAGE}:
        total += sum(_size(Path(str(path.locate()))) for path in metadata.files(name) or ())
    return Part((Figure(name="installed worker, without pip", unit="MB", median=total / 1e6),))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
