"""Learning a camera: what it fits, what it promises and what it misses for that."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import LearnedCamera
from tests.watched import HISTORY, TURNED, Watched, history, scene_encoder, watch
from veroallarme_core.adaptation import heads, promise
from veroallarme_core.adaptation.camera_run import adapt_camera
from veroallarme_core.adaptation.history import list_events
from veroallarme_core.adaptation.logistic import fit_logistic
from veroallarme_core.adaptation.options import AdaptationInputError, AdaptationOptions
from veroallarme_core.adaptation.report import AdaptationReport
from veroallarme_core.camera_memory.camera_model import FOLDS, CameraModel
from veroallarme_core.camera_memory.scene_memory import SESSION_S, SceneMemory
from veroallarme_core.pipeline import EventPipeline

FEW = AdaptationOptions(intruders=4, recall=0.9, confidence=0.9)
SOME = 14
"""Events of the history that are enough for a head, and no more: looking takes time."""


def adapt(
    folder: Path, labels: dict[str, bool] | None = None, options: AdaptationOptions = FEW
) -> tuple[SceneMemory, CameraModel, AdaptationReport]:
    pipeline = EventPipeline(encoder=scene_encoder())
    return adapt_camera(list_events(folder), pipeline, labels or {}, options)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of some events of the history."""
    folder = tmp_path_factory.mktemp("some")
    for event in history()[:SOME]:
        event.write(folder)
    return folder


# --- the head ----------------------------------------------------------------------------------


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Inputs, targets and weights of every fit."""
    calls: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def spy(inputs: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
        calls.append((inputs, target, weight))
        return fit_logistic(inputs, target, weight)

    monkeypatch.setattr(heads, "fit_logistic", spy)
    return calls


def test_no_head_sees_the_events_that_it_judges(some: Path, fits: list[Any]) -> None:
    memory, _, _ = adapt(some)
    assert len(fits) == FOLDS
    rows = [{row.tobytes() for row in inputs} for inputs, _, _ in fits]
    everything = set.union(*rows)
    left_out = [everything - one for one in rows]
    assert sum(map(len, left_out)) == len(everything), "each row is left out once"
    in_fold = np.bincount((memory.bank.event % np.uint64(FOLDS)).astype(int), minlength=FOLDS)
    assert all(len(one) <= count for one, count in zip(left_out, in_fold, strict=True))


def test_thumbs_are_for_the_memory_and_teach_no_head(some: Path, fits: list[Any]) -> None:
    adapt(some)
    untaught, count = list(fits), len(history()[3].evidence.regions)
    up, down = (event.event_id for event in history()[2:4])
    memory, _, _ = adapt(some, {up: True, down: False, "20200101_000000_ffffff": True})
    for before, after in zip(untaught, fits[FOLDS:], strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    # A thumb up is about one region, a thumb down about all of its event.
    label = memory.bank.label
    assert (label == 1).sum() == 1
    assert (label == -1).sum() == count


def test_same_seed_learns_the_same(some: Path) -> None:
    (memory, model, report), (again, same, told) = adapt(some), adapt(some)
    assert np.array_equal(model.heads, same.heads)
    assert np.array_equal(model.cue_quantiles, same.cue_quantiles)
    assert np.array_equal(memory.bank.sketch, again.bank.sketch)
    assert replace(report, seconds=0) == replace(told, seconds=0)


# --- the promise --------------------------------------------------------------------------------


def test_history_without_labels_gives_a_promise(learned_camera: LearnedCamera) -> None:
    report = learned_camera.report
    assert report["learned"] is True
    assert report["missing"] == ""
    assert report["events"] == len(learned_camera.is_relevant)
    assert report["unreadable"] == 0
    assert report["seen"] > 0.7
    kept = report["promise"]
    assert kept["synthetic"] >= 22, "fewer cannot promise 90 % with 90 % confidence"
    assert kept["synthetic_recall"] >= 0.9
    assert (kept["confirmed"], kept["confirmed_recall"]) == (0, None)
    of_nuisance = 1.0 - np.mean(list(learned_camera.is_relevant.values()))
    assert 0 < report["suppressed"] <= of_nuisance


def not_learned(model: CameraModel, report: AdaptationReport) -> str:
    """What is missing; nothing may be suppressed."""
    assert not report.learned
    assert report.promise is None
    assert model.promise is None
    assert report.suppressed == 0
    assert (model.score(np.linspace(0, 1, 11)) >= 0.5).all()
    return report.missing


def test_few_events_promise_nothing(some: Path) -> None:
    _, model, report = adapt(some)
    assert not_learned(model, report) == f"{40 - SOME} more events"


def test_few_sessions_promise_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promise, "FEWEST_EVENTS", 6)
    for number, event in enumerate(history()[:6]):
        replace(event, event_id=f"20260504_10{2 * number:02}00").write(tmp_path)
    _, model, report = adapt(tmp_path)
    assert not_learned(model, report) == "events at 23 more times, 15 minutes apart"


def test_few_bursts_to_draw_into_promise_nothing(
    some: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promise, "FEWEST_EVENTS", 10)
    monkeypatch.setattr(promise, "FEWEST_SESSIONS", 10)
    _, model, report = adapt(some, options=replace(FEW, recall=0.99))
    assert "too few to promise a recall of 99%" in not_learned(model, report)


@pytest.mark.parametrize(
    "wrong", [{"recall": 1.0}, {"recall": math.nan}, {"confidence": 0.2}, {"seed": -1}]
)
def test_wrong_options_are_one_sentence(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(AdaptationInputError, match=f"^{name} .* give a"):
        AdaptationOptions(**wrong)  # type: ignore[arg-type]


# --- pictures of every kind ----------------------------------------------------------------------


def test_only_the_latest_events_are_learned_from(some: Path) -> None:
    memory, _, report = adapt(some, options=replace(FEW, most_events=3))
    assert report.events == len(memory.sessions) == 3
    assert memory.bank.session.min() == int(history()[SOME - 3].at // SESSION_S)


def test_bad_pictures_are_counted_and_passed_over(tmp_path: Path) -> None:
    for event in history()[:6]:
        event.write(tmp_path)
    broken, partly, sizes, single, folder = (
        tmp_path / f"20260601_1{number}0000" for number in range(5)
    )
    for path in (broken, partly, sizes, single, folder):
        path.mkdir()
    good = history()[0].encoded
    (broken / "0.jpg").write_bytes(b"<html>Login</html>")
    for number, data in enumerate((good[0], b"", good[2][:3000])):
        (partly / f"{number}.jpg").write_bytes(data)
    for number, data in enumerate((good[0], watch(0, size=(120, 160)).encoded[1], good[2])):
        (sizes / f"{number}.jpg").write_bytes(data)
    (single / "0.jpg").write_bytes(good[0])
    (folder / "0.jpg").mkdir()
    memory, _, report = adapt(tmp_path)
    assert (report.events, report.unreadable) == (9, 2)
    assert memory.events == 9
    assert memory.reaimed == 0


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xd8\xff"])
def test_nothing_but_bad_pictures_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "20260601_100000").mkdir()
    (tmp_path / "20260601_100000" / "0.jpg").write_bytes(content)
    with pytest.raises(
        AdaptationInputError, match="not a single picture of these events can be used"
    ):
        adapt(tmp_path)


def test_single_frames_teach_the_view_and_promise_nothing(tmp_path: Path) -> None:
    for event in history()[:6]:
        replace(event, frames=event.frames[:1]).write(tmp_path)
    memory, model, report = adapt(tmp_path)
    assert report.regions == 0
    assert memory.plates
    assert not_learned(model, report) == "34 more events"


def test_only_what_came_after_the_camera_was_turned_is_learned(tmp_path: Path) -> None:
    turned = [watch(HISTORY + number, turn=TURNED) for number in range(6)]
    events: list[Watched] = [*history()[:6], *turned]
    for event in events:
        event.write(tmp_path)
    memory, model, report = adapt(tmp_path)
    assert memory.reaimed == 1
    assert report.events == model.events == 3
    assert report.unreadable == 0
