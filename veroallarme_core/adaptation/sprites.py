"""Movers without their surroundings, and how a camera would show them: cut out, lit, pasted."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""x, y, width, height in pixels of the frame."""

LUMINANCE = np.array([0.114, 0.587, 0.299], np.float32)
_GREY_SPREAD = (
    3.0  # mean difference between channels, in grey levels, up to which light is infrared
)
_FAINT, _CLEAR = 10.0, 28.0  # change in grey levels at which a cut sprite is 0 and 1 opaque
_CUT_FILL = (0.18, 0.9)  # share of its box that a clean sprite fills
_CUT_OTHERS = 1.3  # all changed pixels over those of a clean sprite
_CUT_DENSE = 0.75  # share of its outline that changed clearly
_CUT_MIN_SIDE = 12  # pixels
_CUT_CHANGE = 30.0  # least mean change of a clean sprite, in grey levels
_CUT_UNREST = 0.15  # largest share of a clean sprite where the other frames move, too
_JPEG_BLOCK = 16  # pixels of a block with its colours at half the resolution
_JPEG_LUMA_SUM = 3688  # of the luminance table in annex K of ITU-T T.81, libjpeg's quality 50


@dataclass(frozen=True, eq=False)
class Sprite:
    """A mover alone."""

    light: Floats
    """(h, w, 3) BGR in linear light, relative to the ground around it: 1 is as bright."""
    alpha: Floats
    """(h, w) in [0, 1]."""
    kind: str
    is_grey: bool = False
    """Whether it was seen in infrared."""
    foot: float = 0.0
    """Row of the picture on which it stood, where it was cut out."""

    def rounded(self) -> Sprite:
        """Return it with numbers of 16 bits, as it is kept on disk."""
        light, alpha = (
            array.astype(np.float16).astype(np.float32) for array in (self.light, self.alpha)
        )
        return replace(self, light=light, alpha=alpha)

    def resized(self, height: int, *, flipped: bool = False) -> Sprite:
        """Return it `height` pixels tall, and mirrored where `flipped`."""
        width = max(1, round(self.alpha.shape[1] * height / self.alpha.shape[0]))
        way = cv2.INTER_AREA if height < self.alpha.shape[0] else cv2.INTER_LINEAR
        solid = cv2.resize(self.light * self.alpha[..., None], (width, height), interpolation=way)
        alpha = np.asarray(cv2.resize(self.alpha, (width, height), interpolation=way), np.float32)
        solid = solid / np.maximum(alpha, 1e-3)[..., None]
        turn = slice(None, None, -1 if flipped else 1)
        return replace(self, light=solid[:, turn].astype(np.float32), alpha=alpha[:, turn])


def cut_sprite(
    frames: Sequence[Picture], box: Box, background: Picture | None = None, kind: str = "cut"
) -> Sprite | None:
    """Cut a mover out of the frame of a burst that shows it best.

    Args:
        frames: uint8 (H, W, 3) BGR each.
        box: around the mover, with or without a margin.
        background: the empty scene in the same light; the median of the burst where None.
        kind: what it is, if that is known.

    Returns:
        The sprite, or None where it is not clean: cut off by the border of the picture, in
        several pieces, faint, or before a background that moves as well.
    """
    height, width = frames[0].shape[:2]
    if background is None:
        if len(frames) < 3:
            return None
        background = np.median(np.stack(frames), axis=0).astype(np.uint8)
    x, y, across, down = box
    margin = max(4, round(0.15 * max(across, down)))
    if min(x, y) < 1 or x + across > width - 1 or y + down > height - 1:
        return None
    rows = slice(max(0, y - margin), y + down + margin)
    cols = slice(max(0, x - margin), x + across + margin)
    behind = background[rows, cols].astype(np.float32)
    changes = [np.abs(frame[rows, cols] - behind).max(axis=2) for frame in frames]
    best = int(np.argmax([change.mean() for change in changes]))
    alpha = _matte(changes[best])
    if alpha is None or _is_restless(alpha, changes[:best] + changes[best + 1 :]):
        return None
    solid = alpha > 0.5
    if float(changes[best][solid].mean()) < _CUT_CHANGE:
        return None
    ground = float(np.mean((behind[~solid] / 255) ** 2 @ LUMINANCE))
    tall, wide = (np.flatnonzero((alpha > 0.02).any(axis=axis)) for axis in (1, 0))
    inner = np.s_[tall[0] : tall[-1] + 1, wide[0] : wide[-1] + 1]
    seen = frames[best][rows, cols][inner].astype(np.float32)
    light = np.asarray((seen / 255) ** 2 / max(ground, 1e-3), np.float32)
    foot = float(rows.start + tall[-1] + 1)
    return Sprite(light, alpha[inner].copy(), kind, is_infrared(frames[best]), foot)


def _matte(change: Floats) -> Floats | None:
    """Turn change in grey levels (h, w) into a soft alpha; None where it is not one clean piece."""
    soft = cv2.GaussianBlur(change, (0, 0), 0.8)
    raw = np.asarray((soft > (_FAINT + _CLEAR) / 2), np.uint8)
    closed = cv2.morphologyEx(raw, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    outline = max(contours, key=cv2.contourArea)
    x, y, width, height = cv2.boundingRect(outline)
    piece = cv2.drawContours(np.zeros_like(raw), [outline], -1, 1, cv2.FILLED)
    is_whole = x > 0 and y > 0 and x + width < raw.shape[1] and y + height < raw.shape[0]
    fill = float(piece.sum()) / (width * height)
    if not is_whole or min(width, height) < _CUT_MIN_SIDE // 2 or height < _CUT_MIN_SIDE:
        return None
    own = float((raw * piece).sum())
    is_one = raw.sum() < _CUT_OTHERS * own and own > _CUT_DENSE * piece.sum()
    if not is_one or not _CUT_FILL[0] < fill < _CUT_FILL[1]:
        return None
    inside = cv2.erode(piece, np.ones((3, 3), np.uint8)).astype(np.float32)
    reach = cv2.dilate(piece, np.ones((3, 3), np.uint8)).astype(np.float32)
    alpha = np.maximum(np.clip((soft - _FAINT) / (_CLEAR - _FAINT), 0, 1) * reach, inside)
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.6), np.float32)


def _is_restless(alpha: Floats, others: Sequence[Floats]) -> bool:
    solid = alpha > 0.5
    return any(float((other[solid] > _CLEAR).mean()) > _CUT_UNREST for other in others)


def is_infrared(picture: Picture) -> bool:
    """Tell whether a picture (H, W, 3) is as good as grey."""
    return float(_spread(picture[::4, ::4]).mean()) < _GREY_SPREAD


def _spread(picture: Picture) -> NDArray[np.uint8]:
    """Difference between the brightest and the darkest channel of each pixel, (h, w)."""
    blue, green, red = cv2.split(picture)
    highest = cv2.max(cv2.max(blue, green), red)
    return np.asarray(cv2.subtract(highest, cv2.min(cv2.min(blue, green), red)), np.uint8)


@dataclass(frozen=True)
class CameraLook:
    """What a camera does to everything it sees."""

    blur_px: float
    """Standard deviation of its point spread."""
    noise: float
    """Standard deviation in grey levels."""
    saturation: float
    """1 is natural, 0 grey."""


def measure_look(frames: Sequence[Picture]) -> CameraLook:
    """Measure a burst of uint8 (H, W, 3) BGR frames.

    The blur is found as in Zhuo and Sim, "Defocus map estimation from a single image" (2011): how
    much a known blur weakens the strongest edges tells how blurred they were. Noise is taken from
    the quarter of the picture that differs least between two frames.
    """
    height = frames[0].shape[0]
    middle = frames[0][height // 4 : height * 3 // 4]
    grey = np.asarray(cv2.cvtColor(middle, cv2.COLOR_BGR2GRAY), np.uint8)
    softer = np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.0), np.uint8)
    edges = [_edge_strength(picture) for picture in (grey, softer)]
    ratio = max(edges[0] / max(edges[1], 1e-3), 1.01)
    noise = 1.5
    if len(frames) > 1:
        first, second = (frame[::3, ::3, 1].astype(np.float32) for frame in frames[:2])
        change = first - second
        fine = np.abs(change - cv2.blur(change, (5, 5)))
        noise = 3.14 / np.sqrt(2) * float(np.quantile(fine, 0.25))
    part = frames[0][::8, ::8]
    vivid = float(np.median(_spread(part) / np.maximum(part[..., 1], 16)))
    return CameraLook(
        blur_px=float(np.clip(1 / np.sqrt(ratio**2 - 1), 0.4, 1.5)),
        noise=float(np.clip(noise, 0.5, 5.0)),
        saturation=float(np.clip(0.35 + 3 * vivid, 0.35, 1.0)),
    )


def _edge_strength(grey: NDArray[np.uint8]) -> float:
    slope = np.abs(cv2.Sobel(grey, cv2.CV_16S, 1, 0))
    return float(np.percentile(slope[::4], 99))


@dataclass(frozen=True)
class Placement:
    """A sprite in one frame."""

    sprite: Sprite
    top: int
    left: int
    shade: tuple[Floats, int, int] | None = None
    """Share of light taken from the ground (h, w), with its top and left."""


def paste_sprite(
    picture: Picture,
    placed: Placement,
    look: CameraLook,
    rng: np.random.Generator,
    *,
    gain: float = 1.0,
    keep: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.bool_], float]:
    """Paste a sprite as the camera would have seen it, in place.

    Args:
        picture: uint8 (H, W, 3) BGR.
        gain: makes the sprite brighter or darker, in linear light.
        keep: bool (H, W), False where something stands before the sprite.

    Returns:
        The mask of the sprite, bool (H, W), and its contrast, as `contrast_inside` measures it.
    """
    mask = np.zeros(picture.shape[:2], np.bool_)
    pad = 5
    fitted = _fit_window(picture.shape[:2], placed, pad)
    if fitted is None:
        return mask, 0.0
    window, part = fitted
    sprite = placed.sprite
    alpha = np.pad(sprite.alpha, pad)[part]
    light = np.pad(sprite.light, ((pad, pad), (pad, pad), (0, 0)))[part]
    if keep is not None:
        alpha = alpha * keep[window]
    level = _local_light(picture, window)
    infrared = is_infrared(picture)
    # What hides the feet hides the shadow at them, too.
    if placed.shade is not None and keep is None and not infrared:
        _darken(picture, *placed.shade)
    before = picture[window].astype(np.float32)
    seen = 255 * np.sqrt(np.clip(light * np.float32(level * gain), 0, 0.95))
    grey = (seen @ LUMINANCE)[..., None]
    seen = grey + (seen - grey) * (0.0 if infrared else look.saturation)
    seen = cv2.GaussianBlur(seen * alpha[..., None], (0, 0), look.blur_px)
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), look.blur_px), np.float32)
    speckle = rng.standard_normal(alpha.shape, np.float32)[..., None] * np.float32(look.noise)
    after = before * (1 - alpha[..., None]) + seen + speckle * alpha[..., None]
    picture[window] = np.clip(after + 0.5, 0, 255).astype(np.uint8)
    mask[window] = solid = alpha > 0.5
    return mask, contrast_inside(before, after, solid)


def contrast_inside(before: Floats, after: Floats, mask: NDArray[np.bool_]) -> float:
    """How clearly two pictures (h, w, 3) differ inside a mask (h, w), in grey levels.

    Their mean absolute difference without its finest detail, less half the unevenness of what is
    covered: detail that replaces other detail is camouflage. 0 where the mask is empty.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0.0
    blur_px = max(1.0, (rows[-1] - rows[0]) / 12)
    inside = mask.astype(np.float32)
    weight = cv2.GaussianBlur(inside, (0, 0), blur_px)[mask]
    change, covered = (
        cv2.GaussianBlur(part * inside[..., None], (0, 0), blur_px)[mask] / weight[:, None]
        for part in (after - before, before)
    )
    unevenness = float(covered.mean(axis=1).std())
    return max(0.0, float(np.abs(change).mean()) - unevenness / 2)


def _fit_window(
    size: tuple[int, int], placed: Placement, pad: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Return where the padded sprite lies in the picture, and which part of it does."""
    window, part = [], []
    for start, length, limit in zip(
        (placed.top, placed.left), placed.sprite.alpha.shape, size, strict=True
    ):
        low, high = max(0, start - pad), min(limit, start + length + pad)
        if high <= low:
            return None
        window.append(slice(low, high))
        part.append(slice(low - start + pad, high - start + pad))
    return (window[0], window[1]), (part[0], part[1])


def _local_light(picture: Picture, window: tuple[slice, slice]) -> float:
    """Mean brightness in and around a window, in linear light."""
    rows, cols = window
    reach = max(8, (cols.stop - cols.start) // 3)
    around = picture[
        max(0, rows.start - reach // 2) : rows.stop + reach // 2,
        max(0, cols.start - reach) : cols.stop + reach,
    ]
    step = max(1, min(around.shape[:2]) // 24)
    part = around[::step, ::step].astype(np.float32) / 255
    return float(np.mean((part**2) @ LUMINANCE))


def _darken(picture: Picture, shade: Floats, top: int, left: int) -> None:
    window = np.s_[top : top + shade.shape[0], left : left + shade.shape[1]]
    dimmed = picture[window] * np.sqrt(1 - shade)[..., None]
    picture[window] = dimmed.astype(np.uint8)


def recompress(picture: Picture, quality: int) -> Picture:
    """Compress and decode a picture, so that what was pasted is as soft as the rest."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"OpenCV cannot compress a picture of shape {picture.shape}")
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def recompress_around(
    pictures: Sequence[Picture], originals: Sequence[Picture], quality: int
) -> tuple[Picture, ...]:
    """Compress and decode what lies around what was pasted, in all pictures alike.

    The blocks of a JPEG know nothing of one another but for the colours at their edges, for which
    a block is added all round; the rest stays as the camera compressed it.

    Args:
        pictures: uint8 (H, W, 3) BGR.
        originals: the same before anything was pasted.
        quality: 1-100.
    """
    done = tuple(picture.copy() for picture in pictures)
    shown = np.zeros(pictures[0].shape[:2], np.uint8)
    for picture, original in zip(pictures, originals, strict=True):
        for channel in cv2.split(cv2.absdiff(picture, original)):
            cv2.max(shown, channel, dst=shown)
    x, y, width, height = cv2.boundingRect(shown)
    if not width:
        return done
    top, left = y // _JPEG_BLOCK * _JPEG_BLOCK, x // _JPEG_BLOCK * _JPEG_BLOCK
    bottom, right = (-(-end // _JPEG_BLOCK) * _JPEG_BLOCK for end in (y + height, x + width))
    above, before = max(0, top - _JPEG_BLOCK), max(0, left - _JPEG_BLOCK)
    for picture in done:
        around = picture[above : bottom + _JPEG_BLOCK, before : right + _JPEG_BLOCK]
        again = recompress(np.ascontiguousarray(around), quality)
        inner = again[top - above : bottom - above, left - before : right - before]
        picture[top:bottom, left:right] = inner
    return done


def jpeg_quality(data: bytes) -> int:
    """Estimate the quality, 1-100 on libjpeg's scale, at which a JPEG was compressed.

    Raises:
        ValueError: the data is no JPEG.
    """
    try:
        tables = getattr(Image.open(io.BytesIO(data)), "quantization", None)
    except OSError:
        tables = None
    if not tables:
        raise ValueError("the picture is no JPEG: its quality cannot be told")
    scale = 100 * sum(tables[0]) / _JPEG_LUMA_SUM
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return int(np.clip(round(quality), 1, 100))
