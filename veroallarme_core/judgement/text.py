"""Rule: the text that a camera writes into its picture is no motion."""

from __future__ import annotations

from dataclasses import replace

from veroallarme_core.judgement.burst import Burst, is_text
from veroallarme_core.judgement.judgement import BurstJudgement

TEXT = "burnt_in_text"


def leave_out_text(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Prove the regions that lie in a line of burnt-in text, such as a clock."""
    regions = tuple(
        region.proven(TEXT)
        if not region.is_proven and is_text(region.region, burst.text_lines)
        else region
        for region in judgement.regions
    )
    return replace(judgement, regions=regions)
