"""How much of a moving region speaks for a mover: what neither light nor swaying explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.judgement.explained_change import ExplainedChange, explain_change
from veroallarme_core.judgement.judgement import RegionJudgement, undecided_score
from veroallarme_core.motion_detection import (
    BLOCK_SIZE,
    MotionDetectionResult,
    MotionRegion,
    min_area_for,
)

CLEAR = 0.5
"""Unexplained evidence from which something is said to have moved: that of a smallest region."""


def rank_regions(
    motion: MotionDetectionResult,
    regions: Sequence[MotionRegion],
    threshold: float,
    moved: NDArray[np.uint8] | None = None,
) -> tuple[RegionJudgement, ...]:
    """Rank regions by how much of them neither light nor swaying explains, the most first.

    Args:
        motion: in which they were found.
        regions: to rank.
        threshold: score in [0, 1] from which a region is relevant.
        moved: uint8 (H, W), 255 where what counts moved; None is all that moved.
    """
    if not regions:
        return ()
    moved = motion.motion_mask if moved is None else moved
    change = explain_change(motion.pairs, moved, min_area_for(motion.frame_dimensions))
    ranked = [_rank(region, motion, change.crop(region.to_bbox()), threshold) for region in regions]
    return tuple(sorted(ranked, key=lambda region: -region.relevance_score))


def _rank(
    region: MotionRegion, motion: MotionDetectionResult, change: ExplainedChange, threshold: float
) -> RegionJudgement:
    moved = max(int(np.count_nonzero(change.moved)), 1)
    unexplained_px = float(change.largest_unexplained)
    excess = unexplained_px / min_area_for(motion.frame_dimensions)
    cues = {
        "area_share": region.area / max(motion.motion_mask.size, 1),
        "explained_by_light": np.count_nonzero(change.light) / moved,
        "explained_by_sway": np.count_nonzero(change.sway) / moved,
        "largest_unexplained_px": unexplained_px,
        "unexplained": excess / (1.0 + excess),
        "fragmentation": 1.0 - min(1.0, unexplained_px / max(region.area, 1)),
        "damaged_share": _damaged_share(region, motion),
    }
    cues = {name: round(float(value), 5) for name, value in cues.items()}
    score = undecided_score(cues["unexplained"])
    return RegionJudgement(region).scored(score, threshold, "moved", cues)


def _damaged_share(region: MotionRegion, motion: MotionDetectionResult) -> float:
    """Return the share of a region's box that is damaged in at least one frame."""
    blocks = np.logical_or.reduce(
        [damage.blocks for damage in motion.damage if damage.is_usable]
        or [np.zeros((1, 1), np.bool_)]
    )
    x1, y1, x2, y2 = region.to_bbox()
    rows = slice(y1 // BLOCK_SIZE, -(-y2 // BLOCK_SIZE))
    cols = slice(x1 // BLOCK_SIZE, -(-x2 // BLOCK_SIZE))
    inside = blocks[rows, cols]
    return float(inside.mean()) if inside.size else 0.0
