"""In which frame a mover is, and where the same one is in another frame."""

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.training.bursts import write_event
from veroallarme_training.datasets.mover_views import find_views
from veroallarme_training.moving_events import load_moving_events

PLACES = [(20, 40), (70, 40), (120, 40)]


@pytest.fixture
def moving(tmp_path):
    write_event(tmp_path / "e0", PLACES)
    (moving,) = load_moving_events(tmp_path).events
    return moving


def views(moving):
    return find_views(moving, range(moving.region_count), moving.read_all_frames())


def test_a_mover_is_seen_where_a_frame_differs_from_the_background(moving):
    found = views(moving)
    assert moving.region_count == 3
    at = {view.region: moving.motion.regions[view.region].x for view in found.movers}
    for view in found.movers:
        assert abs(at[view.region] - PLACES[view.frame][0]) < 10
    assert len(found.movers) == 3
    assert len(found.empty) == 6


def test_the_same_mover_is_found_in_another_frame(moving):
    found = views(moving)
    for view in found.movers:
        match = found.match(view)
        assert match.frame != view.frame


def test_without_a_match_the_view_stands_for_itself(moving):
    found = views(moving)
    alone = type(found)(found.movers[:1], ())
    assert alone.match(found.movers[0]) is found.movers[0]


def test_the_clearest_view_differs_most(moving):
    found = views(moving)
    assert found.clearest.difference == max(view.difference for view in found.movers)


def test_of_two_frames_either_may_show_it(tmp_path):
    write_event(tmp_path / "e0", PLACES[:2])
    (moving,) = load_moving_events(tmp_path).events
    found = views(moving)
    assert {(view.region, view.frame) for view in found.movers} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert found.empty == ()
