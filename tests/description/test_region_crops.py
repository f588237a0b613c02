"""Squares around regions, crops of them, and maps pasted back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drawn import draw_person, draw_yard
from veroallarme_core.description.region_crops import (
    CropGeometry,
    InputMode,
    Square,
    cut_crop,
    cut_mask,
    cut_regions,
    frames_of_place,
    paste_map,
    square_around,
)
from veroallarme_core.motion_detection import MotionDetector
from veroallarme_core.motion_detection.damage import BLOCK_SIZE, FrameDamage

FRAME = (288, 352)


def flat(level, size=FRAME):
    return np.full((*size, 3), level, np.uint8)


def undamaged(size=FRAME):
    blocks = np.zeros((-(-size[0] // BLOCK_SIZE), -(-size[1] // BLOCK_SIZE)), np.bool_)
    return FrameDamage(frozenset(), blocks, 0.0)


class TestSquareAround:
    def test_adds_the_margin_on_every_side(self):
        square = square_around((100, 100, 200, 180), FRAME, CropGeometry(margin=0.25))
        assert square == Square(75, 65, 150)

    def test_a_distant_mover_keeps_surroundings(self):
        square = square_around((100, 100, 106, 112), FRAME, CropGeometry(min_side=48))
        assert square == Square(79, 82, 48)

    def test_moves_into_the_frame_where_it_fits(self):
        assert square_around((0, 0, 20, 20), FRAME) == Square(0, 0, 48)
        assert square_around((340, 270, 352, 288), FRAME) == Square(304, 240, 48)

    @given(st.integers(0, 340), st.integers(0, 270), st.integers(1, 400), st.integers(1, 400))
    def test_always_covers_the_region(self, x, y, width, height):
        x2, y2 = min(x + width, FRAME[1]), min(y + height, FRAME[0])
        square = square_around((x, y, x2, y2), FRAME)
        assert square.x <= x
        assert square.y <= y
        assert square.x + square.side >= x2
        assert square.y + square.side >= y2

    @given(st.integers(0, 340), st.integers(0, 270), st.integers(1, 12))
    def test_a_small_one_lies_inside_the_frame(self, x, y, edge):
        square = square_around((x, y, x + edge, y + edge), FRAME)
        assert 0 <= square.x <= FRAME[1] - square.side
        assert 0 <= square.y <= FRAME[0] - square.side


class TestCropGeometry:
    @pytest.mark.parametrize("margin", [-0.1, 4.5, float("nan"), "wide", True])
    def test_refuses_a_margin_out_of_range(self, margin):
        with pytest.raises(ValueError, match=r"margin must be a share from 0 to 4, not"):
            CropGeometry(margin=margin)

    @pytest.mark.parametrize("side", [0, 7, 2000, 48.5])
    def test_refuses_a_side_out_of_range(self, side):
        with pytest.raises(ValueError, match=r"min_side must be 8 to 1024 pixels, not"):
            CropGeometry(min_side=side)

    def test_survives_a_file(self):
        geometry = CropGeometry(margin=0.5, min_side=64)
        assert CropGeometry.from_dict({**geometry.to_dict(), "later": 1}) == geometry


class TestCutCrop:
    def test_temporal_channels_are_the_frames_in_order_of_time(self):
        crop = cut_crop([flat(10), flat(20), flat(30)], Square(10, 10, 64))
        assert crop.shape == (3, 224, 224)
        assert crop.dtype == np.float32
        for channel, level in zip(crop, (10, 20, 30), strict=True):
            assert np.allclose(channel, level / 255)

    def test_the_last_frame_stands_in_for_missing_ones(self):
        crop = cut_crop([flat(10), flat(20)], Square(10, 10, 64))
        assert np.allclose(crop.mean(axis=(1, 2)) * 255, (10, 20, 20))

    def test_rgb_channels_are_red_green_blue(self):
        frame = flat(0)
        frame[..., 2] = 255
        crop = cut_crop([frame], Square(0, 0, 64), input_mode=InputMode.RGB)
        assert np.allclose(crop.mean(axis=(1, 2)), (1.0, 0.0, 0.0))

    @pytest.mark.parametrize(("mode", "count"), [("rgb", 0), ("rgb", 2), ("temporal", 4)])
    def test_refuses_another_number_of_frames(self, mode, count):
        with pytest.raises(ValueError, match=rf"A {mode} crop takes 1 to \d frames, {count} given"):
            cut_crop([flat(0)] * count, Square(0, 0, 64), input_mode=InputMode(mode))

    def test_refuses_a_square_outside_the_frame(self):
        with pytest.raises(ValueError, match="lies outside a frame"):
            cut_crop([flat(0)], Square(400, 0, 64))

    def test_continues_the_border_beyond_the_frame(self):
        frame = flat(200)
        crop = cut_crop([frame], Square(-50, -100, 500), size=(96, 64))
        assert crop.shape == (3, 96, 64)
        assert np.allclose(crop, 200 / 255)

    def test_shows_the_place_it_was_cut_from(self):
        frame = flat(0)
        frame[50:100, 60:110] = 255
        crop = cut_crop([frame], Square(60, 50, 50))
        assert crop.min() == 1.0

    def test_a_thin_limb_survives_shrinking(self):
        frame = flat(0, (900, 900))
        frame[:, 449:452] = 255
        crop = cut_crop([frame], Square(0, 0, 896), size=(32, 32))
        assert crop.max() > 0.05


class TestMaps:
    def test_a_mask_keeps_its_values(self):
        mask = np.zeros(FRAME, np.uint8)
        mask[50:100, 60:110] = 170
        cut = cut_mask(mask, Square(50, 40, 70))
        assert set(np.unique(cut)) == {0, 170}
        assert cut[112, 112] == 170

    def test_a_mask_is_empty_beyond_the_frame(self):
        cut = cut_mask(np.full(FRAME, 255, np.uint8), Square(-64, 0, 128), (128, 128))
        assert not cut[:, :64].any()
        assert (cut[:, 64:] == 255).all()

    def test_pasting_is_the_inverse_of_cutting(self):
        full = np.zeros(FRAME, np.float32)
        scores = np.zeros((224, 224), np.float32)
        scores[:, 112:] = 0.8
        paste_map(scores, Square(100, 100, 112), full)
        assert full[150, 130] == 0.0
        assert full[150, 190] == pytest.approx(0.8)
        assert not full[:100].any()
        assert not full[:, :100].any()

    def test_the_largest_value_stays_where_maps_overlap(self):
        full = np.zeros(FRAME, np.float32)
        paste_map(np.full((224, 224), 0.6, np.float32), Square(0, 0, 100), full)
        paste_map(np.full((224, 224), 0.4, np.float32), Square(50, 0, 100), full)
        assert full[10, 75] == pytest.approx(0.6)
        assert full[10, 120] == pytest.approx(0.4)

    @given(st.integers(-300, 400), st.integers(-300, 400), st.integers(8, 600))
    def test_pastes_any_square_without_leaving_the_frame(self, x, y, side):
        full = np.zeros((64, 80), np.float32)
        paste_map(np.ones((32, 32), np.float32), Square(x, y, side), full)
        inside = np.zeros((64, 80), bool)
        inside[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)] = True
        assert (full.astype(bool) == inside).all()


class TestFramesOfPlace:
    BOX = (32, 32, 64, 64)

    def test_leaves_out_what_is_lost_or_of_another_size(self):
        frames = [flat(1), None, flat(2, (144, 176)), flat(3)]
        chosen = frames_of_place(frames, [], self.BOX, FRAME)
        assert [frame[0, 0, 0] for frame in chosen] == [1, 3]

    def test_leaves_out_a_frame_that_is_corrupt_at_this_place(self):
        damage = [undamaged(), undamaged(), undamaged()]
        damage[1].blocks[2, 2] = True
        frames = [flat(1), flat(2), flat(3)]
        here = frames_of_place(frames, damage, self.BOX, FRAME)
        elsewhere = frames_of_place(frames, damage, (200, 200, 240, 240), FRAME)
        assert [frame[0, 0, 0] for frame in here] == [1, 3]
        assert len(elsewhere) == 3

    def test_takes_corrupt_frames_where_there_are_no_others(self):
        damage = [undamaged()]
        damage[0].blocks[:] = True
        assert len(frames_of_place([flat(1)], damage, self.BOX, FRAME)) == 1

    def test_of_a_long_burst_the_frame_with_the_mover_is_taken(self):
        frames = [flat(100 + number) for number in range(6)]
        frames[3][40:60, 40:60] = 255
        chosen = frames_of_place(frames, [], self.BOX, FRAME)
        assert [frame[0, 0, 0] for frame in chosen] == [100, 103, 105]


class TestCutRegions:
    def burst(self):
        yard = draw_yard()
        frames = [draw_person(yard, x, 120) for x in (60, 160, 260)]
        return MotionDetector(min_area=60).detect_motion(frames)

    def test_a_temporal_network_gets_a_crop_per_region(self):
        motion = self.burst()
        crops = list(cut_regions(motion))
        assert [crop.index for crop in crops] == list(range(len(motion.motion_regions)))
        # What moved has coloured edges: the three greys differ.
        assert all(np.ptp(crop.pixels, axis=0).max() > 0.2 for crop in crops)

    def test_a_network_of_one_frame_gets_each_frame(self):
        motion = self.burst()
        crops = list(cut_regions(motion, input_mode=InputMode.RGB))
        assert len(crops) == 3 * len(motion.motion_regions)
