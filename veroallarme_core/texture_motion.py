"""Texture that moves but stays what it is: leaves, grass, water, a camera that shakes.

A network that was formed on a million photographs sees the same in all frames where leaves or
waves move, and something else where a person, an animal or a vehicle comes into a place. It needs
no history, so it also serves a camera that has not learned yet.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from veroallarme_core.burst_evidence import BurstEvidence, Light
from veroallarme_core.judgement import BurstJudgement, RegionJudgement
from veroallarme_core.verdict import State

TEXTURE_CHANGE = 1.2
"""Change, in standard deviations over ImageNet, below which what moved is the same as before.

Of 288 relevant events by daylight on 26 real cameras one lies below it, and of 94 false alarms that
no other cue explains 28."""


def judge_texture(
    judgement: BurstJudgement,
    evidence: BurstEvidence,
    threshold: float,
    look_closer: Callable[[tuple[int, int, int, int]], float],
) -> BurstJudgement:
    """Take moving texture for nuisance in what the cues found relevant because it moved.

    By daylight only: in the dark a mover may be as faint as texture.

    Args:
        judgement: by the cues.
        evidence: of the burst.
        threshold: score in [0, 1] from which a region is relevant.
        look_closer: returns the largest change in the parts of a region, by its box.
    """
    if judgement.reason != "moved" or evidence.light is not Light.DAY:
        return judgement
    change = {}
    for one in evidence.regions:
        # Where the whole proves nothing, its parts need not be looked at.
        closer = look_closer(one.bbox) if one.change < TEXTURE_CHANGE else one.change
        change[one.bbox] = math.nan if math.isnan(closer) else max(one.change, closer)
    proven = change and not any(math.isnan(one) for one in change.values())
    most = max(change.values()) if proven else math.nan
    # Of a very busy burst the regions that are easiest to explain were not looked at: they follow.
    regions = [
        _judge(one, change.get(one.region.to_bbox(), most), threshold) for one in judgement.regions
    ]
    regions.sort(key=lambda one: -one.relevance_score)
    relevant = sum(one.is_relevant for one in regions)
    cues = {**judgement.cues, "largest_change": round(most, 4), "regions_relevant": relevant}
    if relevant:
        return replace(judgement, cues=cues, regions=tuple(regions))
    return replace(
        judgement,
        state=State.IRRELEVANT,
        score=regions[0].relevance_score,
        reason="texture",
        explanation=(
            "What moved is the same before and after, as leaves, grass or water are in the wind."
        ),
        cues=cues,
        regions=tuple(regions),
    )


def _judge(one: RegionJudgement, change: float, threshold: float) -> RegionJudgement:
    # A change that is not a number, for want of frames, proves nothing.
    if not one.is_relevant or not change < TEXTURE_CHANGE:
        return one
    score = min(one.relevance_score, 0.5 * change / TEXTURE_CHANGE)
    is_relevant = score >= threshold
    return replace(
        one,
        relevance_score=score,
        is_relevant=is_relevant,
        confidence=score if is_relevant else 1.0 - score,
        reason=one.reason if is_relevant else "texture",
        cues={**one.cues, "change": round(change, 4)},
    )
