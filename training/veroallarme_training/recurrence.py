"""A first teacher for events that nobody labelled: how often does this place move?

Foliage, a street behind the fence and the burnt-in clock move in event after event at the same
place; an intruder does not. The cue is weak, and on some cameras wrong: where the drive is the
busiest place, it calls visitors nuisance (`docs/training.md` has the numbers). So it is off unless
asked for, its labels count less than others, and between often and rarely it says nothing.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_training.config import TeacherSettings
from veroallarme_training.moving_events import MovingEvent
from veroallarme_training.region_labels import RegionLabel

GRID = (36, 44)
"""Rows and columns of the map; a cell is 16 px wide in a picture of 704x576."""


def label_by_recurrence(
    events: Sequence[MovingEvent], settings: TeacherSettings
) -> dict[tuple[str, int], RegionLabel]:
    """Label the regions of each camera's events by the history of their place.

    The share is that of the camera's *other* events in which the region's place moved, averaged
    over the region. Regions with damaged blocks are left out, for what a broken stream changes
    moves anywhere.
    """
    # Numbers, not events: with their motion these would not fit the memory.
    cameras: dict[str, array[int]] = defaultdict(lambda: array("q"))
    for number, moving in enumerate(events):
        cameras[moving.event.camera].append(number)
    labels: dict[tuple[str, int], RegionLabel] = {}
    for numbers in cameras.values():
        if len(numbers) >= settings.min_events:
            labels.update(_label_camera(events, numbers, settings))
    return labels


def _label_camera(
    events: Sequence[MovingEvent], numbers: Sequence[int], settings: TeacherSettings
) -> dict[tuple[str, int], RegionLabel]:
    # One pass to count and one to compare: a long history does not fit the memory as masks.
    total = np.zeros(GRID, np.int64)
    for at in numbers:
        total += _moved(events[at])
    labels = {}
    for at in numbers:
        moving = events[at]
        shares = (total - _moved(moving)) / (len(numbers) - 1)
        regions = moving.region_map()
        for number in range(moving.region_count):
            if moving.motion.damaged_shares[number] > 0:
                continue
            cells = _cells(regions == number + 1)
            if not cells.any():
                continue
            share = float((shares * cells).sum() / cells.sum())
            relevant = share <= settings.rare_share
            if relevant or share >= settings.recurrent_share:
                labels[moving.event.name, number] = RegionLabel(
                    relevant, settings.recurrence_weight, "recurrence"
                )
    return labels


def _moved(moving: MovingEvent) -> NDArray[np.bool_]:
    """Return bool `GRID`, True where anything moved in an event."""
    return _cells(moving.motion.motion_mask > 0) > 0


def _cells(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return float32 `GRID`, the share of each cell that is True in bool (H, W)."""
    rows, columns = GRID
    shares = cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(shares, np.float32)
