"""Drawn scenes: the labels, masks and nuisances that the demo promises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from veroallarme_core.drawing import (
    DrawnEvent,
    Programme,
    draw_background,
    draw_event,
    draw_events,
    event_names,
)
from veroallarme_core.drawing.cast import pose_alone, pose_figure
from veroallarme_core.drawing.drawing import Stage
from veroallarme_core.drawing.perspective import Turn
from veroallarme_core.drawing.script import Script, drive, walk

SIZE = (288, 352)
CLOCK_ROWS = 24
"""Rows at the top that the burnt-in clock may change, at ``SIZE``."""
CAUSES = {
    "person",
    "car",
    "cat",
    "tree",
    "shadow",
    "rain",
    "infrared_switch",
    "headlights",
    "noise",
    "corrupt",
    "exposure",
    "insect",
    "nothing",
}
UNDAMAGED_MOVERS = [
    "person_in_the_drive",
    "car_turns_into_the_drive",
    "person_behind_the_fence",
    "cat_in_the_garden",
    "person_at_the_gate",
    "person_under_the_moving_tree",
    "person_in_the_garden",
    "person_in_the_rain",
    "person_at_dusk",
    "person_in_infrared",
    "cat_at_night",
]


@pytest.fixture(scope="module")
def events() -> dict[str, DrawnEvent]:
    """Every event of the programme by its name, in the order of the programme."""
    return {event.name: event for event in draw_events(7, SIZE)}


@pytest.fixture(scope="module")
def empty_events() -> dict[str, DrawnEvent]:
    """The same programme, but nobody comes."""
    return {event.name: event for event in draw_events(7, SIZE, with_movers=False)}


def grey(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Smooth brightness below the clock: noise and JPEG texture averaged away."""
    brightness = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(brightness, (0, 0), 1.0), np.float32)[CLOCK_ROWS:]


def change(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Absolute difference of the smooth brightness, in grey levels."""
    return np.abs(grey(first) - grey(second))


def correlation_after_gain(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Median over blocks of 16 x 16 pixels, structured ones only, of the local correlation."""
    found = []
    for y in range(0, first.shape[0] - 15, 16):
        for x in range(0, first.shape[1] - 15, 16):
            one = first[y : y + 16, x : x + 16].ravel()
            two = second[y : y + 16, x : x + 16].ravel()
            if one.std() > 6 and two.std() > 6:
                found.append(float(np.corrcoef(one, two)[0, 1]))
    assert len(found) > 30
    return float(np.median(found))


def test_names_are_unique_and_drawn_in_the_announced_order(events: dict[str, DrawnEvent]) -> None:
    assert len(set(event_names())) == len(event_names())
    assert tuple(events) == event_names()


def test_programme_shows_every_cause_and_is_balanced(events: dict[str, DrawnEvent]) -> None:
    assert {event.cause for event in events.values()} == CAUSES
    assert {event.camera for event in events.values()} == {"street", "garden"}
    relevant = sum(event.label == "relevant" for event in events.values())
    assert len(events) >= 24
    assert 0.4 <= relevant / len(events) <= 0.6


def test_every_event_is_three_frames_with_masks(events: dict[str, DrawnEvent]) -> None:
    for event in events.values():
        assert event.gap_s == 0.5
        assert len(event.frames) == len(event.masks) == 3
        for frame, mask in zip(event.frames, event.masks, strict=True):
            assert frame.shape == (*SIZE, 3)
            assert frame.dtype == np.uint8
            assert mask.shape == SIZE
            assert mask.dtype == np.bool_


def test_masks_follow_the_label(events: dict[str, DrawnEvent]) -> None:
    for event in events.values():
        is_relevant = event.label == "relevant"
        assert (event.cause in {"person", "car", "cat"}) == is_relevant
        assert [bool(mask.any()) for mask in event.masks] == [is_relevant] * 3, event.name


def test_movers_move(events: dict[str, DrawnEvent]) -> None:
    for event in events.values():
        if event.label == "irrelevant" or event.name == "person_despite_a_corrupt_frame":
            continue
        middles = [np.argwhere(mask).mean(axis=0) for mask in event.masks]
        for before, after in pairwise(middles):
            assert np.hypot(*(after - before)) > 2, event.name


def test_same_seed_draws_the_same_pictures(events: dict[str, DrawnEvent]) -> None:
    for again, _ in zip(draw_events(7, SIZE), range(4), strict=False):
        for first, second in zip(events[again.name].frames, again.frames, strict=True):
            np.testing.assert_array_equal(first, second)


def test_one_event_alone_is_the_same_as_in_the_programme(events: dict[str, DrawnEvent]) -> None:
    alone = draw_event("person_in_the_rain", 7, SIZE)
    for first, second in zip(events[alone.name].frames, alone.frames, strict=True):
        np.testing.assert_array_equal(first, second)


def test_another_seed_draws_other_leaves() -> None:
    first, second = draw_background(7, SIZE, "day"), draw_background(8, SIZE, "day")
    assert change(first, second).mean() > 3


@pytest.mark.parametrize("name", UNDAMAGED_MOVERS)
def test_mask_is_where_the_mover_changes_the_picture(
    name: str, events: dict[str, DrawnEvent], empty_events: dict[str, DrawnEvent]
) -> None:
    with_mover, without = events[name], empty_events[name]
    assert without.label == with_mover.label
    for frame, empty, mask in zip(with_mover.frames, without.frames, with_mover.masks, strict=True):
        colour_change = cv2.absdiff(frame, empty).max(axis=2)
        assert colour_change[mask].mean() > 18, name
        assert (colour_change[mask] > 8).mean() > 0.8, name
        beyond = cv2.dilate(mask.astype(np.uint8), np.ones((19, 19), np.uint8)) == 0
        brighter = frame.astype(np.int16).max(axis=2) - empty.max(axis=2)
        assert (brighter[beyond] > 30).mean() < 0.002, "only a shadow may reach beyond the mask"


def test_mover_casts_a_shadow_by_day(
    events: dict[str, DrawnEvent], empty_events: dict[str, DrawnEvent]
) -> None:
    name = "person_in_the_drive"
    empty = empty_events[name]
    frame, mask = events[name].frames[1], events[name].masks[1]
    fringe = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    darker = grey(empty.frames[1]) - grey(frame)
    assert (darker[fringe[CLOCK_ROWS:]] > 25).sum() > 60


def test_fence_hides_a_part_of_a_person(events: dict[str, DrawnEvent]) -> None:
    for behind, in_the_open in zip(
        events["person_behind_the_fence"].masks, events["person_at_the_gate"].masks, strict=True
    ):
        assert 0.3 < behind.sum() / in_the_open.sum() < 0.8


def test_tree_moves_and_the_rest_stands_still(events: dict[str, DrawnEvent]) -> None:
    light, strong = (
        change(*events[name].frames[:2]) > 12
        for name in ("tree_in_light_wind", "tree_in_strong_wind")
    )
    for moved in (light, strong):
        assert moved[:, : SIZE[1] // 2].mean() > 0.005
        assert moved[:, 2 * SIZE[1] // 3 :].mean() < 0.002
    strong_all = sum(change(*events["tree_in_strong_wind"].frames[i : i + 2]).sum() for i in (0, 1))
    light_all = sum(change(*events["tree_in_light_wind"].frames[i : i + 2]).sum() for i in (0, 1))
    assert strong_all > light_all


def test_nothing_moves_but_the_clock(events: dict[str, DrawnEvent]) -> None:
    for name in ("nothing_moves", "noise_at_night"):
        assert (change(*events[name].frames[:2]) > 25).mean() < 0.001, name


def test_clock_runs(events: dict[str, DrawnEvent]) -> None:
    for event in events.values():
        clocks = [frame[:CLOCK_ROWS].astype(np.int16) for frame in event.frames]
        assert np.abs(clocks[2] - clocks[0]).max() > 60, event.name


def test_night_noise_is_stronger_than_noise_by_day(events: dict[str, DrawnEvent]) -> None:
    def deviation(name: str) -> float:
        one, two, _ = (frame.astype(np.float32) for frame in events[name].frames)
        return float((one - two)[CLOCK_ROWS:].std())

    assert deviation("noise_at_night") > 2 * deviation("nothing_moves")


@pytest.mark.parametrize("name", ["cloud_shadow", "headlights_on_the_wall", "exposure_jump"])
def test_light_changes_keep_local_structure(name: str, events: dict[str, DrawnEvent]) -> None:
    first, last = grey(events[name].frames[0]), grey(events[name].frames[2])
    assert (np.abs(first - last) > 12).mean() > 0.05
    assert correlation_after_gain(first, last) > 0.9


def test_exposure_jump_brightens_nearly_everything(events: dict[str, DrawnEvent]) -> None:
    frames = events["exposure_jump"].frames
    assert change(frames[0], frames[1]).mean() < 2
    assert ((grey(frames[2]) - grey(frames[1])) > 8).mean() > 0.8


def test_infrared_switch_turns_colour_to_grey(events: dict[str, DrawnEvent]) -> None:
    before, _, after = (f.astype(np.int16) for f in events["infrared_switch"].frames)
    assert (np.ptp(before, axis=2) > 20).mean() > 0.2
    assert np.ptp(after, axis=2).max() <= 3
    assert change(*events["infrared_switch"].frames[1:]).mean() > 12


def test_infrared_events_are_grey_throughout(events: dict[str, DrawnEvent]) -> None:
    for name in ("noise_at_night", "person_in_infrared", "insect_at_the_lens", "cat_at_night"):
        for frame in events[name].frames:
            assert np.ptp(frame.astype(np.int16), axis=2).max() <= 3


def test_rain_is_many_thin_streaks(events: dict[str, DrawnEvent]) -> None:
    first, second, _ = events["rain_streaks"].frames
    changed = cv2.absdiff(first, second).max(axis=2)[CLOCK_ROWS:] > 25
    count, _, stats, _ = cv2.connectedComponentsWithStats(changed.astype(np.uint8))
    assert count > 30
    assert stats[1:, cv2.CC_STAT_AREA].max() < 0.01 * changed.size


def test_insect_is_one_large_bright_blur(events: dict[str, DrawnEvent]) -> None:
    first, second, _ = events["insect_at_the_lens"].frames
    brighter = (grey(second) - grey(first)) > 40
    assert 0.002 < brighter.mean() < 0.08


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("corrupt_green_band", 1),
        ("corrupt_macroblocks", 2),
        ("person_despite_a_corrupt_frame", 1),
    ],
)
def test_exactly_one_frame_is_corrupt(
    name: str, broken: int, events: dict[str, DrawnEvent]
) -> None:
    frames = events[name].frames
    sound = [frame for index, frame in enumerate(frames) if index != broken]
    assert (change(*sound) > 25).mean() < 0.02
    assert (change(frames[broken], sound[0]) > 25).mean() > 0.1


def test_bands_are_flat(events: dict[str, DrawnEvent]) -> None:
    height = SIZE[0]
    green = events["corrupt_green_band"].frames[1][height * 3 // 4 :]
    assert (green == (0, 135, 0)).all()
    hidden = events["person_despite_a_corrupt_frame"].frames[1][height * 3 // 4 :]
    assert (hidden == 128).all()


def test_mover_has_no_mask_where_the_picture_is_lost(events: dict[str, DrawnEvent]) -> None:
    event = events["person_despite_a_corrupt_frame"]
    lost = (event.frames[1] == 128).all(axis=2)
    assert not (event.masks[1] & lost).any()
    lowest_seen = np.flatnonzero(event.masks[1].any(axis=1))[-1]
    assert lowest_seen == np.flatnonzero(lost.mean(axis=1) > 0.99)[0] - 1


@pytest.mark.parametrize("camera", ["street", "garden"])
@pytest.mark.parametrize("light", ["day", "dusk", "infrared"])
def test_background_is_the_scene_without_anybody(light: str, camera: str) -> None:
    picture = draw_background(7, SIZE, light, camera)  # type: ignore[arg-type]
    assert picture.shape == (*SIZE, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 15, "a scene, not a flat card"


def test_background_by_day_agrees_with_a_still_event(events: dict[str, DrawnEvent]) -> None:
    difference = change(draw_background(7, SIZE, "day"), events["nothing_moves"].frames[0])
    assert difference.max() < 20


@pytest.mark.parametrize("size", [(120, 160), (240, 430), (480, 640)])
def test_other_sizes_show_the_mover(size: tuple[int, int]) -> None:
    event = draw_event("person_in_the_drive", 7, size)
    for frame, mask in zip(event.frames, event.masks, strict=True):
        assert frame.shape == (*size, 3)
        assert 0.0005 < mask.mean() < 0.05


@pytest.mark.parametrize("size", [(575, 704), (576, 703), (96, 160), (1440, 2560)])
def test_bad_size_is_refused_with_its_value_and_the_remedy(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"{size[0]} x {size[1]}.*choose even numbers"):
        draw_events(7, size)


def test_unknown_names_are_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'dragon'.*person_in_the_drive"):
        draw_event("dragon", 7, SIZE)
    with pytest.raises(ValueError, match=r"'moon'.*infrared"):
        draw_background(7, SIZE, "moon")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'cellar'.*street"):
        draw_background(7, SIZE, "day", "cellar")


@pytest.fixture(scope="module")
def stage() -> Stage:
    """The street at the size of these tests."""
    return Stage("street", 7, SIZE)


def test_a_mover_alone_is_drawn_as_in_its_place(stage: Stage) -> None:
    pose = walk((1.15, 8.1), -108)(0)
    alone, placed = pose_alone(stage.place.view, pose), pose_figure(stage.place, pose)
    assert alone is not None
    assert placed is not None
    assert alone.window == placed.window
    assert np.array_equal(alone.cover, placed.cover)
    assert pose_alone(stage.place.view, walk((500.0, 8.0), 0)(0)) is None


def test_who_goes_by_in_the_street_is_seen_but_not_relevant(stage: Stage) -> None:
    car = drive((-4, 17.4, 0), (2, 17.4, 0), (6, 17.4, 0), colour="#d9dcdd")
    quiet = Script(name="quiet", cause="nothing", clock="10:00:00")
    passing = Script(name="passing", cause="street", clock="10:00:00", passers=(car,))
    empty, event = stage.play(quiet, 0), stage.play(passing, 0)
    assert event.label == "irrelevant"
    assert not any(mask.any() for mask in event.masks)
    for before, after in zip(empty.frames, event.frames, strict=True):
        assert (change(before, after) > 10).sum() > 100


def test_a_camera_aimed_to_the_left_sees_things_further_right(stage: Stage) -> None:
    turned = Stage("street", 7, SIZE, Turn(yaw_deg=-8.0))
    gate = (1.6, 12.0, 0.0)
    was, now = (place.view.project(gate)[0] for place in (stage.place, turned.place))
    assert now[0] - was[0] > 20
    assert abs(now[1] - was[1]) < 5


def test_programme_is_the_same_every_time_and_as_if_drawn_alone() -> None:
    programme = Programme(7, (120, 160))
    for _ in range(2):
        for event, alone in zip(programme.events(), draw_events(7, (120, 160)), strict=True):
            assert event.name == alone.name
            for frame, other in zip(event.frames, alone.frames, strict=True):
                np.testing.assert_array_equal(frame, other)
    for camera in programme.cameras:
        picture = draw_background(7, (120, 160), camera=camera)
        np.testing.assert_array_equal(programme.background(camera), picture)


def test_threads_draw_side_by_side() -> None:
    with ThreadPoolExecutor(4) as threads:
        programme = Programme(7, (120, 160))
        drawn = list(threads.map(programme.background, ["street", "garden"] * 2))
    np.testing.assert_array_equal(drawn[0], drawn[2])
    np.testing.assert_array_equal(drawn[1], draw_background(7, (120, 160), camera="garden"))
