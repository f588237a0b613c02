"""The shared encoder: the same numbers in every runtime, for every way to ask."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import veroallarme_core
from tests.drawn import draw_person, draw_yard
from tests.onnx_networks import write_network
from veroallarme_core.description.scene_encoder import (
    CELL_CHANNELS,
    HEAD_FILE,
    MAX_BATCH,
    TRUNK_FILE,
    SceneEncoder,
    crop_region,
    grid_for,
    load_scene_encoder,
)
from veroallarme_core.inference import InferenceError, ModelError, graph_runtime, runtimes

SHIPPED = Path(veroallarme_core.__file__).parent / "models"
GRID = (9, 11)


@pytest.fixture(scope="module")
def encoder():
    return SceneEncoder(threads=1)


@pytest.fixture(scope="module")
def frames():
    yard = draw_yard()
    return [yard, draw_person(yard, 100, 100), draw_person(yard, 180, 100)]


@pytest.fixture(scope="module")
def crops(frames):
    corners = [(x, y) for x in range(0, 300, 50) for y in range(0, 150, 30)]
    return np.stack([crop_region(frames[1], (x, y, x + 40, y + 60)) for x, y in corners])


def largest_difference(found, expected):
    """The largest difference as a share of the largest number."""
    return np.abs(found - expected).max() / np.abs(expected).max()


def write_trunk(path, *, version="1", denominator=1.0):
    """Write a graph with the ports and the name of the trunk; c3 is 0 / denominator."""
    nodes = [
        helper.make_node("Sub", ["image", "image"], ["nothing"]),
        helper.make_node("Div", ["nothing", "denominator"], ["c3"]),
    ]
    ports = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, "h", "w"])]
        for name in ("image", "c3")
    ]
    constant = helper.make_tensor("denominator", TensorProto.FLOAT, [], [denominator])
    graph = helper.make_graph(nodes, "trunk", ports[0], ports[1], [constant])
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    helper.set_model_props(model, {"name": "lite0", "version": version})
    onnx.save(model, path)


@pytest.fixture
def folder(tmp_path):
    """A folder with the shipped files, to be changed."""
    for name in (TRUNK_FILE, HEAD_FILE):
        shutil.copy(SHIPPED / name, tmp_path)
    return tmp_path


class TestGrid:
    @pytest.mark.parametrize(
        ("dimensions", "grid"),
        [
            ((576, 704), (46, 56)),
            ((288, 352), (46, 56)),
            ((1080, 1920), (38, 68)),
            ((704, 576), (56, 46)),
            ((10, 4000), (4, 1015)),
        ],
    )
    def test_keeps_the_aspect(self, dimensions, grid):
        assert grid_for(dimensions) == grid

    def test_has_as_many_cells_as_asked(self):
        rows, columns = grid_for((480, 640), cells=200)
        assert rows * columns == pytest.approx(200, rel=0.1)

    def test_a_frame_without_pixels_is_refused(self):
        with pytest.raises(ValueError, match=r"not \(0, 640\) \(H, W\)"):
            grid_for((0, 640))


class TestCropRegion:
    frame = np.random.default_rng(4).integers(0, 256, (300, 400, 3), np.uint8)

    def test_is_the_square_of_1_3_times_the_longer_edge(self):
        # 86 * 1.3 = 111.8: a square of 112 px around (200, 150), which needs no scaling.
        crop = crop_region(self.frame, (190, 107, 210, 193))
        assert np.array_equal(crop, self.frame[94:206, 144:256])

    def test_continues_the_border_around_a_region_at_the_edge(self):
        padded = cv2.copyMakeBorder(self.frame, 13, 0, 46, 0, cv2.BORDER_REPLICATE)
        crop = crop_region(self.frame, (0, 0, 20, 86))
        assert np.array_equal(crop, padded[:112, :112])

    def test_is_at_least_32_px(self):
        expected = cv2.resize(self.frame[84:116, 184:216], (112, 112))
        assert np.array_equal(crop_region(self.frame, (198, 98, 202, 102)), expected)

    def test_is_no_larger_than_the_frame(self):
        padded = cv2.copyMakeBorder(self.frame, 50, 50, 0, 0, cv2.BORDER_REPLICATE)  # 400 x 400
        expected = cv2.resize(padded, (112, 112), interpolation=cv2.INTER_AREA)
        assert np.array_equal(crop_region(self.frame, (0, 0, 400, 300)), expected)

    def test_a_grey_frame_is_refused(self):
        with pytest.raises(ValueError, match=r"uint8 array of shape \(H, W, 3\)"):
            crop_region(self.frame[..., 0], (0, 0, 9, 9))


class TestFrames:
    def test_every_cell_has_its_numbers(self, encoder, frames):
        cells = encoder.encode_frames(frames, GRID)
        assert (cells.shape, cells.dtype) == ((3, *GRID, CELL_CHANNELS), np.float32)
        assert cells.std(axis=(0, 1, 2)).min() > 0

    def test_no_frame_gives_no_cells(self, encoder):
        assert encoder.encode_frames([], GRID).shape == (0, *GRID, CELL_CHANNELS)

    def test_is_the_same_alone_and_again(self, encoder, frames):
        together = encoder.encode_frames(frames, GRID)
        assert np.array_equal(encoder.encode_frames(frames[1:2], GRID)[0], together[1])

    def test_frames_may_differ_in_size(self, encoder, frames):
        larger = cv2.resize(frames[0], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        first, second = encoder.encode_frames([frames[0], larger], GRID)
        assert np.linalg.norm(first - second) < 0.2 * np.linalg.norm(first)

    def test_a_cell_shows_its_place(self, encoder, frames):
        yard, person, _ = encoder.encode_frames(frames, GRID)
        change = np.abs(person - yard).mean(axis=2)
        height, width = frames[0].shape[:2]
        there = np.abs(frames[1].astype(int) - frames[0]).sum(axis=2) > 0
        y, x = (np.flatnonzero(there.any(axis=axis)).mean() for axis in (1, 0))
        row, column = np.unravel_index(change.argmax(), change.shape)
        assert abs((row + 0.5) / GRID[0] - y / height) < 0.2
        assert abs((column + 0.5) / GRID[1] - x / width) < 0.2

    @pytest.mark.parametrize("size", [(576, 704), (1080, 1920), (120, 160)])
    def test_cells_alone_are_as_in_the_whole_frame(self, encoder, frames, size):
        frames = [cv2.resize(frame, size[::-1]) for frame in frames]
        grid = grid_for(size)
        whole = encoder.encode_frames(frames, grid)
        drawn = np.random.default_rng(0)
        for _ in range(12):
            top, left = drawn.integers(0, grid[0] - 1), drawn.integers(0, grid[1] - 1)
            needed = np.zeros(grid, np.bool_)
            needed[top : top + drawn.integers(1, 24), left : left + drawn.integers(1, 24)] = True
            cells = encoder.encode_cells(frames, grid, needed)
            assert cells.shape == whole.shape
            assert np.allclose(cells[:, needed], whole[:, needed], atol=1e-4)

    def test_a_small_part_is_described_alone(self, encoder, frames):
        grid = grid_for((576, 704))
        needed = np.zeros(grid, np.bool_)
        needed[20:24, 30:33] = True
        cells = encoder.encode_cells(frames, grid, needed)
        assert np.count_nonzero(cells.any(axis=(0, 3))) == 6 * 6

    def test_no_cell_takes_no_look(self, encoder, frames):
        assert not encoder.encode_cells(frames, GRID, np.zeros(GRID, np.bool_)).any()

    @pytest.mark.parametrize(
        ("frame", "grid", "sentence"),
        [
            (np.zeros((90, 110), np.uint8), GRID, r"uint8 array of shape \(H, W, 3\)"),
            (np.zeros((90, 110, 3), np.float32), GRID, "not float32"),
            (np.zeros((0, 110, 3), np.uint8), GRID, r"not uint8 \(0, 110, 3\)"),
            (np.zeros((90, 110, 3), np.uint8), (0, 4), r"at least \(1, 1\)"),
        ],
    )
    def test_a_wrong_input_is_told(self, encoder, frame, grid, sentence):
        with pytest.raises(ValueError, match=sentence):
            encoder.encode_frames([frame], grid)


class TestCrops:
    def test_one_embedding_each(self, encoder, crops):
        embeddings = encoder.embed_crops(crops[:3])
        assert (embeddings.shape, embeddings.dtype) == ((3, 1280), np.float32)
        assert embeddings.min() >= 0.0

    def test_no_crop_gives_no_embedding(self, encoder):
        none = np.zeros((0, 112, 112, 3), np.uint8)
        assert encoder.embed_crops(none).shape == (0, 1280)

    def test_batches_change_nothing(self, encoder, crops):
        assert len(crops) > MAX_BATCH
        together = encoder.embed_crops(crops)
        alone = np.concatenate([encoder.embed_crops(crop[None]) for crop in crops])
        assert largest_difference(together, alone) < 1e-5

    def test_what_was_released_describes_as_before(self, encoder, frames, crops):
        expected = encoder.encode_frames(frames, GRID), encoder.embed_crops(crops)
        encoder.release_memory()
        assert np.array_equal(encoder.encode_frames(frames, GRID), expected[0])
        assert np.array_equal(encoder.embed_crops(crops), expected[1])

    def test_the_same_person_elsewhere_is_nearer_than_the_empty_place(self, encoder, frames):
        where = [(frames[1], 100), (frames[2], 180), (frames[0], 100)]
        cut = [crop_region(frame, (x, 100, x + 14, 136)) for frame, x in where]
        one, other, empty = encoder.embed_crops(np.stack(cut))
        assert np.linalg.norm(one - other) < np.linalg.norm(one - empty)

    @pytest.mark.parametrize(
        "crops",
        [
            np.zeros((112, 112, 3), np.uint8),
            np.zeros((1, 224, 224, 3), np.uint8),
            np.zeros((1, 112, 112, 3), np.float32),
        ],
    )
    def test_a_wrong_input_is_told(self, encoder, crops):
        with pytest.raises(ValueError, match=r"must be uint8 \(N, 112, 112, 3\) BGR, not"):
            encoder.embed_crops(crops)


class TestRuntimes:
    def test_agree(self, frames, crops):
        openvino, onnxruntime = (SceneEncoder(n, threads=1) for n in ("openvino", "onnxruntime"))
        assert openvino.name == onnxruntime.name == "lite0-1"
        for ask in (
            lambda encoder: encoder.encode_frames(frames, GRID),
            lambda encoder: encoder.embed_crops(crops),
        ):
            assert largest_difference(ask(openvino), ask(onnxruntime)) < 1e-4

    @pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
    def test_may_be_shared_between_threads(self, backend, frames, crops):
        shared = SceneEncoder(backend, threads=1)
        expected = [shared.embed_crops(crops[n : n + 5]) for n in range(8)]
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda n: shared.embed_crops(crops[n : n + 5]), range(8))
        for mine, its in zip(found, expected, strict=True):
            assert np.array_equal(mine, its)

    @pytest.mark.parametrize(
        ("machine", "backend"),
        [("x86_64", "openvino"), ("AMD64", "openvino"), ("aarch64", "onnxruntime")],
    )
    def test_the_machine_chooses(self, machine, backend, monkeypatch):
        monkeypatch.setattr(runtimes.platform, "machine", lambda: machine)
        assert SceneEncoder(threads=1).backend == backend
        assert load_scene_encoder("auto", 1).backend == backend
        assert load_scene_encoder("torch", 1).backend == backend

    def test_what_is_not_installed_is_named(self, monkeypatch):
        monkeypatch.setattr(graph_runtime, "backends_for", lambda path: ("onnxruntime",))
        assert SceneEncoder(threads=1).backend == "onnxruntime"
        with pytest.raises(ModelError, match=r"needs openvino.*pip install openvino"):
            SceneEncoder("openvino")

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ({"backend": "torch"}, "backend 'torch': choose one of openvino, onnxruntime"),
            ({"threads": 0}, "threads 0: give a whole number from 1"),
        ],
    )
    def test_a_wrong_argument_is_told(self, arguments, sentence):
        with pytest.raises(ModelError, match=sentence):
            SceneEncoder(**arguments)


class TestFiles:
    @pytest.mark.parametrize("name", [TRUNK_FILE, HEAD_FILE])
    def test_a_missing_one_is_named(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(ModelError, match=f"{name} is missing"):
            SceneEncoder(folder=folder)

    @pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
    @pytest.mark.parametrize("content", [b"", b"no model", None])
    def test_what_is_no_encoder_is_refused(self, folder, backend, content):
        write_network(folder / TRUNK_FILE)  # a network, but another one
        if content is not None:
            (folder / TRUNK_FILE).write_bytes(content)
        with pytest.raises(ModelError, match=f"{TRUNK_FILE} cannot be loaded by {backend}"):
            SceneEncoder(backend, folder=folder)

    def test_parts_of_two_versions_are_refused(self, folder):
        write_trunk(folder / TRUNK_FILE, version="2")
        with pytest.raises(ModelError, match="the trunk of lite0-2 and the head of lite0-1"):
            SceneEncoder(folder=folder)

    @pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
    def test_an_answer_that_is_no_number_is_an_error(self, folder, backend, frames, crops):
        write_trunk(folder / TRUNK_FILE, denominator=0.0)
        broken = SceneEncoder(backend, threads=1, folder=folder)
        with pytest.raises(InferenceError, match="not finite"):
            broken.encode_frames(frames, GRID)

    @pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
    def test_a_runtime_that_fails_is_an_error(self, folder, backend, crops):
        write_trunk(folder / TRUNK_FILE)  # whose c3 has 3 channels, not the head's 40
        broken = SceneEncoder(backend, threads=1, folder=folder)
        with pytest.raises(InferenceError, match=f"{backend} failed on these pictures"):
            broken.embed_crops(crops[:1])

    def test_together_are_small_enough_to_ship(self):
        assert sum((SHIPPED / name).stat().st_size for name in (TRUNK_FILE, HEAD_FILE)) < 9e6
