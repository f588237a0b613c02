"""Snapshots from files that the camera or another program writes."""

from __future__ import annotations

import asyncio
import glob
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from veroallarme_core.pictures import LONGEST_START, is_picture_start, picture_end
from veroallarme_core.worker.snapshots.snapshots import (
    MAX_PICTURE_BYTES,
    Snapshot,
    SnapshotError,
    check_picture,
    check_seconds,
    closed,
)

SETTLED_S = 0.5
"""A file without the end of a picture that has not changed for so long is taken as it is."""


LOOK_AGAIN_S = 0.1
"""Between two looks at a file that is being written."""


PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """Snapshots from files that the camera or another program writes.

    Attributes:
        path: A picture that is overwritten, a folder, or a glob pattern such as
            `/ftp/drive/*.jpg`; of several files the newest one counts.
        timeout_s: Seconds that reading may take (a network share may hang).

    Raises:
        ValueError: A field is unusable; the text names it and the remedy.
    """

    path: Path
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if "\0" in str(self.path):
            raise ValueError("path holds a null character: name a file, a folder or a pattern")
        check_seconds("timeout_s", self.timeout_s)


@dataclass(frozen=True)
class Reading:
    """What a file held when it was read; `is_finished` once it is a whole picture."""

    path: str
    data: bytes
    written_at: datetime
    is_finished: bool


class FileSnapshotClient:
    """Reads the newest picture of a file, a folder or a pattern, in a thread."""

    def __init__(self, source: FileSource) -> None:
        """Prepare; nothing is read before the first fetch."""
        self._source = source
        self._lock = asyncio.Lock()
        self._reading: asyncio.Future[Reading] | None = None
        self._closed = False

    async def fetch(self, moment: datetime) -> Snapshot:
        """Give the newest picture there is; the moment does not matter.

        A picture that is being written is waited for, as long as the time allows.
        """
        async with self._lock:
            if self._closed:
                raise closed(str(self._source.path))
            readings: list[Reading] = []
            try:
                async with asyncio.timeout(self._source.timeout_s):
                    await self._read_until_finished(readings)
            except TimeoutError:
                if not readings:
                    raise SnapshotError(
                        "timeout",
                        f"{self._source.path} could not be read within "
                        f"{self._source.timeout_s:g} s: check the disk or the network share",
                    ) from None
        newest = readings[-1]
        check_picture(newest.data, newest.path, str)
        age_s = max(0.0, (datetime.now(UTC) - newest.written_at).total_seconds())
        return Snapshot(newest.data, newest.written_at, round(age_s * 1000))

    async def close(self) -> None:
        """Refuse later fetches."""
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()

    async def _read_until_finished(self, readings: list[Reading]) -> None:
        """Read again and again until the picture is whole, or nobody writes it any more."""
        clock = asyncio.get_running_loop().time
        unchanged_since = clock()
        while True:
            reading = await self._read()
            if not readings or reading.data != readings[-1].data:
                unchanged_since = clock()
            readings[:] = [reading]
            if reading.is_finished or clock() - unchanged_since >= SETTLED_S:
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _read(self) -> Reading:
        if self._reading is None or self._reading.done():
            # A thread on a hanging network share cannot be stopped, so it is never doubled.
            self._reading = asyncio.ensure_future(
                asyncio.to_thread(_read_newest, str(self._source.path))
            )
            # Its error is lost, not logged, where a time limit has ended the wait for it.
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._reading)


def _read_newest(path: str) -> Reading:
    """Read the newest picture and the time at which it was written."""
    try:
        newest = _newest_file(path)
        with open(newest, "rb") as file:
            before = os.fstat(file.fileno())
            data = file.read(MAX_PICTURE_BYTES + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise SnapshotError(
            "file", f"{path} cannot be read ({error.strerror}): check the path and its rights"
        ) from None
    if len(data) > MAX_PICTURE_BYTES:
        raise SnapshotError(
            "too_large",
            f"{newest} has more than {MAX_PICTURE_BYTES >> 20} MB: give the path of a picture",
        )
    # What is overwritten in place while it is read may be the beginning of one picture and the
    # end of another.
    is_steady = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    is_foreign = len(data) >= LONGEST_START and not is_picture_start(data)
    return Reading(
        newest,
        data,
        written_at=datetime.fromtimestamp(after.st_mtime, UTC),
        is_finished=is_foreign or (is_steady and picture_end(data) is not None),
    )


def _newest_file(path: str) -> str:
    if os.path.isdir(path):
        with os.scandir(path) as entries:
            candidates = [
                entry.path
                for entry in entries
                if Path(entry.name).suffix.lower() in PICTURE_SUFFIXES
            ]
    elif os.path.exists(path):
        candidates = [path]
    else:
        candidates = glob.glob(path, recursive=True)
    newest, newest_ns = "", -1
    for candidate in candidates:
        try:
            found = os.stat(candidate)
        except FileNotFoundError:
            continue  # cleaned up in the meantime
        # A pipe or a device would block for ever.
        if stat.S_ISREG(found.st_mode) and found.st_mtime_ns > newest_ns:
            newest, newest_ns = candidate, found.st_mtime_ns
    if not newest:
        raise SnapshotError(
            "file", f"{path} holds no picture: check the path and that the camera writes there"
        )
    return newest
