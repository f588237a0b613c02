"""What a camera learns behind the loop: what it tells, and that no fault gets any further."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.worker.fake_state import PROMISE, FakeState, install
from veroallarme_core.camera_memory.camera_state import CameraState
from veroallarme_core.contract import State
from veroallarme_core.pipeline import PipelineResult
from veroallarme_core.worker.camera import learning as learning_module
from veroallarme_core.worker.camera.learning import (
    RECORD_FILE,
    Adaptation,
    AdaptationInput,
    CameraLearning,
    Outcome,
)

EVENT = "20261123_120000_abcdef"
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
RESULT = PipelineResult(
    state=State.RELEVANT, score=0.9, threshold=0.5, reason="test", explanation="A test's."
)
FULL = OSError(28, "No space left on device")
ADAPTATION = Adaptation(
    at="2026-11-23T03:00:41.000+00:00",
    seconds=41.26,
    events=812,
    outcome=Outcome.LEARNED,
    basis=AdaptationInput(events_seen=812, digest="0123456789abcdef"),
)


@dataclass
class Desk:
    """Where a camera's learning is tried."""

    folder: Path
    thread: ThreadPoolExecutor
    complaints: dict[str, str] = field(default_factory=dict)

    def learning(self) -> CameraLearning:
        return CameraLearning(
            "front",
            self.folder,
            self.thread,
            self.complaints.setdefault,
            lambda key: self.complaints.pop(key, None) and None,
        )

    async def opened(self) -> CameraLearning:
        learning = self.learning()
        assert await learning.open()
        return learning


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with ThreadPoolExecutor(1) as thread:
        yield Desk(tmp_path / "cameras" / "front", thread)


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> FakeState:
    fake = FakeState()
    install(monkeypatch, fake)
    return fake


async def test_without_a_state_a_camera_is_not_learned_and_says_so(desk: Desk) -> None:
    learning = desk.learning()
    await learning.observe(EVENT, AT, RESULT)
    assert learning.state is None
    assert not learning.learned
    assert not learning.is_due
    stats = learning.stats().to_dict()
    assert stats["learning"]["learned"] is False
    assert stats["learning"]["missing"]
    assert (stats["promise"], stats["adaptation"], stats["notice"]) == (None, None, None)


async def test_an_event_is_learned_from_and_saved_in_the_thread(
    desk: Desk, state: FakeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    call = state._call

    def note(*arguments: Any) -> None:
        threads.add(threading.current_thread().name)
        call(*arguments)

    monkeypatch.setattr(state, "_call", note)
    learning = await desk.opened()
    await learning.observe(EVENT, AT, RESULT)
    assert state.calls[1:] == [("observe", EVENT), ("save",)]
    assert threads
    assert threading.main_thread().name not in threads
    assert learning.stats().to_dict()["learning"] == {
        "learned": False,
        "events_seen": 1,
        "sessions_seen": 1,
        "share": 0.25,
        "missing": "More events are needed.",
        "events_needed": 0,
        "sessions_needed": 0,
        "days_left": None,
    }


async def test_a_thumb_acts_and_is_saved(desk: Desk, state: FakeState) -> None:
    learning = await desk.opened()
    await learning.apply_feedback(EVENT, True)
    await learning.apply_feedback(EVENT, None)
    assert state.calls[1:] == [
        ("apply_feedback", EVENT, True),
        ("save",),
        ("apply_feedback", EVENT, None),
        ("save",),
    ]


# --- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "hint"),
    [
        ("observe", ZeroDivisionError("a surprise"), "report it"),
        ("observe", FULL, "No space left"),
        ("save", FULL, "check that the disk of state_dir is there"),
    ],
)
async def test_a_fault_ends_in_a_complaint_that_the_next_event_resolves(
    desk: Desk, state: FakeState, call: str, error: Exception, hint: str
) -> None:
    learning = await desk.opened()
    state.faults[call] = error
    await learning.observe(EVENT, AT, RESULT)
    assert hint in desk.complaints["front/learning"]
    state.faults.clear()
    await learning.observe(EVENT, AT, RESULT)
    assert desk.complaints == {}


async def test_what_cannot_be_saved_counts_all_the_same(desk: Desk, state: FakeState) -> None:
    learning = await desk.opened()
    state.faults["save"] = FULL
    await learning.observe(EVENT, AT, RESULT)
    assert learning.stats().to_dict()["learning"]["events_seen"] == 1


async def test_a_disk_that_hangs_is_given_up(
    desk: Desk, state: FakeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_module, "LEARN_LIMIT_S", 0.05)
    learning = await desk.opened()
    state.takes_s = 0.2
    await learning.observe(EVENT, AT, RESULT)
    assert "no answer in time" in desk.complaints["front/learning"]


async def test_a_state_that_cannot_be_opened_costs_no_camera(desk: Desk, state: FakeState) -> None:
    state.faults["open"] = PermissionError(13, "Permission denied")
    learning = desk.learning()
    assert not await learning.open()
    assert learning.state is None
    assert "Permission denied" in desk.complaints["front/learning"]


async def test_broken_files_are_told_once_and_shown(desk: Desk, state: FakeState) -> None:
    fault = "model.npz was set aside; the camera learns it anew"
    state.told = [fault]
    learning = await desk.opened()
    assert desk.complaints["front/notice"] == f"front: {fault}"
    assert learning.stats().to_dict()["notice"]["message"] == fault
    desk.complaints.clear()
    await learning.observe(EVENT, AT, RESULT)
    assert desk.complaints == {}


async def test_files_of_rubbish_are_set_aside_by_the_real_state(desk: Desk) -> None:
    learning = await desk.opened()
    await learning.observe(EVENT, AT, RESULT)
    await learning.finish_adaptation(ADAPTATION)
    paths = [path for path in desk.folder.rglob("*") if path.is_file()]
    assert paths
    for path in paths:
        path.write_bytes(b"\x00rubbish")
    learning = await desk.opened()
    assert learning.last is None
    assert not learning.learned
    await learning.observe(EVENT, AT, RESULT)
    assert "front/learning" not in desk.complaints


async def test_a_notice_is_told_once_and_stays_in_the_stats(desk: Desk, state: FakeState) -> None:
    learning = await desk.opened()
    state.told = ["The camera was re-aimed: learning starts again."]
    await learning.observe(EVENT, AT, RESULT)
    assert "re-aimed" in desk.complaints.pop("front/notice")
    await learning.observe(EVENT, AT, RESULT)
    assert desk.complaints == {}
    assert "re-aimed" in learning.stats().to_dict()["notice"]["message"]


# --- adaptations ------------------------------------------------------------------------------


async def test_an_adaptation_is_taken_over_and_remembered(desk: Desk, state: FakeState) -> None:
    learning = await desk.opened()
    await learning.finish_adaptation(ADAPTATION)
    assert ("reload_model",) in state.calls
    assert learning.learned
    assert learning.stats().to_dict()["promise"] == PROMISE.to_dict()
    again = await desk.opened()
    assert again.last == ADAPTATION
    assert again.stats().to_dict()["adaptation"] == {
        "at": ADAPTATION.at,
        "seconds": 41.3,
        "events": 812,
        "outcome": "learned",
    }


async def test_a_failed_adaptation_leaves_the_model(desk: Desk, state: FakeState) -> None:
    learning = await desk.opened()
    await learning.finish_adaptation(replace(ADAPTATION, outcome=Outcome.FAILED))
    assert ("reload_model",) not in state.calls
    assert learning.stats().to_dict()["adaptation"]["outcome"] == "failed"


async def test_a_model_that_cannot_be_read_is_a_failed_adaptation(
    desk: Desk, state: FakeState
) -> None:
    learning = await desk.opened()
    state.faults["reload_model"] = ValueError("not a model")
    await learning.finish_adaptation(ADAPTATION)
    assert learning.last == replace(ADAPTATION, outcome=Outcome.FAILED)
    assert "not a model" in desk.complaints["front/learning"]


def without(key: str) -> Callable[[dict[str, object]], object]:
    return lambda content: {name: content[name] for name in content if name != key}


@pytest.mark.parametrize(
    "change",
    [
        without("basis"),
        lambda content: content | {"at": "yesterday"},
        lambda content: content | {"seconds": float("nan")},
        lambda content: content | {"outcome": "splendid"},
        lambda content: content | {"basis": 7},
        lambda content: [content],
    ],
)
async def test_a_broken_record_is_as_good_as_none(
    desk: Desk, state: FakeState, change: Callable[[dict[str, object]], object]
) -> None:
    await (await desk.opened()).finish_adaptation(ADAPTATION)
    path = desk.folder / RECORD_FILE
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    assert (await desk.opened()).last is None


@pytest.mark.parametrize(
    ("seen", "before", "due"),
    [
        (49, None, False),
        (50, None, True),
        (51, 50, False),
        (99, 50, False),
        (100, 50, True),
        (150, 100, False),
        (60, 900, True),
        (20, 900, False),
    ],
    ids=str,
)
async def test_a_camera_is_due_at_50_events_and_whenever_they_have_doubled(
    desk: Desk, state: FakeState, seen: int, before: int | None, due: bool
) -> None:
    state.events_seen = seen
    learning = await desk.opened()
    if before is not None:
        learning.last = replace(ADAPTATION, basis=AdaptationInput(events_seen=before, digest=""))
    assert learning.is_due is due
    state.learned = True
    assert not (await desk.opened()).is_due, "what is learned waits for the night"


async def test_basis_changes_with_events_and_with_what_the_user_says(
    desk: Desk, state: FakeState
) -> None:
    learning = await desk.opened()
    before = learning.basis("no thumbs, no zones")
    assert learning.basis("no thumbs, no zones") == before
    assert learning.basis("one thumb, no zones") != before
    await learning.observe(EVENT, AT, RESULT)
    assert learning.basis("no thumbs, no zones") != before


async def test_a_camera_without_files_starts_empty(desk: Desk) -> None:
    learning = await desk.opened()
    assert isinstance(learning.state, CameraState)
    assert learning.last is None
    assert desk.complaints == {}
    assert learning.stats().to_dict()["learning"]["events_seen"] == 0


async def test_a_model_that_is_not_taken_over_is_not_called_learned(
    desk: Desk, state: FakeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The camera was turned while it was learned."""
    monkeypatch.setattr(state, "reload_model", lambda: False)
    learning = await desk.opened()
    await learning.finish_adaptation(ADAPTATION)
    assert learning.last is not None
    assert learning.last.outcome is Outcome.LEARNING
    assert not learning.learned
    again = await desk.opened()
    assert again.last == learning.last
