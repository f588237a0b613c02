"""Rule: what is only an object of a kind that the user did not ask for is left out.

What counts is the user's word, and what is recognised for certain is proof; that nobody is
recognised is none. A region is left out only where an unwanted object explains all that moved in
it, and where nothing that counts is even suspected. Somebody beside a car makes a region that is
larger than the car, and somebody who passes before a parked one leaves most of it as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from veroallarme_core.contract import ALL_KINDS, ObjectKind
from veroallarme_core.description import (
    CERTAIN_SCORE,
    DetectedObject,
    MovingObjects,
    share_covered,
)
from veroallarme_core.judgement.burst import Burst
from veroallarme_core.judgement.judgement import BurstJudgement
from veroallarme_core.judgement.movement import describe_movement
from veroallarme_core.judgement.still import doubt_faint, doubt_unseen
from veroallarme_core.motion_detection import MotionRegion, min_area_for

UNWANTED = "unwanted_object"

Box = tuple[int, int, int, int]
"""(x1, y1, x2, y2) in pixels of the frame, x2 and y2 exclusive."""

SUSPECTED_SCORE = 0.2
"""Score from which something that counts keeps the region in which it may be.

Before 27 real cameras 58 of 301 regions with a car for certain are left out where people alone
count, and 5 of the 156 in events with people, all five of them cars alone. A limit of 0.1 leaves
out 15 of 301, for most cars are a little like a person to the detector."""
MOVING_SHARE = 0.5
"""Share of an object's box that moves where it goes away or comes.

Of a parked car that somebody passes a third changes: without this and without asking whether it
stands where it stood, 4 regions in events with people would be left out, one of them a man before a
parked car of whom the detector sees nothing."""
_MARGIN = 1 / 8  # of a box's sides: shadow and blur around what moves, and the box's own error
_SHARE_LEFT = 0.5  # of a region's moving pixels that at most lie outside the boxes, small as it is

_WORDS: Mapping[ObjectKind, str] = {
    ObjectKind.PERSON: "people",
    ObjectKind.ANIMAL: "animals",
    ObjectKind.VEHICLE: "vehicles",
}


def leave_out_unwanted(
    burst: Burst, judgement: BurstJudgement, objects: MovingObjects
) -> BurstJudgement:
    """Leave out the regions that are only objects of kinds that do not count there.

    What a rule has decided stays so, and so does what is too faint or corrupt to be judged.
    """
    if judgement.score is None:
        return judgement
    left_out = {
        region.region: unwanted
        for region in judgement.undecided
        if (unwanted := _unwanted_in(burst, region.region, objects))
    }
    if not left_out:
        return judgement
    regions = tuple(
        region.proven(UNWANTED, 0.0) if region.region in left_out else region
        for region in judgement.regions
    )
    rest = replace(judgement, regions=regions)
    # What is faint has no cues, and tells nothing by itself.
    clear = next((region for region in rest.undecided if "unexplained" in region.cues), None)
    if clear is not None:
        sentence = describe_movement(clear)
        return rest.relevant(clear.reason, sentence, rest.undecided, is_open=True)
    recognised = _recognised(found for objects in left_out.values() for found in objects)
    boxes = [_widened(found) for objects in left_out.values() for found in objects]
    faint = [
        blob
        for blob in burst.faint_beside_motion
        if not any(_is_within(blob.to_bbox(), box) for box in boxes)
    ]
    if faint:
        return doubt_faint(burst, rest, faint, recognised)
    kinds = frozenset[ObjectKind]().union(*(burst.kinds_in(region) for region in left_out))
    sentence = f"{recognised}, and you asked for {_asked_for(kinds)} alone."
    return doubt_unseen(burst, rest.nuisance(UNWANTED, sentence, burst.threshold, 0.0))


def _unwanted_in(
    burst: Burst, region: MotionRegion, objects: MovingObjects
) -> tuple[DetectedObject, ...]:
    """Return the unwanted objects that are all that moved in a region; none where more may be."""
    counting = burst.kinds_in(region)
    if counting.issuperset(ALL_KINDS) or not objects.was_looked_at(region):
        return ()
    if objects.score_in(region, counting) >= SUSPECTED_SCORE:
        return ()
    moved = burst.moved_within([region]) > 0
    recognised = tuple(
        found
        for frame, in_frame in enumerate(objects.by_frame)
        for found in in_frame
        if found.group not in counting
        and found.score >= CERTAIN_SCORE
        and share_covered(found, moved) >= MOVING_SHARE
        and not objects.is_standing(frame, found)
    )
    rest = moved.copy()
    for found in recognised:
        x1, y1, x2, y2 = _widened(found)
        rest[y1:y2, x1:x2] = False
    most = min(min_area_for(burst.motion.frame_dimensions), _SHARE_LEFT * np.count_nonzero(moved))
    return recognised if np.count_nonzero(rest) < most else ()


def _widened(found: DetectedObject) -> Box:
    across, down = round(_MARGIN * found.width), round(_MARGIN * found.height)
    x1, y1, x2, y2 = found.to_bbox()
    return max(0, x1 - across), max(0, y1 - down), x2 + across, y2 + down


def _is_within(inner: Box, outer: Box) -> bool:
    starts = zip(inner[:2], outer[:2], strict=True)
    ends = zip(inner[2:], outer[2:], strict=True)
    return all(inner_edge >= outer_edge for inner_edge, outer_edge in starts) and all(
        inner_edge <= outer_edge for inner_edge, outer_edge in ends
    )


def _recognised(found: Iterable[DetectedObject]) -> str:
    """Return who or what was recognised as the beginning of a sentence: "Only a car was ..."."""
    names = sorted({detected.class_name for detected in found})
    named = [f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in names]
    return f"Only {_listed(named)} {'was' if len(named) == 1 else 'were'} recognised"


def _asked_for(kinds: frozenset[ObjectKind]) -> str:
    return _listed([_WORDS[kind] for kind in ObjectKind if kind in kinds])


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
