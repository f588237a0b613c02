"""Finds out what a burst would be under other settings, after its alarm."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import CameraSettings, ObjectKind, State
from veroallarme_core.judgement import BurstJudgement, RegionJudgement
from veroallarme_core.pipeline.judged_burst import JudgedBurst
from veroallarme_core.pipeline.outcomes import Outcome, Outcomes, choices_of_kinds

_FROM_THUMBS = ("like_confirmed", "like_rejected", "not_looked_at")
"""Reasons of scores that no model gave, where there is one."""

Kinds = frozenset[ObjectKind]


class Judge(Protocol):
    """Judges one burst."""

    def __call__(
        self, settings: CameraSettings, *, by_rules: BurstJudgement | None = None
    ) -> JudgedBurst:
        """Judge it by some settings; `by_rules` as for `EventPipeline.judge_motion`."""


def look_again(
    judge: Judge,
    settings: CameraSettings,
    state: CameraState | None,
    *,
    is_single: bool,
) -> Outcomes:
    """Judge a burst at the highest threshold, for every choice of kinds that makes a difference.

    Args:
        judge: judges the burst by some settings.
        settings: by which it was judged.
        state: what the camera has learned; None where nothing.
        is_single: whether there is one picture only, which never proves nuisance.
    """
    outcomes: dict[Kinds, Outcome] = {}
    seen: dict[Kinds, Kinds] = {}
    """Kinds that were found in the burst, by the choice with which it was looked at."""
    by_rules = None
    for kinds in choices_of_kinds(settings.objects):
        # Only kinds that somebody found can make a difference.
        same = next((done for done, found in seen.items() if done & found == kinds & found), None)
        if same is not None:
            outcomes[kinds] = replace(outcomes[same], kinds=kinds)
            continue
        chosen = tuple(kind for kind in ObjectKind if kind in kinds)
        judged = judge(replace(settings, threshold=1.0, objects=chosen), by_rules=by_rules)
        by_rules = judged.by_rules
        seen[kinds] = _found(judged)
        outcomes[kinds] = _outcome(judged, kinds, is_single=is_single)
    model = None if state is None else state.model
    is_ranked = model is not None and any(one.ranked is not None for one in outcomes.values())
    if model is None or not is_ranked:
        return Outcomes(chosen=frozenset(settings.objects), outcomes=outcomes)
    return Outcomes(
        chosen=frozenset(settings.objects),
        outcomes=outcomes,
        line=model.threshold,
        recall=None if model.promise is None else model.promise.recall,
        lines=model.lines,
    )


def _found(judged: JudgedBurst) -> Kinds:
    if judged.objects is None:
        return frozenset()
    return frozenset(
        ObjectKind(found.group) for objects in judged.objects.by_frame for found in objects
    )


def _outcome(judged: JudgedBurst, kinds: Kinds, *, is_single: bool) -> Outcome:
    judgement = judged.judgement
    if judgement.state is State.RELEVANT:
        return Outcome(kinds=kinds, always=True)
    scored = judgement if judged.learned is None else judged.learned
    beyond = State.UNKNOWN if is_single else judgement.state
    if scored.score is None:
        return Outcome(kinds=kinds, beyond=beyond)
    ranked = [one.relevance_score for one in scored.unproven if _is_ranked(one)]
    others = [one.relevance_score for one in scored.unproven if not _is_ranked(one)]
    if not scored.unproven:
        others = [scored.score]
    return Outcome(
        kinds=kinds,
        ranked=max(ranked, default=None),
        fixed=max(others, default=None),
        beyond=beyond,
    )


def _is_ranked(region: RegionJudgement) -> bool:
    return "rank" in region.cues and region.reason not in _FROM_THUMBS
