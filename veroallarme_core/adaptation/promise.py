"""The promise: the line below which a camera suppresses, and whether it can be kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.intruder_trial import HIGHEST_LINE, Attempt
from veroallarme_core.adaptation.observed_event import ObservedEvent
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.camera_memory import (
    FEWEST_EVENTS,
    FEWEST_SESSIONS,
    SESSION_S,
    CameraModel,
    SceneMemory,
)
from veroallarme_core.contract import HeightRecall, Promise

Floats = NDArray[np.float64]

FLOORS_PX = (0, 14, 20, 28)
"""Heights below which an intruder may be left out of the promise. Above the last nobody is."""
WORTH_A_FLOOR = 0.1
"""Share of its own events that a camera must suppress in addition for a higher floor."""
RECALLS = (0.95, 0.98, 0.99, 0.995, 0.999)
"""For which the line is told as well, as far as they are higher than what is promised: a lower one
has more intruders judged in full, 0.98 beside 0.99 five hundred of 1,200, as long as all the rest
of an adaptation takes."""
CONFIRMED_WEIGHT = 5
"""A real intruder weighs as much as so many synthetic ones."""
HEIGHTS_PX = (0, 14, 20, 28, 56, 112)
"""Heights at which the ranges begin by which the recall is told."""


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


def lines_by_floor(
    attempts: Sequence[Attempt], confirmed: Floats, options: AdaptationOptions
) -> dict[int, float]:
    """Return for each floor the highest threshold that keeps the recall of all from there on.

    Floors where nothing keeps it are missing.

    Args:
        attempts: how the synthetic intruders fared.
        confirmed: (n,) ranks of events that the user called relevant.
        options: how to learn.
    """
    return {
        floor: line
        for floor in FLOORS_PX
        if (line := _line(attempts, confirmed, floor, options)) is not None
    }


def lines_by_recall(
    attempts: Sequence[Attempt], confirmed: Floats, history: Floats, options: AdaptationOptions
) -> dict[float, float]:
    """Return the threshold that `calibrated` draws for this recall and each higher one.

    Theirs are no higher, so that no attempt need be looked at again for them.

    Args:
        attempts: how the synthetic intruders fared.
        confirmed: (n,) ranks of events that the user called relevant.
        history: (n,) ranks of the camera's own events.
        options: how to learn; its recall is one of them.
    """
    found = {}
    for recall in (options.recall, *(other for other in RECALLS if other > options.recall)):
        lines = lines_by_floor(attempts, confirmed, replace(options, recall=recall))
        if lines and allowed_misses(len(attempts), recall, options.confidence):
            found[recall] = lines[_choose_floor(lines, history)]
    return found


def missing_for_promise(
    known: Sequence[ObservedEvent],
    memory: SceneMemory,
    attempts: Sequence[Attempt],
    confirmed: Floats,
    lines: Mapping[int, float],
    options: AdaptationOptions,
) -> str:
    """Return in a few words what the promise still lacks; empty where it can be kept.

    `lines` are those of `lines_by_floor` for these attempts and confirmed events.
    """
    if len(known) < FEWEST_EVENTS:
        return f"{FEWEST_EVENTS - len(known)} more events"
    if len(memory.sessions) < FEWEST_SESSIONS:
        return (
            f"events at {FEWEST_SESSIONS - len(memory.sessions)} more times, "
            f"{SESSION_S // 60} minutes apart"
        )
    if not allowed_misses(len(attempts), options.recall, options.confidence):
        return (
            f"undamaged bursts to draw intruders into: {len(attempts)} could be seen, too few to "
            f"promise a recall of {options.recall:.0%}"
        )
    if not lines:
        hidden = sum(attempt.rank == -math.inf for attempt in attempts)
        real = int(np.count_nonzero(confirmed == -math.inf))
        beside = f" and {real} of {len(confirmed)} events called relevant" if real else ""
        return (
            f"pictures that show who comes: {hidden} of {len(attempts)} intruders drawn into them"
            f"{beside} pass for nothing that moved"
        )
    return ""


def calibrated(
    model: CameraModel,
    attempts: Sequence[Attempt],
    confirmed: Floats,
    lines: Mapping[int, float],
    history: Floats,
    options: AdaptationOptions,
) -> CameraModel:
    """Draw the line that keeps the promised recall.

    Who is too small to be told from nuisance is left out of the promise where that lets the camera
    suppress clearly more, and the promise says so: everybody taller is promised with the recall in
    full, in each range of heights.

    Args:
        model: whose threshold is to be set.
        attempts: how the synthetic intruders fared, enough of them for the promise.
        confirmed: (n,) ranks of events that the user called relevant.
        lines: those of `lines_by_floor`, one at least.
        history: (n,) ranks of the camera's own events.
        options: how to learn.
    """
    floor = _choose_floor(lines, history)
    threshold = lines[floor]
    covered = [attempt for attempt in attempts if attempt.height_px >= floor]
    synthetic = np.array([attempt.rank for attempt in covered])
    promise = Promise(
        recall=options.recall,
        confidence=options.confidence,
        synthetic=len(synthetic),
        synthetic_recall=_recall(synthetic, threshold),
        confirmed=len(confirmed),
        confirmed_recall=_recall(confirmed, threshold),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        smallest_px=floor,
        by_height=tuple(_by_height(attempts, threshold)),
    )
    return replace(model, threshold=threshold, promise=promise)


def _line(
    attempts: Sequence[Attempt], confirmed: Floats, floor: int, options: AdaptationOptions
) -> float | None:
    """Return the highest threshold that keeps the recall of all from a height on.

    None where they are too few, or more are missed than it allows wherever the line lies.
    """
    covered = [attempt.rank for attempt in attempts if attempt.height_px >= floor]
    ranks = np.sort(np.concatenate([covered, np.repeat(confirmed, CONFIRMED_WEIGHT)]))
    k = allowed_misses(len(ranks), options.recall, options.confidence)
    # Above the highest line the trial has not looked twice.
    line = min(float(ranks[k - 1]), HIGHEST_LINE) if k else -math.inf
    return line if math.isfinite(line) else None


def _choose_floor(lines: Mapping[int, float], history: Floats) -> int:
    """Return the lowest floor from which no higher one lets the camera suppress clearly more."""
    suppressed = {floor: float(np.mean(history < line)) for floor, line in lines.items()}
    return next(
        floor
        for floor, share in suppressed.items()
        if all(
            suppressed[higher] - share < WORTH_A_FLOOR for higher in suppressed if higher > floor
        )
    )


def _by_height(attempts: Sequence[Attempt], threshold: float) -> Iterator[HeightRecall]:
    for lower, upper in zip(HEIGHTS_PX, (*HEIGHTS_PX[1:], None), strict=True):
        ranks = [
            attempt.rank
            for attempt in attempts
            if lower <= attempt.height_px and (upper is None or attempt.height_px < upper)
        ]
        if ranks:
            recall = float(np.mean(np.array(ranks) >= threshold))
            yield HeightRecall(
                from_px=lower, to_px=upper, synthetic=len(ranks), recall=round(recall, 4)
            )


def _recall(positives: Floats, threshold: float) -> float | None:
    return float(np.mean(positives >= threshold)) if len(positives) else None
