"""Lists of past events over all cameras, from the index alone: no verdict is read for them.

Everything here blocks and runs in the worker's database thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from veroallarme_core.contract import ObjectKind, State, iso
from veroallarme_core.worker.storage.records import EventFilter, ListedEvent, Position

_COLUMNS = "e.motion_at, e.event_id, e.camera, e.state, e.alarm, e.reason, e.kinds"


class EventListing:
    """Lists, counts and finds events that were judged.

    Args:
        db: of the event store, which is only read.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def page(
        self, wanted: EventFilter, limit: int, before: Position | None = None
    ) -> list[ListedEvent]:
        """Return events, newest first.

        Args:
            wanted: which ones.
            limit: most events.
            before: where the former page ended: its last event.
        """
        return self._listed(wanted, "DESC", limit, before=before)

    def newer(self, wanted: EventFilter, limit: int, after: Position) -> list[ListedEvent]:
        """Return the events that came right after one, oldest first."""
        return self._listed(wanted, "ASC", limit, after=after)

    def count(self, wanted: EventFilter) -> int:
        """Return how many events are wanted."""
        where, values = _condition(wanted)
        row = self._db.execute(f"SELECT COUNT(*) FROM events e {_BY_INDEX} {where}", values)
        return int(row.fetchone()[0])

    def find(self, event_ids: Sequence[str]) -> list[ListedEvent]:
        """Return what lists know of some events; unknown ones are missing."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS}, f.relevant FROM events e LEFT JOIN feedback f USING (event_id) "
            "WHERE e.state IS NOT NULL AND e.event_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(event_ids)),),
        )
        return [ListedEvent.read(row) for row in rows]

    def reasons(self) -> list[str]:
        """Return the codes of all reasons that occur, the most frequent first."""
        rows = self._db.execute(
            f"SELECT e.reason FROM events e {_BY_INDEX} WHERE e.state IS NOT NULL "
            "GROUP BY e.reason ORDER BY COUNT(*) DESC, e.reason"
        )
        return [str(row[0]) for row in rows]

    def verdicts(self, event_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the verdicts of some events by their ids, as the contract wrote them."""
        rows = self._db.execute(
            "SELECT event_id, verdict FROM events WHERE verdict IS NOT NULL "
            "AND event_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(event_ids)),),
        )
        return {row[0]: json.loads(row[1]) for row in rows}

    def _listed(
        self,
        wanted: EventFilter,
        direction: str,
        limit: int,
        *,
        before: Position | None = None,
        after: Position | None = None,
    ) -> list[ListedEvent]:
        where, values = _condition(wanted)
        for position, sign in ((before, "<"), (after, ">")):
            if position is not None:
                # The first comparison alone lets SQLite begin in the index where the page does.
                where += (
                    f" AND e.motion_at {sign}= ? AND (e.motion_at {sign} ? OR e.event_id {sign} ?)"
                )
                at = iso(position.motion_at)
                values += [at, at, position.event_id]
        rows = self._db.execute(
            f"SELECT {_COLUMNS}, f.relevant FROM events e {_BY_INDEX} "
            f"LEFT JOIN feedback f ON f.event_id = e.event_id {where} "
            f"ORDER BY e.motion_at {direction}, e.event_id {direction} LIMIT ?",
            (*values, limit),
        )
        return [ListedEvent.read(row) for row in rows]


_BY_INDEX = "INDEXED BY events_listed"


def _condition(wanted: EventFilter) -> tuple[str, list[Any]]:
    """Return a WHERE clause over `events e` and its values."""
    parts = ["e.state IS NOT NULL"]
    values: list[Any] = []
    for column, allowed in (
        ("camera", wanted.cameras),
        ("state", [State(state).value for state in wanted.states]),
        ("reason", wanted.reasons),
    ):
        if allowed:
            parts.append(f"e.{column} IN ({','.join('?' * len(allowed))})")
            values += allowed
    if wanted.kinds:
        parts.append(f"({' OR '.join(['e.kinds LIKE ?'] * len(wanted.kinds))})")
        values += [f"%,{ObjectKind(kind).value},%" for kind in wanted.kinds]
    if wanted.alarm is not None:
        parts.append("e.alarm = ?")
        values.append(int(wanted.alarm))
    for moment, sign in ((wanted.since, ">="), (wanted.until, "<")):
        if moment is not None:
            parts.append(f"e.motion_at {sign} ?")
            values.append(iso(moment))
    return f"WHERE {' AND '.join(parts)}", values
