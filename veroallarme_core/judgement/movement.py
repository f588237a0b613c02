"""Rule: what moved is relevant; how much of it light or swaying could explain only ranks it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from veroallarme_core.judgement.burst import Burst
from veroallarme_core.judgement.judgement import BurstJudgement, RegionJudgement
from veroallarme_core.judgement.ranking import CLEAR, rank_regions

_MOSTLY = 0.3  # share of a region from which light or swaying is named as what it may be


class Likely(StrEnum):
    """What may explain a region that moved."""

    MOVER = "mover"
    """Neither light nor swaying explains it."""
    LIGHT = "light"
    SWAY = "sway"
    SPECKS = "specks"
    """It is in pieces too small to tell."""
    FAINT = "faint"
    """It hardly differs, so nobody measured what explains it."""


_SENTENCES = {
    Likely.MOVER: " that neither light nor swaying explains.",
    Likely.LIGHT: "; it may be light, but someone faint would look the same.",
    Likely.SWAY: "; it may only sway, but someone who hardly moves would look the same.",
    Likely.SPECKS: ", in specks that are too small to tell what it is.",
    Likely.FAINT: ", but only faintly.",
}


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
    return f"{best.what_moved}{_SENTENCES[likely(best.cues)]}"


def likely(cues: Mapping[str, Any]) -> Likely:
    """Return what may explain a region, by its cues as the rules or a verdict give them."""
    if "unexplained" not in cues:
        return Likely.FAINT
    if cues["unexplained"] >= CLEAR:
        return Likely.MOVER
    if cues["explained_by_light"] >= max(cues["explained_by_sway"], _MOSTLY):
        return Likely.LIGHT
    return Likely.SWAY if cues["explained_by_sway"] >= _MOSTLY else Likely.SPECKS
