"""A network of a few nodes, written by hand: it sees what moved as a temporal crop shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from veroallarme_core.relevance_mask import META_KEY, ModelMeta

OPSET = 17
IR_VERSION = 9  # both runtimes have read it for years


def write_network(
    path: Path,
    *,
    meta: ModelMeta | str | None = None,
    size: tuple[int, int] = (224, 224),
    batch: int | str = "batch",
    inputs: str = "image",
    outputs: tuple[str, str] = ("segmentation", "classification"),
    gain: float = 60.0,
) -> Path:
    """Write a network that takes a difference between its input's channels for relevant.

    Per pixel the logit of class 1 is `gain` times the spread of the three channels, less 6; per
    crop it is `gain` times the largest spread left after averaging over 8x8 pixels, less 6. Class
    0 has the logit 0.

    Args:
        path: where to write it.
        meta: what it says of itself; None says nothing, a text is written as it is.
        size: (height, width) of its input.
        batch: a number fixes how many crops it takes.
        inputs: name of its input.
        outputs: names of its outputs.
        gain: how steep it is; infinity makes it answer with what is no number.
    """
    height, width = size
    nodes = [
        helper.make_node("ReduceMax", [inputs], ["highest"], axes=[1], keepdims=1),
        helper.make_node("ReduceMin", [inputs], ["lowest"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["highest", "lowest"], ["spread"]),
        helper.make_node("Mul", ["spread", "gain"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "bias"], ["relevant"]),
        helper.make_node("Mul", ["spread", "zero"], ["nothing"]),
        helper.make_node("Concat", ["nothing", "relevant"], [outputs[0]], axis=1),
        helper.make_node(
            "AveragePool", [outputs[0]], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]
        ),
        helper.make_node("ReduceMax", ["pooled"], [outputs[1]], axes=[2, 3], keepdims=0),
    ]
    constants = {"gain": gain, "bias": 6.0, "zero": 0.0}
    graph = helper.make_graph(
        nodes,
        "spread",
        [helper.make_tensor_value_info(inputs, TensorProto.FLOAT, [batch, 3, height, width])],
        [
            helper.make_tensor_value_info(outputs[0], TensorProto.FLOAT, [batch, 2, height, width]),
            helper.make_tensor_value_info(outputs[1], TensorProto.FLOAT, [batch, 2]),
        ],
        [helper.make_tensor(n, TensorProto.FLOAT, [], [v]) for n, v in constants.items()],
    )
    model: Any = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    if meta is not None:
        text = meta if isinstance(meta, str) else meta.to_json()
        helper.set_model_props(model, {META_KEY: text})
    onnx.save(model, path)
    return path
