"""Tracks: places that recur, a perspective that holds, and movers of the size it asks for."""

from itertools import pairwise

import numpy as np
import pytest

from tests.drawn import burst_of, draw_yard
from veroallarme_core.adaptation.intruder_tracks import (
    choose_place,
    choose_shown,
    choose_stand,
    plan_track,
)
from veroallarme_core.adaptation.sprites import Sprite

SIZE = (288, 352)
FRAMES = burst_of(*[draw_yard(*SIZE)] * 3)
PLACES = np.zeros((6, 8))
PLACES[4, 5], PLACES[2, 1] = 3.0, 1.0


def rngs(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


def test_busy_places_are_chosen_by_their_weight():
    rng = np.random.default_rng(1)
    found = [choose_place(SIZE, rng, PLACES, is_busy=True) for _ in range(400)]
    assert all(place.is_recurring for place in found)
    cells = [(int(p.row / SIZE[0] * 6), int(p.column / SIZE[1] * 8)) for p in found]
    assert set(cells) == {(4, 5), (2, 1)}
    assert cells.count((4, 5)) == pytest.approx(300, abs=40)


@pytest.mark.parametrize("places", [None, np.zeros((6, 8)), PLACES])
def test_other_places_are_anywhere(places):
    rng = np.random.default_rng(1)
    found = [choose_place(SIZE, rng, places, is_busy=False) for _ in range(200)]
    assert np.ptp([place.row for place in found]) > 0.9 * SIZE[0]
    assert np.ptp([place.column for place in found]) > 0.9 * SIZE[1]
    assert sum(place.is_recurring for place in found) < 20


@pytest.mark.parametrize("places", [None, np.zeros((6, 8)), PLACES])
def test_places_are_chosen_inside_an_area(places):
    within = np.zeros(SIZE, np.uint8)
    within[: SIZE[0] // 3, SIZE[1] // 2 :] = 255
    rng = np.random.default_rng(1)
    for is_busy in (True, False):
        for _ in range(200):
            place = choose_place(SIZE, rng, places, is_busy=is_busy, within=within)
            # To the whole cell.
            assert place.row < SIZE[0] * (1 / 3 + 1 / 6)
            assert place.column >= SIZE[1] / 2 - 1


def test_busy_places_are_those_of_the_area():
    """Where it is busiest of all lies outside; inside the right half is busier."""
    places = np.zeros((6, 8))
    places[:, :4] = 5.0
    places[5, 7] = 1.0
    within = np.zeros(SIZE, np.uint8)
    within[:, SIZE[1] // 2 :] = 255
    rng = np.random.default_rng(1)
    found = [choose_place(SIZE, rng, places, is_busy=True, within=within) for _ in range(50)]
    assert all(place.is_recurring for place in found)
    assert all(place.row >= SIZE[0] * 5 / 6 - 1 for place in found)
    assert all(place.column >= SIZE[1] * 7 / 8 - 1 for place in found)


def test_sizes_are_log_uniform_below_a_plausible_horizon():
    rng = np.random.default_rng(1)
    stands = []
    for _ in range(3000):
        place = choose_place(SIZE, rng, None, is_busy=False)
        stand = choose_stand(SIZE, rng, place, "person", is_small=False)
        if stand is not None:
            assert -0.12 * SIZE[0] < stand.horizon < 0.45 * SIZE[0]
            assert stand.foot - stand.height_px / 2 == pytest.approx(place.row)
            stands.append(stand)
    tall = np.array([stand.height_px for stand in stands])
    assert tall.min() < 20
    assert 100 < tall.max() <= SIZE[0] / 2
    rows = np.array([stand.foot for stand in stands])
    assert np.corrcoef(rows, np.log(tall))[0, 1] > 0.4


def test_distant_people_are_small():
    rng = np.random.default_rng(1)
    stands = [
        choose_stand(
            SIZE, rng, choose_place(SIZE, rng, None, is_busy=False), "person", is_small=True
        )
        for _ in range(300)
    ]
    tall = [stand.height_px for stand in stands if stand is not None]
    assert len(tall) > 50
    assert min(tall) >= 12
    assert max(tall) <= 17


def test_most_shown_frames_begin_or_end_the_burst():
    shown = [choose_shown(3, rng) for rng in rngs(100)]
    assert all(frames.start == 0 or frames.stop == 3 for frames in shown)
    assert {tuple(frames) for frames in shown} == {(0,), (0, 1), (0, 1, 2), (1, 2), (2,)}
    assert choose_shown(1, np.random.default_rng(1)) == range(1)


def test_drawn_people_are_as_tall_as_the_perspective_says():
    ratios = []
    for rng in rngs(60):
        track = plan_track(FRAMES, rng, None, None, is_small=False, is_busy=False)
        if track is None or track.kind != "person":
            continue
        for placed in filter(None, track.placed):
            rows = np.flatnonzero((placed.sprite.alpha > 0.5).any(axis=1))
            if placed.top > 0 and placed.top + placed.sprite.alpha.shape[0] < SIZE[0] and len(rows):
                ratios.append(len(rows))
    assert len(ratios) > 10
    assert min(ratios) > 8
    assert max(ratios) < 0.8 * SIZE[0]


def test_a_cut_sprite_grows_towards_the_camera():
    sprite = Sprite(
        np.ones((60, 30, 3), np.float32), np.ones((60, 30), np.float32), "cut", foot=200.0
    )
    compared = 0
    for rng in rngs(80):
        track = plan_track(FRAMES, rng, None, sprite, is_small=False, is_busy=False)
        shown = [placed for placed in track.placed if placed] if track else []
        sizes = [(item.top + len(item.sprite.alpha), len(item.sprite.alpha)) for item in shown]
        for (foot, tall), (other_foot, other_tall) in pairwise(sizes):
            if abs(foot - other_foot) > 3:
                assert (foot > other_foot) == (tall > other_tall) or abs(tall - other_tall) <= 1
                compared += 1
    assert compared > 10


def test_only_who_counts_at_a_place_appears():
    """People count in the upper half, animals in the lower one."""

    def counts(kind, row, column):
        return kind == ("person" if row < SIZE[0] / 2 else "animal")

    seen = {}
    for rng in rngs(200):
        is_small = bool(rng.random() < 0.3)
        track = plan_track(FRAMES, rng, None, None, is_small=is_small, is_busy=False, counts=counts)
        if track is not None:
            tops = [placed.top + len(placed.sprite.alpha) / 2 for placed in track.placed if placed]
            seen.setdefault(track.kind, []).append(np.median(tops))
    assert set(seen) == {"person", "pet"}
    assert np.median(seen["person"]) < SIZE[0] / 2 < np.median(seen["pet"])


def test_nobody_appears_where_nothing_counts():
    sprite = Sprite(
        np.ones((60, 30, 3), np.float32), np.ones((60, 30), np.float32), "vehicle", foot=200.0
    )
    for rng in rngs(20):
        for cut, kind in ((None, "nothing"), (sprite, "person")):
            track = plan_track(
                FRAMES,
                rng,
                None,
                cut,
                is_small=False,
                is_busy=False,
                counts=lambda asked, row, column, kind=kind: asked == kind,
            )
            assert track is None


def test_movers_move_and_sometimes_stand():
    steps = []
    for rng in rngs(150):
        track = plan_track(FRAMES, rng, None, None, is_small=True, is_busy=False)
        if track and all(track.placed):
            steps += [abs(one.left - other.left) for one, other in pairwise(track.placed)]
    assert np.median(steps) > 6
    assert min(steps) <= 2
