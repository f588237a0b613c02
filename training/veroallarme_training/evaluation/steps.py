"""The steps between the first judgement and the product, each ranking by a part of what it learned.

Every step judges as the product does: what the cues of the first judgement prove to be nuisance
stays nuisance, and the rest is ranked by this part alone; where it has learned too little, a step
judges as on the first day. Steps decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.adaptation import EventFolder, list_events, picture_files
from veroallarme_core.camera_memory.camera_model import CUES, CameraModel, cue_values, ranks
from veroallarme_core.camera_memory.camera_state import MEMORY_FILE, MODEL_FILE, CameraState
from veroallarme_core.camera_memory.scene_memory import RegionCues, SceneMemory
from veroallarme_core.contract.settings import CameraSettings, Mode
from veroallarme_core.description.burst_evidence import BurstEvidence, RegionEvidence
from veroallarme_core.description.scene_encoder import ENCODER_NAME, SceneEncoder
from veroallarme_core.judgement.judgement import BurstJudgement
from veroallarme_core.pipeline import EventPipeline
from veroallarme_training.evaluation.cameras import Camera
from veroallarme_training.evaluation.product import Product
from veroallarme_training.evaluation.scores import EventScore, ScoredRegion

Ranking = Callable[
    [CameraModel, Sequence[RegionEvidence], Sequence[RegionCues], str], NDArray[np.float64]
]
"""From a camera's model, regions, what its memory says of them, and the event id to ranks, (n,)."""


def by_cue(name: str) -> Ranking:
    """Return the ranking by one of `CUES`."""
    number = CUES.index(name)

    def rank(
        model: CameraModel, regions: Sequence[RegionEvidence], cues: Sequence[RegionCues], _: str
    ) -> NDArray[np.float64]:
        return ranks(cue_values(regions, cues)[:, number], model.cue_quantiles[number])

    return rank


def by_teacher(
    model: CameraModel, regions: Sequence[RegionEvidence], cues: Sequence[RegionCues], _: str
) -> NDArray[np.float64]:
    """Rank by the cues together."""
    return ranks(model.teacher(regions, cues), model.teacher_quantiles)


def by_student(
    model: CameraModel, regions: Sequence[RegionEvidence], _: Sequence[RegionCues], event_id: str
) -> NDArray[np.float64]:
    """Rank by the head that was not fitted to the event."""
    return model.student(regions, event_id)


@dataclass(frozen=True, eq=False)
class _RankedBy(CameraModel):
    """A camera's model that ranks by a part of it."""

    ranking: Ranking = field(kw_only=True)

    @classmethod
    def part_of(cls, model: CameraModel, ranking: Ranking) -> _RankedBy:
        # Above a threshold of 0 lies every rank, and below it what is proven nuisance.
        own = {one.name: getattr(model, one.name) for one in fields(model)}
        return cls(**own | {"threshold": 0.0}, ranking=ranking)

    def rank(
        self, regions: Sequence[RegionEvidence], cues: Sequence[RegionCues], event_id: str
    ) -> NDArray[np.float64]:
        return self.ranking(self, regions, cues, event_id)


@dataclass(frozen=True, eq=False)
class _Look:
    """An event as on the first day, and what the camera's state is asked to judge."""

    event: EventFolder
    fresh: EventScore
    asked: tuple[BurstJudgement, BurstEvidence, float] | None
    """Judgement by the cues, evidence, threshold; None where there is nothing to judge."""


class _Listener(CameraState):
    """Keeps what it is asked to judge."""

    asked: tuple[BurstJudgement, BurstEvidence, float] | None = None

    def judge(
        self,
        judgement: BurstJudgement,
        evidence: BurstEvidence,
        *,
        event_id: str,
        at: float,
        threshold: float,
    ) -> None:
        # The regions keep what they need of the features, which are large.
        self.asked = judgement, replace(evidence, features=evidence.features[:0]), threshold


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
            self._looks[camera.name] = list(_look_through(camera, memory))
        for look in self._looks[camera.name]:
            yield _score(look, state)


def _look_through(camera: Camera, memory: SceneMemory) -> Iterator[_Look]:
    pipeline, settings = EventPipeline(encoder=SceneEncoder()), CameraSettings(mode=Mode.FILTER)
    for event in list_events(camera.folder):
        if event.event_id in camera.asked:
            listener = _Listener(event.folder, memory)
            frames = [path.read_bytes() for path in picture_files(event.folder)]
            at = datetime.fromtimestamp(event.at, UTC)
            result = pipeline.judge(frames, settings, state=listener, motion_at=at)
            regions = tuple(
                ScoredRegion(r.x, r.y, r.width, r.height, r.relevance_score) for r in result.regions
            )
            score = 1.0 if result.score is None else result.score
            fresh = EventScore(event.event_id, score, reason=result.reason, regions=regions)
            yield _Look(event, fresh, listener.asked)


def _score(look: _Look, state: CameraState) -> EventScore:
    if look.asked is None:
        return look.fresh
    judgement, evidence, threshold = look.asked
    judged = state.judge(
        judgement,
        evidence,
        event_id=look.event.event_id,
        at=look.event.at,
        threshold=threshold,
    )
    if judged is None:
        return look.fresh
    regions = tuple(
        ScoredRegion(r.region.x, r.region.y, r.region.width, r.region.height, r.relevance_score)
        for r in judged.regions
    )
    score = 1.0 if judged.score is None else judged.score
    return replace(look.fresh, score=score, regions=regions)


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
