"""How soon a worker is there, what memory it holds, and how soon its verdicts come.

    python -m benchmarks.worker
    python -m benchmarks.worker --cameras 20 --rounds 5 --starts 3
    python -m benchmarks.worker --cameras 500 --at-once 50 --alone 50

A real mosquitto, cameras over HTTP that show drawn events of 704x576, and the worker in a process
of its own. Each of a few starts is timed from the process to `online` on MQTT, by the clock and by
the processor time of the worker, which another load on the machine leaves as it is. The last
worker then judges: first one camera after another, each verdict timed from the motion message on
and less the fetching of the snapshots; then many at once, in rounds, of which is told how many
nobody had time for. Memory is read before any motion, right after the last verdict, and when the
worker has been at rest for a while.
Resident memory counts the pages of libraries as well, anonymous memory is the worker's own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import cv2
import numpy as np

from benchmarks.cpu_share import cpu_seconds
from benchmarks.peers import HttpCamera, Listener, Mosquitto, WorkerProcess
from veroallarme_core.demo.events import encode
from veroallarme_core.drawing import draw_event
from veroallarme_core.worker.camera.camera_judge import OVERLOADED
from veroallarme_core.worker.camera.judging import IDLE_S

SIZE = (576, 704)
EVENTS = (
    "person_in_the_drive",
    "tree_in_light_wind",
    "rain_streaks",
    "nothing_moves",
    "person_under_the_moving_tree",
)
STATUS = "veroallarme/home/worker/main/status"
START_LIMIT_S = 60.0
ROUND_LIMIT_S = 120.0


@dataclass(frozen=True)
class Memory:
    """What a process holds, in MB."""

    resident: float
    anonymous: float
    """Of it, what is no page of a file."""
    peak: float


@dataclass
class WorkerFigures:
    """What was measured."""

    cameras: int
    online_s: list[float] = field(default_factory=list)
    """From the start of the process to `online`, for each start."""
    online_cpu_s: list[float] = field(default_factory=list)
    """Processor time that the worker had used by then."""
    verdict_ms: list[float] = field(default_factory=list)
    """From the motion message to the verdict, less fetching, one camera at a time."""
    verdict_cpu_ms: list[float] = field(default_factory=list)
    """Processor time of the worker for each of these events, all threads."""
    at_once_ms: list[float] = field(default_factory=list)
    """As `verdict_ms`, with motion at several cameras at the same time."""
    overloaded: int = 0
    """Of these events, those for which no thread had time."""
    idle: Memory | None = None
    """Once it is online and nothing has moved."""
    judged: Memory | None = None
    """After every camera has had its events."""
    rested: Memory | None = None
    """When nothing has moved for a while after that."""


def memory_of(pid: int) -> Memory:
    """Read what a process holds."""
    status = _proc(pid, "status")
    rollup = _proc(pid, "smaps_rollup")
    return Memory(
        resident=_kilobytes(status, "VmRSS"),
        anonymous=_kilobytes(rollup, "Anonymous"),
        peak=_kilobytes(status, "VmHWM"),
    )


def _proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8")


def _kilobytes(text: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+([0-9]+)", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def event_frames(names: Sequence[str] = EVENTS) -> list[tuple[bytes, ...]]:
    """Draw what the cameras show."""
    return [tuple(encode(frame) for frame in draw_event(name, size=SIZE).frames) for name in names]


def worker_config(
    port: int, camera: HttpCamera, names: Sequence[str], site: str = "home"
) -> dict[str, Any]:
    """Return the content of the worker's configuration file."""
    return {
        "site": site,
        "mqtt": {"host": "127.0.0.1", "port": port},
        "cameras": {
            name: {
                "triggers": [{"topic": motion_topic(name), "start": "ON", "end": "OFF"}],
                "snapshot": {"url": camera.url(name)},
                "burst": {"size": 3, "spacing_s": 0.1, "limit_s": 10},
                "settings": {"mode": "filter", "hold_s": 1},
                "merge_window_s": 0,
                "reference_every_s": 0,
            }
            for name in names
        },
    }


def motion_topic(camera: str) -> str:
    """Return where a camera says that something moves."""
    return f"cam/{camera}/motion"


async def measure(
    folder: Path,
    cameras: int,
    rounds: int,
    starts: int,
    *,
    with_rest: bool = True,
    at_once: int | None = None,
    alone: int | None = None,
) -> WorkerFigures:
    """Start a worker so many times, and let the last one judge.

    Args:
        folder: for the files of broker and worker.
        cameras: how many there are.
        rounds: events of a camera, once alone and once with others.
        starts: of the worker.
        with_rest: read the memory at rest as well, which takes some seconds.
        at_once: how many cameras see motion at the same time; None takes all.
        alone: how many of the cameras see motion one after the other; None takes all.

    Raises:
        TimeoutError: it is not there in time, or a verdict does not come.
    """
    figures = WorkerFigures(cameras)
    names = [f"camera_{number:02}" for number in range(cameras)]
    mosquitto = Mosquitto(folder, durable=False)
    mosquitto.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(mosquitto.kill)
        camera = await stack.enter_async_context(HttpCamera().serve())
        events = event_frames()
        worker = WorkerProcess(folder, worker_config(mosquitto.port, camera, names))
        stack.callback(worker.kill)
        for start in range(starts):
            if start:
                await worker.terminate()
            await _start(worker, mosquitto.port, figures)
        topics = ["veroallarme/home/camera/+/event"]
        listener = Listener(mosquitto.port, topics)
        await stack.enter_async_context(listener.listen())
        client = await stack.enter_async_context(aiomqtt.Client("127.0.0.1", mosquitto.port))
        figures.idle = memory_of(worker.pid)
        play = _Play(client, camera, listener, events)
        for round_ in range(rounds):
            for name in names[:alone]:
                before = cpu_seconds(worker.pid)
                figures.verdict_ms += await play.motion([name], round_)
                figures.verdict_cpu_ms.append((cpu_seconds(worker.pid) - before) * 1e3)
        for round_ in range(rounds):
            some = [names[(round_ * len(names) // rounds + n) % cameras] for n in range(cameras)]
            figures.at_once_ms += await play.motion(some[:at_once], round_)
        figures.overloaded = play.overloaded
        figures.judged = memory_of(worker.pid)
        if with_rest:
            await asyncio.sleep(IDLE_S + 2)
            figures.rested = memory_of(worker.pid)
        await worker.terminate()
    return figures


async def _start(worker: WorkerProcess, port: int, figures: WorkerFigures) -> None:
    listener = Listener(port, [STATUS])
    async with listener.listen():
        before = time.monotonic()
        worker.start()
        # What is retained of the worker before this one says `offline`.
        await listener.until(lambda: listener.payloads(STATUS)[-1] == b"online", START_LIMIT_S)
        figures.online_cpu_s.append(cpu_seconds(worker.pid))
        figures.online_s.append(listener.heard[-1].at - before)


@dataclass
class _Play:
    """Lets cameras see motion and waits for the verdicts."""

    client: aiomqtt.Client
    camera: HttpCamera
    listener: Listener
    events: Sequence[tuple[bytes, ...]]
    overloaded: int = 0

    async def motion(self, names: Sequence[str], round_: int) -> list[float]:
        """Let these cameras see an event at once; return milliseconds beyond the snapshots."""
        for index, name in enumerate(names):
            self.camera.frames[name] = self.events[(round_ + index) % len(self.events)]
        heard = len(self.listener.heard)
        sent_at = {}
        for name in names:
            sent_at[name] = time.monotonic()
            await self.client.publish(motion_topic(name), "ON", qos=1)
        await self.listener.until(
            lambda: len(self.listener.heard) - heard >= len(names), ROUND_LIMIT_S
        )
        for name in names:
            await self.client.publish(motion_topic(name), "OFF", qos=1)
        times = []
        for message in self.listener.heard[heard:]:
            verdict = message.json()
            beyond_s = message.at - sent_at[verdict["camera"]]
            times.append(beyond_s * 1e3 - verdict["timing_ms"]["fetch"])
            self.overloaded += verdict["reason"] == OVERLOADED
        return times


def print_figures(figures: WorkerFigures) -> None:
    """Print a table."""

    def row(name: str, values: Sequence[float], digits: int = 0) -> None:
        shown = (f"{value:.{digits}f}" for value in np.percentile(values, (50, 95, 99)))
        print(f"| {name} | {' | '.join(shown)} |")

    print(f"\n{figures.cameras} cameras\n\n| | median | p95 | p99 |\n|---|---|---|---|")
    row("start to `online`, s", figures.online_s, 2)
    row("processor time until then, s", figures.online_cpu_s, 2)
    row("motion to verdict beyond the snapshots, ms", figures.verdict_ms)
    row("processor time of that event, ms", figures.verdict_cpu_ms)
    row("the same, many at once, ms", figures.at_once_ms)
    print(f"\nno thread had time for {figures.overloaded} of {len(figures.at_once_ms)} events")
    print("\n| memory, MB | resident | anonymous | peak |\n|---|---|---|---|")
    rows = {
        "online": figures.idle,
        "after the events": figures.judged,
        "at rest again": figures.rested,
    }
    for name, memory in rows.items():
        if memory is not None:
            numbers = (memory.resident, memory.anonymous, memory.peak)
            print(f"| {name} | {' | '.join(f'{number:.0f}' for number in numbers)} |")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5, help="of events, one for every camera")
    parser.add_argument("--starts", type=int, default=3, help="of the worker")
    parser.add_argument("--at-once", type=int, help="cameras that see motion at the same time")
    parser.add_argument("--alone", type=int, help="cameras that see motion one after the other")
    arguments = parser.parse_args(argv)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="veroallarme-") as folder:
        measuring = measure(
            Path(folder),
            arguments.cameras,
            arguments.rounds,
            arguments.starts,
            at_once=arguments.at_once,
            alone=arguments.alone,
        )
        print_figures(asyncio.run(measuring))
    return 0


if __name__ == "__main__":
    sys.exit(main())
