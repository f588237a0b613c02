"""``veroallarme demo``: broker, cameras and the real worker on this machine, and what they say."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt

from veroallarme_core.contract import CameraSettings, Mode, Topics
from veroallarme_core.demo import events
from veroallarme_core.demo.broker import NoPortError, embedded_broker
from veroallarme_core.demo.camera import SHOW_LIMIT_S, DemoCamera
from veroallarme_core.demo.events import EventsError, PlayedEvent
from veroallarme_core.demo.report import Outcome, Reporter
from veroallarme_core.drawing import Programme
from veroallarme_core.files import write_atomically
from veroallarme_core.worker import StartError, Worker, keep_one_heap, peak_memory_mb
from veroallarme_core.worker.config import (
    BrokerConfig,
    BurstConfig,
    CameraConfig,
    LearningConfig,
    PageConfig,
    WorkerConfig,
)
from veroallarme_core.worker.motion_sources import Trigger
from veroallarme_core.worker.snapshots import HttpSource

_LOGGER = logging.getLogger(__name__)

VERDICT_LIMIT_S = 60.0
READY_LIMIT_S = 30.0
SITE = "demo"


class DemoError(RuntimeError):
    """The demo cannot run; the message is one sentence for the user."""


@dataclass(frozen=True)
class DemoOptions:
    """What the command line asks for; see ``veroallarme demo --help``."""

    events: Path | None = None
    video: Path | None = None
    once: bool = False
    broker: str | None = None
    limit: int | None = None
    gap_s: float | None = None
    report: Path | None = None
    page: bool = True
    """Whether the page is served too, on this machine alone."""

    @property
    def is_drawn(self) -> bool:
        """Whether the scenes of the package are played."""
        return self.events is None and self.video is None


def _load(options: DemoOptions, programme: Programme) -> Iterator[PlayedEvent]:
    if options.events is not None:
        played = events.from_folder(options.events, options.gap_s)
    elif options.video is not None:
        played = events.from_video(options.video, options.gap_s)
    else:
        played = events.drawn(programme)
    return itertools.islice(played, options.limit)


async def _next(played: Iterator[PlayedEvent]) -> PlayedEvent | None:
    """Draw or read the next event outside the event loop, which also runs the worker."""
    return await asyncio.to_thread(next, played, None)


async def _present(drawing: asyncio.Task[PlayedEvent | None]) -> PlayedEvent:
    """Return the first event once it is there."""
    if (first := await drawing) is None:
        raise DemoError("there is nothing to play")
    return first


def _check(options: DemoOptions) -> None:
    if options.limit is not None and options.limit < 1:
        raise DemoError(f"--limit {options.limit}: give a whole number from 1")
    if options.gap_s is not None and not 0 < options.gap_s <= events.MAX_GAP_S:
        raise DemoError(f"--gap {options.gap_s:g}: give seconds, up to {events.MAX_GAP_S:g}")
    if options.report is not None:
        # Now rather than after a pass of many minutes.
        try:
            options.report.touch()
        except OSError as error:
            raise DemoError(
                f"--report {options.report} cannot be written: {error.strerror}"
            ) from None


@contextlib.asynccontextmanager
async def _broker(address: str | None) -> AsyncIterator[tuple[str, int]]:
    """Give host and port of the broker to use: the user's, or one inside this process."""
    if address is None:
        async with embedded_broker() as port:
            yield "127.0.0.1", port
        return
    host, _, port_text = address.rpartition(":")
    if not host or not port_text.isdecimal() or not 0 < int(port_text) < 65536:
        raise DemoError(f"--broker {address!r}: give HOST:PORT, such as localhost:1883")
    yield host, int(port_text)


async def run_demo(options: DemoOptions) -> int:
    """Play events through the real worker.

    Returns:
        0 where every motion start is covered by exactly one verdict, else 1.

    Raises:
        DemoError: it cannot run as asked.
    """
    _check(options)
    keep_one_heap()
    try:
        programme = Programme()
        first_pass = _load(options, programme)
        # Broker and worker start while it is drawn.
        drawing = asyncio.create_task(_next(first_pass))
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(drawing.cancel)
            # Files are read at once, and say what the camera is called and how fast it is.
            first = None if options.is_drawn else await _present(drawing)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="veroallarme-")))
            host, port = await stack.enter_async_context(_broker(options.broker))
            camera = DemoCamera()
            await stack.enter_async_context(camera.serve())
            stage = _Stage(options, programme, host, port, camera, Reporter())
            config = stage.configure(first, folder)
            served = config.page
            stage.reporter.introduce(
                host,
                port,
                config.topics.root,
                own=options.broker is None,
                page=None if served is None else f"http://{served.host}:{served.port}/",
                is_labelled=options.is_drawn,
            )
            return await stage.play(config, drawing, first_pass)
    except (EventsError, NoPortError, StartError) as error:
        raise DemoError(str(error)) from error
    except aiomqtt.MqttError as error:
        raise DemoError(f"the broker at {options.broker} does not answer: {error}") from error


def _page_port() -> int:
    """Return the usual port of the page, or a free one where that is taken, as by a worker."""
    for port in (PageConfig().port, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as server:
            return int(server.getsockname()[1])
    raise DemoError("no port of 127.0.0.1 is free for the page: run with --no-page")


class _Stage:
    """The demo while it runs."""

    def __init__(
        self,
        options: DemoOptions,
        programme: Programme,
        host: str,
        port: int,
        camera: DemoCamera,
        reporter: Reporter,
    ) -> None:
        self.options = options
        self.programme = programme
        self.broker = (host, port)
        self.camera = camera
        self.reporter = reporter
        self.outcomes: list[Outcome] = []
        self.sent = 0
        self.covered: dict[str, int] = {}
        self.repeated = 0

    def configure(self, first: PlayedEvent | None, folder: Path) -> WorkerConfig:
        """Make the configuration: a camera per place, filtering, everything on loopback.

        Args:
            first: event to play; None where the scenes of the package are played.
            folder: for what the worker keeps.
        """
        if first is None:
            names, size, gap_s = self.programme.cameras, events.DRAWN_BURST, events.DEFAULT_GAP_S
            for name in names:
                self.camera.expect(name)
        else:
            names, size, gap_s = (first.camera,), max(2, len(first.frames)), first.gap_s
        cameras = tuple(
            CameraConfig(
                id=name,
                name=name,
                triggers=(Trigger(topic=self._motion_topic(name), start=("ON",), end=("OFF",)),),
                source=HttpSource(url=self.camera.url(name), timeout_s=SHOW_LIMIT_S),
                burst=BurstConfig(size=size, spacing_s=gap_s),
                settings=CameraSettings(mode=Mode.FILTER, hold_s=1.0),
                # A replayed camera shows nothing between its events that could be compared with.
                reference_every_s=3600.0 if first is None else 0.0,
                merge_window_s=0.0,
            )
            for name in names
        )
        host, port = self.broker
        return WorkerConfig(
            cameras=cameras,
            topics=Topics(site=SITE),
            broker=BrokerConfig(
                host=host,
                port=port,
                # The broker inside knows 3.1.1 only and does not answer to 5.
                protocol="3.1.1" if self.options.broker is None else "auto",
            ),
            data_dir=folder / "data",
            # Learning takes days of events at the times at which they came.
            learning=LearningConfig(enabled=False),
            state_dir=folder / "state",
            page=PageConfig(port=_page_port()) if self.options.page else None,
        )

    def _motion_topic(self, camera: str) -> str:
        return f"demo/{camera}/motion"

    async def play(
        self,
        config: WorkerConfig,
        drawing: asyncio.Task[PlayedEvent | None],
        first_pass: Iterator[PlayedEvent],
    ) -> int:
        """Run the worker and play to it until the end or Ctrl-C.

        Args:
            config: of the worker.
            drawing: brings the first event.
            first_pass: the rest of the first pass.
        """
        worker = Worker(config)
        running = asyncio.create_task(worker.run())
        playing = asyncio.create_task(self._play_passes(config, drawing, first_pass))
        showing = asyncio.create_task(self._show_places(drawing))
        try:
            await asyncio.wait({running, playing}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            await playing
        finally:
            worker.stop()
            playing.cancel()
            showing.cancel()
            await asyncio.gather(running, playing, showing, return_exceptions=True)
            self.reporter.conclude(self.outcomes)
        return self._conclude()

    async def _show_places(self, drawing: asyncio.Task[PlayedEvent | None]) -> None:
        """Let each drawn camera see its empty place, once the first event is drawn."""
        if not self.options.is_drawn:
            return
        await asyncio.wait([drawing])
        for name in self.programme.cameras:
            background = await asyncio.to_thread(self.programme.background, name)
            self.camera.show(name, events.encode(background))

    async def _play_passes(
        self,
        config: WorkerConfig,
        drawing: asyncio.Task[PlayedEvent | None],
        first_pass: Iterator[PlayedEvent],
    ) -> None:
        host, port = self.broker
        async with aiomqtt.Client(host, port) as client:
            await client.subscribe(config.topics.camera("+", "event"), qos=1)
            await client.subscribe(config.topics.status(config.worker_id), qos=1)
            await self._until(client, lambda topic, payload: payload == b"online", READY_LIMIT_S)
            first = await _present(drawing)
            if self.options.is_drawn:
                # Motion would keep the worker from the picture that it takes at its start, of the
                # empty place, to compare with.
                ready = (config.topics.camera(first.camera, "connectivity"), b"ON")
                await client.subscribe(ready[0], qos=1)
                await self._until(client, lambda *message: message == ready, READY_LIMIT_S)
            event: PlayedEvent | None = first
            played = first_pass
            while True:
                while event is not None:
                    await self._play_event(client, event)
                    event = await _next(played)
                if self.options.once:
                    return
                played = _load(self.options, self.programme)
                event = await _next(played)

    async def _until(
        self, client: aiomqtt.Client, accept: Callable[[str, bytes], Any], limit_s: float
    ) -> Any:
        """Read messages until ``wanted`` accepts one; return what it made of it."""
        try:
            async with asyncio.timeout(limit_s):
                async for message in client.messages:
                    if accepted := accept(message.topic.value, bytes(message.payload)):
                        return accepted
        except TimeoutError:
            return None
        return None

    async def _play_event(self, client: aiomqtt.Client, event: PlayedEvent) -> None:
        """Show an event to its camera, say that there is motion, and wait for the verdict."""
        topic = self._motion_topic(event.camera)
        self.camera.play(event)
        sent_at = time.monotonic()
        self.sent += 1
        await client.publish(topic, "ON", qos=1)
        verdict = await self._until(client, self._note_verdict, VERDICT_LIMIT_S)
        beyond_ms = (time.monotonic() - sent_at) * 1e3 - (
            verdict["timing_ms"]["fetch"] if verdict else 0.0
        )
        await client.publish(topic, "OFF", qos=1)
        outcome = Outcome(event=event, verdict=verdict, beyond_fetch_ms=beyond_ms)
        self.outcomes.append(outcome)
        self.reporter.tell(outcome)

    def _note_verdict(self, topic: str, payload: bytes) -> dict[str, Any] | None:
        if not topic.endswith("/event"):
            return None
        verdict: dict[str, Any] = json.loads(payload)
        if verdict["event_id"] in self.covered:
            self.repeated += 1
            return None
        self.covered[verdict["event_id"]] = 1 + verdict["merged"]
        return verdict

    def _conclude(self) -> int:
        covered = sum(self.covered.values())
        figures = {
            "starts": self.sent,
            "covered": covered,
            "verdicts": len(self.covered),
            "repeated": self.repeated,
            "peak_memory_mb": round(peak_memory_mb(), 1),
            **self.reporter.figures(self.outcomes),
        }
        self.reporter.balance(figures)
        if self.options.report is not None:
            write_atomically(self.options.report, json.dumps(figures, indent=2))
        return 0 if covered == self.sent and not self.repeated else 1
