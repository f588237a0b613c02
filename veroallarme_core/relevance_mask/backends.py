"""The relevance network in OpenVINO, ONNX Runtime or torch, behind one protocol."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.inference import (
    CPU,
    CUDA,
    ONNXRUNTIME,
    OPENVINO,
    TORCH,
    InferenceError,
    ModelError,
    NoCudaError,
    check_device,
    check_threads,
    choose_backend,
    load_onnxruntime,
    load_openvino,
    may_have_cuda,
)
from veroallarme_core.relevance_mask.model_meta import META_KEY, ModelMeta

INPUT_NAME = "image"
OUTPUT_NAMES = ("segmentation", "classification")

_STRIDE = 32


class NetworkOutput(NamedTuple):
    """The network's logits for N crops, float32; class 1 is relevant."""

    segmentation: NDArray[np.float32]  # (N, 2, height, width)
    classification: NDArray[np.float32]  # (N, 2)


class InferenceBackend(Protocol):
    """A network, ready to judge crops; may be shared between threads."""

    @property
    def name(self) -> str:
        """`openvino`, `onnxruntime` or `torch`."""

    @property
    def device(self) -> str:
        """`cpu` or `cuda`."""

    @property
    def meta(self) -> ModelMeta:
        """What the model file says of itself."""

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) of the crops; None takes any multiple of 32."""

    def infer(self, image: NDArray[np.float32]) -> NetworkOutput:
        """Judge crops.

        Args:
            image: float32 (N, 3, height, width) in [0, 1], N >= 1.

        Raises:
            ValueError: the array has another shape or type.
            InferenceError: the runtime failed, or its answer holds no finite numbers.
        """


class OpenVinoBackend:
    """OpenVINO on the CPU: the fastest on x86-64. Reads `.onnx` and its own `.xml`.

    Args:
        path: the model file.
        device: "cpu".
        threads: most threads of one inference; None leaves the choice to the runtime.
        precision: "f32", or "bf16" where the CPU has it: half the time, three digits.
    """

    name = OPENVINO

    def __init__(
        self, path: Path, device: str = CPU, threads: int | None = None, precision: str = "f32"
    ) -> None:
        openvino = load_openvino()
        self.device = device
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            # Left to itself OpenVINO takes bf16 on some CPUs: scores would depend on the machine.
            "INFERENCE_PRECISION_HINT": precision,
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            core = openvino.Core()
            model = core.read_model(path)
        except RuntimeError as error:
            raise _unreadable(path, self.name, error) from error
        self.meta = _meta_of(_openvino_meta(model), path)
        inputs = [(port.any_name, _dimensions(port)) for port in model.inputs]
        outputs = [name for port in model.outputs for name in port.names]
        self.input_size = _check_graph(path, inputs, outputs)
        try:
            self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            raise _unreadable(path, self.name, error) from error
        # A request holds the tensors of one inference.
        self._lock = threading.Lock()

    def infer(self, image: NDArray[np.float32]) -> NetworkOutput:
        """Judge crops; see `InferenceBackend.infer`."""
        _check_input(image, self.input_size)
        with self._lock:
            try:
                self._request.infer({INPUT_NAME: image}, share_inputs=True)
                answers = [self._request.get_tensor(name).data.copy() for name in OUTPUT_NAMES]
            except RuntimeError as error:
                raise _failed(self.name, error) from error
        return _check_output(answers, image)


class OnnxRuntimeBackend:
    """ONNX Runtime, for every CPU and, as `onnxruntime-gpu`, for CUDA. Reads `.onnx`.

    Args:
        path: the model file.
        device: "cpu" or "cuda".
        threads: most threads of one inference; None leaves the choice to the runtime.
    """

    name = ONNXRUNTIME

    def __init__(self, path: Path, device: str = CPU, threads: int | None = None) -> None:
        onnxruntime = load_onnxruntime()
        self.device = device
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; its warnings are about graphs, not for users
        if threads is not None:
            options.intra_op_num_threads = threads
        provider = "CUDAExecutionProvider" if device == CUDA else "CPUExecutionProvider"
        if provider not in onnxruntime.get_available_providers():
            raise _no_cuda("this ONNX Runtime is built without it", "install onnxruntime-gpu")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), sess_options=options, providers=[provider]
            )
        except Exception as error:  # Its exceptions have no common base class but this one.
            raise _unreadable(path, self.name, error) from error
        if self._session.get_providers()[0] != provider:
            raise _no_cuda("ONNX Runtime could not start it", "check driver and CUDA libraries")
        properties = self._session.get_modelmeta().custom_metadata_map
        self.meta = _meta_of(properties.get(META_KEY), path)
        inputs = [
            (port.name, [d if isinstance(d, int) else None for d in port.shape])
            for port in self._session.get_inputs()
        ]
        outputs = [port.name for port in self._session.get_outputs()]
        self.input_size = _check_graph(path, inputs, outputs)

    def infer(self, image: NDArray[np.float32]) -> NetworkOutput:
        """Judge crops; see `InferenceBackend.infer`."""
        _check_input(image, self.input_size)
        try:
            answers = self._session.run(list(OUTPUT_NAMES), {INPUT_NAME: image})
        except Exception as error:  # As above.
            raise _failed(self.name, error) from error
        return _check_output(answers, image)


class TorchBackend:
    """Torch, for checkpoints as training writes them, `.pth`. The worker does not need it.

    Args:
        path: the checkpoint.
        device: "cpu" or "cuda".
        threads: most threads on the CPU; torch has one such number for the whole process, so
            None leaves it alone.
    """

    name = TORCH
    input_size = None

    def __init__(self, path: Path, device: str = CPU, threads: int | None = None) -> None:
        import torch

        from veroallarme_core.relevance_mask.checkpoints import judging_model

        self.device = device
        if device == CUDA and not torch.cuda.is_available():
            raise _no_cuda("torch finds none", "check the driver, and that torch is built for CUDA")
        if threads is not None:
            torch.set_num_threads(threads)
        self._torch = torch
        model = judging_model(path)
        self.meta = _judging(model.meta, path)
        self._model = model.to(device)

    def infer(self, image: NDArray[np.float32]) -> NetworkOutput:
        """Judge crops; see `InferenceBackend.infer`."""
        _check_input(image, self.input_size)
        try:
            with self._torch.inference_mode():
                output = self._model(self._torch.from_numpy(image).to(self.device))
                answers = [answer.float().cpu().numpy() for answer in output]
        except RuntimeError as error:  # also torch's out of memory
            raise _failed(self.name, error) from error
        return _check_output(answers, image)


_BACKENDS = {kind.name: kind for kind in (OpenVinoBackend, OnnxRuntimeBackend, TorchBackend)}


def relevance_probability(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of class 1 for logits (N, 2, ...); the result is (N, ...)."""
    # Of two classes softmax is the sigmoid of their difference; as a tanh it cannot overflow.
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * (logits[:, 1] - logits[:, 0])), np.float32)


def open_backend(
    path: str | Path,
    device: str | None = None,
    backend: str | None = None,
    *,
    threads: int | None = None,
) -> InferenceBackend:
    """Open a model file with the runtime that suits it best here.

    `.pth` needs torch and `.xml` OpenVINO. `.onnx` runs in OpenVINO on x86-64 and in ONNX Runtime
    elsewhere, whichever is installed; on CUDA always in ONNX Runtime.

    Args:
        path: the model file.
        device: "cpu", "cuda", or None for CUDA where the runtime has it, else the CPU.
        backend: `openvino`, `onnxruntime` or `torch`, or None to choose.
        threads: most threads of one inference on the CPU; None leaves the choice to the runtime.

    Raises:
        ModelError: an argument is wrong, the file is no such model, or what it needs is not
            installed; the sentence names the value and the remedy.
    """
    path = Path(path)
    check_device(device)
    check_threads(threads)
    name = choose_backend(path, device, backend)
    if not path.is_file():
        raise ModelError(f"The model file {path} does not exist; check the path.")
    open_it = _BACKENDS[name]
    if device is None and may_have_cuda(name):
        try:
            return open_it(path, CUDA, threads)
        except NoCudaError:
            pass
    return open_it(path, device or CPU, threads)


# --- checks that all runtimes share --------------------------------------------------------------


def _no_cuda(reason: str, remedy: str) -> NoCudaError:
    return NoCudaError(f"device 'cuda' is not available: {reason}; {remedy}, or use device='cpu'.")


def _unreadable(path: Path, name: str, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:200]
    return ModelError(f"{path} cannot be loaded by {name}; export the model again ({reason}).")


def _failed(name: str, error: Exception) -> InferenceError:
    return InferenceError(f"{name} failed on these crops: {' '.join(str(error).split())[:300]}.")


def _openvino_meta(model: Any) -> str | None:
    """Return the text under our key, of an IR or of an ONNX file that OpenVINO has read."""
    for where in ([META_KEY], ["framework", META_KEY]):
        if model.has_rt_info(where):
            return str(model.get_rt_info(where).value)
    return None


def _dimensions(port: Any) -> list[int | None]:
    shape = port.get_partial_shape()
    return [None if dimension.is_dynamic else dimension.get_length() for dimension in shape]


def _meta_of(text: str | None, path: Path) -> ModelMeta:
    """Read the meta data of a graph; one that other tools have exported has none."""
    return _judging(ModelMeta() if text is None else ModelMeta.from_json(text, path), path)


def _judging(meta: ModelMeta, path: Path) -> ModelMeta:
    if not meta.trained_heads:
        raise ModelError(
            f"{path} holds a network that cannot judge yet: none of its heads is trained; run the "
            "phases segmentation and relevance of veroallarme-train, starting from it by "
            "--pretrained."
        )
    return meta


def _check_graph(
    path: Path, inputs: Sequence[tuple[str, Sequence[int | None]]], outputs: Sequence[str]
) -> tuple[int, int]:
    """Check a graph's ports and return the (height, width) of its input."""
    name, shape = inputs[0] if len(inputs) == 1 else ("", ())
    if name != INPUT_NAME or not set(OUTPUT_NAMES) <= set(outputs):
        raise ModelError(
            f"{path} is no relevance network: it has the inputs {[i[0] for i in inputs]} and the "
            f"outputs {list(outputs)}, not {INPUT_NAME} and {' and '.join(OUTPUT_NAMES)}."
        )
    if len(shape) != 4 or shape[1] != 3 or shape[2] is None or shape[3] is None:
        raise ModelError(
            f"{path} is no relevance network: its input has the shape {list(shape)}, not "
            "(N, 3, height, width) with a fixed height and width."
        )
    if shape[0] is not None:
        raise ModelError(
            f"{path} takes exactly {shape[0]} crops at a time; export it with a dynamic batch."
        )
    return (shape[2], shape[3])


def _check_input(image: NDArray[np.float32], size: tuple[int, int] | None) -> None:
    shape = image.shape
    fits = image.ndim == 4 and shape[0] >= 1 and shape[1] == 3 and image.dtype == np.float32
    if fits and size is None:
        fits = min(shape[2:]) >= _STRIDE and shape[2] % _STRIDE == 0 and shape[3] % _STRIDE == 0
    elif fits:
        fits = shape[2:] == size
    if not fits:
        edges = "multiples of 32" if size is None else f"{size[0]} and {size[1]}"
        raise ValueError(
            f"The network takes float32 (N, 3, height, width) with height and width {edges}, "
            f"not {image.dtype} {shape}."
        )


def _check_output(
    answers: Sequence[NDArray[np.float32]], image: NDArray[np.float32]
) -> NetworkOutput:
    output = NetworkOutput(*(np.asarray(answer, np.float32) for answer in answers))
    count, height, width = image.shape[0], image.shape[2], image.shape[3]
    shapes = ((count, 2, height, width), (count, 2))
    if (output.segmentation.shape, output.classification.shape) != shapes:
        raise InferenceError(
            f"The network answered with the shapes {output.segmentation.shape} and "
            f"{output.classification.shape}, not {shapes[0]} and {shapes[1]}."
        )
    if not all(bool(np.isfinite(answer).all()) for answer in output):
        raise InferenceError("The network answered with numbers that are not finite.")
    return output
