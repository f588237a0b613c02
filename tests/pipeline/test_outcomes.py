"""What an event would be under other settings equals what judging it anew says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import LearnedCamera
from tests.pipeline.bursts import MOVING, STILL
from tests.watched import person_over_the_tree, scene_encoder
from veroallarme_core.adaptation import list_events, picture_files
from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import ALL_KINDS, CameraSettings, Mode, ObjectKind, State
from veroallarme_core.description import DetectedObject
from veroallarme_core.pictures import Frame
from veroallarme_core.pipeline import EventPipeline, Outcomes
from veroallarme_core.pipeline.outcomes import Outcome, choices_of_kinds

FILTER = CameraSettings(mode=Mode.FILTER)
THRESHOLDS = (0.02, 0.021, 0.5, 0.75, 1.0)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CAR = ("car", 0.9)
SOMEBODY = ("person", 0.1)


class DetectorByHeart:
    """Finds what it was told wherever a picture is bright."""

    name = "by-heart"

    def __init__(self, *seen: tuple[str, float]) -> None:
        self.seen = seen
        self.looks = 0

    def detect(
        self, frames: Sequence[Frame], *, size: int, min_score: float
    ) -> tuple[tuple[DetectedObject, ...], ...]:
        self.looks += len(frames)
        return tuple(self._found(frame) for frame in frames)

    def _found(self, frame: Frame) -> tuple[DetectedObject, ...]:
        rows, columns = np.nonzero(frame.mean(axis=2) > 200)
        if not rows.size:
            return ()
        x, y = max(0, int(columns.min()) - 4), max(0, int(rows.min()) - 4)
        width, height = int(columns.max()) - x + 5, int(rows.max()) - y + 5
        return tuple(DetectedObject(name, score, x, y, width, height) for name, score in self.seen)

    def release_memory(self) -> None:
        pass


def check(
    pipeline: EventPipeline,
    frames: Sequence[bytes],
    state: CameraState | None = None,
    event_id: str = "20260504_120000_000001",
    asked: CameraSettings = FILTER,
    motion_at: datetime = NOW,
    thresholds: Sequence[float] = THRESHOLDS,
    choices: int = 7,
) -> Outcomes:
    """Compare what is told of an event with what judging it anew by those settings says."""
    result = pipeline.judge(frames, asked, state=state, event_id=event_id, motion_at=motion_at)
    assert result.look_again is not None
    outcomes = Outcomes.from_dict(result.look_again().to_dict())
    for kinds in choices_of_kinds(asked.objects)[:choices]:
        objects = tuple(kind for kind in ObjectKind if kind in kinds)
        for threshold in thresholds:
            anew = pipeline.judge(
                frames,
                replace(asked, threshold=threshold, objects=objects),
                state=state,
                event_id=event_id,
                motion_at=motion_at,
            )
            told = outcomes.state(threshold=threshold, kinds=kinds)
            assert told is anew.state, (sorted(kinds), threshold, outcomes.outcomes[kinds])
    return outcomes


def test_a_fresh_camera_tells_of_every_threshold() -> None:
    outcomes = check(EventPipeline(looks_again=True, encoder=scene_encoder()), MOVING)
    assert outcomes.line is None
    for frames in (STILL, MOVING[:1], MOVING[1:2] * 2):
        check(EventPipeline(looks_again=True, encoder=scene_encoder()), frames)


@pytest.mark.parametrize("objects", [ALL_KINDS, (ObjectKind.PERSON,)])
@pytest.mark.parametrize("seen", [(CAR,), (CAR, SOMEBODY), ()])
def test_kinds_are_told_for_every_choice(
    seen: tuple[tuple[str, float], ...], objects: tuple[ObjectKind, ...]
) -> None:
    pipeline = EventPipeline(
        looks_again=True, encoder=scene_encoder(), detector=DetectorByHeart(*seen)
    )  # type: ignore[arg-type]
    asked = replace(FILTER, objects=objects)
    outcomes = check(pipeline, MOVING, asked=asked, thresholds=(0.021, 0.5, 0.75))
    assert outcomes.chosen == set(objects)
    people = outcomes.state(threshold=0.5, kinds=[ObjectKind.PERSON])
    if seen == (CAR,):
        assert people is not State.RELEVANT, "a car alone is nothing where people count"
    if not seen:
        assert people is State.RELEVANT


def test_a_second_look_asks_the_networks_for_nothing_that_they_have_seen() -> None:
    detector = DetectorByHeart()
    pipeline = EventPipeline(looks_again=True, encoder=scene_encoder(), detector=detector)  # type: ignore[arg-type]
    result = pipeline.judge(MOVING, FILTER)
    looks = detector.looks
    assert looks
    assert result.look_again is not None
    result.look_again()
    assert detector.looks == looks


def learned_frames(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in picture_files(folder)]


def test_a_learned_camera_tells_what_it_would_see_at_every_threshold(
    learned_camera: LearnedCamera,
) -> None:
    state = CameraState.read(learned_camera.state)
    pipeline = EventPipeline.with_shipped_networks(looks_again=True)
    events = list_events(learned_camera.data)[3::11]
    told = []
    for event in events:
        at = datetime.fromtimestamp(event.at, UTC)
        told.append(
            check(
                pipeline,
                learned_frames(event.folder),
                state,
                event.event_id,
                motion_at=at,
                thresholds=(0.02, 0.5, 0.8, 1.0),
                choices=2,
            )
        )
    assert any(one.line is not None for one in told), "its own model has judged"
    own = frozenset(ALL_KINDS)
    assert any(one.outcomes[own].ranked is not None for one in told)


def test_a_thumb_up_is_above_every_line(learned_camera: LearnedCamera) -> None:
    state = CameraState.read(learned_camera.state)
    pipeline = EventPipeline.with_shipped_networks(looks_again=True)
    person = person_over_the_tree()
    for is_up in (True, False):
        state.observe(
            person.event_id, person.moment, pipeline.judge(person.encoded, FILTER, state=state)
        )
        state.apply_feedback(person.event_id, is_up)
        outcomes = check(
            pipeline,
            person.encoded,
            state,
            "20260601_120000_000001",
            thresholds=(0.01, 0.5, 0.99),
            choices=1,
        )
        assert outcomes.outcomes[frozenset(ALL_KINDS)].always == is_up


def test_what_is_late_never_becomes_nuisance() -> None:
    kinds = frozenset(ALL_KINDS)
    known = Outcomes(chosen=kinds, outcomes={kinds: Outcome(kinds=kinds, fixed=0.7)})
    assert known.state(threshold=0.8, kinds=kinds) is State.IRRELEVANT
    assert known.doubted().state(threshold=0.8, kinds=kinds) is State.UNKNOWN
    assert known.doubted().state(threshold=0.7, kinds=kinds) is State.RELEVANT


def test_nothing_is_told_of_what_nobody_has_looked_into() -> None:
    kinds = frozenset(ALL_KINDS)
    outcome = Outcome(kinds=kinds, ranked=0.7)
    known = Outcomes(
        chosen=kinds, outcomes={kinds: outcome}, line=0.5, recall=0.99, lines={0.95: 0.6}
    )
    assert known.state(threshold=0.5, kinds=[ObjectKind.PERSON]) is None
    assert known.state(threshold=0.5, kinds=kinds, recall=0.9) is None
    assert known.state(threshold=0.5, kinds=kinds, recall=0.95) is State.IRRELEVANT
    assert known.state(threshold=0.5, kinds=kinds, recall=0.99) is State.RELEVANT
