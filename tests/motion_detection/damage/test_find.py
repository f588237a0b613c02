"""Corrupt blocks are found where they are, and nowhere else."""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray
from PIL import Image

from tests.drawn import (
    burst_of,
    draw_green_band,
    draw_person,
    draw_yard,
    encode,
    paste_foreign,
)
from veroallarme_core.motion_detection.damage import (
    BLOCK_SIZE,
    DamageKind,
    FrameDamage,
    find_damage,
)
from veroallarme_core.pictures.frames import decode_frame, read_frame

HEIGHT, WIDTH = 288, 352
YARD = draw_yard(HEIGHT, WIDTH)


def kinds(damage: Sequence[FrameDamage]) -> list[set[str]]:
    return [{kind.value for kind in one.kinds} for one in damage]


def blocks_between(top: int, bottom: int, left: int, right: int) -> NDArray[np.bool_]:
    """The blocks of a frame that a rectangle of pixels touches."""
    blocks = np.zeros((HEIGHT // BLOCK_SIZE, WIDTH // BLOCK_SIZE), np.bool_)
    blocks[
        top // BLOCK_SIZE : -(-bottom // BLOCK_SIZE), left // BLOCK_SIZE : -(-right // BLOCK_SIZE)
    ] = True
    return blocks


def test_clean_burst_has_no_damage() -> None:
    for damage in find_damage(burst_of(YARD, draw_person(YARD, 100, 120), YARD)):
        assert damage.kinds == frozenset()
        assert damage.share == 0.0
        assert damage.blocks.shape == (HEIGHT // BLOCK_SIZE, WIDTH // BLOCK_SIZE)
        assert not damage.blocks.any()
        assert damage.is_usable


def test_lost_frame_is_damaged_as_a_whole() -> None:
    lost, sound = find_damage([None, YARD])
    assert lost.kinds == {DamageKind.UNDECODABLE}
    assert lost.share == 1.0
    assert not lost.is_usable
    assert sound.kinds == frozenset()


def test_frame_of_another_size_is_foreign() -> None:
    damage = find_damage([YARD, draw_yard(120, 160), YARD])
    assert kinds(damage) == [set(), {"foreign_picture"}, set()]
    assert damage[1].share == 1.0


@pytest.mark.parametrize("top", [80, 208, 272])
def test_green_band_is_found_down_to_the_border(top: int) -> None:
    damage = find_damage(burst_of(YARD, draw_green_band(YARD, top), YARD))
    assert kinds(damage)[0] == kinds(damage)[2] == set()
    assert DamageKind.GREEN_BAND in damage[1].kinds
    expected = blocks_between(top, HEIGHT, 0, WIDTH)
    assert damage[1].blocks[expected].all()
    assert not damage[1].blocks[: top // BLOCK_SIZE - 1].any()
    assert damage[1].share == pytest.approx((HEIGHT - top) / HEIGHT, abs=0.06)


def test_green_coat_is_no_damage() -> None:
    coat = draw_person(YARD, 100, 120, 30, 90)
    coat[140:200, 100:130] = (30, 200, 40)
    assert kinds(find_damage(burst_of(YARD, coat, YARD))) == [set(), set(), set()]


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


@pytest.mark.parametrize("quality", [None, 90])
def test_mosaic_of_macroblocks_is_found(quality: int | None) -> None:
    rng = np.random.default_rng(3)
    broken = YARD.copy()
    for y in range(96, 192, 16):
        for x in range(0, WIDTH, 16):
            if rng.random() < 0.5:
                broken[y : y + 16, x : x + 16] = rng.integers(0, 255, 3)
    frames = [YARD, broken, YARD]
    if quality:
        frames = [decode_frame(encode(frame, quality=quality)).image for frame in frames]
    damage = find_damage(frames)
    assert kinds(damage) == [set(), {"macroblocks"}, set()]
    assert damage[1].blocks[7:11].all()
    assert not damage[1].blocks[:4].any()


def test_tiled_wall_is_no_mosaic() -> None:
    wall = YARD.copy()
    colours = np.random.default_rng(0).integers(0, 255, (8, 22, 3)).astype(np.uint8)
    wall[96:224] = cv2.resize(colours, (352, 128), interpolation=cv2.INTER_NEAREST)
    assert kinds(find_damage([wall, draw_person(wall, 100, 100), wall])) == [set(), set(), set()]


def test_foreign_picture_above_a_green_band_is_found() -> None:
    broken = draw_green_band(paste_foreign(YARD, x=235, top=80), top=272)
    damage = find_damage(burst_of(YARD, broken, YARD))
    assert kinds(damage)[0] == kinds(damage)[2] == set()
    assert damage[1].kinds >= {DamageKind.FOREIGN_PICTURE, DamageKind.GREEN_BAND}
    inside = blocks_between(96, HEIGHT, 240, WIDTH)
    assert damage[1].blocks[inside].mean() > 0.9
    assert not damage[1].blocks[:16, :13].any()


def test_person_beside_a_green_band_is_not_taken_for_damage() -> None:
    broken = draw_green_band(draw_person(YARD, 100, 200, 24, 64), top=272)
    damage = find_damage(burst_of(YARD, broken, YARD))[1]
    assert damage.kinds == {DamageKind.GREEN_BAND}
    assert not damage.blocks[12:15].any()


def test_long_seam_without_garbage_is_foreign_a_short_one_is_not() -> None:
    yard = draw_yard(576, 704)
    damage = find_damage(burst_of(yard, paste_foreign(yard, x=480, top=60), yard))
    assert kinds(damage) == [set(), {"foreign_picture"}, set()]
    assert damage[1].share == pytest.approx((516 / 576) * (224 / 704), abs=0.06)
    van = yard.copy()
    van[300:500, 300:520] = (230, 230, 230)
    assert kinds(find_damage(burst_of(yard, van, yard))) == [set(), set(), set()]


def test_pixel_mask_covers_the_blocks() -> None:
    blocks = np.zeros((2, 3), np.bool_)
    blocks[1, 2] = True
    mask = FrameDamage(frozenset(), blocks, 0.1).pixel_mask((20, 40))
    assert mask.shape == (20, 40)
    expected = np.zeros((20, 40), np.uint8)
    expected[16:, 32:] = 255
    np.testing.assert_array_equal(mask, expected)


def test_nothing_given_nothing_found() -> None:
    assert find_damage([]) == ()
    assert find_damage([None])[0].blocks.shape == (0, 0)


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 200)),
    data=st.data(),
)
def test_any_size_of_noise_is_examined(shape: tuple[int, int], data: st.DataObject) -> None:
    frames = [
        data.draw(st_numpy.arrays(np.uint8, (*shape, 3), elements=st.integers(0, 255)))
        for _ in range(2)
    ]
    for damage in find_damage(frames):
        assert damage.blocks.shape == (-(-shape[0] // BLOCK_SIZE), -(-shape[1] // BLOCK_SIZE))
        assert 0.0 <= damage.share <= 1.0


def test_corrupt_frames_of_real_footage(footage: Path) -> None:
    """The last event has another camera's picture right of column 470 in its second frame."""
    events = {"20251222_042739": 1, "20251222_121218": 1, "20251222_144236": 1}
    for event, corrupt in events.items():
        folder = footage / "cameras" / "factory" / event
        damage = find_damage([read_frame(folder / f"{k}.jpg") for k in range(3)])
        for index, one in enumerate(damage):
            if index == corrupt:
                assert one.kinds >= {DamageKind.GREEN_BAND, DamageKind.FOREIGN_PICTURE}
                assert one.blocks[15:, 31:].mean() > 0.95
                assert not one.blocks[8:26, :12].any()
            else:
                assert one.kinds == frozenset()


@pytest.mark.parametrize("camera", ["cameras/trees", "cameras/field", "scenes/vtest"])
def test_clean_frames_of_real_footage_are_not_damaged(footage: Path, camera: str) -> None:
    folders = sorted(path for path in (footage / camera).iterdir() if path.is_dir())
    for folder in folders[:: max(1, len(folders) // 12)]:
        damage = find_damage([read_frame(folder / f"{k}.jpg") for k in range(3)])
        assert kinds(damage) == [set(), set(), set()], folder.name
