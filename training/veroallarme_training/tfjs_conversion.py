"""A TensorFlow.js convolutional network as an ONNX graph, node by node.

TensorFlow computes convolutions on (N, H, W, C), so that such graphs alternate between that order
and (N, C, H, W) around every layer. Here tensors stay (N, C, H, W): a transpose only notes which
axis is which, a pad becomes the margin of the layer behind it, and an addition of a vector becomes
the bias of the convolution before it. Sizes are computed with factors instead of the numbers that
the source has for one input, so that the input may have any that fit the strides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from veroallarme_core.inference import ModelError
from veroallarme_training.tfjs_graph import CONSTANT, PLACEHOLDER, TfjsGraph, TfjsNode

OPSET, IR_VERSION = 17, 9  # both runtimes have read these for years

_NCHW, _NHWC = (0, 1, 2, 3), (0, 2, 3, 1)
_NO_MARGIN = (0, 0, 0, 0)
_UNKNOWN_SIZE = (0, 0)


@dataclass(frozen=True)
class Tensor:
    """A tensor of the source as the ONNX graph holds it."""

    name: str
    axes: tuple[int, ...]
    """For each axis of the source's tensor that of ours."""
    size: tuple[int, int] = _UNKNOWN_SIZE
    """(height, width) in the source, margins not counted; only factors between them are used."""
    margins: tuple[int, int, int, int] = _NO_MARGIN
    """Top, left, bottom, right: rows and columns that the next layer has to add."""
    margin_value: float = 0.0


class TfjsConverter:
    """An ONNX graph under construction, to which a source's nodes are added one by one."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.tensors: dict[str, Tensor] = {}
        """What each node of the source answers, by its name."""
        self._constants: dict[str, NDArray[Any]] = {}
        self._image = ""
        self._operations = {
            "Add": self._add,
            "AddV2": self._add,
            "ConcatV2": self._concatenate,
            "Conv2D": self._convolve,
            "Identity": self._rename,
            "LeakyRelu": self._leaky_relu,
            "MaxPool": self._pool,
            "Pad": self._pad,
            "PadV2": self._pad,
            PLACEHOLDER: self._place_holder,
            "Reshape": self._reshape,
            "ResizeBilinear": self._resize,
            "Sigmoid": self._sigmoid,
            "SparseToDense": self._dense,
            "SplitV": self._split,
            "Transpose": self._transpose,
        }

    def convert(self, graph: TfjsGraph, image: str) -> None:
        """Convert all nodes of a graph; `tensors` then has what they answer.

        Args:
            graph: the source. Its only input must be (N, C, H, W).
            image: name of the tensor that stands in for that input.

        Raises:
            ModelError: a node is of a kind, or used in a way, that is not converted.
        """
        self._image = image
        for node in graph.nodes:
            if node.operator == CONSTANT:
                self._constants[node.name] = graph.constants[node.name]
            elif node.operator not in self._operations:
                raise _unknown(node, "nodes of this kind are not converted")
            else:
                self._convert(node)

    def _convert(self, node: TfjsNode) -> None:
        try:
            self._operations[node.operator](node)
        except ModelError:
            raise
        except (IndexError, KeyError, TypeError, ValueError) as error:
            # What the operations do not expect: a constant of another shape than theirs.
            raise _unknown(node, f"its inputs make no sense ({error!s:.80})") from error

    def emit(
        self, operator: str, *inputs: str, outputs: Sequence[str] = (), **attributes: Any
    ) -> str:
        """Add an ONNX node and return the name of its first output."""
        names = outputs or [f"v{len(self.nodes)}"]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names[0]

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant and return its name; one of float16 is cast to float32 by a node."""
        name = f"w{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        if values.dtype != np.float16:
            return name
        return self.emit("Cast", name, to=TensorProto.FLOAT)

    # --- what is known beforehand ----------------------------------------------------------------

    def _dense(self, node: TfjsNode) -> None:
        places, shape, values, filling = (self._constant(node, index) for index in range(4))
        dense = np.full(shape, filling)
        for place, value in zip(places, values, strict=True):
            dense[tuple(place)] = value
        self._constants[node.name] = dense

    def _constant(self, node: TfjsNode, index: int) -> NDArray[Any]:
        name = node.inputs[index] if index < len(node.inputs) else ""
        if name not in self._constants:
            raise _unknown(node, f"its input {index} is not a constant")
        return self._constants[name]

    def _integers(self, node: TfjsNode, index: int) -> tuple[int, ...]:
        return tuple(int(value) for value in self._constant(node, index).reshape(-1))

    # --- what only changes how a tensor is seen --------------------------------------------------

    def _place_holder(self, node: TfjsNode) -> None:
        shape = node.shape("shape")
        if len(shape) != 4 or any(tensor.name == self._image for tensor in self.tensors.values()):
            raise _unknown(node, "one input of the shape (N, C, H, W) is converted")
        self.tensors[node.name] = Tensor(self._image, _NCHW, (shape[2], shape[3]))

    def _rename(self, node: TfjsNode) -> None:
        self.tensors[node.name] = self._tensor(node, 0)

    def _transpose(self, node: TfjsNode) -> None:
        source = self._tensor(node, 0, margins=True)
        order = self._integers(node, 1)
        if sorted(order) != list(range(len(source.axes))):
            raise _unknown(node, f"{order} is no order of {len(source.axes)} axes")
        axes = tuple(source.axes[axis] for axis in order)
        self.tensors[node.name] = replace(source, axes=axes)

    def _pad(self, node: TfjsNode) -> None:
        source = self._tensor(node, 0)
        value = float(self._constant(node, 2)) if len(node.inputs) > 2 else 0.0
        # By our axes: the source may have them in another order.
        pairs = self._constant(node, 1).reshape(-1, 2).tolist()
        by_axis = dict(zip(source.axes, pairs, strict=True))
        if source.axes not in (_NCHW, _NHWC) or by_axis[0] != [0, 0] or by_axis[1] != [0, 0]:
            raise _unknown(node, "only rows and columns can be padded")
        margins = (by_axis[2][0], by_axis[3][0], by_axis[2][1], by_axis[3][1])
        self.tensors[node.name] = replace(source, margins=margins, margin_value=value)

    def _tensor(
        self, node: TfjsNode, index: int, axes: tuple[int, ...] | None = None, margins: bool = False
    ) -> Tensor:
        """Return an input of a node; `axes` must be its order, `margins` may be left to add."""
        name = node.inputs[index] if index < len(node.inputs) else ""
        if name not in self.tensors:
            raise _unknown(node, f"its input {index} is not computed from the picture")
        tensor = self.tensors[name]
        if axes is not None and tensor.axes != axes:
            raise _unknown(node, f"its input {index} has its axes in the order {tensor.axes}")
        if not margins and tensor.margins != _NO_MARGIN:
            raise _unknown(node, "only a convolution or a pooling may follow a pad")
        return tensor

    # --- what computes ---------------------------------------------------------------------------

    def _convolve(self, node: TfjsNode) -> None:
        source = self._tensor(node, 0, _NHWC, margins=True)
        weight = self._constant(node, 1)  # (k, k, in, out)
        if weight.ndim != 4 or set(node.integers("dilations")) != {1}:
            raise _unknown(node, "only plain convolutions are converted")
        if source.margin_value != 0.0:
            raise _unknown(node, f"its input is padded with {source.margin_value:g}, not 0")
        strides = _window_strides(node)
        name = self.emit(
            "Conv",
            source.name,
            self.constant(weight.transpose(3, 2, 0, 1)),  # (out, in, k, k)
            kernel_shape=weight.shape[:2],
            strides=strides,
            pads=source.margins,
        )
        size = _size_after(source, weight.shape[:2], strides)
        self.tensors[node.name] = Tensor(name, _NHWC, size)

    def _pool(self, node: TfjsNode) -> None:
        source = self._tensor(node, 0, _NHWC, margins=True)
        # ONNX leaves margins out of the maximum, as minus infinity does.
        if source.margins != _NO_MARGIN and source.margin_value != -np.inf:
            raise _unknown(node, f"its input is padded with {source.margin_value:g}, not -inf")
        kernel, strides = node.integers("ksize")[1:3], _window_strides(node)
        name = self.emit(
            "MaxPool", source.name, kernel_shape=kernel, strides=strides, pads=source.margins
        )
        self.tensors[node.name] = Tensor(name, _NHWC, _size_after(source, kernel, strides))

    def _resize(self, node: TfjsNode) -> None:
        source = self._tensor(node, 0, _NHWC)
        if not node.flag("half_pixel_centers") or node.flag("align_corners"):
            raise _unknown(node, "only half-pixel centres are converted")
        size = self._integers(node, 1)
        factors = [
            new_size / old_size for new_size, old_size in zip(size, source.size, strict=True)
        ]
        if any(factor not in (0.5, 2.0) for factor in factors):
            raise _unknown(node, f"factors of 2 and 0.5 are converted, not {factors}")
        name = self.emit(
            "Resize",
            source.name,
            "",
            self.constant(np.array([1, 1, *factors], np.float32)),
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        self.tensors[node.name] = Tensor(name, _NHWC, (size[0], size[1]))

    def _leaky_relu(self, node: TfjsNode) -> None:
        source = self._tensor(node, 0)
        name = self.emit("LeakyRelu", source.name, alpha=node.number("alpha"))
        self.tensors[node.name] = replace(source, name=name)

    def _sigmoid(self, node: TfjsNode) -> None:
        source = self._tensor(node, 0)
        self.tensors[node.name] = replace(source, name=self.emit("Sigmoid", source.name))

    def _add(self, node: TfjsNode) -> None:
        constants = [name for name in node.inputs if name in self._constants]
        if len(constants) == 2:
            left, right = (self._constants[name] for name in node.inputs)
            self._constants[node.name] = left + right
        elif constants:
            self._add_bias(node)
        else:
            left_tensor, right_tensor = self._tensor(node, 0), self._tensor(node, 1)
            if (left_tensor.axes, left_tensor.size) != (right_tensor.axes, right_tensor.size):
                raise _unknown(node, "its inputs differ in shape")
            name = self.emit("Add", left_tensor.name, right_tensor.name)
            self.tensors[node.name] = replace(left_tensor, name=name)

    def _add_bias(self, node: TfjsNode) -> None:
        source, bias = self._tensor(node, 0, _NHWC), self._constant(node, 1)
        producer = next(
            (candidate for candidate in self.nodes if source.name in candidate.output), None
        )
        is_bare = producer is not None and (producer.op_type, len(producer.input)) == ("Conv", 2)
        if producer is None or not is_bare or bias.ndim != 1:
            raise _unknown(node, "a vector is added only to a convolution")
        producer.input.append(self.constant(bias.astype(np.float32)))
        # Nothing else may take what now has the bias in it.
        del self.tensors[node.inputs[0]]
        self.tensors[node.name] = source

    def _concatenate(self, node: TfjsNode) -> None:
        sources = [self._tensor(node, index) for index in range(len(node.inputs) - 1)]
        (axis,) = self._integers(node, len(node.inputs) - 1)
        if len({(source.axes, source.size) for source in sources}) != 1:
            raise _unknown(node, "its inputs differ in shape")
        onnx_axis = self._axis(node, sources[0], axis)
        name = self.emit("Concat", *(source.name for source in sources), axis=onnx_axis)
        self.tensors[node.name] = replace(sources[0], name=name)

    def _split(self, node: TfjsNode) -> None:
        source, sizes = self._tensor(node, 0), self._constant(node, 1)
        (axis,) = self._integers(node, 2)
        onnx_axis = self._axis(node, source, axis)
        names = [f"v{len(self.nodes)}_{index}" for index in range(len(sizes))]
        parts = self.constant(sizes.astype(np.int64))
        self.emit("Split", source.name, parts, outputs=names, axis=onnx_axis)
        for index, name in enumerate(names):
            output = f"{node.name}:{index}" if index else node.name
            self.tensors[output] = replace(source, name=name)

    def _axis(self, node: TfjsNode, tensor: Tensor, axis: int) -> int:
        if axis not in range(len(tensor.axes)) or tensor.axes[axis] != 1:
            raise _unknown(node, "only channels are split or joined")
        return tensor.axes[axis]

    def _reshape(self, node: TfjsNode) -> None:
        source, shape = self._tensor(node, 0, _NCHW), self._integers(node, 1)
        if len(shape) != 3 or shape[2] != -1:
            raise _unknown(node, f"(N, C, -1) is converted, not {shape}")
        # 0 keeps the batch as it is.
        name = self.emit("Reshape", source.name, self.constant(np.array([0, shape[1], -1])))
        self.tensors[node.name] = Tensor(name, (0, 1, 2))


def _window_strides(node: TfjsNode) -> tuple[int, ...]:
    if node.text("padding") != "VALID":
        raise _unknown(node, f"padding VALID is converted, not {node.text('padding')}")
    return node.integers("strides")[1:3]


def _size_after(source: Tensor, kernel: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    top, left, bottom, right = source.margins
    height, width = source.size
    return (
        (height + top + bottom - kernel[0]) // strides[0] + 1,
        (width + left + right - kernel[1]) // strides[1] + 1,
    )


def _unknown(node: TfjsNode, reason: str) -> ModelError:
    return ModelError(f"The node {node.name} ({node.operator}) cannot be converted: {reason}.")


def build_model(
    converter: TfjsConverter,
    takes: onnx.ValueInfoProto,
    answers: Sequence[onnx.ValueInfoProto],
    properties: Mapping[str, str],
) -> onnx.ModelProto:
    """Return what was converted as a checked model."""
    graph = helper.make_graph(
        converter.nodes, properties["name"], [takes], answers, converter.initializers
    )
    model: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    helper.set_model_props(model, dict(properties))
    onnx.checker.check_model(model, full_check=True)
    return model
