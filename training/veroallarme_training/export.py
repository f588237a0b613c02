"""From a checkpoint to the file that the worker runs: ONNX or OpenVINO IR, fp32 or INT8.

    veroallarme-train export --checkpoint best_model.pth
    veroallarme-train export --checkpoint best_model.pth --int8 --calibration DIR

Every export checks itself on crops of real regions: fp32 against torch, INT8 by how far the scores
move on crops that the calibration has not seen.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from veroallarme_core.description import cut_regions
from veroallarme_core.drawing import draw_events
from veroallarme_core.files import put_in_place
from veroallarme_core.inference import ModelError, available_backends, backends_for, load_openvino
from veroallarme_core.motion_detection import FrameSource, MotionDetector, common_size, min_area_for
from veroallarme_core.pictures import DecodedFrame, FrameError, read_frame
from veroallarme_core.relevance_mask import (
    INPUT_NAME,
    META_KEY,
    OUTPUT_NAMES,
    InferenceBackend,
    ModelMeta,
    ModelMode,
    OpenVinoBackend,
    RelevanceMaskModel,
    TorchBackend,
    judging_model,
    open_backend,
    relevance_probability,
)
from veroallarme_training.errors import TrainingError
from veroallarme_training.events import find_events

Crops = NDArray[np.float32]
"""float32 (N, 3, H, W) in [0, 1]."""

FORMATS = {"onnx": ".onnx", "openvino": ".xml"}
LARGEST_DIFFERENCE = 1e-4
"""How far the logits of an fp32 export may be from torch's; above 1, as a share of their size."""

_REGIONS_OF_AN_EVENT = 4  # the largest ones: a windy event must not outweigh all others
_MAX_CROPS = 320
_HELD_OUT = 4  # every fourth crop is kept from calibration
_MIN_CROPS = 8
_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """What to export, how, and with which pictures to check it."""

    checkpoint: Path
    format: str = "onnx"
    int8: bool = False
    calibration: Path | None = None
    """Folder of events; None takes the drawn scenes that come with the package."""
    output: Path | None = None
    """None writes beside the checkpoint."""
    name: str | None = None
    """Shown in verdicts; None takes the checkpoint's file name."""
    input_size: tuple[int, int] = (224, 224)


@dataclass(frozen=True, kw_only=True)
class ScoreChange:
    """How INT8 moves the scores of crops that the calibration has not seen."""

    crops: int
    mean: float
    largest: float
    flipped: int
    """Crops that change sides at a threshold of 0.5."""
    mask_agreement: float
    """Share of pixels on the same side of 0.5."""


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was written and how it compares with the checkpoint."""

    path: Path
    size_bytes: int
    """Of all files together: an IR has its weights in a second one."""
    crops: int
    differences: dict[str, float]
    """Largest difference of the fp32 graph to torch, by runtime."""
    score_change: ScoreChange | None = None
    """None for fp32."""

    def lines(self) -> list[str]:
        """Return the report for people."""
        lines = [f"{self.path}: {self.size_bytes / 1e6:.1f} MB"]
        for name, difference in self.differences.items():
            lines.append(
                f"fp32 in {name}: largest difference to torch {difference:.1e} on {self.crops} "
                f"crops (at most {LARGEST_DIFFERENCE:.0e})"
            )
        change = self.score_change
        if change is not None:
            lines.append(
                f"INT8 on {change.crops} held-out crops: scores change by {change.mean:.4f} on "
                f"average and {change.largest:.4f} at most, {change.flipped} cross 0.5; masks "
                f"agree in {change.mask_agreement:.2%} of the pixels"
            )
        return lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `veroallarme-train export`."""
    defaults = ExportSettings(checkpoint=Path())
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="FILE", help="the .pth file to export"
    )
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default=defaults.format,
        help="onnx: one file for every runtime; openvino: an IR, .xml and .bin (default: onnx)",
    )
    parser.add_argument(
        "--int8", action="store_true", help="quantise to 8 bits: a quarter of the size, faster"
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="folder of events to check and to calibrate with (default: the drawn scenes); what "
        "is published may only be calibrated on pictures that are free",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: beside the checkpoint"
    )
    parser.add_argument("--name", help="name of the model, shown in verdicts")


def run(arguments: argparse.Namespace) -> int:
    """Export as the options say, print the report, and return the exit status."""
    settings = ExportSettings(
        checkpoint=arguments.checkpoint,
        format=arguments.format,
        int8=arguments.int8,
        calibration=arguments.calibration,
        output=arguments.output,
        name=arguments.name,
    )
    try:
        report = export(settings)
    except (ModelError, TrainingError) as error:
        print(f"veroallarme-train export: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"veroallarme-train export: {error.filename or settings.output} cannot be written: "
            f"{error.strerror}.",
            file=sys.stderr,
        )
        return 1
    print("\n".join(report.lines()))
    return 0


def export(settings: ExportSettings) -> ExportReport:
    """Export a checkpoint, check the result, and only then put it in its place.

    Raises:
        ModelError: the checkpoint cannot be exported, or the export differs from it.
        TrainingError: there are no pictures to check with.
    """
    if settings.format not in FORMATS:
        raise ModelError(f"format {settings.format!r}: choose one of {', '.join(FORMATS)}.")
    target = _target(settings)
    if settings.format == "openvino" and OpenVinoBackend.name not in available_backends():
        raise ModelError("The format openvino needs OpenVINO: run `pip install openvino nncf`.")
    reference = TorchBackend(settings.checkpoint)  # which refuses what cannot judge
    model = judging_model(settings.checkpoint)
    meta = replace(model.meta, name=settings.name or settings.checkpoint.stem)
    crops = crops_of_events(settings.calibration, meta, settings.input_size)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as folder:
        graph = Path(folder) / "fp32.onnx"
        onnx.save(to_onnx(model, meta, settings.input_size), graph)
        written = graph
        if settings.format == "openvino":
            written = _save_ir(load_openvino().Core().read_model(graph), meta, Path(folder, "fp32"))
        differences = _differences(reference, written, crops)
        change = None
        if settings.int8:
            seen, held_out = _split(crops)
            written = _quantised(graph, settings.format, meta, seen)
            change = _score_change(reference, open_backend(written, "cpu"), held_out)
        size = _move(written, target)
    return ExportReport(
        path=target,
        size_bytes=size,
        crops=len(crops),
        differences=differences,
        score_change=change,
    )


def crops_of_events(
    data_dir: Path | None, meta: ModelMeta, input_size: tuple[int, int] = (224, 224)
) -> Crops:
    """Cut crops of what moved, as the predictor does.

    Args:
        data_dir: one camera's folder of events or a parent of several; None draws the scenes
            that come with the package.
        meta: of the network that shall see them.
        input_size: (height, width) of the crops.

    Returns:
        float32 (N, 3, height, width) in [0, 1], at most 320, evenly over the events.

    Raises:
        TrainingError: the folder holds no event, or too little moved in it.
    """
    crops: list[Crops] = []
    for frames in _bursts(data_dir):
        detector = MotionDetector(min_area=min_area_for(_dimensions(frames)))
        motion = detector.detect_motion(frames)
        motion = replace(motion, motion_regions=motion.motion_regions[:_REGIONS_OF_AN_EVENT])
        cut = cut_regions(motion, geometry=meta.crop, size=input_size, input_mode=meta.input_mode)
        crops += [crop.pixels for crop in cut]
    if len(crops) < _MIN_CROPS:
        raise TrainingError(
            f"Only {len(crops)} regions move in {data_dir or 'the drawn scenes'}: at least "
            f"{_MIN_CROPS} are needed to check an export; give --calibration more events."
        )
    step = max(1.0, len(crops) / _MAX_CROPS)
    chosen = [crops[int(number * step)] for number in range(min(len(crops), _MAX_CROPS))]
    return np.stack(chosen)  # (N, 3, h, w)


def to_onnx(
    model: RelevanceMaskModel, meta: ModelMeta, input_size: tuple[int, int] = (224, 224)
) -> onnx.ModelProto:
    """Return the network as an ONNX graph with a dynamic batch and its meta data.

    The opset is the exporter's own: the original's 11 knows no quantised graphs and is converted
    by every runtime anyway.
    """
    if model.mode is not ModelMode.BOTH:
        raise ModelError(f"Only a network of mode 'both' is exported, not of {model.mode.value!r}.")
    # Two crops: of a single one the exporter would take the batch for a constant.
    example = torch.zeros(2, 3, *input_size)
    program = torch.onnx.export(
        model.eval(),
        (example,),
        input_names=[INPUT_NAME],
        output_names=list(OUTPUT_NAMES),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    graph = program.model_proto
    # The exporter notes where in whose source tree each node was made.
    for node in graph.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    graph.graph.ClearField("metadata_props")
    for value in (*graph.graph.input, *graph.graph.output, *graph.graph.value_info):
        value.ClearField("metadata_props")
    onnx.helper.set_model_props(graph, {META_KEY: meta.to_json()})
    return graph


def _target(settings: ExportSettings) -> Path:
    suffix = FORMATS[settings.format]
    if settings.output is not None:
        if settings.output.suffix != suffix:
            raise ModelError(
                f"output {settings.output}: a file of format {settings.format} ends in {suffix}."
            )
        return settings.output
    stem = settings.checkpoint.stem + (".int8" if settings.int8 else "")
    return settings.checkpoint.with_name(stem + suffix)


def _bursts(data_dir: Path | None) -> Iterator[Sequence[FrameSource]]:
    if data_dir is None:
        yield from (event.frames for event in draw_events())
        return
    for event in find_events(data_dir, max_sequences=_MAX_CROPS):
        if len(event.frames) >= 2:
            yield [_decoded(path) for path in event.frames]


def _decoded(path: Path) -> DecodedFrame | None:
    try:
        return read_frame(path)
    except FrameError:
        return None


def _dimensions(frames: Sequence[FrameSource]) -> tuple[int, int]:
    images = [frame.image if isinstance(frame, DecodedFrame) else frame for frame in frames]
    return common_size([image for image in images if isinstance(image, np.ndarray)])


def _differences(reference: TorchBackend, path: Path, crops: Crops) -> dict[str, float]:
    """Compare a graph with torch in every runtime that reads it.

    Raises:
        ModelError: one of them differs by more than `LARGEST_DIFFERENCE`.
    """
    differences = {}
    for name in backends_for(path):
        backend = open_backend(path, "cpu", name)
        largest = max(
            float((np.abs(answer - expected) / np.maximum(1.0, np.abs(expected))).max())
            for batch in _batches(crops)
            for answer, expected in zip(backend.infer(batch), reference.infer(batch), strict=True)
        )
        if not largest <= LARGEST_DIFFERENCE:
            raise ModelError(
                f"The exported network differs from its checkpoint by {largest:.1e} in {name}, "
                f"more than {LARGEST_DIFFERENCE:.0e}: nothing was written; this is a fault of the "
                "exporter or the runtime, try another version of them."
            )
        differences[name] = largest
    return differences


def _batches(crops: Crops) -> Iterator[Crops]:
    for start in range(0, len(crops), _BATCH):
        yield crops[start : start + _BATCH]


def _split(crops: Crops) -> tuple[Crops, Crops]:
    """Split crops into those to calibrate with and those held out."""
    held_out = np.arange(len(crops)) % _HELD_OUT == _HELD_OUT - 1
    return crops[~held_out], crops[held_out]


def _quantised(graph: Path, format: str, meta: ModelMeta, crops: Crops) -> Path:
    """Write the INT8 network beside the fp32 graph and return its path."""
    openvino = load_openvino()  # first: it keeps telemetry out, of NNCF too
    try:
        import nncf
    except ImportError as error:
        raise ModelError("--int8 needs NNCF: run `pip install nncf openvino`.") from error
    nncf.set_log_level(logging.ERROR)
    dataset = nncf.Dataset([{INPUT_NAME: crop[None]} for crop in crops])  # (1, 3, h, w) each
    if format == "openvino":
        model = openvino.Core().read_model(graph)
        quantised = nncf.quantize(model, dataset, subset_size=len(crops))
        return _save_ir(quantised, meta, graph.with_name("int8"))
    proto = nncf.quantize(onnx.load(graph), dataset, subset_size=len(crops))
    onnx.helper.set_model_props(proto, {META_KEY: meta.to_json()})
    path = graph.with_name("int8.onnx")
    onnx.save(proto, path)
    return path


def _save_ir(model: Any, meta: ModelMeta, stem: Path) -> Path:
    model.set_rt_info(meta.to_json(), META_KEY)
    path = stem.with_suffix(".xml")
    # fp16 weights would save half of the file and cost the agreement with torch.
    load_openvino().save_model(model, path, compress_to_fp16=False)
    return path


def _score_change(
    reference: TorchBackend, quantised: InferenceBackend, crops: Crops
) -> ScoreChange:
    scores: list[list[NDArray[np.float32]]] = [[], []]
    agreeing = []
    for batch in _batches(crops):
        outputs = [backend.infer(batch) for backend in (reference, quantised)]
        maps = [relevance_probability(output.segmentation) for output in outputs]
        agreeing.append(float(((maps[0] >= 0.5) == (maps[1] >= 0.5)).mean()) * len(batch))
        answers = (
            [relevance_probability(output.classification) for output in outputs]
            if "classification" in reference.meta.trained_heads
            else [map_.mean(axis=(1, 2)) for map_ in maps]  # (N, h, w) -> (N,)
        )
        for collected, answer in zip(scores, answers, strict=True):
            collected.append(answer)
    before, after = (np.concatenate(collected) for collected in scores)
    return ScoreChange(
        crops=len(crops),
        mean=float(np.abs(after - before).mean()),
        largest=float(np.abs(after - before).max()),
        flipped=int(np.count_nonzero((before >= 0.5) != (after >= 0.5))),
        mask_agreement=sum(agreeing) / len(crops),
    )


def _move(written: Path, target: Path) -> int:
    """Move what was checked to its place, the weights of an IR first; return the bytes."""
    size = 0
    for suffix in (".bin", written.suffix):
        source = written.with_suffix(suffix)
        if source.is_file():
            size += source.stat().st_size
            put_in_place(source, target.with_suffix(suffix))
    return size
