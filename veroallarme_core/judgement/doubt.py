"""Rule: pictures that are too few, frozen or blind prove nothing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.judgement.burst import Burst
from veroallarme_core.judgement.judgement import BurstJudgement
from veroallarme_core.judgement.steadiness import shows_structure
from veroallarme_core.motion_detection import MotionDetectionResult, PairChange


def require_live_pictures(burst: Burst, judgement: BurstJudgement) -> BurstJudgement:
    """Leave a burst unknown in which nothing moves because nothing could."""
    if judgement.is_decided:
        return judgement
    doubt = why_nothing_is_proven(burst)
    return judgement if doubt is None else judgement.unknown(*doubt)


def why_nothing_is_proven(burst: Burst) -> tuple[str, str] | None:
    """Return code and sentence of what makes these pictures prove nothing, if anything does."""
    motion = burst.motion
    if not motion.pairs:
        return "no_usable_frames", _too_few(motion)
    anywhere = burst.without_text(burst.everywhere())
    if not any(_differ(pair, motion, anywhere) for pair in motion.pairs):
        return (
            "frozen_picture",
            "The pictures are the same to the last pixel, which a live camera's never are: it "
            "repeats an old picture.",
        )
    # A zone may be plain asphalt; what covers the lens covers all of the picture.
    if not all(
        shows_structure(pair.before, anywhere) and shows_structure(pair.after, anywhere)
        for pair in motion.pairs
    ):
        return (
            "no_contrast",
            "The picture shows hardly anything, as with a covered, dirty or blinded lens.",
        )
    return None


def _too_few(motion: MotionDetectionResult) -> str:
    usable = sum(damage.is_usable for damage in motion.damage)
    count = len(motion.frames)
    if usable >= 2:
        return "The frames are damaged in so many places that no two of them can be compared."
    if usable == 1:
        return f"Only one of {count} frames is usable: motion needs two."
    return f"None of the {count} frames is usable."


def _differ(pair: PairChange, motion: MotionDetectionResult, within: NDArray[np.uint8]) -> bool:
    """Tell whether the frames of a pair differ in any undamaged pixel."""
    before, after = motion.frames[pair.previous], motion.frames[pair.current]
    if before is None or after is None:
        return False
    step = cv2.absdiff(before, after)
    # Masked rather than picked out, which takes twenty times as long.
    return bool(cv2.bitwise_and(step, step, mask=within & pair.valid).any())
