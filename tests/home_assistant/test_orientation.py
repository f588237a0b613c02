"""A picture that Home Assistant made smaller stands as the camera's pictures do."""

import io

import pytest
from PIL import Image, ImageOps

from custom_components.veroallarme.orientation import Stance, orientation, stance, standing

TAG = 0x0112


def jpeg(width: int = 64, height: int = 48, turn: int | None = None) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    if turn is not None:
        exif[TAG] = turn
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 60)).save(
        stream, "JPEG", **({"exif": exif} if turn is not None else {})
    )
    return stream.getvalue()


def shown(data: bytes) -> tuple[int, int]:
    """Return width and height as everybody sees the picture."""
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).size


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_orientation_is_read_and_written(turn: int) -> None:
    original, smaller = jpeg(turn=turn), jpeg(32, 24)
    assert orientation(original) == turn
    kept = standing(smaller, stance(original))
    assert orientation(kept) == turn
    assert Image.open(io.BytesIO(kept)).getexif().get(TAG, 1) == turn
    assert shown(kept) == ((32, 24) if turn < 5 else (24, 32))


def test_little_endian_tags_are_read() -> None:
    entry = b"\x12\x01\x03\0\1\0\0\0\6\0\0\0"
    tags = b"Exif\0\0II*\0\x08\0\0\0\1\0" + entry + b"\0\0\0\0"
    data = jpeg()
    assert orientation(data[:2] + b"\xff\xe1" + bytes([0, len(tags) + 2]) + tags + data[2:]) == 6


@pytest.mark.parametrize(
    ("smaller", "why"),
    [
        (jpeg(24, 32), "the camera has turned it itself"),
        (jpeg(32, 24, turn=1), "it says itself how it stands"),
        (b"<html>", "it is no picture"),
        (b"", "there is none"),
    ],
)
def test_what_needs_no_orientation_stays_as_it_is(smaller: bytes, why: str) -> None:
    assert standing(smaller, stance(jpeg(turn=6))) == smaller, why


@pytest.mark.parametrize("turn", [0, 9, 999])
def test_an_orientation_that_is_none_is_left_out(turn: int) -> None:
    assert stance(jpeg(turn=turn)) == Stance(1, True)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 11, 21, 30, 40, 60])
def test_a_cut_or_foreign_picture_is_no_error(length: int) -> None:
    for data in (jpeg(turn=6)[:length], b"\xff\xd8" + bytes(range(256))[:length]):
        assert orientation(data) in range(1, 9)
        assert isinstance(standing(data, Stance(6, True)), bytes)
