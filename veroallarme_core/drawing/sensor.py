"""What happens on the way from the lens to the snapshot: rain, insects, noise, clock, damage."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.drawing.perspective import Floats

Picture = NDArray[np.uint8]
BLOCK_PX = 16
"""Side of a macroblock."""


def noise_sheet(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Sensor noise of deviation about 1, a little larger than a picture, (h, w, 3)."""
    side = 64
    fine = rng.standard_normal((height + side, width + side, 3), dtype=np.float32)
    coarse = rng.standard_normal((height // 2 + side, width // 2 + side, 3), dtype=np.float32)
    grown = cv2.resize(coarse, (width + side, height + side), interpolation=cv2.INTER_LINEAR)
    luminance = cv2.GaussianBlur(fine[..., :1], (0, 0), 0.6)[..., None] * 1.9
    return np.asarray(0.75 * luminance + 0.55 * grown, np.float32)


def expose_noise(grey: Floats, sheet: Floats, strength: float, rng: np.random.Generator) -> Picture:
    """Add noise to grey levels (H, W, 3) and round to 8 bits."""
    top, left = (int(v) for v in rng.integers(0, 64, 2))
    part = sheet[top : top + grey.shape[0], left : left + grey.shape[1]]
    return cv2.add(grey, part * np.float32(strength)).round().clip(0, 255).astype(np.uint8)


def jpeg_softened(picture: Picture, quality: int = 82) -> Picture:
    """Compress and decode, as every snapshot was."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"OpenCV could not compress a picture of shape {picture.shape}.")
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def burn_in_clock(picture: Picture, clock: str, name: str) -> None:
    """Write the time at the top and the camera's name at the bottom, in place."""
    height, width = picture.shape[:2]
    unit = height / 576
    size, margin, band = max(0.30, 0.58 * unit), round(14 * unit), max(16, round(40 * unit))
    for text, at_top in ((clock, True), (name, False)):
        strip = picture[:band] if at_top else picture[-band:]
        extent, _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, size, 1)
        x = margin if at_top else max(0, width - margin - extent[0])
        stencil = np.zeros(strip.shape[:2], np.uint8)
        at = (x, (band + extent[1]) // 2)
        cv2.putText(stencil, text, at, cv2.FONT_HERSHEY_DUPLEX, size, 255, 1, cv2.LINE_AA)
        outline = cv2.dilate(stencil, np.ones((3, 3), np.uint8))
        cover = stencil.astype(np.float32)[..., None] / 255
        edge = outline.astype(np.float32)[..., None] / 255
        dimmed = strip * (1 - 0.75 * edge)
        strip[...] = (dimmed + cover * (244 - dimmed)).astype(np.uint8)


def rain(grey: Floats, rng: np.random.Generator, strength: float = 1.0) -> None:
    """Streak grey levels (H, W, 3) with falling drops, in place."""
    height, width = grey.shape[:2]
    streaks = np.zeros((height, width), np.uint8)
    unit = height / 576
    for share, length, weight, tone in ((0.75, 16, 1, 60), (0.25, 46, 1, 100)):
        count = int(260 * share * strength * width / height)
        for x, y, jitter in rng.uniform(0, 1, (count, 3)):
            start = (int(x * width * 16), int((y * 1.1 - 0.08) * height * 16))
            reach = length * unit * (0.6 + 0.8 * jitter)
            end = (start[0] + int(reach * 0.16 * 16), start[1] + int(reach * 16))
            cv2.line(streaks, start, end, int(tone * (0.5 + jitter)), weight, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(streaks, (0, 0), 0.55).astype(np.float32)[..., None] / 255
    grey += soft * (225 - grey)


def insect(grey: Floats, centre: tuple[float, float], wings: float) -> None:
    """Put a blurred insect right before the lens, lit by the emitter, in place.

    ``centre`` is a share of width and height.
    """
    height, width = grey.shape[:2]
    blob = np.zeros((height, width), np.uint8)
    unit = height / 576
    x, y = int(centre[0] * width), int(centre[1] * height)
    for angle, long in ((20 + 40 * wings, 46), (160 - 40 * wings, 46), (90, 30)):
        turn = math.radians(angle)
        middle = (x + int(math.cos(turn) * 24 * unit), y - int(math.sin(turn) * 16 * unit))
        axes = (max(2, int(long * unit)), max(1, int(13 * unit)))
        cv2.ellipse(blob, middle, axes, -angle, 0, 360, 190, -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(blob, (0, 0), 9 * unit).astype(np.float32)[..., None] / 255
    grey += soft * (250 - grey)


def green_band(picture: Picture, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Lose the lower part to the green of an empty decoder buffer, in place; where, (H, W)."""
    height, width = picture.shape[:2]
    first = int(height * rng.uniform(0.55, 0.65)) // BLOCK_PX * BLOCK_PX
    start = int(width * rng.uniform(0.2, 0.7)) // BLOCK_PX * BLOCK_PX
    lost = np.zeros((height, width), np.bool_)
    lost[first : first + BLOCK_PX, start:] = True
    lost[first + BLOCK_PX :] = True
    picture[lost] = (0, 135, 0)
    return lost


def grey_band(picture: Picture, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Lose the lower part to the flat grey of a truncated file, in place; where, (H, W)."""
    lost = np.zeros(picture.shape[:2], np.bool_)
    lost[int(picture.shape[0] * rng.uniform(0.45, 0.6)) // BLOCK_PX * BLOCK_PX :] = True
    picture[lost] = 128
    return lost


def macroblocks(picture: Picture, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Slip, smear and miscolour the macroblocks of a band, in place; where, (H, W)."""
    height, width = picture.shape[:2]
    lost = np.zeros((height, width), np.bool_)
    first = int(height * rng.uniform(0.35, 0.45)) // BLOCK_PX
    last = min(first + max(3, int(height * 0.32) // BLOCK_PX), height // BLOCK_PX)
    lost[first * BLOCK_PX : last * BLOCK_PX] = True
    for y in range(first * BLOCK_PX, last * BLOCK_PX, BLOCK_PX):
        row = picture[y : y + BLOCK_PX]
        slip = int(rng.integers(2, max(3, width // BLOCK_PX // 2))) * BLOCK_PX
        row[...] = np.roll(row.copy(), slip, axis=1)
        for x in range(0, width, BLOCK_PX):
            if rng.random() < 0.45:
                _miscolour(row[:, x : x + BLOCK_PX], rng)
    return lost


def _miscolour(block: Picture, rng: np.random.Generator) -> None:
    if rng.random() < 0.5:
        block[...] = block.mean(axis=(0, 1)).astype(np.uint8)
    chroma = int(rng.integers(-1, 2)) * np.array([34, -26, 40]) + int(rng.integers(-30, 30))
    block[...] = np.clip(block.astype(np.int16) + chroma, 0, 255).astype(np.uint8)


DAMAGES: dict[str, Callable[[Picture, np.random.Generator], NDArray[np.bool_]]] = {
    "green_band": green_band,
    "grey_band": grey_band,
    "macroblocks": macroblocks,
}
"""Ways in which a snapshot is lost on the wire."""
