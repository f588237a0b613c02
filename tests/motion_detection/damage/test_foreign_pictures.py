"""Pictures of another channel that were pasted in."""

import pytest

from tests.drawn import (
    burst_of,
    draw_green_band,
    draw_person,
    draw_yard,
    paste_foreign,
)
from tests.motion_detection.damage import HEIGHT, WIDTH, YARD, blocks_between, kinds
from veroallarme_core.motion_detection.damage import (
    DamageKind,
    find_damage,
)


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
