"""What the faults break: broker, network, cameras, disk, clock, and the worker between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import aiomqtt

from benchmarks.chaos.proxy import Proxy
from benchmarks.peers import HttpCamera, Listener, Mosquitto, WorkerProcess, free_port, until
from benchmarks.worker import motion_topic

SITE = "veroallarme/home"
STATUS = f"{SITE}/worker/main/status"
HOLD_S = 1.0
DISK_MB = 512
KEEP_MB = 4
POLL_S = 0.05
UNSURE = 100
"""Starts before a kill of the broker of which it may have forgotten what became of them."""
LOOP_LOG = "loop.log"
_IN_WORKER = Path(__file__).parent / "in_worker"
_FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def camera_name(index: int) -> str:
    """Return the id of a camera by its number."""
    return f"c{index:02d}"


def find_faketime() -> Path | None:
    """Return the library that lets a process see another time; None where it is not installed."""
    return next(iter(Path("/").glob(_FAKETIME.lstrip("/"))), None)


class Disk:
    """A small disk of its own for the worker's files: a tmpfs, which root alone can mount.

    Args:
        folder: where it is; without the right to mount it is a plain folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_own = False
        self._filling = folder / "filling"

    @contextlib.contextmanager
    def mounted(self) -> Any:
        """Mount it until the block ends."""
        self.folder.mkdir()
        self.is_own = self._mount("-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs")
        try:
            yield self
        finally:
            if self.is_own:
                subprocess.run(["umount", "--lazy", str(self.folder)], check=False)

    def _mount(self, *options: str) -> bool:
        command = ["mount", *options, str(self.folder)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filling.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * (1 << 20))
                file.flush()

    def empty(self) -> None:
        """Take back what `fill` wrote."""
        self._filling.unlink(missing_ok=True)

    def make_writable(self, is_writable: bool) -> None:
        """Mount it anew, read-only or not; files open for writing forbid the first to some."""
        way = "rw" if is_writable else "ro"
        if not self._mount("-o", f"remount,{way}"):
            raise OSError(f"{self.folder} cannot be mounted {way}")


@dataclass
class Sender:
    """Sends motion starts, and knows which the broker has accepted."""

    port: int
    cameras: Sequence[str]
    chance: random.Random
    pause_s: float
    accepted: dict[tuple[str, bytes], datetime] = field(default_factory=dict)
    """Starts by the moment at which the broker had them, in this order."""
    uncertain: list[tuple[str, bytes]] = field(default_factory=list)
    """Sent without an answer: they may have reached the broker or not."""
    may_come_twice: set[tuple[str, bytes]] = field(default_factory=set)
    """Accepted just before the broker was killed: what it forgets to have sent it sends again, not
    marked as a repetition, and nobody can tell it from a new start."""
    last_puback: float = 0.0
    may_send: asyncio.Lock = field(default_factory=asyncio.Lock)
    _number: int = 0

    async def run(self) -> None:
        """Send starts until cancelled, of one camera after the other by chance."""
        while True:
            try:
                async with aiomqtt.Client("127.0.0.1", self.port, timeout=5) as client:
                    while True:
                        async with self.may_send:
                            await self._send_one(client)
                        await asyncio.sleep(self.chance.uniform(0, 2 * self.pause_s))
            except aiomqtt.MqttError:
                await asyncio.sleep(0.1)

    async def _send_one(self, client: aiomqtt.Client) -> None:
        self._number += 1
        camera = self.chance.choice(self.cameras)
        start = camera, json.dumps({"state": "ON", "n": self._number}).encode()
        self.uncertain.append(start)
        await client.publish(motion_topic(camera), start[1], qos=1)
        self.uncertain.remove(start)
        self.accepted[start] = datetime.now(UTC)
        self.last_puback = time.time()

    def note_kill(self) -> None:
        """Take note that the broker is killed now."""
        self.may_come_twice.update(list(self.accepted)[-UNSURE:])

    def forget(self) -> None:
        """Begin to count anew."""
        self.accepted.clear()
        self.uncertain.clear()


@dataclass
class World:
    """Everything that may break, and what was seen of the worker."""

    folder: Path
    chance: random.Random
    cameras: tuple[str, ...]
    broker: Mosquitto
    proxy: Proxy
    pictures: HttpCamera
    disk: Disk
    worker: WorkerProcess
    listener: Listener
    sender: Sender
    health_port: int
    answers_ms: list[float] = field(default_factory=list)
    """How long an answer to a question for the worker's health took to come."""
    pauses: list[tuple[float, float]] = field(default_factory=list)
    """When the worker was stopped or slowed on purpose, from and to, on the monotonic clock."""
    unexpected_ends: list[int] = field(default_factory=list)
    """Exit codes of the worker that nobody asked for."""
    is_expected_to_run: bool = True
    _slow_since: float = math.inf
    _queries: int = 0

    @property
    def data_dir(self) -> Path:
        """Where the worker keeps its events."""
        return self.worker.data_dir

    def held_ms(self) -> list[float]:
        """Return for how long the worker's loop was held, each time that it was 10 ms or more."""
        held = []
        pauses = [*self.pauses, (self._slow_since, math.inf)]
        for line in (self.folder / LOOP_LOG).read_text(encoding="ascii").splitlines():
            ended, seconds = map(float, line.split())
            if not any(ended - seconds < to and start < ended for start, to in pauses):
                held.append(1e3 * seconds)
        return sorted(held)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let the worker hang until the block ends."""
        start = time.monotonic()
        self.worker.pause()
        try:
            yield
        finally:
            self.worker.go_on()
            self.pauses.append((start, time.monotonic()))

    def set_clock(self, seconds: float) -> None:
        """Let the worker's clock be so many seconds ahead of the true time."""
        (self.folder / "clock").write_text(f"{seconds:+.0f}", encoding="ascii")

    async def start_worker(self, *, sets_clock: bool = False) -> None:
        """Start it; it is not waited for.

        Args:
            sets_clock: whether `set_clock` is to work until its next start. Its threads then wait
                for each other so slowly that it does less than half as much.
        """
        if self._slow_since < math.inf:
            self.pauses.append((self._slow_since, time.monotonic()))
        self._slow_since = time.monotonic() if sets_clock else math.inf
        self.worker.environment = self._watched_loop()
        if sets_clock:
            self.set_clock(0)
            self.worker.environment |= self._other_clock()
        self.worker.start()
        self.is_expected_to_run = True

    def _watched_loop(self) -> dict[str, str]:
        return {"PYTHONPATH": str(_IN_WORKER), "LOOP_LOG": str(self.folder / LOOP_LOG)}

    def _other_clock(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(find_faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self.folder / "clock"),
            # It would read the file whenever anybody asks for the time, as every lock does.
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    async def kill_worker(self) -> None:
        """End it as a power cut would."""
        self.is_expected_to_run = False
        await asyncio.to_thread(self.worker.kill)

    async def stop_worker(self) -> None:
        """Ask it to end."""
        self.is_expected_to_run = False
        code = await self.worker.terminate()
        if code:
            self.unexpected_ends.append(code)

    async def kill_broker(self) -> None:
        """Kill mosquitto once it has written down what it acknowledged.

        It acknowledges a start before its database is on disk: a kill in between loses a start that
        nobody could ever get. So nothing is sent until the database is quiet.
        """
        async with self.sender.may_send:
            await until(lambda: self.broker.is_settled(self.sender.last_puback))
            self.sender.note_kill()
            await asyncio.to_thread(self.broker.kill)

    async def until_online(self) -> None:
        """Wait until the worker says that it is online."""
        await self.listener.until(self._is_online)

    def _is_online(self) -> bool:
        return self.listener.payloads(STATUS)[-1:] == [b"online"]

    async def until_serving(self) -> float:
        """Wait until the worker is online and answers a query; return how many seconds it took."""
        began = time.monotonic()
        await until(self._answers)
        return time.monotonic() - began

    async def _answers(self) -> bool:
        """Ask the worker for an event; return whether it answers in time."""
        self._queries += 1
        request = f"chaos{self._queries}"
        topic = f"{SITE}/camera/{self.cameras[0]}/list_events"
        payload = json.dumps({"request_id": request, "limit": 1})
        try:
            async with aiomqtt.Client("127.0.0.1", self.broker.port, timeout=5) as client:
                await client.publish(topic, payload, qos=1)
            await self.listener.until(lambda: self.listener.on(f"/answer/{request}"), 5.0)
        except (aiomqtt.MqttError, TimeoutError):
            return False
        return self._is_online()

    async def watch(self) -> None:
        """Ask for the health again and again, and look whether the process lives; endless."""
        url = f"http://127.0.0.1:{self.health_port}/health"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                if self.is_expected_to_run and (code := self.worker.exit_code) is not None:
                    self.unexpected_ends.append(code)
                    self.worker.start()
                began = time.monotonic()
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(url) as answer:
                        await answer.read()
                    if self.is_expected_to_run:
                        self.answers_ms.append(1e3 * (time.monotonic() - began))
                await asyncio.sleep(POLL_S)


def _configuration(
    broker_port: int,
    health_port: int,
    pictures: HttpCamera,
    cameras: Sequence[str],
    keep_mb: int,
) -> dict[str, Any]:
    return {
        "mqtt": {"host": "127.0.0.1", "port": broker_port, "keepalive_s": 5},
        "health": {"port": health_port},
        "cameras": {
            name: {
                "triggers": [
                    {"topic": motion_topic(name), "start": "ON", "path": "state", "auto_end_s": 1}
                ],
                "snapshot": {"url": pictures.url(name), "timeout_s": 1.0},
                "burst": {"size": 2, "spacing_s": 0.1, "limit_s": 3},
                "settings": {"mode": "filter", "hold_s": HOLD_S},
                "keep": {"size_mb": keep_mb},
                "merge_window_s": 0,
                "reference_every_s": 0,
            }
            for name in cameras
        },
    }


@contextlib.asynccontextmanager
async def running_world(
    folder: Path,
    frames: Sequence[bytes],
    *,
    cameras: int,
    pause_s: float,
    seed: int,
    keep_mb: int = KEEP_MB,
) -> AsyncIterator[World]:
    """Run broker, proxy, cameras and worker until the block ends.

    Args:
        folder: for everything that is written.
        frames: what every camera shows, one after the other: somebody who has to raise the alarm.
        cameras: how many.
        pause_s: between two motion starts, on average.
        seed: of everything that is drawn by chance.
        keep_mb: of events that the worker keeps for each camera.
    """
    chance = random.Random(seed)
    names = tuple(camera_name(index) for index in range(cameras))
    async with contextlib.AsyncExitStack() as stack:
        disk = stack.enter_context(Disk(folder / "disk").mounted())
        broker = Mosquitto(folder)
        broker.start()
        stack.callback(broker.kill)
        proxy = await stack.enter_async_context(Proxy(broker.port, chance).serve())
        pictures = await stack.enter_async_context(HttpCamera().serve())
        pictures.frames = dict.fromkeys(names, frames)
        health_port = free_port()
        content = _configuration(proxy.port, health_port, pictures, names, keep_mb)
        worker = WorkerProcess(disk.folder, content)
        worker.log_path = folder / "worker.log"  # which tells what happens while the disk is full
        (folder / LOOP_LOG).touch()
        topics = [f"{SITE}/camera/+/{name}" for name in ("event", "relevant", "answer/+")]
        listener = Listener(broker.port, [*topics, STATUS, f"{SITE}/worker/main/health"], "chaos")
        sender = Sender(broker.port, names, chance, pause_s)
        world = World(
            folder, chance, names, broker, proxy, pictures, disk, worker, listener, sender,
            health_port,
        )  # fmt: skip
        await world.start_worker()
        stack.callback(worker.kill)
        await stack.enter_async_context(listener.listen())
        await listener.until(lambda: b"online" in listener.payloads(STATUS))
        yield world


def environment_notes(world: World) -> list[str]:
    """Say what cannot be broken here, and how it could be."""
    notes = []
    if not world.disk.is_own:
        notes.append("the disk was not broken: only root can mount one of its own")
    if find_faketime() is None:
        notes.append("the clock was not set: install Debian's package libfaketime")
    return notes
