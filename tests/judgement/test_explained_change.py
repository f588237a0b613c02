"""Other light and a small sway explain a change; a mover stays unexplained."""

import cv2
import numpy as np
import pytest

from tests.drawn import Picture, burst_of, draw_person, draw_yard
from veroallarme_core.judgement.explained_change import ExplainedChange, explain_change
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


HALVES = (slice(0, 352), slice(352, 704))


def step_lit(picture: Picture, gains: tuple[float, float]) -> Picture:
    """Two surfaces with an upright edge between them; each takes light by a gain of its own.

    The light fades out above and below, so that no exposure of the camera explains it.
    """
    rows = np.exp(-(((np.arange(576, dtype=np.float32) - 290) / 150) ** 2))[:, None, None]
    lit = picture.astype(np.float32)
    for half, gain in zip(HALVES, gains, strict=True):
        lit[:, half] *= 1 + (gain - 1) * rows
    return np.clip(lit, 0, 255).astype(np.uint8)


STEP = YARD.copy()
STEP[:, HALVES[0]] = (STEP[:, HALVES[0]] * 0.55).astype(np.uint8)


@pytest.mark.parametrize("gains", [(1.0, 0.7), (1.5, 1.0), (1.4, 0.8)])
def test_edge_between_surfaces_that_catch_the_light_differently(gains: tuple[float, float]) -> None:
    change = explain(STEP, step_lit(STEP, gains), STEP)
    assert share(change.light, change) > 0.95
    assert change.largest_unexplained < MIN_AREA


def test_outline_on_an_edge_that_stayed_is_found() -> None:
    change = explain(STEP, draw_person(step_lit(STEP, (1.5, 1.0)), 345, 250, 16, 48), STEP)
    assert change.crop((345, 250, 361, 298)).largest_unexplained > 2 * MIN_AREA


@pytest.mark.parametrize("size", [(288, 352), (576, 704)])
def test_slope_of_a_beam_is_light(size: tuple[int, int]) -> None:
    yard = draw_yard(*size)
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32) / size[1]
    beam = 90 * np.exp(-(((x - 0.5) / 0.16) ** 2) - ((y - 0.4) / 0.16) ** 2)
    lit_yard = np.clip(yard * (1 + beam[..., None] / 150), 0, 255).astype(np.uint8)
    change = explain(yard, lit_yard, yard)
    assert share(change.light, change) > 0.95
    assert change.largest_unexplained < min_area_for(size)


def test_steep_blob_before_a_dark_wall_is_no_light() -> None:
    """An insect at the lens or the lamps of a car: a proof of light must not cover either."""
    wall = np.full((576, 704, 3), 20, np.uint8)
    blob = wall.astype(np.float32)
    cv2.circle(blob, (300, 300), 30, (190, 190, 190), -1)
    blob = cv2.GaussianBlur(blob, (0, 0), 9)
    change = explain(wall, np.clip(blob, 0, 255).astype(np.uint8), wall)
    assert change.largest_unexplained > 5 * MIN_AREA


def infrared(picture: Picture) -> Picture:
    """Another kind of light: one half turns dark, and no colour is left."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    grey[:, HALVES[0]] *= 0.12
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_person_who_comes_with_the_infrared_switch_is_found() -> None:
    change = explain(YARD, YARD, draw_person(infrared(YARD), 500, 200, 24, 70))
    assert change.crop((500, 200, 524, 270)).largest_unexplained > 2 * MIN_AREA


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
