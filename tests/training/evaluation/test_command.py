"""`veroallarme-train evaluate` as a user runs it: the report, the figures, the pictures."""

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")
pytest.importorskip("matplotlib", reason="the pictures need the extra [train]")

from tests.training.bursts import write_event, write_still_event
from veroallarme_training import cli
from veroallarme_training.evaluation.intruders import Trial, intruder_figures
from veroallarme_training.evaluation.ladder import (
    CameraResult,
    RowResult,
    WithThumbs,
    cost_figures,
    promise_figures,
)
from veroallarme_training.evaluation.measures import Figure
from veroallarme_training.evaluation.product import Cost, Product
from veroallarme_training.evaluation.report import (
    FRESH_GOALS,
    GOALS,
    THUMBS_GOALS,
    goals_of,
    markdown,
)
from veroallarme_training.evaluation.scores import EventScore, ScoresFile, write_scores


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two cameras: in every other event somebody walks, in the others nothing moves."""
    site = tmp_path_factory.mktemp("site") / "house"
    for camera in ("gate", "yard"):
        lines = ["event_id,label,cause"]
        for number in range(8):
            event = site / camera / f"20260101_{number:02d}0000"
            x = 15 + 5 * number
            if number % 2:
                write_event(event, [(x, 40), (x + 24, 42), (x + 48, 44)], seed=number)
                lines.append(f"{event.name},relevant,person")
            else:
                write_still_event(event)
                lines.append(f"{event.name},irrelevant,wind")
        (site / camera / "labels.csv").write_text("\n".join(lines) + "\n")
    box = "event_id,x,y,width,height,is_relevant\n"
    box += "20260101_010000,44,42,14,36,1\n20260101_000000,0,0,9,9,0\n"
    (site / "gate" / "regions.csv").write_text(box)
    return site


@pytest.fixture(scope="module")
def report(site, tmp_path_factory):
    """The folder of a whole evaluation, with a row of scores made before."""
    output = tmp_path_factory.mktemp("report")
    for camera in ("gate", "yard"):
        scores = [EventScore(f"20260101_{n:02d}0000", 0.1 * (n % 3)) for n in range(8)]
        write_scores(output / "before" / f"{camera}.csv", scores)
    words = ["evaluate", "--events", str(site), "--output", str(output / "out"), "--seed", "3"]
    words += ["--rows", "alert-all", "area", "first", "--resamples", "50"]
    words += ["--scores", f"before={output / 'before' / '{camera}.csv'}", "--judge", "area"]
    assert cli.main(words) == 0
    return output / "out"


def figures(report):
    with (report / "figures.csv").open(newline="") as file:
        return {(r["row"], r["place"], r["measure"]): r for r in csv.DictReader(file)}


def test_the_figures_are_those_of_the_events(report):
    known = figures(report)
    assert float(known["area", "house/gate", "auc"]["value"]) == 1.0
    assert float(known["area", "house: mean", "suppressed_99"]["value"]) == 1.0
    assert float(known["alert-all", "house: mean", "auc"]["value"]) == 0.5
    assert float(known["first judgement", "house: all events", "state_missed"]["value"]) == 0.0
    assert float(known["area", "house/gate", "region_auc"]["value"]) == 1.0
    row = known["before", "house/yard", "auc"]
    # Relevant: 1 3 5 7 -> .1 0 .2 .1; irrelevant: 0 2 4 6 -> 0 .2 .1 0.
    assert float(row["value"]) == pytest.approx(9.5 / 16, abs=1e-4)
    assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
    assert row["count"] == "8"


def test_the_report_holds_every_part(report):
    text = (report / "report.md").read_text(encoding="utf-8")
    for heading in ("Data", "Ladder", "Goals: area", "By cause", "Kept promise: area", "Pictures"):
        assert f"\n## {heading}\n" in text
    assert "| house/gate | 8 | 4 | 4 | 0 | 1 / 1 |" in text
    assert "No figure with a goal stands on 20 events." in text
    rows = [line.split(" | ")[0] for line in text.split("### house: mean")[1].splitlines()[4:8]]
    assert rows == ["| alert-all", "| area", "| first judgement", "| before"]
    assert "| area | 4 / – of 4 | 0 / – of 4 |" in text
    for line in text.splitlines():
        if line.startswith("!["):
            assert (report / line.partition("(")[2].rstrip(")")).is_file()


@pytest.mark.parametrize("picture", ["curves", "recurrence", "errors_area"])
def test_every_camera_has_its_pictures(report, picture):
    for camera in ("gate", "yard"):
        image = cv2.imread(str(report / "pictures" / f"{picture}_house_{camera}.png"))
        assert min(image.shape[:2]) > 300
        assert np.unique(image).size > 20


def test_nothing_half_written_stays(report):
    assert not list(report.rglob("*.part*"))


def test_a_second_run_measures_the_same(site, report, tmp_path):
    words = ["evaluate", "--events", str(site), "--output", str(tmp_path), "--seed", "3"]
    assert cli.main([*words, "--rows", "area", "--resamples", "50"]) == 0
    first, second = figures(report), figures(tmp_path)
    assert second
    assert all(first[key] == row for key, row in second.items())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--events", "nowhere"], "nowhere is no folder"),
        (["--scores", "mine"], "--scores 'mine': expected NAME=FILE"),
        (["--scores", "mine=one.csv"], "names one file for 2 cameras: write {camera}"),
        (["--scores", "mine={camera}.csv"], "gate.csv cannot be read: No such file"),
        (["--scores", "area={camera}.csv"], "Two rows are called 'area'"),
        (["--judge", "best"], "--judge 'best' is none of the rows: area"),
        (["--rows"], "There is no row to evaluate"),
        (["--rows", "coco"], "give --peer-detector FILE"),
        (["--labels", "a.csv"], "1 labels files for 2 cameras"),
    ],
)
def test_a_mistake_is_one_sentence(site, words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    start = ["evaluate", "--events", str(site), "--output", "out", "--rows", "area"]
    assert cli.main([*start, *words]) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert told.splitlines()[-1].startswith("veroallarme-train evaluate: ")


@pytest.mark.parametrize(
    ("name", "goals"),
    [("first judgement", FRESH_GOALS), ("fresh installation", FRESH_GOALS), ("mine", GOALS)],
)
def test_a_row_is_held_to_the_goals_of_its_day(name, goals):
    assert goals_of(RowResult(ScoresFile(name, ""), {})) == goals


def test_only_thirty_thumbs_have_goals():
    learner = type("Learner", (), {"name": "learner", "taught": None})()
    assert goals_of(RowResult(WithThumbs(learner, 30), {})) == THUMBS_GOALS
    assert goals_of(RowResult(WithThumbs(learner, 10), {})) == ()


def test_goals_are_met_or_missed_where_there_are_events_enough():
    samples = np.full(3, 0.85)
    known = {"suppressed_95": Figure(0.85, samples, 30), "region_auc": Figure(0.95, samples, 30)}
    few = {"suppressed_95": Figure(0.85, samples, 19)}
    cameras = {"a/x": known, "a/y": few}
    result = RowResult(
        ScoresFile("mine", ""),
        {name: CameraResult(name, own, [], {}, [], 0.0) for name, own in cameras.items()},
    )
    text = markdown([], [result], result, resamples=10, seed=0)
    assert "at 95 % recall | ≥ 90 % | a/x | 85.0 % [85–85] | missed by 5.0 points |" in text
    assert "| AUC of regions | ≥ 0.93 | a/x | 0.950 [0.85–0.95] | met |" in text
    assert "| a/y | 85.0 % [85–85] | missed" not in text


def test_adaptations_tell_their_time_and_memory():
    cost = Cost(events=500, seconds=60.0, peak_mb=700.2)
    product = Product("adapted", Path(), costs={"a/x": [cost]})
    camera = CameraResult("a/x", {}, [], {}, [], 0.25)
    result = RowResult(WithThumbs(product, 10), {"a/x": camera})
    text = markdown([], [result], result, resamples=10, seed=0)
    assert "| adapted + 10 thumbs | 250 |" in text
    assert "| adapted + 10 thumbs | a/x | 500 | 60 | 700 |" in text


def test_a_goal_says_by_how_much_it_is_missed():
    missed = next(goal for goal in GOALS if goal.at_most)
    assert missed.shortfall(0.03) == pytest.approx(0.02)
    assert GOALS[0].shortfall(0.95) == pytest.approx(-0.05)
    assert Figure(0.95, np.full(3, 0.9), 10).interval == (0.9, 0.95)


def test_goals_of_time_and_memory_have_their_units():
    figures = cost_figures([Cost(events=500, seconds=390.0, peak_mb=700.2)])
    result = RowResult(
        ScoresFile("mine", "x"), {"a/x": CameraResult("a/x", figures, [], {}, [], 0.0)}
    )
    text = markdown([], [result], result, resamples=10, seed=0)
    assert "of 1,000 events | ≤ 300 s | a/x | 390 s (500 events) | missed by 90 s |" in text
    assert "peak memory | ≤ 1,024 MB | a/x | 700 MB (500 events) | met |" in text


def trial(score: float, **more: Any) -> Trial:
    given = {"height_px": 20, "is_recurring": True, "is_seen": True, "is_caught": True}
    return Trial(**given | {"alerts": score > 0.5, "score": score} | more)


def test_a_promise_made_on_intruders_is_checked_on_real_events():
    scores = np.linspace(0, 1, 700)
    trials = [trial(score) for score in scores]
    figures = promise_figures(trials, np.random.default_rng(0), 200)
    assert figures["promise_kept"].value >= 0.9
    # Half of the real events lie where one intruder in twenty does.
    real = [0.04, 0.9] * 50
    camera = CameraResult("a/x", figures, [], {}, real, 0.0, trials)
    result = RowResult(ScoresFile("mine", "x"), {"a/x": camera})
    text = markdown([], [result], result, resamples=100, seed=0)
    assert "| a/x | intruders | 99 % |" in text
    assert "| a/x | 99 % | 100.0 % [100–100] | 100.0 % |" in text
    before, _, after = text.partition("kept on real events")
    assert "| a/x | real events | 95 % |" not in before  # half of 100 are too few for 95 %
    (line,) = [one for one in after.splitlines() if one.startswith("| a/x | 95 % |")]
    assert 50 <= float(line.split("|")[3].split()[0]) < 90


def test_intruders_stand_in_the_report_by_height():
    trials = [trial(0.9), trial(0.2, is_caught=False), trial(0.8, height_px=90)]
    trials.append(trial(0.1, is_recurring=False, is_seen=False, is_caught=False, height_px=12))
    figures = intruder_figures(trials, np.random.default_rng(0), 50)
    values = {name: round(figure.value, 3) for name, figure in figures.items()}
    assert values == {
        "intruder_recall": 0.667,
        "intruder_recall_elsewhere": 0.0,
        "intruder_seen": 0.75,
        "intruder_caught": 0.5,
        "intruder_recall_0_16": 0.0,
        "intruder_recall_16_32": 0.5,
        "intruder_recall_64_10000": 1.0,
    }
    camera = CameraResult("a/x", figures, [], {}, [], 0.0, trials)
    result = RowResult(ScoresFile("mine", "x"), {"a/x": camera})
    text = markdown([], [result], result, resamples=10, seed=0)
    assert "## Synthetic intruders" in text
    assert "| 0-15 px | 16-31 px | from 64 px |" in text
