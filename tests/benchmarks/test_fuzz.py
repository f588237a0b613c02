"""Everything that reads input, given broken input; the long run is `python -m benchmarks.fuzz`."""

import faulthandler
import logging
import os
import random
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import run
from benchmarks.fuzz.__main__ import table, tell_faults
from benchmarks.fuzz.mutation import MAX_BYTES, mutated
from benchmarks.fuzz.run import Fault, Outcome, fuzz
from benchmarks.fuzz.targets import TARGETS, Refused, Target

SHORT = settings(
    derandomize=True,
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.filterwarnings(r"ignore:::PIL\.")
@SHORT
@given(data=st.data())
def test_no_input_does_harm(target: Target, data: st.DataObject) -> None:
    broken = st.builds(
        lambda seed: mutated(random.Random(seed), target.seeds), st.integers(0, 2**32)
    )
    given_bytes = data.draw(st.binary(max_size=300) | st.sampled_from(target.seeds) | broken)
    refusal = "fine"
    try:
        target.read(given_bytes)
    except Refused as error:
        refusal = str(error)
    assert refusal
    assert "\n" not in refusal


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_good_inputs_are_broken_the_same_way_each_time(target):
    once, twice = (
        [mutated(random.Random(seed), target.seeds) for seed in range(50)] for _ in range(2)
    )
    assert once == twice
    assert len(set(once)) > 30
    assert max(map(len, once)) <= MAX_BYTES


# --- it finds what it looks for -----------------------------------------------------------------


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


def test_the_table_counts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    good = Outcome("good", 1234567, 3, 1.6, 2.4, ())
    bad = replace(good, name="bad", inputs=1, faults=(Fault("error", b"data", "where"),))
    assert table([good, bad]).splitlines()[-1] == "| **all** | **1,234,568** | | | | **1** |"
    assert tell_faults([good, bad]) == 1
    assert "bad: error" in capsys.readouterr().err
    [kept] = tmp_path.iterdir()
    assert kept.read_bytes() == b"data"
