"""A scene memory on disk: at most a megabyte, read whole or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.camera_memory.plate import Plate
from veroallarme_core.camera_memory.region_bank import BANK_ARRAYS, BANK_SIZE, RegionBank
from veroallarme_core.camera_memory.scene_view import SceneView
from veroallarme_core.camera_memory.state_file import Arrays, read_learned, write_state
from veroallarme_core.description import CELL_CHANNELS, Light

KIND, FORMAT_VERSION = "scene memory", 1


@dataclass(frozen=True, kw_only=True)
class MemoryContent:
    """What the file of a scene memory holds."""

    encoder: str
    """Name of the encoder whose features it holds."""
    events: int
    reaimed: int
    view: SceneView


def write_memory(path: Path, content: MemoryContent) -> None:
    """Write a memory in one step.

    Raises:
        OSError: the file cannot be written.
    """
    write_state(path, KIND, FORMAT_VERSION, *pack_memory(content))


def pack_memory(
    content: MemoryContent, *, is_exact: bool = False
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the facts, JSON-serialisable, and the arrays that a memory consists of.

    Args:
        content: of the memory.
        is_exact: keep the plates as they are, at eight times the size, rather than in 8 bits.
    """
    view = content.view
    facts: dict[str, Any] = {
        "encoder": content.encoder,
        "events": content.events,
        "reaimed": content.reaimed,
        "grid": view.grid,
        "sessions": sorted(view.sessions)[-BANK_SIZE:],
        "plates": {light.name: plate.events for light, plate in view.plates.items()},
        "seen": view.seen,
        "usual_view": {light.name: likeness for light, likeness in view.usual_likeness.items()},
        "strange": view.strange_events,
        "last": view.latest_at,
    }
    arrays = {f"bank_{name}": getattr(view.bank, name) for name in BANK_ARRAYS}
    for light, plate in view.plates.items():
        if is_exact:
            arrays[f"location_{light.name}"] = plate.location
            arrays[f"spread_{light.name}"] = plate.spread
        else:
            arrays |= _pack_plate(light.name, plate)
    if view.moved is not None:
        arrays["moved"] = view.moved
    return facts, arrays


def read_memory(path: Path, encoder: str) -> MemoryContent:
    """Read a memory.

    Raises:
        FileNotFoundError: there is none.
        StateFileError: it is broken, of another version or of another encoder.
    """
    return read_learned(path, KIND, FORMAT_VERSION, encoder, unpack_memory)


def unpack_memory(facts: Mapping[str, Any], arrays: Arrays) -> MemoryContent:
    """Return the memory that consists of these facts and arrays, exact or not.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: they are no memory.
    """
    return MemoryContent(
        encoder=facts["encoder"],
        events=int(facts["events"]),
        reaimed=int(facts["reaimed"]),
        view=_view(facts, arrays),
    )


def _view(facts: Mapping[str, Any], arrays: Arrays) -> SceneView:
    view = SceneView(
        bank=_bank(arrays),
        sessions={int(session) for session in facts["sessions"]},
        seen=float(facts["seen"]),
        usual_likeness={
            Light[name]: float(likeness) for name, likeness in facts["usual_view"].items()
        },
        strange_events=int(facts["strange"]),
        latest_at=None if facts["last"] is None else float(facts["last"]),
    )
    if facts["grid"] is not None:
        rows, columns = facts["grid"]
        view.grid = (int(rows), int(columns))
        view.moved = arrays["moved"].astype(np.float32)
        if view.moved.shape != view.grid:
            raise ValueError(f"the map of what moved has the shape {view.moved.shape}")
    for name, events in facts["plates"].items():
        view.plates[Light[name]] = _unpack_plate(name, arrays, int(events), view.grid)
    return view


def _bank(arrays: Arrays) -> RegionBank:
    bank = RegionBank()
    lengths = set()
    for name in BANK_ARRAYS:
        found, empty = arrays[f"bank_{name}"], getattr(bank, name)
        if found.dtype != empty.dtype or found.shape[1:] != empty.shape[1:]:
            raise ValueError(f"{name} of the region bank is {found.dtype} {found.shape}")
        setattr(bank, name, found)
        lengths.add(len(found))
    if len(lengths) != 1:
        raise ValueError("the region bank is ragged")
    return bank


def _pack_plate(name: str, plate: Plate) -> dict[str, NDArray[Any]]:
    """Write a plate with 8 bits per number: location in steps per channel, spread as logarithm."""
    low, high = plate.location.min(axis=(0, 1)), plate.location.max(axis=(0, 1))
    step = np.maximum(high - low, 1e-6) / 255
    logarithm = np.log2(np.maximum(plate.spread, 2.0**-10))
    return {
        f"location_{name}": np.rint((plate.location - low) / step).astype(np.uint8),
        f"low_{name}": low.astype(np.float32),
        f"step_{name}": step.astype(np.float32),
        f"spread_{name}": np.clip(np.rint((logarithm + 10) * 16), 0, 255).astype(np.uint8),
    }


def _unpack_plate(name: str, arrays: Arrays, events: int, grid: tuple[int, int] | None) -> Plate:
    location, spread = arrays[f"location_{name}"], arrays[f"spread_{name}"].astype(np.float32)
    if location.dtype == np.uint8:
        location = location * arrays[f"step_{name}"] + arrays[f"low_{name}"]
        spread = np.exp2(spread / 16 - 10)
    if location.shape != spread.shape or location.shape[:2] != grid:
        raise ValueError(f"the plate of {name} has the shape {location.shape}")
    if location.shape[2] != CELL_CHANNELS:
        raise ValueError(f"the plate of {name} has {location.shape[2]} channels")
    return Plate(location.astype(np.float32), spread, events)
