"""How good a network is on what it has not been trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from veroallarme_training.evaluation.measures import ranking_measures


def mask_counts(logits: Tensor, mask: Tensor) -> tuple[float, float]:
    """Count the pixels of intersection and union of predicted and true relevant pixels.

    Args:
        logits: (N, 2, H, W).
        mask: int64 (N, H, W): 1 relevant, 0 not, -1 unknown (not counted).
    """
    known = mask >= 0
    predicted = (logits[:, 1] > logits[:, 0]) & known
    true = mask == 1
    return float((predicted & true).sum()), float((predicted | true).sum())


def area_under_curve(scores: Sequence[float], labels: Sequence[int]) -> float | None:
    """Return the probability that a relevant region scores above a nuisance one; ties count half.

    None where one of the labels is missing.
    """
    truth = np.asarray(labels) == 1
    if truth.all() or not truth.any():
        return None
    return float(ranking_measures(scores, truth)["auc"][0])


def nearest_is_positive(anchors: Tensor, positives: Tensor) -> int:
    """Count the anchors whose nearest positive in the batch is their own; both (N, dim), unit."""
    nearest = (anchors @ positives.T).argmax(dim=1)
    return int((nearest.cpu() == nearest.new_tensor(range(len(anchors))).cpu()).sum())
