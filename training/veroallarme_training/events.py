"""Folders of events on disk: `<camera>/<event_id>/{0,1,2}.jpg`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from veroallarme_training.errors import TrainingError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
MASKS_FOLDER = "masks"
"""Folder inside an event with exact masks, `masks/0.png` ...: 255 where the relevant mover is."""


class EventsError(TrainingError):
    """A folder holds no event; the sentence says what was expected."""


@dataclass(frozen=True)
class Event:
    """One burst on disk, its frames in order of time."""

    camera: str
    event_id: str
    frames: tuple[Path, ...]
    masks: tuple[Path, ...] = ()
    """Exact masks, one per frame, where they are known (drawn scenes); empty where not."""

    @property
    def name(self) -> str:
        """`camera/event_id`, unique in one data folder."""
        return f"{self.camera}/{self.event_id}"


def find_events(data_dir: str | Path, max_sequences: int | None = None) -> tuple[Event, ...]:
    """Find the events of one camera's folder, or of all cameras' folders below a parent.

    Args:
        data_dir: as of `walk_events`.
        max_sequences: take at most this many, evenly over the cameras and over time.

    Returns:
        The events in order of camera and event id.

    Raises:
        EventsError: the folder is missing or holds no event.
    """
    events = tuple(walk_events(data_dir))
    return tuple(events[number] for number in spread_evenly(len(events), max_sequences))


def walk_events(data_dir: str | Path) -> Iterator[Event]:
    """Go through the events as `find_events` finds them, one at a time.

    Args:
        data_dir: `<event_id>/0.jpg` lies in it (one camera), or `<camera>/<event_id>/0.jpg`.

    Raises:
        EventsError: the folder is missing or holds no event.
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise EventsError(f"{folder} is no folder: give one that holds a folder per event.")
    found = 0
    cameras = []
    for name in _subfolders(folder):
        event = _event(folder / name, folder.resolve().name)
        if event is None:
            cameras.append(name)
        else:
            found += 1
            yield event
    for camera in cameras:
        for name in _subfolders(folder / camera):
            event = _event(folder / camera / name, camera)
            if event is not None:
                found += 1
                yield event
    if not found:
        raise EventsError(
            f"{folder} holds no events: expected {folder}/<event_id>/0.jpg or "
            f"{folder}/<camera>/<event_id>/0.jpg."
        )


def spread_evenly(length: int, at_most: int | None) -> Sequence[int]:
    """Return the numbers of at most `at_most` of `length` items, evenly spread; None takes all."""
    if at_most is None or at_most >= length:
        return range(length)
    step = length / at_most
    return [int(number * step) for number in range(at_most)]


def mask_paths(frames: Sequence[Path]) -> tuple[Path, ...]:
    """Return where the exact masks of frames lie, one per frame."""
    return tuple(frame.parent / MASKS_FOLDER / f"{frame.stem}.png" for frame in frames)


def _subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir())


def _event(folder: Path, camera: str) -> Event | None:
    """Return the event that lies in a folder, or None where it holds no numbered picture.

    A `mask.png` beside the pictures is no frame.
    """
    names = os.listdir(folder)
    pictures = sorted(
        (len(stem), stem, name)
        for name in names
        for stem, suffix in [os.path.splitext(name)]
        if suffix.lower() in PICTURE_SUFFIXES and stem[-1:].isdigit()
    )
    if not pictures:
        return None
    frames = tuple(folder / name for _, _, name in pictures)
    masks: tuple[Path, ...] = ()
    if MASKS_FOLDER in names:
        masks = mask_paths(frames)
        masks = masks if all(mask.is_file() for mask in masks) else ()
    return Event(camera, folder.name, frames, masks)
