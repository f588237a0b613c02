"""What a camera's memory holds of one view; another view begins with an empty one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.camera_memory.plate import Plate
from veroallarme_core.camera_memory.region_bank import RegionBank
from veroallarme_core.description import Light


@dataclass(kw_only=True)
class SceneView:
    """How the scene of one view usually looks, and what moved in it."""

    grid: tuple[int, int] | None = None
    """(rows, columns) of cells; None before the first event."""
    plates: dict[Light, Plate] = field(default_factory=dict)
    bank: RegionBank = field(default_factory=RegionBank)
    sessions: set[int] = field(default_factory=set)
    moved: NDArray[np.float32] | None = None
    """(rows, columns): in how many events every cell moved, old ones counting less.

    Under all kinds of light together: what moves at a place at night does so by day.
    """
    seen: float = 0.0
    """Events behind `moved`, old ones counting less."""
    usual_likeness: dict[Light, float] = field(default_factory=dict)
    """Of a burst to the plate of its light."""
    strange_events: int = 0
    """Events in a row that showed another view."""
    latest_at: float | None = None
    """When the latest event moved, seconds since 1970."""
