"""How a camera without a history ranks what moved: by what it looks like.

Three networks' worth of cues agree on most false alarms: the detector recognises nothing in it, it
looks the same in all frames to a network that was formed on a million photographs (leaves, water, a
camera that shakes), and little of it is more than light or swaying. All of it ranks and proves
nothing: somebody small, faint or in the dark is no person to the detector and no change to the
network either.
"""

from __future__ import annotations

import math

from veroallarme_core.description import BurstEvidence, RegionEvidence
from veroallarme_core.judgement.judgement import BurstJudgement, RegionJudgement, undecided_score
from veroallarme_core.judgement.movement import describe_movement

_CHANGE_WEIGHT, _UNEXPLAINED_WEIGHT = 0.3, 0.2
_LARGEST_CHANGE = 2.0  # standard deviations over ImageNet: a mover that fills the crop
_MUCH_UNEXPLAINED = 2.0  # decades of smallest regions
_LARGEST_SUM = 1.0 + _CHANGE_WEIGHT * _LARGEST_CHANGE + _UNEXPLAINED_WEIGHT


def rank_by_appearance(
    judgement: BurstJudgement, evidence: BurstEvidence, threshold: float
) -> BurstJudgement:
    """Rank regions within the upper half of the score by what they look like.

    Of 24 real cameras by daylight the sum of the three cues orders 192 events without an error in
    a hundred pairs; each alone makes 1 to 16 of them.

    Args:
        judgement: by the rules.
        evidence: of the burst.
        threshold: score in [0, 1] from which a region is relevant.
    """
    if judgement.score is None or not judgement.undecided:
        return judgement
    described = {region.region: region for region in evidence.regions}
    ranked = [
        _rank(region, described.get(region.region), threshold) for region in judgement.undecided
    ]
    # The sentence tells of the region that now comes first.
    best = max(ranked, key=lambda region: region.relevance_score)
    return judgement.relevant(judgement.reason, describe_movement(best), ranked, is_open=True)


def _rank(
    region: RegionJudgement, seen: RegionEvidence | None, threshold: float
) -> RegionJudgement:
    # What nobody looked at stays what the rules made of it, and so does what has one frame only.
    if seen is None or math.isnan(seen.change) or math.isnan(seen.object_score):
        return region
    cues = {"change": round(seen.change, 4), "object_score": round(seen.object_score, 4)}
    total = (
        seen.likeness
        + _CHANGE_WEIGHT * min(seen.change, _LARGEST_CHANGE)
        + _UNEXPLAINED_WEIGHT * min(1.0, math.log10(1.0 + seen.unexplained) / _MUCH_UNEXPLAINED)
    )
    score = undecided_score(min(1.0, total / _LARGEST_SUM))
    return region.scored(score, threshold, region.reason, cues)
