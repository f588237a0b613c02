"""A burst judged by what its camera has learned, from what was seen of it: no picture is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import State
from veroallarme_core.judgement import BurstJudgement, judge_from_memory, rank_by_appearance
from veroallarme_core.pipeline.judged_burst import JudgedBurst


def judge_by_memory(
    first: JudgedBurst,
    look_again: Callable[[], JudgedBurst],
    state: CameraState,
    *,
    event_id: str,
    at: float,
    threshold: float,
) -> tuple[tuple[JudgedBurst, ...], BurstJudgement | None]:
    """Judge by what the camera has learned, and look again before that suppresses anything.

    Args:
        first: what was seen, judged without the memory.
        look_again: returns what is seen with what is faint as well; `first` where nothing is.
        state: of the camera; it is read, not changed.
        event_id: of the event.
        at: when it moved, seconds since 1970.
        threshold: score in [0, 1] from which a region is relevant.

    Returns:
        The one or two looks, and what the memory makes of the last; None where it cannot tell.
    """

    def judge(seen: JudgedBurst) -> BurstJudgement | None:
        if seen.evidence is None or not seen.judgement.is_open:
            return None
        return judge_from_memory(
            state, seen.judgement, seen.evidence, event_id=event_id, at=at, threshold=threshold
        )

    learned = judge(first)
    if learned is None or not _may_suppress(learned, state):
        return (first,), learned
    second = look_again()
    return (first, second), learned if second is first else judge(second)


def judge_looks(
    looks: Sequence[JudgedBurst],
    state: CameraState,
    *,
    event_id: str,
    motion_at: datetime,
    threshold: float,
) -> BurstJudgement | None:
    """Judge an undamaged burst by looks that were taken before, as `EventPipeline` would anew.

    Args:
        looks: one or two, as `JudgedBurst.looks`: what they show depends on no memory.
        state: of the camera; it is read, not changed.
        event_id: of the event.
        motion_at: when it moved, aware.
        threshold: score in [0, 1] from which a region is relevant.

    Returns:
        The judgement; None where the camera would look again, and there is no second look.
    """

    def look_again() -> JudgedBurst:
        return looks[-1]

    taken, learned = judge_by_memory(
        looks[0],
        look_again,
        state,
        event_id=event_id,
        at=motion_at.timestamp(),
        threshold=threshold,
    )
    if len(taken) > len(looks):
        return None
    return conclude(taken[-1], learned, threshold)


def conclude(seen: JudgedBurst, learned: BurstJudgement | None, threshold: float) -> BurstJudgement:
    """Return the judgement of what was seen; where the memory cannot tell, by its appearance."""
    if seen.evidence is None:
        return seen.judgement
    return learned or rank_by_appearance(seen.judgement, seen.evidence, threshold)


def _may_suppress(learned: BurstJudgement, state: CameraState) -> bool:
    """Tell whether a judgement suppresses, or would where the line may come to lie."""
    if state.is_on_trial:
        rank = learned.cues.get("rank")
        return isinstance(rank, float) and state.may_suppress(rank)
    return learned.state is State.IRRELEVANT
