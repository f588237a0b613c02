"""Other light and a small sway explain a change; a mover stays unexplained."""

import cv2
import numpy as np
import pytest

from tests.drawn import Picture, burst_of, draw_person, draw_yard
from veroallarme_core.explained_change import ExplainedChange, explain_change
from veroallarme_core.motion_detection import MotionDetector, min_area_for

YARD = draw_yard(576, 704)
MIN_AREA = min_area_for((576, 704))


def explain(*pictures: Picture) -> ExplainedChange:
    height, width = pictures[0].shape[:2]
    min_area = min_area_for((height, width))
    result = MotionDetector(min_area=min_area).detect_motion(burst_of(*pictures))
    assert result.motion_detected
    return explain_change(result.pairs, result.motion_mask, min_area)


def share(part: np.ndarray, change: ExplainedChange) -> float:
    return np.count_nonzero(part) / np.count_nonzero(change.moved)


def lit(picture: Picture, gain: float) -> Picture:
    """Light that falls on part of the picture and fades at its edge."""
    fade = np.zeros(picture.shape[:2], np.float32)
    cv2.ellipse(fade, (350, 300), (190, 130), 0, 0, 360, 1.0, -1)
    fade = cv2.GaussianBlur(fade, (0, 0), 30)
    return np.clip(picture * (1 + (gain - 1) * fade[..., None]), 0, 255).astype(np.uint8)


def swayed(picture: Picture, pixels: float) -> Picture:
    """Part of the picture displaced, most in its middle, as a bush in the wind."""
    y, x = np.mgrid[0:576, 0:704].astype(np.float32)
    weight = np.exp(-(((x - 350) / 90) ** 2) - ((y - 300) / 90) ** 2)
    moved = cv2.remap(picture, x + pixels * weight, y, cv2.INTER_LINEAR)
    return np.asarray(moved, np.uint8)


@pytest.mark.parametrize("gain", [0.6, 1.4])
def test_light_is_explained_by_light(gain: float) -> None:
    change = explain(YARD, lit(YARD, gain), YARD)
    assert share(change.light, change) > 0.9
    assert change.largest_unexplained < MIN_AREA


def test_small_sway_is_explained_by_sway() -> None:
    rough = draw_yard(576, 704, seed=4)
    change = explain(rough, swayed(rough, 3.5), rough)
    assert share(change.sway | change.light, change) > 0.9
    assert change.largest_unexplained < MIN_AREA


def test_large_displacement_is_not_explained() -> None:
    change = explain(YARD, swayed(YARD, 40), YARD)
    assert change.largest_unexplained > 5 * MIN_AREA


@pytest.mark.parametrize(("width", "height"), [(12, 30), (30, 90), (120, 300)])
def test_person_stays_unexplained(width: int, height: int) -> None:
    change = explain(YARD, draw_person(YARD, 300, 200, width, height), YARD)
    assert change.largest_unexplained > 3 * MIN_AREA


def test_person_in_changing_light_stays_unexplained() -> None:
    change = explain(YARD, draw_person(lit(YARD, 0.6), 330, 250, 20, 60), YARD)
    assert share(change.light, change) > 0.8
    inside = change.crop((330, 250, 350, 310))
    assert inside.largest_unexplained > 3 * MIN_AREA
    assert change.crop((200, 300, 300, 340)).largest_unexplained < MIN_AREA


def test_parts_are_disjoint_and_inside_what_moved() -> None:
    change = explain(YARD, draw_person(lit(YARD, 0.5), 330, 250, 20, 60), swayed(YARD, 3))
    assert not (change.light & change.unexplained).any()
    assert not (change.light & ~change.moved).any()
    assert not (change.sway & ~change.moved).any()


def test_large_frames_are_measured_in_their_own_pixels() -> None:
    small = explain(YARD, draw_person(YARD, 300, 200, 40, 120), YARD).largest_unexplained
    scale = 1920 / 704
    large = [
        np.asarray(cv2.resize(picture, (1920, 1571)), np.uint8)
        for picture in (YARD, draw_person(YARD, 300, 200, 40, 120), YARD)
    ]
    change = explain(*large)
    assert change.moved.shape[1] == 640
    assert change.largest_unexplained == pytest.approx(small * scale**2, rel=0.3)


def test_nothing_moved_nothing_to_explain() -> None:
    change = explain_change((), np.zeros((40, 60), np.uint8), 12)
    assert change.largest_unexplained == 0
    assert explain_change((), np.zeros((0, 0), np.uint8), 12).moved.size == 0
