"""Intruders on trial: who cannot lie below the line is judged quickly, and the line is the same."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.watched import (
    SIZE,
    garden_model,
    history,
    learned_memory,
    person_over_the_tree,
    scene_encoder,
)
from veroallarme_core.adaptation import camera_run
from veroallarme_core.adaptation.camera_run import adapt_camera
from veroallarme_core.adaptation.history import list_events
from veroallarme_core.adaptation.intruder_trial import HIGHEST_LINE, Attempt, Trial
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.adaptation.promise import lines_by_floor
from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import ALL_KINDS, CameraSettings, Mode, ObjectKind, Zone
from veroallarme_core.description import ObjectDetector
from veroallarme_core.judgement import OUTSIDE
from veroallarme_core.pictures import DecodedFrame
from veroallarme_core.pipeline import EventPipeline, JudgedBurst, find_motion

OPTIONS = AdaptationOptions(intruders=24, recall=0.9, confidence=0.8)
HALF = Zone(name="half", points=((0.5, 0), (1, 0), (1, 1), (0.5, 1)))


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("some")
    for event in history()[:14]:
        event.write(folder)
    return folder


def settled(some: Path, monkeypatch: pytest.MonkeyPatch) -> list[Attempt]:
    """How the intruders of an adaptation fared."""
    fared: list[list[Attempt]] = []

    def spy(*arguments: Any) -> list[Attempt]:
        fared.append(settle(*arguments))
        return fared[-1]

    settle = camera_run.settle
    with monkeypatch.context() as patch:
        patch.setattr(camera_run, "settle", spy)
        pipeline = EventPipeline(
            encoder=scene_encoder(), detector=ObjectDetector("openvino", threads=1)
        )
        adapt_camera(list_events(some), pipeline, {}, OPTIONS)
    return fared[0]


def test_the_lines_are_those_of_full_judgements(
    some: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = settled(some, monkeypatch)
    monkeypatch.setattr(Trial, "has_bounds", False)
    full = settled(some, monkeypatch)
    assert all(attempt.is_exact for attempt in full)
    assert len(quick) == len(full)
    lines = [lines_by_floor(attempts, (), OPTIONS) for attempts in (quick, full)]
    assert lines[0] == lines[1] != {}
    highest = max(lines[0].values())
    for attempt, expected in zip(quick, full, strict=True):
        assert replace(attempt, rank=0.0, is_exact=True) == replace(expected, rank=0.0)
        if attempt.is_exact:
            assert attempt.rank == expected.rank
        else:
            assert highest < attempt.rank <= expected.rank
    assert sum(attempt.is_exact and math.isfinite(attempt.rank) for attempt in quick) > 0
    assert not all(attempt.is_exact for attempt in quick), "nobody was judged quickly"


@pytest.mark.parametrize(
    ("objects", "zones", "has_bounds"),
    [
        (ALL_KINDS, (), True),
        (ALL_KINDS, (HALF,), True),
        ((ObjectKind.PERSON,), (), False),
        (ALL_KINDS, (replace(HALF, objects=(ObjectKind.PERSON,)),), False),
    ],
)
def test_to_be_recognised_is_no_rise_where_some_kinds_do_not_count(
    objects: Any, zones: tuple[Zone, ...], has_bounds: bool
) -> None:
    trial = Trial(None, None, None, zones, objects=objects)  # type: ignore[arg-type]
    assert trial.has_bounds is has_bounds


def test_on_trial_nothing_is_described_that_decides_nothing(tmp_path: Path) -> None:
    memory = learned_memory()
    model = garden_model(memory)
    event = person_over_the_tree()
    (left, top, right, bottom), (height, width) = event.on_mover.bbox, SIZE
    x1, x2, y1, y2 = left / width, right / width, top / height, bottom / height
    zone = Zone(name="part", points=((x1, y1), (x2, y1), (x2, y2), (x1, y2)))
    motion = find_motion([DecodedFrame(frame) for frame in event.frames])
    pipeline = EventPipeline(encoder=scene_encoder())

    def judge(state: CameraState) -> JudgedBurst:
        given = CameraSettings(mode=Mode.FILTER, zones=(zone,))
        return pipeline.judge_motion(motion, given, state=state, motion_at=event.moment)

    tried = judge(CameraState.on_trial(tmp_path, memory, model, HIGHEST_LINE))
    operating = judge(CameraState(tmp_path, memory, model))
    assert tried.judgement.cues["rank"] == operating.judgement.cues["rank"]
    assert tried.judgement.score == operating.judgement.score
    assert tried.evidence is not None
    assert operating.evidence is not None
    outside = {r.region for r in operating.judgement.regions if r.reason == OUTSIDE}
    assert outside.isdisjoint(region.region for region in tried.evidence.regions)
    # In operation a camera learns from what moved outside as well.
    assert not outside.isdisjoint(region.region for region in operating.evidence.regions)
