"""Sprites: what is cut out is the mover, what is pasted is where the mask says."""

import cv2
import numpy as np
import pytest

from tests.drawn import add_noise, burst_of, draw_yard, encode
from veroallarme_core.adaptation.sprites import (
    CameraLook,
    Placement,
    Sprite,
    contrast_inside,
    cut_sprite,
    is_infrared,
    jpeg_quality,
    measure_look,
    paste_sprite,
)

YARD = draw_yard()
LOOK = CameraLook(blur_px=0.5, noise=0.0, saturation=1.0)
BOX = (100, 90, 14, 36)


def draw_person(picture: np.ndarray, x: int, y: int) -> np.ndarray:
    """A dark figure of 14 x 36 pixels with a bright head, its top left corner at (x, y)."""
    result = picture.copy()
    cv2.ellipse(result, (x + 7, y + 22), (7, 14), 0, 0, 360, (25, 20, 15), -1)
    cv2.circle(result, (x + 7, y + 6), 6, (190, 210, 240), -1)
    return result


def burst(*shown: tuple[int, int]) -> list[np.ndarray]:
    """Three frames; only the middle one shows people, with their top left corners there."""
    middle = YARD
    for x, y in shown:
        middle = draw_person(middle, x, y)
    return burst_of(YARD, middle, YARD)


def grey(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture[..., 1:2], 3, axis=2)


def square(side: int = 20, light: float = 3.0) -> Sprite:
    return Sprite(
        np.full((side, side, 3), light, np.float32), np.ones((side, side), np.float32), "square"
    )


def test_a_mover_is_cut_out_of_its_burst():
    sprite = cut_sprite(burst((100, 90)), BOX, kind="person")
    assert sprite is not None
    assert (sprite.kind, sprite.is_grey) == ("person", False)
    solid = sprite.alpha > 0.5
    height, width = solid.any(axis=1).sum(), solid.any(axis=0).sum()
    assert abs(height - 36) <= 2
    assert abs(width - 15) <= 2
    assert abs(sprite.foot - 126) <= 3
    head, body = sprite.light[8, 8], sprite.light[28, 8]
    assert head.mean() > 1 > 0.1 > body.mean()


def test_a_mover_is_cut_out_before_a_given_background():
    frames = burst((100, 90))[1:2]
    assert cut_sprite(frames, BOX) is None
    assert cut_sprite(frames, BOX, background=YARD) is not None


@pytest.mark.parametrize(
    ("frames", "box"),
    [
        pytest.param(burst(), BOX, id="nothing there"),
        pytest.param(burst((0, 90)), (0, 90, 14, 36), id="at the border"),
        pytest.param(burst((100, 90), (122, 90)), (100, 90, 36, 36), id="two of them"),
        pytest.param(
            burst_of(YARD, cv2.addWeighted(YARD, 0.93, draw_person(YARD, 100, 90), 0.07, 0), YARD),
            BOX,
            id="faint",
        ),
    ],
)
def test_what_is_not_clean_is_not_cut(frames, box):
    assert cut_sprite(frames, box) is None


def test_a_mover_before_a_moving_background_is_not_cut():
    frames = burst_of(draw_person(YARD, 104, 90), draw_person(YARD, 100, 90), YARD)
    assert cut_sprite(frames, BOX, background=YARD) is None


def test_infrared_is_told_from_colour():
    assert is_infrared(grey(YARD))
    assert not is_infrared(YARD)
    sprite = cut_sprite([grey(frame) for frame in burst((100, 90))], BOX)
    assert sprite is not None
    assert sprite.is_grey


def test_resizing_keeps_the_shape_and_mirrors_it():
    sprite = square(20)
    sprite.alpha[:, 10:] = 0
    large = sprite.resized(40, flipped=True)
    assert large.alpha.shape == (40, 40)
    assert large.alpha[:, :15].max() < 0.1
    assert np.allclose(large.light[:, 25:], 3.0, atol=0.05)
    assert sprite.resized(10).alpha.shape == (10, 10)


def test_the_mask_tells_what_was_changed():
    picture = YARD.copy()
    mask, contrast = paste_sprite(
        picture, Placement(square(), 60, 80), LOOK, np.random.default_rng(1)
    )
    assert cv2.boundingRect(mask.astype(np.uint8)) == (80, 60, 20, 20)
    changed = np.abs(picture.astype(int) - YARD).max(axis=2) > 3
    assert not (changed & ~cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))).astype(bool)).any()
    assert (changed & mask).sum() > 0.95 * mask.sum()
    assert contrast > 30


def test_a_sprite_is_as_bright_as_its_place():
    dark = (YARD * 0.4).astype(np.uint8)
    levels = []
    for picture in (YARD.copy(), dark.copy()):
        before = picture[60:80, 80:100].mean()
        mask, _ = paste_sprite(
            picture, Placement(square(light=1.5), 60, 80), LOOK, np.random.default_rng(1)
        )
        levels.append(picture[mask].mean() / before)
    assert levels[0] == pytest.approx(levels[1], rel=0.1)


def test_a_grey_picture_stays_grey():
    sprite = square()
    sprite.light[..., 0] = 0.0
    picture = grey(YARD)
    paste_sprite(picture, Placement(sprite, 60, 80), LOOK, np.random.default_rng(1))
    assert np.ptp(picture.astype(int), axis=2).max() <= 1


def test_what_stands_before_a_sprite_hides_it():
    keep = np.ones(YARD.shape[:2], np.bool_)
    keep[70:] = False
    mask, _ = paste_sprite(
        YARD.copy(), Placement(square(), 60, 80), LOOK, np.random.default_rng(1), keep=keep
    )
    assert cv2.boundingRect(mask.astype(np.uint8)) == (80, 60, 20, 10)


@pytest.mark.parametrize("corner", [(-100, 10), (10, 400), (400, 10)])
def test_a_sprite_outside_the_picture_changes_nothing(corner):
    picture = YARD.copy()
    mask, contrast = paste_sprite(
        picture, Placement(square(), *corner), LOOK, np.random.default_rng(1)
    )
    assert not mask.any()
    assert contrast == 0
    assert np.array_equal(picture, YARD)


def test_a_shadow_darkens_the_ground_but_is_no_mover():
    picture = YARD.copy()
    shade = (np.full((10, 30), 0.5, np.float32), 80, 80)
    mask, _ = paste_sprite(
        picture, Placement(square(), 60, 80, shade), LOOK, np.random.default_rng(1)
    )
    ratio = picture[83:88, 85:105].mean() / YARD[83:88, 85:105].mean()
    assert ratio == pytest.approx(np.sqrt(0.5), abs=0.02)
    assert not mask[82:].any()


def test_contrast_is_what_is_seen_without_detail():
    flat = np.full((40, 40, 3), 100, np.float32)
    mask = np.zeros((40, 40), np.bool_)
    mask[10:30, 10:30] = True
    assert contrast_inside(flat, flat + 20, mask) == pytest.approx(20)
    assert contrast_inside(flat, flat + 20, np.zeros_like(mask)) == 0
    uneven = flat + 40 * (np.indices((40, 40))[0] > 20)[..., None].astype(np.float32)
    assert 5 < contrast_inside(uneven, uneven + 20, mask) < 15
    checks = flat + 30 * (np.indices((40, 40)).sum(axis=0) % 2 * 2 - 1)[..., None]
    assert contrast_inside(flat, checks.astype(np.float32), mask) < 2


def test_the_look_of_a_camera_is_measured():
    sharp = measure_look(burst_of(YARD, YARD))
    soft = measure_look(burst_of(*[cv2.GaussianBlur(YARD, (0, 0), 1.5)] * 2))
    assert soft.blur_px > sharp.blur_px
    noisy = measure_look([add_noise(YARD, seed, sigma=4.0) for seed in (1, 2)])
    assert sharp.noise == pytest.approx(2.0, rel=0.25)
    assert noisy.noise == pytest.approx(4.0, rel=0.25)
    assert measure_look([grey(YARD)]).saturation < measure_look([YARD]).saturation


@pytest.mark.parametrize("quality", [30, 50, 75, 92])
def test_the_quality_of_a_jpeg_is_found(quality):
    assert abs(jpeg_quality(encode(YARD, quality=quality)) - quality) <= 1


@pytest.mark.parametrize("data", [b"", b"nothing", encode(YARD, ".png")])
def test_what_is_no_jpeg_has_no_quality(data):
    with pytest.raises(ValueError, match="no JPEG"):
        jpeg_quality(data)
