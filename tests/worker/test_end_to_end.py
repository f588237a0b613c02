"""The worker as people run it, in a process of its own, killed and stopped in earnest."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from benchmarks import delivery
from benchmarks.peers import HttpCamera, Listener, Mosquitto, WorkerProcess, until
from tests.worker.conftest import drawn_jpegs
from tests.worker.talk import burst, sender
from veroallarme_core.worker.snapshots.bursts import LATE_AFTER_S
from veroallarme_core.worker.storage.event_store import EventStore

C = "veroallarme/home/camera/front"
STATUS = "veroallarme/home/worker/main/status"
HEALTH = "veroallarme/home/worker/main/health"


def configuration(port: int, camera: HttpCamera, **more: Any) -> dict[str, Any]:
    return {
        "mqtt": {"host": "127.0.0.1", "port": port},
        "cameras": {
            "front": {
                "triggers": [{"topic": "cam/front/motion", "start": "ON", "end": "OFF"}],
                "snapshot": {"url": camera.url("front")},
                "burst": {"size": 2, "spacing_s": 0.1, "limit_s": 3},
                "settings": {"mode": "filter", "hold_s": 0.5},
                "reference_every_s": 0,
                "merge_window_s": 0,
                **more,
            }
        },
    }


@pytest.fixture
def worker(tmp_path: Path, mosquitto: Mosquitto, cameras: HttpCamera) -> Iterator[WorkerProcess]:
    process = WorkerProcess(tmp_path, configuration(mosquitto.port, cameras))
    yield process
    process.tell_where()
    # Shown where the test has failed: what was not heard over MQTT has its reason here.
    print(process.log)


@contextlib.asynccontextmanager
async def listening(mosquitto: Mosquitto) -> AsyncIterator[Listener]:
    async with Listener(mosquitto.port, ["veroallarme/#"]).listen() as listener:
        yield listener


async def motion(port: int, payload: str = "ON") -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish("cam/front/motion", payload, qos=1)


def online(listener: Listener) -> bool:
    return listener.payloads(STATUS)[-1:] == [b"online"]


async def test_motion_to_alarm_and_a_clean_end(mosquitto: Mosquitto, worker: WorkerProcess) -> None:
    async with listening(mosquitto) as heard:
        worker.start()
        await heard.until(lambda: online(heard))
        await motion(mosquitto.port)
        await heard.until(lambda: heard.on("/event"))
        verdict = heard.on("/event")[0].json()
        assert verdict["camera"] == "front"
        assert verdict["frames"]["distinct"] == 2
        assert (worker.data_dir / "front" / verdict["event_id"] / "1.jpg").exists()
        assert await worker.terminate() == 0
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"offline"])
    assert "Traceback" not in worker.log


async def test_kill_leaves_the_last_will(mosquitto: Mosquitto, worker: WorkerProcess) -> None:
    async with listening(mosquitto) as heard:
        worker.start()
        await heard.until(lambda: online(heard))
        worker.kill()
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"offline"])
        worker.start()
        await heard.until(lambda: online(heard))


async def test_stop_finishes_the_event_in_flight(
    mosquitto: Mosquitto, worker: WorkerProcess, cameras: HttpCamera
) -> None:
    cameras.delay_s = 0.7
    async with listening(mosquitto) as heard:
        worker.start()
        await heard.until(lambda: online(heard))
        await motion(mosquitto.port)
        await heard.until(lambda: cameras.requests)
        assert await worker.terminate() == 0
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"offline"])
        (verdict,) = [one.json() for one in heard.on("/event")]
        assert verdict["frames"]["distinct"] == 2
    store = EventStore(worker.data_dir)
    assert store.open_events() == []
    assert store.unpublished(["front"], 10) == []
    store.close()


async def test_event_in_flight_at_a_kill_is_judged_after_the_restart(
    mosquitto: Mosquitto, worker: WorkerProcess, cameras: HttpCamera
) -> None:
    cameras.delay_s = 0.7
    async with listening(mosquitto) as heard:
        worker.start()
        await heard.until(lambda: online(heard))
        await motion(mosquitto.port)
        await heard.until(lambda: cameras.requests)
        await asyncio.sleep(0.2)
        worker.kill()
        assert heard.on("/event") == []
        worker.start()
        await heard.until(lambda: heard.on("/event"))
        await asyncio.sleep(1.0)
        (verdict,) = [one.json() for one in heard.on("/event")]
        assert verdict["merged"] == 0
        assert heard.payloads(f"{C}/relevant")[-1] in (b"ON", b"OFF")
    assert "Traceback" not in worker.log


async def test_start_before_a_kill_is_not_called_nuisance_by_pictures_of_later(
    mosquitto: Mosquitto, tmp_path: Path, cameras: HttpCamera
) -> None:
    """What moves outside the zones is nuisance, but not where nobody looked in time."""
    corner = {"name": "Corner", "points": [[0, 0], [0.02, 0], [0.02, 0.02]]}
    settings = {"mode": "filter", "hold_s": 0.5, "zones": [corner]}
    process = WorkerProcess(
        tmp_path,
        configuration(
            mosquitto.port, cameras, settings=settings, burst={"size": 2, "spacing_s": 1.5}
        ),
    )
    try:
        async with listening(mosquitto) as heard:
            process.start()
            await heard.until(lambda: online(heard))
            await motion(mosquitto.port)
            await heard.until(lambda: heard.on("/event"))
            assert heard.on("/event")[0].json()["reason"] == "outside_zones"
            assert heard.payloads(f"{C}/relevant")[-1] == b"OFF"
            await motion(mosquitto.port)
            await asyncio.sleep(0.4)
            process.kill()
            await asyncio.sleep(LATE_AFTER_S)
            process.start()
            await heard.until(lambda: len(heard.on("/event")) == 2)
            verdict = heard.on("/event")[1].json()
            assert (verdict["state"], verdict["reason"]) == ("unknown", "late_pictures")
            assert verdict["cues"]["pictures_say"] == "outside_zones"
            assert b"ON" in heard.payloads(f"{C}/relevant")
            await heard.until(lambda: b"front/late_pictures" in heard.payloads(HEALTH)[-1])
    finally:
        process.kill()
    assert "Traceback" not in process.log


async def test_a_kill_before_the_end_of_an_alarm_is_stored_does_not_revive_it(
    mosquitto: Mosquitto, tmp_path: Path, cameras: HttpCamera
) -> None:
    trigger = {"topic": "cam/front/motion", "start": "ON", "end": "OFF", "auto_end_s": 300}
    settings = {"mode": "shadow", "hold_s": 0}
    process = WorkerProcess(
        tmp_path,
        configuration(mosquitto.port, cameras, settings=settings, triggers=[trigger]),
    )
    try:
        async with listening(mosquitto) as heard:
            process.start()
            await heard.until(lambda: online(heard))
            await motion(mosquitto.port)
            await heard.until(lambda: heard.on("/event") and heard.on("/stats"))
            assert heard.payloads(f"{C}/relevant")[-1] == b"ON"
            await asyncio.sleep(0.5)
            other = sqlite3.connect(process.data_dir / "events.sqlite", isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            await motion(mosquitto.port, "OFF")
            await heard.until(lambda: heard.payloads(f"{C}/relevant")[-1] == b"OFF")
            process.kill()
            other.close()
            since = len(heard.heard)
            process.start()
            await heard.until(lambda: STATUS in [h.topic for h in heard.heard[since:]])
            await heard.until(lambda: online(heard))
            assert set(heard.payloads(f"{C}/relevant", since)) == {b"OFF"}
    finally:
        process.kill()


async def test_kill_loses_no_burst_of_a_bridged_camera(
    mosquitto: Mosquitto, worker: WorkerProcess, frames: tuple[bytes, ...]
) -> None:
    porch = "veroallarme/home/camera/porch"
    sent = [burst(frames[:2]) for _ in range(6)]
    async with listening(mosquitto) as heard, sender(mosquitto.port) as broker:
        await broker.send(f"{porch}/config", {"name": "Porch"}, retain=True)
        worker.start()
        await heard.until(lambda: heard.on(f"{porch}/settings"))
        for one in sent:
            await broker.send(f"{porch}/burst", one)
        await heard.until(lambda: heard.on("/event"))
        worker.kill()
        worker.start()
        wanted = {one["event_id"] for one in sent}
        await heard.until(
            lambda: {one.json()["event_id"] for one in heard.on("/event")} >= wanted, limit_s=30
        )
        assert all(one.json()["frames"]["distinct"] == 2 for one in heard.on("/event"))
    worker.kill()
    store = EventStore(worker.data_dir)
    assert store.open_events() == []
    assert store.remember_camera("porch").totals.events == 6
    store.close()
    assert "Traceback" not in worker.log


async def test_kill_while_the_database_is_locked_loses_no_start(
    mosquitto: Mosquitto, worker: WorkerProcess
) -> None:
    async with listening(mosquitto) as heard:
        worker.start()
        await heard.until(lambda: online(heard))
        other = sqlite3.connect(worker.data_dir / "events.sqlite", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        await motion(mosquitto.port)
        await heard.until(lambda: heard.on("/event"))
        await motion(mosquitto.port)
        await asyncio.sleep(0.05)
        worker.kill()
        other.close()
        worker.start()
        # The first start was decided and told; the second has its verdict now, or had it then.
        await heard.until(lambda: len(heard.on("/event")) >= 2)
        first, second = (one.json() for one in heard.on("/event")[:2])
        assert first["stored"] is False
        assert second["event_id"] != first["event_id"]


async def test_stop_with_a_locked_database_does_not_hang(
    mosquitto: Mosquitto, worker: WorkerProcess
) -> None:
    async with listening(mosquitto) as heard:
        worker.start()
        await heard.until(lambda: online(heard))
        other = sqlite3.connect(worker.data_dir / "events.sqlite", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(5):
            await motion(mosquitto.port)
        await heard.until(lambda: heard.on("/event"))
        began = time.monotonic()
        assert await worker.terminate() == 0
        # Container engines kill after 10 s.
        assert time.monotonic() - began < 10
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"offline"])
        other.close()
    assert "Traceback" not in worker.log


async def test_stop_with_a_broker_that_hangs_does_not_hang(
    mosquitto: Mosquitto, worker: WorkerProcess
) -> None:
    async with listening(mosquitto) as heard:
        worker.start()
        await heard.until(lambda: online(heard))
        mosquitto.pause()
        began = time.monotonic()
        try:
            assert await worker.terminate() == 0
        finally:
            mosquitto.go_on()
        assert time.monotonic() - began < 10
    assert "Traceback" not in worker.log


async def test_embedded_broker_serves_the_worker(
    tmp_path: Path, amqtt_port: int, cameras: HttpCamera
) -> None:
    """amqtt knows 3.1.1 only, and mishandles retained messages: motion and verdict must do."""
    content = configuration(amqtt_port, cameras)
    content["mqtt"]["protocol"] = "3.1.1"
    process = WorkerProcess(tmp_path, content)
    listener = Listener(amqtt_port, ["veroallarme/#"])
    try:
        async with listener.listen():
            process.start()
            await listener.until(lambda: online(listener))
            await motion(amqtt_port)
            await listener.until(lambda: listener.on("/event"))
            assert await process.terminate() == 0
    finally:
        process.kill()
    assert "Traceback" not in process.log


async def test_worker_waits_for_a_broker_that_is_not_there_yet(
    mosquitto: Mosquitto, worker: WorkerProcess
) -> None:
    mosquitto.kill()
    worker.start()
    await until(lambda: "cannot be reached" in worker.log)
    mosquitto.start()
    async with listening(mosquitto) as heard:
        await heard.until(lambda: online(heard))


async def test_secrets_stay_out_of_log_and_topics(
    mosquitto: Mosquitto, cameras: HttpCamera, tmp_path: Path
) -> None:
    snapshot = {
        # Nobody listens there, which makes the worker talk about the address.
        "url": "http://127.0.0.1:9/snapshot.jpg?token=hidden_in_the_query",
        "auth": "basic",
        "username": "admin",
        "password": "hidden_password",
    }
    content = configuration(mosquitto.port, cameras, snapshot=snapshot)
    content["mqtt"] |= {"username": "me", "password": "hidden_broker_password"}
    process = WorkerProcess(tmp_path, content)
    try:
        async with listening(mosquitto) as heard:
            process.start()
            await heard.until(lambda: online(heard))
            await motion(mosquitto.port)
            await heard.until(lambda: heard.on("/event"))
            assert heard.on("/event")[0].json()["reason"] == "no_snapshot"
            everything = b"".join(one.payload for one in heard.heard) + process.log.encode()
        assert b"hidden" not in everything
    finally:
        process.kill()


async def test_every_accepted_start_is_covered_once_whoever_is_killed(tmp_path: Path) -> None:
    """The quick version of ``benchmarks.delivery``."""
    events = [drawn_jpegs("person_in_the_drive"), drawn_jpegs("tree_in_light_wind")]
    outcome = await delivery.measure(tmp_path, events=events, starts=15, kills=1, seed=3)
    assert outcome.is_good, str(outcome)
    assert (outcome.accepted, outcome.broker_kills, outcome.worker_kills) == (15, 1, 1)
    assert outcome.covered >= 15
    log = (tmp_path / "worker.log").read_text(encoding="utf-8")
    assert "Traceback" not in log


def test_outcome_with_a_lost_start_is_not_good() -> None:
    assert delivery.Outcome().is_good
    for fault in ("lost", "covered_twice", "verdicts_that_miscount", "wrong_alarms"):
        assert not delivery.Outcome(**{fault: 1}).is_good
    assert "lost" in str(delivery.Outcome(lost=1))


async def test_configuration_mistakes_end_with_2_and_no_traceback(
    worker: WorkerProcess, mosquitto: Mosquitto, cameras: HttpCamera
) -> None:
    content = configuration(mosquitto.port, cameras, burst={"size": 0})
    content["mqtt"]["port"] = "many"
    worker.configure(content)
    worker.start()
    await until(lambda: worker.exit_code is not None)
    assert worker.exit_code == 2
    assert "cameras.front.burst.size" in worker.log
    assert "mqtt.port" in worker.log
    assert "Traceback" not in worker.log
