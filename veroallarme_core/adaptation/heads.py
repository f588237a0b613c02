"""Heads on frozen features: the teacher's surest regions teach them."""

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
    """Fit a logistic head per fold, (FOLDS, SKETCH_DIM + 1), on all the other folds.

    The user's thumbs are no part of it: a thumb is about one thing, and taught to the whole camera
    30 of them made the ranking worse as often as better. They act on their like, see
    `CameraState`.
    """
    mean, directions = whitening(regions.sketches)
    inputs = np.hstack([(regions.sketches - mean) @ directions, np.ones((len(teacher), 1))])
    order = np.argsort(np.argsort(teacher)) / max(1, len(teacher) - 1)
    is_positive, is_negative = order >= 1 - _POSITIVE_SHARE, order < _NEGATIVE_SHARE
    # Both sides weigh the same.
    weight = is_positive / max(1, is_positive.sum()) + is_negative / max(1, is_negative.sum())
    weights = np.zeros((FOLDS, inputs.shape[1]))
    for fold in range(FOLDS):
        rows = (regions.fold != fold) & (weight > 0)
        weights[fold] = fit_logistic(
            inputs[rows], is_positive[rows].astype(np.float64), weight[rows]
        )
    # Back to functions of the sketch itself.
    slopes = weights[:, :-1] @ directions.T
    return np.hstack([slopes, (weights[:, -1] - slopes @ mean)[:, None]])
