"""Kinds that do not count: left out where they are all that moved, and never when in doubt."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.drawn import draw_yard
from veroallarme_core.contract import ObjectKind, State, Zone, ZoneKind
from veroallarme_core.description import DetectedObject, MovingObjects
from veroallarme_core.judgement import (
    UNWANTED,
    Burst,
    BurstJudgement,
    Premises,
    add_faint,
    judge_by_rules,
    leave_out_unwanted,
)
from veroallarme_core.judgement.unwanted import SUSPECTED_SCORE
from veroallarme_core.motion_detection import (
    MotionDetectionResult,
    MotionDetector,
    min_area_for,
)

SIZE = (288, 352)
PEOPLE = (ObjectKind.PERSON,)
CAR = (60, 120, 90, 50)
"""x, y, width, height."""
CAT = (260, 60, 24, 18)

Box = tuple[int, int, int, int]


def motion_of(
    *boxes: Box, band_from: int = SIZE[0], faint: tuple[Box, ...] = ()
) -> MotionDetectionResult:
    """Let boxes appear in a yard, some faintly; from a row on the second frame never came."""
    rng = np.random.default_rng(3)
    before = draw_yard(*SIZE)
    # A live picture is never the same to the last pixel.
    after: NDArray[np.uint8] = before + rng.integers(0, 2, before.shape, dtype=np.uint8)
    for x, y, width, height in boxes:
        after[y : y + height, x : x + width] = rng.integers(
            180, 250, (height, width, 3), dtype=np.uint8
        )
    for x, y, width, height in faint:
        after[y : y + height, x : x + width] += 14
    after[band_from:] = (0, 135, 0)
    return MotionDetector(min_area=min_area_for(SIZE)).detect_motion([before, after])


def found(name: str, score: float, box: Box) -> DetectedObject:
    return DetectedObject(name, score, *box)


def judge(
    motion: MotionDetectionResult,
    *seen: DetectedObject,
    kinds: tuple[ObjectKind, ...] = PEOPLE,
    zones: tuple[Zone, ...] = (),
    before: tuple[DetectedObject, ...] = (),
) -> BurstJudgement:
    """Judge a burst in whose last frame the detector has seen something."""
    burst = Burst(motion, premises=Premises.of(zones, SIZE, kinds))
    objects = MovingObjects("by-heart", (before, seen), ((0, 0, SIZE[1], SIZE[0]),))
    return leave_out_unwanted(burst, judge_by_rules(burst), objects)


def test_a_car_alone_is_left_out_where_people_count() -> None:
    judgement = judge(motion_of(CAR), found("car", 0.8, CAR))
    assert (judgement.state, judgement.reason, judgement.score) == (
        State.IRRELEVANT,
        UNWANTED,
        0.0,
    )
    assert judgement.explanation == "Only a car was recognised, and you asked for people alone."
    assert [region.reason for region in judgement.regions] == [UNWANTED]
    assert all(region.is_proven for region in judgement.regions)
    assert not judgement.undecided


def test_a_sentence_names_all_that_was_recognised_and_asked_for() -> None:
    judgement = judge(
        motion_of(CAR, CAT),
        found("car", 0.8, CAR),
        found("elephant", 0.7, CAT),
        kinds=(ObjectKind.PERSON,),
    )
    assert judgement.explanation == (
        "Only a car and an elephant were recognised, and you asked for people alone."
    )
    asked = judge(motion_of(CAR), found("car", 0.8, CAR), kinds=tuple(ObjectKind)[:2])
    assert asked.explanation.endswith("and you asked for people and animals alone.")


@pytest.mark.parametrize("kinds", [tuple(ObjectKind), (ObjectKind.VEHICLE,)])
def test_nothing_changes_where_vehicles_count(kinds: tuple[ObjectKind, ...]) -> None:
    motion = motion_of(CAR)
    judgement = judge(motion, found("car", 0.8, CAR), kinds=kinds)
    assert judgement == judge_by_rules(Burst(motion))


@pytest.mark.parametrize("kinds", [PEOPLE, (ObjectKind.PERSON, ObjectKind.ANIMAL)])
@pytest.mark.parametrize(
    "seen",
    [
        pytest.param([], id="nothing is recognised"),
        pytest.param([found("car", 0.49, CAR)], id="a car, but not for certain"),
        pytest.param([found("person", 0.9, CAR)], id="somebody"),
        pytest.param(
            [found("car", 0.95, CAR), found("person", SUSPECTED_SCORE, (90, 125, 15, 40))],
            id="a car, and faintly somebody before it",
        ),
        pytest.param(
            [found("car", 0.95, CAR), found("person", SUSPECTED_SCORE, (145, 100, 15, 40))],
            id="a car, and faintly somebody at its side",
        ),
        pytest.param([found("car", 0.95, (60, 120, 40, 50))], id="a car that is half of it"),
        pytest.param([found("car", 0.95, (200, 20, 90, 50))], id="a car elsewhere"),
    ],
)
def test_when_in_doubt_it_stays(seen: list[DetectedObject], kinds: tuple[ObjectKind, ...]) -> None:
    motion = motion_of(CAR)
    assert judge(motion, *seen, kinds=kinds) == judge_by_rules(Burst(motion))


def test_somebody_beside_a_car_whom_the_detector_does_not_see_stays() -> None:
    """The region is larger than the car: what sticks out is more than nothing."""
    beside = (CAR[0] + CAR[2] - 2, CAR[1], 22, 45)
    motion = motion_of(CAR, beside)
    assert len(motion.motion_regions) == 1
    judgement = judge(motion, found("car", 0.95, CAR))
    assert judgement.state is State.RELEVANT
    assert judgement == judge_by_rules(Burst(motion))


def test_somebody_apart_from_a_car_stays_alone() -> None:
    walker = (250, 100, 16, 40)
    judgement = judge(motion_of(CAR, walker), found("car", 0.95, CAR))
    assert judgement.state is State.RELEVANT
    assert judgement.reason == "moved"
    assert [region.reason for region in judgement.regions] == ["moved", UNWANTED]
    assert judgement.undecided[0].region.x >= 248
    # The car, which was the larger one, is not told of any more.
    assert "about 18x42 pixels" in judgement.explanation


def test_who_is_hardly_seen_apart_from_a_car_is_left_to_the_memory() -> None:
    motion = motion_of(CAR, faint=((250, 150, 15, 40),))
    assert len(motion.motion_regions) == 1
    judgement = judge(motion, found("car", 0.95, CAR))
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "faint_change")
    assert judgement.explanation.startswith("Only a car was recognised, but near (2")
    assert judgement.undecided
    assert all(one.region.x > 235 for one in judgement.undecided)
    assert [one.reason for one in judgement.proven] == [UNWANTED]
    # Looked for once more, it is not found twice.
    burst = Burst(motion, premises=Premises.of((), SIZE, PEOPLE))
    assert add_faint(burst, judgement) is judgement


def test_who_is_hardly_seen_where_motion_always_alerts_is_left_to_nobody() -> None:
    door = Zone(name="door", kind=ZoneKind.ALWAYS, points=((0.7, 0.5), (0.9, 0.5), (0.9, 0.9)))
    motion = motion_of(CAR, faint=((250, 150, 15, 40),))
    judgement = judge(motion, found("car", 0.95, CAR), zones=(door,))
    assert judgement.state is State.UNKNOWN
    assert not judgement.is_open


def test_who_is_hardly_seen_stays_where_the_clear_ones_are_left_out_later() -> None:
    """The memory has asked for what is faint before the car was recognised."""
    motion = motion_of(CAR, faint=((250, 150, 15, 40),))
    burst = Burst(motion, premises=Premises.of((), SIZE, PEOPLE))
    seen = MovingObjects("by-heart", ((), (found("car", 0.9, CAR),)), ((0, 0, 352, 288),))
    judgement = leave_out_unwanted(burst, add_faint(burst, judge_by_rules(burst)), seen)
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "faint_change")
    assert {one.reason for one in judgement.undecided} == {"faint_change"}


def test_a_zone_may_have_kinds_of_its_own() -> None:
    """Cars count in the drive, and people alone in the rest of the yard."""
    yard = Zone(name="yard", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)), objects=PEOPLE)
    drive = Zone(name="drive", points=((0.5, 0), (1, 0), (1, 1), (0.5, 1)))
    there = (CAR[0] + 180, *CAR[1:])
    kinds = tuple(ObjectKind)
    left_out = judge(motion_of(CAR), found("car", 0.9, CAR), zones=(yard, drive), kinds=kinds)
    assert left_out.reason == UNWANTED
    assert left_out.explanation.endswith("you asked for people alone.")
    for box in (there, (130, *CAR[1:])):
        counting = judge(motion_of(box), found("car", 0.9, box), zones=(yard, drive), kinds=kinds)
        assert counting.state is State.RELEVANT, "it is in the drive, or reaches into it"


def test_somebody_who_passes_before_a_parked_car_stays() -> None:
    """Most of the car is as it was: it is not the car that moved."""
    passing = (90, 125, 20, 44)
    motion = motion_of(passing)
    assert judge(motion, found("car", 0.95, CAR)).state is State.RELEVANT
    # Were all of it to change, the car would still stand where it stood before.
    parked = found("car", 0.6, CAR)
    motion = motion_of(CAR)
    assert judge(motion, found("car", 0.95, CAR), before=(parked,)).state is State.RELEVANT


def test_what_was_not_looked_at_closely_stays() -> None:
    motion = motion_of(CAR)
    burst = Burst(motion, premises=Premises.of((), SIZE, PEOPLE))
    seen = MovingObjects("by-heart", ((), (found("car", 0.9, CAR),)), ((0, 0, 100, 100),))
    rules = judge_by_rules(burst)
    assert leave_out_unwanted(burst, rules, seen) == rules


def test_where_motion_always_alerts_a_car_does() -> None:
    gate = Zone(name="gate", kind=ZoneKind.ALWAYS, points=((0, 0), (1, 0), (1, 1), (0, 1)))
    judgement = judge(motion_of(CAR), found("car", 0.9, CAR), zones=(gate,))
    assert (judgement.state, judgement.reason) == (State.RELEVANT, "always_zone")


def test_what_stands_still_and_what_cannot_be_judged_stay_as_they_are() -> None:
    judgement = judge(motion_of(), found("car", 0.9, CAR))
    assert judgement.state is State.UNKNOWN
    assert judgement.reason == "no_reference"


def test_a_threshold_of_nought_lets_everything_pass() -> None:
    motion = motion_of(CAR)
    burst = Burst(motion, threshold=0.0, premises=Premises.of((), SIZE, PEOPLE))
    seen = MovingObjects("by-heart", ((), (found("car", 0.9, CAR),)), ((0, 0, 352, 288),))
    assert leave_out_unwanted(burst, judge_by_rules(burst), seen).state is State.RELEVANT


def test_much_corruption_leaves_it_unknown() -> None:
    """Somebody may stand where the frames are corrupt."""
    motion = motion_of(CAR, band_from=210)
    assert judge_by_rules(Burst(motion)).reason == "moved"
    judgement = judge(motion, found("car", 0.9, CAR))
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "too_much_damage")
