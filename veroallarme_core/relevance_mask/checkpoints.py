"""Checkpoints: the weights of a relevance network and what they say of themselves.

Imports torch, so nothing that the worker runs may import this module when it loads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from veroallarme_core.inference import ModelError
from veroallarme_core.relevance_mask.model_meta import HEADS, ModelMeta, ModelMode
from veroallarme_core.relevance_mask.networks import RelevanceMaskModel
from veroallarme_core.relevance_mask.weight_files import read_tensors, unwrapped


@dataclass(frozen=True)
class LoadReport:
    """What became of a file's weights; names are those of the tensors.

    `str(report)` is one sentence for the user.
    """

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    """In the file, but the network has no such tensor, or one of another shape."""
    missing: tuple[str, ...]
    """In the network, but not taken from the file: they keep their start values."""

    def __str__(self) -> str:
        sentence = f"Loaded {_parts(self.loaded)}"
        if self.left_out:
            sentence += f"; left out {_parts(self.left_out)}"
        if self.missing:
            sentence += f"; untrained: {_parts(self.missing)}"
        return sentence + "."


def load_weights(model: RelevanceMaskModel, checkpoint: Mapping[str, Any]) -> LoadReport:
    """Load what fits of a checkpoint of any mode, and say what does not.

    Args:
        model: changed in place; so are its `trained_heads`.
        checkpoint: what `read_checkpoint` gave, or a bare state dict.

    Raises:
        ModelError: the encoder's weights are not all there, so this is no such network.
    """
    weights = unwrapped(checkpoint.get("model_state_dict", checkpoint))
    own = model.state_dict()
    fitting = {
        name: weight
        for name, weight in weights.items()
        if name in own and own[name].shape == weight.shape
    }
    missing = tuple(name for name in own if name not in fitting)
    lacking = [name for name in missing if name.startswith("encoder.")]
    if lacking:
        raise ModelError(
            f"These weights are not those of a RelevanceMaskModel: {len(lacking)} tensors of its "
            f"encoder are missing or have another shape, the first is {lacking[0]}."
        )
    model.load_state_dict(fitting, strict=False)
    meta = checkpoint.get("meta")
    trained = HEADS if meta is None else ModelMeta.from_dict(meta, "the checkpoint").trained_heads
    for head in model.mode.heads:
        if head in trained and not any(name.startswith(f"{head}_head.") for name in missing):
            model.trained_heads.add(head)
    left_out = tuple(name for name in weights if name not in fitting)
    return LoadReport(tuple(fitting), left_out, missing)


def save_checkpoint(path: str | Path, model: nn.Module, **training_state: Any) -> None:
    """Write a checkpoint: the old file or the new one is there at any time, never half of one.

    Args:
        path: the file, by custom `.pth`.
        model: a `RelevanceMaskModel`, or one wrapped by DDP.
        training_state: whatever else shall be in it, made of numbers, texts, lists, dicts and
            tensors: other objects do not load again.
    """
    model = getattr(model, "module", model)
    if not isinstance(model, RelevanceMaskModel):
        raise TypeError(f"a checkpoint holds a RelevanceMaskModel, not {type(model).__name__}")
    content = {
        "model_state_dict": {k: w.detach().cpu() for k, w in model.state_dict().items()},
        "meta": model.meta.to_dict(),
        **training_state,
    }
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU without running any code that it holds.

    Returns:
        `model_state_dict`, `meta` (of the defaults where the file has none) and whatever training
        added.

    Raises:
        ModelError: the file is missing, damaged, holds more than data, or is no checkpoint.
    """
    content = read_tensors(Path(path))
    weights = content.get("model_state_dict")
    if not isinstance(weights, Mapping) or not all(isinstance(w, Tensor) for w in weights.values()):
        raise ModelError(
            f"{path} is no checkpoint of VeroAllarme: it has no `model_state_dict` of weights."
        )
    weights = unwrapped(weights)
    meta = content.get("meta")
    if meta is None:
        meta = ModelMeta(mode=_mode_of(weights)).to_dict()
    ModelMeta.from_dict(meta, path)
    return {**content, "model_state_dict": weights, "meta": meta}


def model_from_checkpoint(
    path: str | Path, mode: str | None = None
) -> tuple[RelevanceMaskModel, LoadReport]:
    """Build the network that a checkpoint holds, on the CPU and in evaluation mode.

    Args:
        path: a checkpoint of any mode.
        mode: the mode to build; None takes the checkpoint's.

    Raises:
        ModelError: as `read_checkpoint` and `load_weights`; the sentence names the file.
    """
    checkpoint = read_checkpoint(path)
    model = RelevanceMaskModel.from_meta(ModelMeta.from_dict(checkpoint["meta"], path), mode)
    try:
        report = load_weights(model, checkpoint)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    return model.eval(), report


def judging_model(path: str | Path) -> RelevanceMaskModel:
    """Build the network of a checkpoint as it judges: mode "both", on the CPU, for evaluation.

    A head that no phase has trained answers 0 instead of at random: the same checkpoint always
    gives the same network.

    Raises:
        ModelError: as `model_from_checkpoint`.
    """
    model, _ = model_from_checkpoint(path, ModelMode.BOTH.value)
    for head in set(HEADS) - model.trained_heads:
        for weight in model.get_submodule(f"{head}_head").parameters():
            nn.init.zeros_(weight)
    return model


def _mode_of(weights: Mapping[str, Tensor]) -> ModelMode:
    parts = {name.partition(".")[0] for name in weights}
    heads = tuple(head for head in HEADS if f"{head}_head" in parts)
    return next(
        (mode for mode in ModelMode if heads and mode.heads == heads), ModelMode.CONTRASTIVE
    )


def _parts(names: tuple[str, ...]) -> str:
    """Name the parts of the network that tensors belong to."""
    return ", ".join(dict.fromkeys(name.partition(".")[0] for name in names)) or "nothing"
