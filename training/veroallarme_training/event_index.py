"""The events of a data folder, listed in files that are read where they lie.

As Python objects a list of a million events takes a gigabyte, in every process that trains or cuts
crops. Here they are fixed-size records and their names in files that are mapped into memory, which
all processes of a machine share:

    index.json         the cameras with the number of their events, and the shards in their order
    <digest>.events    a shard, named by its content: header, records, names

The index is a cache: it is made from the folder alone, and made anew where the two differ.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.files import atomic_file
from veroallarme_training.errors import TrainingError
from veroallarme_training.events import Event, mask_paths, walk_events

SHARD_EVENTS = 2**18
"""Events of a shard. A hundred million events are 381 files, which a process may hold open."""

MANIFEST = "index.json"

_FORMAT = 1
_HEADER = struct.Struct("<8sQ")
"""Name of the format, number of events."""
_RECORD = struct.Struct("<Q16s?")
"""Where the event's names end in the text, the key of its motion, whether it has exact masks."""
_KEYS = np.dtype({"names": ["key"], "formats": ["S16"], "offsets": [8], "itemsize": _RECORD.size})
_NAME = b"VAEVENT1"


class DamagedIndexError(TrainingError):
    """A file of the index is missing, damaged, or of another format."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The index of events {path} is damaged ({reason}): start the run again.")
        self.path = path
        self.reason = reason


class EventIndex:
    """Events by their number, in order of camera and event id.

    Args:
        folder: of the index.
        data_dir: the folder that it lists.
        verify: whether to read all of it, and compare with the digests in its names.

    Raises:
        FileNotFoundError: there is no index yet.
        DamagedIndexError: a file of it is damaged.
    """

    def __init__(self, folder: Path, data_dir: str | Path, *, verify: bool = True) -> None:
        self.folder = folder
        self.data_dir = Path(data_dir)
        path = folder / MANIFEST
        content = path.read_bytes()
        self.digest = hashlib.sha256(content).hexdigest()[:32]
        """Names this very list of events, as their files were."""
        try:
            manifest = json.loads(content)
            if manifest["format"] != _FORMAT:
                raise ValueError
            self.shard_events = int(manifest["shard_events"])
            self.shards = [str(name) for name in manifest["shards"]]
            self.cameras = [(str(name), str(below)) for name, below, _ in manifest["cameras"]]
            """Name and folder of each camera; the folder is relative to `data_dir`."""
            self.camera_ends = list(accumulate(int(count) for *_, count in manifest["cameras"]))
            """Per camera the number of its last event plus 1."""
        except (ValueError, KeyError, TypeError):
            raise DamagedIndexError(path, "it is not of this format") from None
        self._maps: dict[int, mmap.mmap] = {}
        if verify:
            for number in range(len(self.shards)):
                self._verify(number)

    def __getstate__(self) -> dict[str, Any]:
        """A process that gets this index maps the files itself."""
        return {**vars(self), "_maps": {}}

    def __len__(self) -> int:
        return self.camera_ends[-1] if self.camera_ends else 0

    def __getitem__(self, number: int) -> Event:
        """Return an event; the numbers go from 0."""
        if not 0 <= number < len(self):
            raise IndexError(f"event {number} of {len(self)}")
        shard, at = divmod(int(number), self.shard_events)
        content = self._shard(shard)
        text = _HEADER.size + self._length(shard) * _RECORD.size
        record = _HEADER.size + at * _RECORD.size
        end, _, has_masks = _RECORD.unpack_from(content, record)
        start = _RECORD.unpack_from(content, record - _RECORD.size)[0] if at else 0
        event_id, *names = os.fsdecode(content[text + start : text + end]).split("\0")
        camera, below = self.cameras[bisect_right(self.camera_ends, number)]
        folder = self.data_dir / below / event_id
        frames = tuple(folder / name for name in names)
        return Event(camera, event_id, frames, mask_paths(frames) if has_masks else ())

    def key(self, number: int) -> str:
        """Return the key of an event's motion, as `MotionCache.key` gave it: 32 hex digits."""
        shard, at = divmod(int(number), self.shard_events)
        key: bytes = _RECORD.unpack_from(self._shard(shard), _HEADER.size + at * _RECORD.size)[1]
        return key.hex()

    def keys(self) -> NDArray[np.bytes_]:
        """Return the keys of all events, S16 (events,), copied into memory."""
        parts = [
            np.frombuffer(self._shard(shard), _KEYS, self._length(shard), _HEADER.size)["key"]
            for shard in range(len(self.shards))
        ]
        return np.concatenate([np.zeros(0, "S16"), *parts])

    def is_early(self, numbers: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
        """Tell which of some events are the earlier ones of their camera.

        Neighbouring events show the same light and the same mover: a split by chance would leak.

        Args:
            numbers: of the events, ascending, int64 (n,).
            share: of each camera's events that are early, at least one of them.

        Returns:
            bool (n,).
        """
        is_early = np.zeros(len(numbers), np.bool_)
        start = 0
        for end in np.searchsorted(numbers, self.camera_ends).tolist():
            is_early[start : min(end, start + max(1, round((end - start) * share)))] = True
            start = end
        return is_early

    def _length(self, shard: int) -> int:
        return min(self.shard_events, len(self) - shard * self.shard_events)

    def _shard(self, number: int) -> mmap.mmap:
        if number not in self._maps:
            path = self.folder / self.shards[number]
            try:
                with path.open("rb") as file:
                    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except FileNotFoundError:
                raise DamagedIndexError(path, "it is gone") from None
            except (OSError, ValueError) as error:
                raise DamagedIndexError(path, str(error)) from None
            header = (_NAME, self._length(number))
            if len(content) < _HEADER.size or _HEADER.unpack_from(content) != header:
                raise DamagedIndexError(path, "its header is wrong")
            self._maps[number] = content
        return self._maps[number]

    def _verify(self, number: int) -> None:
        content = self._shard(number)
        if _shard_name(content) != self.shards[number]:
            raise DamagedIndexError(self.folder / self.shards[number], "its content has changed")


def renew_index(
    data_dir: str | Path,
    folder: Path,
    key: Callable[[Event], str],
    old: EventIndex | None = None,
    watch: Callable[[Iterable[Event]], Iterable[Event]] = lambda events: events,
    *,
    shard_events: int = SHARD_EVENTS,
) -> EventIndex:
    """Make the index of a folder, or bring it up to date: every event is looked at.

    Args:
        data_dir: the folder of events.
        folder: of the index; made where it is missing.
        key: names the state of an event's files, 32 hex digits.
        old: the index that is there, if it is sound. What has not changed is left as it is.
        watch: wraps the events that are gone through, for a progress bar.
        shard_events: events of a shard.

    Raises:
        EventsError: the folder is missing or holds no event.
    """
    keyed = ((event, key(event)) for event in watch(walk_events(data_dir)))
    return write_index(data_dir, folder, keyed, old, shard_events=shard_events)


def write_index(
    data_dir: str | Path,
    folder: Path,
    events: Iterable[tuple[Event, str]],
    old: EventIndex | None = None,
    *,
    shard_events: int = SHARD_EVENTS,
) -> EventIndex:
    """Write an index of events in order of camera and event id, each with its key.

    One shard at a time is in memory. The manifest comes last, and what it no longer names goes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sound = set() if old is None else set(old.shards)
    cameras: list[list[Any]] = []
    shards = []
    for content in _contents(Path(data_dir), events, cameras, shard_events):
        name = _shard_name(content)
        shards.append(name)
        if name not in sound:
            # Not synced: what a power cut damages is found out, and made anew.
            with atomic_file(folder / name, is_durable=False) as file:
                file.write(content)
    manifest = {
        "format": _FORMAT,
        "shard_events": shard_events,
        "shards": shards,
        "cameras": cameras,
    }
    with atomic_file(folder / MANIFEST, is_durable=False) as file:
        file.write(json.dumps(manifest).encode())
    for path in folder.glob("*.events"):
        if path.name not in shards:
            path.unlink(missing_ok=True)
    return EventIndex(folder, data_dir, verify=False)


def _contents(
    data_dir: Path,
    events: Iterable[tuple[Event, str]],
    cameras: list[list[Any]],
    shard_events: int,
) -> Iterator[bytes]:
    """Give the content of shard after shard, and count the events of each camera on the way."""
    records, text = bytearray(), bytearray()
    current: Path | None = None
    for event, key in events:
        folder = event.frames[0].parent.parent
        if folder != current:
            cameras.append([event.camera, os.path.relpath(folder, data_dir), 0])
            current = folder
        cameras[-1][2] += 1
        text += os.fsencode("\0".join([event.event_id, *(path.name for path in event.frames)]))
        records += _RECORD.pack(len(text), bytes.fromhex(key), bool(event.masks))
        if len(records) == shard_events * _RECORD.size:
            yield _content(records, text)
            records, text = bytearray(), bytearray()
    if records:
        yield _content(records, text)


def _content(records: bytearray, text: bytearray) -> bytes:
    return _HEADER.pack(_NAME, len(records) // _RECORD.size) + records + text


def _shard_name(content: bytes | mmap.mmap) -> str:
    return f"{hashlib.sha256(content).hexdigest()[:32]}.events"
