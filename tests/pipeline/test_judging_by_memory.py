"""A burst judged by what was seen of it: the same as by its pictures."""

from pathlib import Path

import pytest

from tests.watched import (
    Watched,
    garden_model,
    learned_memory,
    other_tree,
    person_over_the_tree,
    scene_encoder,
)
from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import CameraSettings, Mode
from veroallarme_core.judgement import BurstJudgement
from veroallarme_core.pictures import DecodedFrame
from veroallarme_core.pipeline import EventPipeline, JudgedBurst, find_motion
from veroallarme_core.pipeline.judging_by_memory import judge_looks

SETTINGS = CameraSettings(mode=Mode.FILTER)


def judged(event: Watched, state: CameraState | None) -> JudgedBurst:
    return EventPipeline(encoder=scene_encoder()).judge_motion(
        find_motion([DecodedFrame(frame) for frame in event.frames]),
        SETTINGS,
        state=state,
        event_id=event.event_id,
        motion_at=event.moment,
    )


def by_looks(burst: JudgedBurst, event: Watched, state: CameraState) -> BurstJudgement | None:
    return judge_looks(
        burst.looks, state, event_id=event.event_id, motion_at=event.moment, threshold=0.5
    )


def on_trial(tmp_path: Path, highest_line: float) -> CameraState:
    memory = learned_memory()
    return CameraState.on_trial(tmp_path, memory, garden_model(memory), highest_line)


@pytest.mark.parametrize("event", [person_over_the_tree, other_tree], ids=["person", "tree"])
@pytest.mark.parametrize("line", [0.0, 1.0], ids=["one look", "two looks"])
def test_looks_are_judged_as_the_burst_is(tmp_path: Path, event: object, line: float) -> None:
    assert callable(event)
    watched, state = event(), on_trial(tmp_path, line)
    burst = judged(watched, state)
    assert len(burst.looks) == 1 + int(line)
    assert by_looks(burst, watched, state) == burst.judgement
    if line:
        assert by_looks(burst, watched, on_trial(tmp_path, 0.0)) is not None


def test_what_was_looked_at_once_may_need_another_look(tmp_path: Path) -> None:
    event = other_tree()
    burst = judged(event, on_trial(tmp_path, 0.0))
    assert by_looks(burst, event, on_trial(tmp_path, 1.0)) is None


def test_without_a_memory_there_is_one_look() -> None:
    burst = judged(other_tree(), None)
    assert len(burst.looks) == 1
    assert burst.looks[0].evidence is not None
