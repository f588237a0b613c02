"""The judgement of a camera that has learned: its own model in the place of the general line.

What is proven nuisance without learning stays nuisance. What is undecided is judged by what this
camera has seen before, and what nobody could look at is relevant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.camera_memory import (
    CUES,
    AssessedRegion,
    CameraModel,
    CameraState,
    Recollection,
    Thumb,
    cue_values,
    ranks,
)
from veroallarme_core.description import BurstEvidence
from veroallarme_core.judgement.judgement import BurstJudgement, RegionJudgement
from veroallarme_core.judgement.zones import ALWAYS

# Scores that follow the user's word: above the line, but below what is sure by itself.
_CONFIRMED, _REJECTED = 0.6, 0.02
_TOLD_SESSIONS = 3  # other sessions that make "seen before" the first thing to say


ALWAYS_ALERTING = ("like_confirmed", "not_looked_at", ALWAYS)
"""Reasons for an alarm that no calibrated threshold suppresses."""


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


def judge_from_memory(
    state: CameraState,
    judgement: BurstJudgement,
    evidence: BurstEvidence,
    *,
    event_id: str,
    at: float,
    threshold: float,
) -> BurstJudgement | None:
    """Judge the regions that are undecided by what a camera has learned.

    Args:
        state: of the camera; it is read, not changed.
        judgement: by the rules that need no learning.
        evidence: of the burst.
        event_id: of the event.
        at: when it moved, seconds since 1970.
        threshold: score in [0, 1] from which a region is relevant.

    Returns:
        The judgement; None where the camera does not know the view or the light. Where it can
        promise nothing yet only the user's thumbs count, and without any that speak for these
        regions the answer is None as well.
    """
    recollection = state.recall(evidence, event_id=event_id, at=at)
    if recollection is None:
        return None
    return judge_learned(judgement, recollection, event_id=event_id, threshold=threshold)


def judge_learned(
    judgement: BurstJudgement,
    recollection: Recollection,
    *,
    event_id: str,
    threshold: float,
) -> BurstJudgement:
    """Judge the regions that are undecided by what the memory says of them.

    `event_id` chooses the head that was not fitted to this event; the rest is as for
    `judge_from_memory`.
    """
    if not judgement.undecided or not recollection.regions:
        return judgement
    judged = [
        (_region(region, why, threshold), why)
        for region, why in _recalled(judgement, recollection, event_id, threshold)
    ]
    best, why = max(judged, key=lambda pair: pair[0].relevance_score)
    regions = [region for region, _ in judged]
    decided = judgement.relevant(best.reason, _explanation(best, why), regions, is_open=False)
    return replace(decided, cues={**decided.cues, **why.cues})


def _recalled(
    judgement: BurstJudgement, recollection: Recollection, event_id: str, threshold: float
) -> Iterator[tuple[RegionJudgement, _Judged]]:
    """Yield every region that is undecided, and what the memory makes of it."""
    model = recollection.model
    ranks_here = None if model is None else model.rank(recollection.regions, event_id)
    scores = None if model is None or ranks_here is None else model.score(ranks_here)
    position = {seen.region: index for index, seen in enumerate(recollection.regions)}
    for region in judgement.undecided:
        index = position.get(region.region)
        if index is None:
            yield region, _NOT_LOOKED_AT
            continue
        seen = recollection.regions[index]
        score, numbers = region.relevance_score, _numbers(seen)
        if ranks_here is not None and scores is not None:
            score = float(scores[index])
            numbers = {"rank": round(float(ranks_here[index]), 4), **numbers}
        yield region, _judge(score, _why(seen, model), seen.thumb, numbers, threshold)


def _numbers(seen: AssessedRegion) -> dict[str, float]:
    return {
        "deviation": round(seen.deviation, 3),
        "novelty": round(seen.novelty, 4),
        "recurrence": round(seen.recurrence, 4),
        "sessions_alike": float(seen.sessions),
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
        sentence = "It is like what you called a false alarm at this place."
        return _Judged(min(score, _REJECTED), "like_rejected", sentence, numbers)
    return _Judged(score, *why, numbers)


def _why(seen: AssessedRegion, model: CameraModel | None) -> tuple[str, str]:
    """Name the cue that speaks most for nuisance: its code and a sentence."""
    if model is None:
        return "moved", "nothing is proven"
    values = cue_values([seen])[0]
    by_cue = {name: _rank(values[k], model.cue_quantiles[k]) for k, name in enumerate(CUES)}
    before = f"something like it moved here at {_times(seen.sessions)}"
    if seen.sessions >= _TOLD_SESSIONS and by_cue["novelty"] <= 0.5:
        return "seen_before", before
    least = min(by_cue, key=lambda name: by_cue[name])
    if least == "deviation":
        return "usual_view", "where it moved the picture looks much as it usually does"
    if least == "unexplained":
        return "mostly_explained", "light or swaying explains most of it"
    if least == "quiet":
        share = f"{seen.recurrence:.0%}"
        return "busy_place", f"something moves at this place in {share} of the events"
    return "resembles_nuisance", f"it resembles what keeps moving on this camera ({before})"


def _times(count: int) -> str:
    return "1 other time" if count == 1 else f"{count} other times"


def _rank(value: float, quantiles: NDArray[np.float64]) -> float:
    return float(ranks(np.array([value]), quantiles)[0])


def _region(region: RegionJudgement, judged: _Judged, threshold: float) -> RegionJudgement:
    says_why = judged.score < threshold or judged.reason in ALWAYS_ALERTING
    return region.scored(
        judged.score, threshold, judged.reason if says_why else "moved", judged.cues
    )


def _explanation(best: RegionJudgement, judged: _Judged) -> str:
    what_moved = best.what_moved
    if judged.reason in ("like_confirmed", "like_rejected", "not_looked_at"):
        return f"{what_moved}. {judged.sentence}"
    if best.is_relevant:
        sessions = int(judged.cues["sessions_alike"])
        before = f"its like moved here at {_times(sessions)}" if sessions else "nothing like it"
        before = before if sessions else f"{before} moved here before"
        return f"{what_moved} that is not usual there: {before}."
    return f"{what_moved}, but {judged.sentence}."
