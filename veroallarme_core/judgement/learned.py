"""The judgement of a camera that has learned: its own model in the place of the general line.

What is proven nuisance without learning stays nuisance. What is undecided is judged by what this
camera has seen before, and what nobody could look at is relevant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.camera_memory.camera_model import CUES, CameraModel, cue_values, ranks
from veroallarme_core.camera_memory.scene_memory import RegionCues
from veroallarme_core.contract.verdict import State
from veroallarme_core.description.burst_evidence import BurstEvidence, RegionEvidence
from veroallarme_core.judgement.judgement import BurstJudgement, RegionJudgement

# Scores that follow the user's word: above the line, but below what is sure by itself.
_CONFIRMED, _REJECTED = 0.6, 0.02
_TOLD_SESSIONS = 3  # other sessions that make "seen before" the first thing to say


ALWAYS_ALERTING = ("like_confirmed", "not_looked_at")
"""Reasons for an alarm that no calibrated threshold suppresses."""


class Thumb(Enum):
    """What the user said of things that are like a region."""

    NONE = 0
    RELEVANT = 1
    NUISANCE = -1


@dataclass(frozen=True)
class _Judged:
    score: float
    reason: str
    sentence: str
    cues: Mapping[str, float]


_NOT_LOOKED_AT = _Judged(
    1.0,
    "not_looked_at",
    "So much moved that there was no time to look at all of it, this included.",
    {},
)


def judge_learned(
    judgement: BurstJudgement,
    evidence: BurstEvidence,
    cues: Sequence[RegionCues],
    thumbs: Sequence[Thumb],
    model: CameraModel | None,
    *,
    event_id: str,
    threshold: float,
) -> BurstJudgement:
    """Judge the regions that are undecided.

    Args:
        judgement: by the cues alone.
        evidence: of the burst.
        cues: what the camera's memory says of the evidence's regions, one each.
        thumbs: what the user said of their like, one each.
        model: of the camera; None where it cannot promise anything yet, and only thumbs count.
        event_id: chooses the head that was not fitted to this event.
        threshold: score in [0, 1] from which a region is relevant.
    """
    if not judgement.undecided or not cues:
        return judgement
    before = {one.region.to_bbox(): one.relevance_score for one in judgement.regions}
    if model is None:
        scores = np.array([before[one.bbox] for one in evidence.regions])
        numbers = [_numbers(cue) for cue in cues]
    else:
        rank = model.rank(evidence.regions, cues, event_id)
        scores = model.score(rank)
        numbers = [
            {"rank": round(float(one), 4), **_numbers(cue)}
            for one, cue in zip(rank, cues, strict=True)
        ]
    judged = {
        region.bbox: _judge(float(score), _why(region, cue, model), thumb, told, threshold)
        for region, cue, thumb, score, told in zip(
            evidence.regions, cues, thumbs, scores, numbers, strict=True
        )
    }
    regions = sorted(
        (
            _region(one, judged.get(one.region.to_bbox(), _NOT_LOOKED_AT), threshold)
            for one in judgement.undecided
        ),
        key=lambda one: -one.relevance_score,
    )
    best = regions[0]
    told = judged.get(best.region.to_bbox(), _NOT_LOOKED_AT)
    return replace(
        judgement,
        state=State.RELEVANT if best.is_relevant else State.IRRELEVANT,
        score=best.relevance_score,
        reason=best.reason,
        explanation=_explanation(best, told),
        cues={
            **judgement.cues,
            **told.cues,
            "regions_relevant": sum(one.is_relevant for one in regions),
        },
        regions=(*regions, *(one for one in judgement.regions if one.is_proven)),
        is_open=False,
    )


def _numbers(cue: RegionCues) -> dict[str, float]:
    return {
        "deviation": round(cue.deviation, 3),
        "novelty": round(cue.novelty, 4),
        "recurrence": round(cue.recurrence, 4),
        "sessions_alike": float(cue.sessions),
    }


def _judge(
    score: float,
    why: tuple[str, str],
    thumb: Thumb,
    numbers: Mapping[str, float],
    threshold: float,
) -> _Judged:
    if thumb is Thumb.RELEVANT:
        sentence = "It is like what you called relevant before."
        return _Judged(max(score, threshold, _CONFIRMED), "like_confirmed", sentence, numbers)
    if thumb is Thumb.NUISANCE:
        sentence = "It is like what you called a false alarm at this place, three times or more."
        return _Judged(min(score, _REJECTED), "like_rejected", sentence, numbers)
    return _Judged(score, *why, numbers)


def _why(region: RegionEvidence, cue: RegionCues, model: CameraModel | None) -> tuple[str, str]:
    """Name the cue that speaks most for nuisance: its code and a sentence."""
    if model is None:
        return "moved", "nothing is proven"
    values = cue_values([region], [cue])[0]
    by_cue = {name: _rank(values[k], model.cue_quantiles[k]) for k, name in enumerate(CUES)}
    seen = f"something like it moved here at {_times(cue.sessions)}"
    if cue.sessions >= _TOLD_SESSIONS and by_cue["novelty"] <= 0.5:
        return "seen_before", seen
    least = min(by_cue, key=lambda name: by_cue[name])
    if least == "deviation":
        return "usual_view", "where it moved the picture looks much as it usually does"
    if least == "unexplained":
        return "mostly_explained", "light or swaying explains most of it"
    if least == "quiet":
        share = f"{cue.recurrence:.0%}"
        return "busy_place", f"something moves at this place in {share} of the events"
    return "resembles_nuisance", f"it resembles what keeps moving on this camera ({seen})"


def _times(count: int) -> str:
    return "1 other time" if count == 1 else f"{count} other times"


def _rank(value: float, quantiles: NDArray[np.float64]) -> float:
    return float(ranks(np.array([value]), quantiles)[0])


def _region(one: RegionJudgement, judged: _Judged, threshold: float) -> RegionJudgement:
    says_why = judged.score < threshold or judged.reason in ALWAYS_ALERTING
    return one.scored(judged.score, threshold, judged.reason if says_why else "moved", judged.cues)


def _explanation(best: RegionJudgement, told: _Judged) -> str:
    box = best.region
    what = (
        f"Something moved about {box.width}x{box.height} pixels large near "
        f"({box.centroid[0]}, {box.centroid[1]})"
    )
    if told.reason in ("like_confirmed", "like_rejected", "not_looked_at"):
        return f"{what}. {told.sentence}"
    if best.is_relevant:
        sessions = int(told.cues["sessions_alike"])
        before = f"its like moved here at {_times(sessions)}" if sessions else "nothing like it"
        before = before if sessions else f"{before} moved here before"
        return f"{what} that is not usual there: {before}."
    return f"{what}, but {told.sentence}."
