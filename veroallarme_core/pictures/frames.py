"""Encoded snapshots -> BGR arrays. Every limit is checked before a pixel is decoded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from veroallarme_core.pictures.encoded_picture import (
    JPEG_END,
    JPEG_START,
    has_all_scans,
    is_progressive,
    picture_end,
)

MAX_PIXELS = 25_000_000
"""Largest picture that is decoded, in pixels; a 40-megapixel image is refused."""

# What cameras send. Everything else that Pillow reads only widens the surface for hostile bytes.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")

# Put where the data of a JPEG ends: a block that is missing takes its pixels from it.
_FILLERS = (0xAA, 0x35)
_FILLER_BYTES = 512
_PADDING_BYTES = 16  # fewer zeros may be coded data, which no more than FF 00 ends with
_UNDECODED = 128  # what libjpeg shows where no data came, in grey levels ...
_UNDECODED_SPREAD = 3  # ... with its rounding of colours
_LAST_BLOCK = 8  # edge in pixels of the part of a picture that comes last


_Pixel = TypeVar("_Pixel", bound=np.generic)


class FrameError(ValueError):
    """A snapshot that is no picture; `str(error)` is one clear sentence.

    `code` is `empty`, `not_an_image`, `too_large`, `undecodable` or (a file) `unreadable`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A decoded picture, standing as its file says: `image` is uint8 (H, W, 3) in BGR order.

    `lost` is bool (H, W), True where the file holds no data for a pixel, which is flat grey in
    most pictures; None where all data came, with or without an end marker.
    """

    image: NDArray[np.uint8]
    lost: NDArray[np.bool_] | None = None

    @property
    def truncated(self) -> bool:
        """Tell whether the data ends before the picture does."""
        return self.lost is not None


def decode_frame(data: bytes, *, max_pixels: int = MAX_PIXELS) -> DecodedFrame:
    """Decode one encoded picture (JPEG, PNG, WebP or BMP) to BGR.

    Grey, palette, alpha and 16-bit pictures come out as uint8 BGR as well. The orientation that
    cameras write beside the pixels is carried out here and nowhere else, so that all that is
    judged, drawn and compared stands upright.

    Raises:
        FrameError: the bytes are empty, no picture, too large or undecodable.
    """
    if not data:
        raise FrameError("empty", "The snapshot is empty (0 bytes).")
    if not data.startswith(JPEG_START):
        image, orientation = _decode(data, max_pixels)
        return DecodedFrame(_upright(image, orientation))
    end = picture_end(data)
    body = _without_padding(data) if end is None else data[: end - 2].rstrip(b"\xff")
    # libjpeg takes a missing end for an error, but a premature one only for a warning.
    image, orientation = _decode(body + JPEG_END, max_pixels)
    if end is not None and not _ends_undecoded(image):
        return DecodedFrame(_upright(image, orientation))
    first_lost = _first_lost_row(body, image, max_pixels)
    if first_lost == len(image):
        return DecodedFrame(_upright(image, orientation))
    lost = np.zeros(image.shape[:2], np.bool_)
    lost[first_lost:] = True
    return DecodedFrame(_upright(image, orientation), _upright(lost, orientation))


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


def read_frame_or_none(path: str | Path) -> DecodedFrame | None:
    """Read a frame of which nothing but its pictures counts; None where it cannot be decoded."""
    try:
        return read_frame(path)
    except FrameError:
        return None


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
    if factor % 2 and len(whole) >= factor:
        # The same means, in half of the time: every window around a pixel, and of those one each.
        means = cv2.blur(whole, (factor, factor), borderType=cv2.BORDER_REPLICATE)
        middle = factor // 2
        return np.ascontiguousarray(means[middle::factor, middle::factor], np.uint8)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def shrink_factor(frame_width: int, width: int) -> int:
    """Return the whole factor that brings a frame closest to `width` pixels, at least 1."""
    return max(1, round(frame_width / width))


def _without_padding(jpeg: bytes) -> bytes:
    """Cut off the zeros that pad an unfinished JPEG: libjpeg decodes them like any other data."""
    kept = jpeg.rstrip(b"\x00\xff")
    padding = jpeg[len(kept) :]
    if len(padding) < _PADDING_BYTES:
        return jpeg.rstrip(b"\xff")  # coded data may end with a zero, never with half a marker
    return kept + (b"\xff\x00" if padding.startswith(b"\xff\x00") else b"")


def _decode(data: bytes, max_pixels: int) -> tuple[NDArray[np.uint8], int]:
    """Decode a picture as it is stored -> BGR (H, W, 3) and its EXIF orientation, 1 to 8."""
    # Pillow rather than OpenCV: it tells the size before it decodes, keeps the readable part of a
    # damaged JPEG and leaves libjpeg's warnings off the process's standard error.
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            _check_size(picture.size, max_pixels)
            return _to_bgr(picture), _orientation(picture)
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


def _orientation(picture: Image.Image) -> int:
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken tags beside a good picture say nothing about its pixels
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _upright(pixels: NDArray[_Pixel], orientation: int) -> NDArray[_Pixel]:
    """Turn and mirror pixels (H, W, ...) as an EXIF orientation says."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)  # 5 is just that: mirrored along the diagonal
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _ends_undecoded(image: NDArray[np.uint8]) -> bool:
    """Tell whether the last block of a picture may be one for which no data came."""
    last = image[-_LAST_BLOCK:, -_LAST_BLOCK:].astype(np.int16)
    return bool((np.abs(last - _UNDECODED) <= _UNDECODED_SPREAD).all())


def _first_lost_row(body: bytes, image: NDArray[np.uint8], max_pixels: int) -> int:
    """Find the first row of a JPEG for which data is missing; its height where none is.

    Blocks that are missing take whatever comes instead of their data, blocks that are there do
    not: the picture is decoded again with other bytes behind its data, and what differs is lost.
    Unlike the look of the grey that stands for missing blocks this cannot be mistaken for a thing
    in the picture, nor a thing for it.
    """
    if not has_all_scans(body):
        return 0
    height = first = len(image)
    for filler in _fillers(body):
        try:
            other, _ = _decode(body + filler + JPEG_END, max_pixels)
        except FrameError:
            return 0
        differing = np.flatnonzero((other != image).any(axis=(1, 2)))
        first = min(first, int(differing[0])) if differing.size else first
    # Each scan of a progressive JPEG refines the whole picture: what is there is too coarse.
    return 0 if first < height and is_progressive(body) else first


def _fillers(body: bytes) -> Iterator[bytes]:
    """Yield bytes that libjpeg takes for coded data, also where a restart is due."""
    restarts = [body.rfind(bytes([0xFF, 0xD0 + number])) for number in range(8)]
    latest = max(range(8), key=restarts.__getitem__) if max(restarts) >= 0 else 7
    for value in _FILLERS:
        pattern = bytes([value]) * _FILLER_BYTES
        yield pattern + b"".join(
            bytes([0xFF, 0xD0 + (latest + step) % 8]) + pattern for step in range(1, 9)
        )


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
    # Converting what is RGB already would copy it.
    rgb = np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), dtype=np.uint8)
