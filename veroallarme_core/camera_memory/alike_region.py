"""Past regions that are like one of a past event: why it was judged as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veroallarme_core.camera_memory.region_bank import RegionBank, event_key

Place = tuple[float, float]
LEAST_ALIKE = 0.1
"""Likeness below which something else moved, or somewhere else."""
_PLACE_TOLERANCE = 0.02
"""Edges of the frame within which a place names a remembered region: a verdict holds pixels."""


@dataclass(frozen=True, kw_only=True)
class AlikeRegion:
    """A region of another event that is like one."""

    event_key: int
    """Of its event; see `event_key`."""
    session: int
    """In which it moved, `SESSION_S` seconds each since 1970."""
    likeness: float
    """In [0, 1]; 1 is the same look at the same place."""
    place: Place
    """x and y of its centre in shares of the frame."""
    thumb: bool | None
    """The user's word on its event; None where there is none."""


def alike_regions(
    bank: RegionBank, event_id: str, places: Sequence[Place], most: int
) -> list[tuple[AlikeRegion, ...] | None]:
    """Return for each region of a past event the regions of other events most like it.

    Args:
        bank: that remembers them.
        event_id: of the event.
        places: centres of its regions in shares of the frame.
        most: regions for each, of different events, the most alike first; there may be none.

    Returns:
        None for a region that the bank does not remember.
    """
    rows = np.flatnonzero(bank.event == np.uint64(event_key(event_id)))
    return [_alike(bank, _row_at(bank, rows, place), most) for place in places]


def _row_at(bank: RegionBank, rows: np.ndarray, place: Place) -> int | None:
    if not len(rows):
        return None
    distance = np.abs(bank.place[rows] - np.array(place, np.float32)).max(axis=1)
    nearest = int(np.argmin(distance))
    return int(rows[nearest]) if distance[nearest] <= _PLACE_TOLERANCE else None


def _alike(bank: RegionBank, row: int | None, most: int) -> tuple[AlikeRegion, ...] | None:
    if row is None:
        return None
    likeness = bank.likeness_to(row)
    found: dict[int, AlikeRegion] = {}
    for other in np.argsort(-likeness, kind="stable"):
        key = int(bank.event[other])
        if likeness[other] < LEAST_ALIKE:
            break
        if key == int(bank.event[row]) or key in found:
            continue
        label = int(bank.label[other])
        found[key] = AlikeRegion(
            event_key=key,
            session=int(bank.session[other]),
            likeness=float(likeness[other]),
            place=(float(bank.place[other, 0]), float(bank.place[other, 1])),
            thumb=None if label == 0 else label > 0,
        )
        if len(found) == most:
            break
    return tuple(found.values())
