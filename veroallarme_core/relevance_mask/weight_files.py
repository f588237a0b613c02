"""Files of weights that anybody may have written: only tensors are read, no code is run.

Imports torch, so nothing that the worker runs may import this module when it loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from veroallarme_core.inference import ModelError

_WRAPPERS = ("module.", "_orig_mod.")  # what DDP and torch.compile put before every name


def read_tensors(path: Path) -> Mapping[str, Any]:
    """Read a file onto the CPU without running any code that it holds.

    Raises:
        ModelError: the file is missing, damaged, or holds more than data.
    """
    if not path.is_file():
        raise ModelError(f"{path} does not exist or is no file; give the path of a checkpoint.")
    try:
        # weights_only: a pickle may run any program, and people swap checkpoints.
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Whatever a damaged or hostile file makes torch raise.
        reason = str(error).strip().partition("\n")[0][:200]
        raise ModelError(
            f"{path} is no checkpoint that can be loaded: it is damaged or holds more than "
            f"weights, and code in it is not run ({type(error).__name__}: {reason})."
        ) from error
    if not isinstance(content, Mapping):
        raise ModelError(f"{path} is no checkpoint: it holds a {type(content).__name__}.")
    return content


def unwrapped(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors under their own names."""
    names = {}
    for wrapped, weight in weights.items():
        name = str(wrapped)
        for prefix in _WRAPPERS:
            name = name.removeprefix(prefix)
        if isinstance(weight, Tensor):
            names[name] = weight
    return names
