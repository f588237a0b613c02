"""The frames of events on disk, a folder for each event, in the layout that training reads.

Everything here blocks and runs in the worker's storage threads, never on its event loop.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from veroallarme_core.contract import is_valid_id
from veroallarme_core.files import atomic_file, put_in_place
from veroallarme_core.worker.storage.records import KeepLimits

THUMBNAIL_FILE = "small.thumbnail"
"""Beside the frames of an event; its suffix is that of no picture, so nobody learns from it."""


class EventFrames:
    """Writes, reads and removes the folders of events; needs no database.

    Args:
        data_dir: holds ``<camera>/<event_id>/{0,1,2}.jpg``.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def folder(self, camera: str, event_id: str) -> Path:
        """Return the folder of an event; ids are checked because they become a path."""
        if not (is_valid_id(camera) and is_valid_id(event_id)):
            raise ValueError(f"not an event: camera {camera!r}, event_id {event_id!r}")
        return self.data_dir / camera / event_id

    def save(
        self,
        camera: str,
        event_id: str,
        frames: Sequence[bytes],
        taken_at: Sequence[datetime] = (),
    ) -> None:
        """Write the frames of an event; the folder appears whole or not at all.

        Args:
            camera: its id.
            event_id: of the event.
            frames: encoded pictures in order of time.
            taken_at: when each was taken, which becomes the time of its file; empty where that is
                about now.

        Raises:
            OSError: the disk is full or not writable; nothing is left behind.
        """
        folder = self.folder(camera, event_id)
        if folder.exists():
            return
        partial = folder.with_name(f".{event_id}.partial")
        try:
            partial.mkdir(parents=True, exist_ok=True)
            for index, data in enumerate(frames):
                with (partial / f"{index}.jpg").open("wb") as file:
                    file.write(data)
                    file.flush()
                    if taken_at:
                        seconds = taken_at[index].timestamp()
                        os.utime(file.fileno(), (seconds, seconds))
                    os.fsync(file.fileno())
            put_in_place(partial, folder)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def load(self, camera: str, event_id: str) -> list[bytes]:
        """Return the stored frames of an event in order; empty where there are none."""
        return [path.read_bytes() for path in self._files(camera, event_id)]

    def count(self, camera: str, event_id: str) -> int:
        """Return how many frames of an event are still kept."""
        return len(self._files(camera, event_id))

    def taken_at(self, camera: str, event_id: str) -> list[datetime]:
        """Return when each of the stored frames of an event was taken."""
        return [
            datetime.fromtimestamp(path.stat().st_mtime, UTC)
            for path in self._files(camera, event_id)
        ]

    def thumbnail(self, camera: str, event_id: str) -> bytes | None:
        """Return the small picture of an event; None where none was made yet."""
        try:
            return (self.folder(camera, event_id) / THUMBNAIL_FILE).read_bytes()
        except FileNotFoundError:
            return None

    def save_thumbnail(self, camera: str, event_id: str, picture: bytes) -> None:
        """Keep the small picture of an event beside its frames, as long as these are kept.

        Raises:
            OSError: the disk is full or not writable, or the event has been removed meanwhile.
        """
        # It can be made again, so no disk is waited for.
        path = self.folder(camera, event_id) / THUMBNAIL_FILE
        with atomic_file(path, is_durable=False) as file:
            file.write(picture)

    def _files(self, camera: str, event_id: str) -> list[Path]:
        paths = self.folder(camera, event_id).glob("*.jpg")
        return sorted(paths, key=lambda path: (len(path.stem), path.stem))

    def remove_partial(self) -> int:
        """Remove what a killed worker left half written; return how many folders that were."""
        partial = list(self.data_dir.glob("*/.*.partial"))
        for folder in partial:
            shutil.rmtree(folder, ignore_errors=True)
        return len(partial)

    def remove_old(self, camera: str, limits: KeepLimits, spared: set[str], now: datetime) -> int:
        """Remove the folders of a camera's oldest events; return how many went.

        Events as young as ``now`` are left alone: they came after ``spared``
        was asked for. Those dated more than a day ahead came from a machine with a wrong clock.
        """
        size_limit = limits.size_mb * 1e6
        cutoff = now - timedelta(days=limits.days)
        begin, end = (f"{at:%Y%m%d_%H%M%S}" for at in (now, now + timedelta(days=1)))
        root = self.data_dir / camera
        if not root.is_dir():
            return 0
        folders = sorted(
            folder for folder in root.iterdir() if is_valid_id(folder.name) and folder.is_dir()
        )
        sizes = {
            folder: sum(file.stat().st_size for file in folder.iterdir()) for folder in folders
        }
        total = sum(sizes.values())
        removed = 0
        for folder in folders:
            if folder.name in spared or begin <= folder.name[:15] < end:
                continue
            if total <= size_limit and folder.name[:15] >= f"{cutoff:%Y%m%d_%H%M%S}":
                break
            shutil.rmtree(folder, ignore_errors=True)
            total -= sizes[folder]
            removed += 1
        return removed
