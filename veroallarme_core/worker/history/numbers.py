"""Numbers of the days: alarms before and after, what was suppressed for what, how long it took."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from veroallarme_core.contract import State, iso
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.storage import EventStore, Storage

MOST_DAYS = 90
PAGE = 500
"""Events that the database thread reads in one go: it has alarms to serve."""
MOST_EVENTS = 50_000
"""Of all cameras together, each its share."""
READ_LIMIT_S = 20.0
PARTS = ("fetch", "decode", "motion", "relevance", "total")
CSV_COLUMNS = (
    "day", "camera", "events", "alarms", "suppressed", "unknown", "merged_motions",
    "total_ms_median", "total_ms_p95", "judging_ms_median",
)  # fmt: skip


@dataclass(kw_only=True)
class DayNumbers:
    """One day of one camera, as this machine's clock has it."""

    events: int = 0
    """Each would have raised an alarm without judgement."""
    alarms: int = 0
    unknown: int = 0
    merged: int = 0
    """Motion starts that events cover beyond their own."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Of what was suppressed."""
    timing_ms: dict[str, list[float]] = field(default_factory=lambda: {part: [] for part in PARTS})

    @property
    def suppressed(self) -> int:
        """Events that raised no alarm."""
        return self.events - self.alarms

    def add(self, told: Mapping[str, Any]) -> None:
        """Count an event."""
        self.events += 1
        self.alarms += bool(told["relevant"])
        self.unknown += told["state"] == State.UNKNOWN.value
        self.merged += int(told["merged"] or 0)
        if not told["relevant"]:
            self.reasons[str(told["reason"])] += 1
        times = told["timing_ms"] or {}  # a former release may have told none
        for part in PARTS:
            self.timing_ms[part].append(float(times.get(part) or 0.0))

    def quantile_ms(self, part: str, share: float) -> float | None:
        """Return the time that a share of the events did not exceed; None without events."""
        return quantile(self.timing_ms[part], share)


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The days of some cameras."""

    days: Sequence[date]
    """Oldest first, without gaps."""
    by_camera: Mapping[str, Mapping[date, DayNumbers]]
    is_cut: bool = False
    """Whether there are more events than are counted: the oldest are left out."""

    def day(self, at: date) -> DayNumbers:
        """Return one day of all cameras together."""
        return _sum(days[at] for days in self.by_camera.values() if at in days)

    def total(self) -> DayNumbers:
        """Return all days of all cameras together."""
        return _sum(day for days in self.by_camera.values() for day in days.values())

    def csv(self) -> str:
        """Return a line per day and camera."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(CSV_COLUMNS)
        for at in self.days:
            for camera, days in sorted(self.by_camera.items()):
                if (day := days.get(at)) is not None:
                    writer.writerow(
                        [
                            at.isoformat(), camera, day.events, day.alarms, day.suppressed,
                            day.unknown, day.merged, _whole(day.quantile_ms("total", 0.5)),
                            _whole(day.quantile_ms("total", 0.95)),
                            _whole(judging_ms(day, 0.5)),
                        ]
                    )  # fmt: skip
        return text.getvalue()

    def causes_csv(self) -> str:
        """Return a line per day, camera and reason of what was suppressed."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(("day", "camera", "reason", "suppressed"))
        for at in self.days:
            for camera, days in sorted(self.by_camera.items()):
                reasons = days[at].reasons if at in days else Counter[str]()
                for reason, count in sorted(reasons.items()):
                    writer.writerow([at.isoformat(), camera, reason, count])
        return text.getvalue()


async def read_numbers(storage: Storage, cameras: Iterable[str], days: int) -> Numbers:
    """Read the numbers of the last days, today included.

    Args:
        storage: holds the events.
        cameras: their ids.
        days: from 1 to `MOST_DAYS`.

    Raises:
        OSError, sqlite3.Error, StoreError: they cannot be read, or not in time.
    """
    today = now().astimezone()
    first = (today - timedelta(days=days - 1)).date()
    since = iso(datetime.combine(first, datetime.min.time()).astimezone())
    chosen = list(cameras)
    most = max(PAGE, MOST_EVENTS // max(1, len(chosen)))
    by_camera, is_cut = {}, False
    async with asyncio.timeout(READ_LIMIT_S):
        for camera in chosen:
            by_camera[camera], count = await _read_camera(storage, camera, since, most)
            is_cut |= count >= most
    asked = [first + timedelta(days=number) for number in range(days)]
    return Numbers(days=asked, by_camera=by_camera, is_cut=is_cut)


async def _read_camera(
    storage: Storage, camera: str, since: str, most: int
) -> tuple[Mapping[date, DayNumbers], int]:
    """Return the days of a camera, and of how many events; of too many the latest count."""
    days: dict[date, DayNumbers] = {}
    count = 0
    before: tuple[str, str] | None = None
    while count < most:
        limit = min(PAGE, most - count)
        read = partial(_read_page, camera=camera, since=since, before=before, limit=limit)
        page = await storage.database(read)
        count += len(page)
        for motion_at, _, told in page:
            day = datetime.fromisoformat(motion_at).astimezone().date()
            days.setdefault(day, DayNumbers()).add(json.loads(told))
        if len(page) < limit:
            break
        before = page[-1][:2]
    return days, count


def _read_page(
    store: EventStore, camera: str, since: str, before: tuple[str, str] | None, limit: int
) -> list[tuple[str, str, str]]:
    return store.outcomes.figures_before(camera, since, before, limit)


def judging_ms(day: DayNumbers, share: float) -> float | None:
    """Return the time of decoding, motion and relevance together that a share did not exceed."""
    parts = zip(*(day.timing_ms[part] for part in ("decode", "motion", "relevance")), strict=True)
    return quantile([sum(times) for times in parts], share)


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value that a share of some values does not exceed; None without values."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def _sum(days: Iterable[DayNumbers]) -> DayNumbers:
    total = DayNumbers()
    for day in days:
        total.events += day.events
        total.alarms += day.alarms
        total.unknown += day.unknown
        total.merged += day.merged
        total.reasons.update(day.reasons)
        for part in PARTS:
            total.timing_ms[part] += day.timing_ms[part]
    return total


def _whole(value: float | None) -> int | str:
    return "" if value is None else round(value)
