"""Patches of flat macroblocks."""

import cv2
import numpy as np
import pytest

from tests.drawn import (
    draw_person,
    encode,
)
from tests.motion_detection.damage import WIDTH, YARD, kinds
from veroallarme_core.motion_detection.damage import (
    find_damage,
)
from veroallarme_core.pictures.frames import decode_frame


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
