"""The real peers of a worker: a mosquitto, cameras over HTTP, and the worker's own process.

Tests and benchmarks share them; all of them can be killed and started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import aiomqtt
import yaml
from aiohttp import web

from veroallarme_core.worker.mqtt import end_tasks

PATIENCE_S = 120.0
"""How long what takes a second on an idle machine may take on a busy one."""
START_LIMIT_S = 20.0
STOP_LIMIT_S = 20.0
QUIET_S = 0.05
"""So long nothing is written to a database that rests."""


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _or_nothing(holds: Callable[[], Any]) -> Any:
    """Return what a condition gives; None where it asks for a message that has not come yet."""
    try:
        return holds()
    except IndexError:
        return None


async def until(holds: Callable[[], Any], limit_s: float = PATIENCE_S) -> Any:
    """Ask again and again until a condition holds, and return its value.

    For what happens in another process or inside a library, which sets no event. The condition
    may be a coroutine function.

    Raises:
        TimeoutError: it did not hold in time.
    """
    async with asyncio.timeout(limit_s):
        while True:
            value = holds()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.01)


class Mosquitto:
    """A mosquitto on loopback.

    Args:
        folder: for its configuration, database and log.
        durable: whether it writes its database after every change. Where a lot is published it
            has time for nothing else.
        max_packet_bytes: what a message may have at most; None sets no limit.
        options: further lines of its configuration.

    Raises:
        FileNotFoundError: mosquitto is not installed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        max_packet_bytes: int | None = None,
        options: Sequence[str] = (),
    ) -> None:
        binary = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if binary is None:
            raise FileNotFoundError(
                "mosquitto is not installed: run scripts/test, or apt-get install mosquitto"
            )
        self._binary = binary
        self._folder = folder / "mosquitto"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.database = self._folder / "mosquitto.db"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            f"persistence {'true' if durable else 'false'}",
            f"persistence_location {self._folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            # More than a test sends while a worker is away.
            "max_queued_messages 10000",
            # Without it Debian's package changes to a user that may not write to the folder.
            "user root",
            *([] if max_packet_bytes is None else [f"max_packet_size {max_packet_bytes}"]),
            *options,
        ]
        self._config = self._folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "-c", str(self._config)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.02)
        log_text = (self._folder / "mosquitto.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"mosquitto did not start: {log_text[-500:]}")

    @property
    def pid(self) -> int:
        """Of the process that runs.

        Raises:
            RuntimeError: it has not been started.
        """
        return self._running().pid

    def kill(self) -> None:
        """End it as a power cut would, by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_LIMIT_S)
            self._process = None

    def pause(self) -> None:
        """Let it hang: its sockets stay open, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def reload(self) -> None:
        """Let it read its ACL file again."""
        self._signal(signal.SIGHUP)

    def go_on(self) -> None:
        """End its pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        self._running().send_signal(number)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("mosquitto has not been started")
        return self._process

    async def is_settled(self, since: float) -> bool:
        """Whether its database holds what it has acknowledged, and rests.

        Args:
            since: when it last acknowledged something, in seconds since the epoch.
        """
        before = self.database_time()
        await asyncio.sleep(QUIET_S)
        # Times of files come from a clock that ticks every few milliseconds.
        return since - 0.01 <= before == self.database_time()

    def database_time(self) -> float:
        """Return when its database was written, in seconds since the epoch; 0 if never."""
        try:
            return self.database.stat().st_mtime
        except FileNotFoundError:
            return 0.0


@contextlib.asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[int]:
    """Serve an application on a free port of loopback, which is yielded."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


Answer: TypeAlias = web.StreamResponse | Awaitable[web.StreamResponse]


class HttpCamera:
    """Cameras over real HTTP; each request gets the next frame of that camera.

    `faults` replaces the answer of a camera by another one.
    """

    def __init__(self) -> None:
        self.port = 0
        self.frames: dict[str, Sequence[bytes]] = {}
        self.faults: dict[str, Callable[[], Answer]] = {}
        self.delay_s = 0.0
        self._served: Counter[str] = Counter()
        self.requests: list[str] = []

    def url(self, camera: str) -> str:
        """Return the address of a camera's snapshots."""
        return f"http://127.0.0.1:{self.port}/{camera}/snapshot.jpg"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        camera = request.match_info["camera"]
        index = self._served[camera]
        self._served[camera] += 1
        self.requests.append(camera)
        await asyncio.sleep(self.delay_s)
        if camera in self.faults:
            answer = self.faults[camera]()
            return answer if isinstance(answer, web.StreamResponse) else await answer
        frames = self.frames[camera]
        return web.Response(body=frames[index % len(frames)], content_type="image/jpeg")

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[HttpCamera]:
        """Answer on a free port of loopback."""
        app = web.Application()
        app.router.add_get("/{camera}/snapshot.jpg", self._answer)
        async with serving(app) as self.port:
            yield self


class WorkerProcess:
    """``veroallarme run`` in a process of its own.

    Args:
        folder: for its configuration, state, data and log.
        config: what the YAML file holds; data_dir and state_dir are added.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.log_path = folder / "worker.log"
        self.environment: dict[str, str] = {}
        """Further variables of the next start."""
        self.arguments: tuple[str, ...] = ()
        """Further arguments of the next start."""
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "veroallarme.yaml"
        self.configure(config)

    def configure(self, config: dict[str, Any]) -> None:
        """Write the configuration that the next start reads."""
        content = {"data_dir": str(self.data_dir), "state_dir": str(self.folder / "state")}
        self._config.write_text(yaml.safe_dump(content | config), encoding="utf-8")

    @property
    def log(self) -> str:
        """Everything that it has logged, over all starts."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it; it is ready once its status says so."""
        command = [sys.executable, "-m", "veroallarme_core.cli", "run", "--config"]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self._config), *self.arguments],
                stdout=log,
                stderr=log,
                cwd=Path(__file__).resolve().parents[1],
                env=os.environ
                | {"OMP_NUM_THREADS": "1", "PYTHONDEVMODE": "", "PYTHONFAULTHANDLER": "1"}
                | self.environment,
            )

    @property
    def pid(self) -> int:
        """Of the process that runs.

        Raises:
            RuntimeError: it has not been started.
        """
        if self._process is None:
            raise RuntimeError("the worker has not been started")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """End it as a power cut would, by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_LIMIT_S)

    def pause(self) -> None:
        """Let it hang: its sockets stay open, and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """End its pause."""
        os.kill(self.pid, signal.SIGCONT)

    def tell_where(self) -> None:
        """End it, and let its log tell where each of its threads was; for who asks why it hangs."""
        if self._process is not None and self.exit_code is None:
            self._process.send_signal(signal.SIGABRT)
            self._process.wait(STOP_LIMIT_S)

    async def terminate(self) -> int:
        """Ask it to stop by SIGTERM; return its exit code."""
        if self._process is None:
            raise RuntimeError("the worker has not been started")
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, STOP_LIMIT_S)


@dataclass(frozen=True)
class Heard:
    """One message as a subscriber got it."""

    topic: str
    payload: bytes
    retain: bool
    at: float
    """On the monotonic clock, in seconds."""

    def json(self) -> Any:
        """Parse the payload."""
        return json.loads(self.payload)


@dataclass
class Listener:
    """A subscriber with a persistent session, which connects again by itself.

    Without an identifier it has a clean session and ends with the connection.
    """

    port: int
    topics: Sequence[str]
    identifier: str | None = None
    protocol: aiomqtt.ProtocolVersion = aiomqtt.ProtocolVersion.V311
    heard: list[Heard] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _listening: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        """Listen until the block ends."""
        ready = asyncio.Event()
        task = self._listening = asyncio.create_task(self._run(ready))
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield self
        finally:
            await end_tasks([task, waiting])

    async def _run(self, ready: asyncio.Event) -> None:
        while True:
            try:
                async with aiomqtt.Client(
                    "127.0.0.1",
                    self.port,
                    identifier=self.identifier,
                    protocol=self.protocol,
                    clean_session=self.identifier is None,
                ) as client:
                    await client.subscribe([(topic, 1) for topic in self.topics])
                    ready.set()
                    async for message in client.messages:
                        self._take(message)
            except aiomqtt.MqttError:
                if self.identifier is None:
                    raise
                await asyncio.sleep(0.1)

    def _take(self, message: aiomqtt.Message) -> None:
        payload = bytes(message.payload)  # type: ignore[arg-type]
        self.heard.append(
            Heard(message.topic.value, payload, bool(message.retain), time.monotonic())
        )
        self._news.set()

    def on(self, suffix: str, since: int = 0) -> list[Heard]:
        """Return the messages from an index on whose topic ends so."""
        return [heard for heard in self.heard[since:] if heard.topic.endswith(suffix)]

    def payloads(self, suffix: str, since: int = 0) -> list[bytes]:
        """Return the payloads from an index on whose topic ends so."""
        return [heard.payload for heard in self.on(suffix, since)]

    async def until(self, holds: Callable[[], Any], limit_s: float = PATIENCE_S) -> Any:
        """Wait until a condition over what was heard holds; return its value.

        Raises:
            TimeoutError: it did not hold in time; the text says what was heard last.
            aiomqtt.MqttError: the connection was lost, and there is no session to come back to.
        """
        try:
            async with asyncio.timeout(limit_s):
                while not (value := _or_nothing(holds)):
                    if self._listening is not None and self._listening.done():
                        self._listening.result()  # whoever hears nothing more says why
                    self._news.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await self._news.wait()
                return value
        except TimeoutError:
            last = [(heard.topic, heard.payload[:200]) for heard in self.heard[-12:]]
            raise TimeoutError(f"not in {limit_s:g} s; heard last: {last}") from None
