"""A small TensorFlow.js graph model with every kind of node that a conversion knows.

It is a detector as NanoDet is one: three levels, 80 class scores and 4 x 11 bins for each cell.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

_TO_NHWC, _TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
_MARGINS = [[0, 0], [0, 0], [1, 1], [1, 1]]


class TfjsFiles:
    """A model under construction; `nodes` and `weights` are as its JSON file has them."""

    def __init__(self, size: int, seed: int = 3) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.weights: list[dict[str, Any]] = []
        self.outputs: dict[str, Any] = {}
        self.data = b""
        self._rng = np.random.default_rng(seed)
        shape = {"shape": {"dim": [{"size": str(edge)} for edge in (1, 3, size, size)]}}
        self.add("input_1", "Placeholder", shape={"shape": shape["shape"]})
        self._size = size
        self._detector()

    def add(self, name: str, operator: str, *inputs: str, **attributes: Any) -> str:
        node = {"name": name, "op": operator, "attr": attributes}
        self.nodes.append(node | ({"input": list(inputs)} if inputs else {}))
        return name

    def constant(self, values: Any, dtype: str = "int32") -> str:
        """Add a constant; one of float32 is stored as float16."""
        stored = np.asarray(values, "<f2" if dtype == "float32" else "<i4")
        name = f"constant_{len(self.weights)}"
        entry: dict[str, Any] = {"name": name, "shape": list(stored.shape), "dtype": dtype}
        if dtype == "float32":
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
        self.weights.append(entry)
        self.data += stored.tobytes()
        return self.add(name, "Const")

    def write(self, folder: Path, name: str = "nanodet") -> Path:
        """Write both files and return the path of the one that describes the graph."""
        ports = {
            f"{output}:0": {"tensorShape": {"dim": [{"size": str(edge)} for edge in shape]}}
            for output, shape in self.outputs.items()
        }
        model = {
            "format": "graph-model",
            "signature": {"outputs": ports},
            "modelTopology": {"node": self.nodes},
            "weightsManifest": [{"paths": [f"{name}.bin"], "weights": self.weights}],
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.bin").write_bytes(self.data)
        path = folder / f"{name}.json"
        path.write_text(json.dumps(model))
        return path

    # --- layers ----------------------------------------------------------------------------------

    def transpose(self, source: str, order: tuple[int, ...]) -> str:
        return self.add(f"{source}_t{order[1]}", "Transpose", source, self.constant(order))

    def convolve(
        self, source: str, channels: tuple[int, int], kernel: int = 3, stride: int = 1
    ) -> str:
        """(N, C, H, W) -> (N, C, H, W), by way of (N, H, W, C)."""
        name = f"layer_{len(self.nodes)}"
        if kernel > 1:
            source = self.add(f"{name}_pad", "Pad", source, self.constant(_MARGINS))
        source = self.add(f"{name}_in", "Transpose", source, self.constant(_TO_NHWC))
        deviation = (kernel * kernel * channels[0]) ** -0.5
        weight = self._rng.normal(0.0, deviation, (kernel, kernel, *channels))
        attributes = window(stride, dilations={"list": {"i": ["1"] * 4}})
        weights = self.constant(weight, "float32")
        answer = self.add(f"{name}_conv", "Conv2D", source, weights, **attributes)
        bias = self.constant(self._rng.normal(0.0, 0.1, channels[1]), "float32")
        answer = self.add(f"{name}_bias", "Add", answer, bias)
        answer = self.add(f"{name}_out", "Transpose", answer, self.constant(_TO_NCHW))
        return self.add(name, "LeakyRelu", answer, alpha={"f": 0.1})

    def pool(self, source: str) -> str:
        """(N, C, H, W) -> (N, C, H/2, W/2)."""
        lowest = self.constant(-np.inf, "float32")
        padded = self.add(f"{source}_margin", "PadV2", source, self.constant(_MARGINS), lowest)
        attributes = window(2, ksize={"list": {"i": ["1", "3", "3", "1"]}})
        pooled = self.add(f"{source}_pool", "MaxPool", self.transpose(padded, _TO_NHWC))
        self.nodes[-1]["attr"] = attributes
        return self.transpose(pooled, _TO_NCHW)

    def resize(self, source: str, edge: int) -> str:
        moved = self.transpose(source, _TO_NHWC)
        size = self.constant([edge, edge])
        name = f"{source}_to_{edge}"
        flags = {"half_pixel_centers": {"b": True}, "align_corners": {"b": False}}
        return self.transpose(self.add(name, "ResizeBilinear", moved, size, **flags), _TO_NCHW)

    def head(self, source: str, level: int) -> None:
        """Answer scores and bins of one level, (1, cells, 80) and (1, cells, 44)."""
        answer = self.convolve(source, (8, 124), kernel=1)
        sizes, axis = self.constant([80, 44]), self.constant(1)
        split = self.add(f"split_{level}", "SplitV", answer, sizes, axis)
        scores = self.add(f"scores_{level}", "Sigmoid", split)
        cells = (self._size // (8 << level)) ** 2
        for part, channels in ((scores, 80), (f"{split}:1", 44)):
            nothing = self.constant(np.zeros((0, 1)))
            dense = [nothing, self.constant([3]), self.constant(np.zeros(0)), self.constant(0)]
            zeros = self.add(f"zeros_{level}_{channels}", "SparseToDense", *dense)
            wanted = self.constant([1, channels, -1])
            shape = self.add(f"shape_{level}_{channels}", "AddV2", wanted, zeros)
            flat = self.add(f"flat_{level}_{channels}", "Reshape", part, shape)
            turned = self.transpose(flat, (0, 2, 1))
            output = self.add(f"Identity_{level}_{channels}", "Identity", turned)
            self.outputs[output] = (1, cells, channels)

    def _detector(self) -> None:
        features = self.pool(self.convolve("input_1", (3, 8), stride=2))  # stride 4
        fine = self.convolve(features, (8, 8), stride=2)
        middle = self.convolve(fine, (8, 8), stride=2)
        coarse = self.convolve(middle, (8, 8), stride=2)
        joined = self.add("join", "ConcatV2", fine, self._likewise(fine), self.constant(1))
        fine = self.convolve(joined, (16, 8))
        middle = self.add("down", "Add", middle, self.resize(coarse, self._size // 16))
        middle = self.add("up", "Add", middle, self.resize(fine, self._size // 16))
        # As in the real file, the coarsest level does not come last.
        for level, source in ((2, coarse), (0, fine), (1, middle)):
            self.head(source, level)

    def _likewise(self, source: str) -> str:
        return self.convolve(source, (8, 8))


def window(stride: int, **more: Any) -> dict[str, Any]:
    """Return the attributes of a convolution or a pooling."""
    strides = {"list": {"i": ["1", str(stride), str(stride), "1"]}}
    padding = {"s": base64.b64encode(b"VALID").decode()}
    return {"strides": strides, "padding": padding, **more}
