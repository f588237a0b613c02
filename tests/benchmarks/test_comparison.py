"""What counts as slower: more than the noise of both runs, and no improvement."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.suite.comparison import change, last_results, results_file, worse
from benchmarks.suite.figures import Figure, write_results
from tests.benchmarks.results import MACHINE, figure, results

OTHER = "Another CPU, 8 threads, no AVX2"


def told(now: Figure, before: Figure | None, *, same_machine: bool = True) -> str:
    return change(now, before, same_machine=same_machine)


def test_slower_than_the_noise_is_marked_and_faster_is_not() -> None:
    assert told(figure(median=120), figure(median=100)) == "+20% WORSE"
    assert told(figure(median=80), figure(median=100)) == "-20%"


@pytest.mark.parametrize("median", [96, 100, 104.9])
def test_what_lies_within_the_tolerance_is_no_change(median: float) -> None:
    assert told(figure(median=median), figure(median=100)) == ""


def test_the_spreads_of_both_runs_are_noise() -> None:
    before = figure(median=100, spread=10)
    assert told(figure(median=124, spread=10), before) == ""
    assert told(figure(median=126, spread=10), before) == "+26% WORSE"
    assert told(figure(median=74, spread=10), before) == "-26%"


def test_fewer_are_worse_where_more_are_better() -> None:
    rate: dict[str, Any] = {"unit": "/s", "more_is_better": True}
    assert told(figure(median=60, **rate), figure(median=80, **rate)) == "-25% WORSE"
    assert told(figure(median=100, **rate), figure(median=80, **rate)) == "+25%"


def test_a_busy_machine_changes_no_ratio() -> None:
    before = figure(median=100, times_decoding=10.0, times_decoding_spread=0.5)
    busy = figure(median=300, times_decoding=10.2, times_decoding_spread=0.5)
    slower = figure(median=100, times_decoding=12.0, times_decoding_spread=0.5)
    assert told(busy, before) == ""
    assert told(slower, before) == "+20% WORSE"


def test_of_another_machine_only_ratios_and_memory_count() -> None:
    ratio = {"times_decoding": 10.0}
    twice = {"times_decoding": 20.0}
    assert told(figure(median=900), figure(median=100), same_machine=False) == ""
    found = told(figure(median=50, **twice), figure(median=100, **ratio), same_machine=False)
    assert found == "+100% WORSE"
    memory = [figure(unit="MB", median=median) for median in (300, 250)]
    assert told(*memory, same_machine=False) == "+20% WORSE"


def test_what_is_new_or_measured_differently_is_not_compared() -> None:
    assert told(figure(median=100), None) == ""
    assert told(figure(median=900, unit="ms"), figure(median=1, unit="s")) == ""


def test_only_what_became_worse_is_named() -> None:
    before = results(*(figure(name, 100) for name in ("slower", "same", "faster")))
    now = results(figure("slower", 150), figure("same"), figure("faster", 50), figure("new", 1e6))
    assert worse(now, before) == ["slower"]
    assert worse(now, None) == []


def test_the_last_results_are_those_of_this_machine(tmp_path: Path) -> None:
    own = results(figure("own"), measured_at="2026-01-01 00:00 UTC")
    later = results(figure("later"), machine=OTHER, measured_at="2026-05-01 00:00 UTC")
    for each in (own, later):
        write_results(each, results_file(each.machine, tmp_path))

    assert last_results(MACHINE, tmp_path) == own


def test_else_they_are_the_latest_of_another_one(tmp_path: Path) -> None:
    for month in ("03", "05", "04"):
        machine, at = f"machine {month}", f"2026-{month}-01 00:00 UTC"
        each = results(figure(), machine=machine, measured_at=at)
        write_results(each, results_file(machine, tmp_path))

    found = last_results(MACHINE, tmp_path)
    assert found is not None
    assert found.machine == "machine 05"


def test_there_may_be_none_yet(tmp_path: Path) -> None:
    assert last_results(MACHINE, tmp_path) is None
    assert last_results(MACHINE, tmp_path / "nowhere") is None


def test_results_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    results_file(MACHINE, tmp_path).write_text("{}")
    with pytest.raises(ValueError, match="holds no results"):
        last_results(MACHINE, tmp_path)


@pytest.mark.parametrize("machine", [MACHINE, "../../etc/passwd", "a" * 300, "Intel(R) Xeon(R)"])
def test_the_file_of_a_machine_lies_in_the_folder(tmp_path: Path, machine: str) -> None:
    path = results_file(machine, tmp_path)
    assert path.parent == tmp_path
    assert path.suffix == ".json"
    assert len(path.name) <= 85
    assert set(path.stem) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
