"""A TensorFlow.js graph run node by node as it stands: what a conversion is compared with.

Slow and literal: every transpose is made, every tensor is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from veroallarme_core.inference import ModelError
from veroallarme_training.tfjs_graph import CONSTANT, PLACEHOLDER, TfjsGraph, TfjsNode


def run_tfjs_graph(graph: TfjsGraph, image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return what the graph answers to its only input, by the names of its outputs.

    Raises:
        ModelError: an operation is not known.
    """
    values: dict[str, Tensor] = {}
    with torch.inference_mode():
        for node in graph.nodes:
            if node.operator == CONSTANT:
                values[node.name] = _tensor(graph.constants[node.name])
            elif node.operator == PLACEHOLDER:
                values[node.name] = torch.from_numpy(image)
            else:
                _run(node, values)
    return {name: values[name].numpy() for name in graph.outputs}


def _tensor(constant: NDArray[Any]) -> Tensor:
    kind = np.float32 if constant.dtype.kind == "f" else np.int64
    return torch.from_numpy(constant.astype(kind))


def _run(node: TfjsNode, values: dict[str, Tensor]) -> None:
    operation = _OPERATIONS.get(node.operator)
    if operation is None:
        raise ModelError(f"The node {node.name} is a {node.operator}, which is not known here.")
    answer = operation(node, *(values[name] for name in node.inputs))
    if isinstance(answer, Tensor):
        values[node.name] = answer
        return
    for index, part in enumerate(answer):
        values[f"{node.name}:{index}" if index else node.name] = part


def _convolved(node: TfjsNode, image: Tensor, weight: Tensor) -> Tensor:
    # (N, H, W, C) and (k, k, in, out); torch wants (N, C, H, W) and (out, in, k, k).
    strides = node.integers("strides")[1:3]
    moved = image.permute(0, 3, 1, 2)
    answer = functional.conv2d(moved, weight.permute(3, 2, 0, 1), stride=strides)
    return answer.permute(0, 2, 3, 1)


def _pooled(node: TfjsNode, image: Tensor) -> Tensor:
    size, strides = node.integers("ksize")[1:3], node.integers("strides")[1:3]
    answer = functional.max_pool2d(image.permute(0, 3, 1, 2), size, strides)
    return answer.permute(0, 2, 3, 1)


def _padded(node: TfjsNode, image: Tensor, margins: Tensor, value: Tensor | None = None) -> Tensor:
    from_last = [int(edge) for pair in reversed(margins.tolist()) for edge in pair]
    return functional.pad(image, from_last, value=0.0 if value is None else float(value))


def _resized(node: TfjsNode, image: Tensor, size: Tensor) -> Tensor:
    answer = functional.interpolate(
        image.permute(0, 3, 1, 2), size=size.tolist(), mode="bilinear", align_corners=False
    )
    return answer.permute(0, 2, 3, 1)


def _dense(
    node: TfjsNode, places: Tensor, shape: Tensor, values: Tensor, filling: Tensor
) -> Tensor:
    dense = torch.full(shape.tolist(), int(filling))
    for place, value in zip(places.tolist(), values.tolist(), strict=True):
        dense[tuple(place)] = value
    return dense


_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "Add": lambda node, left, right: left + right,
    "AddV2": lambda node, left, right: left + right,
    "ConcatV2": lambda node, *inputs: torch.cat(inputs[:-1], dim=int(inputs[-1])),
    "Conv2D": _convolved,
    "Identity": lambda node, value: value,
    "LeakyRelu": lambda node, value: functional.leaky_relu(value, node.number("alpha")),
    "MaxPool": _pooled,
    "Pad": _padded,
    "PadV2": _padded,
    "Reshape": lambda node, value, shape: value.reshape(shape.tolist()),
    "ResizeBilinear": _resized,
    "Sigmoid": lambda node, value: torch.sigmoid(value),
    "SparseToDense": _dense,
    "SplitV": lambda node, value, sizes, axis: torch.split(value, sizes.tolist(), int(axis)),
    "Transpose": lambda node, value, order: value.permute(order.tolist()),
}
