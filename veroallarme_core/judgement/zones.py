"""Rules: what moves outside the zones does not count, and in some of them it always alerts."""

from __future__ import annotations

from dataclasses import replace

from veroallarme_core.judgement.burst import Burst
from veroallarme_core.judgement.judgement import BurstJudgement

OUTSIDE = "outside_zones"
ALWAYS = "always_zone"


def leave_out_zones(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Prove the regions outside the zones: what comes there is none of the user's concern."""
    outside = burst.parted.outside
    if not outside:
        return judgement
    regions = tuple(
        region.proven(OUTSIDE, 0.0) if region.region in outside else region
        for region in judgement.regions
    )
    return replace(judgement, regions=regions)


def alert_in_always_zones(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Decide that what moved in a zone where motion always alerts does so.

    The user's word about a place weighs more than anything that is learned later of what moves
    there. What the rules before have proven, burnt-in text and mere light, did not move.
    """
    alerting = burst.premises.always_alerting(
        burst.motion, [region.region for region in judgement.undecided]
    )
    if not alerting:
        return judgement
    regions = [
        region.scored(1.0, burst.threshold, ALWAYS) if region.region in alerting else region
        for region in judgement.undecided
    ]
    best = next(region for region in regions if region.reason == ALWAYS)
    sentence = f"{best.what_moved}, in a zone where motion always alerts."
    return judgement.relevant(ALWAYS, sentence, regions, is_open=False)
