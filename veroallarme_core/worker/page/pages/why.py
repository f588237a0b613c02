"""The numbers behind a verdict in words and bars, and the map of what keeps moving."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from veroallarme_core.worker.history import Recurrence
from veroallarme_core.worker.page.shell import Words

FOR, AGAINST, NEITHER = "for", "against", "neither"
"""What a large number speaks for: something real, nuisance, or neither."""

_CUES: dict[str, tuple[str, float]] = {
    "rank": (FOR, 1.0),
    "unexplained": (FOR, 1.0),
    "object_score": (FOR, 1.0),
    "novelty": (FOR, 1.0),
    "deviation": (FOR, 10.0),
    "change": (FOR, 3.0),
    "network_score": (FOR, 1.0),
    "recurrence": (AGAINST, 1.0),
    "explained_by_light": (AGAINST, 1.0),
    "explained_by_sway": (AGAINST, 1.0),
    "fragmentation": (AGAINST, 1.0),
    "sessions_alike": (AGAINST, 10.0),
    "damaged_share": (NEITHER, 1.0),
    "area_share": (NEITHER, 1.0),
    "motion_share": (NEITHER, 1.0),
}
"""What every cue speaks for, and the value from which its bar is full. In the order in which they
are told; those that are not named here are left to programs."""
_SHARES = frozenset(name for name, (_, most) in _CUES.items() if most == 1.0)
_BUSY = 0.6
"""Share of the events from which the map is drawn in its full colour."""
_COLOUR = (0, 110, 255)  # BGR


@dataclass(frozen=True, kw_only=True)
class CueLine:
    """One number behind a judgement."""

    name: str
    value: str
    """As people read it."""
    filled: float
    """Of its bar, in [0, 1]."""
    speaks: str
    """What a large value speaks for: `FOR`, `AGAINST` or `NEITHER`."""


def lines_of(cues: Mapping[str, Any], words: Words) -> list[CueLine]:
    """Return the numbers that people can make something of, in the order of their weight."""
    return [
        CueLine(
            name=words(f"why.cue_{name}"),
            value=f"{cues[name]:.0%}" if name in _SHARES else f"{cues[name]:.3g}",
            filled=min(1.0, max(0.0, cues[name] / most)),
            speaks=speaks,
        )
        for name, (speaks, most) in _CUES.items()
        if isinstance(cues.get(name), int | float)
    ]


def recurrence_picture(recurrence: Recurrence | None) -> str | None:
    """Return the map of what keeps moving as a picture to lay over a frame, a `data:` address.

    A point for each cell: the browser makes it as large as the frame, and smooth.
    """
    if recurrence is None or not recurrence.tells:
        return None
    strength = np.clip(recurrence.shares / _BUSY, 0.0, 1.0)
    picture = np.empty((*strength.shape, 4), np.uint8)
    picture[..., :3] = _COLOUR
    picture[..., 3] = np.rint(200 * strength)
    done, data = cv2.imencode(".png", picture)
    if not done:
        return None
    return f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}"
