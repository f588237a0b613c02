"""Rule: what moved is relevant; how much of it light or swaying could explain only ranks it."""

from __future__ import annotations

from veroallarme_core.judgement.burst import Burst
from veroallarme_core.judgement.judgement import BurstJudgement, RegionJudgement
from veroallarme_core.judgement.ranking import CLEAR, rank_regions

_MOSTLY = 0.3  # share of a region from which light or swaying is named as what it may be


def rank_movement(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Call relevant what moved."""
    moving = judgement.unproven
    if judgement.is_decided or not moving:
        return judgement
    regions = [region.region for region in moving]
    ranked = rank_regions(burst.motion, regions, burst.threshold, burst.parted.moved)
    return judgement.relevant("moved", describe_movement(ranked[0]), ranked, is_open=True)


def describe_movement(best: RegionJudgement) -> str:
    """Return a sentence on a region that moved, and on what may explain it."""
    what_moved = best.what_moved
    if best.cues["unexplained"] >= CLEAR:
        return f"{what_moved} that neither light nor swaying explains."
    if best.cues["explained_by_light"] >= max(best.cues["explained_by_sway"], _MOSTLY):
        return f"{what_moved}; it may be light, but someone faint would look the same."
    if best.cues["explained_by_sway"] >= _MOSTLY:
        return f"{what_moved}; it may only sway, but someone who hardly moves would look the same."
    return f"{what_moved}, in specks that are too small to tell what it is."
