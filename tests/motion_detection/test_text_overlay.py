"""The burnt-in clock is found; nothing in a scene is taken for it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.drawn import Picture, burst_of, draw_person, draw_yard
from veroallarme_core.motion_detection.text_overlay import TextLine, find_text_lines
from veroallarme_core.pictures.frames import read_frame

YARD = draw_yard(576, 704)


def write(picture: Picture, text: str, at: tuple[int, int] = (20, 30)) -> Picture:
    result = picture.copy()
    cv2.putText(result, text, at, cv2.FONT_HERSHEY_PLAIN, 1.4, (20, 20, 20), 5)
    cv2.putText(result, text, at, cv2.FONT_HERSHEY_PLAIN, 1.4, (245, 245, 245), 2)
    return result


@pytest.mark.parametrize("baseline", [30, 560])
def test_ticking_clock_is_found_with_the_digits_that_change(baseline: int) -> None:
    frames = burst_of(
        *(write(YARD, f"2025-12-22 10:31:{s}", (20, baseline)) for s in ("07", "09", "12"))
    )
    changed = np.flatnonzero((frames[0] != frames[2]).any(axis=2).mean(axis=0) > 0)
    lines = find_text_lines(frames)
    assert lines
    box = (int(changed.min()) + 250, baseline - 13, 265, baseline - 1)
    assert any(line.contains(box) for line in lines)
    assert not any(line.contains((300, 200, 320, 240)) for line in lines)


def test_scene_without_text_has_none() -> None:
    assert find_text_lines(burst_of(YARD, draw_person(YARD, 80, 10), YARD)) == ()


def test_text_in_the_middle_of_the_picture_is_part_of_the_scene() -> None:
    frames = burst_of(*(write(YARD, "DELIVERIES ONLY", (200, 300)) for _ in range(3)))
    assert find_text_lines(frames) == ()


def test_fewer_than_two_frames_prove_nothing() -> None:
    assert find_text_lines([]) == ()
    assert find_text_lines([write(YARD, "2025-12-22 10:31:07")]) == ()


def test_contains_allows_for_the_blur() -> None:
    line = TextLine(10, 10, 100, 24)
    assert line.contains((9, 8, 102, 26))
    assert not line.contains((10, 10, 100, 27))
    assert not line.contains((7, 10, 100, 24))


def test_clocks_of_real_cameras(footage: Path) -> None:
    for camera in ("trees", "field"):
        folders = sorted(p for p in (footage / "cameras" / camera).iterdir() if p.is_dir())
        found = [
            bool(find_text_lines([read_frame(folder / f"{k}.jpg").image for k in range(3)]))
            for folder in folders[::10]
        ]
        assert sum(found) >= 0.8 * len(found), camera
