"""Different bytes are not different pictures."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.drawn import add_noise, draw_person, draw_yard, encode
from tests.worker.counting_camera import MOTION_AT
from veroallarme_core.pictures.frames import FrameError
from veroallarme_core.worker.snapshots.distinct_pictures import SeenPicture, look_at
from veroallarme_core.worker.snapshots.snapshots import Snapshot

YARD = add_noise(draw_yard(), 1)
NEXT = add_noise(draw_yard(), 2)
"""The same still scene a moment later: nothing but the noise of the sensor is another."""
NOISELESS_NIGHT = np.full((288, 352, 3), 9, np.uint8)


def picture(data: bytes) -> SeenPicture:
    seen = look_at(Snapshot(data, MOTION_AT, None), ())
    assert not isinstance(seen, FrameError)
    return seen[0]


def is_same(one: bytes, other: bytes) -> bool:
    found = look_at(Snapshot(one, MOTION_AT, None), [picture(other)])
    back = look_at(Snapshot(other, MOTION_AT, None), [picture(one)])
    assert not isinstance(found, FrameError)
    assert not isinstance(back, FrameError)
    assert found[1] == back[1]
    return found[1] is not None


def with_comment(data: bytes, text: bytes) -> bytes:
    return data[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + data[2:]


def in_quality(data: bytes, quality: int, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(data)).save(stream, "JPEG", quality=quality, **options)
    return stream.getvalue()


JPEG = encode(YARD)

SAME = {
    "the same bytes": JPEG,
    "bytes behind the end": JPEG + b"\0 1764000000",
    "a comment": with_comment(JPEG, b"frame 1764000000.04"),
    "other tags": in_quality(JPEG, 90, dpi=(96, 96), subsampling="keep", qtables="keep"),
    "no end marker": JPEG[:-2],
    "other coding": in_quality(JPEG, 90, optimize=True, subsampling="keep", qtables="keep"),
    "half written": JPEG[: len(JPEG) // 2],
    "hardly written": JPEG[: len(JPEG) // 5],
    "written into zeros": JPEG[: len(JPEG) // 2] + bytes(len(JPEG) // 2),
    **{f"quality {quality}": in_quality(JPEG, quality) for quality in (20, 50, 75, 85, 95, 100)},
    **{f"from the sensor at {quality}": encode(YARD, quality=quality) for quality in (40, 70, 97)},
    "without loss": encode(cv2.imdecode(np.frombuffer(JPEG, np.uint8), cv2.IMREAD_COLOR), ".png"),
}


@pytest.mark.parametrize("data", SAME.values(), ids=SAME)
def test_the_same_picture_in_other_bytes_is_the_same(data):
    if data.startswith(b"\x89PNG"):
        # Two decoders round a grey level apart; what is compared is one decoder's work.
        data = encode(np.asarray(Image.open(io.BytesIO(JPEG)))[..., ::-1].copy(), ".png")
    assert is_same(data, JPEG)


DIFFERENT = {
    "the next picture of a still scene": encode(NEXT),
    "the next picture in a lower quality": encode(NEXT, quality=80),
    "the next picture in a high quality": encode(NEXT, quality=98),
    "a person": encode(draw_person(YARD, 200, 100)),
    "a person in another quality": encode(draw_person(YARD, 200, 100, 40, 90), quality=80),
    "another size": encode(cv2.resize(YARD, (176, 144))),
    "another size in another quality": encode(cv2.resize(YARD, (176, 144)), quality=60),
    "half of the next picture": encode(NEXT)[: len(JPEG) // 2],
    "upside down": encode(YARD[::-1].copy()),
}


@pytest.mark.parametrize("data", DIFFERENT.values(), ids=DIFFERENT)
def test_another_picture_is_another(data):
    assert not is_same(data, JPEG)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("quality", [60, 80, 92])
def test_the_noise_of_a_sensor_makes_another_picture(sigma, quality):
    first = encode(add_noise(draw_yard(), 1, sigma), quality=quality)
    assert not is_same(first, encode(add_noise(draw_yard(), 2, sigma), quality=quality))


@pytest.mark.parametrize(("quality", "other"), [(50, 60), (75, 80), (85, 90), (95, 90)])
def test_noise_tells_pictures_apart_in_different_qualities(quality, other):
    """As where an encoder changes its quality to keep to a size."""
    first = encode(add_noise(draw_yard(), 1, 3.0), quality=quality)
    assert not is_same(first, encode(add_noise(draw_yard(), 2, 3.0), quality=other))


def test_black_pictures_are_the_same_in_any_quality():
    assert is_same(encode(NOISELESS_NIGHT, quality=60), encode(NOISELESS_NIGHT, quality=90))
    assert is_same(encode(0 * YARD, quality=60), encode(0 * YARD, quality=90))


def test_of_a_file_that_is_being_written_more_counts_more():
    cut, more, whole = (picture(JPEG[:length]) for length in (2000, 5000, len(JPEG)))
    assert more.has_more_than(cut)
    assert whole.has_more_than(more)
    assert not any(one.has_more_than(whole) for one in (cut, more, whole))
    zeros = picture(JPEG[:2000] + bytes(9000))
    assert more.has_more_than(zeros)


def test_what_cannot_be_decoded_says_why():
    found = look_at(Snapshot(b"\xff\xd8\xff nothing", MOTION_AT, None), ())
    assert isinstance(found, FrameError)
    assert found.code == "not_an_image"
