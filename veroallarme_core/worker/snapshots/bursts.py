"""Bursts: several distinct snapshots of a camera, taken within a time limit.

Taking one never fails: a burst carries the errors beside the snapshots that could be had.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from veroallarme_core.pictures import FrameError
from veroallarme_core.worker.snapshots.distinct_pictures import Seen, SeenPicture, look_at
from veroallarme_core.worker.snapshots.snapshots import Snapshot, SnapshotClient, SnapshotError

MAX_FAILURES = 3
"""A camera that failed so often in one burst is left alone until its next motion."""
MAX_EMPTY = 8
"""Nor is one asked on whose answers were empty so often, for five seconds at the usual spacing:
motionEye 0.43.1 sends nothing but empty ones for the first 1.5 s after ten without a request."""
MAX_REPEATS = 8
"""Nor is one asked on that has sent nothing new so often in a row, for as long. Most cameras renew
their picture every second; whoever waits longer alarms late."""

LATE_AFTER_S = 5.0
"""A first picture so long after the motion shows nothing of it for sure: who walks, at 1.4 m/s, is
7 m further by then, and out of the view of a camera over a door or a drive. Three pictures 0.6 s
apart, of a camera that takes a second for each, still begin in time for motion that had to wait
while the event before was judged."""
EARLY_S = 1.0
"""A picture so shortly before a start shows its motion too: cameras report what has moved for a
moment already, and their pictures are dated to the second."""

STOPPING_CODES = frozenset(
    {"http_401", "http_403", "redirect", "tls", "no_picture", "no_decoder", "closed"}
)
"""Errors after which a burst asks no more: trying again cannot help, and wrong passwords lock
accounts."""


def covers(taken_at: Iterable[datetime], earliest: datetime, latest: datetime) -> bool:
    """Tell whether pictures show what moved, whenever between two moments that was.

    They do where none of these moments is more than `LATE_AFTER_S` before the next picture, or
    `EARLY_S` after the last one.

    Args:
        taken_at: When the pictures were taken.
        earliest: First moment at which it may have moved.
        latest: Last moment at which it may have moved.
    """
    covered_to = earliest
    for at in sorted(taken_at):
        if at < covered_to - timedelta(seconds=EARLY_S):
            continue
        if at - covered_to > timedelta(seconds=LATE_AFTER_S):
            return False
        covered_to = at + timedelta(seconds=EARLY_S)
        if covered_to >= latest:
            return True
    return False


@dataclass(frozen=True)
class Burst:
    """What came of asking a camera for several snapshots.

    Attributes:
        snapshots: Different pictures in order of time; may be fewer than requested, or none. Where
            none could be decoded, the undecodable ones, so that the verdict can tell what came.
        requested: Number of different pictures that were asked for.
        fetched: Number of pictures that came; repeated, stale and undecodable ones included.
        distinct: Number of different pictures among the snapshots.
        errors: What went wrong on the way, in order of time.
    """

    snapshots: tuple[Snapshot, ...]
    requested: int
    fetched: int
    distinct: int
    errors: tuple[SnapshotError, ...]


async def take_burst(
    client: SnapshotClient,
    *,
    size: int = 3,
    spacing_s: float = 0.6,
    limit_s: float = 15.0,
    max_age_s: float = 10.0,
    motion_at: datetime,
) -> Burst:
    """Take several snapshots that show different pictures.

    Pictures that repeat another one, whatever their bytes, and stale ones are dropped and asked
    for again, but no more than `MAX_REPEATS` times in a row; of a file that was read before all of
    it was written the longest reading counts. The burst ends early once trying again is no use: a
    refused login, an invalid certificate, `MAX_EMPTY` empty answers, or `MAX_FAILURES` other
    failures, undecodable pictures among them.

    Args:
        client: The camera.
        size: Number of different pictures wanted.
        spacing_s: Seconds from the start of one request to the start of the next; also the
            distance between the moments that are asked for, beginning with `motion_at`.
        limit_s: Seconds that the whole burst may take; what has come by then is returned.
        max_age_s: A picture taken more than so many seconds before the motion is stale.
        motion_at: When the camera reported motion, with a time zone.

    Returns:
        What could be had; never raises `SnapshotError`. Cancellation passes through.

    Raises:
        ValueError: `size` is below 1 or `motion_at` has no time zone.
    """
    if size < 1:
        raise ValueError(f"size is {size}: a burst has at least 1 snapshot")
    if motion_at.tzinfo is None:
        raise ValueError("motion_at has no time zone: give a time in UTC")
    burst = BurstInProgress(size, motion_at, timedelta(seconds=max_age_s))
    try:
        async with asyncio.timeout(limit_s):
            await burst.collect(client, spacing_s)
    except TimeoutError:
        burst.errors.append(
            SnapshotError(
                "timeout",
                f"the burst ended after {limit_s:g} s with {len(burst.pictures)} of {size} "
                f"different pictures ({burst.fetched} came): the camera is slow or repeats its "
                "picture, ask for fewer pictures or use an address that gives a fresh one",
            )
        )
    return burst.finish()


class BurstInProgress:
    """What a burst has so far; kept apart so that a time limit loses nothing."""

    def __init__(self, size: int, motion_at: datetime, max_age: timedelta) -> None:
        self.size = size
        self.motion_at = motion_at
        self.oldest = motion_at - max_age
        self.pictures: list[SeenPicture] = []
        self.errors: list[SnapshotError] = []
        self.fetched = 0
        self._known: set[bytes] = set()  # digests of the bytes that came
        self._news_at = 0  # how many had been fetched when the latest new picture came
        self._undecodable: list[Snapshot] = []

    async def collect(self, client: SnapshotClient, spacing_s: float) -> None:
        """Fetch until there are enough, or until trying again is no use."""
        clock = asyncio.get_running_loop().time
        failures = empty = 0
        while len(self.pictures) < self.size:
            started = clock()
            moment = self.motion_at + timedelta(seconds=self.fetched * spacing_s)
            try:
                snapshot = await client.fetch(moment)
                if self._is_news(snapshot):
                    seen = await asyncio.to_thread(look_at, snapshot, tuple(self.pictures))
                    self._keep(snapshot, seen)
            except SnapshotError as error:
                # What a recorder has not written yet is only a question of time, as is the first
                # picture of a server that begins to listen to its camera when it is asked.
                waiting = error.code in {"not_recorded", "empty"}
                failures += not waiting
                empty += error.code == "empty"
                if not (waiting and self.errors and self.errors[-1].code == error.code):
                    self.errors.append(error.alone())
                too_often = failures >= MAX_FAILURES or empty >= MAX_EMPTY
                if error.code in STOPPING_CODES or too_often:
                    return
            if self.fetched - self._news_at >= MAX_REPEATS:
                self.errors.append(
                    SnapshotError(
                        "repeats",
                        f"the last {MAX_REPEATS} pictures showed nothing new: the camera repeats "
                        "its picture, use an address that gives a fresh one or a longer spacing",
                    )
                )
                return
            if len(self.pictures) < self.size:
                await asyncio.sleep(max(0.0, started + spacing_s - clock()))

    def add(self, snapshot: Snapshot) -> None:
        """Take a snapshot, unless it is stale or there already; blocks while it is decoded.

        Raises:
            SnapshotError: It cannot be decoded.
        """
        if self._is_news(snapshot):
            self._keep(snapshot, look_at(snapshot, self.pictures))

    def _is_news(self, snapshot: Snapshot) -> bool:
        """Count a snapshot; tell whether it is fresh, and none of the bytes that came before."""
        self.fetched += 1
        if snapshot.captured_at < self.oldest:
            early_s = (self.motion_at - snapshot.captured_at).total_seconds()
            message = (
                f"the picture was taken {early_s:.0f} s before the motion: the camera repeats an "
                "old picture, use another snapshot address or allow older pictures"
            )
            self._note_stale(message)
            return False
        digest = hashlib.blake2b(snapshot.data).digest()
        is_known = digest in self._known
        self._known.add(digest)
        return not is_known

    def _note_stale(self, message: str) -> None:
        if not (self.errors and str(self.errors[-1]) == message):
            self.errors.append(SnapshotError("stale", message))

    def _keep(self, snapshot: Snapshot, seen: Seen | FrameError) -> None:
        if isinstance(seen, FrameError):
            self._undecodable.append(snapshot)
            raise SnapshotError(seen.code, f"a picture of the camera cannot be used: {seen}")
        picture, same = seen
        if same is None:
            self.pictures.append(picture)
        elif picture.has_more_than(self.pictures[same]):
            # The same file, once more of it was written.
            self.pictures[same] = picture
        else:
            return
        self._news_at = self.fetched

    def finish(self) -> Burst:
        """Return what there is, in order of time."""
        snapshots = [picture.snapshot for picture in self.pictures] or self._undecodable
        return Burst(
            tuple(sorted(snapshots, key=lambda snapshot: snapshot.captured_at)),
            requested=self.size,
            fetched=self.fetched,
            distinct=len(self.pictures),
            errors=tuple(self.errors),
        )
