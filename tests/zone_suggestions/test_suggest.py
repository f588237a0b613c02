"""What is suggested, and above all what is not: people, near cars, what the user has confirmed."""

from dataclasses import replace

import numpy as np
import pytest

from tests.zone_suggestions.past import (
    CAR_IN_THE_DRIVE,
    PERSON_IN_THE_DRIVE,
    STREET,
    WIDTH,
    car_at,
    event,
    recurrence,
    seen,
    street_and_drive,
)
from veroallarme_core.contract import Zone, ZoneKind
from veroallarme_core.zone_suggestions import FEWEST_EVENTS, History, suggest_zones
from veroallarme_core.zone_suggestions.canvas import Canvas
from veroallarme_core.zone_suggestions.ignored_area import IgnoredArea
from veroallarme_core.zone_suggestions.outline import MAX_CORNERS

DRIVE = (100, 170, 260, 180)
BUSY = recurrence(STREET, DRIVE)


def covers(zone: Zone, x: float, y: float) -> bool:
    """Tell whether a zone covers a point in pixels of the drawn place."""
    canvas = Canvas((360, 480))
    rows, columns = canvas.shape
    return bool(canvas.drawn(zone)[int(y / 360 * rows), int(x / 480 * columns)])


def test_a_street_is_suggested_with_its_evidence() -> None:
    events = street_and_drive(cars=60, people=20)
    (found,) = suggest_zones(History(events=events, recurrence=BUSY))
    assert found.zone.kind is ZoneKind.IGNORE
    assert 3 <= len(found.zone.points) <= MAX_CORNERS
    assert all(0 <= share <= 1 for point in found.zone.points for share in point)
    assert covers(found.zone, 240, 85)
    assert not covers(found.zone, 240, 250), "the drive"
    evidence = found.evidence
    assert (evidence.events, evidence.alarms) == (80, 80)
    assert evidence.since == events[0].motion_at
    assert evidence.moving_share == 1.0
    assert 50 <= evidence.suppressed <= 60, "all that moved in them was a car in the street"
    assert (evidence.confirmed, evidence.rejected) == (0, 0)
    assert f"suppressed {evidence.suppressed} of 80 alarms" in found.sentence
    assert "none that you called relevant" in found.sentence


def with_edges() -> np.ndarray:
    """Return the street's map, with strips behind and before it in which less moves."""
    edges = recurrence((0, 24, WIDTH, 36), (0, 120, WIDTH, 36), share=0.1)
    return np.maximum(edges, recurrence(STREET))


def test_what_moves_now_and_then_behind_a_street_belongs_to_it() -> None:
    """The tops of vans and the far lane; before it may be the drive, however seldom it moves."""
    events = street_and_drive()
    (found,) = suggest_zones(History(events=events, recurrence=with_edges()))
    assert covers(found.zone, 240, 36)
    assert not covers(found.zone, 240, 5), "behind, but nothing moves there"
    assert not covers(found.zone, 240, 145), "before the street"
    (sooner,) = suggest_zones(History(events=events, recurrence=recurrence(STREET)))
    assert not covers(sooner.zone, 240, 36)


def test_where_people_come_behind_a_street_stays_out() -> None:
    visitor = (220, 26, 30, 30)
    events = street_and_drive()
    events += [event(200 + n, car_at(n), objects=(seen(visitor),)) for n in range(5)]
    for found in suggest_zones(History(events=events, recurrence=with_edges())):
        assert not covers(found.zone, 235, 48)


def test_counted_is_what_the_zone_would_do_to_each_event() -> None:
    events = street_and_drive()
    (found,) = suggest_zones(History(events=events, recurrence=BUSY))
    canvas = Canvas((360, 480))
    area = IgnoredArea(canvas, canvas.drawn(found.zone))
    assert found.evidence.suppressed == sum(area.suppresses(one) for one in events)


def test_corrupt_pictures_spare_nothing() -> None:
    """Who stands where all frames but one are corrupt shows in no region."""
    events = [replace(one, is_whole=False) for one in street_and_drive()]
    assert suggest_zones(History(events=events, recurrence=BUSY)) == []


def test_both_sides_of_a_house_are_weighed_together() -> None:
    """Two cars in every event: ignoring one side alone would spare nothing."""
    left, right = (0, 60, 180, 60), (320, 60, 160, 60)
    events = [
        event(n, (10 + 23 * n % 110, 70, 60, 30), (330 + 17 * n % 80, 70, 60, 30))
        for n in range(80)
    ]
    history = History(events=events, recurrence=recurrence(left, right))
    suggested = suggest_zones(history)
    assert [one.zone.name for one in suggested] == ["Suggested 1", "Suggested 2"]
    assert all(one.evidence.suppressed >= 60 for one in suggested)
    # The first one taken, the other one still spares as much; what one side alone spares is none.
    (other,) = suggest_zones(history, [suggested[0].zone])
    assert other.evidence.suppressed >= 60


@pytest.mark.parametrize(
    "somebody",
    [seen(PERSON_IN_THE_DRIVE), seen(CAR_IN_THE_DRIVE, "vehicle")],
    ids=["people", "near cars"],
)
def test_where_somebody_comes_nothing_is_suggested_however_busy(somebody: dict) -> None:
    box = (somebody["x"], somebody["y"], somebody["width"], somebody["height"])
    events = [event(number, box, objects=(somebody,)) for number in range(60)]
    assert suggest_zones(History(events=events, recurrence=recurrence(DRIVE))) == []


def test_small_cars_behind_do_not_keep_a_street_from_being_suggested() -> None:
    events = [
        event(number, car_at(number), objects=(seen(car_at(number), "vehicle"),))
        for number in range(60)
    ]
    assert len(suggest_zones(History(events=events, recurrence=BUSY))) == 1


def test_people_recognised_in_the_street_keep_it_from_being_suggested() -> None:
    walker = (200, 75, 14, 40)
    events = street_and_drive()
    events += [event(100 + n, (60 + 20 * n, 75, 14, 40), objects=(seen((60 + 20 * n, 75, 14, 40)),))
               for n in range(15)]  # fmt: skip
    for found in suggest_zones(History(events=events, recurrence=BUSY)):
        assert not covers(found.zone, walker[0], 110)


def test_nothing_hides_what_the_user_called_relevant() -> None:
    delivery = (300, 72, 60, 30)
    events = street_and_drive()
    events += [event(200, delivery, thumb=True), event(201, delivery, thumb=False)]
    for found in suggest_zones(History(events=events, recurrence=BUSY)):
        assert found.evidence.confirmed == 0
        assert not covers(found.zone, 330, 90)


def test_thumbs_down_are_told() -> None:
    events = street_and_drive()
    events[3] = event(3, car_at(3), thumb=False)
    events[7] = event(7, car_at(7), thumb=False)
    (found,) = suggest_zones(History(events=events, recurrence=BUSY))
    assert found.evidence.rejected == 2
    assert "2 that you called irrelevant" in found.sentence


def test_what_ranks_high_is_to_be_looked_at() -> None:
    events = street_and_drive()
    events[5] = event(5, car_at(5), score=0.99)
    (found,) = suggest_zones(History(events=events, recurrence=BUSY))
    assert found.evidence.to_look_at == 1
    assert list(found.evidence.look_at) == [events[5].event_id]


def test_what_does_not_count_already_is_not_suggested_again() -> None:
    history = History(events=street_and_drive(), recurrence=BUSY)
    (found,) = suggest_zones(history)
    (other,) = suggest_zones(
        history,
        [Zone(name="Suggested 1", kind=ZoneKind.ALWAYS, points=((0, 0.9), (1, 0.9), (1, 1)))],
    )
    assert (found.zone.name, other.zone.name) == ("Suggested 1", "Suggested 2")
    street = Zone(
        name="street", kind=ZoneKind.IGNORE, points=((0, 0.1), (1, 0.1), (1, 0.4), (0, 0.4))
    )
    assert suggest_zones(history, [street]) == []
    drive = Zone(name="drive", points=((0, 0.45), (1, 0.45), (1, 1), (0, 1)))
    assert suggest_zones(history, [drive]) == []
    always = Zone(name="gate", kind=ZoneKind.ALWAYS, points=((0, 0), (1, 0), (1, 0.4), (0, 0.4)))
    assert suggest_zones(history, [always]) == []


def test_a_few_events_suggest_nothing() -> None:
    events = street_and_drive(cars=FEWEST_EVENTS - 2, people=1)
    assert suggest_zones(History(events=events, recurrence=BUSY)) == []


def test_what_moves_everywhere_suggests_at_most_half_of_the_picture() -> None:
    rng = np.random.default_rng(0)
    events = [
        event(number, (int(rng.integers(0, WIDTH - 60)), int(rng.integers(0, 300)), 60, 60))
        for number in range(300)
    ]
    everywhere = recurrence((0, 0, 480, 360))
    canvas = Canvas((360, 480))
    covered = canvas.empty()
    for found in suggest_zones(History(events=events, recurrence=everywhere)):
        covered |= canvas.drawn(found.zone)
    assert covered.mean() <= 0.5


def test_a_place_that_moves_only_together_with_others_spares_nothing() -> None:
    """A gate that swings whenever somebody comes is no nuisance by itself."""
    gate = (20, 200, 60, 100)
    events = [event(n, gate, PERSON_IN_THE_DRIVE) for n in range(60)]
    suggested = suggest_zones(History(events=events, recurrence=recurrence(gate)))
    assert suggested == []
