"""Green bands and green noise."""

import pytest

from tests.drawn import (
    burst_of,
    draw_green_band,
    draw_person,
)
from tests.motion_detection.damage import HEIGHT, WIDTH, YARD, blocks_between, kinds
from veroallarme_core.motion_detection.damage import (
    BLOCK_SIZE,
    DamageKind,
    find_damage,
)


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
