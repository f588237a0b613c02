"""What labels of other cameras would buy: the cues of a first day, weighed by what they teach.

The product reads no label. This row says what it forgoes by that, and it is the ladder's check on
itself: every camera is scored by weights that have not seen it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation import fit_logistic
from veroallarme_core.contract import CameraSettings
from veroallarme_core.pipeline import EventPipeline, PipelineResult
from veroallarme_training.evaluation.cameras import Camera, EvaluationError, LabelledCamera
from veroallarme_training.evaluation.scores import EventScore

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Look:
    """An event as on the first day: a score that is certain, or cues that can be weighed."""

    event_id: str
    score: float
    reason: str
    cues: Floats | None
    """(3,): how much anything in it looks like an object, changed, and is left unexplained."""


@dataclass(frozen=True, eq=False)
class FirstLooks:
    """Looks at the events of every camera once, for all the cameras that are fitted on it."""

    _looks: dict[str, list[_Look]] = field(default_factory=dict, init=False)

    def of(self, camera: Camera) -> Sequence[_Look]:
        """Return what the events that are asked for show."""
        if camera.name not in self._looks:
            self._looks[camera.name] = list(_look_through(camera))
        return self._looks[camera.name]


@dataclass(frozen=True, eq=False)
class FittedOnOthers:
    """Scores events by weights of the cues; made by `fit_on_others`."""

    name: str
    looks: FirstLooks
    weights: Floats
    """(4,): of the cues, and a constant."""

    def score(self, camera: Camera) -> Iterator[EventScore]:
        """Score the events that are asked for; what is proven, or not seen, as on a first day."""
        for look in self.looks.of(camera):
            score = look.score
            if look.cues is not None:
                score = float(1.0 / (1.0 + np.exp(-np.append(look.cues, 1.0) @ self.weights)))
            yield EventScore(look.event_id, score, reason=look.reason)


def fit_on_others(
    name: str, looks: FirstLooks, cameras: Sequence[LabelledCamera]
) -> FittedOnOthers:
    """Weigh the cues by the labels of some cameras; each of them counts alike, and each label.

    Raises:
        EvaluationError: they have labels of one kind only.
    """
    cues, targets, weights = [], [], []
    for labelled in cameras:
        seen = [
            (look.cues, labelled.labels[look.event_id].relevant)
            for look in looks.of(labelled.camera)
            if look.cues is not None
        ]
        cues += [np.append(values, 1.0) for values, _ in seen]
        targets += [is_relevant for _, is_relevant in seen]
        weights += [1.0 / len(seen)] * len(seen)
    target, weight = np.array(targets, np.float64), np.array(weights)
    if len(set(targets)) < 2:
        raise EvaluationError(
            f"{name} is fitted on relevant and irrelevant events of other cameras: give more."
        )
    for kind in (0.0, 1.0):
        weight[target == kind] *= len(cameras) / weight[target == kind].sum()
    return FittedOnOthers(name, looks, fit_logistic(np.stack(cues), target, weight))


def _look_through(camera: Camera) -> Iterator[_Look]:
    pipeline, settings = EventPipeline.with_shipped_networks(), CameraSettings()
    for event in camera.asked_events():
        result = pipeline.judge([path.read_bytes() for path in event.frames], settings)
        score = 1.0 if result.score is None else result.score
        yield _Look(event.event_id, score, result.reason, _cues(result))


def _cues(result: PipelineResult) -> Floats | None:
    """Return the largest of each cue over the regions; None where nothing is open."""
    if result.score is None or result.evidence is None or not result.evidence.regions:
        return None
    regions = result.evidence.regions
    cues = np.array(
        [
            (region.likeness, region.change, math.log10(1.0 + region.unexplained))
            for region in regions
        ]
    )
    largest = np.asarray(cues.max(axis=0), np.float64)  # one that is not known is none
    return largest if np.isfinite(largest).all() else None
