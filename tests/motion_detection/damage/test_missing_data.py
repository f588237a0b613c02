"""What was never there to be decoded."""

import io

import cv2
from PIL import Image

from tests.drawn import (
    draw_person,
    encode,
)
from tests.motion_detection.damage import YARD, kinds
from veroallarme_core.motion_detection.damage import (
    DamageKind,
    find_damage,
)
from veroallarme_core.pictures.frames import decode_frame


def test_truncated_jpeg_loses_its_tail() -> None:
    data = encode(YARD)
    cut = decode_frame(data[: len(data) // 2])
    damage = find_damage([YARD, cut, YARD])[1]
    assert damage.kinds == {DamageKind.TRUNCATED}
    assert damage.blocks[-1].all()
    assert not damage.blocks[0].any()
    assert 0.3 < damage.share < 0.7


def test_truncated_jpeg_that_stands_upright_loses_the_side_that_it_lost() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    stream = io.BytesIO()
    Image.fromarray(YARD).save(stream, "JPEG", exif=exif)
    whole = decode_frame(stream.getvalue())
    cut = decode_frame(stream.getvalue()[: len(stream.getvalue()) // 2])
    damage = find_damage([whole, cut, whole])
    assert kinds(damage) == [set(), {"truncated"}, set()]
    assert damage[1].blocks[:, -1].all()
    assert not damage[1].blocks[:, 0].any()


def test_truncated_progressive_jpeg_has_no_usable_block() -> None:
    data = cv2.imencode(".jpg", YARD, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    damage = find_damage([YARD, decode_frame(data[: len(data) // 2]), YARD])[1]
    assert damage.kinds == {DamageKind.TRUNCATED}
    assert not damage.is_usable


def test_jpeg_without_end_marker_is_not_damaged() -> None:
    data = encode(YARD)
    assert kinds(find_damage([decode_frame(data), decode_frame(data[:-2])])) == [set(), set()]


def test_grey_band_is_found_unless_every_frame_has_it() -> None:
    grey = YARD.copy()
    grey[200:] = 128
    damage = find_damage([YARD, grey, YARD])
    assert kinds(damage) == [set(), {"grey_band"}, set()]
    assert damage[1].blocks[-1].all()
    masked = [grey, draw_person(grey, 50, 50), grey]  # a privacy mask stands in every frame
    assert kinds(find_damage(masked)) == [set(), set(), set()]
