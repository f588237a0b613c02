"""Good files of what a camera has learned, small."""

from __future__ import annotations

import io
import json
import math
from functools import cache

import numpy as np

from veroallarme_core.camera_memory import QUANTILES
from veroallarme_core.camera_memory.camera_model import _SHAPES, FORMAT_VERSION

MAX_NUMBERS = 100_000
"""Of one array that an input describes."""


@cache
def state_seeds() -> tuple[bytes, ...]:
    """Return state files: a camera's model, one of another kind, and one with a compressed part."""
    facts = {
        "kind": "camera model",
        "version": FORMAT_VERSION,
        "encoder": "some-1",
        "detector": "",
        "events": 3,
        "threshold": 0.5,
        "view": 0,
        "lines": [],
        "promise": None,
    }
    ramp = np.linspace(0, 1, QUANTILES)
    arrays = {name: np.resize(ramp, shape) for name, shape in _SHAPES.items()}
    described = {name: [list(shape), "<f8", 0.5] for name, shape in _SHAPES.items()}
    return (
        _file(facts, arrays),
        _file({**facts, "kind": "scene memory"}, {"a": np.arange(4)}),
        _file(facts, {"heads": np.zeros((2, 3))}, is_packed=True),
        # Described, so that what is broken has a checksum that is right.
        *(f"{json.dumps(facts)}\n{json.dumps(described)}".encode() for _ in range(3)),
    )


def built(data: bytes) -> bytes:
    """Return the state file that an input describes by its facts and arrays; else the input."""
    head, _, body = data.partition(b"\n")
    try:
        described = json.loads(body)
        arrays = {
            str(name): np.full(shape, value, dtype)
            for name, (shape, dtype, value) in described.items()
            if abs(math.prod(shape)) <= MAX_NUMBERS and not np.dtype(dtype).hasobject
        }
        return _file(head, {name: array for name, array in arrays.items() if name != "facts"})
    # Whatever cannot be described is no state file, and is given as it is.
    except Exception:
        return data


def _file(
    facts: dict[str, object] | bytes, arrays: dict[str, object], *, is_packed: bool = False
) -> bytes:
    data = io.BytesIO()
    save = np.savez_compressed if is_packed else np.savez
    written = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    text = np.frombuffer(written, np.uint8)
    save(data, facts=text, **arrays)  # type: ignore[arg-type]
    return data.getvalue()
