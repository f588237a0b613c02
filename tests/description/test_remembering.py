"""What is described of variants of a burst is what a look at each of them would say."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.watched import scene_encoder
from veroallarme_core.description.remembering import VariantsEncoder
from veroallarme_core.description.scene_encoder import SceneEncoder, crop_region, grid_for

Frame = NDArray[np.uint8]


class CountingEncoder(SceneEncoder):
    """Counts what it has to look at."""

    def __init__(self) -> None:
        self.name = scene_encoder().name
        self.whole, self.parts, self.crops = 0, 0, 0

    def encode_frames(self, frames: Sequence[Frame], grid: tuple[int, int]) -> Any:
        self.whole += 1
        return scene_encoder().encode_frames(frames, grid)

    def encode_cells(self, frames: Sequence[Frame], grid: tuple[int, int], needed: Any) -> Any:
        self.parts += 1
        return scene_encoder().encode_cells(frames, grid, needed)

    def describe_crops(self, crops: NDArray[np.uint8]) -> Any:
        self.crops += len(crops)
        return scene_encoder().describe_crops(crops)


@pytest.fixture(params=[(288, 352), (576, 704), (1080, 1920)], ids=str)
def burst(request: pytest.FixtureRequest) -> list[Frame]:
    """Three frames, larger and smaller than the network sees them."""
    rng = np.random.default_rng(1)
    height, width = request.param
    coarse = rng.integers(0, 256, (3, height // 9, width // 9, 3), np.uint8)
    return [np.kron(frame, np.ones((9, 9, 1), np.uint8)) for frame in coarse]


def changed(burst: Sequence[Frame], rng: np.random.Generator, size: int) -> list[Frame]:
    """Return the burst with something else at some place of each frame."""
    height, width = burst[0].shape[:2]
    frames = [frame.copy() for frame in burst]
    for frame in frames:
        top, left = rng.integers(0, height - size), rng.integers(0, width - size)
        top, left = rng.choice([0, top, height - size]), rng.choice([0, left, width - size])
        frame[top : top + size, left : left + size] = rng.integers(0, 256, 3, np.uint8)
    return frames


@pytest.mark.parametrize("size", [1, 7, 40])
def test_cells_of_a_variant(burst: list[Frame], size: int) -> None:
    rng = np.random.default_rng(size)
    grid = grid_for(burst[0].shape[:2])
    variants = VariantsEncoder(CountingEncoder(), burst)
    for _ in range(3):
        frames = changed(burst, rng, size)
        needed = rng.random(grid) < 0.2
        cells = variants.encode_cells(frames, grid, needed)
        whole = scene_encoder().encode_frames(frames, grid)
        assert np.allclose(cells[:, needed], whole[:, needed], atol=1e-4)


def test_what_variants_have_in_common_is_looked_at_once(burst: list[Frame]) -> None:
    encoder = CountingEncoder()
    variants = VariantsEncoder(encoder, burst)
    grid = grid_for(burst[0].shape[:2])
    boxes = [(10, 10, 60, 60), (100, 120, 140, 200)]
    for value in (0, 90, 200):
        frames = [frame.copy() for frame in burst]
        frames[1][20:30, 20:30] = value
        variants.encode_cells(frames, grid, np.ones(grid, np.bool_))
        crops = [crop_region(frame, box) for box in boxes for frame in frames]
        seen = variants.describe_crops(np.stack(crops))
        plain = scene_encoder().describe_crops(np.stack(crops))
        assert np.allclose(seen.embedding, plain.embedding, atol=1e-3)
        assert np.allclose(seen.structure, plain.structure, atol=1e-3)
    assert encoder.whole == 1
    assert encoder.parts == 3
    assert encoder.crops == 6 + 2, "all of the first variant, the changed one of each other"


def test_frames_of_another_size_are_no_variant(burst: list[Frame]) -> None:
    encoder = CountingEncoder()
    grid = grid_for(burst[0].shape[:2])
    needed = np.ones(grid, np.bool_)
    two = VariantsEncoder(encoder, burst).encode_cells(burst[:2], grid, needed)
    assert (encoder.whole, encoder.parts, len(two)) == (0, 1, 2)
