"""What the events of a training take: as a list of objects, and in the shards of an index.

    python -m benchmarks.event_index
    python -m benchmarks.event_index --events 100000 --cameras 10 --folders 2000

The events are records alone, three frames each, without pictures; the first row is what it takes
to make them up. Each row is measured in a process of its own, beyond what the modules take:
`own` is memory that is its own when it is done (RssAnon), `mapped` are pages of files (RssFile),
which all processes of a machine share and the system takes back when it needs them, and `at most`
is the largest sum of both on the way. What looking at folders costs is measured on real ones, with
empty files, in the temporary folder.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import multiprocessing
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from veroallarme_training.epoch_batches import TrainingBatches
from veroallarme_training.event_index import EventIndex, renew_index, write_index
from veroallarme_training.events import Event
from veroallarme_training.indexed_events import IndexedEvents
from veroallarme_training.motion_cache import MotionCache
from veroallarme_training.ranks import Ranks

_START = datetime(2026, 1, 1)
_READ = 10_000
_BATCH_SIZE = 32


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--cameras", type=int, default=1_000)
    parser.add_argument("--folders", type=int, default=20_000, help="real folders to look at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{options.events:,} events of {options.cameras:,} cameras")
        print(f"{'':<40}{'seconds':>9}{'own':>9}{'mapped':>9}{'at most':>9}  (MB)")
        steps = (make_up, list_events, make_index, open_index, draw_order, read_events)
        for step in steps:
            measured(step, folder, options.events, options.cameras)
        size = sum(path.stat().st_size for path in (folder / "index").iterdir())
        print(f"the index takes {size / 1e6:.0f} MB on disk")
        for step in (make_folders, look_at_folders, look_again):
            measured(step, folder, options.folders, 10)


def make_up(folder: Path, events: int, cameras: int) -> tuple[str, Any]:
    """Make the records up, and forget them."""
    return "(make the records up)", deque(synthetic(events, cameras), maxlen=0)


def list_events(folder: Path, events: int, cameras: int) -> tuple[str, Any]:
    """Hold every event as an object."""
    return "list them as objects", [event for event, _ in synthetic(events, cameras)]


def make_index(folder: Path, events: int, cameras: int) -> tuple[str, Any]:
    """Write the shards."""
    return "make the index", write_index("data", folder / "index", synthetic(events, cameras))


def open_index(folder: Path, events: int, cameras: int) -> tuple[str, Any]:
    """Open the shards, and compare all they hold with their digests."""
    return "open the index and verify it", EventIndex(folder / "index", "data")


def draw_order(folder: Path, events: int, cameras: int) -> tuple[str, Any]:
    """Go through the batches of an epoch, as one process of two."""
    moving = indexed(folder)
    batches = TrainingBatches(len(moving), _BATCH_SIZE, 0, Ranks(0, 2))
    return "open it, draw the order of an epoch", (moving, batches, sum(map(len, batches)))


def read_events(folder: Path, events: int, cameras: int) -> tuple[str, Any]:
    """Do the same, and read events of the first batches."""
    moving = indexed(folder)
    batches = TrainingBatches(len(moving), min(_READ, events), 0, Ranks())
    names = [moving[number].event.event_id for number in next(iter(batches))]
    return f"the same, and read {len(names):,} of them", (moving, batches, len(names))


def make_folders(folder: Path, events: int, cameras: int) -> tuple[str, Any]:
    """Write real folders with empty files."""
    for event, _ in synthetic(events, cameras, folder / "data"):
        event.frames[0].parent.mkdir(parents=True)
        for frame in event.frames:
            frame.touch()
    return f"(write {events:,} folders)", None


def look_at_folders(folder: Path, events: int, cameras: int) -> tuple[str, Any]:
    """Index real folders."""
    key = MotionCache().key
    return f"index {events:,} folders", renew_index(folder / "data", folder / "real", key)


def look_again(folder: Path, events: int, cameras: int) -> tuple[str, Any]:
    """Look at real folders in which nothing changed."""
    old = EventIndex(folder / "real", folder / "data")
    key = MotionCache().key
    return (
        f"look at {events:,} folders again",
        renew_index(folder / "data", folder / "real", key, old),
    )


def indexed(folder: Path) -> IndexedEvents:
    """Return all events of the index, as if each had one moving region."""
    index = EventIndex(folder / "index", "data")
    counts = np.ones(len(index), np.uint8)
    return IndexedEvents(index, np.arange(len(index)), counts, MotionCache())


def synthetic(
    events: int, cameras: int, data_dir: Path = Path("data")
) -> Iterator[tuple[Event, str]]:
    """Give events in order of camera and time, each with its key, which no two share."""
    each = -(-events // cameras)
    for number in range(events):
        camera, own = divmod(number, each)
        name = f"{_START + timedelta(minutes=own):%Y%m%d_%H%M%S}"
        folder = data_dir / f"camera{camera:05d}" / name
        frames = tuple(folder / f"{frame}.jpg" for frame in range(3))
        yield Event(folder.parent.name, name, frames), hashlib.md5(b"%d" % number).hexdigest()


def measured(
    step: Callable[[Path, int, int], tuple[str, Any]], folder: Path, events: int, cameras: int
) -> None:
    """Run a step in a process of its own, and print its row."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(step, folder, events, cameras))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{step.__name__} ended with status {process.exitcode}")


def _run(
    step: Callable[[Path, int, int], tuple[str, Any]], folder: Path, events: int, cameras: int
) -> None:
    # Else what importing left behind would be used first, and not be seen.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # begins the measurement of the peak
    before = _resident()
    started = time.perf_counter()
    name, held = step(folder, events, cameras)
    seconds = time.perf_counter() - started
    after = _resident()
    own, mapped = (after[key] - before[key] for key in ("RssAnon", "RssFile"))
    most = after["VmHWM"] - before["VmRSS"]
    print(
        f"{name:<40}{seconds:>9.2f}{own / 1e6:>9.1f}{mapped / 1e6:>9.1f}{most / 1e6:>9.1f}",
        flush=True,
    )
    del held


def _resident() -> dict[str, int]:
    """Return the kinds of resident memory of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    pairs = [line.split(":") for line in lines if line.startswith(("Rss", "VmRSS", "VmHWM"))]
    return {name: int(value.split()[0]) * 1024 for name, value in pairs}


if __name__ == "__main__":
    main()
