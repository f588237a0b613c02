"""The tables of the event store, and how those of an earlier release become today's."""

from __future__ import annotations

import sqlite3

SCHEMA_VERSION = 2

_TABLES = """
CREATE TABLE events (
    event_id TEXT PRIMARY KEY,
    camera TEXT NOT NULL,
    motion_at TEXT NOT NULL,
    verdict TEXT,
    published INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX events_by_camera ON events (camera, motion_at);
CREATE INDEX events_open ON events (event_id) WHERE verdict IS NULL OR published = 0;
CREATE TABLE starts (
    start_id INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events ON DELETE CASCADE,
    received_at TEXT NOT NULL,
    delivery TEXT
) STRICT;
CREATE INDEX starts_by_event ON starts (event_id);
CREATE INDEX starts_by_delivery ON starts (delivery);
CREATE TABLE feedback (
    event_id TEXT PRIMARY KEY,
    camera TEXT NOT NULL,
    relevant INTEGER NOT NULL,
    given_at TEXT NOT NULL
) STRICT;
CREATE TABLE cameras (
    camera TEXT PRIMARY KEY,
    settings TEXT NOT NULL DEFAULT '{}',
    alarm_until TEXT,
    motions INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,
    relevant INTEGER NOT NULL DEFAULT 0,
    suppressed INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0,
    merged INTEGER NOT NULL DEFAULT 0
) STRICT;
"""

# What lists of events ask for stands beside the verdict, in columns that one index holds whole: a
# page of a gallery then reads no verdict at all, however many events there are. Generated columns
# would not do, for SQLite takes no index for whole that has one.
_LISTED = """
ALTER TABLE events ADD COLUMN state TEXT;
ALTER TABLE events ADD COLUMN alarm INTEGER;
ALTER TABLE events ADD COLUMN reason TEXT;
ALTER TABLE events ADD COLUMN kinds TEXT;
UPDATE events SET
    state = json_extract(verdict, '$.state'),
    alarm = json_extract(verdict, '$.relevant'),
    reason = json_extract(verdict, '$.reason'),
    kinds = (
        SELECT coalesce(',' || group_concat(kind) || ',', '') FROM (
            SELECT DISTINCT json_extract(value, '$.kind') AS kind
            FROM json_each(events.verdict, '$.objects')
        )
    )
WHERE json_valid(verdict);
CREATE INDEX events_listed ON events (motion_at, event_id, camera, state, alarm, reason, kinds)
WHERE state IS NOT NULL;
CREATE TABLE outcomes (
    event_id TEXT PRIMARY KEY REFERENCES events ON DELETE CASCADE,
    outcomes TEXT NOT NULL
) STRICT;
"""


def prepare_tables(db: sqlite3.Connection) -> int:
    """Make the tables of a new database, or take over those of an earlier release, in one step.

    Returns:
        The version of the database; where it is not `SCHEMA_VERSION` nothing was touched.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    steps = {0: _TABLES + _LISTED, 1: _LISTED}.get(version)
    if steps is None:
        return version
    try:
        db.executescript(f"BEGIN IMMEDIATE;{steps}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return SCHEMA_VERSION


def written_kinds(kinds: list[str]) -> str:
    """Return kinds of objects as the column `kinds` holds them: each between commas."""
    return f",{','.join(dict.fromkeys(kinds))}," if kinds else ""
