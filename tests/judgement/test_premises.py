"""Where motion counts: a mover counts where it stands, by its moving pixels and not by its box."""

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import Zone
from veroallarme_core.judgement.premises import Premises
from veroallarme_core.motion_detection.detector import (
    MotionDetectionResult,
    MotionDetector,
    min_area_for,
)

SIZE = (288, 352)
LEFT = Zone(name="left", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
TOP = Zone(name="top", points=((0, 0), (1, 0), (1, 0.1), (0, 0.1)))


def moved(*boxes: tuple[int, int, int, int]) -> MotionDetectionResult:
    """Let boxes (x, y, width, height) appear on an even ground."""
    before = np.full((*SIZE, 3), 90, np.uint8)
    after: NDArray[np.uint8] = before.copy()
    for x, y, width, height in boxes:
        after[y : y + height, x : x + width] = 230
    return MotionDetector(min_area=min_area_for(SIZE)).detect_motion([before, after])


def test_without_zones_everything_counts() -> None:
    motion = moved((20, 60, 20, 40), (300, 60, 20, 40))
    assert Premises.of((), SIZE).split(motion) == (motion.motion_regions, ())


def test_regions_are_parted_by_the_zone() -> None:
    motion = moved((20, 60, 20, 40), (300, 60, 20, 40))
    counted, outside = Premises.of((LEFT,), SIZE).split(motion)
    assert [region.x < 176 for region in counted] == [True]
    assert [region.x > 176 for region in outside] == [True]


def test_one_of_several_zones_suffices() -> None:
    motion = moved((20, 60, 20, 40), (300, 2, 20, 20))
    assert len(Premises.of((LEFT, TOP), SIZE).split(motion)[0]) == 2


def test_who_stands_over_the_border_counts_by_the_pixels_inside() -> None:
    enough = min_area_for(SIZE) // 2 + 2
    premises = Premises.of((LEFT,), SIZE)
    assert len(premises.split(moved((176 - 4, 60, 60, enough)))[0]) == 1
    assert premises.split(moved((177, 60, 60, 4)))[0] == (), "a leaf over the border"


def test_the_box_of_a_mover_does_not_decide() -> None:
    """The box of a diagonal beam covers the zone, none of its pixels does."""
    before = np.full((*SIZE, 3), 90, np.uint8)
    after = before.copy()
    cv2.line(after, (190, 280), (340, 10), (230, 230, 230), 9)
    motion = MotionDetector(min_area=min_area_for(SIZE)).detect_motion([before, after])
    corner = Zone(name="corner", points=((0.55, 0), (0.7, 0), (0.7, 0.3), (0.55, 0.3)))
    assert Premises.of((corner,), SIZE).split(motion) == ((), motion.motion_regions)
