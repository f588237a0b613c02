"""How fast the relevance network runs in each runtime, how large it is and what memory it takes.

    python -m benchmarks.inference --threads 2
    python -m benchmarks.inference --checkpoint best_model.pth --json result.json

Runtimes take turns crop by crop, so that another load on the machine hits them all alike; medians
are printed. Without a checkpoint the weights are random: speed does not depend on them. INT8 is
calibrated on the drawn scenes. Memory is measured in a process of its own for each back end: the
largest resident size, whole and above that of a process which has loaded Stage 1 alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.runtimes import milliseconds
from veroallarme_core.drawing import draw_event
from veroallarme_core.inference import describe_runtime, load_openvino
from veroallarme_core.motion_detection import (
    MotionDetectionResult,
    MotionDetector,
    MotionRegion,
)
from veroallarme_core.relevance_mask import (
    InferenceBackend,
    OpenVinoBackend,
    RelevanceMaskModel,
    RelevanceMaskPredictor,
    open_backend,
    save_checkpoint,
)
from veroallarme_training.export import ExportSettings, export

BATCHES = (1, 8)
RESOLUTIONS = ((480, 640), (1080, 1920))
REGIONS = 3
"""Regions of the burst that is predicted: an ordinary event."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Median milliseconds of one inference, by number of crops."""

    runtime: str
    ms: Mapping[int, float]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Median milliseconds of `predict` with three regions."""

    model: str
    backend: str
    resolution: str
    ms: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Largest resident size of a process that predicts on the CPU, in MB."""

    backend: str
    model: str
    peak_mb: float
    above_stage_1_mb: float


@dataclass(kw_only=True)
class Results:
    """Everything that one run measured."""

    machine: str
    threads: int
    speeds: list[Speed] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    sizes_mb: dict[str, float] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", type=Path, help="default: random weights")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=30, help="rounds of all runtimes")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    arguments = parser.parse_args(argv)
    cv2.setNumThreads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(
            _models(arguments.checkpoint, Path(folder)), arguments.threads, arguments.repeats
        )
    _print_tables(results)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(asdict(results), indent=2) + "\n", encoding="utf-8")
    return 0


def measure(models: Mapping[str, Path], threads: int, repeats: int) -> Results:
    """Measure all runtimes, predictions, memory and sizes."""
    results = Results(machine=_machine(), threads=threads)
    backends = _backends(models, threads)
    results.speeds = _speeds(backends, repeats)
    results.predictions = _predictions(models, threads, repeats)
    for model, backend in (
        ("checkpoint", "torch"),
        ("ONNX fp32", "onnxruntime"),
        ("ONNX fp32", "openvino"),
        ("ONNX INT8", "onnxruntime"),
        ("ONNX INT8", "openvino"),
    ):
        results.memory.append(_memory(model, models[model], backend, threads))
    for name, path in models.items():
        files = [path, path.with_suffix(".bin")]
        results.sizes_mb[name] = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
    return results


def _models(checkpoint: Path | None, folder: Path) -> dict[str, Path]:
    if checkpoint is None:
        torch.manual_seed(0)
        model = RelevanceMaskModel(mode="both")
        model.trained_heads = {"segmentation", "classification"}
        checkpoint = folder / "random.pth"
        save_checkpoint(checkpoint, model)
    exports = {"ONNX fp32": ("onnx", False), "ONNX INT8": ("onnx", True)}
    exports["OpenVINO IR INT8"] = ("openvino", True)
    paths = {"checkpoint": checkpoint}
    for name, (kind, int8) in exports.items():
        output = folder / f"{name.replace(' ', '-')}{'.onnx' if kind == 'onnx' else '.xml'}"
        settings = ExportSettings(checkpoint=checkpoint, format=kind, int8=int8, output=output)
        paths[name] = export(settings).path
    return paths


def _backends(models: Mapping[str, Path], threads: int) -> dict[str, InferenceBackend]:
    fp32, int8 = models["ONNX fp32"], models["ONNX INT8"]
    backends: dict[str, InferenceBackend] = {
        "torch eager fp32": open_backend(models["checkpoint"], "cpu", "torch", threads=threads),
        "ONNX Runtime fp32": open_backend(fp32, "cpu", "onnxruntime", threads=threads),
        "OpenVINO fp32": open_backend(fp32, "cpu", "openvino", threads=threads),
    }
    if "BF16" in load_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        backends["OpenVINO bf16"] = OpenVinoBackend(fp32, "cpu", threads, "bf16")
    backends["ONNX Runtime INT8"] = open_backend(int8, "cpu", "onnxruntime", threads=threads)
    backends["OpenVINO INT8 (ONNX)"] = open_backend(int8, "cpu", "openvino", threads=threads)
    backends["OpenVINO INT8 (IR)"] = open_backend(
        models["OpenVINO IR INT8"], "cpu", "openvino", threads=threads
    )
    return backends


def _speeds(backends: Mapping[str, InferenceBackend], repeats: int) -> list[Speed]:
    times: dict[str, dict[int, list[float]]] = {name: {} for name in backends}
    for count in BATCHES:
        image = np.random.default_rng(0).random((count, 3, 224, 224), dtype=np.float32)
        # Two rounds to warm up: runtimes compile for a new number of crops.
        for turn in range(-2, repeats):
            for name, backend in backends.items():
                ms = milliseconds(partial(backend.infer, image))
                if turn >= 0:
                    times[name].setdefault(count, []).append(ms)
    return [
        Speed(runtime=name, ms={count: statistics.median(ms) for count, ms in by_count.items()})
        for name, by_count in times.items()
    ]


def _predictions(models: Mapping[str, Path], threads: int, repeats: int) -> list[Prediction]:
    found = []
    runs = [("ONNX fp32", "cpu"), ("ONNX INT8", "cpu"), ("checkpoint", "cpu")]
    if torch.cuda.is_available():
        runs.append(("checkpoint", "cuda"))
    for model, device in runs:
        predictor = RelevanceMaskPredictor(models[model], device, threads=threads)
        for height, width in RESOLUTIONS:
            frame, motion = _burst((height, width))
            predictor.predict(frame, motion)
            times = [
                milliseconds(partial(predictor.predict, frame, motion))
                for _ in range(max(5, repeats // 2))
            ]
            found.append(
                Prediction(
                    model=model,
                    backend=describe_runtime(predictor.backend.name, predictor.backend.device),
                    resolution=f"{width}x{height}",
                    ms=statistics.median(times),
                )
            )
    return found


def _burst(size: tuple[int, int]) -> tuple[NDArray[np.uint8], MotionDetectionResult]:
    """Return a frame and a burst in which `REGIONS` regions moved."""
    frames = draw_event("person_in_the_drive", size=size).frames
    height, width = size
    corners = [(width * (number + 1) // 5, height // 2) for number in range(REGIONS)]
    regions = tuple(MotionRegion(x, y, 60, 120, 7200, (x + 30, y + 60)) for x, y in corners)
    motion = MotionDetector().detect_motion(frames)
    return frames[1], replace(motion, motion_regions=regions, motion_detected=True)


# --- memory --------------------------------------------------------------------------------------


_MEMORY_PROGRAM = """
import re, sys
from pathlib import Path
import cv2, numpy as np
from veroallarme_core.motion_detection import MotionDetector
from veroallarme_core.relevance_mask import RelevanceMaskPredictor
path, backend, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
cv2.setNumThreads(threads)
yard = np.random.default_rng(0).integers(90, 110, (576, 704, 3), np.uint8)
frames = [yard.copy() for _ in range(3)]
for number, frame in enumerate(frames):
    for x in (100, 300, 500):
        frame[200:280, x + 40 * number:][:, :30] = 20
motion = MotionDetector().detect_motion(frames)
def peak_kib():  # not getrusage: a child inherits its parent's
    return int(re.search("VmHWM:\\\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])
before = peak_kib()
predictor = RelevanceMaskPredictor(path, "cpu", backend=backend, threads=threads)
for _ in range(5):
    result = predictor.predict(frames[1], motion)
assert result.regions
print(before, peak_kib())
"""
# A process of its own: this one has loaded everything.


def _memory(name: str, path: Path, backend: str, threads: int) -> Memory:
    finished = subprocess.run(
        [sys.executable, "-c", _MEMORY_PROGRAM, str(path), backend, str(threads)],
        capture_output=True,
        text=True,
        check=True,
    )
    before, peak = (int(word) * 1024 / 1e6 for word in finished.stdout.split())
    return Memory(backend=backend, model=name, peak_mb=peak, above_stage_1_mb=peak - before)


def _machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.machine()}, {len(names)} cores seen"


def _print_tables(results: Results) -> None:
    print(f"{results.machine}, {results.threads} threads, medians\n")
    slowest = results.speeds[0].ms
    columns = "".join(f"{f'{count} crops' if count > 1 else '1 crop':>19}" for count in BATCHES)
    print(f"{'network, ms':24}{columns}")
    for speed in results.speeds:
        cells = "".join(
            f"{speed.ms[count]:10.1f} ({slowest[count] / speed.ms[count]:4.1f}x)"
            for count in BATCHES
        )
        print(f"{speed.runtime:24}{cells}")
    print(f"\n{'predict, 3 regions':24}{'':26}{'ms':>8}")
    for prediction in results.predictions:
        print(
            f"{prediction.model:12}{prediction.resolution:12}"
            f"{prediction.backend:26}{prediction.ms:8.1f}"
        )
    print(f"\n{'memory on the CPU, MB':24}{'':12}{'peak':>8}{'above Stage 1':>16}")
    for used in results.memory:
        print(f"{used.model:24}{used.backend:12}{used.peak_mb:8.0f}{used.above_stage_1_mb:16.0f}")
    print("\nfile sizes, MB")
    for name, size in results.sizes_mb.items():
        print(f"{name:24}{size:8.1f}")


if __name__ == "__main__":
    sys.exit(main())
