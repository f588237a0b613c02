"""What one more zone would have done to the past, and which events moved inside one."""

from dataclasses import replace

import pytest

from tests.zone_suggestions.past import (
    CAR_IN_THE_DRIVE,
    CAR_IN_THE_STREET,
    HEIGHT,
    PERSON_IN_THE_DRIVE,
    STREET,
    WIDTH,
    event,
)
from veroallarme_core.contract import Zone, ZoneKind
from veroallarme_core.zone_suggestions import Box, effect_of, moved_inside, zone_around


def around(pixels: tuple[int, int, int, int], kind: ZoneKind = ZoneKind.IGNORE) -> Zone:
    x, y, width, height = pixels
    box = Box(x=x / WIDTH, y=y / HEIGHT, width=width / WIDTH, height=height / HEIGHT)
    return zone_around(box, kind, {"Ignored 1"})


def test_a_zone_around_one_region_has_a_name_of_its_own():
    assert around(CAR_IN_THE_STREET).name == "Ignored 2"
    assert around(CAR_IN_THE_STREET, ZoneKind.ALWAYS).name == "Always 1"


def test_a_zone_that_always_alerts_may_be_large():
    assert around((0, 0, WIDTH, HEIGHT), ZoneKind.ALWAYS).points[2] == (1.0, 1.0)
    with pytest.raises(ValueError, match="too large"):
        around((0, 0, WIDTH, HEIGHT))


def test_what_moved_inside_a_zone():
    street = around(STREET, ZoneKind.ALWAYS)
    assert moved_inside(street, event(0, CAR_IN_THE_STREET))
    assert moved_inside(street, event(0, PERSON_IN_THE_DRIVE, CAR_IN_THE_STREET))
    assert not moved_inside(street, event(0, PERSON_IN_THE_DRIVE))
    assert not moved_inside(street, event(0))


def test_a_zone_to_ignore_tells_which_alarms_it_would_have_spared():
    thumbs = (None, True, False, None)
    cars = [
        replace(event(number, CAR_IN_THE_STREET), thumb=thumb)
        for number, thumb in enumerate(thumbs)
    ]
    both = event(5, CAR_IN_THE_STREET, PERSON_IN_THE_DRIVE)
    effect = effect_of(around(CAR_IN_THE_STREET), [*cars, both, event(6)], zones=())
    assert (effect.looked_at, effect.changed) == (5, 4)
    assert (effect.confirmed, effect.rejected) == (1, 1)


def test_what_a_zone_spares_already_is_no_effect_of_another():
    zone = around(CAR_IN_THE_STREET)
    effect = effect_of(zone, [event(0, CAR_IN_THE_STREET)], zones=(zone,))
    assert (effect.looked_at, effect.changed) == (0, 0)


def test_a_zone_that_always_alerts_tells_what_it_would_have_raised():
    quiet = [
        replace(event(number, box), is_alarm=False, thumb=False)
        for number, box in enumerate((CAR_IN_THE_DRIVE, CAR_IN_THE_STREET, CAR_IN_THE_STREET))
    ]
    zone = around(STREET, ZoneKind.ALWAYS)
    effect = effect_of(zone, [*quiet, event(9, CAR_IN_THE_STREET)], zones=())
    assert (effect.looked_at, effect.changed, effect.rejected) == (3, 2, 2)


@pytest.mark.parametrize("kind", [ZoneKind.IGNORE, ZoneKind.ALWAYS])
def test_without_a_past_there_is_no_effect(kind):
    effect = effect_of(around(CAR_IN_THE_STREET, kind), [], zones=())
    assert (effect.looked_at, effect.changed) == (0, 0)
