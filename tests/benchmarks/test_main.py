"""`python -m benchmarks`: what it prints and writes, and what it compares with."""

import os
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.suite.comparison import results_file
from benchmarks.suite.figures import machine, read_results
from benchmarks.suite.plan import Part, Plan
from benchmarks.suite.table import BEGIN, END
from tests.benchmarks.results import figure

MEDIAN = "MEDIAN_OF_THE_TESTS"


# Parts run in processes of their own, which find them by their name.
def timed(plan: Plan) -> Part:
    name = "whole event, 704x576" + (", quick" if plan.quick else "")
    return Part((figure(name, float(os.environ[MEDIAN])),), ("a note",))


def broken(plan: Plan) -> Part:
    raise RuntimeError("nothing to measure with")


def killed(plan: Plan) -> Part:
    os._exit(3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results are written; the only part takes 100 ms."""
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "PARTS", {"timed": timed})
    monkeypatch.delenv("VEROALLARME_FOOTAGE", raising=False)
    monkeypatch.setenv(MEDIAN, "100")
    return tmp_path


def test_prints_and_writes_what_it_measured(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([]) == 0

    printed = capsys.readouterr().out
    assert "| whole event, 704x576 | 100 ms |" in printed
    assert "- a note" in printed
    file = results_file(machine(), folder / "results")
    assert f"written: {file}" in printed
    assert read_results(file).figures == (figure("whole event, 704x576", 100.0),)


@pytest.mark.parametrize(("median", "cell"), [("150", "+50% WORSE"), ("103", ""), ("60", "-40%")])
def test_compares_with_the_last_results(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    median: str,
    cell: str,
) -> None:
    command.main([])
    capsys.readouterr()
    monkeypatch.setenv(MEDIAN, median)

    assert command.main([]) == 0

    printed = capsys.readouterr().out
    (row,) = (line for line in printed.splitlines() if line.startswith("| whole event"))
    assert row.split("|")[-2].strip() == cell
    marked = "worse than the noise: whole event, 704x576" in printed
    assert marked is cell.endswith("WORSE")


@pytest.mark.parametrize("arguments", [["--quick"], ["--only", "timed"]])
def test_a_part_or_a_quick_run_writes_nothing(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.setattr(command, "PARTS", {"timed": timed, "other": timed})

    assert command.main([*arguments, "--pages"]) == 0

    assert "| whole event, 704x576" in capsys.readouterr().out
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("part", [broken, killed])
def test_a_part_that_fails_costs_the_others_nothing(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    part: object,
) -> None:
    monkeypatch.setattr(command, "PARTS", {"unlucky": part, "timed": timed})

    assert command.main([]) == 1

    printed = capsys.readouterr()
    assert "| whole event, 704x576 | 100 ms |" in printed.out
    assert "failed, and nothing is written: unlucky" in printed.err
    assert list(folder.iterdir()) == []


def test_renews_the_tables_of_the_pages(folder: Path) -> None:
    for page in command.PAGES:
        (folder / page).parent.mkdir(exist_ok=True)
        (folder / page).write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")

    assert command.main(["--pages"]) == 0

    for page in command.PAGES:
        assert "| whole event, 704x576 | 100 ms |" in (folder / page).read_text(encoding="utf-8")


def test_the_pages_have_a_place_for_their_table() -> None:
    for page in command.PAGES:
        text = (command.ROOT / page).read_text(encoding="utf-8")
        assert (text.count(BEGIN), text.count(END)) == (1, 1)


def test_results_that_cannot_be_compared_are_told_before_anything_is_measured(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = results_file(machine(), folder / "results")
    file.parent.mkdir()
    file.write_text("no results")

    assert command.main([]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert f"{file} holds no results" in printed.err


@pytest.mark.parametrize("rounds", ["0", "-1", "many", "1.5"])
def test_a_wrong_number_of_rounds_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], rounds: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main([f"--rounds={rounds}"])
    assert f"{rounds!r} is no whole number from 1 on" in capsys.readouterr().err
