"""The steps between the first judgement and the product, each ranking by a part of what it learned.

Every step judges as the product does: what the cues of the first judgement prove to be nuisance
stays nuisance, and the rest is ranked by this part alone; where it has learned too little, a step
judges as on the first day. Steps decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation import EventFolder, list_events, picture_files
from veroallarme_core.camera_memory import (
    CUES,
    MEMORY_FILE,
    MODEL_FILE,
    AssessedRegion,
    CameraModel,
    CameraState,
    SceneMemory,
    cue_values,
    ranks,
)
from veroallarme_core.contract import CameraSettings, Mode
from veroallarme_core.description import ENCODER_NAME
from veroallarme_core.judgement import GENERAL_THRESHOLD, BurstJudgement, judge_from_memory
from veroallarme_core.pictures import DecodedFrame, FrameError, read_frame
from veroallarme_core.pipeline import EventPipeline, JudgedBurst, find_motion
from veroallarme_training.evaluation.cameras import Camera
from veroallarme_training.evaluation.product import Product
from veroallarme_training.evaluation.scores import EventScore, ScoredRegion

Ranking = Callable[[CameraModel, Sequence[AssessedRegion], str], NDArray[np.float64]]
"""From a camera's model, regions as its memory knows them, and the event id to ranks, (n,)."""


def by_cue(name: str) -> Ranking:
    """Return the ranking by one of `CUES`."""
    number = CUES.index(name)

    def rank(model: CameraModel, regions: Sequence[AssessedRegion], _: str) -> NDArray[np.float64]:
        return ranks(cue_values(regions)[:, number], model.cue_quantiles[number])

    return rank


def by_teacher(
    model: CameraModel, regions: Sequence[AssessedRegion], _: str
) -> NDArray[np.float64]:
    """Rank by the cues together."""
    return ranks(model.teacher(regions), model.teacher_quantiles)


def by_student(
    model: CameraModel, regions: Sequence[AssessedRegion], event_id: str
) -> NDArray[np.float64]:
    """Rank by the head that was not fitted to the event."""
    return model.student(regions, event_id)


def by_both(
    model: CameraModel,
    regions: Sequence[AssessedRegion],
    event_id: str,
) -> NDArray[np.float64]:
    """Rank by teacher and head together, without the detector."""
    return model.rank_here(regions, event_id)


def by_objects(_: CameraModel, regions: Sequence[AssessedRegion], __: str) -> NDArray[np.float64]:
    """Rank by what the detector recognises alone."""
    return np.array([region.object_score for region in regions])


@dataclass(frozen=True, eq=False)
class _RankedBy(CameraModel):
    """A camera's model that ranks by a part of it."""

    ranking: Ranking = field(kw_only=True)

    @classmethod
    def part_of(cls, model: CameraModel, ranking: Ranking) -> _RankedBy:
        # Above a threshold of 0 lies every rank, and below it what is proven nuisance.
        own = {part.name: getattr(model, part.name) for part in fields(model)}
        return cls(**own | {"threshold": 0.0}, ranking=ranking)

    def rank(self, regions: Sequence[AssessedRegion], event_id: str) -> NDArray[np.float64]:
        return self.ranking(self, regions, event_id)


@dataclass(frozen=True, eq=False)
class _Look:
    """An event as on the first day, and what the camera's state is asked to judge."""

    event: EventFolder
    fresh: EventScore
    judged: JudgedBurst


@dataclass(frozen=True, eq=False)
class LearnedCameras:
    """Cameras as the product has learned them; their events are looked at once for all steps."""

    product: Product
    _looks: dict[str, list[_Look]] = field(default_factory=dict, init=False)

    def score(self, camera: Camera, ranking: Ranking) -> Iterator[EventScore]:
        """Score the events that are asked for by a part of what was learned."""
        folder = self.product.state(camera)
        memory = SceneMemory.load(folder / MEMORY_FILE, ENCODER_NAME)
        model = CameraModel.load(folder / MODEL_FILE, ENCODER_NAME)
        state = CameraState(folder, memory, _RankedBy.part_of(model, ranking))
        if camera.name not in self._looks:
            self._looks[camera.name] = list(_look_through(camera))
        for look in self._looks[camera.name]:
            yield _score(look, state)


def _look_through(camera: Camera) -> Iterator[_Look]:
    pipeline, settings = EventPipeline.with_shipped_networks(None), CameraSettings(mode=Mode.FILTER)
    for event in list_events(camera.folder):
        if event.event_id in camera.asked:
            frames = [_read(path) for path in picture_files(event.folder)]
            if any(frame is not None for frame in frames):
                judged = pipeline.judge_motion(find_motion(frames), settings)
            else:
                judged = JudgedBurst(BurstJudgement(reason="undecodable"), None)
            if judged.evidence is not None:
                # The regions keep what they need of the features, which are large.
                judged = replace(judged, evidence=judged.evidence.without_frames())
            fresh = EventScore(event.event_id, 1.0, reason=judged.judgement.reason)
            yield _Look(event, _scored(fresh, judged.judgement), judged)


def _read(path: Path) -> DecodedFrame | None:
    try:
        return read_frame(path)
    except FrameError:
        return None


def _score(look: _Look, state: CameraState) -> EventScore:
    judgement, evidence = look.judged.judgement, look.judged.evidence
    if evidence is None or not judgement.is_open:
        return look.fresh
    learned = judge_from_memory(
        state,
        judgement,
        evidence,
        event_id=look.event.event_id,
        at=look.event.at,
        threshold=GENERAL_THRESHOLD,
    )
    return look.fresh if learned is None else _scored(look.fresh, learned)


def _scored(event: EventScore, judgement: BurstJudgement) -> EventScore:
    regions = tuple(
        ScoredRegion(r.region.x, r.region.y, r.region.width, r.region.height, r.relevance_score)
        for r in judgement.regions
    )
    score = 1.0 if judgement.score is None else judgement.score
    return replace(event, score=score, regions=regions)


@dataclass(frozen=True, eq=False)
class Step:
    """A row that ranks by a part of what the product has learned."""

    name: str
    ranking: Ranking
    cameras: LearnedCameras

    def learn(self, camera: Camera) -> None:
        """Let the product learn the camera, if that is not done yet."""
        self.cameras.product.learn(camera)

    def score(self, camera: Camera) -> Iterator[EventScore]:
        """Score the events that are asked for."""
        return self.cameras.score(camera, self.ranking)
