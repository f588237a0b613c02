"""The demo as a whole: real sockets, the real worker, and an exit code that can be trusted."""

import asyncio
import contextlib
import json
import logging
import re
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest

from benchmarks.peers import Listener, Mosquitto, free_port
from veroallarme_core.demo import events
from veroallarme_core.demo import run as run_module
from veroallarme_core.demo.events import PlayedEvent
from veroallarme_core.demo.run import DemoError, DemoOptions, run_demo
from veroallarme_core.drawing import Programme, draw_event
from veroallarme_core.worker.config import PageConfig
from veroallarme_core.worker.mqtt import end_tasks

# amqtt forgets to close its side of connections; that is not ours to fail by.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SIZE = (144, 176)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Give back the log levels that the demo and its broker change."""
    cv2.setNumThreads(1)
    loggers = [logging.getLogger(name) for name in ("", "amqtt", "transitions")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@cache
def frames_of(name: str) -> tuple[bytes, ...]:
    return tuple(events.encode(frame) for frame in draw_event(name, size=SIZE).frames)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three events, two of them labelled."""
    root = tmp_path / "porch"
    names = ("person_in_the_drive", "tree_in_light_wind", "cloud_shadow")
    for number, name in enumerate(names):
        event = root / f"20261123_12000{number}_abcdef"
        event.mkdir(parents=True)
        for index, frame in enumerate(frames_of(name)):
            (event / f"{index}.jpg").write_bytes(frame)
    (root / "labels.csv").write_text(
        "event_id,label,cause\n"
        "20261123_120000_abcdef,relevant,person\n"
        "20261123_120001_abcdef,irrelevant,foliage\n"
    )
    return root


def figures(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


async def test_folder_of_events_is_played_once(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert await run_demo(DemoOptions(events=folder, once=True, gap_s=0.1, report=report)) == 0
    found = figures(report)
    assert (found["starts"], found["covered"], found["verdicts"]) == (3, 3, 3)
    assert found["repeated"] == 0
    assert set(found["states_by_label"]) == {"relevant", "irrelevant", "unlabelled"}
    assert 0 < found["p50_ms"] <= found["p95_ms"]
    assert found["peak_memory_mb"] > 10
    printed = capsys.readouterr().out
    assert "MQTT Explorer" in printed
    assert "in a browser on this machine: http://127.0.0.1:" in printed
    assert "Ctrl-C ends it" in printed
    assert printed.count("20261123_12000") == 3
    assert "foliage" in printed


async def test_clip_is_played_once(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (176, 144))
    for number in range(70):
        frame = np.full((144, 176, 3), 90, np.uint8)
        frame[60:100, number * 2 : number * 2 + 30] = 230
        writer.write(frame)
    writer.release()
    report = tmp_path / "report.json"
    assert await run_demo(DemoOptions(video=path, once=True, gap_s=0.2, report=report)) == 0
    assert figures(report)["covered"] == 2


async def test_drawn_scenes_are_played_on_both_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def few(programme: Programme) -> Iterator[PlayedEvent]:
        for event in programme.events():
            if event.name in ("person_in_the_drive", "nothing_moves", "cat_in_the_garden"):
                frames = tuple(events.encode(frame) for frame in event.frames)
                yield PlayedEvent(event.camera, event.name, frames, 0.1, event.label, event.cause)

    monkeypatch.setattr(events, "drawn", few)
    monkeypatch.setattr(run_module, "Programme", lambda: Programme(size=SIZE))
    report = tmp_path / "report.json"
    assert await run_demo(DemoOptions(once=True, report=report)) == 0
    assert figures(report)["covered"] == 3
    # The first event waits until the worker has seen the empty place of its camera.
    printed = capsys.readouterr().out
    assert "nothing_moves" in printed
    assert "no reference picture" not in printed


async def test_broker_of_the_user_is_used(folder: Path, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    try:
        listener = Listener(broker.port, ["veroallarme/demo/#"])
        async with listener.listen():
            options = DemoOptions(
                events=folder, once=True, gap_s=0.1, limit=1, broker=f"127.0.0.1:{broker.port}"
            )
            assert await run_demo(options) == 0
            await listener.until(lambda: listener.payloads("/status")[-1:] == [b"offline"])
        assert len(listener.on("/event")) == 1
    finally:
        broker.kill()


async def test_start_without_a_verdict_fails_the_demo(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "VERDICT_LIMIT_S", 0.0)
    assert await run_demo(DemoOptions(events=folder, once=True, gap_s=0.1, limit=1)) == 1


async def test_without_once_it_plays_on_until_stopped(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = asyncio.create_task(run_demo(DemoOptions(events=folder, gap_s=0.02, limit=1)))
    printed = ""
    async with asyncio.timeout(30):
        while printed.count("20261123_120000_abcdef") < 2:
            await asyncio.sleep(0.1)
            printed += capsys.readouterr().out
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (DemoOptions(limit=0), "--limit 0"),
        (DemoOptions(gap_s=0), "--gap 0"),
        (DemoOptions(gap_s=11), "--gap 11"),
        (DemoOptions(gap_s=float("nan")), "--gap nan"),
        (DemoOptions(events=Path("/nowhere/at/all")), "/nowhere/at/all is no folder"),
        (DemoOptions(video=Path("/nowhere/at.all")), "/nowhere/at.all is no clip"),
    ],
)
async def test_wrong_options_are_named(options: DemoOptions, complaint: str) -> None:
    with pytest.raises(DemoError, match=complaint):
        await run_demo(options)


@pytest.mark.parametrize("address", ["localhost", ":1883", "localhost:", "localhost:0", "h:99999"])
async def test_wrong_broker_address_is_named(folder: Path, address: str) -> None:
    with pytest.raises(DemoError, match=r"give HOST:PORT, such as localhost:1883"):
        await run_demo(DemoOptions(events=folder, broker=address))


async def test_broker_that_is_not_there_is_named(folder: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(DemoError, match=f"the broker at {address} does not answer"):
        await run_demo(DemoOptions(events=folder, once=True, broker=address))


async def test_report_that_cannot_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "nowhere" / "report.json"
    with pytest.raises(DemoError, match="report"):
        await run_demo(DemoOptions(events=folder, once=True, gap_s=0.05, limit=1, report=report))


@pytest.mark.parametrize("is_taken", [False, True])
async def test_the_page_shows_what_is_played(
    folder: Path, capsys: pytest.CaptureFixture[str], is_taken: bool
) -> None:
    with contextlib.ExitStack() as stack:
        if is_taken:
            # Another worker's page, or one that has just closed it.
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", PageConfig().port)))
        playing = asyncio.create_task(run_demo(DemoOptions(events=folder, gap_s=0.05)))
        try:
            async with asyncio.timeout(60), aiohttp.ClientSession() as http:
                printed = ""
                while (found := re.search(r"http://127\.0\.0\.1:\d+/", printed)) is None:
                    await asyncio.sleep(0.1)
                    printed += capsys.readouterr().out
                text = ""
                while "porch" not in text:
                    await asyncio.sleep(0.1)
                    with contextlib.suppress(aiohttp.ClientConnectionError):
                        async with http.get(found[0]) as response:
                            text = await response.text()
        finally:
            await end_tasks([playing])


async def test_no_page_where_none_is_wanted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = DemoOptions(events=folder, once=True, gap_s=0.05, limit=1, page=False)
    assert await run_demo(options) == 0
    assert "browser" not in capsys.readouterr().out
