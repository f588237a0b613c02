"""Where a picture ends is told by its own structure."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.drawn import draw_yard, encode
from veroallarme_core.pictures.encoded_picture import (
    has_all_scans,
    is_picture_start,
    is_progressive,
    picture_end,
)

YARD = draw_yard(96, 128)


def with_thumbnail() -> bytes:
    """A JPEG whose tags hold another whole JPEG, as cameras' EXIF does."""
    thumbnail = b"Exif\0\0" + encode(draw_yard(24, 32))
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    return encode(YARD)[:2] + segment + encode(YARD)[2:]


def coded(**options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(YARD[..., ::-1]).save(stream, "JPEG", **options)
    return stream.getvalue()


PICTURES = {
    "jpeg": encode(YARD),
    "thumbnail": with_thumbnail(),
    "progressive": coded(progressive=True),
    "grey": encode(np.ascontiguousarray(YARD[..., 1])),
    "restarts": cv2.imencode(".jpg", YARD, [cv2.IMWRITE_JPEG_RST_INTERVAL, 3])[1].tobytes(),
    "fill bytes": encode(YARD)[:-2] + b"\xff\xff\xff\xd9",
    "png": encode(YARD, ".png"),
    "webp": encode(YARD, ".webp"),
}


@pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("behind", [b"", b"\0" * 9, b"\xff\xd9 \xff\xd8\xff", b"\r\n--boundary"])
def test_a_picture_ends_where_its_structure_ends(data, behind):
    assert is_picture_start(data)
    assert picture_end(data + behind) == len(data)
    assert picture_end(bytearray(data + behind)) == len(data)


@pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES)
def test_what_has_not_come_has_no_end(data):
    for length in [*range(0, len(data) - 1, 37), len(data) - 1]:
        assert picture_end(data[:length]) is None


@given(data=st.binary(max_size=300), start=st.sampled_from([b"", b"\xff\xd8", encode(YARD)[:700]]))
def test_any_bytes_have_an_end_within_or_none(data, start):
    end = picture_end(start + data)
    assert end is None or 0 < end <= len(start + data)
    assert has_all_scans(start + data) in {True, False}


@pytest.mark.parametrize("name", ["jpeg", "thumbnail", "progressive", "grey", "restarts"])
def test_a_whole_jpeg_has_all_its_scans(name):
    assert has_all_scans(PICTURES[name])
    assert is_progressive(PICTURES[name]) == (name == "progressive")


def test_a_progressive_jpeg_that_is_cut_between_scans_lacks_some():
    data = PICTURES["progressive"]
    starts = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    assert len(starts) > 3
    assert not any(has_all_scans(data[:start]) for start in starts)
