"""The package's drawn scenes as a folder of events, with exact masks and labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.drawing import DrawnEvent, draw_events
from veroallarme_core.files import write_atomically
from veroallarme_training.events import MASKS_FOLDER, Event, find_events
from veroallarme_training.moving_events import MovingEvent
from veroallarme_training.region_labels import RegionLabel

FIRST_SEED = 1000
"""The demo plays seed 7: what it shows is never trained on."""

_DONE = "drawn.json"
_FORMAT = 1
_JPEG_QUALITY = 88
_OWN_SHARE = 0.05
_OWN_PIXELS = 8


def draw_event_folders(
    folder: str | Path,
    seeds: int,
    size: tuple[int, int],
    watch: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
) -> tuple[Event, ...]:
    """Draw the scenes with `seeds` different seeds, those that are not in `folder` yet.

    Args:
        folder: gets `<height>x<width>/<camera>_<seed>/<event>/{0,1,2}.jpg` and `masks/{0,1,2}.png`.
        seeds: how many times every scene is drawn.
        size: height and width in pixels.
        watch: wraps the seeds that are gone through, for a progress bar.

    Returns:
        The events; every pair of a place and a seed is a camera of its own.
    """
    root = Path(folder) / f"{size[0]}x{size[1]}"
    events: list[Event] = []
    for seed in watch(range(FIRST_SEED, FIRST_SEED + seeds)):
        own = root / str(seed)
        done = own / _DONE
        if not _is_done(done):
            for event in draw_events(seed, size):
                _write(own / f"{event.camera}_{seed}" / event.name, event)
            write_atomically(done, json.dumps({"format": _FORMAT}))
        events += find_events(own)
    return tuple(events)


def split_by_seed(
    events: Sequence[Event], train_split: float
) -> tuple[tuple[Event, ...], tuple[Event, ...]]:
    """Split drawn events: the last seeds are held out, their textures were never seen.

    With a single seed every fifth scene or so is held out instead.
    """
    seeds = sorted({_seed(event) for event in events})
    if len(seeds) > 1:
        most = len(seeds) - 1 if train_split < 1 else len(seeds)
        kept = min(max(1, round(len(seeds) * train_split)), most)
        held_out = set(seeds[kept:])
        chosen = [_seed(event) in held_out for event in events]
    else:
        spacing = round(1 / (1 - train_split)) if train_split < 1 else len(events) + 1
        chosen = [number % spacing == spacing - 1 for number in range(len(events))]
    training = tuple(event for event, held in zip(events, chosen, strict=True) if not held)
    return training, tuple(event for event, held in zip(events, chosen, strict=True) if held)


def read_masks(event: Event, indices: Sequence[int]) -> list[NDArray[np.uint8]]:
    """Read the exact masks of some frames: uint8 (H, W), 255 where the relevant mover is."""
    return [
        np.asarray(cv2.imread(str(event.masks[index]), cv2.IMREAD_GRAYSCALE), np.uint8)
        for index in indices
    ]


def label_drawn(events: Sequence[MovingEvent]) -> dict[tuple[str, int], RegionLabel]:
    """Label the regions of drawn events by their exact masks.

    A region is relevant where the mover covers a fair part of it in some frame, nuisance where
    the mover is not even in its box; of what lies in between (its shadow, say) nothing is said.
    """
    labels = {}
    for moving in events:
        if not moving.event.masks:
            continue
        masks = read_masks(moving.event, range(len(moving.event.masks)))
        mover = np.bitwise_or.reduce(masks) > 0
        regions = moving.region_map()
        for number in range(moving.region_count):
            region = moving.motion.regions[number]
            x1, y1, x2, y2 = region.to_bbox()
            own = int(np.count_nonzero(mover & (regions == number + 1)))
            near = int(np.count_nonzero(mover[y1:y2, x1:x2]))
            if own >= max(_OWN_PIXELS, _OWN_SHARE * region.area):
                labels[moving.event.name, number] = RegionLabel(True, source="drawn")
            elif near == 0:
                labels[moving.event.name, number] = RegionLabel(False, source="drawn")
    return labels


def _seed(event: Event) -> int:
    return int(event.camera.rpartition("_")[2])


def _is_done(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("format") == _FORMAT)
    except (OSError, ValueError, AttributeError):
        return False


def _write(folder: Path, event: DrawnEvent) -> None:
    (folder / MASKS_FOLDER).mkdir(parents=True, exist_ok=True)
    for number, (frame, mask) in enumerate(zip(event.frames, event.masks, strict=True)):
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        cv2.imwrite(str(folder / f"{number}.jpg"), frame, quality)
        cv2.imwrite(
            str(folder / MASKS_FOLDER / f"{number}.png"), mask.astype(np.uint8) * np.uint8(255)
        )
