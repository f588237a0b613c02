"""The file of scores: its form, its order, and what it leaves as it was."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from tests.conftest import LearnedCamera
from tests.watched import Watched, history, watch
from veroallarme_core.adaptation.folder_run import adapt_folder
from veroallarme_core.adaptation.options import AdaptationInputError, AdaptationOptions
from veroallarme_core.camera_memory.state_file import StateFileError
from veroallarme_core.commands import CommandError, score_folder
from veroallarme_core.drawing.script import CALM, walk

HEADER = "event_id,state,score,reason,regions"
Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def content(learned_camera: LearnedCamera) -> dict[str, tuple[bytes, int]]:
    return files(learned_camera.state)


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Everything in a folder of state: what is in the files and when they were written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def scored(
    learned_camera: LearnedCamera,
    content: dict[str, tuple[bytes, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp("scored") / "scores.csv"
    told: list[tuple[int, int]] = []
    count = score_folder(
        learned_camera.data,
        learned_camera.state,
        path,
        progress=lambda done, total: told.append((done, total)),
    )
    assert count == len(learned_camera.is_relevant)
    assert told == [(done, count) for done in range(1, count + 1)]
    return path


def test_file_has_exactly_the_columns_of_the_contract(
    scored: Path, learned_camera: LearnedCamera
) -> None:
    assert scored.read_text(encoding="utf-8").splitlines()[0] == HEADER
    rows = read(scored)
    assert [row["event_id"] for row in rows] == sorted(learned_camera.is_relevant)
    for row in rows:
        assert list(row) == HEADER.split(",")
        assert row["state"] in ("relevant", "irrelevant", "unknown")
        score, regions = float(row["score"]), json.loads(row["regions"])
        assert 0 <= score <= 1
        assert (score < 0.5) == (row["state"] == "irrelevant")
        assert row["reason"].isidentifier()
        scores = [one["relevance_score"] for one in regions]
        assert scores == sorted(scores, reverse=True)
        assert score == pytest.approx(scores[0], abs=1e-4)
        assert {"x", "y", "width", "height", "is_relevant"} <= set(regions[0])
    assert list(scored.parent.iterdir()) == [scored], "nothing half-written stays"


def test_no_person_is_missed_and_some_of_the_tree_is_suppressed(
    scored: Path, learned_camera: LearnedCamera
) -> None:
    suppressed = {row["event_id"] for row in read(scored) if row["state"] == "irrelevant"}
    assert suppressed
    assert not [name for name in suppressed if learned_camera.is_relevant[name]]


def test_state_is_left_as_it_was(
    scored: Path, learned_camera: LearnedCamera, content: dict[str, tuple[bytes, int]]
) -> None:
    assert read(scored)
    assert files(learned_camera.state) == content


def person() -> Watched:
    return watch(80, pose=walk((1.0, 7.5), 180), wind=CALM)


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """A few events of every kind."""
    folder = tmp_path / "camera"
    for event in (*history()[:2], person()):
        event.write(folder)
    broken = folder / "20260504_103000_aaaaaa"
    broken.mkdir()
    for number in range(3):
        (broken / f"{number}.jpg").write_bytes(b"<html>Login</html>")
    replace(history()[2], event_id="20260504_103001_bbbbbb", frames=history()[2].frames[:1]).write(
        folder
    )
    (folder / "20260504_103002_cccccc" / "0.jpg").mkdir(parents=True)
    return folder


def test_what_cannot_be_judged_alerts(camera: Path, tmp_path: Path) -> None:
    score_folder(camera, None, tmp_path / "scores.csv")
    rows = {row["event_id"][-6:]: row for row in read(tmp_path / "scores.csv")}
    assert len(rows) == 6
    for name, reason in (("aaaaaa", "not_an_image"), ("bbbbbb", "single_frame")):
        row = rows[name]
        assert (row["state"], float(row["score"]), row["reason"]) == ("unknown", 1.0, reason)
        assert row["regions"] == "[]"
    assert (rows["cccccc"]["state"], rows["cccccc"]["score"]) == ("unknown", "1.000000")
    assert rows[person().event_id[-6:]]["state"] == "relevant"


def test_fresh_installation_and_empty_state_score_alike(camera: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    for name, state in (("a", None), ("b", tmp_path / "state")):
        score_folder(camera, state, tmp_path / name)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()
    assert not any((tmp_path / "state").iterdir())


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda root: (root / "nowhere", None, root / "o.csv"), AdaptationInputError, "nowhere"),
        (
            lambda root: (root / "camera", root / "nowhere", root / "o.csv"),
            CommandError,
            "adapt",
        ),
        (lambda root: (root / "camera", root / "torn", root / "o.csv"), StateFileError, "model"),
        (
            lambda root: (root / "camera", None, root / "camera"),
            CommandError,
            "is a folder",
        ),
        (lambda root: (root / "camera", None, Path(".")), CommandError, "is a folder"),
        (lambda root: (root / "camera", None, root / "no" / "o.csv"), OSError, "No such file"),
    ],
)
def test_wrong_input_is_one_sentence_and_writes_nothing(
    camera: Path,
    tmp_path: Path,
    wrong: Callable[[Path], tuple[Path, Path | None, Path]],
    error: type[Exception],
    message: str,
) -> None:
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "model.npz").write_bytes(b"torn")
    before = files(tmp_path)
    with pytest.raises(error, match=message) as caught:
        score_folder(*wrong(tmp_path))
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == before


# --- real footage ---------------------------------------------------------------------------------


@pytest.mark.timeout(900)
def test_real_camera_learns_without_labels(footage: Path, tmp_path: Path) -> None:
    camera = footage / "cameras" / "field"
    # A lower recall than the default needs fewer intruders: 100 instead of 300.
    options = AdaptationOptions(recall=0.97, confidence=0.9, intruders=100)
    report = adapt_folder(camera, tmp_path / "state", None, options)
    assert report["learned"], report["missing"]
    score_folder(camera, tmp_path / "state", tmp_path / "scores.csv")
    rows = {row["event_id"]: row for row in read(tmp_path / "scores.csv")}
    labels = {row["event_id"]: row["label"] == "relevant" for row in read(camera / "labels.csv")}
    is_relevant = list(labels.values())
    scores = [float(rows[name]["score"]) for name in labels]
    assert roc_auc_score(is_relevant, scores) >= 0.9
    missed = [name for name in labels if labels[name] and rows[name]["state"] == "irrelevant"]
    assert len(missed) <= 0.03 * sum(is_relevant), missed
