"""Rule: what Stage 1 reports although the pictures are the same but for light is nuisance."""

from __future__ import annotations

from dataclasses import replace

from veroallarme_core.judgement.burst import Burst
from veroallarme_core.judgement.doubt import why_nothing_is_proven
from veroallarme_core.judgement.judgement import BurstJudgement
from veroallarme_core.judgement.reference import standing_regions

LIGHT = "light"


def prove_light(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Prove what Stage 1 reports where the pictures are the same but for smooth light."""
    if judgement.is_decided or not judgement.unproven or not _is_only_light(burst):
        return judgement
    regions = tuple(
        region if region.is_proven else region.proven(LIGHT) for region in judgement.regions
    )
    sentence = "Only light changed: what is lit or in shadow looks the same as before."
    return replace(judgement, regions=regions).nuisance(LIGHT, sentence, burst.threshold)


def _is_only_light(burst: Burst) -> bool:
    """Tell whether what Stage 1 reports is only light: between the frames, and on the whole."""
    # Without a reference nothing is proven, and looking closely is spared.
    return (
        burst.reference is not None
        and burst.is_steady
        and burst.comparison is not None
        and burst.standing_change is None
        and not standing_regions(burst)
        and why_nothing_is_proven(burst) is None
    )
