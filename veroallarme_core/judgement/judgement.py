"""The judgement that needs no learning: what is proven nuisance, and how the rest ranks.

A proof has to be one: what a slow, small or faint intruder at the same place would pass as well
proves nothing. Three things do. What moved lies outside the zones that the user drew. What moved
is the text that the camera writes into its picture. Or the pictures show the same everywhere but
for smooth light and their own noise, by a test that is far stricter than Stage 1 and sees a person
who hardly moves. All else is relevant; how much of it light or swaying could explain only ranks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract.verdict import State
from veroallarme_core.judgement.explained_change import ExplainedChange, explain_change
from veroallarme_core.judgement.premises import Premises
from veroallarme_core.judgement.steadiness import FaintChange, find_faint_change, shows_structure
from veroallarme_core.motion_detection.detector import (
    MotionDetectionResult,
    MotionDetector,
    MotionRegion,
    PairChange,
    min_area_for,
)
from veroallarme_core.motion_detection.frame_damage import BLOCK_SIZE, DamageKind
from veroallarme_core.motion_detection.global_change import GlobalChange, GlobalChangeKind
from veroallarme_core.motion_detection.text_overlay import TextLine, find_text_lines

GENERAL_THRESHOLD = 0.5
"""Threshold in force where nothing was learned: a lower score is shown nuisance."""

COMPARABLE_SHARE = 0.5
"""A reference picture and a frame can be compared if this share of both is undamaged."""

PROVING_SHARE = 0.95
"""A still burst is proof only if at least this share of it could be compared: nobody looks at what
is corrupt in all frames but one."""

REFERENCE_CHANGE_LIMIT = 0.5
"""A reference picture from which more than this share differs shows another scene or light."""

OTHER_LIGHT_STEP = 15.0
"""A reference picture that is brighter or darker by this many grey levels shows another light."""

OTHER_LIGHT_SHARE = 0.15
"""So does one from which light alone differs in this share of the picture: a car's beam is less."""

_NO_RELEVANCE = 0.02  # score of what is nuisance beyond doubt
_CLEAR = 0.5  # unexplained evidence from which something is said to have moved: a smallest region
_MOSTLY = 0.3  # share of a region from which light or swaying is named as what it may be
_TEXT_RIM = 3  # pixels around burnt-in text that its blur and the codec change with it
# Garbage that the camera itself produces, and takes for motion. A file cut short on its way to us
# says nothing about what the camera saw.
_CAMERA_GARBAGE = frozenset({DamageKind.GREEN_BAND, DamageKind.GREY_BAND, DamageKind.MACROBLOCKS})

Cue = float | int | bool | str


@dataclass(frozen=True)
class RegionJudgement:
    """How one region was judged; `reason` is a code, `cues` the numbers behind it.

    `relevance_score` and `confidence` are in [0, 1]; the confidence is that of the decision.
    `is_proven` tells that the region is nuisance whatever else is known of it.
    """

    region: MotionRegion
    relevance_score: float
    is_relevant: bool
    confidence: float
    reason: str
    cues: Mapping[str, float]
    is_proven: bool = False

    def scored(
        self, score: float, threshold: float, reason: str, cues: Mapping[str, float] | None = None
    ) -> RegionJudgement:
        """Return the region with another score, and what follows from that."""
        is_relevant = score >= threshold
        return replace(
            self,
            relevance_score=score,
            is_relevant=is_relevant,
            confidence=score if is_relevant else 1.0 - score,
            reason=reason,
            cues={**self.cues, **(cues or {})},
        )


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
    is_open: bool = False
    """Whether more knowledge of what moved may still decide otherwise."""

    @property
    def undecided(self) -> tuple[RegionJudgement, ...]:
        """The regions about which more knowledge decides, the largest score first."""
        if not self.is_open:
            return ()
        return tuple(region for region in self.regions if not region.is_proven)


def judge_motion(
    result: MotionDetectionResult,
    *,
    reference: NDArray[np.uint8] | None = None,
    threshold: float = GENERAL_THRESHOLD,
    premises: Premises | None = None,
) -> BurstJudgement:
    """Judge what Stage 1 found in a burst.

    Args:
        result: what Stage 1 found, with the frames.
        reference: the camera's picture without motion, uint8 (H, W, 3) BGR, maybe minutes old;
            None where there is none.
        threshold: score in [0, 1] from which a region is relevant.
        premises: where motion counts; None is everywhere.

    Raises:
        ValueError: the threshold is out of range.
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold must be between 0 and 1, not {threshold}.")
    burst = _Burst(result, reference, threshold, premises or Premises())
    if not result.pairs:
        return burst.judge_single_frame()
    return burst.judge()


class _Burst:
    """One burst on its way to a judgement."""

    def __init__(
        self,
        result: MotionDetectionResult,
        reference: NDArray[np.uint8] | None,
        threshold: float,
        premises: Premises,
    ) -> None:
        self.result = result
        self.reference = reference
        self.threshold = threshold
        self.premises = premises
        self.cues = _burst_cues(result)
        self.lines = _text_lines(result)
        self.decided: tuple[RegionJudgement, ...] = ()

    def judge(self) -> BurstJudgement:
        counted, elsewhere = self.premises.split(self.result)
        text = [one for one in counted if _is_text(one, self.lines)]
        moving = [one for one in counted if one not in text]
        outside = tuple(_proven(one, "outside_zones", 0.0) for one in elsewhere)
        self.decided = tuple(_proven(one, "burnt_in_text", _NO_RELEVANCE) for one in text) + outside
        self.cues["regions_relevant"] = 0
        doubt = self._why_nothing_is_proven()
        faint = _first_faint_change(self.result, self._within())
        compared = self._compare_with_reference()
        against = () if compared is None else self._differing_regions(compared)
        if moving and not self._is_steady(doubt, faint, compared, against):
            return self._relevant(_judge_regions(self.result, moving, self.threshold))
        if against:
            return self._differs(against)
        if doubt is not None:
            return self._unknown(*doubt)
        if moving:
            proven = tuple(_proven(one, "light", _NO_RELEVANCE) for one in moving)
            return self._nuisance("light", _NUISANCE["light"], proven)
        return self._judge_still(outside, faint, compared)

    def _is_steady(
        self,
        doubt: tuple[str, str] | None,
        faint: FaintChange | None,
        compared: MotionDetectionResult | None,
        against: tuple[RegionJudgement, ...],
    ) -> bool:
        """Tell whether what Stage 1 reports is only light: between the frames, and on the whole."""
        if doubt is not None or faint is not None or compared is None or against:
            return False
        return self._standing(compared) is None

    def _judge_still(
        self,
        outside: tuple[RegionJudgement, ...],
        faint: FaintChange | None,
        compared: MotionDetectionResult | None,
    ) -> BurstJudgement:
        """Judge a burst in which Stage 1 found nothing that counts."""
        change = _strongest_change(self.result)
        if faint is not None:
            return self._faint(faint, *_faint_sentence(faint, change))
        if outside:
            return self._nuisance("outside_zones", _NUISANCE["outside_zones"])
        garbage = self._judge_damage()
        if garbage is not None:
            return garbage
        if compared is None:
            return self._unknown(*self._without_reference())
        standing = self._standing(compared)
        if standing is not None:
            return self._faint(standing, *_standing_sentence(standing))
        if change is not None:
            sentence = f"{change.explanation.rstrip('.')}; nothing in it moved."
            return self._nuisance(change.kind.value, sentence)
        reason = "burnt_in_text" if self.decided else "no_motion"
        return self._nuisance(reason, _NUISANCE[reason])

    def _standing(self, compared: MotionDetectionResult) -> FaintChange | None:
        """Return what is a little different from the reference picture."""
        return _first_faint_change(compared, self._within(_text_lines(compared)))

    def judge_single_frame(self) -> BurstJudgement:
        """Judge a burst of which no two frames can be compared: it can show, but prove nothing."""
        compared = self._compare_with_reference()
        against = () if compared is None else self._differing_regions(compared)
        if against:
            return self._differs(against)
        usable = sum(damage.is_usable for damage in self.result.damage)
        count = len(self.result.frames)
        if usable >= 2:
            sentence = (
                "The frames are damaged in so many places that no two of them can be compared."
            )
        elif usable == 1:
            sentence = f"Only one of {count} frames is usable: motion needs two."
        else:
            sentence = f"None of the {count} frames is usable."
        return self._unknown("no_usable_frames", sentence)

    # --- what a proof needs --------------------------------------------------------------------

    def _why_nothing_is_proven(self) -> tuple[str, str] | None:
        """Return code and sentence of what makes these pictures prove nothing, if anything does."""
        result = self.result
        anywhere = self._without_text(np.full(result.frame_dimensions, 255, np.uint8))
        if not any(_differ(pair, result, anywhere) for pair in result.pairs):
            return (
                "frozen_picture",
                "The pictures are the same to the last pixel, which a live camera's never are: "
                "it repeats an old picture.",
            )
        within = self._within()
        if not all(
            shows_structure(pair.before, within) and shows_structure(pair.after, within)
            for pair in result.pairs
        ):
            return (
                "no_contrast",
                "The picture shows hardly anything, as with a covered, dirty or blinded lens.",
            )
        return None

    def _within(self, lines: tuple[TextLine, ...] = ()) -> NDArray[np.uint8]:
        """Return uint8 (H, W), 255 where motion counts and no text is burnt in."""
        mask = self.premises.mask
        within = np.full(self.result.frame_dimensions, 255, np.uint8) if mask is None else mask
        return self._without_text(within, lines)

    def _without_text(
        self, mask: NDArray[np.uint8], lines: tuple[TextLine, ...] = ()
    ) -> NDArray[np.uint8]:
        rest = mask.copy()
        for line in self.lines + lines:
            rest[max(0, line.y1 - _TEXT_RIM) : line.y2 + _TEXT_RIM, line.x1 : line.x2] = 0
        return rest

    def _judge_damage(self) -> BurstJudgement | None:
        """Judge a burst with corrupt frames of which the rest is still; None for a clean one."""
        kinds = {kind for damage in self.result.damage for kind in damage.kinds}
        if not kinds:
            return None
        share = _comparable_share(self.result, self._within())
        if share < PROVING_SHARE:
            sentence = (
                f"Only {share:.0%} of the picture is undamaged in two frames: too little to tell."
            )
            return self._unknown("too_much_damage", sentence)
        if not kinds & _CAMERA_GARBAGE:
            return None
        return self._nuisance("corrupt_frames", _NUISANCE["corrupt_frames"])

    # --- the reference picture -----------------------------------------------------------------

    def _compare_with_reference(self) -> MotionDetectionResult | None:
        """Compare the last usable frame with the reference; None where that tells nothing.

        That two kinds of light show the same is proof; that they do not is none, for light alone
        may be the cause.
        """
        result = self.result
        current = next(
            (
                index
                for index in reversed(range(len(result.frames)))
                if result.damage[index].share < 1.0 - COMPARABLE_SHARE
            ),
            None,
        )
        if (
            self.reference is None
            or current is None
            or self.reference.shape[:2] != result.frame_dimensions
        ):
            return None
        detector = MotionDetector(min_area=min_area_for(result.frame_dimensions))
        compared = detector.detect_motion([self.reference, result.frames[current]])
        if not compared.pairs or _comparable_share(compared) < COMPARABLE_SHARE:
            return None
        if compared.total_motion_area > REFERENCE_CHANGE_LIMIT * compared.motion_mask.size:
            return None
        return None if _is_other_light(compared) else compared

    def _differing_regions(self, compared: MotionDetectionResult) -> tuple[RegionJudgement, ...]:
        """Return what clearly stands in the last usable frame but not in the reference picture."""
        counted, _ = self.premises.split(compared)
        lines = self.lines + _text_lines(compared)
        standing = [one for one in counted if not _is_text(one, lines)]
        judged = _judge_regions(compared, standing, self.threshold)
        light = sum(one.region.area * one.cues["explained_by_light"] for one in judged)
        if light > OTHER_LIGHT_SHARE * compared.motion_mask.size:
            return ()
        return tuple(one for one in judged if one.cues["unexplained"] >= _CLEAR and one.is_relevant)

    def _without_reference(self) -> tuple[str, str]:
        if self.reference is None:
            return (
                "no_reference",
                "Nothing moved between the frames, and there is no reference picture to compare "
                "with.",
            )
        return (
            "reference_not_comparable",
            "Nothing moved between the frames, and the reference picture shows too different a "
            "light or view to compare with.",
        )

    # --- results -------------------------------------------------------------------------------

    def _relevant(self, regions: tuple[RegionJudgement, ...]) -> BurstJudgement:
        best = regions[0]
        self.cues["regions_relevant"] = sum(region.is_relevant for region in regions)
        state = State.RELEVANT if best.is_relevant else State.IRRELEVANT
        return BurstJudgement(
            state,
            best.relevance_score,
            "moved",
            _moved_sentence(best),
            self.cues,
            regions + self.decided,
            is_open=True,
        )

    def _differs(self, regions: tuple[RegionJudgement, ...]) -> BurstJudgement:
        x, y = regions[0].region.centroid
        sentence = (
            f"Near ({x}, {y}) stands something that is not in the camera's reference picture."
        )
        return BurstJudgement(
            State.RELEVANT,
            regions[0].relevance_score,
            "differs_from_reference",
            sentence,
            self.cues,
            regions + self.decided,
        )

    def _faint(self, faint: FaintChange, reason: str, sentence: str) -> BurstJudgement:
        """Leave what is faint to what the camera has learned; by itself it tells nothing."""
        nothing = {"explained_by_light": 0.0, "explained_by_sway": 0.0, "unexplained": 0.0}
        regions = tuple(
            RegionJudgement(blob, 0.0, False, 0.0, "faint_change", nothing).scored(
                undecided_score(0.0), self.threshold, "faint_change"
            )
            for blob in faint.blobs
        )
        return replace(
            self._unknown(reason, sentence), regions=regions + self.decided, is_open=bool(regions)
        )

    def _unknown(self, reason: str, sentence: str) -> BurstJudgement:
        return BurstJudgement(State.UNKNOWN, None, reason, sentence, self.cues, self.decided)

    def _nuisance(
        self, reason: str, sentence: str, regions: tuple[RegionJudgement, ...] = ()
    ) -> BurstJudgement:
        """Judge a burst that is shown to be nuisance; a threshold below its score lets it pass."""
        score = 0.0 if reason == "outside_zones" else _NO_RELEVANCE
        state = State.IRRELEVANT if score < self.threshold else State.RELEVANT
        return BurstJudgement(state, score, reason, sentence, self.cues, regions + self.decided)


_NUISANCE = {
    "burnt_in_text": "Only the text that the camera writes into its picture changed.",
    "light": "Only light changed: what is lit or in shadow looks the same as before.",
    "outside_zones": "All motion was outside the zones you have drawn.",
    "corrupt_frames": "Frames are corrupt; where they are not, nothing moved.",
    "no_motion": "Nothing moved, and the picture is the same as without motion.",
}


def _moved_sentence(best: RegionJudgement) -> str:
    box = best.region
    what = (
        f"Something moved about {box.width}x{box.height} pixels large near "
        f"({box.centroid[0]}, {box.centroid[1]})"
    )
    if best.cues["unexplained"] >= _CLEAR:
        return f"{what} that neither light nor swaying explains."
    if best.cues["explained_by_light"] >= max(best.cues["explained_by_sway"], _MOSTLY):
        return f"{what}; it may be light, but someone faint would look the same."
    if best.cues["explained_by_sway"] >= _MOSTLY:
        return f"{what}; it may only sway, but someone who hardly moves would look the same."
    return f"{what}, in specks that are too small to tell what it is."


def _faint_sentence(faint: FaintChange, change: GlobalChange | None) -> tuple[str, str]:
    if change is not None:
        sentence = f"{change.explanation.rstrip('.')}, too much to tell whether anything moved."
        return change.kind.value, sentence
    if not faint.blobs:
        return "too_noisy", "The pictures are too noisy to tell whether anything moved."
    x, y = faint.blobs[0].centroid
    return "faint_change", f"Nothing moved clearly, but near ({x}, {y}) something faint changed."


def _standing_sentence(faint: FaintChange) -> tuple[str, str]:
    where = "".join(" near ({}, {})".format(*blob.centroid) for blob in faint.blobs[:1])
    return (
        "faint_change",
        f"Nothing moved between the frames, but{where} the picture is a little different from the "
        "reference picture.",
    )


# --- regions -------------------------------------------------------------------------------------


def _judge_regions(
    result: MotionDetectionResult, regions: list[MotionRegion], threshold: float
) -> tuple[RegionJudgement, ...]:
    """Rank regions by how much of them neither light nor swaying explains, the most first."""
    if not regions:
        return ()
    min_area = min_area_for(result.frame_dimensions)
    change = explain_change(result.pairs, result.motion_mask, min_area)
    judged = [
        _judge_region(region, result, change.crop(region.to_bbox()), threshold)
        for region in regions
    ]
    return tuple(sorted(judged, key=lambda judgement: -judgement.relevance_score))


def _judge_region(
    region: MotionRegion, result: MotionDetectionResult, change: ExplainedChange, threshold: float
) -> RegionJudgement:
    moved = max(int(np.count_nonzero(change.moved)), 1)
    excess = change.largest_unexplained / min_area_for(result.frame_dimensions)
    cues = {
        "area_share": region.area / max(result.motion_mask.size, 1),
        "explained_by_light": np.count_nonzero(change.light) / moved,
        "explained_by_sway": np.count_nonzero(change.sway) / moved,
        "largest_unexplained_px": float(change.largest_unexplained),
        "unexplained": excess / (1.0 + excess),
        "fragmentation": 1.0 - min(1.0, change.largest_unexplained / max(region.area, 1)),
        "damaged_share": _damaged_share(region, result),
    }
    cues = {name: round(float(value), 5) for name, value in cues.items()}
    judged = RegionJudgement(region, 0.0, False, 0.0, "moved", cues)
    return judged.scored(undecided_score(cues["unexplained"]), threshold, "moved")


def undecided_score(evidence: float) -> float:
    """Return the score of a region that nothing proves, from how much speaks for a mover, 0 to 1.

    It lies in the upper half: cues rank what nobody has proven, and suppress none of it.
    """
    return GENERAL_THRESHOLD + (1.0 - GENERAL_THRESHOLD) * evidence


def _proven(region: MotionRegion, reason: str, score: float) -> RegionJudgement:
    return RegionJudgement(region, score, False, 1.0 - score, reason, {}, is_proven=True)


def _is_text(region: MotionRegion, lines: tuple[TextLine, ...]) -> bool:
    return any(line.contains(region.to_bbox()) for line in lines)


def _text_lines(result: MotionDetectionResult) -> tuple[TextLine, ...]:
    return find_text_lines(
        [frame for frame in result.frames if frame is not None and _has_size(frame, result)]
    )


def _has_size(frame: NDArray[np.uint8], result: MotionDetectionResult) -> bool:
    return frame.shape[:2] == result.frame_dimensions


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


def _comparable_share(
    result: MotionDetectionResult, within: NDArray[np.uint8] | None = None
) -> float:
    """Return the share of the picture that at least two frames show undamaged."""
    if not result.pairs:
        return 0.0
    seen = np.bitwise_or.reduce([pair.valid for pair in result.pairs]) > 0
    return float(np.mean(seen if within is None else seen[within > 0] if within.any() else False))


def _strongest_change(result: MotionDetectionResult) -> GlobalChange | None:
    changes = [pair.global_change for pair in result.pairs if pair.global_change is not None]
    rank = list(GlobalChangeKind)
    return min(changes, key=lambda c: (rank.index(c.kind), -c.magnitude), default=None)


def _first_faint_change(
    result: MotionDetectionResult, within: NDArray[np.uint8]
) -> FaintChange | None:
    found = (find_faint_change(pair, within) for pair in result.pairs)
    return next((one for one in found if one is not None), None)


def _differ(pair: PairChange, result: MotionDetectionResult, within: NDArray[np.uint8]) -> bool:
    """Tell whether the frames of a pair differ in any undamaged pixel."""
    before, after = result.frames[pair.previous], result.frames[pair.current]
    if before is None or after is None:
        return False
    compared = cv2.bitwise_and(within, pair.valid)
    return bool(np.any(cv2.absdiff(before, after)[compared > 0]))


def _is_other_light(compared: MotionDetectionResult) -> bool:
    """Tell whether a reference picture and a frame were taken in different light."""
    change = _strongest_change(compared)
    if change is None:
        return False
    if change.kind is GlobalChangeKind.EXPOSURE:
        return change.magnitude > OTHER_LIGHT_STEP
    return change.kind is GlobalChangeKind.INFRARED_SWITCH
