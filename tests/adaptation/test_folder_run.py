"""What `veroallarme adapt` leaves in a camera's folder of state."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LearnedCamera
from tests.watched import TURNED, garden_model, history, learned_memory, scene_encoder, watch
from veroallarme_core.adaptation import folder_run
from veroallarme_core.adaptation.camera_run import adapt_camera
from veroallarme_core.adaptation.folder_run import adapt_folder
from veroallarme_core.adaptation.options import AdaptationInputError, AdaptationOptions
from veroallarme_core.adaptation.seen_history import SEEN_FILE
from veroallarme_core.adaptation.seen_intruders import INTRUDERS_FILE
from veroallarme_core.camera_memory.camera_model import CameraModel
from veroallarme_core.camera_memory.camera_state import (
    MEMORY_FILE,
    MODEL_FILE,
    REBUILT_FILE,
    REPORT_FILE,
    CameraState,
)
from veroallarme_core.camera_memory.scene_memory import SceneMemory

FEW = AdaptationOptions(intruders=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapted") / "garden"
    for event in history()[:6]:
        event.write(folder)
    return folder


def test_state_is_a_memory_a_model_and_a_report(learned_camera: LearnedCamera) -> None:
    names = {path.name for path in learned_camera.state.iterdir()}
    assert names == {MEMORY_FILE, MODEL_FILE, REPORT_FILE, SEEN_FILE, INTRUDERS_FILE}
    report = json.loads((learned_camera.state / REPORT_FILE).read_text(encoding="utf-8"))
    assert report == learned_camera.report
    state = CameraState.open(learned_camera.state)
    assert state.learned
    assert state.promise is not None
    assert state.promise.to_dict() == report["promise"]
    assert state.progress.events_seen == report["events"]


def test_report_says_the_same_on_disk(data: Path, tmp_path: Path) -> None:
    report = adapt_folder(data, tmp_path / "new" / "state", None, FEW)
    written = (tmp_path / "new" / "state" / REPORT_FILE).read_text(encoding="utf-8")
    assert json.loads(written) == json.loads(json.dumps(report))
    assert report["missing"] == "34 more events"


def test_memory_of_a_running_worker_is_left_alone(data: Path, tmp_path: Path) -> None:
    memory = learned_memory()
    memory.reaimed = 3
    memory.save(tmp_path / MEMORY_FILE)
    content = (tmp_path / MEMORY_FILE).read_bytes()
    adapt_folder(data, tmp_path, None, FEW, keep_memory=True)
    assert (tmp_path / MEMORY_FILE).read_bytes() == content
    assert CameraModel.load(tmp_path / MODEL_FILE, scene_encoder().name).view == 3
    assert SceneMemory.load(tmp_path / REBUILT_FILE, scene_encoder().name).reaimed == 3


@pytest.mark.parametrize("content", [None, b"torn"])
def test_worker_that_lost_its_memory_takes_the_rebuilt_one_over(
    data: Path, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / MEMORY_FILE).write_bytes(content)
    state = CameraState.open(tmp_path)
    adapt_folder(data, tmp_path, None, FEW, keep_memory=True)
    assert not (tmp_path / MEMORY_FILE).exists(), "the worker writes that one, nobody else"
    assert state.reload_model()
    assert state.progress.events_seen == 6


def test_model_of_the_view_before_stays_out(data: Path, tmp_path: Path) -> None:
    """The camera is turned while an adaptation is under way."""
    memory = learned_memory()
    memory.save(tmp_path / MEMORY_FILE)
    state = CameraState(tmp_path, memory, garden_model(memory))
    adapt_folder(data, tmp_path, None, FEW, keep_memory=True)
    for number in range(4):
        turned = watch(40 + number, turn=TURNED)
        state.observe(turned.event_id, turned.moment, turned)
    adapt_folder(data, tmp_path, None, FEW, keep_memory=True)
    assert not state.reload_model()


@pytest.mark.parametrize("reads_before", [True, False], ids=["before", "after"])
def test_model_of_an_adaptation_during_which_the_camera_was_turned_stays_out(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads_before: bool
) -> None:
    """Whether the worker notices the turn before the adaptation ends, or just after."""
    memory = learned_memory()
    memory.save(tmp_path / MEMORY_FILE)
    state = CameraState(tmp_path, memory, garden_model(memory))

    def turn() -> None:
        for number in range(4):
            turned = watch(40 + number, turn=TURNED)
            state.observe(turned.event_id, turned.moment, turned)
        state.save()

    def adapt_and_turn(*arguments: Any) -> Any:
        learned = adapt_camera(*arguments)
        turn()
        return learned

    if reads_before:
        monkeypatch.setattr(folder_run, "adapt_camera", adapt_and_turn)
    report = adapt_folder(data, tmp_path, None, FEW, keep_memory=True)
    if not reads_before:
        turn()
    assert not state.reload_model()
    assert not state.learned
    assert not CameraState.open(tmp_path).learned
    assert state.progress.events_seen == 1
    if reads_before:
        assert not (tmp_path / MODEL_FILE).exists()
        assert (report["learned"], report["promise"]) == (False, None)
        assert "turned" in report["missing"]


@pytest.mark.parametrize("wrong", ["events", "labels"])
def test_wrong_input_writes_nothing(data: Path, tmp_path: Path, wrong: str) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("event_id,label\na,perhaps\n" if wrong == "labels" else "event_id,label\n")
    events = data if wrong == "labels" else tmp_path / "nowhere"
    with pytest.raises(
        AdaptationInputError, match=f"{'perhaps' if wrong == 'labels' else 'nowhere'}"
    ):
        adapt_folder(events, tmp_path / "state", labels, FEW)
    assert not (tmp_path / "state").exists()
