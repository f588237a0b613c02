"""Encoded snapshots -> BGR arrays. Every limit is checked before a pixel is decoded."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 25_000_000
"""Largest picture that is decoded, in pixels; a 40-megapixel image is refused."""

# What cameras send. Everything else that Pillow reads only widens the surface for hostile bytes.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_JPEG_START = b"\xff\xd8"
_JPEG_START_OF_SCAN = b"\xff\xda"
_JPEG_END = b"\xff\xd9"


class FrameError(ValueError):
    """A snapshot that is no picture; `str(error)` is one clear sentence.

    `code` is `empty`, `not_an_image`, `too_large`, `undecodable` or (a file) `unreadable`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A decoded picture: `image` is uint8 (H, W, 3) in BGR order.

    `truncated` tells that the file ends before the picture does; what is missing is flat grey.
    """

    image: NDArray[np.uint8]
    truncated: bool = False


def decode_frame(data: bytes, *, max_pixels: int = MAX_PIXELS) -> DecodedFrame:
    """Decode one encoded picture (JPEG, PNG, WebP or BMP) to BGR.

    Grey, palette, alpha and 16-bit pictures come out as uint8 BGR as well.

    Raises:
        FrameError: the bytes are empty, no picture, too large or undecodable.
    """
    if not data:
        raise FrameError("empty", "The snapshot is empty (0 bytes).")
    truncated = _is_truncated_jpeg(data)
    # libjpeg takes a missing end for an error, but a premature one only for a warning.
    stream = io.BytesIO(data + _JPEG_END if truncated else data)
    # Pillow rather than OpenCV: it tells the size before it decodes, keeps the readable part of a
    # damaged JPEG and leaves libjpeg's warnings off the process's standard error.
    try:
        with Image.open(stream, formats=_FORMATS) as picture:
            _check_size(picture.size, max_pixels)
            image = _to_bgr(picture)
    except FrameError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise FrameError(
            "too_large", f"The snapshot has more than the {max_pixels:,} pixels allowed."
        ) from error
    except UnidentifiedImageError as error:
        raise FrameError(
            "not_an_image",
            f"The snapshot is no JPEG, PNG, WebP or BMP picture; it starts with {data[:16]!r}.",
        ) from error
    except Exception as error:  # Pillow's plugins raise whatever their parser stumbles over.
        raise FrameError(
            "undecodable", f"The snapshot of {len(data):,} bytes cannot be decoded: {error}."
        ) from error
    return DecodedFrame(image=image, truncated=truncated)


def read_frame(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> DecodedFrame:
    """Read and decode one picture file.

    Raises:
        FrameError: as `decode_frame`, or the file cannot be read; the sentence names the path.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise FrameError("unreadable", f"The file {path} cannot be read: {reason}.") from error
    try:
        return decode_frame(data, max_pixels=max_pixels)
    except FrameError as error:
        raise FrameError(error.code, f"{path}: {error}") from error


def shrink(picture: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Average a picture (H, W) or (H, W, 3) down by the whole factor that comes closest to `width`.

    The factor is `shrink_factor(W, width)`; what does not fill a last pixel is cut off. Averaging
    over whole pixels is several times faster than over fractions of them.
    """
    factor = shrink_factor(picture.shape[1], width)
    if factor == 1:
        return picture
    size = (max(1, picture.shape[1] // factor), max(1, picture.shape[0] // factor))
    whole = picture[: size[1] * factor, : size[0] * factor]
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def shrink_factor(frame_width: int, width: int) -> int:
    """Return the whole factor that brings a frame closest to `width` pixels, at least 1."""
    return max(1, round(frame_width / width))


def _is_truncated_jpeg(data: bytes) -> bool:
    """Tell whether a JPEG has no end marker after its first scan (thumbnails have their own)."""
    if not data.startswith(_JPEG_START):
        return False
    scan = data.rfind(_JPEG_START_OF_SCAN)
    return data.find(_JPEG_END, max(scan, 0)) < 0


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise FrameError(
            "too_large",
            f"The snapshot is {width}x{height} = {width * height:,} pixels; "
            f"at most {max_pixels:,} are allowed.",
        )


def _to_bgr(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode in {"I", "F"} or picture.mode.startswith("I;16"):
        # Pillow clips instead of scaling when it converts 16-bit grey.
        grey = np.clip(np.asarray(picture, dtype=np.float64) / 257.0, 0, 255).astype(np.uint8)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    rgb = np.asarray(picture.convert("RGB"))
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), dtype=np.uint8)
