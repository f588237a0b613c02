"""Detectors of a few nodes, written by hand: they find what is white, or answer what they are told.

They know nothing but the layouts, so that a wrong decoding or a wrong scale shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 9
BINS = 11
PERSON, CAR, DOG = 0, 2, 16


def write_white_finder(
    path: Path,
    *,
    layout: str = "shipped",
    batch: int | str = "n",
    size: tuple[int, int] | None = None,
    white: float = 255.0,
) -> Path:
    """Write a detector that calls every cell of stride 8 a person, by as much as it is white.

    Its box is two cells wide and high, in the middle of its cell.

    Args:
        path: where to write it.
        layout: `shipped`, `nanodet` or `yolox`.
        batch: a number fixes how many pictures it takes.
        size: (height, width) of its input; None takes any.
        white: the value of white in its input.
    """
    channels = {"shipped": 80 + 4 * BINS, "nanodet": 80 + 4 * BINS, "yolox": 85}[layout]
    of_person, always = np.zeros((2, 1, channels, 1), np.float32)
    if layout == "yolox":
        of_person[0, 4] = always[0, 5 + PERSON] = 1.0  # objectness; the class is sure
        always[0, :2], always[0, 2:4] = 0.5, np.log(2.0)
    else:
        of_person[0, PERSON] = 1.0
        always[0, 80 + np.arange(4) * BINS + 1] = 40.0  # the bin of one cell, on each side
    constants = {
        "to_share": np.float32(1.0 / white),
        "of_person": of_person,
        "always": always,
        "nothing": np.float32(0.0),
        "flat": np.array([0, 1, -1]),
    }
    nodes = [helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1], keepdims=1)]
    levels = []
    for stride in (8, 16, 32):
        window = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
        names = [f"{name}_{stride}" for name in ("mean", "share", "cells")]
        nodes.append(helper.make_node("AveragePool", ["grey"], names[:1], **window))
        factor = "to_share" if stride == 8 else "nothing"
        nodes.append(helper.make_node("Mul", [names[0], factor], names[1:2]))
        nodes.append(helper.make_node("Reshape", [names[1], "flat"], names[2:]))
        levels.append(names[2])
    nodes += [
        helper.make_node("Concat", levels, ["all"], axis=2),  # (n, 1, cells)
        helper.make_node("Mul", ["all", "of_person"], ["by_class"]),
        helper.make_node("Add", ["by_class", "always"], ["answer"]),
    ]
    outputs = ["scores", "bins"] if layout == "shipped" else ["output"]
    if layout == "shipped":
        constants["sizes"] = np.array([80, channels - 80])
        nodes.append(helper.make_node("Split", ["answer", "sizes"], outputs, axis=1))
    else:
        nodes.append(helper.make_node("Transpose", ["answer"], outputs, perm=[0, 2, 1]))
    return _save(path, nodes, constants, [batch, 3, *(size or ("h", "w"))], outputs)


def write_answers(path: Path, *answers: NDArray[Any], names: Sequence[str] = ("output",)) -> Path:
    """Write a detector for pictures of 64x64 that answers the same arrays, (1, ...), to each."""
    constants: dict[str, NDArray[Any]] = {"nothing": np.zeros((1, 1, 1), np.float32)}
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["means"]),
        helper.make_node("Mul", ["means", "nothing"], ["zero"]),
    ]
    constants["shape"] = np.array([-1, 1, 1])
    for index, (name, answer) in enumerate(zip(names, answers, strict=True)):
        constants[f"answer_{index}"] = answer.astype(np.float32)
        nodes.append(helper.make_node("Add", [f"answer_{index}", "zero"], [name]))
    return _save(path, nodes, constants, ["n", 3, 64, 64], names)


def _save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, Any],
    shape: Sequence[Any],
    outputs: Sequence[str],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION), path)
    return path
