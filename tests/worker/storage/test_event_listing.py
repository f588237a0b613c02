"""Lists over all cameras: the same as going through every event, and from the index alone."""

import itertools
import json
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.worker.storage.test_event_store import verdict
from veroallarme_core.contract import ObjectKind, State, Verdict, VerdictObject, new_event_id
from veroallarme_core.worker.storage import EventFilter, EventStore, ListedEvent, StoreError
from veroallarme_core.worker.storage.schema import _TABLES, SCHEMA_VERSION

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
CAMERAS = ("front", "yard", "street")
REASONS = ("moved", "light", "seen_before")


def object_of(kind: ObjectKind) -> VerdictObject:
    return VerdictObject(
        kind=kind, class_name=kind.value, score=0.8, x=1, y=1, width=9, height=9
    )  # fmt: skip


def drawn_verdicts(count: int, seed: int = 1) -> list[Verdict]:
    """Verdicts of all kinds, several of them in the same moment."""
    chance = random.Random(seed)
    verdicts = []
    for number in range(count):
        at = BEGIN + timedelta(minutes=number // 3)
        kinds = chance.sample(list(ObjectKind), chance.randrange(3))
        verdicts.append(
            verdict(
                f"{at:%Y%m%d_%H%M%S}_{chance.getrandbits(24):06x}",
                camera=chance.choice(CAMERAS),
                state=chance.choice(list(State)),
                relevant=chance.random() < 0.5,
                reason=chance.choice(REASONS),
                motion_at=at,
                hold_until=None,
                objects=tuple(map(object_of, kinds)),
            )
        )
    return verdicts


def is_wanted(one: Verdict, wanted: EventFilter) -> bool:
    return (
        (not wanted.cameras or one.camera in wanted.cameras)
        and (not wanted.states or one.state in wanted.states)
        and (not wanted.reasons or one.reason in wanted.reasons)
        and (not wanted.kinds or any(found.kind in wanted.kinds for found in one.objects))
        and wanted.alarm in (None, one.relevant)
        and (wanted.since is None or one.motion_at >= wanted.since)
        and (wanted.until is None or one.motion_at < wanted.until)
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    store = EventStore(tmp_path / "data")
    yield store
    store.close()


def paged(store: EventStore, wanted: EventFilter, limit: int) -> list[ListedEvent]:
    found: list[ListedEvent] = []
    while page := store.listing.page(wanted, limit, found[-1].position if found else None):
        assert len(page) <= limit
        found += page
    return found


FILTERS = [
    EventFilter(),
    EventFilter(cameras=("yard", "street")),
    EventFilter(states=(State.UNKNOWN, State.IRRELEVANT)),
    EventFilter(reasons=("light",)),
    EventFilter(kinds=(ObjectKind.PERSON, ObjectKind.VEHICLE)),
    EventFilter(alarm=False),
    EventFilter(alarm=True, reasons=("moved", "seen_before")),
    EventFilter(since=BEGIN + timedelta(minutes=10), until=BEGIN + timedelta(minutes=20)),
    EventFilter(cameras=("front",), alarm=False, kinds=(ObjectKind.ANIMAL,)),
    EventFilter(cameras=("attic",)),
]


@pytest.mark.parametrize("wanted", FILTERS)
def test_pages_hold_what_a_slow_look_finds(store: EventStore, wanted: EventFilter) -> None:
    verdicts = drawn_verdicts(120)
    for one in verdicts:
        store.add_verdict(one)
    expected = [
        one.event_id
        for one in sorted(verdicts, key=lambda one: (one.motion_at, one.event_id), reverse=True)
        if is_wanted(one, wanted)
    ]
    found = paged(store, wanted, 7)
    assert [one.event_id for one in found] == expected
    assert store.listing.count(wanted) == len(expected)
    for older, newer in itertools.pairwise(reversed(found)):
        assert store.listing.newer(wanted, 1, older.position) == [newer]


def test_a_listed_event_tells_what_its_verdict_does(store: EventStore) -> None:
    for one in drawn_verdicts(40):
        store.add_verdict(one)
    for listed in paged(store, EventFilter(), 50):
        whole = store.listing.verdicts([listed.event_id])[listed.event_id]
        assert listed.state.value == whole["state"]
        assert listed.relevant == whole["relevant"]
        assert list(listed.kinds) == [found["kind"] for found in whole["objects"]]
    some = [listed.reason for listed in paged(store, EventFilter(), 50)]
    assert store.listing.reasons() == sorted(set(some), key=lambda code: (-some.count(code), code))


def test_new_events_do_not_move_a_page(store: EventStore) -> None:
    verdicts = drawn_verdicts(60)
    for one in verdicts[:40]:
        store.add_verdict(one)
    first = store.listing.page(EventFilter(), 10)
    for one in verdicts[40:]:
        store.add_verdict(one)
    second = store.listing.page(EventFilter(), 10, first[-1].position)
    assert not {one.event_id for one in first} & {one.event_id for one in second}
    assert second[0].motion_at <= first[-1].motion_at


def test_thumbs_stand_in_the_list(store: EventStore) -> None:
    one = drawn_verdicts(1)[0]
    store.add_verdict(one)
    for thumb in (True, False, None):
        store.set_feedback(one.camera, one.event_id, thumb, BEGIN)
        assert [listed.feedback for listed in store.listing.page(EventFilter(), 5)] == [thumb]


def test_an_event_without_a_verdict_is_not_listed(store: EventStore) -> None:
    store.add_start("front", new_event_id(BEGIN), BEGIN, BEGIN, None)
    assert store.listing.page(EventFilter(), 5) == []


@pytest.mark.parametrize("wanted", FILTERS)
def test_a_page_reads_the_index_alone(store: EventStore, wanted: EventFilter) -> None:
    """Ten thousand verdicts are thirty megabytes, and the database thread serves alarms too."""
    plans: list[str] = []
    store._db.set_trace_callback(plans.append)
    store.listing.page(wanted, 5)
    store.listing.count(wanted)
    store._db.set_trace_callback(None)
    for statement in plans:
        steps = [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert "USING COVERING INDEX events_listed" in steps[0]
        assert not any("TEMP B-TREE" in step for step in steps), "no sorting"


# --- files of the release before ---------------------------------------------------------------


def write_version_1(path: Path, verdicts: list[dict[str, object]]) -> None:
    db = sqlite3.connect(path / "events.sqlite")
    db.executescript(f"{_TABLES}PRAGMA user_version = 1;")
    for one in verdicts:
        db.execute(
            "INSERT INTO events (event_id, camera, motion_at, verdict) VALUES (?, ?, ?, ?)",
            (one["event_id"], one["camera"], one["motion_at"], json.dumps(one)),
        )
    db.execute(
        "INSERT INTO events (event_id, camera, motion_at) VALUES ('waits', 'front', ?)",
        (BEGIN.isoformat(),),
    )
    db.commit()
    db.close()


def test_a_file_of_the_release_before_is_taken_over(store: EventStore, tmp_path: Path) -> None:
    verdicts = drawn_verdicts(60)
    for one in verdicts:
        store.add_verdict(one)
    old = tmp_path / "old"
    old.mkdir()
    write_version_1(old, [one.to_dict() for one in verdicts])
    taken = EventStore(old)
    assert paged(taken, EventFilter(), 50) == [
        replace(one, kinds=found.kinds)
        for one, found in zip(
            paged(store, EventFilter(), 50), paged(taken, EventFilter(), 50), strict=True
        )
    ]
    for listed, found in zip(
        paged(store, EventFilter(), 50), paged(taken, EventFilter(), 50), strict=True
    ):
        assert set(listed.kinds) == set(found.kinds)
    assert [event.event_id for event in taken.open_events()] == ["waits"]
    taken.close()
    again = EventStore(old)
    assert again._db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    again.close()


def test_verdicts_that_name_no_objects_are_taken_over(tmp_path: Path) -> None:
    content = drawn_verdicts(1)[0].to_dict()
    del content["objects"]
    write_version_1(tmp_path, [content])
    store = EventStore(tmp_path)
    assert [listed.kinds for listed in store.listing.page(EventFilter(), 5)] == [()]
    store.close()


def test_a_broken_verdict_keeps_no_worker_from_starting(tmp_path: Path) -> None:
    whole, broken = (one.to_dict() for one in drawn_verdicts(2))
    write_version_1(tmp_path, [whole, broken])
    db = sqlite3.connect(tmp_path / "events.sqlite")
    db.execute("UPDATE events SET verdict = '{' WHERE event_id = ?", (broken["event_id"],))
    db.commit()
    db.close()
    store = EventStore(tmp_path)
    assert [one.event_id for one in store.listing.page(EventFilter(), 5)] == [whole["event_id"]]
    store.close()


def test_a_takeover_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    write_version_1(tmp_path, [drawn_verdicts(1)[0].to_dict()])
    db = sqlite3.connect(tmp_path / "events.sqlite", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="cannot be opened"):
        EventStore(tmp_path)
    db.execute("ROLLBACK")
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert "state" not in {row[1] for row in db.execute("PRAGMA table_info(events)")}
    db.close()
