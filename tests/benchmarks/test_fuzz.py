"""Everything that reads input, given broken input; the long run is `python -m benchmarks.fuzz`."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz.__main__ import table, tell_faults
from benchmarks.fuzz.mutation import MAX_BYTES, mutated
from benchmarks.fuzz.run import Fault, Outcome
from benchmarks.fuzz.targets import TARGETS, Refused, Target

FAULTS = Path(__file__).with_name("fuzz_faults.py")
SHORT = settings(
    derandomize=True,
    max_examples=40,
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


def test_faults_are_found():
    # It forks, and a child of a process with the runtimes' threads may crash in native code.
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FAULTS)],
        check=False,
        capture_output=True,
        text=True,
        cwd=FAULTS.parents[2],
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "8 passed" in found.stdout


def test_the_table_counts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    good = Outcome("good", 1234567, 3, 1.6, 2.4, ())
    bad = replace(good, name="bad", inputs=1, faults=(Fault("error", b"data", "where"),))
    assert table([good, bad]).splitlines()[-1] == "| **all** | **1,234,568** | | | | **1** |"
    assert tell_faults([good, bad]) == 1
    assert "bad: error" in capsys.readouterr().err
    [kept] = tmp_path.iterdir()
    assert kept.read_bytes() == b"data"
