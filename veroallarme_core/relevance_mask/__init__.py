"""Stage 2's API: a frame and what moved in its burst -> how relevant each region and pixel is.

What ships judges, by the same function as the worker, or a relevance network of the user's own:
its checkpoints, ONNX files and OpenVINO IRs, and the network itself, which training builds. The
names that need torch load it when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from veroallarme_core.contract import RelevanceRegion
from veroallarme_core.relevance_mask.backends import (
    INPUT_NAME,
    OUTPUT_NAMES,
    InferenceBackend,
    OpenVinoBackend,
    TorchBackend,
    open_backend,
    relevance_probability,
)
from veroallarme_core.relevance_mask.model_meta import HEADS, META_KEY, ModelMeta, ModelMode
from veroallarme_core.relevance_mask.predictor import (
    RelevanceMaskPredictor,
    RelevanceMaskResult,
    predict_relevance_mask,
)

if TYPE_CHECKING:
    from veroallarme_core.relevance_mask.checkpoints import (
        LoadReport,
        judging_model,
        load_weights,
        model_from_checkpoint,
        read_checkpoint,
        save_checkpoint,
    )
    from veroallarme_core.relevance_mask.networks import ClassificationHead, RelevanceMaskModel

__all__ = [
    "HEADS",
    "INPUT_NAME",
    "META_KEY",
    "OUTPUT_NAMES",
    "ClassificationHead",
    "InferenceBackend",
    "LoadReport",
    "ModelMeta",
    "ModelMode",
    "OpenVinoBackend",
    "RelevanceMaskModel",
    "RelevanceMaskPredictor",
    "RelevanceMaskResult",
    "RelevanceRegion",
    "TorchBackend",
    "judging_model",
    "load_weights",
    "model_from_checkpoint",
    "open_backend",
    "predict_relevance_mask",
    "read_checkpoint",
    "relevance_probability",
    "save_checkpoint",
]

_TORCH_NAMES = {
    "ClassificationHead": "networks",
    "LoadReport": "checkpoints",
    "RelevanceMaskModel": "networks",
    "judging_model": "checkpoints",
    "load_weights": "checkpoints",
    "model_from_checkpoint": "checkpoints",
    "read_checkpoint": "checkpoints",
    "save_checkpoint": "checkpoints",
}
"""Names of modules that import torch, and the modules."""


def __getattr__(name: str) -> Any:
    if name not in _TORCH_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_TORCH_NAMES[name]}"), name)
