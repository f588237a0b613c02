"""Measure the page of a worker; prints Markdown.

    python -m benchmarks.page [--listeners 50] [--cameras 20] [--seconds 20]

A real worker in a process of its own, with a mosquitto and drawn cameras on loopback:

1. The first view: milliseconds and bytes of the start with all that it loads, as a browser does
   with nothing cached.
2. The load: so many browsers show the start and renew it as they hear of verdicts, while every
   camera alarms again and again. Told is how late the slowest browser hears of a verdict, how much
   of a core the worker takes, and whether verdicts came later than without browsers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import aiomqtt
import psutil

from benchmarks.house import jpegs
from benchmarks.page_peer import paged_worker
from veroallarme_core.worker.mqtt import end_tasks

VIEWS = 15
REFRESH_S = 5.0
"""How often a browser that shows the start asks for it at most, see `today.html`."""
EVERY_S = 3.0
"""How often each camera reports motion."""


@dataclass
class Load:
    """What was seen while cameras alarmed."""

    verdict_ms: list[float] = field(default_factory=list)
    """From a camera's motion to its verdict on the broker, without the pauses of the burst."""
    behind_ms: list[float] = field(default_factory=list)
    """From a verdict on the broker to the last browser that heard of it; mostly below 0, for the
    browsers are told first."""
    core_share: float = 0.0
    lost: int = 0
    """Verdicts that some browser did not hear of."""


@dataclass
class Site:
    """The worker, and where it answers."""

    broker_port: int
    base: str
    process: psutil.Process
    names: list[str]


@contextlib.asynccontextmanager
async def running_worker(folder: Path, cameras: int) -> AsyncIterator[Site]:
    """Run a worker with a page and so many cameras that show a person."""
    names = [f"camera_{number}" for number in range(cameras)]
    # Judging by cues alone: it is the page that is measured, and networks would hide it.
    async with paged_worker(folder, *names, inference={"enabled": False}) as paged:
        paged.cameras.frames = dict.fromkeys(names, jpegs("person_in_the_drive"))
        process = psutil.Process(paged.worker.pid)
        yield Site(paged.broker.port, paged.base, process, names)


async def first_view(base: str) -> tuple[float, int]:
    """Load the start with its styles and scripts; return milliseconds and bytes on the wire."""
    timeout = aiohttp.ClientTimeout(total=20)
    headers = {"Accept-Encoding": "gzip, deflate"}
    async with aiohttp.ClientSession(
        timeout=timeout, headers=headers, auto_decompress=False
    ) as http:
        begun = time.perf_counter()
        async with http.get(f"{base}/", headers={"Accept-Encoding": "identity"}) as response:
            page = await response.text()
        paths = set(re.findall(r'(?:src|href)="(/static/[^"]+|/[^"]+\.jpg[^"]*)"', page))

        async def load(path: str) -> int:
            async with http.get(base + path) as response:
                return len(await response.read())

        sizes = await asyncio.gather(*(load(path) for path in paths), load("/"))
        return (time.perf_counter() - begun) * 1e3, sum(sizes)


async def listen(base: str, heard: dict[str, list[float]]) -> None:
    """Listen as a browser does that shows the start: note each verdict, and ask for it anew."""
    timeout = aiohttp.ClientTimeout(total=None)
    asked_at, asking = 0.0, set()
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.get(f"{base}/changes") as response,
    ):

        async def ask() -> None:
            async with http.get(base, headers={"HX-Request": "true"}) as page:
                await page.read()

        async for line in response.content:
            if not line.startswith(b"data: "):
                continue
            change = json.loads(line.removeprefix(b"data: "))
            at = time.perf_counter()
            if change["kind"] == "verdict":
                heard.setdefault(change["event_id"], []).append(at)
                if at - asked_at > REFRESH_S:
                    asked_at = at
                    asking.add(task := asyncio.create_task(ask()))
                    task.add_done_callback(asking.discard)


async def load(site: Site, listeners: int, seconds: float) -> Load:
    """Let every camera alarm for a while, with so many browsers that listen."""
    heard: dict[str, list[float]] = {}
    decided: dict[str, float] = {}
    moved: dict[str, float] = {}
    found = Load()
    tasks = [asyncio.create_task(listen(site.base, heard)) for _ in range(listeners)]
    try:
        async with aiomqtt.Client("127.0.0.1", site.broker_port) as client:
            await client.subscribe("veroallarme/home/camera/+/event", qos=1)
            await asyncio.sleep(1.0)
            used_before, begun = _cpu_s(site.process), time.perf_counter()

            async def note() -> None:
                async for message in client.messages:
                    verdict = json.loads(bytes(message.payload))  # type: ignore[arg-type]
                    at = decided[verdict["event_id"]] = time.perf_counter()
                    if (began := moved.get(verdict["camera"])) is not None:
                        spent_ms = (at - began) * 1e3
                        found.verdict_ms.append(spent_ms - verdict["timing_ms"]["fetch"])

            noting = asyncio.create_task(note())
            while time.perf_counter() - begun < seconds:
                for name in site.names:
                    moved[name] = time.perf_counter()
                    await client.publish(f"cam/{name}/motion", "ON", qos=1)
                    await client.publish(f"cam/{name}/motion", "OFF", qos=1)
                    await asyncio.sleep(EVERY_S / len(site.names))
            await asyncio.sleep(3.0)
            found.core_share = (_cpu_s(site.process) - used_before) / (time.perf_counter() - begun)
            noting.cancel()
    finally:
        await end_tasks(tasks)
    for event_id, at in decided.items():
        times = heard.get(event_id, [])
        found.lost += len(times) < listeners
        if times:
            found.behind_ms.append((max(times) - at) * 1e3)
    return found


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values) or [float("nan")]
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def measure(options: argparse.Namespace) -> None:
    """Measure, and print as it comes."""
    with tempfile.TemporaryDirectory(prefix="veroallarme-page-") as folder:
        async with running_worker(Path(folder), options.cameras) as site:
            views = [await first_view(site.base) for _ in range(VIEWS)]
            milliseconds = [view[0] for view in views]
            print("| what | figure |\n|---|---|")
            print(f"| first view, median of {VIEWS} | {statistics.median(milliseconds):.0f} ms |")
            print(f"| first view, slowest | {max(milliseconds):.0f} ms |")
            print(f"| first view, bytes on the wire | {views[-1][1] / 1e3:.0f} kB |")
            for listeners in (0, options.listeners):
                found = await load(site, listeners, options.seconds)
                who = f"{options.cameras} cameras, {listeners} browsers"
                verdicts = f"{_percentile(found.verdict_ms, 0.5):.0f} and "
                verdicts += f"{_percentile(found.verdict_ms, 0.95):.0f} ms"
                print(f"| {who}: verdicts | {len(found.verdict_ms)} |")
                print(f"| {who}: motion to verdict, p50 and p95 | {verdicts} |")
                print(f"| {who}: of a core | {found.core_share:.2f} |")
                if listeners:
                    behind = _percentile(found.behind_ms, 0.95)
                    print(f"| {who}: verdict to the last browser, p95 | {behind:.0f} ms |")
                    print(f"| {who}: verdicts that a browser missed | {found.lost} |")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure by the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listeners", type=int, default=50)
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    asyncio.run(measure(parser.parse_args(argv)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
