"""A TensorFlow.js graph model read into nodes and arrays, without TensorFlow.

The format is two files: JSON with the nodes of a frozen TensorFlow graph in order of evaluation and
a list of the weights, and one binary file with their values behind one another, little-endian.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.inference import ModelError

CONSTANT, PLACEHOLDER = "Const", "Placeholder"

_Value = TypeVar("_Value")


@dataclass(frozen=True, eq=False)
class TfjsNode:
    """One operation; an input `name:1` is the second output of the node `name`."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def integers(self, key: str) -> tuple[int, ...]:
        """Return an attribute that is a list of whole numbers, which the file holds as texts."""
        return self._read(key, lambda value: tuple(int(text) for text in value["list"]["i"]))

    def number(self, key: str) -> float:
        """Return an attribute that is a number."""
        return self._read(key, lambda value: float(value["f"]))

    def flag(self, key: str) -> bool:
        """Return an attribute that is true or false."""
        return self._read(key, lambda value: bool(value["b"]))

    def text(self, key: str) -> str:
        """Return an attribute that is a text."""
        return self._read(key, lambda value: base64.b64decode(value["s"]).decode("ascii"))

    def shape(self, key: str) -> tuple[int, ...]:
        """Return an attribute that is a shape."""
        return self._read(key, lambda value: _shape(value["shape"]))

    def _read(self, key: str, reader: Callable[[Any], _Value]) -> _Value:
        try:
            return reader(self.attributes[key])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"The node {self.name} ({self.operator}) has no usable attribute {key!r}."
            ) from error


@dataclass(frozen=True, eq=False)
class TfjsGraph:
    """A network: its operations in order of evaluation, and its constants by name.

    Weights have the type they are stored in, float16 where the file is quantised so.
    """

    nodes: tuple[TfjsNode, ...]
    constants: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, tuple[int, ...]]
    """The shapes of what it answers, by the names of the nodes."""


def read_tfjs_graph(path: Path) -> TfjsGraph:
    """Read a graph model.

    Args:
        path: its JSON file; the weights lie beside it.

    Raises:
        ModelError: the files are no graph model, or one that is not understood.
        OSError: a file cannot be read.
    """
    try:
        model = json.loads(path.read_bytes())
        nodes = tuple(_node(entry) for entry in model["modelTopology"]["node"])
        ports = model["signature"]["outputs"].items()
        outputs = {name.removesuffix(":0"): _shape(port["tensorShape"]) for name, port in ports}
        (manifest,) = model["weightsManifest"]
        (weights,) = manifest["paths"]
        entries = list(manifest["weights"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ModelError(
            f"{path} is no TensorFlow.js graph model with one file of weights ({reason:.120})."
        ) from error
    if not isinstance(weights, str) or Path(weights).name != weights:
        raise ModelError(f"{path} names {weights!r:.80} as its weights, which is no file's name.")
    constants = _constants(path.with_name(weights), entries)
    _check_order(path, nodes, constants)
    return TfjsGraph(nodes, constants, outputs)


def _node(entry: Mapping[str, Any]) -> TfjsNode:
    inputs = tuple(str(name).removesuffix(":0") for name in entry.get("input", ()))
    return TfjsNode(str(entry["name"]), str(entry["op"]), inputs, dict(entry.get("attr", {})))


def _shape(entry: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(axis["size"]) for axis in entry["dim"])


def _constants(path: Path, entries: list[Any]) -> dict[str, NDArray[Any]]:
    data = path.read_bytes()
    constants: dict[str, NDArray[Any]] = {}
    start = 0
    for entry in entries:
        try:
            name, shape = str(entry["name"]), tuple(int(axis) for axis in entry["shape"])
            stored = entry.get("quantization", {"dtype": entry["dtype"]})["dtype"]
            kind = {"float16": "<f2", "float32": "<f4", "int32": "<i4"}[stored]
            end = start + int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
            constants[name] = np.frombuffer(data[start:end], kind).reshape(shape)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"{path} does not hold the weight {entry!r:.120} as its graph says; fetch the "
                "package again."
            ) from error
        start = end
    if start != len(data):
        raise ModelError(f"{path} has {len(data)} bytes where its graph names {start}.")
    return constants


def _check_order(
    path: Path, nodes: tuple[TfjsNode, ...], constants: Mapping[str, NDArray[Any]]
) -> None:
    known: set[str] = set()
    for node in nodes:
        missing = [name for name in node.inputs if name.partition(":")[0] not in known]
        if node.operator == CONSTANT and node.name not in constants:
            missing = [node.name]
        if missing:
            raise ModelError(
                f"{path}: the node {node.name} needs {missing[0]}, which is not there."
            )
        known.add(node.name)
