"""Real peers for the worker's tests, and drawn pictures for the cameras among them."""

import asyncio
import contextlib
import gc
import logging
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import pytest

from benchmarks.peers import HttpCamera, Listener, Mosquitto, free_port, until
from tests.worker.counting_camera import Camera
from tests.worker.fake_state import FakeState, install
from veroallarme_core.contract import CameraSettings, Mode
from veroallarme_core.demo.broker import embedded_broker
from veroallarme_core.drawing import draw_event
from veroallarme_core.worker import site as site_module
from veroallarme_core.worker.camera.judging import JudgingThreads
from veroallarme_core.worker.config import (
    BrokerConfig,
    BurstConfig,
    CameraConfig,
    InferenceConfig,
    LearningConfig,
    PageConfig,
    WorkerConfig,
)
from veroallarme_core.worker.motion_sources.motion_messages import Trigger
from veroallarme_core.worker.service import Worker
from veroallarme_core.worker.snapshots.http_source import HttpSource

SMALL = (144, 176)
"""Height and width of the drawn pictures, in pixels."""


@cache
def drawn_jpegs(name: str) -> tuple[bytes, ...]:
    """Draw one event of the package small, and encode it."""
    frames = draw_event(name, size=SMALL).frames
    return tuple(cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames)


@pytest.fixture
def frames() -> tuple[bytes, ...]:
    return drawn_jpegs("person_in_the_drive")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto that a test may kill and start again."""
    try:
        broker = Mosquitto(tmp_path)
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
async def amqtt_port() -> AsyncIterator[int]:
    """The port of a broker inside this process, which speaks 3.1.1 only."""
    async with embedded_broker(free_port()) as port:
        yield port
    # amqtt forgets to close connections that it refuses: they shall not trouble the next test.
    gc.collect()


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    """An HTTP camera that counts what it is asked."""
    camera = Camera()
    yield camera
    for server in camera.servers:
        await server.close()


@pytest.fixture
async def cameras(frames: tuple[bytes, ...]) -> AsyncIterator[HttpCamera]:
    """HTTP cameras `front` and `yard` that show a drawn event."""
    server = HttpCamera()
    server.frames = {"front": frames, "yard": frames}
    async with server.serve():
        yield server


@dataclass
class Site:
    """A worker in this process, its cameras and its broker."""

    folder: Path
    port: int
    cameras: HttpCamera
    names: tuple[str, ...] = ("front",)
    protocol: str = "auto"
    settings: CameraSettings = field(
        default_factory=lambda: CameraSettings(mode=Mode.FILTER, hold_s=0.2)
    )
    inference: InferenceConfig | None = None
    """None loads no network where nothing is learned: a test is faster without."""
    learning: LearningConfig = field(default_factory=lambda: LearningConfig(enabled=False))
    page: PageConfig | None = None
    discovery: bool = False
    more: dict[str, Any] = field(default_factory=dict)
    """Further fields of every `CameraConfig`."""

    def config(self) -> WorkerConfig:
        cameras = tuple(
            CameraConfig(
                **{
                    "id": name,
                    "name": name,
                    "triggers": (Trigger(topic=f"cam/{name}/motion", start=("ON",), end=("OFF",)),),
                    "source": HttpSource(url=self.cameras.url(name), timeout_s=2.0),
                    "burst": BurstConfig(size=2, spacing_s=0.02, limit_s=3.0),
                    "settings": self.settings,
                    "merge_window_s": 0.0,
                    "reference_every_s": 0.0,
                    **self.more,
                }
            )
            for name in self.names
        )
        return WorkerConfig(
            cameras=cameras,
            broker=BrokerConfig(host="127.0.0.1", port=self.port, protocol=self.protocol),
            inference=self.inference or InferenceConfig(enabled=self.learning.enabled),
            learning=self.learning,
            data_dir=self.folder / "data",
            state_dir=self.folder / "state",
            page=self.page,
            discovery=self.discovery,
        )

    def listener(self, *topics: str, **more: Any) -> contextlib.AbstractAsyncContextManager[Any]:
        return Listener(self.port, topics or ("veroallarme/#",), **more).listen()

    @contextlib.asynccontextmanager
    async def worker(
        self, change: Callable[[Worker], None] = lambda worker: None
    ) -> AsyncIterator[Worker]:
        """Run a worker, connected, until the block ends; it must end well."""
        worker = Worker(self.config())
        change(worker)
        running = asyncio.create_task(worker.run())
        try:
            await until(lambda: worker._session.is_connected or running.done())
            if running.done():
                running.result()
            yield worker
        finally:
            worker.stop()
            async with asyncio.timeout(20):
                await running


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto, cameras: HttpCamera) -> Site:
    return Site(tmp_path, mosquitto.port, cameras)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two cores serve the broker, the cameras and the worker at once."""
    cv2.setNumThreads(1)


@pytest.fixture(autouse=True)
def quiet_broker() -> Iterator[None]:
    """Give back the log levels that the embedded broker takes away."""
    loggers = [logging.getLogger(name) for name in ("amqtt", "transitions")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def learner(monkeypatch: pytest.MonkeyPatch) -> FakeState:
    """What the camera of a worker without networks has learned, and learns on."""

    async def no_networks(judging: JudgingThreads) -> None:
        judging.has_encoder = True

    monkeypatch.setattr(JudgingThreads, "load_networks", no_networks)
    monkeypatch.setattr(site_module.Site, "learns", True)
    state = FakeState()
    install(monkeypatch, state)
    return state


@dataclass(frozen=True)
class TinyDisk:
    """A disk of 512 kB."""

    folder: Path

    def fill(self) -> None:
        """Leave no byte free."""
        with (
            contextlib.suppress(OSError),
            (self.folder / "filler").open("wb", buffering=0) as file,
        ):
            while True:
                file.write(b"x" * 4096)

    def free(self) -> None:
        """Make room again."""
        (self.folder / "filler").unlink()


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[TinyDisk]:
    """Mount a tiny disk; skips the test where this user may not."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command to make a tiny disk with")
    if done.returncode:
        pytest.skip(f"a tiny disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield TinyDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[TinyDisk]:
    with mounted(tmp_path / "data") as disk:
        yield disk
