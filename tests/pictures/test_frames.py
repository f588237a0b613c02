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
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.drawn import draw_yard, encode
from veroallarme_core.pictures.frames import (
    MAX_PIXELS,
    DecodedFrame,
    FrameError,
    decode_frame,
    read_frame,
    read_frame_or_none,
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


@pytest.mark.parametrize("behind", [b"\0\0", b"\0" * 900, b"\xff\xda", JPEG[:900], b"\xff\xd8\xff"])
def test_what_stands_behind_the_end_is_no_truncation(behind: bytes) -> None:
    decoded = decode_frame(JPEG + behind)
    assert not decoded.truncated
    np.testing.assert_array_equal(decoded.image, decode_frame(JPEG).image)


def coded(picture: NDArray[np.uint8], *options: int) -> bytes:
    return cv2.imencode(".jpg", picture, options)[1].tobytes()


SCENE = draw_yard(144, 176)
GREY_BELOW = SCENE.copy()
GREY_BELOW[-50:] = 128
"""What libjpeg shows where nothing came: a real picture may look like that too."""

JPEGS = {
    "plain": coded(SCENE),
    "grey below": coded(GREY_BELOW),
    "all grey": coded(np.full_like(SCENE, 128)),
    "optimized": coded(SCENE, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "restarts": coded(SCENE, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "few restarts": coded(SCENE, cv2.IMWRITE_JPEG_RST_INTERVAL, 11),
    "grey below with restarts": coded(GREY_BELOW, cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
    "progressive": coded(SCENE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "one channel": coded(np.ascontiguousarray(SCENE[..., 0])),
    "no subsampling": coded(SCENE, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111),
}


@pytest.mark.parametrize("data", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("instead", [b"", b"\xff", b"\xff\xff"])
def test_a_jpeg_without_its_end_marker_is_whole(data: bytes, instead: bytes) -> None:
    decoded = decode_frame(data.removesuffix(b"\xff\xd9") + instead)
    assert not decoded.truncated
    np.testing.assert_array_equal(decoded.image, decode_frame(data).image)


@pytest.mark.parametrize("data", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("padding", [b"", b"\0" * 600])
def test_a_jpeg_that_is_cut_anywhere_is_never_taken_for_whole(data: bytes, padding: bytes) -> None:
    """A block that is missing looks like grey that is there, as in these pictures."""
    whole = decode_frame(data).image
    coded_from = data.rfind(b"\xff\xda")
    for missing in [*range(3, 60), *range(60, len(data) - coded_from - 20, 97)]:
        decoded = decode_frame(data[:-missing] + padding)
        if decoded.lost is None:
            np.testing.assert_array_equal(decoded.image, whole)
        else:
            np.testing.assert_array_equal(decoded.image[~decoded.lost], whole[~decoded.lost])


@pytest.mark.parametrize("name", ["plain", "grey below", "restarts", "one channel"])
def test_a_jpeg_that_was_ended_too_early_has_lost_its_rows(name: str) -> None:
    data = JPEGS[name]
    decoded = decode_frame(data[: len(data) // 2] + b"\xff\xd9")
    assert decoded.lost is not None
    assert decoded.lost[-1].all()
    assert not decoded.lost[0].any()


def test_a_progressive_jpeg_that_is_cut_is_lost_as_a_whole() -> None:
    data = JPEGS["progressive"]
    decoded = decode_frame(data[: len(data) * 2 // 3])
    assert decoded.lost is not None
    assert decoded.lost.all()


def oriented(picture: NDArray[np.uint8], orientation: int, format_: str = "PNG") -> bytes:
    """Encode a picture with an orientation beside its pixels."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).save(stream, format_, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_a_picture_stands_as_its_orientation_says(orientation: int, format_: str) -> None:
    data = oriented(YARD, orientation, format_)
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))[..., ::-1]
    image = decode_frame(data).image
    np.testing.assert_array_equal(image, expected)
    assert image.flags.c_contiguous
    assert image.shape[:2] == ((96, 128) if orientation < 5 else (128, 96))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(orientation: int) -> None:
    np.testing.assert_array_equal(decode_frame(oriented(YARD, orientation)).image, YARD)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_tags_cost_no_picture() -> None:
    tags = b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\x01\x12" * 20
    segment = b"\xff\xe1" + (len(tags) + 2).to_bytes(2, "big") + tags
    decoded = decode_frame(JPEG[:2] + segment + JPEG[2:])
    np.testing.assert_array_equal(decoded.image, decode_frame(JPEG).image)


def test_what_is_lost_turns_with_the_picture() -> None:
    data = oriented(draw_yard(288, 352), 6, "JPEG")
    decoded = decode_frame(data[: len(data) // 2])
    assert decoded.lost is not None
    assert decoded.lost.shape == decoded.image.shape[:2] == (352, 288)
    # Stored from top to bottom, shown turned to the right: the end of the data is on the left.
    assert decoded.lost[:, 0].all()
    assert not decoded.lost[:, -1].any()


@settings(max_examples=150)
@given(length=st.integers(0, len(JPEG)))
def test_jpeg_cut_at_any_byte_never_crashes(length: int) -> None:
    outcome = decode_or_error(JPEG[:length])
    if isinstance(outcome, FrameError):
        assert outcome.code in {"empty", "not_an_image", "undecodable"}
    else:
        assert outcome.image.shape == (96, 128, 3)
        assert outcome.truncated or length >= len(JPEG) - len(b"\xff\xd9")
        if outcome.lost is None:
            np.testing.assert_array_equal(outcome.image, decode_frame(JPEG).image)


@settings(max_examples=150)
@given(data=st.binary(max_size=400), start=st.sampled_from([b"", b"\xff\xd8\xff\xe0", JPEG[:200]]))
def test_random_bytes_never_crash(data: bytes, start: bytes) -> None:
    outcome = decode_or_error(start + data)
    if isinstance(outcome, FrameError):
        assert str(outcome)
    else:
        assert outcome.image.ndim == 3


@settings(max_examples=100)
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


def test_frame_that_cannot_be_decoded_is_none_where_only_pictures_count(tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_bytes(b"<html>")
    (tmp_path / "good.jpg").write_bytes(encode(YARD))
    assert read_frame_or_none(tmp_path / "page.jpg") is None
    assert read_frame_or_none(tmp_path / "nowhere.jpg") is None
    good = read_frame_or_none(tmp_path / "good.jpg")
    assert good is not None
    assert good.image.shape == YARD.shape


def test_shrinking_averages_whole_pixels() -> None:
    picture = np.arange(7 * 9, dtype=np.uint8).reshape(7, 9)
    assert [shrink_factor(width, 704) for width in (1, 704, 1055, 1280, 1920)] == [1, 1, 1, 2, 3]
    smaller = shrink(picture, 3)
    expected = picture[:6].reshape(2, 3, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(smaller, expected, atol=0.5)
    assert shrink(picture, 9) is picture


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_shrinking_by_any_factor_is_the_mean(factor: int, channels: tuple[int, ...]) -> None:
    picture = np.random.default_rng(factor).integers(0, 256, (41, 60, *channels), np.uint8)
    rows, columns = 41 // factor, 60 // factor
    whole = picture[: rows * factor, : columns * factor].astype(np.float64)
    expected = whole.reshape(rows, factor, columns, factor, *channels).mean(axis=(1, 3))
    np.testing.assert_allclose(shrink(picture, columns), expected, atol=0.51)


def test_shrinking_a_picture_lower_than_a_pixel_leaves_one() -> None:
    assert shrink(np.zeros((1, 9), np.uint8), 3).shape == (1, 3)
