"""Two workers on the same folders: one serves, the other one waits for its turn."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.delivery import CAMERA, STATUS, C, Journal, Replay, worker_config
from benchmarks.peers import HttpCamera, Listener, Mosquitto, WorkerProcess, until
from tests.worker.conftest import drawn_jpegs

PATIENCE_S = 120.0
STARTS = 24


@pytest.fixture
def pair(
    tmp_path: Path, mosquitto: Mosquitto, cameras: HttpCamera
) -> Iterator[tuple[WorkerProcess, WorkerProcess]]:
    """Two workers that share one folder, as on a disk that two machines see."""
    both = []
    for name in ("first", "second"):
        worker = WorkerProcess(tmp_path, worker_config(mosquitto, cameras))
        worker.log_path = tmp_path / f"{name}.log"
        worker.arguments = ("--standby",)
        both.append(worker)
    yield both[0], both[1]
    for worker in both:
        worker.kill()
        print(worker.log)


async def test_the_other_worker_takes_over_and_nothing_is_lost(
    mosquitto: Mosquitto, cameras: HttpCamera, pair: tuple[WorkerProcess, WorkerProcess]
) -> None:
    first, second = pair
    cameras.frames[CAMERA] = drawn_jpegs("person_in_the_drive")
    replay = Replay(mosquitto, first, cameras, [cameras.frames[CAMERA]], random.Random(0))
    listener = Listener(mosquitto.port, [f"{C}/event", STATUS], "listener")
    async with listener.listen():
        first.start()
        await listener.until(lambda: listener.payloads(STATUS)[-1:] == [b"online"], PATIENCE_S)
        second.start()
        await until(lambda: "stands by" in second.log, PATIENCE_S)
        sending = asyncio.create_task(replay.send(STARTS))
        serving, waiting = first, second
        for share in (1 / 3, 2 / 3):
            await until(lambda share=share: len(replay.accepted) >= share * STARTS, PATIENCE_S)
            heard = len(listener.payloads(STATUS))
            await asyncio.to_thread(serving.kill)
            await listener.until(
                lambda heard=heard: b"online" in listener.payloads(STATUS)[heard:], PATIENCE_S
            )
            serving.start()  # and stands by
            serving, waiting = waiting, serving
        await asyncio.wait_for(sending, PATIENCE_S)
        journal = Journal(first.data_dir / "events.sqlite")
        await until(lambda: journal.is_settled(replay), PATIENCE_S)
        events, _ = journal.rows()
        await listener.until(
            lambda: {one.json()["event_id"] for one in listener.on("/event")} >= events.keys(),
            PATIENCE_S,
        )
        times = journal.numbers(replay)
    assert set(replay.accepted) <= times.keys()
    assert set(times.values()) == {1}
    assert waiting.exit_code is None


async def test_a_worker_that_stands_by_ends_when_it_is_told_to(
    mosquitto: Mosquitto, pair: tuple[WorkerProcess, WorkerProcess]
) -> None:
    first, second = pair
    listener = Listener(mosquitto.port, [STATUS], "listener")
    async with listener.listen():
        first.start()
        await listener.until(lambda: listener.payloads(STATUS)[-1:] == [b"online"], PATIENCE_S)
        second.start()
        await until(lambda: "stands by" in second.log, PATIENCE_S)
        assert await second.terminate() == 0
        assert first.exit_code is None
        with contextlib.suppress(TimeoutError):
            await listener.until(lambda: b"offline" in listener.payloads(STATUS)[1:], 1.0)
        assert listener.payloads(STATUS)[-1] == b"online"
