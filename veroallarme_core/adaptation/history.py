"""A camera's history on disk: a folder of pictures per event, named after its time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from veroallarme_core.adaptation.options import AdaptationInputError
from veroallarme_core.camera_memory import SESSION_S
from veroallarme_core.pictures import DecodedFrame, read_frame_or_none

_PICTURES = (".jpg", ".jpeg", ".png", ".webp")
_ID_TIME = "%Y%m%d_%H%M%S"


@dataclass(frozen=True)
class EventFolder:
    """One event on disk and when it happened, seconds since 1970."""

    event_id: str
    folder: Path
    at: float


def list_events(data_dir: Path) -> list[EventFolder]:
    """List a camera's events in order of time.

    Folders whose names are not all times are taken in the order of their names, a session each.

    Raises:
        AdaptationInputError: the folder cannot be read, or holds no folder with pictures.
    """
    try:
        folders = sorted(
            path for path in data_dir.iterdir() if path.is_dir() and picture_files(path)
        )
    except OSError as error:
        raise AdaptationInputError(
            f"{data_dir} cannot be read: {error.strerror}; give a camera's folder of events"
        ) from None
    if not folders:
        raise AdaptationInputError(
            f"{data_dir} holds no event: give a folder with a folder of pictures per event"
        )
    times = [_time_of(folder.name) for folder in folders]
    if None in times:
        times = [float(index * SESSION_S) for index in range(len(folders))]
    return [
        EventFolder(folder.name, folder, at or 0.0)
        for folder, at in zip(folders, times, strict=True)
    ]


def picture_files(folder: Path) -> list[Path]:
    """Return the pictures of an event in the order of their names."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _PICTURES
        and not path.name.startswith(".")
        and path.stem.isdigit()
    )


def read_frames(source: EventFolder) -> list[DecodedFrame | None]:
    """Decode the pictures of an event; None for one that cannot be decoded."""
    return [read_frame_or_none(path) for path in picture_files(source.folder)]


def _time_of(name: str) -> float | None:
    try:
        return datetime.strptime(name[:15], _ID_TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
