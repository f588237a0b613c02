"""Folders of events on disk: `<camera>/<event_id>/{0,1,2}.jpg`."""

from __future__ import annotations

from collections.abc import Sequence
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
        data_dir: `<event_id>/0.jpg` lies in it (one camera), or `<camera>/<event_id>/0.jpg`.
        max_sequences: take at most this many, evenly over the cameras and over time.

    Returns:
        The events in order of camera and event id.

    Raises:
        EventsError: the folder is missing or holds no event.
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise EventsError(f"{folder} is no folder: give one that holds a folder per event.")
    events = _events_of_camera(folder, folder.resolve().name)
    own = {event.event_id for event in events}
    for camera in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        if camera.name not in own:
            events += _events_of_camera(camera, camera.name)
    if not events:
        raise EventsError(
            f"{folder} holds no events: expected {folder}/<event_id>/0.jpg or "
            f"{folder}/<camera>/<event_id>/0.jpg."
        )
    if max_sequences is not None and max_sequences < len(events):
        step = len(events) / max_sequences
        events = [events[int(number * step)] for number in range(max_sequences)]
    return tuple(events)


def split_by_time(
    events: Sequence[Event], train_split: float
) -> tuple[tuple[Event, ...], tuple[Event, ...]]:
    """Split each camera's events into the earlier ones, to train on, and the later ones.

    Neighbouring events show the same light and the same mover: a split by chance would leak.
    """
    training: list[Event] = []
    validation: list[Event] = []
    for camera in sorted({event.camera for event in events}):
        own = sorted(
            (event for event in events if event.camera == camera), key=lambda event: event.event_id
        )
        kept = max(1, round(len(own) * train_split))
        training += own[:kept]
        validation += own[kept:]
    return tuple(training), tuple(validation)


def _events_of_camera(folder: Path, camera: str) -> list[Event]:
    entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    found = [(entry, _pictures(entry)) for entry in entries]
    return [
        Event(camera, entry.name, frames, _masks(entry, frames))
        for entry, frames in found
        if frames
    ]


def _pictures(folder: Path) -> tuple[Path, ...]:
    """Return the numbered pictures of a folder; a `mask.png` beside them is no frame."""
    pictures = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in PICTURE_SUFFIXES and file.stem[-1:].isdigit()
    ]
    return tuple(sorted(pictures, key=lambda file: (len(file.stem), file.stem)))


def _masks(folder: Path, frames: Sequence[Path]) -> tuple[Path, ...]:
    masks = tuple(folder / MASKS_FOLDER / f"{frame.stem}.png" for frame in frames)
    return masks if all(mask.is_file() for mask in masks) else ()
