"""Server-sent events: what happens in the worker reaches browsers, and no browser holds it up."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from benchmarks.peers import until
from tests.worker.page.conftest import Visitor
from tests.worker.talk import C, Judging, sender
from veroallarme_core.worker import changes as changes_module
from veroallarme_core.worker.page import live as live_module

Heard = list[dict[str, Any]]


@contextlib.asynccontextmanager
async def listening(visitor: Visitor) -> AsyncIterator[Heard]:
    """Listen as a browser does; yields what comes, as it comes."""
    heard: Heard = []
    async with visitor.http.get(visitor.base + "/changes") as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        first = await response.content.readline()
        assert first.startswith(b"retry:")

        async def read() -> None:
            async for line in response.content:
                if line.startswith(b"data: "):
                    heard.append(json.loads(line.removeprefix(b"data: ")))

        reading = asyncio.create_task(read())
        try:
            yield heard
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
                await reading


def kinds(heard: Heard) -> set[str]:
    return {change["kind"] for change in heard}


async def test_an_event_is_told_from_its_motion_to_the_thumb(visitor: Visitor, site: Any) -> None:
    Judging().install(visitor.worker)
    async with listening(visitor) as heard, sender(site.port) as broker:
        await broker.motion()
        await until(lambda: {"motion", "verdict", "alarm", "stats"} <= kinds(heard))
        motion, verdict = (
            next(change for change in heard if change["kind"] == kind)
            for kind in ("motion", "verdict")
        )
        assert motion == {**verdict, "kind": "motion"}
        assert verdict["camera"] == "front"
        event_id = verdict["event_id"]
        await broker.send(f"{C}/feedback", {"event_id": event_id, "relevant": False})
        await until(lambda: "feedback" in kinds(heard))
        assert {"kind": "feedback", "camera": "front", "event_id": event_id} in heard
        await broker.send(f"{C}/set", {"hold_s": 5})
        await until(lambda: {"kind": "settings", "camera": "front", "event_id": None} in heard)
        visitor.worker._complaints.tell("test", "Something is wrong.")
        await until(lambda: "health" in kinds(heard))


async def test_fifty_browsers_hear_of_every_verdict(visitor: Visitor, site: Any) -> None:
    Judging().install(visitor.worker)
    async with contextlib.AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(listening(visitor)) for _ in range(50)]
        async with sender(site.port) as broker:
            for number in range(10):
                await broker.motion()
                await until(
                    lambda wanted=number: (
                        visitor.worker.cameras["front"].statistics.events == wanted + 1
                    )
                )
                await broker.motion("OFF")

        def verdicts(heard: Heard) -> list[str]:
            return [change["event_id"] for change in heard if change["kind"] == "verdict"]

        await until(lambda: all(len(verdicts(heard)) == 10 for heard in browsers))
        assert len({tuple(verdicts(heard)) for heard in browsers}) == 1


async def test_a_silent_stream_says_that_it_lives(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "BEAT_S", 0.05)
    async with visitor.http.get(visitor.base + "/changes") as response:
        async with asyncio.timeout(5):
            while not (await response.content.readline()).startswith(b":"):
                pass


async def test_a_browser_that_leaves_is_forgotten(visitor: Visitor) -> None:
    async with listening(visitor):
        assert len(visitor.worker.changes._listeners) == 1
    await until(lambda: not visitor.worker.changes._listeners)


async def test_too_many_listeners_are_refused(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "MAX_LISTENERS", 1)
    async with listening(visitor):
        response, text = await visitor.get("/changes")
        assert response.status == 503
        assert "close some pages" in text


async def test_a_browser_that_does_not_read_is_let_go_and_holds_nobody_up(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "SEND_LIMIT_S", 0.2)
    changes = visitor.worker.changes
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", URL(visitor.base).port))
    stuck.sendall(b"GET /changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(lambda: len(changes._listeners) == 1)
    async with listening(visitor) as heard:
        for number in range(200_000):
            changes.tell("verdict", "front", str(number))
            if number % 20 == 0:
                await asyncio.sleep(0)
            if len(changes._listeners) == 1:
                break
        await until(lambda: len(changes._listeners) == 1)
        changes.tell("verdict", "front", "the last one")
        await until(lambda: heard[-1]["event_id"] == "the last one")
    stuck.close()


async def test_the_worker_stops_while_browsers_listen(visitor: Visitor) -> None:
    async with listening(visitor):
        visitor.worker.stop()
        await until(lambda: not visitor.worker.changes._listeners, 10)
