"""What is computed once of each frame to compare it as a whole."""

import cv2
import numpy as np

from tests.drawn import draw_yard
from veroallarme_core.motion_detection.global_change import (
    find_change_between,
    find_global_change,
)
from veroallarme_core.motion_detection.whole_picture import PLACES, WholePicture

YARD = draw_yard(360, 480)
EVERYWHERE = np.full(YARD.shape[:2], 255, np.uint8)


def test_everywhere_valid_is_as_undamaged() -> None:
    whole = WholePicture(YARD)
    assert abs(whole.chroma_within(None) - whole.chroma_within(EVERYWHERE)) < 1e-6
    places = (whole.places_within(None), whole.places_within(EVERYWHERE))
    np.testing.assert_allclose(*places, atol=1e-3)
    corners = (whole.corners_within(None), whole.corners_within(EVERYWHERE))
    np.testing.assert_array_equal(*corners)


def test_places_are_means_of_the_grey_picture() -> None:
    grey = cv2.cvtColor(YARD, cv2.COLOR_BGR2GRAY)[:352]
    whole = WholePicture(np.ascontiguousarray(YARD[:352]))
    expected = grey.reshape(PLACES, 22, PLACES, 30).mean(axis=(1, 3)).ravel()
    np.testing.assert_allclose(whole.places_within(None), expected, atol=1e-2)


def test_damaged_places_are_not_known() -> None:
    valid = EVERYWHERE.copy()
    valid[:180] = 0
    places = WholePicture(YARD).places_within(valid).reshape(PLACES, PLACES)
    assert np.isnan(places[:8]).all()
    assert np.isfinite(places[8:]).all()


def test_wide_frame_is_compared_at_a_fraction() -> None:
    wide = np.repeat(np.repeat(YARD, 4, axis=0), 4, axis=1)
    whole = WholePicture(wide)
    assert whole.factor == 4
    np.testing.assert_array_equal(whole.grey, WholePicture(YARD).grey)


def test_coarse_corners_lie_on_structure() -> None:
    picture = np.full((360, 480, 3), 90, np.uint8)
    for x in range(40, 440, 60):
        for y in range(40, 320, 60):
            cv2.rectangle(picture, (x, y), (x + 24, y + 24), (200, 200, 200), -1)
    corners = WholePicture(picture).coarse_corners_within(None)
    assert len(corners) > 24
    edges = cv2.dilate(cv2.Canny(picture, 50, 100), np.ones((17, 17), np.uint8))
    assert all(edges[round(y), round(x)] for x, y in corners.tolist())


def test_coarse_corners_keep_out_of_damage() -> None:
    valid = EVERYWHERE.copy()
    valid[:180] = 0
    corners = WholePicture(YARD).coarse_corners_within(valid)
    assert len(corners) > 24
    assert corners[:, 1].min() >= 180


def test_damage_hides_no_shake_and_makes_none() -> None:
    rng = np.random.default_rng(5)
    moved = np.asarray(
        cv2.warpAffine(YARD, np.float32([[1, 0, 4], [0, 1, -3]]), (480, 360)), np.uint8
    )
    valid = EVERYWHERE.copy()
    valid[280:] = 0
    still, shaken = YARD.copy(), moved.copy()
    for picture in (still, shaken):
        picture[280:] = rng.integers(0, 255, (80, 480, 3), np.uint8)
    assert find_global_change(YARD, still, valid) is None
    change = find_global_change(YARD, shaken, valid)
    assert change is not None
    np.testing.assert_allclose(change.shift_px, (4, -3), atol=0.3)


def test_the_same_frame_answers_for_both_its_neighbours() -> None:
    moved = np.asarray(
        cv2.warpAffine(YARD, np.float32([[1, 0, 4], [0, 1, -3]]), (480, 360)), np.uint8
    )
    first, second = WholePicture(YARD), WholePicture(moved)
    for before, after in ((first, second), (second, first), (first, first)):
        change = find_change_between(before, after)
        alone = find_global_change(
            YARD if before is first else moved, YARD if after is first else moved
        )
        assert change == alone
        assert (change is None) == (before is after)


def test_tiny_frames_have_no_corners() -> None:
    assert len(WholePicture(np.zeros((1, 1, 3), np.uint8)).coarse_corners_within(None)) == 0
