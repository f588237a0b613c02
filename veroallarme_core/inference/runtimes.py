"""OpenVINO, ONNX Runtime and torch: which are here, which suits a file, importing them quietly."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from veroallarme_core.inference.errors import ModelError

CPU, CUDA = "cpu", "cuda"
OPENVINO, ONNXRUNTIME, TORCH = "openvino", "onnxruntime", "torch"

_X86_64 = {"x86_64", "amd64"}


@dataclass(frozen=True, kw_only=True)
class _Runtime:
    """What a runtime reads and where it runs."""

    suffixes: tuple[str, ...]
    devices: tuple[str, ...]
    packages: str
    """What pip has to install for it."""


_RUNTIMES = {
    OPENVINO: _Runtime(suffixes=(".onnx", ".xml"), devices=(CPU,), packages="openvino"),
    ONNXRUNTIME: _Runtime(suffixes=(".onnx",), devices=(CPU, CUDA), packages="onnxruntime"),
    TORCH: _Runtime(suffixes=(".pth", ".pt"), devices=(CPU, CUDA), packages="torch torchvision"),
}
BACKEND_NAMES = tuple(_RUNTIMES)


def available_backends() -> tuple[str, ...]:
    """Return the names of the back ends whose runtime is installed, without loading any."""
    return tuple(name for name in BACKEND_NAMES if importlib.util.find_spec(name) is not None)


def backends_for(path: str | Path) -> tuple[str, ...]:
    """Return the names of the installed back ends that read a file of this name."""
    suffix = Path(path).suffix.lower()
    return tuple(name for name in available_backends() if suffix in _RUNTIMES[name].suffixes)


def choose_backend(path: Path, device: str | None, backend: str | None) -> str:
    """Return the name of the installed back end that suits a model file best here.

    `.pth` needs torch and `.xml` OpenVINO. `.onnx` runs in OpenVINO on x86-64 and in ONNX Runtime
    elsewhere, whichever is installed; on CUDA always in ONNX Runtime.

    Args:
        path: the model file; only its name is looked at.
        device: "cpu", "cuda", or None for CUDA where the runtime has it, else the CPU.
        backend: one of `BACKEND_NAMES`, or None to choose.

    Raises:
        ModelError: the arguments do not fit together, or what they need is not installed.
    """
    if backend is not None and backend not in _RUNTIMES:
        raise ModelError(f"backend {backend!r}: choose one of {', '.join(BACKEND_NAMES)}.")
    suffix = path.suffix.lower()
    readers = [name for name, runtime in _RUNTIMES.items() if suffix in runtime.suffixes]
    if not readers:
        raise ModelError(
            f"{path} is no model file by its name: give a checkpoint (.pth), an ONNX file (.onnx) "
            "or an OpenVINO IR (.xml)."
        )
    if backend is not None and backend not in readers:
        raise ModelError(
            f"backend {backend!r} does not read {suffix} files such as {path}; "
            f"{' and '.join(readers)} can."
        )
    fitting = [
        name
        for name in _best_first(readers if backend is None else [backend], device)
        if device is None or device in _RUNTIMES[name].devices
    ]
    if not fitting:
        raise ModelError(
            f"backend {backend or readers[0]!r} does not run on device {device!r}; use 'cpu'"
            + (", or an .onnx file." if device == CUDA and suffix == ".xml" else ".")
        )
    installed = available_backends()
    for name in fitting:
        if name in installed:
            return name
    raise ModelError(
        f"{path} needs {' or '.join(fitting)}, which is not installed here: "
        f"run `pip install {_RUNTIMES[fitting[0]].packages}`."
    )


def may_have_cuda(name: str) -> bool:
    """Tell whether a runtime may run on CUDA here; only opening a network shows whether it does."""
    return name == TORCH or (name == ONNXRUNTIME and _has_cuda_onnxruntime())


def prefers_openvino() -> bool:
    """Tell whether OpenVINO is the faster runtime on this processor."""
    return platform.machine().lower() in _X86_64


def check_device(device: str | None) -> None:
    """Refuse a device that nobody knows.

    Raises:
        ModelError: it is neither None nor one of `CPU` and `CUDA`.
    """
    if device not in (None, CPU, CUDA):
        raise ModelError(f"device {device!r}: choose 'cpu', 'cuda', or None to choose by itself.")


def check_threads(threads: int | None) -> None:
    """Refuse what is no number of threads.

    Raises:
        ModelError: it is neither None nor a whole number from 1.
    """
    if threads is not None and (isinstance(threads, bool) or threads < 1):
        raise ModelError(f"threads {threads!r}: give a whole number from 1.")


def load_openvino() -> Any:
    """Import OpenVINO without the package that reports every import to Google Analytics.

    Nothing leaves the house. OpenVINO and NNCF do without it where it cannot be imported.
    """
    sys.modules.setdefault("openvino_telemetry", cast(ModuleType, None))
    return importlib.import_module("openvino")


def load_onnxruntime() -> Any:
    """Import ONNX Runtime without its reports to Microsoft.

    Its builds of 2026 send them from every system, and write an id of the machine to the home
    folder, unless one variable is set before the import; the call afterwards is for older builds.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("ORT_TELEMETRY_DISABLED", "1")  # its name in some releases
    onnxruntime = importlib.import_module("onnxruntime")
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def describe_runtime(name: str, device: str = CPU) -> str:
    """Name runtime, version and device, such as `openvino 2026.4.1 on cpu`."""
    return f"{name} {_version(name)} on {device}"


def _best_first(names: Sequence[str], device: str | None) -> list[str]:
    on_cuda = device == CUDA or (device is None and _has_cuda_onnxruntime())
    first_is_onnxruntime = on_cuda or not prefers_openvino()
    return sorted(names, key=lambda name: (name == ONNXRUNTIME) is not first_is_onnxruntime)


def _has_cuda_onnxruntime() -> bool:
    return _version("onnxruntime-gpu") != ""


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
