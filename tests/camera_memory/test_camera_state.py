"""What a camera has learned, in use: thumbs, another view, reload, threads, broken files."""

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.watched import (
    HISTORY,
    TURNED,
    Watched,
    garden_model,
    history,
    learned_memory,
    other_tree,
    person_over_the_tree,
    scene_encoder,
    watch,
)
from veroallarme_core.camera_memory.camera_state import (
    FEWEST_EVENTS,
    FEWEST_SESSIONS,
    MEMORY_FILE,
    MODEL_FILE,
    REBUILT_FILE,
    THUMBS_DOWN,
    CameraState,
    write_report,
)
from veroallarme_core.camera_memory.region_bank import RegionBank
from veroallarme_core.camera_memory.scene_memory import SceneMemory
from veroallarme_core.camera_memory.state_file import StateFileError
from veroallarme_core.contract import State
from veroallarme_core.description import CERTAIN_SCORE
from veroallarme_core.judgement import BurstJudgement, judge_from_memory


@pytest.fixture
def state(tmp_path: Path) -> CameraState:
    """A camera that has learned the history; nothing of it is on disk."""
    memory = learned_memory()
    return CameraState(tmp_path, memory, garden_model(memory))


def judge(state: CameraState, event: Watched) -> BurstJudgement:
    """Its judgement, or that by the cues where it has none."""
    judgement = judge_from_memory(
        state, event.judgement, event.evidence, event_id=event.event_id, at=event.at, threshold=0.5
    )
    return event.judgement if judgement is None else judgement


def observe(state: CameraState, *events: Watched) -> None:
    for event in events:
        state.observe(event.event_id, event.moment, event)


def again(event: Watched, days: int) -> Watched:
    """The same event at another time."""
    return replace(event, event_id=f"again_{days}", moment=event.moment + timedelta(days=days))


# --- how far it has learned -----------------------------------------------------------------------


def test_camera_that_was_never_adapted_judges_by_the_cues(tmp_path: Path) -> None:
    state = CameraState.open(tmp_path)
    observe(state, *history())
    for event in (other_tree(), person_over_the_tree()):
        assert judge(state, event) is event.judgement
    assert not state.learned
    assert state.promise is None
    assert state.fault is None
    assert not any(tmp_path.iterdir()), "nothing is written before it is saved"


def test_recurrence_is_that_of_the_memory(state: CameraState, tmp_path: Path) -> None:
    assert CameraState.open(tmp_path / "new").recurrence() is None
    known = state.recurrence()
    assert known is not None
    events, cells = known
    assert events == state.progress.events_seen
    assert cells.shape == learned_memory().grid
    assert (cells == learned_memory().recurrence()).all()


def test_progress_names_what_is_missing(tmp_path: Path) -> None:
    state = CameraState(tmp_path, SceneMemory(scene_encoder().name))
    assert state.progress.missing == f"{FEWEST_EVENTS} more events"
    assert state.progress.share == 0
    observe(state, *[history()[0]] * FEWEST_EVENTS)
    assert state.progress.missing == f"events at {FEWEST_SESSIONS - 1} more times"
    observe(state, *history()[1:FEWEST_SESSIONS])
    assert "adaptation" in state.progress.missing
    assert state.progress.share < 1.0, "without the promise it is never done"
    memory = learned_memory()
    learned = CameraState(tmp_path, memory, garden_model(memory))
    assert learned.learned
    assert learned.progress.to_dict() == {
        "events_seen": HISTORY,
        "sessions_seen": HISTORY,
        "share": 1.0,
        "missing": "",
        "events_needed": FEWEST_EVENTS,
        "sessions_needed": FEWEST_SESSIONS,
        "days_left": None,
    }


def test_learned_camera_suppresses_the_tree_and_no_person(state: CameraState) -> None:
    assert judge(state, other_tree()).state is State.IRRELEVANT
    assert judge(state, person_over_the_tree()).state is State.RELEVANT


def test_model_without_a_promise_suppresses_nothing(tmp_path: Path) -> None:
    memory = learned_memory()
    model = replace(garden_model(memory), threshold=0.0, promise=None)
    state = CameraState(tmp_path, memory, model)
    assert judge(state, other_tree()).state is State.RELEVANT
    assert not state.learned


def test_what_was_learned_with_another_detector_suppresses_nothing(tmp_path: Path) -> None:
    memory = learned_memory()
    model = replace(garden_model(memory), detector="other-1")
    state = CameraState(tmp_path, memory, model)
    assert judge(state, other_tree()) is other_tree().judgement
    [notice] = state.notices()
    assert "other-1" in notice
    assert "next adaptation" in notice
    judge(state, other_tree())
    assert state.notices() == []


def test_light_that_it_does_not_know_is_judged_by_the_cues(state: CameraState) -> None:
    night = watch(70, light=("infrared",) * 3)
    assert judge(state, night) is night.judgement


def test_result_without_evidence_teaches_nothing(state: CameraState) -> None:
    class Nothing:
        evidence = None

    before = state.progress
    state.observe("nothing", other_tree().moment, Nothing())
    assert state.progress == before


# --- thumbs ---------------------------------------------------------------------------------------


def test_thumb_up_acts_at_once_on_its_like_and_is_taken_back(state: CameraState) -> None:
    event = again(other_tree(), 1)
    observe(state, event)
    assert judge(state, other_tree()).state is State.IRRELEVANT
    state.apply_feedback(event.event_id, True)
    judgement = judge(state, other_tree())
    assert (judgement.state, judgement.reason) == (State.RELEVANT, "like_confirmed")
    assert judge(state, event).state is State.IRRELEVANT, "an event does not confirm itself"
    state.apply_feedback(event.event_id, None)
    assert judge(state, other_tree()).state is State.IRRELEVANT


@pytest.fixture
def visits(state: CameraState) -> list[Watched]:
    """The same visitor on four days, and each time the alarm is raised."""
    memory = learned_memory()
    state._model = replace(garden_model(memory), threshold=0.3)
    events = [again(person_over_the_tree(), day) for day in range(1, 5)]
    observe(state, *events)
    assert judge(state, person_over_the_tree()).state is State.RELEVANT
    return events


@pytest.fixture
def less_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the visitor look a little different each time."""
    likeness = RegionBank.likeness
    monkeypatch.setattr(RegionBank, "likeness", lambda *given: 0.8 * likeness(*given))


def recognised(event: Watched, person_score: float = CERTAIN_SCORE) -> Watched:
    """The same event, where the detector says that what moves is a person."""
    regions = tuple(replace(seen, person_score=person_score) for seen in event.evidence.regions)
    return replace(event, evidence=replace(event.evidence, regions=regions))


def nobody_certain() -> Watched:
    """The visitor, whom the detector does not recognise."""
    return recognised(person_over_the_tree(), 0.0)


def rejects(state: CameraState, visitor: Watched | None = None) -> bool:
    """Whether the visitor himself is rejected by now."""
    judgement = judge(state, visitor or nobody_certain())
    rejected = {
        region.region.to_bbox() for region in judgement.regions if region.reason == "like_rejected"
    }
    return person_over_the_tree().on_mover.bbox in rejected


def test_one_thumb_down_suppresses_the_same_thing(
    state: CameraState, visits: list[Watched]
) -> None:
    assert not rejects(state)
    state.apply_feedback(visits[0].event_id, False)
    assert rejects(state)
    state.apply_feedback(visits[0].event_id, None)
    assert not rejects(state)


def test_one_thumb_down_suppresses_nobody_who_is_recognised(
    state: CameraState, visits: list[Watched]
) -> None:
    person = recognised(person_over_the_tree())
    for event in visits[: THUMBS_DOWN - 1]:
        state.apply_feedback(event.event_id, False)
        assert judge(state, person).state is State.RELEVANT
    doubtful = recognised(person_over_the_tree(), CERTAIN_SCORE - 0.01)
    assert rejects(state, doubtful), "who is not recognised for certain is told by his looks alone"
    nobody_looked = recognised(person_over_the_tree(), math.nan)
    assert judge(state, nobody_looked).state is State.RELEVANT, "the detector failed"
    state.apply_feedback(visits[THUMBS_DOWN - 1].event_id, False)
    assert rejects(state, person)


@pytest.mark.usefixtures("less_alike")
def test_no_thumbs_down_suppress_a_person_who_is_less_alike(
    state: CameraState, visits: list[Watched]
) -> None:
    for event in visits:
        state.apply_feedback(event.event_id, False)
    assert rejects(state)
    assert judge(state, recognised(person_over_the_tree())).state is State.RELEVANT


@pytest.mark.usefixtures("less_alike")
def test_three_thumbs_down_suppress_their_like(state: CameraState, visits: list[Watched]) -> None:
    for event in visits[: THUMBS_DOWN - 1]:
        state.apply_feedback(event.event_id, False)
        assert not rejects(state)
    state.apply_feedback(visits[THUMBS_DOWN - 1].event_id, False)
    assert rejects(state)
    state.apply_feedback(visits[0].event_id, None)
    assert judge(state, person_over_the_tree()).state is State.RELEVANT


def test_one_thumb_up_outweighs_all_thumbs_down(state: CameraState, visits: list[Watched]) -> None:
    for event in visits[:3]:
        state.apply_feedback(event.event_id, False)
    state.apply_feedback(visits[3].event_id, True)
    assert judge(state, person_over_the_tree()).state is State.RELEVANT


@pytest.mark.usefixtures("less_alike")
def test_thumbs_down_of_one_session_count_once(state: CameraState, visits: list[Watched]) -> None:
    for number in range(THUMBS_DOWN):
        event = replace(visits[0], event_id=f"same_time_{number}")
        observe(state, event)
        state.apply_feedback(event.event_id, False)
    assert judge(state, person_over_the_tree()).state is State.RELEVANT


def test_thumbs_act_while_a_camera_is_learning(tmp_path: Path) -> None:
    state = CameraState(tmp_path, learned_memory())
    events = [again(other_tree(), day) for day in range(1, 1 + THUMBS_DOWN)]
    observe(state, *events)
    assert judge(state, other_tree()) is other_tree().judgement
    state.apply_feedback(events[0].event_id, True)
    assert judge(state, other_tree()).reason == "like_confirmed"
    for event in events:
        state.apply_feedback(event.event_id, False)
    rejected = judge(state, other_tree())
    assert any(one.reason == "like_rejected" for one in rejected.regions)
    assert rejected.score is not None
    assert rejected.score < other_tree().judgement.score


def test_thumbs_are_kept_on_disk(state: CameraState, visits: list[Watched]) -> None:
    for event in visits[:3]:
        state.apply_feedback(event.event_id, False)
    state.save()
    memory = SceneMemory.load(state.folder / MEMORY_FILE, scene_encoder().name)
    assert (memory.bank.label < 0).sum() == sum(len(e.evidence.regions) for e in visits[:3])


def test_thumb_for_an_unknown_event_changes_nothing(state: CameraState) -> None:
    before = judge(state, other_tree())
    for relevant in (True, False, None):
        state.apply_feedback("20200101_000000_ffffff", relevant)
    assert judge(state, other_tree()) == before


# --- another view ---------------------------------------------------------------------------------


def test_turned_camera_raises_the_alarm_and_tells_it_once(state: CameraState) -> None:
    garden_model(learned_memory()).save(state.folder / MODEL_FILE)
    turned = [watch(40 + number, turn=TURNED) for number in range(5)]
    observe(state, *turned)
    (notice,) = state.notices()
    assert "another view" in notice
    assert state.notices() == []
    assert not state.learned
    assert judge(state, turned[0]) is turned[0].judgement
    assert not (state.folder / MODEL_FILE).exists(), "or a restart would bring it back"


def test_model_of_another_view_is_not_taken_over(state: CameraState) -> None:
    observe(state, *(watch(40 + number, turn=TURNED) for number in range(4)))
    garden_model(learned_memory()).save(state.folder / MODEL_FILE)
    assert not state.reload_model()
    assert not state.learned
    state.save()
    assert not CameraState.open(state.folder).learned, "nor after a restart"


# --- reload ---------------------------------------------------------------------------------------


def test_new_model_is_taken_over_once(tmp_path: Path) -> None:
    memory = learned_memory()
    state = CameraState(tmp_path, memory)
    assert not state.reload_model()
    garden_model(memory).save(tmp_path / MODEL_FILE)
    assert state.reload_model()
    assert state.learned
    assert judge(state, other_tree()).state is State.IRRELEVANT
    assert not state.reload_model()


def test_rebuilt_memory_is_taken_over_only_where_it_knows_more(tmp_path: Path) -> None:
    full = learned_memory()
    for mine, taken in ((SceneMemory(full.encoder), True), (learned_memory(), False)):
        state = CameraState(tmp_path, mine)
        full.save(tmp_path / REBUILT_FILE)
        garden_model(full).save(tmp_path / MODEL_FILE)
        if not taken:
            observe(state, other_tree())
        assert state.reload_model()
        assert state.progress.events_seen == (HISTORY if taken else HISTORY + 1)
        assert not (tmp_path / REBUILT_FILE).exists()
        (tmp_path / MODEL_FILE).unlink()


@pytest.mark.parametrize(("name", "taken"), [(MODEL_FILE, False), (REBUILT_FILE, True)])
def test_broken_file_is_not_taken_over(state: CameraState, name: str, taken: bool) -> None:
    garden_model(learned_memory(), threshold=0.0).save(state.folder / MODEL_FILE)
    (state.folder / name).write_bytes(b"nothing")
    assert state.reload_model() is taken
    judged = judge(state, other_tree()).state
    assert judged is (State.RELEVANT if taken else State.IRRELEVANT), "or the old model stays"
    (notice,) = state.notices()
    assert name in notice
    assert (state.folder / f"{name}.broken").read_bytes() == b"nothing"


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [MEMORY_FILE, MODEL_FILE])
def test_broken_file_is_set_aside(state: CameraState, name: str) -> None:
    state.save()
    garden_model(learned_memory()).save(state.folder / MODEL_FILE)
    (state.folder / name).write_bytes(b"PK\x03\x04 torn")
    opened = CameraState.open(state.folder)
    assert opened.fault is not None
    assert opened.fault.startswith(f"{name} of {state.folder.name} could not be used")
    assert "\n" not in opened.fault
    assert opened.notices() == [opened.fault]
    assert (state.folder / f"{name}.broken").read_bytes() == b"PK\x03\x04 torn"
    assert not (state.folder / name).exists()
    assert judge(opened, other_tree()) is other_tree().judgement
    assert CameraState.open(state.folder).fault is None


def test_reading_leaves_broken_files_alone(state: CameraState) -> None:
    state.save()
    assert CameraState.read(state.folder).progress == CameraState.open(state.folder).progress
    (state.folder / MODEL_FILE).write_bytes(b"torn")
    with pytest.raises(StateFileError, match=MODEL_FILE):
        CameraState.read(state.folder)
    assert (state.folder / MODEL_FILE).read_bytes() == b"torn"


def test_state_is_the_same_after_a_restart(state: CameraState) -> None:
    state.save()
    garden_model(learned_memory()).save(state.folder / MODEL_FILE)
    opened = CameraState.open(state.folder)
    assert opened.promise == state.promise
    assert opened.progress == state.progress
    for event in (other_tree(), person_over_the_tree()):
        before, after = judge(state, event), judge(opened, event)
        assert (after.state, after.reason) == (before.state, before.reason)
        assert after.score == pytest.approx(before.score, abs=0.02)


def test_report_replaces_the_one_before(tmp_path: Path) -> None:
    for number in (1, 2):
        write_report(tmp_path, {"number": number})
    (report,) = tmp_path.iterdir()
    assert report.read_text(encoding="utf-8") == '{\n  "number": 2\n}\n'


# --- threads --------------------------------------------------------------------------------------


def test_judging_while_it_learns_is_safe(state: CameraState) -> None:
    ended = threading.Event()

    def until_ended(work: Callable[[], object]) -> int:
        count = 0
        while not ended.is_set():
            work()
            count += 1
        return count

    garden_model(learned_memory()).save(state.folder / MODEL_FILE)
    with ThreadPoolExecutor(3) as pool:
        judging = [
            pool.submit(until_ended, lambda event=event: judge(state, event))  # type: ignore[misc]
            for event in (other_tree(), person_over_the_tree())
        ]
        try:
            for round_ in range(3):
                observe(state, *(again(one, 10 + round_) for one in history()))
                state.apply_feedback(history()[round_].event_id, bool(round_ % 2))
                state.save()
                state.reload_model()
        finally:
            ended.set()
        assert all(one.result() > 3 for one in judging)
    assert state.progress.events_seen == 4 * HISTORY
    assert CameraState.open(state.folder).progress == state.progress
