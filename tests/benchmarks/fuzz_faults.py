"""What the fuzzer finds, each in a process that it forks; run by `test_fuzz.py`, which see."""

import faulthandler
import logging
import os
import time

from benchmarks.fuzz import run
from benchmarks.fuzz.__main__ import tell_faults
from benchmarks.fuzz.run import Outcome, fuzz
from benchmarks.fuzz.targets import Refused, Target


def outcome_of(read) -> Outcome:
    return fuzz(Target("a", (b"x",), read), 0.3, seed=1)


def kinds_of(outcome: Outcome) -> set[str]:
    return {fault.what for fault in outcome.faults}


def test_what_is_well_done_is_no_fault():
    def read(data: bytes) -> str:
        if len(data) != 1:
            raise Refused("give one byte")
        return "fine"

    outcome = outcome_of(read)
    assert outcome.faults == ()
    assert outcome.inputs > 10
    assert outcome.kinds >= 2
    assert tell_faults([outcome]) == 0


def test_an_error_that_is_none_for_people_is_found():
    assert kinds_of(outcome_of(lambda data: 1 / 0)) == {"error"}


def test_a_refusal_over_several_lines_is_found():
    def read(data: bytes) -> None:
        raise Refused("one\ntwo")

    assert kinds_of(outcome_of(read)) == {"no sentence"}


def test_a_hang_is_found(monkeypatch):
    monkeypatch.setattr(run, "HANG_S", 0.05)

    def read(data: bytes) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            pass

    assert "hang" in kinds_of(outcome_of(lambda data: None if data == b"x" else read(data)))


def test_a_wait_without_end_is_found(monkeypatch):
    monkeypatch.setattr(run, "HANG_S", 0.05)
    outcome = outcome_of(lambda data: None if data == b"x" else time.sleep(60))
    assert kinds_of(outcome) == {"hang"}


def test_a_crash_is_found():
    def read(data: bytes) -> None:
        if data != b"x":
            faulthandler.disable()  # pytest's would write where it was
            os.abort()

    outcome = outcome_of(read)
    assert kinds_of(outcome) == {"crash (-6)"}


def test_memory_that_grows_is_found(monkeypatch):
    monkeypatch.setattr(run, "MAX_GROWTH_MB", 50)
    kept = []

    def read(data: bytes) -> None:
        if data != b"x":
            kept.append(b"x" * (64 << 20))

    assert "memory" in kinds_of(outcome_of(read))


def test_a_traceback_in_the_log_is_found():
    def read(data: bytes) -> None:
        try:
            raise ValueError("x")
        except ValueError:
            logging.getLogger("test").exception("it broke")

    assert kinds_of(outcome_of(read)) == {"log"}
