"""The health endpoint: a watchdog restarts what hangs, and never what waits for its broker."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from benchmarks.peers import Mosquitto, free_port, until
from tests.worker.conftest import Site
from tests.worker.talk import C, Judging, sender
from veroallarme_core import __version__
from veroallarme_core.worker.camera.judging import JudgingThreads
from veroallarme_core.worker.config import HealthConfig
from veroallarme_core.worker.mqtt import connection as mqtt_module
from veroallarme_core.worker.service import Worker
from veroallarme_core.worker.state_folder import StartError
from veroallarme_core.worker.web import health as health_module
from veroallarme_core.worker.web.health import Condition, answering, assess

WELL = Condition(is_set_up=True, is_connected=True, judging_s=0.0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_module, "BACKOFF_S", (0.05, 0.3))


async def ask(port: int, path: str = "/health", method: str = "GET") -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"http://127.0.0.1:{port}{path}") as response,
    ):
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else {}


@contextlib.asynccontextmanager
async def worker_with_health(site: Site) -> AsyncIterator[int]:
    """Run a worker that answers, connected or not; yields its port."""
    port = free_port()
    worker = Worker(replace(site.config(), health=HealthConfig(port=port)))
    running = asyncio.create_task(worker.run())
    try:
        await until(lambda: worker._is_set_up or running.done())
        yield port
    finally:
        worker.stop()
        async with asyncio.timeout(20):
            await running


@pytest.mark.parametrize(
    ("condition", "status", "is_alive", "is_ready"),
    [
        (WELL, "online", True, True),
        (replace(WELL, judging_s=health_module.STUCK_AFTER_S), "online", True, True),
        (replace(WELL, is_connected=False), "waiting", True, False),
        (replace(WELL, is_deaf=True), "deaf", True, False),
        (replace(WELL, is_deaf=True, is_connected=False), "waiting", True, False),
        (Condition(is_set_up=False, is_connected=False, judging_s=0.0), "starting", True, False),
        (replace(WELL, judging_s=health_module.STUCK_AFTER_S + 1), "stuck", False, False),
        (Condition(is_set_up=True, is_connected=False, judging_s=1e4), "stuck", False, False),
    ],
)
def test_what_the_condition_says(
    condition: Condition, status: str, is_alive: bool, is_ready: bool
) -> None:
    health = assess(condition)
    assert (health.status, health.is_alive, health.is_ready) == (status, is_alive, is_ready)
    assert (health.reason is None) == (status == "online")


async def test_the_answers_and_nothing_else() -> None:
    port = free_port()
    condition = [WELL]
    async with answering(HealthConfig(port=port), lambda: condition[0]):
        content = {"status": "online", "reason": None, "version": __version__}
        assert await ask(port) == (200, content)
        assert await ask(port, "/ready") == (200, content)
        condition[0] = replace(WELL, is_connected=False)
        assert (await ask(port))[0] == 200
        assert (await ask(port, "/ready"))[0] == 503
        condition[0] = replace(WELL, judging_s=1e4)
        status, content = await ask(port)
        assert (status, content["status"]) == (503, "stuck")
        for path in ("/", "/health/", "/metrics", "/health/../ready/x"):
            assert (await ask(port, path))[0] == 404
        assert (await ask(port, method="POST"))[0] == 405
    with pytest.raises(aiohttp.ClientError):
        await ask(port)


async def test_only_this_machine_is_answered_unless_asked_otherwise() -> None:
    port = free_port()
    async with answering(HealthConfig(port=port), lambda: WELL):
        with socket.socket() as other:
            other.bind(("127.0.0.2", port))  # would fail if all addresses were taken
    async with answering(HealthConfig(port=port, host="0.0.0.0"), lambda: WELL):
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.2", port))


async def test_a_broker_that_goes_is_told_and_no_reason_to_restart(
    site: Site, mosquitto: Mosquitto
) -> None:
    async with worker_with_health(site) as port:

        async def is_ready() -> bool:
            return (await ask(port, "/ready"))[0] == 200

        async def is_waiting() -> bool:
            return (await ask(port, "/ready"))[1]["status"] == "waiting"

        await until(is_ready)
        assert (await ask(port))[1]["status"] == "online"
        mosquitto.kill()
        await until(is_waiting)
        status, content = await ask(port)
        assert (status, content["status"]) == (200, "waiting")
        assert "front" not in str(content)
        assert str(site.port) not in str(content)
        mosquitto.start()
        await until(is_ready)


async def test_a_judgement_that_hangs_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "STUCK_AFTER_S", 0.2)
    go_on = threading.Event()

    class Hanging(Judging):
        def judge(self, *arguments: Any, **more: Any) -> Any:
            go_on.wait(20)
            return super().judge(*arguments, **more)

    port = free_port()
    worker = Worker(replace(site.config(), health=HealthConfig(port=port)))
    Hanging().install(worker)
    running = asyncio.create_task(worker.run())
    try:
        await until(lambda: worker._session.is_connected)

        async def status() -> int:
            return (await ask(port))[0]

        async def is_stuck() -> bool:
            return await status() == 503

        assert await status() == 200
        async with site.listener() as heard, sender(site.port) as broker:
            await broker.motion()
            await until(is_stuck)
            assert "has been running for" in (await ask(port))[1]["reason"]
            go_on.set()
            await heard.until(lambda: heard.on(f"{C}/event"))
        assert await status() == 200, "what ended is forgotten"
    finally:
        go_on.set()
        worker.stop()
        async with asyncio.timeout(20):
            await running


async def test_it_answers_while_the_worker_starts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def slow_networks(judging: JudgingThreads) -> None:
        await go_on.wait()

    monkeypatch.setattr(JudgingThreads, "load_networks", slow_networks)
    port = free_port()
    worker = Worker(replace(site.config(), health=HealthConfig(port=port)))
    running = asyncio.create_task(worker.run())

    async def answer() -> tuple[int, dict[str, Any]] | None:
        with contextlib.suppress(aiohttp.ClientError):
            return await ask(port)
        return None

    status, content = await until(answer)
    assert (status, content["status"]) == (200, "starting")
    assert (await ask(port, "/ready"))[0] == 503
    go_on.set()
    await until(lambda: worker._session.is_connected)
    assert (await ask(port, "/ready"))[0] == 200
    worker.stop()
    async with asyncio.timeout(20):
        await running


async def test_a_loop_that_hangs_does_not_answer(site: Site) -> None:
    async with worker_with_health(site) as port:
        asked: list[float] = []

        def ask_from_outside() -> None:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                began = time.monotonic()
                connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                assert connection.recv(12).endswith(b"200")
                asked.append(time.monotonic() - began)

        thread = threading.Thread(target=ask_from_outside)
        thread.start()
        time.sleep(0.5)  # noqa: ASYNC251 - this is the hang
        assert asked == []
        await asyncio.to_thread(thread.join)
        assert asked


async def test_a_port_that_is_taken_is_one_sentence(site: Site) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        worker = Worker(replace(site.config(), health=HealthConfig(port=port)))
        with pytest.raises(StartError) as caught:
            await worker.run()
    assert str(caught.value) == (
        f"health: port {port} of 127.0.0.1 is taken by another program: give another port"
    )
    again = Worker(site.config())  # its folders were given back
    again.stop()
    await again.run()


async def test_an_address_of_another_machine_is_one_sentence(site: Site) -> None:
    config = HealthConfig(port=free_port(), host="192.0.2.1")
    with pytest.raises(StartError, match=r"of 192\.0\.2\.1 cannot be opened \(.+\): check both"):
        await Worker(replace(site.config(), health=config)).run()


async def test_no_port_is_opened_without_the_key(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a port is opened")

    monkeypatch.setattr(Worker, "_condition", refuse)
    monkeypatch.setattr("veroallarme_core.worker.service.answering", refuse)
    async with site.worker():
        pass
