"""Verdicts a second against the number of workers, each with a site and a share of CPU of its own.

    python -m benchmarks.sites --workers 1 2 4
    python -m benchmarks.sites --workers 1 2 4 8 --share 0.2 --events 100

One real mosquitto, and so many workers in processes of their own beside it, each with a site, four
cameras, folders and a journal of its own. Every camera sees motion anew as soon as its verdict is
there, so that four events of each site are under way at any time: enough to keep the two threads of
its worker busy, and few enough that none waits the 8 seconds after which nobody would look at it.

Each worker is held to the same share of one core, see `benchmarks.cpu_share`: N workers may use N
times what one may, and whatever is missing from N times the verdicts has been lost between them.
By default four workers and what they talk to fill two cores. What each of them really used is
printed beside it, by the clock of its process: `of a core` must be the share, else the machine had
no time for it, for which `others` says why, and the ratio is that of the machine. The processor
time of an event tells the same without a clock on the wall.

The clock starts when all workers are there and each camera has had an event that does not count.
Every motion that was sent must have a verdict of its own, in the journal and on MQTT, for which the
pictures were looked at: a run in which one was lost, merged or not judged ends with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import cv2
import psutil

from benchmarks.cpu_share import cpu_seconds, held_to
from benchmarks.delivery import Journal
from benchmarks.peers import HttpCamera, Listener, Mosquitto, WorkerProcess, until
from benchmarks.worker import EVENTS, START_LIMIT_S, event_frames, motion_topic, worker_config
from veroallarme_core.contract import State

CAMERAS = 4
"""Of each site."""
SCENES = tuple(name for name in EVENTS if name != "nothing_moves")
"""What cameras show: none of it is `unknown` to a worker that has looked at it."""
COUNT = 60
SHARE = 0.4
VERDICT_LIMIT_S = 60.0


@dataclass
class Site:
    """A worker, its cameras, and what has become of their motion."""

    name: str
    worker: WorkerProcess
    sent: int = 0
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By event id, as they came on MQTT."""

    @property
    def cameras(self) -> list[str]:
        """Their ids, unlike those of all other sites."""
        return camera_ids(self.name)


@dataclass(frozen=True, kw_only=True)
class SiteFigures:
    """What one worker has done."""

    events: int
    """That count."""
    seconds: float
    """From the moment at which the clock started for all until the last verdict of this one."""
    cpu_s: float
    """Processor time of its process in these seconds."""
    without_verdict: int
    """Motions, of all that were sent, with no verdict of their own on MQTT and in the journal."""
    not_judged: int
    """Verdicts for which nobody looked at the pictures, such as `overloaded`."""


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """What so many workers have done beside one broker."""

    sites: tuple[SiteFigures, ...]
    broker_cpu_s: float
    peers_cpu_s: float
    """Of this process: all cameras, the sender and the listener, and who holds the shares."""
    others_cpu_s: float
    """Of all else that the machine did meanwhile."""

    @property
    def events(self) -> int:
        """Of all sites."""
        return sum(site.events for site in self.sites)

    @property
    def seconds(self) -> float:
        """Until the last worker was ready."""
        return max(site.seconds for site in self.sites)

    @property
    def verdicts_per_s(self) -> float:
        """Of all workers."""
        return self.events / self.seconds

    @property
    def without_verdict(self) -> int:
        """Motions of all sites."""
        return sum(site.without_verdict for site in self.sites)

    @property
    def not_judged(self) -> int:
        """Verdicts of all sites."""
        return sum(site.not_judged for site in self.sites)


def camera_ids(site: str) -> list[str]:
    """Return the ids of a site's cameras, unlike those of all other sites."""
    return [f"{site}_{number}" for number in range(CAMERAS)]


async def measure(
    folder: Path,
    workers: int,
    *,
    events: int = COUNT,
    share: float = SHARE,
    frames: Sequence[tuple[bytes, ...]] | None = None,
) -> Throughput:
    """Let so many workers judge at the same time.

    Args:
        folder: for the files of broker and workers.
        workers: how many, each with a site of its own.
        events: that count, of each site.
        share: of one core, for each worker.
        frames: what the cameras show, JPEGs of one event after the other; None draws 704x576.

    Raises:
        FileNotFoundError: mosquitto is not installed.
        TimeoutError: a worker is not there in time, or a verdict does not come.
    """
    mosquitto = Mosquitto(folder, durable=False)
    mosquitto.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(mosquitto.kill)
        camera = await stack.enter_async_context(HttpCamera().serve())
        sites = []
        for number in range(workers):
            name = f"site{number}"
            home = folder / name
            home.mkdir()
            config = worker_config(mosquitto.port, camera, camera_ids(name), name)
            sites.append(Site(name, WorkerProcess(home, config)))
            stack.callback(sites[-1].worker.kill)
        await _start(sites, mosquitto.port)
        listener = Listener(mosquitto.port, ["veroallarme/+/camera/+/event"])
        await stack.enter_async_context(listener.listen())
        client = await stack.enter_async_context(aiomqtt.Client("127.0.0.1", mosquitto.port))
        stack.enter_context(held_to(share, [site.worker.pid for site in sites]))

        play = _Play(sites, client, camera, listener, frames or event_frames(SCENES))
        await play.run(CAMERAS)
        peers = (mosquitto.pid, os.getpid())
        pids = [*(site.worker.pid for site in sites), *peers]
        began, machine_s = time.monotonic(), _busy_seconds()
        before = {pid: cpu_seconds(pid) for pid in pids}
        ends = await play.run(events)
        used = {pid: cpu_seconds(pid) - before[pid] for pid in pids}
        machine_s = _busy_seconds() - machine_s
        without_verdict = {site.name: await _without_verdict(site) for site in sites}
        return Throughput(
            sites=tuple(
                SiteFigures(
                    events=events,
                    seconds=ends[site.name].at - began,
                    cpu_s=ends[site.name].cpu_s - before[site.worker.pid],
                    without_verdict=without_verdict[site.name],
                    not_judged=sum(
                        verdict["state"] == State.UNKNOWN for verdict in site.verdicts.values()
                    ),
                )
                for site in sites
            ),
            broker_cpu_s=used[peers[0]],
            peers_cpu_s=used[peers[1]],
            others_cpu_s=max(0.0, machine_s - sum(used.values())),
        )


def _busy_seconds() -> float:
    """Return the processor time that the machine has spent so far, on all its cores."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice


async def _start(sites: Sequence[Site], port: int) -> None:
    listener = Listener(port, ["veroallarme/+/worker/main/status"])
    async with listener.listen():
        for site in sites:
            site.worker.start()
        await listener.until(
            lambda: listener.payloads("/status").count(b"online") == len(sites), START_LIMIT_S
        )


async def _without_verdict(site: Site) -> int:
    """Count the motions with no verdict of their own that is both told and written down."""
    journal = Journal(site.worker.data_dir / "events.sqlite")
    with contextlib.suppress(TimeoutError):
        await until(lambda: None not in journal.rows()[0].values(), VERDICT_LIMIT_S)
    written = {event for event, verdict in journal.rows()[0].items() if verdict is not None}
    # A verdict that covers two motions is one too few.
    return site.sent - len(written & site.verdicts.keys())


@dataclass(frozen=True)
class _End:
    """Of a worker's last event."""

    at: float
    """On the monotonic clock, in seconds."""
    cpu_s: float
    """Processor time of its process so far."""


@dataclass
class _Play:
    """Lets each camera see motion again as soon as its verdict is there."""

    sites: Sequence[Site]
    client: aiomqtt.Client
    camera: HttpCamera
    listener: Listener
    events: Sequence[tuple[bytes, ...]]

    async def run(self, count: int) -> dict[str, _End]:
        """Let each site see so many events; return when each was ready, by its name."""
        position = len(self.listener.heard)
        goals = {site.name: site.sent + count for site in self.sites}
        ends: dict[str, _End] = {}
        for number in range(min(count, CAMERAS)):
            for site in self.sites:
                await self._motion(site, site.cameras[number])
        while len(ends) < len(self.sites):
            await self.listener.until(
                lambda position=position: len(self.listener.heard) > position, VERDICT_LIMIT_S
            )
            heard = self.listener.heard[position]
            position += 1
            verdict = heard.json()
            (site,) = (one for one in self.sites if verdict["camera"] in one.cameras)
            site.verdicts[verdict["event_id"]] = verdict
            await self.client.publish(motion_topic(verdict["camera"]), "OFF", qos=1)
            if site.sent < goals[site.name]:
                await self._motion(site, verdict["camera"])
            elif len(site.verdicts) == goals[site.name]:
                ends[site.name] = _End(heard.at, cpu_seconds(site.worker.pid))
        return ends

    async def _motion(self, site: Site, camera: str) -> None:
        self.camera.frames[camera] = self.events[site.sent % len(self.events)]
        site.sent += 1
        await self.client.publish(motion_topic(camera), "ON", qos=1)


def print_throughput(runs: Sequence[Throughput], share: float) -> None:
    """Print a table, with ratios to the first run for each of its workers."""
    one = runs[0].verdicts_per_s / len(runs[0].sites)
    print(
        f"\neach worker held to {share:g} of a core; {os.cpu_count()} cores\n\n"
        "| workers | events | verdicts/s | each | ratio | of a core, each "
        "| CPU of an event: worker / broker / peers, ms | without verdict | not judged "
        "| others, of a core |\n"
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    for run in runs:
        each = " ".join(f"{site.events / site.seconds:.2f}" for site in run.sites)
        used = " ".join(f"{site.cpu_s / site.seconds:.2f}" for site in run.sites)
        worker_s = sum(site.cpu_s for site in run.sites)
        milliseconds = (
            f"{seconds / run.events * 1e3:.{digits}f}"
            for seconds, digits in ((worker_s, 0), (run.broker_cpu_s, 2), (run.peers_cpu_s, 1))
        )
        print(
            f"| {len(run.sites)} | {run.events} | {run.verdicts_per_s:.2f} | {each} "
            f"| {run.verdicts_per_s / one:.2f} | {used} | {' / '.join(milliseconds)} "
            f"| {run.without_verdict} | {run.not_judged} | {run.others_cpu_s / run.seconds:.2f} |"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 0 where each motion has a verdict of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--events", type=int, default=COUNT, help="of each worker, that count")
    parser.add_argument("--share", type=float, default=SHARE, help="of one core, for each worker")
    arguments = parser.parse_args(argv)
    if min(arguments.workers) < 1 or arguments.events < 1 or arguments.share <= 0:
        parser.error("--workers, --events and --share must be above 0")
    cv2.setNumThreads(1)
    runs = []
    for workers in arguments.workers:
        with tempfile.TemporaryDirectory(prefix="veroallarme-") as folder:
            measuring = measure(
                Path(folder), workers, events=arguments.events, share=arguments.share
            )
            runs.append(asyncio.run(measuring))
    print_throughput(runs, arguments.share)
    return 1 if any(run.without_verdict or run.not_judged for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
