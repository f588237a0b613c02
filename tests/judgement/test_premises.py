"""Where motion counts: a mover counts where it stands, by its moving pixels and not by its box."""

import dataclasses

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from veroallarme_core.contract import ObjectKind, Zone, ZoneKind
from veroallarme_core.judgement.premises import BORDER, Premises
from veroallarme_core.motion_detection import (
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
    parted = Premises.of((), SIZE).split(motion)
    assert (parted.counted, parted.outside) == (motion.motion_regions, ())
    assert parted.moved is motion.motion_mask


def test_regions_are_parted_by_the_zone() -> None:
    motion = moved((20, 60, 20, 40), (300, 60, 20, 40))
    parted = Premises.of((LEFT,), SIZE).split(motion)
    assert [region.x < 176 for region in parted.counted] == [True]
    assert [region.x > 176 for region in parted.outside] == [True]
    assert parted.moved[80, 30]
    assert not parted.moved[:, 176:].any()


def test_one_of_several_zones_suffices() -> None:
    motion = moved((20, 60, 20, 40), (300, 2, 20, 20))
    assert len(Premises.of((LEFT, TOP), SIZE).split(motion).counted) == 2


def test_who_stands_over_the_border_counts_by_the_pixels_inside() -> None:
    enough = min_area_for(SIZE) // 2 + 2
    premises = Premises.of((LEFT,), SIZE)
    border = round(BORDER * SIZE[1])
    assert len(premises.split(moved((176 - border - 4, 60, 60, enough))).counted) == 1
    assert premises.split(moved((177, 60, 60, 4))).counted == (), "a leaf over the border"


@pytest.mark.parametrize("inside", [1, 3, 5])
def test_what_only_touches_the_border_lies_outside(inside: int) -> None:
    """Nobody draws a zone to the pixel: a car in the street reaches a little into the drive."""
    motion = moved((176 - inside, 60, 80, 60))
    parted = Premises.of((LEFT,), SIZE).split(motion)
    assert (parted.counted, parted.outside) == ((), motion.motion_regions)
    assert parted.beyond is not None
    assert parted.beyond[90, 176 - inside], "what it does inside is the car's as well"


def test_who_is_small_and_mostly_inside_the_border_counts() -> None:
    [person] = Premises.of((LEFT,), SIZE).split(moved((170, 60, 8, 20))).counted
    assert person.width >= 8


def test_the_box_of_a_mover_does_not_decide() -> None:
    """The box of a diagonal beam covers the zone, none of its pixels does."""
    before = np.full((*SIZE, 3), 90, np.uint8)
    after = before.copy()
    cv2.line(after, (190, 280), (340, 10), (230, 230, 230), 9)
    motion = MotionDetector(min_area=min_area_for(SIZE)).detect_motion([before, after])
    corner = Zone(name="corner", points=((0.55, 0), (0.7, 0), (0.7, 0.3), (0.55, 0.3)))
    parted = Premises.of((corner,), SIZE).split(motion)
    assert (parted.counted, parted.outside) == ((), motion.motion_regions)
    assert not parted.moved.any()


def test_who_stands_at_the_border_before_a_tree_outside_is_parted_from_it() -> None:
    """One region of Stage 1: a person inside, a large tree that begins right behind."""
    motion = moved((160, 100, 16, 30), (176, 20, 150, 200))
    [both] = motion.motion_regions
    parted = Premises.of((LEFT,), SIZE).split(motion)
    [person], [tree] = parted.counted, parted.outside
    assert (abs(person.x - 160), abs(person.y - 100)) <= (2, 2)
    assert person.x + person.width <= 177
    assert person.height < 40
    assert tree.x >= 176
    assert tree.area < both.area
    assert not parted.moved[:, 177:].any()


def test_who_has_only_the_feet_inside_counts_as_a_whole() -> None:
    field = zone("field", ZoneKind.ONLY, (0, 0.5), (1, 0.5), (1, 1), (0, 1))
    motion = moved((100, 144 - 20, 16, 32))
    parted = Premises.of((field,), SIZE).split(motion)
    assert (parted.counted, parted.outside) == (motion.motion_regions, ())


def test_two_who_reach_over_the_border_beside_each_other_stay_two() -> None:
    """A hedge outside joins them into one region."""
    motion = moved((166, 60, 30, 20), (166, 200, 30, 20), (180, 20, 160, 240))
    assert len(motion.motion_regions) == 1
    parted = Premises.of((LEFT,), SIZE).split(motion)
    assert sorted(region.y > 150 for region in parted.counted) == [False, True]
    assert len(parted.outside) == 1


def test_pixels_of_another_region_in_the_box_do_not_make_it_count() -> None:
    """A frame around the zone has a mover in its middle: the mover counts, the frame does not."""
    before = np.full((*SIZE, 3), 90, np.uint8)
    after = before.copy()
    cv2.line(after, (40, 280), (340, 20), (230, 230, 230), 9)
    after[180:200, 270:290] = 230
    motion = MotionDetector(min_area=min_area_for(SIZE)).detect_motion([before, after])
    corner = zone("corner", ZoneKind.ONLY, (0.7, 0.55), (1, 0.55), (1, 1), (0.7, 1))
    parted = Premises.of((corner,), SIZE).split(motion)
    assert [region.x > 260 for region in parted.counted] == [True]
    assert len(parted.outside) == 1


# --- kinds ---------------------------------------------------------------------------------------


def zone(name: str, kind: ZoneKind, *points: tuple[float, float]) -> Zone:
    return Zone(name=name, kind=kind, points=points)


RIGHT = zone("right", ZoneKind.IGNORE, (0.5, 0), (1, 0), (1, 1), (0.5, 1))
GATE = zone("gate", ZoneKind.ALWAYS, (0.4, 0.5), (0.6, 0.5), (0.6, 1), (0.4, 1))
UPPER_LEFT, LOWER_LEFT, AT_GATE, LOWER_RIGHT = (20, 40), (20, 200), (190, 200), (300, 200)


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ((), {UPPER_LEFT, LOWER_LEFT, AT_GATE, LOWER_RIGHT}),
        ((LEFT,), {UPPER_LEFT, LOWER_LEFT}),
        ((RIGHT,), {UPPER_LEFT, LOWER_LEFT}),
        ((GATE,), {UPPER_LEFT, LOWER_LEFT, AT_GATE, LOWER_RIGHT}),
        ((LEFT, RIGHT, GATE), {UPPER_LEFT, LOWER_LEFT, AT_GATE}),
        ((GATE, RIGHT), {UPPER_LEFT, LOWER_LEFT, AT_GATE}),
        ((dataclasses.replace(LEFT, kind=ZoneKind.IGNORE), LEFT), set()),
    ],
)
def test_kinds_add_and_subtract(zones: tuple[Zone, ...], expected: set[tuple[int, int]]) -> None:
    places = (UPPER_LEFT, LOWER_LEFT, AT_GATE, LOWER_RIGHT)
    motion = moved(*((x, y, 16, 30) for x, y in places))
    parted = Premises.of(zones, SIZE).split(motion)
    near = {region: (region.x, region.y) for region in motion.motion_regions}
    counted = {
        place
        for place in places
        for region in parted.counted
        if abs(near[region][0] - place[0]) < 4 and abs(near[region][1] - place[1]) < 4
    }
    assert counted == expected
    assert len(parted.counted) + len(parted.outside) == len(places)


def test_what_alerts_by_its_place_is_told_by_its_own_pixels() -> None:
    motion = moved((20, 200, 16, 30), (190, 200, 16, 30))
    premises = Premises.of((GATE,), SIZE)
    [region] = premises.always_alerting(motion, motion.motion_regions)
    assert region.x > 176
    assert Premises.of((LEFT,), SIZE).always_alerting(motion, motion.motion_regions) == ()


def test_intruders_are_tried_where_something_is_judged() -> None:
    def area(*zones: Zone) -> float:
        judged = Premises.of(zones, SIZE).judged
        return 1.0 if judged is None else float(np.mean(judged > 0))

    assert area() == 1.0
    assert area(LEFT) == pytest.approx(0.5, abs=0.01)
    assert area(GATE) == pytest.approx(0.9, abs=0.01)
    assert area(LEFT, GATE) == pytest.approx(0.45, abs=0.01)
    everywhere = zone("all", ZoneKind.ALWAYS, (0, 0), (1, 0), (1, 1), (0, 1))
    assert area(LEFT, everywhere) == 1.0, "nothing is left to judge, so what alerts is tried"


# --- what counts ------------------------------------------------------------------------------

PEOPLE = (ObjectKind.PERSON,)
RIGHT = dataclasses.replace(LEFT, points=((0.5, 0), (1, 0), (1, 1), (0.5, 1)), objects=PEOPLE)


def kinds_of(premises: Premises, *box: int) -> set[ObjectKind]:
    motion = moved((box[0], box[1], box[2], box[3]))
    (region,) = motion.motion_regions
    return set(premises.kinds_in(motion, region))


def test_without_zones_of_their_own_the_kinds_of_the_camera_count() -> None:
    for zones in ((), (LEFT,), (dataclasses.replace(LEFT, kind=ZoneKind.ALWAYS, objects=PEOPLE),)):
        premises = Premises.of(zones, SIZE, (ObjectKind.ANIMAL,))
        assert kinds_of(premises, 20, 60, 20, 40) == {ObjectKind.ANIMAL}
        assert premises.counts_at("animal", 60.0, 20.0)
        assert not premises.counts_at("person", 60.0, 20.0)
    assert kinds_of(Premises.of((), SIZE), 20, 60, 20, 40) == set(ObjectKind)


def test_the_kinds_of_all_zones_count_that_a_mover_reaches_into() -> None:
    premises = Premises.of((LEFT, RIGHT), SIZE, (ObjectKind.VEHICLE,))
    assert kinds_of(premises, 20, 60, 20, 40) == {ObjectKind.VEHICLE}
    assert kinds_of(premises, 300, 60, 20, 40) == {ObjectKind.PERSON}
    assert kinds_of(premises, 166, 60, 20, 40) == {ObjectKind.PERSON, ObjectKind.VEHICLE}
    # A leaf over the border is not enough.
    assert kinds_of(premises, 178, 60, 40, 40) == {ObjectKind.PERSON}
    assert premises.counts_at("vehicle", 287.0, 10.0)
    assert premises.counts_at("person", 0.0, 351.0)
    assert not premises.counts_at("vehicle", 0.0, 351.0)
