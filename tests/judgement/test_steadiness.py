"""The strict test behind every proof that nothing came."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.drawn import Picture, add_noise, draw_yard
from veroallarme_core.judgement import steadiness
from veroallarme_core.judgement.steadiness import (
    FAINTEST_STEP,
    change_beyond_light,
    find_faint_change,
    shows_clear_change,
    shows_structure,
)
from veroallarme_core.motion_detection import MotionDetector, PairChange, min_area_for

YARD = draw_yard(288, 352)
EVERYWHERE = np.full((288, 352), 255, np.uint8)


def pair(before: Picture, after: Picture) -> PairChange:
    detector = MotionDetector(min_area=min_area_for((288, 352)))
    return detector.detect_motion([add_noise(before, 1), add_noise(after, 2)]).pairs[0]


def brighter(picture: Picture, x: int, y: int, width: int, height: int, step: int) -> Picture:
    shown = picture.astype(np.int16)
    shown[y : y + height, x : x + width] += step
    return np.clip(shown, 0, 255).astype(np.uint8)


def test_noise_is_no_change() -> None:
    assert find_faint_change(pair(YARD, YARD)) is None


@pytest.mark.parametrize("step", [-40, -16, 16, 40])
def test_a_faint_figure_is_found_where_it_stands(step: int) -> None:
    found = find_faint_change(pair(YARD, brighter(YARD, 200, 100, 8, 22, step)))
    assert found is not None
    (blob,) = found.blobs
    x1, y1, x2, y2 = blob.to_bbox()
    assert 190 <= x1 <= 204 <= x2 <= 218
    assert 90 <= y1 <= 110 <= y2 <= 132
    assert 0.4 * 8 * 22 < blob.area < 3 * 8 * 22


def test_smooth_light_is_no_change() -> None:
    ramp = np.linspace(-22, 22, 352, dtype=np.float32)[None, :, None]
    lit = np.clip(YARD * 1.08 + ramp, 0, 255).astype(np.uint8)
    assert find_faint_change(pair(YARD, lit)) is None
    assert find_faint_change(pair(YARD, brighter(lit, 200, 100, 8, 22, 30))) is not None


@pytest.mark.parametrize("size", [(1080, 1920), (722, 1283)])
def test_light_of_a_large_picture_is_that_of_the_small_one(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    height, width = size
    ramp = np.linspace(-22, 22, width, dtype=np.float32)[None, :, None]
    yard = draw_yard(height, width)
    lit = np.clip(brighter(yard, 400, 300, 22, 60, 25) * 1.08 + ramp, 0, 255).astype(np.uint8)
    pictures = (add_noise(yard, 1), add_noise(lit, 2))
    before, after = (np.asarray(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), np.uint8) for p in pictures)
    left = change_beyond_light(before, after)
    monkeypatch.setattr(steadiness, "_LIGHT_WIDTH", width)
    at_full_size = change_beyond_light(before, after)
    difference = np.abs(left - at_full_size)
    assert difference.mean() < 0.2
    assert np.percentile(difference, 99.9) < 2.0 < FAINTEST_STEP / 4
    assert np.abs(left[305:355, 404:418]).mean() > FAINTEST_STEP, "who came is no light"


def test_what_covers_the_view_is_no_light() -> None:
    """A van is as bright as the ground behind it: light of no contrast would show the same."""
    covered = np.asarray(cv2.GaussianBlur(YARD, (0, 0), 10), np.uint8)
    assert find_faint_change(pair(YARD, covered)) is not None
    half = YARD.copy()
    half[:, 100:250] = covered[:, 100:250]
    assert find_faint_change(pair(YARD, half)) is not None


def test_only_what_lies_within_counts() -> None:
    changed = pair(YARD, brighter(YARD, 200, 100, 8, 22, 40))
    within = EVERYWHERE.copy()
    within[:, 180:230] = 0
    assert find_faint_change(changed, within) is None
    assert find_faint_change(changed, np.zeros_like(within)) is None


def test_corrupt_places_are_no_light_of_their_neighbours() -> None:
    corrupt = YARD.copy()
    corrupt[160:, 200:] = 255 - corrupt[160:, 200:]
    sound = pair(YARD, corrupt)
    valid = EVERYWHERE.copy()
    valid[150:, 190:] = 0
    masked = PairChange(0, 1, sound.before, sound.after, sound.mask, valid, sound.difference)
    assert find_faint_change(masked) is None


def test_flat_pictures_leave_nothing() -> None:
    flat = np.full((40, 60), 90, np.uint8)
    assert not change_beyond_light(flat, flat).any()
    assert np.abs(change_beyond_light(flat, flat + 30)).max() < FAINTEST_STEP


@pytest.mark.parametrize("step", [0, 6, 10, 14, 20, 30, 60])
@pytest.mark.parametrize("height", [12, 30, 90])
def test_what_is_clear_at_a_glance_is_found_in_full(step: int, height: int) -> None:
    yard = add_noise(draw_yard(576, 704), seed=1)
    changed = brighter(add_noise(draw_yard(576, 704), seed=2), 300, 240, height // 3, height, step)
    compared = pair(yard, changed)
    if shows_clear_change(compared):
        assert find_faint_change(compared) is not None
        assert step > 10
    else:
        assert step < 60 or height < 30


def test_glance_looks_within_alone_and_leaves_corrupt_frames_to_the_full_search() -> None:
    yard = draw_yard(576, 704)
    compared = pair(yard, brighter(yard, 300, 240, 40, 120, 60))
    within = np.full(yard.shape[:2], 255, np.uint8)
    assert shows_clear_change(compared, within)
    within[200:400, 250:400] = 0
    assert not shows_clear_change(compared, within)
    assert not shows_clear_change(compared, np.zeros_like(within))
    valid = compared.valid.copy()
    valid[:16, :16] = 0
    assert not shows_clear_change(replace(compared, valid=valid))


@pytest.mark.parametrize("level", [0, 5, 128, 255])
def test_a_covered_lens_shows_nothing(level: int) -> None:
    grey = cv2.cvtColor(add_noise(np.full_like(YARD, level), 3), cv2.COLOR_BGR2GRAY)
    assert not shows_structure(np.asarray(grey, np.uint8), EVERYWHERE)


def test_a_scene_shows_something_even_in_the_dark() -> None:
    grey = np.asarray(cv2.cvtColor(add_noise(YARD, 3), cv2.COLOR_BGR2GRAY), np.uint8)
    assert shows_structure(grey, EVERYWHERE)
    assert shows_structure((grey // 4).astype(np.uint8), EVERYWHERE)
    assert not shows_structure(grey, np.zeros_like(grey))
