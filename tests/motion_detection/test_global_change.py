"""A change of the whole picture is told from things that move in it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.drawn import Picture, add_noise, draw_person, draw_yard
from veroallarme_core.motion_detection.global_change import GlobalChangeKind, find_global_change
from veroallarme_core.pictures.frames import read_frame

YARD = draw_yard()


def brighten(picture: Picture, gain: float, offset: float) -> Picture:
    return np.clip(picture * gain + offset, 0, 255).astype(np.uint8)


def shift(picture: Picture, dx: float, dy: float) -> Picture:
    matrix = np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]])
    size = (picture.shape[1], picture.shape[0])
    moved = cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def test_still_picture_has_no_global_change() -> None:
    assert find_global_change(add_noise(YARD, 1), add_noise(YARD, 2)) is None


def test_person_is_no_global_change() -> None:
    person = draw_person(YARD, 100, 60, 80, 200)
    assert find_global_change(add_noise(YARD, 1), add_noise(person, 2)) is None


@pytest.mark.parametrize(("gain", "offset"), [(1.25, 8.0), (0.7, -5.0), (1.0, 25.0), (0.6, 40.0)])
def test_exposure_is_fitted(gain: float, offset: float) -> None:
    change = find_global_change(add_noise(YARD, 1), add_noise(brighten(YARD, gain, offset), 2))
    assert change is not None
    assert change.kind is GlobalChangeKind.EXPOSURE
    assert change.gain == pytest.approx(gain, abs=0.05)
    assert change.offset == pytest.approx(offset, abs=6)
    median = np.median(YARD * gain + offset - YARD)
    assert change.magnitude == pytest.approx(abs(median), abs=4)
    assert ("brighter" if median > 0 else "darker") in change.explanation


def test_light_in_half_of_the_picture_is_no_exposure() -> None:
    half = YARD.copy()
    half[:, :176] = brighten(YARD, 1.0, 40)[:, :176]
    assert find_global_change(YARD, half) is None


@pytest.mark.parametrize(("dx", "dy"), [(3.0, -2.0), (-6.5, 0.0), (0.0, 1.5)])
def test_shake_is_measured(dx: float, dy: float) -> None:
    change = find_global_change(add_noise(YARD, 1), add_noise(shift(YARD, dx, dy), 2))
    assert change is not None
    assert change.kind is GlobalChangeKind.CAMERA_SHAKE
    assert change.shift_px == pytest.approx((dx, dy), abs=0.4)
    assert change.magnitude == pytest.approx(max(abs(dx), abs(dy)), abs=0.4)


def test_shake_of_a_large_frame_is_told_in_its_own_pixels() -> None:
    large = draw_yard(720, 1280)
    change = find_global_change(large, shift(large, 9, 4))
    assert change is not None
    assert change.shift_px == pytest.approx((9, 4), abs=0.8)


def test_infrared_switch_goes_both_ways() -> None:
    grey = cv2.cvtColor(brighten(YARD, 0.6, 0), cv2.COLOR_BGR2GRAY)
    infrared = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    off = find_global_change(YARD, infrared)
    on = find_global_change(infrared, YARD)
    assert off is not None
    assert on is not None
    assert off.kind is on.kind is GlobalChangeKind.INFRARED_SWITCH
    assert "infrared" in off.explanation
    assert "colour" in on.explanation


def test_damaged_part_is_left_out() -> None:
    corrupt = YARD.copy()
    corrupt[100:] = (0, 220, 0)
    valid = np.zeros(YARD.shape[:2], np.uint8)
    valid[:100] = 255
    assert find_global_change(YARD, corrupt, valid) is None
    assert find_global_change(YARD, corrupt, np.zeros_like(valid)) is None


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="different sizes"):
        find_global_change(YARD, YARD[:-1])


def test_dictionary_is_plain() -> None:
    change = find_global_change(YARD, brighten(YARD, 1.0, 30))
    assert change is not None
    assert change.to_dict() == {
        "kind": "exposure",
        "magnitude": pytest.approx(30, abs=1),
        "explanation": "The picture became brighter everywhere at once.",
        "shift_px": [0.0, 0.0],
    }


@settings(max_examples=40)
@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 99))
def test_any_size_of_noise_is_compared(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    previous, current = rng.integers(0, 256, (2, height, width, 3)).astype(np.uint8)
    change = find_global_change(previous, current)
    assert change is None or change.magnitude >= 0


def test_real_infrared_switch_and_shake(footage: Path) -> None:
    expected = {
        ("cameras/field/20251218_191403", 1): GlobalChangeKind.INFRARED_SWITCH,
        ("scenes/cdnet_traffic/20200101_000021", 0): GlobalChangeKind.CAMERA_SHAKE,
        ("scenes/vtest/20200101_000104", 0): None,
    }
    for (event, first), kind in expected.items():
        frames = [read_frame(footage / event / f"{first + k}.jpg").image for k in (0, 1)]
        change = find_global_change(*frames)
        assert (change and change.kind) == kind, event
