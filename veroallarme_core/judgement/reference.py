"""Rule: what stands in the picture but not in the reference picture is relevant."""

from __future__ import annotations

from veroallarme_core.judgement.burst import Burst, is_text, text_lines
from veroallarme_core.judgement.judgement import BurstJudgement, RegionJudgement
from veroallarme_core.judgement.ranking import CLEAR, rank_regions

OTHER_LIGHT_SHARE = 0.15
"""Share of the picture from which light alone differs where it is another light: a car's beam is
less."""


def notice_standing(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Call relevant what stands there without moving, clearly and where motion counts."""
    standing = () if judgement.is_decided else standing_regions(burst)
    if not standing:
        return judgement
    x, y = standing[0].region.centroid
    sentence = f"Near ({x}, {y}) stands something that is not in the camera's reference picture."
    return judgement.relevant("differs_from_reference", sentence, standing, is_open=False)


def standing_regions(burst: Burst) -> tuple[RegionJudgement, ...]:
    """Return what clearly stands in the last usable frame but not in the reference picture."""
    compared = burst.comparison
    if compared is None:
        return ()
    parted = burst.premises.split(compared)
    lines = burst.text_lines + text_lines(compared)
    standing = [region for region in parted.counted if not is_text(region, lines)]
    ranked = rank_regions(compared, standing, burst.threshold, parted.moved)
    light = sum(region.region.area * region.cues["explained_by_light"] for region in ranked)
    if light > OTHER_LIGHT_SHARE * compared.motion_mask.size:
        return ()
    return tuple(
        region for region in ranked if region.cues["unexplained"] >= CLEAR and region.is_relevant
    )
