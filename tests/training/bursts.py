"""Folders of small drawn events, for the tests of training."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.drawn import add_noise, draw_person, draw_yard


def write_event(
    folder: Path, places: list[tuple[int, int]], *, seed: int = 0, height: int = 36
) -> None:
    """Write a burst of 160x120 pixels: a person at each of `places`, one place a frame."""
    folder.mkdir(parents=True, exist_ok=True)
    yard = draw_yard(120, 160, seed=1)
    for number, (x, y) in enumerate(places):
        frame = add_noise(draw_person(yard, x, y, height=height), seed * 10 + number)
        cv2.imwrite(str(folder / f"{number}.png"), frame)


def write_still_event(folder: Path, frames: int = 3) -> None:
    """Write a burst in which nothing moves."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(frames):
        cv2.imwrite(str(folder / f"{number}.png"), add_noise(draw_yard(120, 160, seed=1), number))


def write_camera(folder: Path, count: int = 6, *, start: int = 0) -> Path:
    """Write events an hour apart, in which a person walks through the middle."""
    for number in range(count):
        x = 20 + 11 * ((number + start) % 8)
        event = folder / f"20260101_{(number + start) % 24:02d}0000"
        write_event(event, [(x, 40), (x + 24, 42), (x + 48, 44)], seed=number)
    return folder


def write_broken_event(folder: Path) -> None:
    """Write a burst of which only one frame is a picture."""
    write_still_event(folder, frames=1)
    (folder / "1.png").write_bytes(b"no picture")
    (folder / "2.png").write_bytes(b"")


def constant_picture(value: int) -> np.ndarray:
    """Return a flat picture, uint8 (120, 160, 3)."""
    return np.full((120, 160, 3), value, np.uint8)
