"""The rules that need no learning, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.judgement.burst import Burst
from veroallarme_core.judgement.doubt import require_live_pictures
from veroallarme_core.judgement.judgement import GENERAL_THRESHOLD, BurstJudgement
from veroallarme_core.judgement.light import prove_light
from veroallarme_core.judgement.movement import rank_movement
from veroallarme_core.judgement.premises import Premises
from veroallarme_core.judgement.reference import notice_standing
from veroallarme_core.judgement.still import (
    explain_by_damage,
    explain_by_zones,
    leave_faint,
    prove_stillness,
    require_sight,
)
from veroallarme_core.judgement.text import leave_out_text
from veroallarme_core.judgement.zones import alert_in_always_zones, leave_out_zones
from veroallarme_core.motion_detection import MotionDetectionResult

Rule: TypeAlias = Callable[[Burst, BurstJudgement], BurstJudgement]
"""Adds to a judgement what it can tell of a burst, and returns it as it was where it cannot."""

RULES: tuple[Rule, ...] = (
    leave_out_zones,
    leave_out_text,
    prove_light,
    rank_movement,
    alert_in_always_zones,
    notice_standing,
    require_live_pictures,
    leave_faint,
    require_sight,
    explain_by_zones,
    explain_by_damage,
    prove_stillness,
)
"""What does not count comes first, then mere light, then what is relevant, then what is still."""


def judge_by_rules(burst: Burst) -> BurstJudgement:
    """Judge a burst by all rules that need no learning."""
    judgement = burst.unjudged()
    for rule in RULES:
        judgement = rule(burst, judgement)
    return judgement


def judge_motion(
    motion: MotionDetectionResult,
    *,
    reference: NDArray[np.uint8] | None = None,
    threshold: float = GENERAL_THRESHOLD,
    premises: Premises | None = None,
) -> BurstJudgement:
    """Judge what Stage 1 found in a burst.

    Args:
        motion: what Stage 1 found, with the frames.
        reference: the camera's picture without motion, uint8 (H, W, 3) BGR, maybe minutes old;
            None where there is none.
        threshold: score in [0, 1] from which a region is relevant.
        premises: where motion counts; None is everywhere.

    Raises:
        ValueError: the threshold is out of range.
    """
    return judge_by_rules(Burst(motion, reference, threshold, premises or Premises()))
