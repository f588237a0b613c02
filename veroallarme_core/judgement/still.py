"""Rule: a burst in which nothing came is nuisance, by a test that sees who hardly moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from veroallarme_core.contract import State
from veroallarme_core.judgement.burst import Burst, comparable_share, strongest_change
from veroallarme_core.judgement.judgement import (
    BurstJudgement,
    RegionJudgement,
    undecided_score,
)
from veroallarme_core.judgement.steadiness import FaintChange
from veroallarme_core.judgement.text import TEXT
from veroallarme_core.judgement.zones import OUTSIDE
from veroallarme_core.motion_detection import DamageKind, GlobalChange, MotionRegion

PROVING_SHARE = 0.95
"""A still burst is proof only if at least this share of it could be compared: nobody looks at what
is corrupt in all frames but one."""

SUPPRESSING_SHARE = 0.75
"""What was learned suppresses an event only if at least this share could be compared: a person at
the gate was hidden by two corrupt frames while a car outside moved, of all that counts a third."""

# Garbage that the camera itself produces, and takes for motion. A file cut short on its way to us
# says nothing about what the camera saw.
_CAMERA_GARBAGE = frozenset({DamageKind.GREEN_BAND, DamageKind.GREY_BAND, DamageKind.MACROBLOCKS})

_SENTENCES = {
    TEXT: "Only the text that the camera writes into its picture changed.",
    OUTSIDE: "All motion was outside the zones you have drawn.",
    "corrupt_frames": "Frames are corrupt; where they are not, nothing moved.",
    "no_motion": "Nothing moved, and the picture is the same as without motion.",
}


def leave_faint(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Leave what is faint to what the camera has learned; by itself it tells nothing."""
    if judgement.is_decided or burst.faint_change is None:
        return judgement
    code, sentence = _faint_words(burst.faint_change, strongest_change(burst.motion))
    return _unknown_for_faint(burst, judgement, burst.faint_change.blobs, sentence, code)


def require_sight(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Leave a burst unknown of which too much is corrupt where motion counts."""
    sentence = None if judgement.is_decided else _too_little_seen(burst, PROVING_SHARE)
    return judgement if sentence is None else judgement.unknown("too_much_damage", sentence)


def doubt_unseen(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Leave unknown what was learned to be nuisance where much of what counts is corrupt.

    The promise is made on undamaged pictures: it says nothing of who stands where they are corrupt.
    """
    is_nuisance = judgement.state is State.IRRELEVANT
    sentence = _too_little_seen(burst, SUPPRESSING_SHARE) if is_nuisance else None
    if sentence is None:
        return judgement
    return judgement.unknown("too_much_damage", sentence, judgement.unproven)


def add_faint(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Add what is faint beside what clearly moved: a person hardly seen next to a swaying branch.

    It raises no alarm by itself, and where the rest raises one nobody need look for it. Before
    the memory suppresses an event, though, it is to be judged as well.
    """
    if not judgement.is_open or not burst.faint_beside_motion:
        return judgement
    known = {region.region for region in judgement.regions}
    blobs = [blob for blob in burst.faint_beside_motion if blob not in known]
    if not blobs:
        return judgement
    if any(map(burst.premises.touches_always, blobs)):
        sentence = "Something faint changed where motion always alerts."
        return _unknown_for_faint(burst, judgement, blobs, sentence)
    faint = _faint_regions(burst, blobs)
    return replace(judgement, regions=judgement.undecided + faint + judgement.proven)


def doubt_faint(
    burst: Burst, judgement: BurstJudgement, blobs: Sequence[MotionRegion], sentence: str
) -> BurstJudgement:
    """Leave to the memory what is faint beside clear motion that is proven to be nuisance.

    Args:
        burst: in which all that clearly moved is proven to be nuisance.
        judgement: by the rules.
        blobs: what is faint, one or more.
        sentence: why the rest is nuisance, without a full stop.
    """
    x, y = blobs[0].centroid
    sentence = f"{sentence}, but near ({x}, {y}) something faint changed."
    return _unknown_for_faint(burst, judgement, blobs, sentence)


def explain_by_zones(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Explain the motion message by what moved outside the zones, where nothing moved inside."""
    is_outside = any(region.reason == OUTSIDE for region in judgement.proven)
    if judgement.is_decided or not is_outside:
        return judgement
    return judgement.nuisance(OUTSIDE, _SENTENCES[OUTSIDE], burst.threshold, 0.0)


def explain_by_damage(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Explain the motion message by corrupt frames, where the rest of them is still."""
    kinds = {kind for damage in burst.motion.damage for kind in damage.kinds}
    if judgement.is_decided or not kinds & _CAMERA_GARBAGE:
        return judgement
    return _nuisance(burst, judgement, "corrupt_frames")


def prove_stillness(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Prove that the picture is the same as without motion; unknown where nothing tells."""
    if judgement.is_decided:
        return judgement
    if burst.reference is None:
        return judgement.unknown(
            "no_reference",
            "Nothing moved between the frames, and there is no reference picture to compare with.",
        )
    if burst.comparison is None:
        return judgement.unknown(
            "reference_not_comparable",
            "Nothing moved between the frames, and the reference picture shows too different a "
            "light or view to compare with.",
        )
    standing = burst.standing_change
    if standing is not None:
        sentence = _standing_sentence(standing)
        return _unknown_for_faint(burst, judgement, standing.blobs, sentence)
    change = strongest_change(burst.motion)
    if change is not None:
        sentence = f"{change.explanation.rstrip('.')}; nothing in it moved."
        return judgement.nuisance(change.kind.value, sentence, burst.threshold)
    is_text = any(region.reason == TEXT for region in judgement.proven)
    return _nuisance(burst, judgement, TEXT if is_text else "no_motion")


def _too_little_seen(burst: Burst, least: float) -> str | None:
    """Say that less than a share of what counts could be compared, if it is for damage."""
    if not any(damage.kinds for damage in burst.motion.damage):
        return None
    share = comparable_share(burst.motion, burst.within())
    if share >= least:
        return None
    return f"Only {share:.0%} of what counts is undamaged in two frames: too little to tell."


def _nuisance(burst: Burst, judgement: BurstJudgement, reason: str) -> BurstJudgement:
    return judgement.nuisance(reason, _SENTENCES[reason], burst.threshold)


def _unknown_for_faint(
    burst: Burst,
    judgement: BurstJudgement,
    blobs: Sequence[MotionRegion],
    sentence: str,
    code: str = "faint_change",
) -> BurstJudgement:
    """Leave the blobs to what the camera has learned, but not where motion always alerts."""
    unknown = judgement.unknown(code, sentence, _faint_regions(burst, blobs))
    is_always = any(map(burst.premises.touches_always, blobs))
    return replace(unknown, is_open=False) if is_always else unknown


def _faint_regions(burst: Burst, blobs: Sequence[MotionRegion]) -> tuple[RegionJudgement, ...]:
    return tuple(
        RegionJudgement(blob).scored(undecided_score(0.0), burst.threshold, "faint_change")
        for blob in blobs
    )


def _faint_words(faint: FaintChange, change: GlobalChange | None) -> tuple[str, str]:
    if change is not None:
        sentence = f"{change.explanation.rstrip('.')}, too much to tell whether anything moved."
        return change.kind.value, sentence
    if not faint.blobs:
        return "too_noisy", "The pictures are too noisy to tell whether anything moved."
    x, y = faint.blobs[0].centroid
    return "faint_change", f"Nothing moved clearly, but near ({x}, {y}) something faint changed."


def _standing_sentence(faint: FaintChange) -> str:
    where = "".join(" near ({}, {})".format(*blob.centroid) for blob in faint.blobs[:1])
    return (
        f"Nothing moved between the frames, but{where} the picture is a little different from the "
        "reference picture."
    )
