"""Zones around what raised the alarm of one event."""

import pytest

from tests.zone_suggestions.past import (
    CAR_IN_THE_DRIVE,
    CAR_IN_THE_STREET,
    HEIGHT,
    WIDTH,
    event,
)
from veroallarme_core.contract import ZoneKind
from veroallarme_core.zone_suggestions import NothingToIgnoreError, zones_around


def test_a_zone_lies_around_what_moved_and_a_little_further():
    (zone,) = zones_around(event(0, CAR_IN_THE_STREET), taken_names=())
    assert zone.kind is ZoneKind.IGNORE
    assert zone.name == "Ignored 1"
    x, y, width, height = CAR_IN_THE_STREET
    across = [point[0] * WIDTH for point in zone.points]
    down = [point[1] * HEIGHT for point in zone.points]
    assert x - width / 2 < min(across) < x
    assert x + width < max(across) < x + 1.5 * width
    assert y - height / 2 < min(down) < y
    assert y + height < max(down) < y + 1.5 * height


def test_what_is_apart_gets_a_zone_of_its_own_and_what_touches_one_together():
    beside = (CAR_IN_THE_STREET[0] + 70, 72, 30, 20)
    zones = zones_around(event(0, CAR_IN_THE_STREET, CAR_IN_THE_DRIVE, beside), {"Ignored 1"})
    assert [zone.name for zone in zones] == ["Ignored 2", "Ignored 3"]


def test_a_zone_stays_in_the_picture():
    (zone,) = zones_around(event(0, (0, 0, 60, 40)), taken_names=())
    assert min(share for point in zone.points for share in point) == 0.0


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ((), "nothing"),
        (((10, 10, 400, 300),), "too large"),
        (tuple((90 * number, 60 * number, 20, 20) for number in range(4)), "too large"),
    ],
)
def test_what_no_zone_helps_against_is_refused(boxes, reason):
    with pytest.raises(NothingToIgnoreError, match=reason):
        zones_around(event(0, *boxes), taken_names=())
