"""Events in which something moved, and the map of their regions."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.training.bursts import (
    write_broken_event,
    write_camera,
    write_event,
    write_still_event,
)
from veroallarme_training.moving_events import MAX_REGIONS, MovingEvent, load_moving_events


@pytest.fixture
def found(tmp_path):
    write_camera(tmp_path, 2)
    write_event(tmp_path / "three", [(20, 40), (70, 40), (120, 40)])
    write_broken_event(tmp_path / "broken")
    write_still_event(tmp_path / "still")
    return load_moving_events(tmp_path)


def test_says_what_was_found_and_left_out(found):
    text = str(found)
    assert text.startswith("3 events with ")
    assert "; 1 without motion; 1 broken, the first: " in text


def test_the_map_holds_every_region(found):
    for moving in found.events:
        numbers = moving.region_map()
        for number, region in enumerate(moving.motion.regions, start=1):
            own = numbers == number
            assert int(own.sum()) == region.area
            rows, columns = np.nonzero(own)
            assert (columns.min(), rows.min()) == (region.x, region.y)
        assert np.array_equal(numbers > 0, moving.motion.motion_mask > 0)


def test_a_region_of_another_area_is_found_by_its_box(found):
    moving = found.events[-1]
    regions = (replace(moving.motion.regions[0], area=1), *moving.motion.regions[1:])
    other = MovingEvent.found(moving.event, replace(moving.motion, regions=regions))
    assert np.array_equal(other.region_map(), moving.region_map())


def test_a_gust_of_regions_is_cut_off(found):
    moving = found.events[0]
    many = replace(moving.motion, regions=moving.motion.regions * 20)
    assert MovingEvent.found(moving.event, many).region_count == MAX_REGIONS


def test_a_part_keeps_the_count_of_what_was_left_out(found):
    part = found.only([found.events[0].event])
    assert (len(part.events), part.still, len(part.skipped)) == (1, 1, 1)
