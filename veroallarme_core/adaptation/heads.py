"""Heads on frozen features: the teacher's surest regions and the user's thumbs teach them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.logistic import fit_logistic, whitening
from veroallarme_core.adaptation.teacher import TaughtRegions
from veroallarme_core.camera_memory import (
    CUES,
    FOLDS,
    QUANTILES,
    CameraModel,
    quantiles_of,
    ranks,
    teacher_ranks,
)
from veroallarme_core.description import SKETCH_DIM

Floats = NDArray[np.float64]

_POSITIVE_SHARE, _NEGATIVE_SHARE = 0.2, 0.5  # of the regions, by the teacher's rank
_THUMBS_WEIGHT = 3.0  # of all thumbs together; the teacher's two sides weigh 1 each
_ROUNDS = 3  # in which the regions behind a thumb up are chosen anew
_FEWEST_REGIONS = 60  # that a head is fitted to


def fit_model(regions: TaughtRegions, encoder: str) -> CameraModel:
    """Rank by the teacher, let it teach a head per fold, and note how both are distributed."""
    count = len(regions.owner)
    values = regions.values if count else np.zeros((1, len(CUES)))
    cue_quantiles = np.stack([quantiles_of(values[:, k]) for k in range(len(CUES))])
    taught = teacher_ranks(values, cue_quantiles)
    heads = np.zeros((FOLDS, SKETCH_DIM + 1))
    head_quantiles = np.zeros((FOLDS, QUANTILES))
    if count >= _FEWEST_REGIONS:
        heads = fit_heads(regions, ranks(taught, quantiles_of(taught)))
        outputs = regions.sketches @ heads[:, :-1].T + heads[:, -1]  # (n, FOLDS)
        held_out = outputs[np.arange(count), regions.fold]
        head_quantiles = np.stack(
            [
                quantiles_of(
                    held_out[regions.fold == fold] if (regions.fold == fold).any() else held_out
                )
                for fold in range(FOLDS)
            ]
        )
    return CameraModel(
        encoder=encoder,
        events=len(regions.events),
        cue_quantiles=cue_quantiles,
        teacher_quantiles=quantiles_of(taught),
        heads=heads,
        head_quantiles=head_quantiles,
        threshold=0.0,
        promise=None,
    )


def fit_heads(regions: TaughtRegions, teacher: Floats) -> Floats:
    """Fit a logistic head per fold, (FOLDS, SKETCH_DIM + 1), on all the other folds."""
    mean, directions = whitening(regions.sketches)
    inputs = np.hstack([(regions.sketches - mean) @ directions, np.ones((len(teacher), 1))])
    order = np.argsort(np.argsort(teacher)) / max(1, len(teacher) - 1)
    target = (order >= 1 - _POSITIVE_SHARE).astype(np.float64)
    taught = (order >= 1 - _POSITIVE_SHARE) | (order < _NEGATIVE_SHARE)
    current, weights = order, np.zeros((FOLDS, inputs.shape[1]))
    for _ in range(_ROUNDS if regions.thumbs else 1):
        goal, weight = _with_thumbs(regions, current, target, taught)
        for fold in range(FOLDS):
            # A thumb teaches every head: its own event is known anyway.
            is_thumb = np.isin(regions.owner, list(regions.thumbs))
            rows = ((regions.fold != fold) | is_thumb) & (weight > 0)
            weights[fold] = fit_logistic(inputs[rows], goal[rows], weight[rows])
        current = np.sum(inputs * weights[regions.fold], axis=1)
    # Back to functions of the sketch itself.
    slopes = weights[:, :-1] @ directions.T
    return np.hstack([slopes, (weights[:, -1] - slopes @ mean)[:, None]])


def _with_thumbs(
    regions: TaughtRegions, current: Floats, target: Floats, taught: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return target and weight of every region, (n,) each, the teacher's and the user's.

    Thumb down: all regions are nuisance. Thumb up: the one that ranks highest by now is relevant,
    and of the others nothing is known.
    """
    goal = target.copy()
    weight = np.zeros(len(goal))
    for side in (0.0, 1.0):
        rows = taught & (target == side)
        weight[rows] = 1.0 / max(1, int(rows.sum()))
    share = _THUMBS_WEIGHT / max(1, len(regions.thumbs))
    for index, is_up in regions.thumbs.items():
        rows = np.flatnonzero((regions.owner == index) & regions.counts)
        if not len(rows):
            continue
        weight[rows], goal[rows] = 0.0, 0.0
        chosen = rows[[np.argmax(current[rows])]] if is_up else rows
        goal[chosen], weight[chosen] = float(is_up), share / len(chosen)
    return goal, weight
