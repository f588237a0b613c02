"""Rule: what moves outside the zones that the user drew does not count."""

from __future__ import annotations

from dataclasses import replace

from veroallarme_core.judgement.burst import Burst
from veroallarme_core.judgement.judgement import BurstJudgement

OUTSIDE = "outside_zones"


def leave_out_zones(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Prove the regions outside the zones: what comes there is none of the user's concern."""
    _, outside = burst.premises.split(burst.motion)
    if not outside:
        return judgement
    regions = tuple(
        one.proven(OUTSIDE, 0.0) if one.region in outside else one for one in judgement.regions
    )
    return replace(judgement, regions=regions)
