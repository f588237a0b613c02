"""What the detector finds counts where it moved, in whole frames and around the regions."""

import numpy as np
import pytest

from veroallarme_core.contract import ObjectKind
from veroallarme_core.description import DetectedObject, MovingObjects, find_moving_objects
from veroallarme_core.description.moving_objects import CROPPED_REGIONS
from veroallarme_core.drawing import draw_event
from veroallarme_core.judgement import judge_motion
from veroallarme_core.motion_detection import MotionRegion
from veroallarme_core.pictures import DecodedFrame
from veroallarme_core.pipeline import find_motion


def found(name, score, box):
    return DetectedObject(name, score, *box)


class Drawer:
    """A detector that knows by heart what whole frames and crops show."""

    name = "by-heart"

    def __init__(self, whole, in_crops=()):
        self.whole, self.in_crops, self.calls = whole, in_crops, []

    def detect(self, frames, *, size, min_score):
        self.calls.append((len(frames), size))
        return tuple(self.in_crops if size == 224 else self.whole for _ in frames)


@pytest.fixture(scope="module")
def motion():
    frames = draw_event("person_in_the_drive").frames
    return find_motion([DecodedFrame(frame) for frame in frames])


@pytest.fixture(scope="module")
def regions(motion):
    return [judged.region for judged in judge_motion(motion).undecided]


def look(detector, motion, regions):
    return find_moving_objects(detector, motion, motion.motion_mask, regions)


def box_of(region):
    return region.x, region.y, region.width, region.height


def test_who_moves_is_found_and_who_stands_still_is_not(motion, regions):
    still = next(
        (x, y, 20, 20)
        for y in range(0, motion.frame_dimensions[0] - 20, 20)
        for x in range(0, motion.frame_dimensions[1] - 20, 20)
        if not motion.motion_mask[y : y + 20, x : x + 20].any()
    )
    whole = (found("person", 0.8, box_of(regions[0])), found("car", 0.9, still))
    objects = look(Drawer(whole), motion, regions)
    assert objects.detector == "by-heart"
    assert objects.score_in(regions[0]) == 0.8
    assert [seen.class_name for seen in objects.told] == ["person"]
    assert len(objects.by_frame) == len(motion.frames)


def test_nothing_found_is_no_score(motion, regions):
    objects = look(Drawer(()), motion, regions)
    assert objects.score_in(regions[0]) == 0.0
    assert objects.told == ()
    assert objects.clearest_frame is None


def region_at(x, y, width=20, height=40):
    return MotionRegion(x, y, width, height, 500, (x + width // 2, y + height // 2))


def test_the_first_regions_are_looked_at_closely(motion):
    many = [region_at(80 * number, 20 + 160 * (number % 3)) for number in range(8)]
    assert len(many) > CROPPED_REGIONS
    detector = Drawer(())
    objects = look(detector, motion, many)
    frames = len(motion.frames)
    assert detector.calls == [(frames, 320), (frames * CROPPED_REGIONS, 224)]
    seen = [objects.was_looked_at(region) for region in many]
    assert seen[:CROPPED_REGIONS] == [True] * CROPPED_REGIONS
    assert not seen[-1]


def test_who_is_recognised_already_is_not_looked_at_again(motion):
    known, other = region_at(60, 100), region_at(500, 300)
    moved = np.full_like(motion.motion_mask, 255)
    people = (found("person", 0.6, box_of(known)), found("person", 0.4, box_of(other)))
    detector = Drawer(people)
    objects = find_moving_objects(detector, motion, moved, [known, other])
    assert len(objects.squares) == 1
    assert objects.was_looked_at(other)
    # A kind that does not count is no reason not to look who else is there.
    alone = find_moving_objects(
        Drawer(people), motion, moved, [known], kinds_in=lambda region: {ObjectKind.ANIMAL}
    )
    assert alone.was_looked_at(known)


def test_regions_side_by_side_share_a_square(motion):
    beside = [region_at(300, 200), region_at(325, 205)]
    assert len(look(Drawer(()), motion, beside).squares) == 1
    # In the square of something large what is small would hardly show.
    within = [region_at(150, 100, 400, 300), region_at(300, 200)]
    assert len(look(Drawer(()), motion, within).squares) == 2


def test_a_second_look_asks_for_what_is_new_alone(motion):
    first, second = region_at(60, 100), region_at(500, 300)
    moved = np.full_like(motion.motion_mask, 255)
    detector = Drawer((found("person", 0.4, box_of(second)),))
    earlier = find_moving_objects(detector, motion, np.zeros_like(moved), [first])
    assert earlier.score_in(second) == 0.0  # where nothing moved yet
    detector.calls.clear()
    later = find_moving_objects(detector, motion, moved, [first, second], earlier=earlier)
    assert detector.calls == [(len(motion.frames), 224)]
    assert later.score_in(second) == 0.4
    assert later.was_looked_at(first)
    assert later.was_looked_at(second)


def test_what_a_crop_shows_lies_where_it_is_in_the_frame(motion):
    x, y = 300, 200
    region = MotionRegion(x, y, 20, 40, 500, (x + 10, y + 20))
    detector = Drawer((), (found("person", 0.7, (70, 60, 20, 40)),))
    moved = np.full_like(motion.motion_mask, 255)
    objects = find_moving_objects(detector, motion, moved, [region])
    seen = objects.by_frame[0][0]
    # The square is 160 px wide, with the region in its middle.
    assert (seen.x, seen.y) == (x + 10 - 80 + 70, y + 20 - 80 + 60)


def test_what_is_found_twice_is_one(motion, regions):
    twice = (found("person", 0.6, box_of(regions[0])), found("person", 0.8, box_of(regions[0])))
    objects = look(Drawer(twice), motion, regions)
    assert [seen.score for seen in objects.told] == [0.8]


def test_only_kinds_that_count_are_asked_for(motion, regions):
    box = box_of(regions[0])
    objects = look(Drawer((found("car", 0.9, box), found("cat", 0.4, box))), motion, regions)
    assert objects.score_in(regions[0]) == 0.9
    assert objects.score_in(regions[0], [ObjectKind.ANIMAL, ObjectKind.PERSON]) == 0.4
    assert objects.score_in(regions[0], frozenset([ObjectKind.PERSON])) == 0.0
    assert objects.best_in(regions[0], ("animal",)).class_name == "cat"


def test_what_no_square_holds_was_not_looked_at_closely(motion, regions):
    objects = look(Drawer(()), motion, regions)
    assert objects.was_looked_at(regions[0])
    height, width = motion.frame_dimensions
    assert not objects.was_looked_at(MotionRegion(0, 0, width, height, 9, (9, 9)))


def test_what_is_at_the_same_place_in_another_frame_stands():
    car, other = (found(name, 0.9, (50, 50, 80, 40)) for name in ("car", "cat"))
    same = found("bus", 0.9, (53, 50, 80, 40))
    gone = found("car", 0.9, (90, 50, 80, 40))
    assert MovingObjects("by-heart", ((car,), (same,))).is_standing(0, car)
    for objects in ((), (gone,), (other,)):
        assert not MovingObjects("by-heart", ((car,), objects)).is_standing(0, car)


def test_a_verdict_tells_of_one_frame_only():
    seen = [found("person", score, (10, 10, 20, 40)) for score in (0.4, 0.9, 0.2)]
    objects = MovingObjects("by-heart", tuple((person,) for person in seen))
    assert objects.clearest_frame == 1
    assert [person.score for person in objects.told] == [0.9]
    assert [person.score for person in objects.certain(0.4)] == [0.4, 0.9]
