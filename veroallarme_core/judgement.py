"""A first honest judgement by cues that need no learning.

What moved is nuisance only where something else than a mover is proven to explain it: other light,
texture that swayed a little, a change of the whole picture, decoder garbage, the burnt-in clock.
What no explanation covers is relevant, and the more of it there is, the higher the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.explained_change import ExplainedChange, explain_change
from veroallarme_core.frame_damage import BLOCK_SIZE, DamageKind
from veroallarme_core.global_change import GlobalChange, GlobalChangeKind
from veroallarme_core.motion_detection import (
    MotionDetectionResult,
    MotionDetector,
    MotionRegion,
    min_area_for,
)
from veroallarme_core.text_overlay import TextLine, find_text_lines
from veroallarme_core.verdict import State

GENERAL_THRESHOLD = 0.5
"""Threshold in force where nothing was learned: a lower score is shown nuisance."""

COMPARABLE_SHARE = 0.5
"""A still picture is proof only if at least this share of it could be compared."""

REFERENCE_CHANGE_LIMIT = 0.5
"""A reference picture from which more than this share differs shows another scene or light."""

OTHER_LIGHT_STEP = 15.0
"""A reference picture that is brighter or darker by this many grey levels shows another light."""

OTHER_LIGHT_SHARE = 0.15
"""So does one from which light alone differs in this share of the picture: a car's beam is less."""

_NO_RELEVANCE = 0.02  # score of what is nuisance beyond doubt
# Garbage that the camera itself produces, and takes for motion. A file cut short on its way to us
# says nothing about what the camera saw.
_CAMERA_GARBAGE = frozenset({DamageKind.GREEN_BAND, DamageKind.GREY_BAND, DamageKind.MACROBLOCKS})

Cue = float | int | bool | str


@dataclass(frozen=True)
class RegionJudgement:
    """How one region was judged; `reason` is a code, `cues` the numbers behind it.

    `relevance_score` and `confidence` are in [0, 1]; the confidence is that of the decision.
    """

    region: MotionRegion
    relevance_score: float
    is_relevant: bool
    confidence: float
    reason: str
    cues: Mapping[str, float]


@dataclass(frozen=True)
class BurstJudgement:
    """How a burst was judged: `reason` is a code, `explanation` one sentence for the user.

    `score` is in [0, 1], None where nothing could be judged. `regions` come with the largest
    score first.
    """

    state: State
    score: float | None
    reason: str
    explanation: str
    cues: Mapping[str, Cue]
    regions: tuple[RegionJudgement, ...]


def judge_motion(
    result: MotionDetectionResult,
    *,
    reference: NDArray[np.uint8] | None = None,
    threshold: float = GENERAL_THRESHOLD,
) -> BurstJudgement:
    """Judge what Stage 1 found in a burst.

    Args:
        result: what Stage 1 found, with the frames.
        reference: the camera's picture without motion, uint8 (H, W, 3) BGR, maybe minutes old;
            None where there is none.
        threshold: score in [0, 1] from which a region is relevant.

    Raises:
        ValueError: the threshold is out of range.
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold must be between 0 and 1, not {threshold}.")
    cues = _burst_cues(result)
    if not result.pairs:
        return _judge_single_frame(result, reference, threshold, cues)
    regions = _judge_regions(result, threshold, _text_lines(result))
    cues["regions_relevant"] = sum(region.is_relevant for region in regions)
    if regions and regions[0].is_relevant:
        return _relevant(regions, cues)
    if not regions:
        return _judge_still_burst(result, reference, threshold, cues)
    against = _differing_regions(result, reference, threshold)
    if against is not None:
        standing = tuple(r for r in against if _overlaps_any(r.region, result.motion_regions))
        if standing:
            return _differs(standing, cues)
    return _irrelevant(result, regions, threshold, cues)


# --- regions -------------------------------------------------------------------------------------


def _judge_regions(
    result: MotionDetectionResult, threshold: float, lines: tuple[TextLine, ...]
) -> tuple[RegionJudgement, ...]:
    if not result.motion_regions:
        return ()
    min_area = min_area_for(result.frame_dimensions)
    change = explain_change(result.pairs, result.motion_mask, min_area)
    shaken = any(
        pair.global_change is not None and pair.global_change.kind is GlobalChangeKind.CAMERA_SHAKE
        for pair in result.pairs
    )
    judged = [
        _judge_region(region, result, change.crop(region.to_bbox()), lines, shaken, threshold)
        for region in result.motion_regions
    ]
    return tuple(sorted(judged, key=lambda judgement: -judgement.relevance_score))


def _text_lines(result: MotionDetectionResult) -> tuple[TextLine, ...]:
    same_size = [
        frame
        for frame in result.frames
        if frame is not None and frame.shape[:2] == result.frame_dimensions
    ]
    return find_text_lines(same_size)


def _judge_region(
    region: MotionRegion,
    result: MotionDetectionResult,
    change: ExplainedChange,
    lines: tuple[TextLine, ...],
    shaken: bool,
    threshold: float,
) -> RegionJudgement:
    min_area = min_area_for(result.frame_dimensions)
    moved = max(int(np.count_nonzero(change.moved)), 1)
    light = np.count_nonzero(change.light) / moved
    sway = np.count_nonzero(change.sway) / moved
    excess = change.largest_unexplained / min_area
    is_text = any(line.contains(region.to_bbox()) for line in lines)
    # A blob as large as the smallest region is worth exactly the general threshold.
    score = _NO_RELEVANCE if is_text else max(excess / (1.0 + excess), _NO_RELEVANCE)
    is_relevant = score >= threshold
    if is_relevant:
        reason = "moved"
    elif is_text:
        reason = "burnt_in_text"
    elif light >= max(sway, 0.3):
        reason = "light"
    elif sway >= 0.3:
        reason = "camera_shake" if shaken else "sway"
    else:
        reason = "fragments"
    cues = {
        "area_share": region.area / max(result.motion_mask.size, 1),
        "explained_by_light": float(light),
        "explained_by_sway": float(sway),
        "largest_unexplained_px": float(change.largest_unexplained),
        "fragmentation": 1.0 - min(1.0, change.largest_unexplained / max(region.area, 1)),
        "damaged_share": _damaged_share(region, result),
        "burnt_in_text": float(is_text),
    }
    return RegionJudgement(
        region=region,
        relevance_score=float(score),
        is_relevant=bool(is_relevant),
        confidence=float(score if is_relevant else 1.0 - score),
        reason=reason,
        cues={name: round(value, 5) for name, value in cues.items()},
    )


def _damaged_share(region: MotionRegion, result: MotionDetectionResult) -> float:
    """Return the share of a region's box that is damaged in at least one frame."""
    blocks = np.logical_or.reduce(
        [damage.blocks for damage in result.damage if damage.is_usable]
        or [np.zeros((1, 1), np.bool_)]
    )
    x1, y1, x2, y2 = region.to_bbox()
    rows = slice(y1 // BLOCK_SIZE, -(-y2 // BLOCK_SIZE))
    cols = slice(x1 // BLOCK_SIZE, -(-x2 // BLOCK_SIZE))
    inside = blocks[rows, cols]
    return float(inside.mean()) if inside.size else 0.0


def _overlaps_any(region: MotionRegion, others: tuple[MotionRegion, ...]) -> bool:
    x1, y1, x2, y2 = region.to_bbox()
    return any(
        x1 < ox2 and ox1 < x2 and y1 < oy2 and oy1 < y2
        for ox1, oy1, ox2, oy2 in (other.to_bbox() for other in others)
    )


# --- the burst -----------------------------------------------------------------------------------


def _burst_cues(result: MotionDetectionResult) -> dict[str, Cue]:
    kinds = sorted({kind.value for damage in result.damage for kind in damage.kinds})
    change = _strongest_change(result)
    return {
        "frames": len(result.frames),
        "frames_damaged": sum(bool(damage.kinds) for damage in result.damage),
        "damage": ",".join(kinds),
        "damaged_share": round(max((damage.share for damage in result.damage), default=0.0), 4),
        "comparable_share": round(_comparable_share(result), 4),
        "global_change": "" if change is None else change.kind.value,
        "motion_share": round(result.total_motion_area / max(result.motion_mask.size, 1), 5),
        "regions": len(result.motion_regions),
    }


def _comparable_share(result: MotionDetectionResult) -> float:
    """Return the share of the picture that at least two frames show undamaged."""
    if not result.pairs:
        return 0.0
    seen = np.bitwise_or.reduce([pair.valid for pair in result.pairs])
    return float(np.count_nonzero(seen) / seen.size)


def _strongest_change(result: MotionDetectionResult) -> GlobalChange | None:
    changes = [pair.global_change for pair in result.pairs if pair.global_change is not None]
    rank = list(GlobalChangeKind)
    return min(changes, key=lambda c: (rank.index(c.kind), -c.magnitude), default=None)


def _judge_single_frame(
    result: MotionDetectionResult,
    reference: NDArray[np.uint8] | None,
    threshold: float,
    cues: dict[str, Cue],
) -> BurstJudgement:
    """Judge a burst of which no two frames can be compared, by the reference picture alone."""
    against = _differing_regions(result, reference, threshold)
    if against is None:
        return _nothing_to_compare(result, cues)
    if against:
        return _differs(against, cues)
    sentence = "The only usable frame shows the same as the picture without motion."
    return _shown_nuisance("no_motion", sentence, cues, threshold)


def _nothing_to_compare(result: MotionDetectionResult, cues: dict[str, Cue]) -> BurstJudgement:
    usable = sum(damage.is_usable for damage in result.damage)
    if usable >= 2:
        sentence = "The frames are damaged in so many places that no two of them can be compared."
    elif usable == 1:
        sentence = f"Only one of {len(result.frames)} frames is usable: motion needs two."
    else:
        sentence = f"None of the {len(result.frames)} frames is usable."
    return BurstJudgement(State.UNKNOWN, None, "no_usable_frames", sentence, cues, ())


def _relevant(regions: tuple[RegionJudgement, ...], cues: dict[str, Cue]) -> BurstJudgement:
    best = regions[0]
    box = best.region
    sentence = (
        f"Something moved about {box.width}x{box.height} pixels large near "
        f"({box.centroid[0]}, {box.centroid[1]}) that neither light nor swaying explains."
    )
    return BurstJudgement(State.RELEVANT, best.relevance_score, "moved", sentence, cues, regions)


def _differs(regions: tuple[RegionJudgement, ...], cues: dict[str, Cue]) -> BurstJudgement:
    best = regions[0]
    x, y = best.region.centroid
    sentence = f"Near ({x}, {y}) stands something that is not in the camera's reference picture."
    return BurstJudgement(
        State.RELEVANT, best.relevance_score, "differs_from_reference", sentence, cues, regions
    )


_NUISANCE = {
    "burnt_in_text": "Only the text that the camera writes into its picture changed.",
    "light": "Only light changed: what is lit or in shadow looks the same as before.",
    "sway": "What moved only swayed a little in its place, as plants do in the wind.",
    "camera_shake": "The camera itself moved; nothing moved in front of it.",
    "fragments": "Only scattered specks changed, each too small to be anything that moves.",
}


def _shown_nuisance(
    reason: str,
    explanation: str,
    cues: dict[str, Cue],
    threshold: float,
    regions: tuple[RegionJudgement, ...] = (),
) -> BurstJudgement:
    """Judge a burst in which nuisance is shown; a threshold below its score lets even that pass."""
    score = regions[0].relevance_score if regions else _NO_RELEVANCE
    state = State.IRRELEVANT if score < threshold else State.RELEVANT
    return BurstJudgement(state, score, reason, explanation, cues, regions)


def _irrelevant(
    result: MotionDetectionResult,
    regions: tuple[RegionJudgement, ...],
    threshold: float,
    cues: dict[str, Cue],
) -> BurstJudgement:
    """Judge a burst in which everything that moved is explained."""
    garbage = _damage_judgement(result, regions, threshold, cues)
    if garbage is not None:
        return garbage
    change = _strongest_change(result)
    area: dict[str, int] = {}
    for judged in regions:
        area[judged.reason] = area.get(judged.reason, 0) + judged.region.area
    # The clock ticks in every burst: it is the reason only where nothing else changed.
    area = {k: v for k, v in area.items() if k != "burnt_in_text"} or area
    reason = max(area, key=lambda name: area[name])
    sentence = _NUISANCE[reason]
    if change is not None and reason != "sway":
        reason, sentence = change.kind.value, _sentence_of(change)
    return _shown_nuisance(reason, sentence, cues, threshold, regions)


def _sentence_of(change: GlobalChange) -> str:
    return f"{change.explanation.rstrip('.')}; nothing in it moved."


def _damage_judgement(
    result: MotionDetectionResult,
    regions: tuple[RegionJudgement, ...],
    threshold: float,
    cues: dict[str, Cue],
) -> BurstJudgement | None:
    """Judge a burst with damaged frames of which the rest is still; None for a clean one."""
    kinds = {kind for damage in result.damage for kind in damage.kinds}
    if not kinds:
        return None
    share = _comparable_share(result)
    if share < COMPARABLE_SHARE:
        sentence = (
            f"Only {share:.0%} of the picture is undamaged in two frames: too little to tell."
        )
        return BurstJudgement(State.UNKNOWN, None, "too_much_damage", sentence, cues, regions)
    if not kinds & _CAMERA_GARBAGE:
        return None
    sentence = "Frames are corrupt; where they are not, nothing moved."
    return _shown_nuisance("corrupt_frames", sentence, cues, threshold, regions)


def _judge_still_burst(
    result: MotionDetectionResult,
    reference: NDArray[np.uint8] | None,
    threshold: float,
    cues: dict[str, Cue],
) -> BurstJudgement:
    """Judge a burst in which Stage 1 found no motion at all."""
    against = _differing_regions(result, reference, threshold)
    if against:
        return _differs(against, cues)
    garbage = _damage_judgement(result, (), threshold, cues)
    if garbage is not None:
        return garbage
    if against is not None:
        sentence = "Nothing moved, and the picture is the same as without motion."
        return _shown_nuisance("no_motion", sentence, cues, threshold)
    change = _strongest_change(result)
    if change is not None:
        return _shown_nuisance(change.kind.value, _sentence_of(change), cues, threshold)
    if reference is None:
        return BurstJudgement(
            State.UNKNOWN,
            None,
            "no_reference",
            "Nothing moved between the frames, and there is no reference picture to compare with.",
            cues,
            (),
        )
    return BurstJudgement(
        State.UNKNOWN,
        None,
        "reference_not_comparable",
        "Nothing moved between the frames, and the reference picture shows too different a light "
        "or view to compare with.",
        cues,
        (),
    )


def _differing_regions(
    result: MotionDetectionResult,
    reference: NDArray[np.uint8] | None,
    threshold: float,
) -> tuple[RegionJudgement, ...] | None:
    """Return what stands in the last usable frame but not in the reference picture.

    None where there is no reference, or where the two pictures cannot be compared. That two kinds
    of light show the same is proof; that they do not is none, for light alone may be the cause.
    """
    current = next(
        (
            index
            for index in reversed(range(len(result.frames)))
            if result.damage[index].share < 1.0 - COMPARABLE_SHARE
        ),
        None,
    )
    if reference is None or current is None or reference.shape[:2] != result.frame_dimensions:
        return None
    detector = MotionDetector(min_area=min_area_for(result.frame_dimensions))
    compared = detector.detect_motion([reference, result.frames[current]])
    if not compared.pairs or _comparable_share(compared) < COMPARABLE_SHARE:
        return None
    if compared.total_motion_area > REFERENCE_CHANGE_LIMIT * compared.motion_mask.size:
        return None
    judged = _judge_regions(compared, threshold, _text_lines(result) + _text_lines(compared))
    differing = tuple(region for region in judged if region.is_relevant)
    return None if differing and _is_other_light(compared, judged) else differing


def _is_other_light(compared: MotionDetectionResult, judged: tuple[RegionJudgement, ...]) -> bool:
    """Tell whether a reference picture and a frame were taken in different light."""
    change = _strongest_change(compared)
    if change is not None and change.kind is GlobalChangeKind.INFRARED_SWITCH:
        return True
    if change is not None and change.kind is GlobalChangeKind.EXPOSURE:
        return change.magnitude > OTHER_LIGHT_STEP
    light = sum(one.region.area * one.cues["explained_by_light"] for one in judged)
    return light > OTHER_LIGHT_SHARE * compared.motion_mask.size
