"""The moving events of a data folder, read from its index one by one; one byte each in memory.

What moved in an event is kept by `MotionCache`; beside the index one file keeps how many regions
that were, so that a later run need not read all of them to know which events moved.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.files import atomic_file
from veroallarme_training.errors import TrainingError
from veroallarme_training.event_index import DamagedIndexError, EventIndex, renew_index
from veroallarme_training.events import spread_evenly
from veroallarme_training.motion_cache import BrokenEventError, MotionCache
from veroallarme_training.moving_events import (
    MovingEvent,
    MovingEvents,
    SkippedEvent,
)

Watch: TypeAlias = Callable[[Iterable[Any], str], Iterable[Any]]
"""Wraps what is gone through, for a progress bar; the text says what is being done."""

REGION_COUNTS = "regions.bin"

_MOST = 253
_BROKEN = 254
_UNKNOWN = 255
_HEADER = struct.Struct("<8s32s32s")
"""Name of the format, digest of the index, digest of the counts."""
_NAME = b"VAREGIO1"


@dataclass(frozen=True, eq=False)
class IndexedData:
    """What a folder holds to learn from, the earlier events of each camera and the later ones."""

    early: MovingEvents
    late: MovingEvents
    event_count: int
    """Events that were looked at, with motion and without."""
    notes: tuple[str, ...] = ()
    """What the user should know of the index, one sentence each."""


class IndexedEvents(Sequence[MovingEvent]):
    """Moving events by their place among `numbers`, each read when it is asked for.

    Args:
        event_index: of all events.
        numbers: of those that belong here, in the index, int64 (n,).
        region_counts: of all events of the index, uint8 (events,).
        cache: keeps what moved.
    """

    def __init__(
        self,
        event_index: EventIndex,
        numbers: NDArray[np.int64],
        region_counts: NDArray[np.uint8],
        cache: MotionCache,
    ) -> None:
        self.event_index = event_index
        self.numbers = numbers
        self.region_counts = region_counts
        self.cache = cache

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, at: int) -> MovingEvent: ...
    @overload
    def __getitem__(self, at: slice) -> IndexedEvents: ...
    def __getitem__(self, at: int | slice) -> MovingEvent | IndexedEvents:
        """Return an event, or a part of the events."""
        if isinstance(at, slice):
            return IndexedEvents(self.event_index, self.numbers[at], self.region_counts, self.cache)
        number = int(self.numbers[at])
        event = self.event_index[number]
        read = partial(self.cache.motion, event, self.event_index.key(number))
        return MovingEvent(event, int(self.region_counts[number]), read)


def index_folder(data_dir: Path, cache_folder: Path) -> Path:
    """Return where the index of a folder of events lies."""
    name = hashlib.sha256(str(data_dir.resolve()).encode(errors="surrogateescape")).hexdigest()
    return cache_folder / "events" / name[:16]


def find_indexed_events(
    data_dir: Path,
    cache_folder: Path,
    cache: MotionCache,
    *,
    train_split: float,
    max_sequences: int | None = None,
    renew: bool = True,
    watch: Watch = lambda items, _: items,
) -> IndexedData:
    """Find the events of a folder in which something moved, by an index that is made by itself.

    Args:
        data_dir: one camera's folder of events, or a parent of several.
        cache_folder: gets the index, `events/<name>/`.
        cache: finds what moved, once per event.
        train_split: share of each camera's events that are early.
        max_sequences: take at most this many, evenly over the cameras and over time.
        renew: whether to look at the folder. False takes the index as another process left it.
        watch: wraps what is gone through, for a progress bar.

    Raises:
        EventsError: the folder is missing or holds no event.
        TrainingError: `renew` is False, and there is no sound index.
    """
    folder = index_folder(data_dir, cache_folder)
    notes: list[str] = []
    if renew:
        index, counts = _renewed(data_dir, folder, cache, notes, watch)
    else:
        index, counts = _left_by_another_process(data_dir, folder)
    chosen = np.array(spread_evenly(len(index), max_sequences), np.int64)
    skipped: tuple[SkippedEvent, ...] = ()
    if renew:
        # Broken ones again, too: what was not readable yesterday may be today.
        missing = chosen[counts[chosen] >= _BROKEN]
        if len(missing):
            skipped = _count_regions(index, counts, watch(missing, "finding motion"), cache)
    own = counts[chosen]
    is_moving, is_early = (own > 0) & (own < _BROKEN), index.is_early(chosen, train_split)
    still = int(np.count_nonzero(own == 0))
    parts = [
        MovingEvents(IndexedEvents(index, chosen[is_moving & part], counts, cache), skipped, still)
        for part in (is_early, ~is_early)
    ]
    return IndexedData(parts[0], parts[1], len(chosen), tuple(notes))


def _left_by_another_process(data_dir: Path, folder: Path) -> tuple[EventIndex, NDArray[np.uint8]]:
    try:
        index = EventIndex(folder, data_dir, verify=False)
    except FileNotFoundError as error:
        raise TrainingError(
            f"{error.filename} is not there: all processes of a run must see the same output "
            "folder, and the same cache_dir."
        ) from None
    return index, _read_counts(index)


def _renewed(
    data_dir: Path,
    folder: Path,
    cache: MotionCache,
    notes: list[str],
    watch: Watch,
) -> tuple[EventIndex, NDArray[np.uint8]]:
    """Bring the index up to date, with the region counts of what has not changed."""
    old: EventIndex | None = None
    known: NDArray[np.uint8] | None = None
    try:
        with contextlib.suppress(FileNotFoundError):
            old = EventIndex(folder, data_dir)
            known = _read_counts(old)
    except DamagedIndexError as error:
        notes.append(
            f"The index of events {error.path} was damaged ({error.reason}) and is made anew."
        )
    index = renew_index(
        data_dir, folder, cache.key, old, lambda events: watch(events, "listing events")
    )
    if old is not None and known is not None:
        if index.digest == old.digest:
            return index, known
        counts = _carried(old.keys(), known, index.keys())
        _write_counts(index, counts)
        return index, counts
    return index, np.full(len(index), _UNKNOWN, np.uint8)


def _carried(
    old_keys: NDArray[np.bytes_], old_counts: NDArray[np.uint8], keys: NDArray[np.bytes_]
) -> NDArray[np.uint8]:
    """Take over the counts of the events whose keys are known; the others are unknown."""
    counts = np.full(len(keys), _UNKNOWN, np.uint8)
    order = np.argsort(old_keys, kind="stable")
    places = order[np.minimum(np.searchsorted(old_keys, keys, sorter=order), len(order) - 1)]
    is_same = old_keys[places] == keys
    counts[is_same] = old_counts[places[is_same]]
    return counts


def _count_regions(
    index: EventIndex,
    counts: NDArray[np.uint8],
    numbers: Iterable[np.int64],
    cache: MotionCache,
) -> tuple[SkippedEvent, ...]:
    """Find the motion of some events, and write down how many regions each has."""
    skipped = []
    try:
        for number in numbers:
            event = index[int(number)]
            try:
                motion = cache.motion(event, index.key(int(number)))
            except BrokenEventError as error:
                counts[number] = _BROKEN
                skipped.append(SkippedEvent(event, str(error)))
            else:
                counts[number] = min(len(motion.regions), _MOST)
    finally:
        _write_counts(index, counts)
    return tuple(skipped)


def _write_counts(index: EventIndex, counts: NDArray[np.uint8]) -> None:
    content = counts.tobytes()
    header = _HEADER.pack(_NAME, index.digest.encode(), hashlib.sha256(content).digest())
    with atomic_file(index.folder / REGION_COUNTS, is_durable=False) as file:
        file.write(header + content)


def _read_counts(index: EventIndex) -> NDArray[np.uint8]:
    """Read the counts of an index: uint8 (events,), `_UNKNOWN` where nobody looked yet."""
    path = index.folder / REGION_COUNTS
    unknown = np.full(len(index), _UNKNOWN, np.uint8)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return unknown
    if len(content) < _HEADER.size:
        raise DamagedIndexError(path, "it is cut off")
    name, digest, own = _HEADER.unpack_from(content)
    counts = np.frombuffer(content, np.uint8, offset=_HEADER.size).copy()
    if name != _NAME or hashlib.sha256(content[_HEADER.size :]).digest() != own:
        raise DamagedIndexError(path, "its content has changed")
    # Of another list of events where a run was stopped between the two files.
    return counts if digest == index.digest.encode() and len(counts) == len(index) else unknown
