"""A TensorFlow.js graph as ONNX answers as its source does, at sizes that only it can take."""

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="converting needs the extra [train]")
onnx = pytest.importorskip("onnx", reason="converting needs the extra [train]")

from tests.training.tfjs_files import TfjsFiles  # noqa: E402
from veroallarme_core.inference import ModelError, open_graph  # noqa: E402
from veroallarme_training.detector_export import convert_detector, source_answers  # noqa: E402
from veroallarme_training.tfjs_graph import TfjsGraph, TfjsNode, read_tfjs_graph  # noqa: E402
from veroallarme_training.tfjs_run import run_tfjs_graph  # noqa: E402

pytestmark = pytest.mark.evaluation
KINDS = {
    *("Placeholder", "Const", "Transpose", "Add", "AddV2", "Conv2D", "Pad", "PadV2", "LeakyRelu"),
    *("ConcatV2", "SparseToDense", "Reshape", "Identity", "ResizeBilinear", "SplitV", "Sigmoid"),
    "MaxPool",
}


def read(folder, size=64):
    return read_tfjs_graph(TfjsFiles(size).write(folder))


def picture(size, batch=1):
    return np.random.default_rng(5).uniform(0, 255, (batch, 3, size, size)).astype(np.float32)


def answers_of(model, path, runtime, image):
    onnx.save(model, path)
    return open_graph(runtime, path, 1, remedy="").run(image, "scores", "bins")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
class TestConversion:
    @pytest.mark.parametrize("size", [64, 96])
    def test_answers_as_the_source_does_at_its_own_size(self, tmp_path, runtime, size):
        graph = read(tmp_path, size)
        assert {node.operator for node in graph.nodes} == KINDS
        image = picture(size)
        found = answers_of(convert_detector(graph), tmp_path / "d.onnx", runtime, image)
        for its, own in zip(found, source_answers(graph, image), strict=True):
            assert its.shape == own.shape
            assert np.abs(its - own).max() < 1e-4

    def test_the_input_may_have_any_size_and_number(self, tmp_path, runtime):
        small, large = read(tmp_path / "small", 64), read(tmp_path / "large", 96)
        converted = convert_detector(small)
        images = picture(96, batch=3)
        found = answers_of(converted, tmp_path / "d.onnx", runtime, images)
        for index in range(3):
            expected = source_answers(large, images[index : index + 1])
            for its, own in zip(found, expected, strict=True):
                assert np.abs(its[index] - own[0]).max() < 1e-4


def test_the_size_of_the_source_does_not_matter(tmp_path):
    small, large = (convert_detector(read(tmp_path / str(size), size)) for size in (64, 96))
    assert small == large


def test_weights_keep_the_16_bits_that_they_have(tmp_path):
    graph = read(tmp_path)
    converted = convert_detector(graph)
    stored = [onnx.numpy_helper.to_array(one) for one in converted.graph.initializer]
    source = [values for values in graph.constants.values() if values.ndim == 4]
    kept = [values for values in stored if values.ndim == 4 and values.dtype == np.float16]
    assert len(source) == len(kept) == 9
    for own, its in zip(source, kept, strict=True):
        assert np.array_equal(own.transpose(3, 2, 0, 1), its)


class TestSourceAsItStands:
    """The oracle itself, against loops."""

    def run(self, operator, *inputs, **attributes):
        names = [f"input_{index}" for index in range(len(inputs))]
        nodes = [TfjsNode(name, "Const", (), {}) for name in names]
        nodes.append(TfjsNode("answer", operator, tuple(names), attributes))
        constants = dict(zip(names, (np.asarray(value) for value in inputs), strict=True))
        graph = TfjsGraph(tuple(nodes), constants, {"answer": ()})
        return run_tfjs_graph(graph, np.zeros((1, 1, 1, 1), np.float32))["answer"]

    def test_a_convolution(self):
        rng = np.random.default_rng(0)
        image, weight = rng.normal(size=(1, 7, 6, 2)), rng.normal(size=(3, 3, 2, 4))
        strides = {"list": {"i": ["1", "2", "1", "1"]}}
        found = self.run("Conv2D", image, weight, strides=strides)
        assert found.shape == (1, 3, 4, 4)
        for y, x, channel in np.ndindex(3, 4, 4):
            expected = (image[0, 2 * y : 2 * y + 3, x : x + 3] * weight[..., channel]).sum()
            assert found[0, y, x, channel] == pytest.approx(expected, abs=1e-5)

    def test_a_maximum(self):
        image = np.random.default_rng(1).normal(size=(1, 5, 5, 2))
        sizes = {"list": {"i": ["1", "3", "3", "1"]}}, {"list": {"i": ["1", "2", "2", "1"]}}
        found = self.run("MaxPool", image, ksize=sizes[0], strides=sizes[1])
        for y, x, channel in np.ndindex(2, 2, 2):
            window = image[0, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3, channel]
            assert found[0, y, x, channel] == pytest.approx(window.max())

    @pytest.mark.parametrize("edge", [3, 6, 12])
    def test_a_change_of_size(self, edge):
        row = np.random.default_rng(2).normal(size=6)
        image = np.tile(row[None, None, :, None], (1, 6, 1, 1))
        found = self.run("ResizeBilinear", image, [edge, edge])[0, 0, :, 0]
        for x in range(edge):
            at = min(max((x + 0.5) * 6 / edge - 0.5, 0.0), 5.0)
            low = math.floor(at)
            expected = row[low] + (at - low) * (row[min(low + 1, 5)] - row[low])
            assert found[x] == pytest.approx(expected, abs=1e-6)

    def test_what_is_sparse(self):
        found = self.run("SparseToDense", [[1], [3]], [5], [7, 8], 2)
        assert found.tolist() == [2, 7, 2, 8, 2]

    def test_an_unknown_operation(self):
        with pytest.raises(ModelError, match="answer is a Gather, which is not known here"):
            self.run("Gather")


def change(operator, **attributes):
    """Return what changes the first node of a kind."""

    def apply(model):
        node = next(node for node in model["modelTopology"]["node"] if node["op"] == operator)
        node["attr"].update(attributes)

    return apply


def rename(operator, other):
    def apply(model):
        node = next(node for node in model["modelTopology"]["node"] if node["op"] == operator)
        node["op"] = other

    return apply


def rewire(name, index, other):
    def apply(model):
        node = next(node for node in model["modelTopology"]["node"] if node["name"] == name)
        node["input"][index : index + 1] = [] if other is None else [other]

    return apply


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (rename("LeakyRelu", "Elu"), r"layer_1 \(Elu\) cannot be converted: nodes of this kind"),
        (change("Conv2D", padding={"s": "U0FNRQ=="}), "padding VALID is converted, not SAME"),
        (change("Conv2D", dilations={"list": {"i": ["1", "2", "2", "1"]}}), "only plain convol"),
        (change("ResizeBilinear", align_corners={"b": True}), "only half-pixel centres"),
        (rewire("layer_1_margin", 2, None), "padded with 0, not -inf"),
        (rewire("layer_1_margin", 1, "constant_1"), r"layer_1_margin .* make no sense"),
        (rewire("up", 1, "join"), "its inputs differ in shape"),
        (rewire("layer_1_out", 0, "layer_1_conv"), "its input 0 is not computed from the picture"),
        (rewire("Identity_0_80", 0, "flat_0_80"), "has its axes in the order"),
        (lambda model: model["signature"]["outputs"].popitem(), "2 outputs of 44 channels, not 3"),
    ],
)
def test_what_is_not_converted_is_told(tmp_path, damage, sentence):
    path = TfjsFiles(64).write(tmp_path)
    model = json.loads(path.read_text())
    damage(model)
    path.write_text(json.dumps(model))
    with pytest.raises(ModelError, match=sentence):
        convert_detector(read_tfjs_graph(path))


def set_weights(**keys):
    return lambda model: model["weightsManifest"][0].update(keys)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (set_weights(paths=["../../etc/passwd"]), "'../../etc/passwd' as its weights"),
        (set_weights(paths=["a.bin", "b.bin"]), "no TensorFlow.js graph model"),
        (set_weights(weights=[]), "bytes where its graph names 0"),
        (set_weights(weights=[{"name": "w", "shape": [9**9], "dtype": "int32"}]), "not hold the"),
        (set_weights(weights=[{"name": "w", "shape": [-1], "dtype": "string"}]), "not hold the"),
        (rewire("join", 0, "nowhere"), "the node join needs nowhere, which is not there"),
        (change("Conv2D", strides={"list": {}}), r"\(Conv2D\) has no usable attribute 'strides'"),
        (lambda model: model.pop("signature"), "no TensorFlow.js graph model"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path, damage, sentence):
    path = TfjsFiles(64).write(tmp_path)
    model = json.loads(path.read_text())
    damage(model)
    path.write_text(json.dumps(model))
    with pytest.raises(ModelError, match=sentence):
        convert_detector(read_tfjs_graph(path))


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"a": 1}'])
def test_other_content_is_told(tmp_path, content):
    (tmp_path / "nanodet.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"no TensorFlow\.js graph model"):
        read_tfjs_graph(tmp_path / "nanodet.json")


def test_cut_off_weights_are_told(tmp_path):
    path = TfjsFiles(64).write(tmp_path)
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:-7])
    with pytest.raises(ModelError, match="does not hold the weight"):
        read_tfjs_graph(path)
