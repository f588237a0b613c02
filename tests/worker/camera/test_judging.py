"""Who is judged when there is much to judge, and memory that is given back in between."""

import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import drawn_jpegs
from veroallarme_core.contract import CameraSettings, ObjectKind
from veroallarme_core.pipeline import Outcomes
from veroallarme_core.worker.camera import judging as judging_module
from veroallarme_core.worker.camera.judging import (
    MOST_SECOND_LOOKS,
    THREADS,
    JudgingThreads,
    OverloadedError,
)
from veroallarme_core.worker.camera.reference import ReferencePicture
from veroallarme_core.worker.config import InferenceConfig

LIMIT_S = 20.0


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    event = threading.Event()
    monkeypatch.setattr(judging_module, "give_back", event.set)
    monkeypatch.setattr(judging_module, "IDLE_S", 0.05)
    return event


@pytest.fixture
def judging(given_back: threading.Event, monkeypatch: pytest.MonkeyPatch) -> JudgingThreads:
    return JudgingThreads(InferenceConfig(enabled=False), lambda key, sentence: None)


async def judge(judging: JudgingThreads, folder: Path) -> Any:
    return await judging.judge(
        [b"no picture"],
        CameraSettings(),
        ReferencePicture(folder / "reference.jpg"),
        None,
        event_id="20260101_000000_000000",
        motion_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


async def until_set(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, LIMIT_S)


async def test_memory_is_given_back_once_nothing_is_judged_any_more(
    judging: JudgingThreads, given_back: threading.Event, tmp_path: Path
) -> None:
    await judge(judging, tmp_path)

    await until_set(given_back)
    judging.close()


async def test_the_networks_give_back_theirs_before_the_heap_does(
    judging: JudgingThreads,
    given_back: threading.Event,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released: list[bool] = []

    def release() -> None:
        released.append(given_back.is_set())

    monkeypatch.setattr(judging.pipeline, "release_memory", release)

    await judge(judging, tmp_path)

    await until_set(given_back)
    assert released == [False]
    judging.close()


async def test_memory_stays_while_a_burst_is_judged(
    judging: JudgingThreads,
    given_back: threading.Event,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any, **named: Any) -> str:
        begun.set()
        go_on.wait(LIMIT_S)
        return "judged"

    quick = judging.pipeline
    await judge(judging, tmp_path)
    monkeypatch.setattr(quick, "judge", slow)
    running = asyncio.create_task(judge(judging, tmp_path))
    await until_set(begun)
    given_back.clear()
    await asyncio.sleep(0.3)
    assert not given_back.is_set()

    go_on.set()
    assert await running == "judged"
    await until_set(given_back)
    judging.close()


async def test_nothing_is_given_back_after_the_end(
    judging: JudgingThreads, given_back: threading.Event, tmp_path: Path
) -> None:
    await judge(judging, tmp_path)
    judging.close()

    await asyncio.sleep(0.3)
    assert not given_back.is_set()


# --- more than can be judged ---------------------------------------------------------------------


async def test_a_burst_that_nobody_has_time_for_is_given_up(
    judging: JudgingThreads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    judged: list[int] = []

    def slow(*arguments: Any, **named: Any) -> str:
        judged.append(1)
        begun.release()
        go_on.wait(LIMIT_S)
        return "judged"

    monkeypatch.setattr(judging.pipeline, "judge", slow)
    running = [asyncio.create_task(judge(judging, tmp_path)) for _ in range(THREADS)]
    for _ in running:
        assert await asyncio.to_thread(begun.acquire, timeout=LIMIT_S)

    monkeypatch.setattr(judging_module, "WAIT_LIMIT_S", 0.1)
    with pytest.raises(OverloadedError, match=f"{THREADS + 1} bursts wait"):
        await judge(judging, tmp_path)

    go_on.set()
    assert await asyncio.gather(*running) == ["judged"] * THREADS  # what was begun is ended
    assert await judge(judging, tmp_path) == "judged"  # and the next one has its turn
    assert len(judged) == THREADS + 1
    judging.close()


# --- another look, behind the alarms -----------------------------------------------------------


def outcomes() -> Outcomes:
    return Outcomes(chosen=frozenset(ObjectKind))


async def test_another_look_is_taken_in_a_thread_of_its_own(judging: JudgingThreads) -> None:
    threads: list[str] = []

    def look() -> Outcomes:
        threads.append(threading.current_thread().name)
        return outcomes()

    assert await judging.look_again(look) == outcomes()
    assert threads[0].startswith("veroallarme-second-look")
    judging.close()


async def test_a_look_that_fails_leaves_it_unknown(judging: JudgingThreads) -> None:
    def fail() -> Outcomes:
        raise ValueError("no")

    assert await judging.look_again(fail) is None
    assert await judging.look_again(outcomes) == outcomes(), "the next one is taken"
    judging.close()


async def test_too_many_looks_are_not_waited_for(judging: JudgingThreads) -> None:
    may_end = threading.Event()

    def slow() -> Outcomes:
        may_end.wait(LIMIT_S)
        return outcomes()

    looks = [asyncio.create_task(judging.look_again(slow)) for _ in range(MOST_SECOND_LOOKS)]
    await asyncio.sleep(0)
    assert await judging.look_again(outcomes) is None
    may_end.set()
    assert await asyncio.gather(*looks) == [outcomes()] * MOST_SECOND_LOOKS
    assert await judging.look_again(outcomes) == outcomes()
    judging.close()
    assert await judging.look_again(outcomes) is None


@pytest.mark.parametrize("looks_again", [False, True])
async def test_nobody_looks_again_where_no_page_would_tell_of_it(looks_again: bool) -> None:
    judging = JudgingThreads(
        InferenceConfig(enabled=False), lambda key, sentence: None, looks_again=looks_again
    )
    frames = list(drawn_jpegs("person_in_the_drive"))
    result = judging.pipeline.judge(frames, CameraSettings())
    assert (result.look_again is not None) is looks_again
    judging.close()
