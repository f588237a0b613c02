"""Stage 1: frames in, regions, damage and global changes out."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.drawn import burst_of, draw_green_band, draw_person, draw_yard, encode
from veroallarme_core.motion_detection import (
    MotionDetector,
    MotionRegion,
    detect_motion_from_paths,
    min_area_for,
)
from veroallarme_core.motion_detection.comparison import local_correlation
from veroallarme_core.motion_detection.damage import DamageKind
from veroallarme_core.motion_detection.global_change import GlobalChangeKind
from veroallarme_core.motion_detection.motion_picture import MOTION_BGR
from veroallarme_core.pictures.frames import DecodedFrame, FrameError

YARD = draw_yard()
DETECTOR = MotionDetector(min_area=15)


def covers(region: MotionRegion, x: int, y: int) -> bool:
    x1, y1, x2, y2 = region.to_bbox()
    return x1 <= x < x2 and y1 <= y < y2


def test_square_is_boxed_exactly() -> None:
    before = np.full((100, 120, 3), 50, np.uint8)
    after = before.copy()
    after[40:60, 30:70] = 200
    detector = MotionDetector(min_area=1, blur_size=1, open_size=1, close_size=1)
    result = detector.detect_motion([before, after])
    assert result.motion_regions == (MotionRegion(30, 40, 40, 20, 800, (50, 50)),)
    expected = np.zeros((100, 120), np.uint8)
    expected[40:60, 30:70] = 255
    np.testing.assert_array_equal(result.motion_mask, expected)
    assert result.motion_detected
    assert result.total_motion_area == 800
    assert result.frame_dimensions == (100, 120)


def test_region_speaks_boxes_and_dictionaries() -> None:
    region = MotionRegion(3, 4, 10, 20, 150, (8, 14))
    assert region.to_bbox() == (3, 4, 13, 24)
    assert region.to_dict() == {
        "x": 3, "y": 4, "width": 10, "height": 20, "area": 150, "centroid": [8, 14],
    }  # fmt: skip


def test_still_burst_has_no_motion() -> None:
    result = DETECTOR.detect_motion(burst_of(YARD, YARD, YARD))
    assert not result.motion_detected
    assert result.motion_regions == ()
    assert result.total_motion_area == 0
    assert result.confidence == 0.0
    assert result.global_changes == (None, None)


@pytest.mark.parametrize("present", [(0,), (1,), (2,), (0, 2)])
def test_person_in_any_frame_is_found(present: tuple[int, ...]) -> None:
    frames = burst_of(*(draw_person(YARD, 200, 100) if k in present else YARD for k in range(3)))
    result = DETECTOR.detect_motion(frames)
    assert any(covers(region, 207, 118) for region in result.motion_regions)
    assert 0.0 < result.confidence <= 1.0


def test_steps_threshold_and_smallest_area_count() -> None:
    frames = burst_of(YARD, draw_person(YARD, 200, 100))
    area = DETECTOR.detect_motion(frames).motion_regions[0].area
    assert MotionDetector(min_area=area).detect_motion(frames).motion_detected
    assert not MotionDetector(min_area=area + 1).detect_motion(frames).motion_detected
    assert not MotionDetector(254, min_area=1).detect_motion(frames).motion_detected


def test_frames_are_kept_and_pairs_explain_the_mask() -> None:
    frames = burst_of(YARD, draw_person(YARD, 200, 100), YARD)
    result = DETECTOR.detect_motion(frames)
    assert all(kept is given for kept, given in zip(result.frames, frames, strict=True))
    assert [(pair.previous, pair.current) for pair in result.pairs] == [(0, 1), (1, 2)]
    union = result.pairs[0].mask | result.pairs[1].mask
    assert not (result.motion_mask & ~union).any()


def test_mover_is_seen_across_a_damaged_frame() -> None:
    corrupt = draw_green_band(YARD, top=64)
    frames = burst_of(YARD, corrupt, draw_person(YARD, 200, 150))
    result = DETECTOR.detect_motion(frames)
    assert (0, 2) in [(pair.previous, pair.current) for pair in result.pairs]
    assert any(covers(region, 207, 168) for region in result.motion_regions)
    assert DamageKind.GREEN_BAND in result.damage[1].kinds


def test_damage_alone_is_no_motion() -> None:
    result = DETECTOR.detect_motion(burst_of(YARD, draw_green_band(YARD, top=120), YARD))
    assert not result.motion_detected
    assert result.damage[1].share > 0.5


def test_lost_frame_in_the_middle_hides_nothing() -> None:
    result = DETECTOR.detect_motion([YARD, None, draw_person(YARD, 200, 100)])
    assert result.motion_detected
    assert result.damage[1].kinds == {DamageKind.UNDECODABLE}
    assert result.frames[1] is None
    assert result.global_changes == (None, None)


@pytest.mark.parametrize("frames", [[None, None], [YARD, None, None]])
def test_too_few_usable_frames_give_a_valid_result(frames: list[None]) -> None:
    result = DETECTOR.detect_motion(frames)
    assert not result.motion_detected
    assert result.pairs == ()
    assert len(result.damage) == len(frames)
    json.dumps(result.to_dict())


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_frames_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"at least 2 frames, {count} given"):
        DETECTOR.detect_motion([YARD] * count)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)],
)
def test_array_that_is_no_picture_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="Frame 1 must be a uint8 array"):
        DETECTOR.detect_motion([YARD, array])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", 0),
        ("threshold", 255),
        ("threshold", 2.5),
        ("min_area", 0),
        ("blur_size", 4),
        ("open_size", 0),
        ("close_size", -1),
        ("min_area", True),
    ],
)
def test_wrong_setting_is_named_with_its_value(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        MotionDetector(**{name: value})
    assert repr(value) in str(caught.value)


def test_exposure_jump_leaves_the_person_only() -> None:
    bright = np.clip(draw_person(YARD, 200, 100) * 1.3 + 10, 0, 255).astype(np.uint8)
    result = DETECTOR.detect_motion(burst_of(YARD, bright))
    assert result.global_changes[0] is not None
    assert result.global_changes[0].kind is GlobalChangeKind.EXPOSURE
    assert covers(result.motion_regions[0], 207, 118)
    assert result.total_motion_area < 0.05 * result.motion_mask.size


def test_shake_leaves_the_person_only() -> None:
    matrix = np.array([[1.0, 0.0, 4.0], [0.0, 1.0, -3.0]])
    moved = cv2.warpAffine(draw_person(YARD, 200, 100), matrix, (352, 288))
    result = DETECTOR.detect_motion(burst_of(YARD, np.asarray(moved, np.uint8)))
    assert result.global_changes[0] is not None
    assert result.global_changes[0].kind is GlobalChangeKind.CAMERA_SHAKE
    assert covers(result.motion_regions[0], 211, 115)
    assert result.total_motion_area < 0.05 * result.motion_mask.size


def test_infrared_switch_leaves_the_person_only() -> None:
    grey = cv2.cvtColor(draw_person(YARD, 200, 100, 30, 70), cv2.COLOR_BGR2GRAY)
    infrared = np.asarray(cv2.cvtColor((grey * 0.7).astype(np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)
    result = DETECTOR.detect_motion([YARD, infrared])
    assert result.global_changes[0] is not None
    assert result.global_changes[0].kind is GlobalChangeKind.INFRARED_SWITCH
    assert any(covers(region, 215, 135) for region in result.motion_regions)
    assert result.total_motion_area < 0.15 * result.motion_mask.size


def test_paths_are_read_and_a_lost_file_is_damage(tmp_path: Path) -> None:
    for name, picture in (("0", YARD), ("2", draw_person(YARD, 200, 100))):
        (tmp_path / f"{name}.jpg").write_bytes(encode(picture))
    paths = [tmp_path / f"{k}.jpg" for k in range(3)]
    result = detect_motion_from_paths(paths, min_area=15)
    assert result.motion_detected
    assert result.damage[1].kinds == {DamageKind.UNDECODABLE}


def test_decoded_frames_tell_their_truncation() -> None:
    lost = np.zeros(YARD.shape[:2], np.bool_)
    lost[-20:] = True
    frames = [DecodedFrame(YARD), DecodedFrame(YARD, lost=lost)]
    assert DETECTOR.detect_motion(frames).damage[1].kinds == {DamageKind.TRUNCATED}


def test_result_is_json_without_pixels() -> None:
    result = DETECTOR.detect_motion(burst_of(YARD, draw_green_band(draw_person(YARD, 9, 9), 200)))
    document = json.loads(json.dumps(result.to_dict()))
    assert document["motion_detected"] is True
    assert document["frame_dimensions"] == [288, 352]
    assert document["damage"][1]["kinds"] == ["green_band"]
    assert document["motion_regions"][0]["area"] == result.motion_regions[0].area


def test_picture_shows_what_moved(tmp_path: Path) -> None:
    frames = burst_of(YARD, draw_person(YARD, 200, 100))
    before = frames[1].copy()
    result = DETECTOR.detect_motion(frames)
    region = result.motion_regions[0]
    x1, y1, _, _ = region.to_bbox()
    picture = DETECTOR.visualize_motion(frames[1], result, tmp_path / "motion.png")
    assert picture[y1, x1].tolist() == list(MOTION_BGR)
    assert picture[region.centroid[1], region.centroid[0]].tolist() == list(MOTION_BGR)
    assert (frames[1] == before).all()
    assert (np.asarray(cv2.imread(str(tmp_path / "motion.png"))) == picture).all()
    by_path = DETECTOR.visualize_motion(
        tmp_path / "motion.png", result, show_mask=False, show_boxes=False, show_centroids=False
    )
    assert (by_path == picture).all()
    masked = DETECTOR.visualize_motion(frames[1], result, None, True, False, False)
    changed = (masked != frames[1]).any(axis=2)
    assert changed.any()
    assert not changed[result.motion_mask == 0].any()


def test_picture_of_another_burst_is_refused(tmp_path: Path) -> None:
    result = DETECTOR.detect_motion(burst_of(YARD, YARD))
    with pytest.raises(ValueError, match="give a frame of the same burst"):
        DETECTOR.visualize_motion(YARD[:100], result)
    with pytest.raises(ValueError, match="no picture format has this suffix"):
        DETECTOR.visualize_motion(YARD, result, tmp_path / "motion.txt")
    with pytest.raises(FrameError, match="cannot be read"):
        DETECTOR.visualize_motion(tmp_path / "missing.jpg", result)


def test_smallest_area_follows_the_resolution() -> None:
    assert [min_area_for(size) for size in ((576, 704), (288, 352), (1080, 1920), (120, 160))] == [
        61, 15, 311, 12,
    ]  # fmt: skip


def test_local_correlation_is_that_of_a_fit() -> None:
    grey = np.asarray(cv2.cvtColor(YARD, cv2.COLOR_BGR2GRAY), np.uint8)
    lit = np.clip(grey * 0.5 + 60, 0, 255).astype(np.uint8)
    correlation, before, after = local_correlation(grey, lit, window=15)
    textured = before > 5
    assert textured.mean() > 0.5
    assert correlation[textured].min() > 0.95
    assert np.median(after[textured] / before[textured]) == pytest.approx(0.5, abs=0.05)
    window = (slice(93, 108), slice(143, 158))
    slow = np.corrcoef(grey[window].ravel(), 255.0 - lit[window].ravel())[0, 1]
    fast = local_correlation(grey, 255 - lit, window=15)[0][100, 150]
    assert fast == pytest.approx(slow, abs=0.01)


@settings(max_examples=30)
@given(
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    count=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_any_size_and_number_of_frames(height: int, width: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = list(rng.integers(0, 256, (count, height, width, 3)).astype(np.uint8))
    result = MotionDetector(min_area=1).detect_motion(frames)
    assert result.motion_mask.shape == (height, width)
    assert set(np.unique(result.motion_mask)) <= {0, 255}
    assert sum(region.area for region in result.motion_regions) == result.total_motion_area
    for region in result.motion_regions:
        x1, y1, x2, y2 = region.to_bbox()
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height


def test_real_movers_are_found(footage: Path) -> None:
    for event in ("factory/20251222_125647", "trees/20251223_052312", "field/20251218_193856"):
        paths = [footage / "cameras" / event / f"{k}.jpg" for k in range(3)]
        result = detect_motion_from_paths(paths, min_area=61)
        assert result.motion_detected, event
        assert result.motion_mask.shape == result.frame_dimensions
