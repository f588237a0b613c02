"""An ONNX graph in OpenVINO or ONNX Runtime, on the CPU, with the same numbers on every machine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.inference.errors import InferenceError, ModelError
from veroallarme_core.inference.runtimes import (
    ONNXRUNTIME,
    OPENVINO,
    backends_for,
    check_threads,
    load_onnxruntime,
    load_openvino,
    prefers_openvino,
)

_Infer = Callable[[NDArray[np.float32], Sequence[str]], list[NDArray[np.float32]]]
"""Takes a graph's only input and the names of the outputs that are wanted."""


@dataclass(frozen=True)
class Port:
    """An input or output of a graph."""

    name: str
    shape: tuple[int | None, ...]
    """None is a dimension that may have any size."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph with one input, ready to run; may be shared between threads."""

    runtime: str
    properties: Mapping[str, str]
    """What the file says of itself."""
    input: Port
    outputs: tuple[Port, ...]
    infer: _Infer
    release: Callable[[], None]
    """Gives back the buffers that the runtime keeps between inferences; the next one makes them
    anew. Waits for an inference that runs. Does nothing in ONNX Runtime, which has no such call."""

    def run(self, values: NDArray[np.float32], *outputs: str) -> list[NDArray[np.float32]]:
        """Return the named outputs.

        Raises:
            InferenceError: the runtime failed, or its answer holds no finite numbers.
        """
        try:
            answers = self.infer(values, outputs)
        except Exception as error:  # The runtimes' exceptions have no other base in common.
            reason = " ".join(str(error).split())[:300]
            raise InferenceError(f"{self.runtime} failed on these pictures: {reason}.") from error
        if not all(bool(np.isfinite(answer).all()) for answer in answers):
            raise InferenceError("The network answered with numbers that are not finite.")
        return answers


def choose_runtime(backend: str | None, what: str) -> str:
    """Return the name of the runtime to take.

    Args:
        backend: `openvino` or `onnxruntime`; None takes OpenVINO on x86-64 and ONNX Runtime
            elsewhere, whichever is installed.
        what: needs it, such as "The encoder"; for errors.

    Raises:
        ModelError: there is no such runtime, or none is installed.
    """
    if backend is not None and backend not in _OPENERS:
        raise ModelError(f"backend {backend!r}: choose one of {', '.join(_OPENERS)}.")
    order = list(_OPENERS) if prefers_openvino() else list(reversed(_OPENERS))
    candidates = order if backend is None else [backend]
    installed = backends_for("graph.onnx")
    for name in candidates:
        if name in installed:
            return name
    raise ModelError(
        f"{what} needs {' or '.join(candidates)}, which is not installed here: "
        f"run `pip install {candidates[0]}`."
    )


def open_graph(
    runtime: str, path: Path, threads: int | None, *, remedy: str, at_once: int = 1
) -> Graph:
    """Open an ONNX file.

    Args:
        runtime: as `choose_runtime` gives it.
        path: the file.
        threads: most threads of one inference; None leaves the choice to the runtime.
        at_once: inferences that run side by side where several threads ask; OpenVINO lets further
            ones wait, ONNX Runtime never does.
        remedy: what to do where the file is unusable, such as "install the package again".

    Raises:
        ModelError: `threads` is wrong, or the file is missing or cannot be loaded.
    """
    check_threads(threads)
    if not path.is_file():
        raise ModelError(f"The model file {path} is missing: {remedy}.")
    try:
        return _OPENERS[runtime](path, threads, at_once)
    except Exception as error:  # As above.
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} cannot be loaded by {runtime}; {remedy} ({reason}).") from error


def _open_openvino(path: Path, threads: int | None, at_once: int) -> Graph:
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        # Left to itself OpenVINO takes bf16 on some CPUs: features would depend on the machine.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = at_once * threads
    if at_once > 1:
        settings["NUM_STREAMS"] = at_once
    core = load_openvino().Core()
    model = core.read_model(path)
    (input_port,) = model.inputs
    compiled = core.compile_model(model, "CPU", settings)
    # A request holds the tensors of one inference. The latest one is taken first: one thread alone
    # lets one request grow.
    requests: queue.LifoQueue[Any] = queue.LifoQueue()
    for _ in range(at_once):
        requests.put(compiled.create_infer_request())
    releasing = threading.Lock()

    def infer(values: NDArray[np.float32], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        request = requests.get()
        try:
            request.infer([values], share_inputs=True)
            return [request.get_tensor(name).data.copy() for name in outputs]
        finally:
            requests.put(request)

    def release() -> None:
        with releasing:  # two that wait for each other's requests would wait for ever
            for _ in range(at_once):
                requests.get()
            try:
                compiled.release_memory()
            finally:
                # A request keeps its latest input and answers.
                for _ in range(at_once):
                    requests.put(compiled.create_infer_request())

    # A file that says nothing of itself has no such table.
    table = model.get_rt_info("framework").value if model.has_rt_info("framework") else {}
    properties = {key: str(value) for key, value in table.items()}
    answers = tuple(_openvino_port(port) for port in model.outputs)
    return Graph(OPENVINO, properties, _openvino_port(input_port), answers, infer, release)


def _openvino_port(port: Any) -> Port:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        raise ValueError(f"{port.any_name} has no fixed number of dimensions")
    sizes = (None if dimension.is_dynamic else dimension.get_length() for dimension in shape)
    return Port(port.any_name, tuple(sizes))


def _open_onnxruntime(path: Path, threads: int | None, at_once: int) -> Graph:
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; its warnings are about graphs, not for users
    # Waiting threads would keep the cores from whatever else runs in the house.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )
    (input_port,) = session.get_inputs()

    def infer(values: NDArray[np.float32], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        answers: list[NDArray[np.float32]] = session.run(list(outputs), {input_port.name: values})
        return answers

    properties = session.get_modelmeta().custom_metadata_map
    answers = tuple(_onnxruntime_port(port) for port in session.get_outputs())
    input_ = _onnxruntime_port(input_port)
    return Graph(ONNXRUNTIME, properties, input_, answers, infer, lambda: None)


def _onnxruntime_port(port: Any) -> Port:
    sizes = (size if isinstance(size, int) else None for size in port.shape)
    return Port(port.name, tuple(sizes))


_OPENERS = {
    OPENVINO: _open_openvino,
    ONNXRUNTIME: _open_onnxruntime,
}
