"""Figures of rounds, and results that are written and read back."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.suite.figures import (
    Results,
    figure_of_rounds,
    machine,
    read_results,
    versions,
    write_results,
)
from tests.benchmarks.results import figure, results

times = st.floats(0.1, 1e4)
rounds = st.lists(st.lists(times, min_size=1, max_size=5), min_size=1, max_size=5)


@given(rounds)
def test_a_figure_is_the_median_of_the_medians_of_its_rounds(measured: list[list[float]]) -> None:
    found = figure_of_rounds("event", "ms", measured)

    medians = sorted(statistics.median(each) for each in measured)
    assert found.median == pytest.approx(statistics.median(medians))
    assert found.spread == pytest.approx((medians[-1] - medians[0]) / 2)
    assert found.times_decoding is None


def test_the_ratio_is_taken_in_each_round() -> None:
    # A machine that others use was half as fast in the second round: the ratio stays.
    found = figure_of_rounds("event", "ms", [[10, 20, 30], [40]], [[5, 5], [10]])

    assert (found.median, found.spread, found.p95) == (30, 10, pytest.approx(38.5))
    assert (found.times_decoding, found.times_decoding_spread) == (4, 0)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = results(
        figure("event", 12.5, spread=0.25, p95=20.0, times_decoding=3.1, times_decoding_spread=0.1),
        figure("events", 80.0, unit="/s", more_is_better=True),
        notes=("mosquitto is missing.",),
    )
    path = tmp_path / "new" / "results.json"
    write_results(written, path)

    assert read_results(path) == written
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


def test_digits_that_are_worth_nothing_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(results(figure(median=12.3456789)), path)

    assert read_results(path).figures[0].median == 12.35


def test_a_file_that_cannot_take_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_results(results(figure()), path)

    assert list(tmp_path.iterdir()) == [path]
    assert list(path.iterdir()) == []


def without(content: dict[str, object], name: str) -> str:
    return json.dumps({key: value for key, value in content.items() if key != name})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "null",
        lambda text: without(json.loads(text), "figures"),
        lambda text: without(json.loads(text), "machine"),
        lambda text: json.dumps(json.loads(text) | {"format": 99}),
        lambda text: json.dumps(json.loads(text) | {"colour": "red"}),
        lambda text: json.dumps(json.loads(text) | {"figures": [{"name": "event"}]}),
        lambda text: json.dumps(json.loads(text) | {"figures": [7]}),
    ],
)
def test_what_is_no_result_is_refused_in_a_sentence(
    tmp_path: Path, spoil: Callable[[str], str]
) -> None:
    path = tmp_path / "results.json"
    write_results(results(figure()), path)
    path.write_text(spoil(path.read_text()))

    with pytest.raises(ValueError, match="holds no results that can be compared") as refused:
        read_results(path)
    assert str(path) in str(refused.value)
    assert "delete it and run" in str(refused.value)


def test_figures_are_found_by_name() -> None:
    both: Results = results(figure("one"), figure("two"))

    assert both.by_name["two"] is both.figures[1]


def test_machine_and_versions_are_those_of_this_one() -> None:
    assert " threads, " in machine()
    assert machine() == machine()
    assert {"python", "numpy"} <= versions().keys()
