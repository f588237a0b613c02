"""Kinds of objects while a camera is learned: only of those that count is anything promised."""

from pathlib import Path
from typing import Any

import pytest

from tests.watched import history, scene_encoder
from veroallarme_core.adaptation import intruder_trial
from veroallarme_core.adaptation.camera_run import adapt_camera
from veroallarme_core.adaptation.history import list_events
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.contract import ObjectKind
from veroallarme_core.pipeline import EventPipeline, JudgedBurst

ANIMALS = (ObjectKind.ANIMAL,)


class Listener(EventPipeline):
    """A pipeline that notes which kinds it is to count."""

    def __init__(self) -> None:
        super().__init__(encoder=scene_encoder())
        self.described: set[tuple[ObjectKind, ...]] = set()
        self.judged: set[tuple[ObjectKind, ...]] = set()

    def describe_motion(self, motion: Any, zones: Any = (), objects: Any = None) -> JudgedBurst:
        self.described.add(objects)
        return super().describe_motion(motion, zones, objects)

    def judge_motion(self, motion: Any, settings: Any, *more: Any, **named: Any) -> JudgedBurst:
        self.judged.add(settings.objects)
        return super().judge_motion(motion, settings, *more, **named)

    def for_variants_of(self, frames: Any) -> EventPipeline:
        return self


def test_intruders_are_of_kinds_that_count_and_judged_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for event in history()[:8]:
        event.write(tmp_path)
    pasted = []

    def spy(*arguments: Any, **more: Any) -> Any:
        pasted.append(paste(*arguments, **more))
        return pasted[-1]

    paste = intruder_trial.paste_intruder
    monkeypatch.setattr(intruder_trial, "paste_intruder", spy)
    pipeline = Listener()
    options = AdaptationOptions(intruders=8, objects=ANIMALS)
    adapt_camera(list_events(tmp_path), pipeline, {}, options)
    kinds = [event.kind for event in pasted if event is not None]
    assert len(kinds) >= 3
    assert set(kinds) == {"pet"}
    assert pipeline.described == pipeline.judged == {ANIMALS}
