"""Encoded snapshots become BGR arrays, or one clear sentence."""

import contextlib
import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.drawn import draw_yard, encode
from veroallarme_core.frames import (
    MAX_PIXELS,
    DecodedFrame,
    FrameError,
    decode_frame,
    read_frame,
    shrink,
    shrink_factor,
)

YARD = draw_yard(96, 128)
JPEG = encode(YARD)


def png_header(width: int, height: int) -> bytes:
    """A PNG that only has a header: enough to tell its size, not enough to decode."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )


def decode_or_error(data: bytes) -> DecodedFrame | FrameError:
    try:
        return decode_frame(data)
    except FrameError as error:
        return error


@pytest.mark.parametrize("extension", [".png", ".bmp"])
def test_lossless_pictures_come_back_exactly(extension: str) -> None:
    decoded = decode_frame(encode(YARD, extension))
    np.testing.assert_array_equal(decoded.image, YARD)
    assert not decoded.truncated


def test_jpeg_decodes_as_opencv_does() -> None:
    decoded = decode_frame(JPEG)
    expected = cv2.imdecode(np.frombuffer(JPEG, np.uint8), cv2.IMREAD_COLOR)
    assert expected is not None
    assert np.abs(decoded.image.astype(int) - expected).max() <= 2
    assert decoded.image.flags.c_contiguous


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK", "I;16"])
def test_every_colour_mode_becomes_bgr(mode: str) -> None:
    grey = np.full((8, 10), 128, np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(grey).convert("RGB").convert(mode, palette=Image.Palette.ADAPTIVE)
    stream = io.BytesIO()
    picture.save(stream, "JPEG" if mode == "CMYK" else "PNG")
    image = decode_frame(stream.getvalue()).image
    assert (image.shape, image.dtype) == ((8, 10, 3), np.uint8)
    if mode != "1":  # one bit per pixel dithers
        assert np.abs(image.astype(int) - 128).max() <= 2


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "empty", "0 bytes"),
        (b"<html><body>401 Unauthorized</body></html>", "not_an_image", "<html>"),
        (b"\xff\xd8\xff", "not_an_image", "JPEG"),
        (png_header(8000, 5000), "too_large", "8000x5000"),
        (png_header(20_000, 20_000), "too_large", "pixels"),
        (png_header(64, 64), "undecodable", "bytes"),
    ],
)
def test_what_is_no_picture_gets_a_code_and_a_sentence(data: bytes, code: str, words: str) -> None:
    with pytest.raises(FrameError) as caught:
        decode_frame(data)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_size_is_checked_before_decoding() -> None:
    assert MAX_PIXELS < 40_000_000
    with pytest.raises(FrameError) as caught:
        decode_frame(JPEG, max_pixels=96 * 128 - 1)
    assert caught.value.code == "too_large"
    assert decode_frame(JPEG, max_pixels=96 * 128).image.shape == (96, 128, 3)


def test_truncated_jpeg_keeps_its_readable_part() -> None:
    picture = draw_yard(288, 352)
    data = encode(picture)
    decoded = decode_frame(data[: len(data) * 2 // 3])
    assert decoded.truncated
    assert np.abs(decoded.image[:120].astype(int) - picture[:120]).mean() < 4
    assert np.ptp(decoded.image[-8:]) == 0


def test_trailing_zeros_are_no_truncation() -> None:
    assert not decode_frame(JPEG + b"\x00\x00").truncated


@settings(deadline=None, max_examples=150)
@given(length=st.integers(0, len(JPEG)))
def test_jpeg_cut_at_any_byte_never_crashes(length: int) -> None:
    outcome = decode_or_error(JPEG[:length])
    if isinstance(outcome, FrameError):
        assert outcome.code in {"empty", "not_an_image", "undecodable"}
    else:
        assert outcome.image.shape == (96, 128, 3)
        assert outcome.truncated == (length < len(JPEG))


@settings(deadline=None, max_examples=150)
@given(data=st.binary(max_size=400), start=st.sampled_from([b"", b"\xff\xd8\xff\xe0", JPEG[:200]]))
def test_random_bytes_never_crash(data: bytes, start: bytes) -> None:
    outcome = decode_or_error(start + data)
    if isinstance(outcome, FrameError):
        assert str(outcome)
    else:
        assert outcome.image.ndim == 3


@settings(deadline=None, max_examples=100)
@given(position=st.integers(2, len(JPEG) - 1), garbage=st.binary(min_size=1, max_size=40))
def test_garbled_jpeg_never_crashes(position: int, garbage: bytes) -> None:
    data = JPEG[:position] + garbage + JPEG[position + len(garbage) :]
    outcome = decode_or_error(data)
    if isinstance(outcome, FrameError):
        assert outcome.code
    else:
        assert outcome.image.dtype == np.uint8


def test_nothing_is_printed_by_the_decoder(capfd: pytest.CaptureFixture[str]) -> None:
    decode_frame(JPEG[: len(JPEG) // 2])
    garbled = bytearray(JPEG)
    garbled[1500:1510] = b"\x00\xff\xd0garbage"
    with contextlib.suppress(FrameError):
        decode_frame(bytes(garbled))
    assert capfd.readouterr() == ("", "")


def test_file_errors_name_the_path(tmp_path: Path) -> None:
    missing = tmp_path / "gone.jpg"
    with pytest.raises(FrameError, match=r"gone\.jpg") as caught:
        read_frame(missing)
    assert caught.value.code == "unreadable"
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"")
    with pytest.raises(FrameError, match=r"broken\.jpg") as caught:
        read_frame(broken)
    assert caught.value.code == "empty"


def test_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "0.png"
    path.write_bytes(encode(YARD, ".png"))
    np.testing.assert_array_equal(read_frame(str(path)).image, YARD)


def test_shrinking_averages_whole_pixels() -> None:
    picture = np.arange(7 * 9, dtype=np.uint8).reshape(7, 9)
    assert [shrink_factor(width, 704) for width in (1, 704, 1055, 1280, 1920)] == [1, 1, 1, 2, 3]
    smaller = shrink(picture, 3)
    expected = picture[:6].reshape(2, 3, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(smaller, expected, atol=0.5)
    assert shrink(picture, 9) is picture
