"""A burst before the rules: what Stage 1 found, and what they all ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import ObjectKind
from veroallarme_core.judgement.judgement import (
    GENERAL_THRESHOLD,
    BurstJudgement,
    Cue,
    RegionJudgement,
)
from veroallarme_core.judgement.premises import PartedMotion, Premises, around
from veroallarme_core.judgement.steadiness import (
    MOST_BLOBS,
    FaintChange,
    find_faint_change,
    shows_clear_change,
)
from veroallarme_core.motion_detection import (
    GlobalChange,
    GlobalChangeKind,
    MotionDetectionResult,
    MotionDetector,
    MotionRegion,
    TextLine,
    common_area,
    find_text_lines,
    min_area_for,
)
from veroallarme_core.pictures import Frame

COMPARABLE_SHARE = 0.5
"""A reference picture and a frame can be compared if this share of both is undamaged."""

REFERENCE_CHANGE_LIMIT = 0.5
"""A reference picture from which more than this share differs shows another scene or light."""

OTHER_LIGHT_STEP = 15.0
"""A reference picture that is brighter or darker by this many grey levels shows another light."""

_TEXT_RIM = 3  # pixels around burnt-in text that its blur and the codec change with it


@dataclass(frozen=True, eq=False)
class Burst:
    """What the rules are given.

    `motion` is what Stage 1 found, `reference` the camera's picture without motion, uint8
    (H, W, 3) BGR, maybe minutes old, `threshold` the score in [0, 1] from which a region is
    relevant, `premises` where motion counts. What is asked twice is computed once.
    """

    motion: MotionDetectionResult
    reference: Frame | None = None
    threshold: float = GENERAL_THRESHOLD
    premises: Premises = field(default_factory=Premises)

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise ValueError(f"threshold must be between 0 and 1, not {self.threshold}.")

    def unjudged(self) -> BurstJudgement:
        """Return the judgement that the first rule is given."""
        parted = self.parted
        regions = tuple(map(RegionJudgement, parted.counted + parted.outside))
        return BurstJudgement(cues=burst_cues(self.motion), regions=regions)

    @cached_property
    def parted(self) -> PartedMotion:
        """What moved, parted by the border of the zones before anything else is asked."""
        return self.premises.split(self.motion)

    @cached_property
    def text_lines(self) -> tuple[TextLine, ...]:
        """Lines of text that stand still in all frames."""
        return text_lines(self.motion)

    @cached_property
    def comparison(self) -> MotionDetectionResult | None:
        """The last usable frame against the reference; None where that tells nothing.

        That two kinds of light show the same is proof; that they do not is none, for light alone
        may be the cause.
        """
        motion, reference = self.motion, self.reference
        current = next(
            (
                frame
                for frame, damage in zip(
                    reversed(motion.frames), reversed(motion.damage), strict=True
                )
                if damage.share < 1.0 - COMPARABLE_SHARE
            ),
            None,
        )
        if reference is None or current is None:
            return None
        if reference.shape[:2] != motion.frame_dimensions:
            return None
        detector = MotionDetector(min_area=min_area_for(motion.frame_dimensions))
        compared = detector.detect_motion([reference, current])
        mask = self.premises.mask
        if not compared.pairs or comparable_share(compared, mask) < COMPARABLE_SHARE:
            return None
        # A car that fills the street outside the zones makes no other scene, nor does somebody who
        # fills a small zone.
        if min(_changed_share(compared), _changed_share(compared, mask)) > REFERENCE_CHANGE_LIMIT:
            return None
        return None if _is_other_light(compared) else compared

    @cached_property
    def faint_change(self) -> FaintChange | None:
        """What differs between any two frames where motion counts, however faint."""
        return first_faint_change(self.motion, self.within(), self.parted.beyond)

    @cached_property
    def faint_beside_motion(self) -> tuple[MotionRegion, ...]:
        """What is faint where nothing clear moved, the largest first: none lies upon another."""
        clear, within = around(self.motion.motion_mask), self.within()
        found = [
            blob
            for pair in self.motion.pairs
            if (change := find_faint_change(pair, within, clear)) is not None
            for blob in change.blobs
        ]
        apart: list[MotionRegion] = []
        for blob in sorted(found, key=lambda blob: -blob.area):
            if not any(common_area(blob.to_bbox(), other.to_bbox()) for other in apart):
                apart.append(blob)
        return tuple(apart[:MOST_BLOBS])

    @cached_property
    def is_steady(self) -> bool:
        """Whether no two frames differ where motion counts, however faintly.

        The same as that there is no `faint_change`, but sooner known where there clearly is one.
        """
        within = self.within()
        # What moves outside shines in, which only the full search leaves out.
        is_alone = self.parted.beyond is None
        if is_alone and any(shows_clear_change(pair, within) for pair in self.motion.pairs):
            return False
        return self.faint_change is None

    @cached_property
    def standing_change(self) -> FaintChange | None:
        """What is a little different from the reference; None also where that tells nothing."""
        if self.comparison is None:
            return None
        within = self.within(text_lines(self.comparison))
        beyond = self.premises.split(self.comparison).beyond
        return first_faint_change(self.comparison, within, beyond)

    def within(self, lines: tuple[TextLine, ...] = ()) -> NDArray[np.uint8]:
        """Return uint8 (H, W), 255 where motion counts and no text is burnt in."""
        mask = self.premises.mask
        return self.without_text(self.everywhere() if mask is None else mask, lines)

    def kinds_in(self, region: MotionRegion) -> frozenset[ObjectKind]:
        """Return the kinds of objects that count in a region."""
        return self.premises.kinds_in(self.motion, region)

    def moved_within(self, regions: Iterable[MotionRegion]) -> NDArray[np.uint8]:
        """Return uint8 (H, W), 255 where something moved in these regions that counts.

        What is faint has no pixels in the mask of Stage 1: there all of its box moved.
        """
        moved = np.zeros(self.motion.frame_dimensions, np.uint8)
        for region in regions:
            x1, y1, x2, y2 = region.to_bbox()
            inside = self.motion.motion_mask[y1:y2, x1:x2]
            moved[y1:y2, x1:x2] |= inside if inside.any() else np.uint8(255)
        mask = self.premises.mask
        return moved if mask is None else np.asarray(cv2.bitwise_and(moved, mask))

    def everywhere(self) -> NDArray[np.uint8]:
        """Return uint8 (H, W), 255 all over."""
        return np.full(self.motion.frame_dimensions, 255, np.uint8)

    def without_text(
        self, mask: NDArray[np.uint8], lines: tuple[TextLine, ...] = ()
    ) -> NDArray[np.uint8]:
        """Return a copy of a mask, 0 where text is burnt in."""
        rest = mask.copy()
        for line in self.text_lines + lines:
            rest[max(0, line.y1 - _TEXT_RIM) : line.y2 + _TEXT_RIM, line.x1 : line.x2] = 0
        return rest


def is_text(region: MotionRegion, lines: tuple[TextLine, ...]) -> bool:
    """Tell whether a region lies in a line of text."""
    return any(line.contains(region.to_bbox()) for line in lines)


def text_lines(motion: MotionDetectionResult) -> tuple[TextLine, ...]:
    """Find the lines of text in the frames of a burst that have its size."""
    frames = (frame for frame in motion.frames if frame is not None)
    return find_text_lines(
        [frame for frame in frames if frame.shape[:2] == motion.frame_dimensions]
    )


def burst_cues(motion: MotionDetectionResult) -> Mapping[str, Cue]:
    """Return the numbers of a burst that stand in its verdict."""
    kinds = sorted({kind.value for damage in motion.damage for kind in damage.kinds})
    change = strongest_change(motion)
    return {
        "frames": len(motion.frames),
        "frames_damaged": sum(bool(damage.kinds) for damage in motion.damage),
        "damage": ",".join(kinds),
        "damaged_share": round(max((damage.share for damage in motion.damage), default=0.0), 4),
        "comparable_share": round(comparable_share(motion), 4),
        "global_change": "" if change is None else change.kind.value,
        "motion_share": round(motion.total_motion_area / max(motion.motion_mask.size, 1), 5),
        "regions": len(motion.motion_regions),
        "regions_relevant": 0,
    }


def comparable_share(
    motion: MotionDetectionResult, within: NDArray[np.uint8] | None = None
) -> float:
    """Return the share of the picture that at least two frames show undamaged."""
    if not motion.pairs:
        return 0.0
    seen = np.bitwise_or.reduce([pair.valid for pair in motion.pairs]) > 0
    if within is not None:
        seen = seen[within > 0]
    return float(np.mean(seen)) if seen.size else 0.0


def _changed_share(
    compared: MotionDetectionResult, within: NDArray[np.uint8] | None = None
) -> float:
    changed = compared.motion_mask if within is None else compared.motion_mask[within > 0]
    return float(np.mean(changed > 0)) if changed.size else 0.0


def strongest_change(motion: MotionDetectionResult) -> GlobalChange | None:
    """Return what changed the whole picture most, if anything did."""
    changes = [pair.global_change for pair in motion.pairs if pair.global_change is not None]
    rank = list(GlobalChangeKind)
    return min(
        changes, key=lambda change: (rank.index(change.kind), -change.magnitude), default=None
    )


def first_faint_change(
    motion: MotionDetectionResult,
    within: NDArray[np.uint8],
    unseen: NDArray[np.uint8] | None = None,
) -> FaintChange | None:
    """Return the faint change of the first pair of frames that has one."""
    found = (find_faint_change(pair, within, unseen) for pair in motion.pairs)
    return next((change for change in found if change is not None), None)


def _is_other_light(compared: MotionDetectionResult) -> bool:
    """Tell whether a reference picture and a frame were taken in different light."""
    change = strongest_change(compared)
    if change is None:
        return False
    if change.kind is GlobalChangeKind.EXPOSURE:
        return change.magnitude > OTHER_LIGHT_STEP
    return change.kind is GlobalChangeKind.INFRARED_SWITCH
