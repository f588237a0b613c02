"""What events would be under other settings, beside their verdicts, and figures of many events.

Everything here blocks and runs in the worker's database thread, a page at a time: it has alarms to
serve.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from veroallarme_core.worker.storage.records import JudgedEvent

_Before = tuple[str, str] | None


class EventOutcomes:
    """Keeps outcomes beside the verdicts, and reads both.

    Args:
        db: of the event store, whose tables are there.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, event_id: str, outcomes: Mapping[str, Any]) -> None:
        """Store what an event would be under other settings, where it is still kept."""
        self._db.execute(
            "INSERT OR REPLACE INTO outcomes SELECT event_id, ? FROM events WHERE event_id = ?",
            (json.dumps(outcomes), event_id),
        )

    def judged_before(self, camera: str, before: _Before, limit: int) -> list[JudgedEvent]:
        """Return a page of a camera's events, newest first, with what they would be otherwise.

        Args:
            camera: its id.
            before: `motion_at` and id of the last event of the page before; None begins.
            limit: most events of a page.
        """
        rows = self._db.execute(
            "SELECT e.motion_at, e.event_id, e.verdict, o.outcomes, f.relevant FROM events e "
            "LEFT JOIN outcomes o USING (event_id) LEFT JOIN feedback f USING (event_id) "
            "WHERE e.camera = ? AND e.verdict IS NOT NULL AND (e.motion_at, e.event_id) < (?, ?) "
            "ORDER BY e.motion_at DESC, e.event_id DESC LIMIT ?",
            (camera, *(before or ("~", "")), limit),
        )
        return [
            JudgedEvent(
                motion_at=row[0],
                event_id=row[1],
                verdict=row[2],
                outcomes=row[3],
                feedback=None if row[4] is None else bool(row[4]),
            )
            for row in rows
        ]

    def figures_before(
        self, camera: str, since: str, before: _Before, limit: int
    ) -> list[tuple[str, str, str]]:
        """Return the figures of a page of a camera's events, newest first: `motion_at`, id, JSON.

        The JSON holds state, reason, relevant, merged and timing_ms of the verdict.

        Args:
            camera: its id.
            since: the first moment, as the contract writes it.
            before: `motion_at` and id of the last event of the page before; None begins.
            limit: most events of a page.
        """
        names = ("state", "reason", "relevant", "merged", "timing_ms")
        figures = ", ".join(f"'{name}', json(verdict -> '$.{name}')" for name in names)
        rows = self._db.execute(
            f"SELECT motion_at, event_id, json_object({figures}) FROM events "
            "WHERE camera = ? AND json_valid(verdict) AND motion_at >= ? "
            "AND (motion_at, event_id) < (?, ?) ORDER BY motion_at DESC, event_id DESC LIMIT ?",
            (camera, since, *(before or ("~", "")), limit),
        )
        return [(row[0], row[1], row[2]) for row in rows]
