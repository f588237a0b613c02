"""What holds a process to a share of one core."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.cpu_share import PERIOD_S, Budget, cpu_seconds, held_to
from benchmarks.peers import until

STOPPED = "T"


@pytest.fixture
def busy() -> Iterator[int]:
    """The id of a process that never rests by itself."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture
def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("late", [1, 7])
def test_a_process_gets_its_share_however_late_somebody_looks(threads: int, late: int) -> None:
    budget = Budget(0.4, used_s=3.0, at_s=100.0)
    used_s, may_run, seconds = 3.0, True, 60.0
    for tick in range(1, int(seconds / 0.005) + 1):
        used_s += 0.005 * threads * may_run
        if tick % late == 0:
            may_run = budget.is_left(used_s, 100.0 + tick * 0.005)
    assert (used_s - 3.0) / seconds == pytest.approx(0.4, abs=0.005)


def test_who_rested_may_not_make_up_for_it() -> None:
    budget = Budget(0.5, used_s=0.0, at_s=0.0)
    assert budget.is_left(0.0, 1000.0)
    assert budget.left_s == pytest.approx(0.5 * PERIOD_S)
    assert not budget.is_left(0.5 * PERIOD_S + 0.1, 1000.1)


async def test_stops_a_process_and_lets_it_go_on_in_the_end(busy: int) -> None:
    with held_to(1e-9, [busy]):
        await until(lambda: state_of(busy) == STOPPED)
    assert state_of(busy) != STOPPED
    used_s = cpu_seconds(busy)
    await until(lambda: cpu_seconds(busy) > used_s)


async def test_lets_a_process_go_on_as_soon_as_it_may(busy: int) -> None:
    with held_to(0.2, [busy]):
        for _ in range(3):
            await until(lambda: state_of(busy) == STOPPED)
            await until(lambda: state_of(busy) != STOPPED)


async def test_a_process_that_ends_does_not_keep_the_others_from_being_held(
    busy: int, gone: int
) -> None:
    with held_to(1e-9, [gone, busy]):
        await until(lambda: state_of(busy) == STOPPED)
