"""Runs networks, whatever they are for: which runtimes are here, which suits a file, ONNX graphs.

Loading this room loads no runtime. What a certain network takes and answers is the business of the
room that it belongs to.
"""

from veroallarme_core.inference.errors import InferenceError, ModelError, NoCudaError
from veroallarme_core.inference.graph_runtime import Graph, Port, choose_runtime, open_graph
from veroallarme_core.inference.runtimes import (
    BACKEND_NAMES,
    CPU,
    CUDA,
    ONNXRUNTIME,
    OPENVINO,
    TORCH,
    available_backends,
    backends_for,
    check_device,
    check_threads,
    choose_backend,
    describe_runtime,
    load_onnxruntime,
    load_openvino,
    may_have_cuda,
)

__all__ = [
    "BACKEND_NAMES",
    "CPU",
    "CUDA",
    "ONNXRUNTIME",
    "OPENVINO",
    "TORCH",
    "Graph",
    "InferenceError",
    "ModelError",
    "NoCudaError",
    "Port",
    "available_backends",
    "backends_for",
    "check_device",
    "check_threads",
    "choose_backend",
    "choose_runtime",
    "describe_runtime",
    "load_onnxruntime",
    "load_openvino",
    "may_have_cuda",
    "open_graph",
]
