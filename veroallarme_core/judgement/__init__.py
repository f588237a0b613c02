"""Is what moved relevant, proven nuisance, or can nobody tell?

A rule takes a burst and a judgement and returns a judgement; `RULES` is the list of those that need
no learning, one idea per file. What they leave open is judged by what the camera has learned. A
proof of nuisance is only what a slow, small or faint intruder at the same place would not pass.
"""

from veroallarme_core.judgement.appearance import rank_by_appearance
from veroallarme_core.judgement.burst import Burst
from veroallarme_core.judgement.judgement import (
    GENERAL_THRESHOLD,
    BurstJudgement,
    RegionJudgement,
    candidates,
)
from veroallarme_core.judgement.learned import ALWAYS_ALERTING, judge_from_memory
from veroallarme_core.judgement.movement import Likely, likely
from veroallarme_core.judgement.premises import BORDER, CLEAR_SHARE, INSIDE_SHARE, Premises
from veroallarme_core.judgement.ranking import rank_regions
from veroallarme_core.judgement.rules import RULES, Rule, judge_by_rules, judge_motion
from veroallarme_core.judgement.still import PROVING_SHARE, add_faint, doubt_unseen
from veroallarme_core.judgement.unwanted import UNWANTED, leave_out_unwanted
from veroallarme_core.judgement.zones import ALWAYS, OUTSIDE

__all__ = [
    "ALWAYS",
    "ALWAYS_ALERTING",
    "BORDER",
    "CLEAR_SHARE",
    "GENERAL_THRESHOLD",
    "INSIDE_SHARE",
    "OUTSIDE",
    "PROVING_SHARE",
    "RULES",
    "UNWANTED",
    "Burst",
    "BurstJudgement",
    "Likely",
    "Premises",
    "RegionJudgement",
    "Rule",
    "add_faint",
    "candidates",
    "doubt_unseen",
    "judge_by_rules",
    "judge_from_memory",
    "judge_motion",
    "leave_out_unwanted",
    "likely",
    "rank_by_appearance",
    "rank_regions",
]
