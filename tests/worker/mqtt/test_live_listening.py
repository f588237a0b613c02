"""What `check-config --listen` shows of a real broker's messages."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import Mosquitto, free_port, until
from tests.worker.guarded_broker import GuardedBroker
from tests.worker.talk import retained, sender
from veroallarme_core.worker.config import WorkerConfig, parse_config
from veroallarme_core.worker.mqtt import live_listening as listen_module
from veroallarme_core.worker.mqtt.live_listening import listen

MOTION = "cam/front/motion"


def config(port: int, **more: Any) -> WorkerConfig:
    front = {
        "triggers": [{"topic": MOTION, "start": "ON", "end": "OFF"}],
        "snapshot": {"topic": "cam/front/jpeg"},
    }
    return parse_config(
        {"mqtt": {"host": "127.0.0.1", "port": port}, "cameras": {"front": front, **more}}
    )


@dataclass
class Told:
    """The lines of a listening that goes on, and how it ends."""

    lines: list[str] = field(default_factory=list)
    heard_all: bool | None = None

    def on(self, text: str) -> list[str]:
        return [line for line in self.lines if text in line]


@contextlib.asynccontextmanager
async def listening(content: WorkerConfig) -> AsyncIterator[Told]:
    """Listen until the block ends, as by Ctrl+C."""
    told = Told()
    task = asyncio.create_task(listen(content, 60.0, told.lines.append))
    await until(lambda: told.lines or task.done())
    yield told
    signal.raise_signal(signal.SIGINT)
    told.heard_all = await task


async def test_it_shows_what_comes_and_what_is_made_of_it(mosquitto: Mosquitto) -> None:
    async with sender(mosquitto.port) as broker:
        await broker.send(MOTION, "OFF", retain=True)
        async with listening(config(mosquitto.port)) as told:
            for payload in (b"ON\0\0", b"OFF", b"idle"):
                await broker.send(MOTION, payload)
            await broker.send("cam/front/jpeg", b"\xff\xd8\xff")
            await until(lambda: told.on("a picture"))
    first, *shown = told.lines
    assert first == (f"listening on 127.0.0.1:{mosquitto.port} to {MOTION}, cam/front/jpeg")
    endings = [
        f"front: {MOTION}: b'OFF': retained, so it tells the past: not taken (ignore_retained)",
        f"front: {MOTION}: b'ON\\x00\\x00': motion starts",
        f"front: {MOTION}: b'OFF': motion ends",
        f"front: {MOTION}: b'idle': not understood: 'idle' on topic {MOTION} is neither start nor "
        "end: add it to the trigger's start, end or ignore",
        "front: cam/front/jpeg: 3 bytes: a picture",
        f"front: {MOTION}: starts of motion: 1, ends of motion: 1, not understood: 1, retained: 1",
        "front: cam/front/jpeg: pictures: 1",
    ]
    assert len(shown) == len(endings)
    for line, ending in zip(shown, endings, strict=True):
        assert line.endswith(ending)
    assert told.heard_all is True


async def test_what_was_never_heard_is_said_at_the_end(mosquitto: Mosquitto) -> None:
    yard = {
        "triggers": [
            {"topic": "shared", "start": "new", "path": "type", "where": {"camera": "yard"}}
        ],
        "snapshot": {"url": "http://127.0.0.1:9/x.jpg"},
    }
    async with (
        sender(mosquitto.port) as broker,
        listening(config(mosquitto.port, yard=yard)) as told,
    ):
        await broker.send("shared", {"camera": "drive", "type": "new"})
        await broker.send("shared", {"camera": "yard", "type": "fresh"})
        await until(lambda: told.on("not understood"))
    assert told.lines[-3].startswith(f"front: {MOTION}: NEVER HEARD: check the topic")
    assert told.lines[-2].startswith("front: cam/front/jpeg: NEVER HEARD: check the topic")
    assert told.lines[-1].startswith(
        "yard: shared: NO STARTS OF MOTION (not understood: 1, about something else: 1); 'fresh' "
        "on topic shared is neither start nor end"
    )
    assert told.heard_all is False


async def test_refused_subscription_is_said(tmp_path: Path) -> None:
    broker = GuardedBroker(tmp_path, subscribe=[MOTION])
    broker.start()
    try:
        async with listening(config(broker.port)) as told:
            pass
    finally:
        broker.kill()
    assert told.lines[0] == (
        f"{MOTION}: the broker refuses the subscription (reason code 0x87, Not authorized)"
    )
    assert told.on(
        f"front: {MOTION}: CANNOT BE HEARD: the broker refuses the subscription (reason code 0x87, "
        "Not authorized: let the broker's access control allow"
    )
    assert told.heard_all is False


async def test_broker_that_is_not_there_is_said() -> None:
    told: list[str] = []
    port = free_port()
    assert not await listen(config(port), 1.0, told.append)
    assert told[0].startswith(f"broker 127.0.0.1:{port}: cannot be reached")
    assert "check mqtt.host and mqtt.port" in told[0]


async def test_it_ends_by_itself_and_leaves_nothing_at_the_broker(mosquitto: Mosquitto) -> None:
    told: list[str] = []
    async with asyncio.timeout(30):
        await listen(config(mosquitto.port), 1.0, told.append)
    assert told[-1].startswith("front: cam/front/jpeg: NEVER HEARD")
    left = await retained(mosquitto.port)
    assert left == {}


async def test_floods_are_counted(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen_module, "MAX_LINES", 3)
    async with sender(mosquitto.port) as broker, listening(config(mosquitto.port)) as told:
        for _ in range(10):
            await broker.send(MOTION, "ON")
        await broker.send("cam/front/jpeg", b"\xff\xd8\xff")
        await until(lambda: told.on("a picture"))
    assert len(told.on("motion starts")) == 3
    assert len(told.on("they are only counted from here on")) == 1
    assert f"front: {MOTION}: starts of motion: 10" in told.lines
