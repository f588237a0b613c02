"""The journal, verdicts and feedback in SQLite, beside the frames of the events.

Everything here blocks and runs in the worker's storage threads, never on its event loop.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from veroallarme_core.contract import EventCounts, EventQuery, State, Verdict, iso
from veroallarme_core.worker.storage.event_frames import EventFrames
from veroallarme_core.worker.storage.event_listing import EventListing
from veroallarme_core.worker.storage.event_outcomes import EventOutcomes
from veroallarme_core.worker.storage.records import (
    CameraRecord,
    KeepLimits,
    OpenEvent,
    PastEvent,
    SuppressedEvent,
    Totals,
)
from veroallarme_core.worker.storage.schema import SCHEMA_VERSION, prepare_tables, written_kinds

BUSY_TIMEOUT_S = 2.0
"""How long a write waits for another process's lock before it fails."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

MAX_UNDECIDED = 100
"""Among so many of a camera's newest events is the one that was decided last; fewer may wait."""
REDELIVERY_WINDOW = 1000
"""How many starts back a message that is delivered again may lie; packet ids come round."""


class StoreError(RuntimeError):
    """The store cannot be used; the message says what to do."""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class EventStore:
    """One worker's events.

    Args:
        data_dir: holds ``<camera>/<event_id>/{0,1,2}.jpg`` and ``events.sqlite``; a local disk.

    Raises:
        StoreError: the folder cannot be written or the database is not ours. One that is damaged
            is set aside: see `fault`.
    """

    def __init__(self, data_dir: Path) -> None:
        self.frames = EventFrames(data_dir)
        """Needs no database."""
        self.path = data_dir / "events.sqlite"
        self.fault: str | None = None
        """One sentence where a damaged database was set aside, and a new one begun."""
        try:
            # Pictures of a home are nobody else's business.
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._db = self._open()
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                    raise
                self.fault = self._set_aside(error)
                self._db = self._open()
        except (OSError, sqlite3.Error) as error:
            raise _not_opened(self.path, error) from error
        self.listing = EventListing(self._db)
        """Lists over all cameras."""
        self.outcomes = EventOutcomes(self._db)
        """What events would be under other settings."""

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
        )
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _set_aside(self, error: sqlite3.DatabaseError) -> str:
        """Rename a damaged database: a camera without alarms would be worse than one that forgot.

        Raises:
            OSError: it cannot be renamed.
        """
        aside = self.path.with_name(f"{self.path.name}.broken_{datetime.now(UTC):%Y%m%d_%H%M%S}")
        # Those beside it belong to it, and would be taken for the new one's.
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).rename(f"{aside}{suffix}")
        return (
            f"{self.path} was damaged ({error}) and was set aside as {aside.name}: verdicts, "
            "thumbs, and settings that were made over MQTT are gone, pictures and what was learned "
            "are not; check the disk, and set zones and modes again"
        )

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode = WAL")
        # A journalled start must outlive a power cut, or acknowledging it would be a lie.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        (damage,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if damage != "ok":
            found = sqlite3.DatabaseError(" ".join(str(damage).split()))
            found.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise found
        version = prepare_tables(db)
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has version {version}, this program knows {SCHEMA_VERSION}: "
                "update VeroAllarme, or choose another data_dir"
            )

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk may have rolled back already; a second rollback would be an error.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # --- the journal ---------------------------------------------------------------------

    def find_delivery(self, delivery: str) -> str | None:
        """Return the event that already covers a message which the broker delivers again."""
        row = self._db.execute(
            "SELECT event_id FROM starts WHERE delivery = ? "
            "AND start_id > (SELECT MAX(start_id) FROM starts) - ? ORDER BY start_id DESC",
            (delivery, REDELIVERY_WINDOW),
        ).fetchone()
        return None if row is None else str(row[0])

    def forget_deliveries(self) -> None:
        """Take note that the broker has begun a new session, and with it to count anew."""
        self._db.execute("UPDATE starts SET delivery = NULL WHERE delivery IS NOT NULL")

    def add_start(
        self,
        camera: str,
        event_id: str,
        motion_at: datetime,
        received_at: datetime,
        delivery: str | None,
    ) -> None:
        """Journal one motion start and the event that is to cover it.

        Args:
            received_at: the last moment at which it may have moved.
            delivery: what recognises this message when it is delivered again; None for QoS 0.
        """
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO events (event_id, camera, motion_at) VALUES (?, ?, ?)",
                (event_id, camera, iso(motion_at)),
            )
            db.execute(
                "INSERT INTO starts (event_id, received_at, delivery) VALUES (?, ?, ?)",
                (event_id, iso(received_at), delivery),
            )
            db.execute("INSERT OR IGNORE INTO cameras (camera) VALUES (?)", (camera,))
            db.execute("UPDATE cameras SET motions = motions + 1 WHERE camera = ?", (camera,))

    def camera_of(self, event_id: str) -> str | None:
        """Return the camera that an event belongs to; None where there is no such event."""
        row = self._db.execute(
            "SELECT camera FROM events WHERE event_id = ?", (event_id,)
        ).fetchone()
        return None if row is None else str(row[0])

    def open_events(self) -> list[OpenEvent]:
        """Return the events without a verdict, oldest first."""
        rows = self._db.execute(
            "SELECT e.event_id, e.camera, e.motion_at, COUNT(s.start_id), MAX(s.received_at) "
            "FROM events e "
            "LEFT JOIN starts s USING (event_id) WHERE e.verdict IS NULL "
            "GROUP BY e.event_id ORDER BY e.motion_at, e.event_id"
        )
        return [
            OpenEvent(
                event_id=row[0],
                camera=row[1],
                motion_at=_moment(row[2]),
                starts=row[3],
                latest_at=row[4] and _moment(row[4]),
            )
            for row in rows
        ]

    def merge_events(self, event_id: str, others: Sequence[str]) -> None:
        """Let one open event cover the starts of others, which disappear."""
        with self._transaction() as db:
            for other in others:
                db.execute("UPDATE starts SET event_id = ? WHERE event_id = ?", (event_id, other))
                db.execute("DELETE FROM events WHERE event_id = ?", (other,))

    # --- verdicts ------------------------------------------------------------------------

    def add_verdict(self, verdict: Verdict) -> bool:
        """Store a verdict, the alarm it raises and the totals, in one transaction.

        Returns False, and changes nothing, where the event already has a verdict.
        """
        content = verdict.to_dict()
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO events (event_id, camera, motion_at) VALUES (?, ?, ?)",
                (verdict.event_id, verdict.camera, iso(verdict.motion_at)),
            )
            changed = db.execute(
                "UPDATE events SET verdict = ?, state = ?, alarm = ?, reason = ?, kinds = ? "
                "WHERE event_id = ? AND verdict IS NULL",
                (
                    json.dumps(content),
                    content["state"],
                    int(content["relevant"]),
                    content["reason"],
                    written_kinds([found["kind"] for found in content["objects"]]),
                    verdict.event_id,
                ),
            ).rowcount
            if not changed:
                return False
            db.execute("INSERT OR IGNORE INTO cameras (camera) VALUES (?)", (verdict.camera,))
            db.execute(
                "UPDATE cameras SET events = events + 1, relevant = relevant + ?, "
                "suppressed = suppressed + ?, unknown = unknown + ?, merged = merged + ? "
                "WHERE camera = ?",
                (
                    verdict.state is State.RELEVANT,
                    not verdict.relevant,
                    verdict.state is State.UNKNOWN,
                    verdict.merged,
                    verdict.camera,
                ),
            )
            if verdict.hold_until is not None:
                _set_alarm(db, verdict.camera, verdict.hold_until)
        return True

    def mark_published(self, event_id: str) -> None:
        """Note that the broker has taken an event's verdict."""
        self._db.execute("UPDATE events SET published = 1 WHERE event_id = ?", (event_id,))

    def unpublished(self, cameras: Collection[str], limit: int) -> list[dict[str, Any]]:
        """Return the verdicts of some cameras, oldest first, that the broker has not taken yet."""
        rows = self._db.execute(
            "SELECT verdict FROM events WHERE verdict IS NOT NULL AND published = 0 "
            "AND camera IN (SELECT value FROM json_each(?)) ORDER BY motion_at, event_id LIMIT ?",
            (json.dumps(list(cameras)), limit),
        )
        return [json.loads(row[0]) for row in rows]

    def get_verdict(self, event_id: str) -> dict[str, Any] | None:
        """Return the verdict of an event, or None."""
        row = self._db.execute(
            "SELECT verdict FROM events WHERE event_id = ? AND verdict IS NOT NULL", (event_id,)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def verdicts_before(
        self, camera: str, before: tuple[str, str] | None, limit: int
    ) -> list[tuple[str, str, str]]:
        """Return a page of a camera's verdicts, newest first: `motion_at`, id, JSON.

        Args:
            camera: its id.
            before: `motion_at` and id of the last verdict of the page before; None begins.
            limit: most verdicts of a page; the database thread serves alarms as well.
        """
        rows = self._db.execute(
            "SELECT motion_at, event_id, verdict FROM events WHERE camera = ? "
            "AND verdict IS NOT NULL AND (motion_at, event_id) < (?, ?) "
            "ORDER BY motion_at DESC, event_id DESC LIMIT ?",
            (camera, *(before or ("~", "")), limit),
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def past_events(self, camera: str, query: EventQuery) -> list[PastEvent]:
        """Return a camera's events that are asked for, newest first, one more than the limit."""
        states = [state.value for state in query.states or State]
        rows = self._db.execute(
            "SELECT e.verdict, f.relevant FROM events e LEFT JOIN feedback f USING (event_id) "
            "WHERE e.camera = ? AND e.verdict IS NOT NULL AND e.motion_at >= ? AND e.motion_at < ? "
            "AND e.state IN (SELECT value FROM json_each(?)) "
            "AND (? IS NULL OR e.event_id = ?) "
            "ORDER BY e.motion_at DESC, e.event_id DESC LIMIT ?",
            (
                camera,
                "" if query.since is None else iso(query.since),
                "~" if query.until is None else iso(query.until),
                json.dumps(states),
                query.event_id,
                query.event_id,
                query.limit + 1,
            ),
        )
        return [
            PastEvent(verdict=json.loads(row[0]), feedback=None if row[1] is None else bool(row[1]))
            for row in rows
        ]

    def count_events(self, camera: str, moments: Sequence[datetime]) -> list[EventCounts]:
        """Count a camera's events between each of some moments and the next."""
        return [
            EventCounts(since=since, until=until, **self._count(camera, since, until))
            for since, until in itertools.pairwise(sorted(moments))
        ]

    def _count(self, camera: str, since: datetime, until: datetime) -> dict[str, int]:
        row = self._db.execute(
            "SELECT COALESCE(SUM(state = 'relevant'), 0), COALESCE(SUM(state = 'irrelevant'), 0), "
            "COALESCE(SUM(state = 'unknown'), 0), COALESCE(SUM(alarm = 0), 0) FROM events "
            "WHERE camera = ? AND state IS NOT NULL AND motion_at >= ? AND motion_at < ?",
            (camera, iso(since), iso(until)),
        ).fetchone()
        return dict(zip(("relevant", "irrelevant", "unknown", "suppressed"), row, strict=True))

    def suppressed(self, camera: str, since: datetime, limit: int) -> list[SuppressedEvent]:
        """Return a camera's newest events that raised no alarm, oldest first."""
        rows = self._db.execute(
            "SELECT event_id, motion_at, json_extract(verdict, '$.score'), "
            "json_extract(verdict, '$.threshold'), reason "
            "FROM events WHERE camera = ? AND motion_at >= ? AND alarm = 0 "
            "ORDER BY motion_at DESC, event_id DESC LIMIT ?",
            (camera, iso(since), limit),
        ).fetchall()
        return [
            SuppressedEvent(
                event_id=row[0],
                motion_at=_moment(row[1]),
                score=row[2],
                threshold=row[3],
                reason=row[4],
            )
            for row in reversed(rows)
        ]

    # --- cameras, settings, feedback -----------------------------------------------------

    def set_alarm_until(self, camera: str, until: datetime) -> None:
        """Remember when a camera's alarm ends, so that a restart neither ends nor revives it."""
        _set_alarm(self._db, camera, until)

    def cameras(self) -> list[str]:
        """Return the ids of all cameras ever seen and not forgotten."""
        return [row[0] for row in self._db.execute("SELECT camera FROM cameras ORDER BY camera")]

    def remember_camera(self, camera: str) -> CameraRecord:
        """Return what is known of a camera, which becomes known if it was not."""
        self._db.execute("INSERT OR IGNORE INTO cameras (camera) VALUES (?)", (camera,))
        row = self._db.execute(
            "SELECT settings, alarm_until, motions, events, relevant, suppressed, unknown, merged "
            "FROM cameras WHERE camera = ?",
            (camera,),
        ).fetchone()
        last = self._db.execute(
            "SELECT verdict FROM (SELECT verdict, motion_at FROM events "
            "WHERE camera = ? AND verdict IS NOT NULL ORDER BY rowid DESC LIMIT ?) "
            # What waited at the broker is decided after what moved later.
            "ORDER BY json_extract(verdict, '$.decided_at') DESC, motion_at DESC LIMIT 1",
            (camera, MAX_UNDECIDED),
        ).fetchone()
        names = ("motions", "events", "relevant", "suppressed", "unknown", "merged")
        return CameraRecord(
            settings=json.loads(row[0]),
            alarm_until=row[1] and _moment(row[1]),
            totals=Totals(**dict(zip(names, row[2:], strict=True))),
            last_verdict=last and json.loads(last[0]),
        )

    def forget_camera(self, camera: str) -> None:
        """Forget a camera that the configuration no longer names; its events stay on disk.

        Nobody waits for its verdicts any more, and should it come back they would be stale.
        """
        with self._transaction() as db:
            db.execute("DELETE FROM cameras WHERE camera = ?", (camera,))
            db.execute(
                "UPDATE events SET published = 1 WHERE camera = ? AND verdict IS NOT NULL",
                (camera,),
            )

    def set_settings(self, camera: str, settings: Mapping[str, Any]) -> None:
        """Store the settings of a camera that a user has changed."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO cameras (camera) VALUES (?)", (camera,))
            db.execute(
                "UPDATE cameras SET settings = ? WHERE camera = ?", (json.dumps(settings), camera)
            )

    def set_feedback(
        self, camera: str, event_id: str, relevant: bool | None, given_at: datetime
    ) -> bool:
        """Store a thumb up or down, or take it back with None.

        Returns False where the camera has no such event.
        """
        with self._transaction() as db:
            known = db.execute(
                "SELECT 1 FROM events WHERE event_id = ? AND camera = ?", (event_id, camera)
            ).fetchone()
            if known is None:
                return False
            if relevant is None:
                db.execute("DELETE FROM feedback WHERE event_id = ?", (event_id,))
            else:
                db.execute(
                    "INSERT OR REPLACE INTO feedback VALUES (?, ?, ?, ?)",
                    (event_id, camera, int(relevant), iso(given_at)),
                )
        return True

    def feedback(self, camera: str) -> dict[str, bool]:
        """Return the thumbs of a camera by event id."""
        rows = self._db.execute(
            "SELECT event_id, relevant FROM feedback WHERE camera = ?", (camera,)
        )
        return {row[0]: bool(row[1]) for row in rows}

    # --- limits --------------------------------------------------------------------------

    def spared(self, camera: str) -> set[str]:
        """Return the events of a camera that no limit removes."""
        return set(self.feedback(camera)) | {
            event.event_id for event in self.open_events() if event.camera == camera
        }

    def remove_records(self, camera: str, limits: KeepLimits, now: datetime) -> None:
        """Remove what the database holds of events beyond the age limit."""
        with self._transaction() as db:
            db.execute(
                "DELETE FROM events WHERE camera = ? AND motion_at < ? AND verdict IS NOT NULL "
                "AND published = 1 AND event_id NOT IN (SELECT event_id FROM feedback)",
                (camera, iso(now - timedelta(days=limits.days))),
            )


def _not_opened(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"{path} cannot be opened ({error}): "
        "check that the folder is on a local disk, writable and not full"
    )


def _set_alarm(db: sqlite3.Connection, camera: str, until: datetime) -> None:
    db.execute("UPDATE cameras SET alarm_until = ? WHERE camera = ?", (iso(until), camera))
