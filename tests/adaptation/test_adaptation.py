"""Learning a camera: what it reads, what it fits, what it promises and what it misses for that."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression

from tests.conftest import LearnedCamera
from tests.watched import HISTORY, TURNED, Watched, history, scene_encoder, watch
from veroallarme_core.adaptation import adaptation
from veroallarme_core.adaptation.adaptation import (
    AdaptationError,
    AdaptationOptions,
    AdaptationReport,
    adapt_camera,
    allowed_misses,
    fit_logistic,
    list_events,
    picture_files,
    read_labels,
)
from veroallarme_core.camera_memory.camera_model import FOLDS, CameraModel
from veroallarme_core.camera_memory.scene_memory import SESSION_S, SceneMemory

FEW = AdaptationOptions(intruders=4, recall=0.9, confidence=0.9)
SOME = 14
"""Events of the history that are enough for a head, and no more: looking takes time."""


def adapt(
    folder: Path, labels: dict[str, bool] | None = None, options: AdaptationOptions = FEW
) -> tuple[SceneMemory, CameraModel, AdaptationReport]:
    return adapt_camera(list_events(folder), scene_encoder(), labels or {}, options)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of some events of the history."""
    folder = tmp_path_factory.mktemp("some")
    for event in history()[:SOME]:
        event.write(folder)
    return folder


# --- events on disk -------------------------------------------------------------------------------


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_events_come_in_order_of_time(tmp_path: Path) -> None:
    touch(tmp_path, "20260504_100000_b/0.jpg", "20260504_095959/0.jpg", "20260503_235959_a/0.png")
    touch(tmp_path, "labels.csv", "20260504_120000/note.txt", "empty/x.txt")
    events = list_events(tmp_path)
    names = ["20260503_235959_a", "20260504_095959", "20260504_100000_b"]
    assert [one.event_id for one in events] == names
    assert events[2].at - events[1].at == 1.0


def test_names_that_are_no_times_are_taken_in_their_order_a_session_each(tmp_path: Path) -> None:
    touch(tmp_path, "cat/0.jpg", "ant/0.jpg", "20260504_100000/0.jpg")
    events = list_events(tmp_path)
    assert [one.event_id for one in events] == ["20260504_100000", "ant", "cat"]
    assert [one.at for one in events] == [0.0, SESSION_S, 2 * SESSION_S]


def test_pictures_come_in_order_and_nothing_else_with_them(tmp_path: Path) -> None:
    touch(tmp_path, "2.jpg", "0.JPG", "1.webp", ".3.jpg", "mask.png", "4.txt", "annotated.jpg")
    assert [path.name for path in picture_files(tmp_path)] == ["0.JPG", "1.webp", "2.jpg"]


@pytest.mark.parametrize("name", ["nowhere", "file", "empty"])
def test_folder_without_events_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty" / "event").mkdir(parents=True)
    with pytest.raises(AdaptationError, match=f"{name} (cannot be read|holds no event).* give a"):
        list_events(tmp_path / name)


# --- labels ---------------------------------------------------------------------------------------


def test_labels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    text = (
        "\ufeffcause,event_id,label\nperson, a ,relevant\n\ntree,b,Irrelevant\ntree,a,irrelevant\n"
    )
    path.write_text(text, encoding="utf-8")
    assert read_labels(path) == {"a": False, "b": False}, "the last word counts"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"event_id,label\na,yes\n", r"line 2: label 'yes': write relevant or irrelevant"),
        (b"event_id,label\na,relevant\nb\n", "line 3: label ''"),
        (b"label,event_id\nrelevant\nmaybe\n", "line 3: label 'maybe'"),
        (b"event,label\na,relevant\n", "columns event_id and label"),
        (b"", "columns event_id and label"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "cannot be read as a CSV file"),
        (b"event_id,label\n\x00,relevant\n" * 2, "CSV file|label"),
    ],
)
def test_wrong_labels_are_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(AdaptationError, match=message) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_labels_that_are_not_there_are_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(AdaptationError, match="cannot be read as a CSV file"):
        read_labels(tmp_path / name)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=80))
def test_any_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    path.write_bytes(b"label,event_id\n" + content)
    try:
        assert set(read_labels(path).values()) <= {True, False}
    except AdaptationError as error:
        assert str(path) in str(error)  # noqa: PT017 - some of these files are right


# --- statistics -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "misses"),
    [(0, 0), (1, 0), (298, 0), (299, 1), (472, 1), (473, 2), (627, 2), (628, 3)],
)
def test_allowed_misses_of_known_sizes(count: int, misses: int) -> None:
    """Sample sizes of 99 % / 95 % tolerance limits, as tables give them."""
    assert allowed_misses(count, 0.99, 0.95) == misses


@given(st.integers(0, 3000), st.floats(0.5, 0.999), st.floats(0.5, 0.999))
def test_allowed_misses_are_those_of_the_binomial_distribution(
    count: int, recall: float, confidence: float
) -> None:
    k = allowed_misses(count, recall, confidence)

    def chance(misses: int) -> float:
        return float(binom.sf(misses - 1, count, 1 - recall))

    assert chance(k) >= confidence - 1e-9
    assert k == count or chance(k + 1) < confidence + 1e-9


def test_promise_is_kept_in_as_many_samples_as_it_says() -> None:
    draw = np.random.default_rng(1)
    k = allowed_misses(500, 0.95, 0.9)
    scores = np.sort(draw.uniform(size=(2000, 500)), axis=1)
    missed = scores[:, k - 1]  # of a uniform score, the share below the threshold
    assert 0.9 <= np.mean(missed <= 0.05) <= 0.95


@pytest.mark.parametrize("seed", range(3))
def test_logistic_fit_is_that_of_scikit_learn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    inputs = draw.normal(size=(200, 6))
    target = (inputs @ draw.normal(size=6) + draw.normal(size=200) > 0.3).astype(np.float64)
    weight = draw.uniform(0, 2, 200) / 100
    found = fit_logistic(np.hstack([inputs, np.ones((200, 1))]), target, weight)
    peer = LogisticRegression(C=3.0, tol=1e-10, max_iter=1000)
    peer.fit(inputs, target, sample_weight=weight)
    assert found[:-1] == pytest.approx(peer.coef_[0], abs=1e-3)
    assert found[-1] == pytest.approx(peer.intercept_[0], abs=1e-2)


@pytest.mark.parametrize("side", [0.0, 1.0])
def test_logistic_fit_of_one_side_alone_stays_finite(side: float) -> None:
    inputs = np.hstack([np.eye(5), np.ones((5, 1))])
    found = fit_logistic(inputs, np.full(5, side), np.full(5, 0.2))
    assert np.isfinite(found).all()
    assert ((inputs @ found > 0) == bool(side)).all()
    assert np.array_equal(fit_logistic(inputs[:0], np.zeros(0), np.zeros(0)), np.zeros(6))


# --- the head -------------------------------------------------------------------------------------


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Inputs, targets and weights of every fit."""
    calls: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def spy(inputs: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
        calls.append((inputs, target, weight))
        return fit_logistic(inputs, target, weight)

    monkeypatch.setattr(adaptation, "fit_logistic", spy)
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


def test_thumb_up_is_about_one_region_and_thumb_down_about_all(some: Path, fits: list[Any]) -> None:
    up, down = (one.event_id for one in history()[2:4])
    memory, _, _ = adapt(some, {up: True, down: False, "20200101_000000_ffffff": True})
    count = len(history()[3].evidence.regions)
    for _, target, weight in fits:
        # Half of what thumbs weigh together each, more than any of the teacher's rows.
        (of_up,) = np.flatnonzero(np.isclose(weight, 1.5))
        of_down = np.flatnonzero(np.isclose(weight, 1.5 / count))
        assert target[of_up] == 1
        assert len(of_down) == count
        assert not target[of_down].any()
    label = memory.bank.label
    assert (label == 1).sum() == 1
    assert (label == -1).sum() == count


def test_same_seed_learns_the_same(some: Path) -> None:
    (memory, model, report), (again, same, told) = adapt(some), adapt(some)
    assert np.array_equal(model.heads, same.heads)
    assert np.array_equal(model.cue_quantiles, same.cue_quantiles)
    assert np.array_equal(memory.bank.sketch, again.bank.sketch)
    assert replace(report, seconds=0) == replace(told, seconds=0)


# --- the promise ----------------------------------------------------------------------------------


def test_history_without_labels_gives_a_promise(learned_camera: LearnedCamera) -> None:
    report = learned_camera.report
    assert report["learned"] is True
    assert report["missing"] == ""
    assert report["events"] == len(learned_camera.is_relevant)
    assert report["unreadable"] == 0
    assert report["seen"] > 0.7
    promise = report["promise"]
    assert promise["synthetic"] >= 22, "fewer cannot promise 90 % with 90 % confidence"
    assert promise["synthetic_recall"] >= 0.9
    assert (promise["confirmed"], promise["confirmed_recall"]) == (0, None)
    assert 0 < report["suppressed"] < 0.5


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
    monkeypatch.setattr(adaptation, "FEWEST_EVENTS", 6)
    for number, event in enumerate(history()[:6]):
        replace(event, event_id=f"20260504_10{2 * number:02}00").write(tmp_path)
    _, model, report = adapt(tmp_path)
    assert not_learned(model, report) == "events at 23 more times, 15 minutes apart"


def test_few_bursts_to_draw_into_promise_nothing(
    some: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptation, "FEWEST_EVENTS", 10)
    monkeypatch.setattr(adaptation, "FEWEST_SESSIONS", 10)
    _, model, report = adapt(some, options=replace(FEW, recall=0.99))
    assert "too few to promise a recall of 99%" in not_learned(model, report)


@pytest.mark.parametrize(
    "wrong", [{"recall": 1.0}, {"recall": math.nan}, {"confidence": 0.2}, {"seed": -1}]
)
def test_wrong_options_are_one_sentence(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(AdaptationError, match=f"^{name} .* give a"):
        AdaptationOptions(**wrong)  # type: ignore[arg-type]


# --- pictures of every kind -----------------------------------------------------------------------


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
    with pytest.raises(AdaptationError, match="not a single picture of these events can be used"):
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
