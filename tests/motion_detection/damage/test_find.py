"""Corrupt blocks are found where they are, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tests.drawn import (
    burst_of,
    draw_person,
    draw_yard,
)
from tests.motion_detection.damage import HEIGHT, WIDTH, YARD, kinds
from veroallarme_core.motion_detection.damage import (
    BLOCK_SIZE,
    DamageKind,
    find_damage,
)
from veroallarme_core.pictures.frames import read_frame


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


def test_nothing_given_nothing_found() -> None:
    assert find_damage([]) == ()
    assert find_damage([None])[0].blocks.shape == (0, 0)


@settings(max_examples=40)
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
