"""The promise: the line below which a camera suppresses, and whether it can be kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.observed_events import ObservedEvent
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.camera_memory import (
    FEWEST_EVENTS,
    FEWEST_SESSIONS,
    SESSION_S,
    CameraModel,
    SceneMemory,
)
from veroallarme_core.contract import Promise

Floats = NDArray[np.float64]


def allowed_misses(count: int, recall: float, confidence: float) -> int:
    """Return the largest k for which the k-th smallest of `count` scores keeps the promise.

    A threshold there misses less than 1 - recall of what is like them with the given confidence:
    P(Bin(count, 1 - recall) >= k) >= confidence, a one-sided tolerance limit (Wilks 1941,
    https://doi.org/10.1214/aoms/1177731788). 0 where there are too few.
    """
    miss = 1.0 - recall
    at_least, k = 1.0, 0
    logarithm = count * math.log1p(-miss)  # of the chance of k misses: itself it underflows
    while k < count:
        at_least -= math.exp(logarithm)
        if at_least < confidence:
            break
        k += 1
        logarithm += math.log((count - k + 1) / k * miss / (1.0 - miss))
    return k


def missing_for_promise(
    known: Sequence[ObservedEvent],
    memory: SceneMemory,
    synthetic: Floats,
    options: AdaptationOptions,
) -> str:
    """Return in a few words what the promise still lacks; empty where it can be kept."""
    if len(known) < FEWEST_EVENTS:
        return f"{FEWEST_EVENTS - len(known)} more events"
    if len(memory.sessions) < FEWEST_SESSIONS:
        return (
            f"events at {FEWEST_SESSIONS - len(memory.sessions)} more times, "
            f"{SESSION_S // 60} minutes apart"
        )
    if not allowed_misses(len(synthetic), options.recall, options.confidence):
        return (
            f"undamaged bursts to draw intruders into: {len(synthetic)} could be seen, too few to "
            f"promise a recall of {options.recall:.0%}"
        )
    return ""


def calibrated(
    model: CameraModel,
    synthetic: Floats,
    confirmed: Floats,
    options: AdaptationOptions,
    *,
    keeps: bool,
) -> CameraModel:
    """Draw the line; where the promise cannot be kept it lies below everything."""
    positives = np.sort(np.concatenate([synthetic, confirmed]))
    k = allowed_misses(len(positives), options.recall, options.confidence)
    if not keeps or not k:
        return model
    # What alerts by its place alone does so below any line.
    threshold = min(float(positives[k - 1]), 1.0)
    promise = Promise(
        recall=options.recall,
        confidence=options.confidence,
        synthetic=len(synthetic),
        synthetic_recall=_recall(synthetic, threshold),
        confirmed=len(confirmed),
        confirmed_recall=_recall(confirmed, threshold),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return replace(model, threshold=threshold, promise=promise)


def _recall(positives: Floats, threshold: float) -> float | None:
    return float(np.mean(positives >= threshold)) if len(positives) else None
