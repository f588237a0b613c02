"""Events on disk: journal, verdicts, limits, and what a kill in the middle leaves."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.worker.conftest import TinyDisk, mounted
from veroallarme_core.contract import FrameCounts, State, Timing, Verdict, is_valid_id, new_event_id
from veroallarme_core.worker.storage.event_frames import EventFrames
from veroallarme_core.worker.storage.event_store import (
    REDELIVERY_WINDOW,
    EventStore,
    StoreError,
)
from veroallarme_core.worker.storage.records import (
    CameraRecord,
    KeepLimits,
    SuppressedEvent,
    Totals,
)
from veroallarme_core.worker.storage.schema import SCHEMA_VERSION

MOTION_AT = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
EVENT = "20261123_120000_abcdef"


def prune(store: EventStore, camera: str, limits: KeepLimits, now: datetime | None = None) -> int:
    """Enforce limits as a camera does, in its three steps; return how many folders went."""
    now = now or datetime.now(UTC)
    removed = store.frames.remove_old(camera, limits, store.spared(camera), now)
    store.remove_records(camera, limits, now)
    return removed


def verdict(event_id: str = EVENT, **changes: object) -> Verdict:
    whole = Verdict(
        event_id=event_id,
        camera="front",
        state=State.RELEVANT,
        relevant=True,
        score=0.9,
        threshold=0.5,
        reason="motion",
        explanation="Something moved.",
        cues={},
        motion_at=MOTION_AT,
        decided_at=MOTION_AT + timedelta(seconds=1),
        hold_until=MOTION_AT + timedelta(seconds=31),
        mode="filter",
        learning=True,
        merged=0,
        frame_dimensions=(144, 176),
        regions=(),
        objects=(),
        frames=FrameCounts(),
        timing_ms=Timing(),
        model="test",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    store = EventStore(tmp_path / "data")
    yield store
    store.close()


def reopened(store: EventStore) -> EventStore:
    store.close()
    return EventStore(store.frames.data_dir)


# --- journal and verdicts ---------------------------------------------------------------------


def test_journalled_starts_are_open_until_a_verdict_covers_them(store: EventStore) -> None:
    for second in (0, 1):
        received_at = MOTION_AT + timedelta(seconds=second)
        store.add_start("front", EVENT, MOTION_AT, received_at, f"{second}:abc")
    (event,) = store.open_events()
    assert (event.event_id, event.camera, event.motion_at, event.starts) == (
        EVENT, "front", MOTION_AT, 2,
    )  # fmt: skip
    assert store.add_verdict(verdict(merged=1))
    assert store.open_events() == []
    assert store.get_verdict(EVENT) == verdict(merged=1).to_dict()


def test_event_belongs_to_the_camera_that_saw_it(store: EventStore) -> None:
    assert store.camera_of(EVENT) is None
    store.add_start("front", EVENT, MOTION_AT, MOTION_AT, None)
    assert store.camera_of(EVENT) == "front"


def test_second_verdict_of_an_event_changes_nothing(store: EventStore) -> None:
    assert store.add_verdict(verdict())
    before = store.remember_camera("front")
    later = MOTION_AT + timedelta(hours=1)
    assert not store.add_verdict(verdict(state=State.IRRELEVANT, hold_until=later))
    assert store.remember_camera("front") == before


def test_verdict_stays_unpublished_until_marked(store: EventStore) -> None:
    store.add_verdict(verdict())
    assert [one["event_id"] for one in store.unpublished(["front"], 10)] == [EVENT]
    store.mark_published(EVENT)
    assert store.unpublished(["front"], 10) == []


def test_backlog_is_limited_and_oldest_first(store: EventStore) -> None:
    ids = [f"20261123_12000{second}_abcdef" for second in (3, 1, 2)]
    for second, event_id in zip((3, 1, 2), ids, strict=True):
        store.add_verdict(verdict(event_id, motion_at=MOTION_AT + timedelta(seconds=second)))
    assert [one["event_id"] for one in store.unpublished(["front"], 2)] == sorted(ids)[:2]


def test_cameras_that_are_gone_do_not_fill_the_backlog(store: EventStore) -> None:
    for number in range(20):
        store.add_verdict(verdict(f"20261123_1200{number:02}_aaaaaa", camera="gone"))
    store.add_verdict(verdict())
    assert [one["event_id"] for one in store.unpublished(["front"], 10)] == [EVENT]
    assert len(store.unpublished(["front", "gone"], 100)) == 21
    store.forget_camera("gone")
    assert [one["event_id"] for one in store.unpublished(["front", "gone"], 100)] == [EVENT]
    prune(store, "gone", KeepLimits(days=1), now=MOTION_AT + timedelta(days=2))
    assert store.get_verdict("20261123_120000_aaaaaa") is None, "nobody waits for it"


def test_the_last_verdict_is_the_one_that_was_decided_last(store: EventStore) -> None:
    """What waited at the broker moved earlier, and is judged later."""
    decided_at = MOTION_AT + timedelta(hours=1)
    store.add_verdict(verdict(decided_at=decided_at))
    waited = "20261123_070000_abcdef"
    later = decided_at + timedelta(seconds=1)
    motion_at = MOTION_AT - timedelta(hours=5)
    store.add_verdict(verdict(waited, motion_at=motion_at, decided_at=later))
    last = store.remember_camera("front").last_verdict
    assert last is not None
    assert last["event_id"] == waited


def test_open_events_know_when_their_latest_start_came(store: EventStore) -> None:
    for second in (3, 9, 6):
        store.add_start("front", EVENT, MOTION_AT, MOTION_AT + timedelta(seconds=second), None)
    (event,) = store.open_events()
    assert event.latest_at == MOTION_AT + timedelta(seconds=9)


def test_merged_events_leave_one_that_covers_all_starts(store: EventStore) -> None:
    ids = [f"20261123_12000{second}_abcdef" for second in range(3)]
    for event_id in ids:
        store.add_start("front", event_id, MOTION_AT, MOTION_AT, f"{event_id}:x")
    store.merge_events(ids[0], ids[1:])
    (event,) = store.open_events()
    assert (event.event_id, event.starts) == (ids[0], 3)
    assert store.find_delivery(f"{ids[2]}:x") == ids[0]


def test_delivery_is_known_only_as_long_as_the_broker_may_repeat_it(store: EventStore) -> None:
    store.add_start("front", EVENT, MOTION_AT, MOTION_AT, "7:abc")
    assert store.find_delivery("7:abc") == EVENT
    assert store.find_delivery("8:abc") is None
    for number in range(REDELIVERY_WINDOW - 1):
        store.add_start("front", EVENT, MOTION_AT, MOTION_AT, f"x{number}:abc")
    assert store.find_delivery("7:abc") == EVENT
    store.add_start("front", EVENT, MOTION_AT, MOTION_AT, "last:abc")
    assert store.find_delivery("7:abc") is None, "by now the packet id may be another message's"
    assert store.find_delivery("last:abc") == EVENT
    store.forget_deliveries()
    assert store.find_delivery("last:abc") is None


# --- cameras, settings, feedback --------------------------------------------------------------


def test_camera_is_remembered_across_restarts(store: EventStore) -> None:
    assert store.remember_camera("front") == CameraRecord()
    store.add_start("front", EVENT, MOTION_AT, MOTION_AT, None)
    store.add_verdict(verdict(merged=2))
    store.set_settings("front", {"mode": "filter"})
    other = reopened(store)
    record = other.remember_camera("front")
    other.close()
    assert record == CameraRecord(
        settings={"mode": "filter"},
        alarm_until=MOTION_AT + timedelta(seconds=31),
        totals=Totals(motions=1, events=1, relevant=1, merged=2),
        last_verdict=verdict(merged=2).to_dict(),
    )


def test_forgotten_camera_keeps_its_events(store: EventStore) -> None:
    store.add_verdict(verdict())
    store.forget_camera("front")
    assert store.cameras() == []
    assert store.get_verdict(EVENT) is not None


def test_feedback_is_given_changed_and_taken_back(store: EventStore) -> None:
    assert not store.set_feedback("front", EVENT, True, MOTION_AT), "no such event"
    store.add_verdict(verdict())
    assert not store.set_feedback("yard", EVENT, True, MOTION_AT), "another camera's event"
    assert store.feedback("front") == {}
    for thumb in (True, False):
        assert store.set_feedback("front", EVENT, thumb, MOTION_AT)
        assert store.feedback("front") == {EVENT: thumb}
    assert store.set_feedback("front", EVENT, None, MOTION_AT)
    assert store.feedback("front") == {}


class TotalsOnlyGrow(RuleBasedStateMachine):
    """Whatever happens in whatever order, no total of a camera ever shrinks."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.store = EventStore(Path(self.folder.name))
        self.known: list[str] = []
        self.last = asdict(Totals())

    @rule()
    def start(self) -> None:
        self.known.append(new_event_id(MOTION_AT))
        self.store.add_start("front", self.known[-1], MOTION_AT, MOTION_AT, None)

    @rule(data=st.data(), state=st.sampled_from(State), relevant=st.booleans())
    def decide(self, data: st.DataObject, state: State, relevant: bool) -> None:
        if self.known:
            event_id = data.draw(st.sampled_from(self.known))
            self.store.add_verdict(verdict(event_id, state=state, relevant=relevant, merged=1))
            self.store.mark_published(event_id)

    @rule(data=st.data(), thumb=st.sampled_from([True, False, None]))
    def judge(self, data: st.DataObject, thumb: bool | None) -> None:
        if self.known:
            event_id = data.draw(st.sampled_from(self.known))
            assert self.store.set_feedback("front", event_id, thumb, MOTION_AT)

    @rule()
    def prune(self) -> None:
        given = set(self.store.feedback("front"))
        prune(self.store, "front", KeepLimits(days=0), now=MOTION_AT + timedelta(days=1))
        left = {event.event_id for event in self.store.open_events()} | given
        self.known = [event_id for event_id in self.known if event_id in left]

    @rule()
    def restart(self) -> None:
        self.store = reopened(self.store)

    @invariant()
    def totals_grow(self) -> None:
        totals = asdict(self.store.remember_camera("front").totals)
        assert all(totals[name] >= self.last[name] for name in totals)
        self.last = totals

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


TestTotalsOnlyGrow = TotalsOnlyGrow.TestCase


# --- the database itself ----------------------------------------------------------------------


def test_database_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    EventStore(tmp_path).close()
    other = sqlite3.connect(tmp_path / "events.sqlite")
    other.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    other.close()
    with pytest.raises(StoreError, match=f"version {SCHEMA_VERSION + 1}.*update VeroAllarme"):
        EventStore(tmp_path)
    other = sqlite3.connect(tmp_path / "events.sqlite")
    assert other.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)
    other.close()


def damage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"this is no database at all")


def damage_page(path: Path) -> None:
    """Damage what no start would read by itself: the last page of the table of events."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)


@pytest.mark.parametrize("damage", [damage_header, damage_page])
def test_damaged_database_is_set_aside_and_told(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store = EventStore(tmp_path)
    assert store.fault is None
    store.remember_camera("front")
    store.close()
    path = tmp_path / "events.sqlite"
    damage(path)
    before = path.read_bytes()
    store = EventStore(tmp_path)
    assert store.fault is not None
    assert "set aside as events.sqlite.broken_" in store.fault
    (aside,) = tmp_path.glob("events.sqlite.broken_*[0-9]")
    assert aside.read_bytes() == before
    assert store.cameras() == []
    store.remember_camera("front")
    store.close()
    store = EventStore(tmp_path)
    assert (store.fault, store.cameras()) == (None, ["front"])
    store.close()


def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "events.sqlite")
    other.execute("CREATE TABLE events (whatever TEXT)")
    other.close()
    with pytest.raises(StoreError, match="cannot be opened"):
        EventStore(tmp_path)


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreError, match="cannot be opened"):
        EventStore(tmp_path / "data")


def test_journal_waits_for_a_lock_no_longer_than_it_should(store: EventStore) -> None:
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.add_start("front", EVENT, MOTION_AT, MOTION_AT, None)
    other.execute("ROLLBACK")
    other.close()
    store.add_start("front", EVENT, MOTION_AT, MOTION_AT, None)
    assert len(store.open_events()) == 1


# --- frames -----------------------------------------------------------------------------------


def test_frames_come_back_in_order(store: EventStore) -> None:
    frames = [bytes([number]) * 10 for number in range(11)]
    store.frames.save("front", EVENT, frames)
    assert store.frames.load("front", EVENT) == frames
    assert sorted(path.name for path in (store.frames.data_dir / "front").iterdir()) == [EVENT]


def test_frames_of_an_event_are_written_once(store: EventStore) -> None:
    store.frames.save("front", EVENT, [b"first"])
    store.frames.save("front", EVENT, [b"second"])
    assert store.frames.load("front", EVENT) == [b"first"]


def test_frames_know_when_they_were_taken(store: EventStore) -> None:
    taken_at = [MOTION_AT + timedelta(seconds=0.6 * number) for number in range(11)]
    store.frames.save("front", EVENT, [b"x"] * 11, taken_at)
    found = store.frames.taken_at("front", EVENT)
    assert len(found) == 11
    for at, then in zip(found, taken_at, strict=True):
        assert abs(at - then) < timedelta(milliseconds=1)
    before = datetime.now(UTC) - timedelta(seconds=1)
    young = "20261124_120000_abcdef"
    store.frames.save("front", young, [b"x"])
    assert before < store.frames.taken_at("front", young)[0]


def test_event_without_frames_has_none(store: EventStore) -> None:
    assert store.frames.load("front", EVENT) == []


def test_full_disk_leaves_no_half_event(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def full(_: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.frames.save("front", EVENT, [b"a", b"b", b"c"])
    assert list((store.frames.data_dir / "front").iterdir()) == []


def write_until_full(store: EventStore) -> None:
    for number in range(200):  # the write-ahead log may still have room for a few
        store.add_start("front", new_event_id(MOTION_AT), MOTION_AT, MOTION_AT, f"{number}:x")


def test_truly_full_disk_is_survived(tmp_path: Path) -> None:
    with mounted(tmp_path / "tiny") as disk:
        fill_and_free(disk)


def fill_and_free(tiny: TinyDisk) -> None:
    store = EventStore(tiny.folder)
    store.add_start("front", EVENT, MOTION_AT, MOTION_AT, None)
    with pytest.raises(OSError, match="No space left"):
        store.frames.save("front", EVENT, [b"x" * 200_000] * 3)
    assert list((tiny.folder / "front").iterdir()) == []

    tiny.fill()
    with pytest.raises((sqlite3.OperationalError, OSError)):
        write_until_full(store)
    tiny.free()
    assert store.add_verdict(verdict())
    store.close()
    store = EventStore(tiny.folder)
    assert store.get_verdict(EVENT) is not None
    assert store.remember_camera("front").totals.events == 1
    store.close()


_WRITE_FOR_EVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from veroallarme_core.worker.storage.event_store import EventStore
from veroallarme_core.contract import new_event_id

store = EventStore(Path(sys.argv[1]))
while True:
    at = datetime.now(UTC)
    event_id = new_event_id(at)
    store.add_start("front", event_id, at, at, None)
    store.frames.save("front", event_id, [bytes([n]) * 50_000 for n in range(5)])
    print(event_id, flush=True)
"""


def test_killed_writer_leaves_whole_events_only(tmp_path: Path) -> None:
    for delay_s in (0.01, 0.017, 0.03):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITE_FOR_EVER, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        store = EventStore(tmp_path)
        store.frames.remove_partial()
        folders = list((tmp_path / "front").iterdir())
        assert folders
        for folder in folders:
            assert is_valid_id(folder.name)
            frames = store.frames.load("front", folder.name)
            assert [len(frame) for frame in frames] == [50_000] * 5
        journalled = {event.event_id for event in store.open_events()}
        assert {folder.name for folder in folders} <= journalled
        store.close()


def test_half_written_events_are_removed_at_start(store: EventStore) -> None:
    store.frames.save("front", EVENT, [b"whole"])
    half = store.frames.data_dir / "front" / ".20261123_130000_abcdef.partial"
    half.mkdir()
    (half / "0.jpg").write_bytes(b"half")
    assert store.frames.remove_partial() == 1
    assert not half.exists()
    assert store.frames.load("front", EVENT) == [b"whole"]


@pytest.mark.parametrize(
    ("camera", "event_id"),
    [
        ("..", EVENT),
        ("front", ".."),
        ("front", "../../etc"),
        ("front", "/etc/passwd"),
        ("front", ""),
        ("", EVENT),
        ("front", "a\0b"),
        ("Front", EVENT),
        ("front", "a" * 65),
        ("front", f"{EVENT}\n"),
    ],
)
def test_hostile_ids_become_no_path(store: EventStore, camera: str, event_id: str) -> None:
    before = sorted(store.frames.data_dir.rglob("*"))
    for call in (
        lambda: store.frames.folder(camera, event_id),
        lambda: store.frames.save(camera, event_id, [b"x"]),
        lambda: store.frames.load(camera, event_id),
    ):
        with pytest.raises(ValueError, match="not an event"):
            call()
    assert sorted(store.frames.data_dir.rglob("*")) == before


@given(st.text(max_size=70), st.text(max_size=70))
def test_event_folder_lies_in_the_data_folder_or_is_refused(camera: str, event_id: str) -> None:
    frames = EventFrames(Path("/srv/data"))
    try:
        folder = frames.folder(camera, event_id)
    except ValueError:
        return
    assert folder.parent.parent == frames.data_dir
    assert ".." not in folder.parts


# --- limits -----------------------------------------------------------------------------------


def fill(store: EventStore, days: list[int], size: int = 1000) -> list[str]:
    """Store one published event for each age in days before MOTION_AT."""
    ids = []
    for age in days:
        at = MOTION_AT - timedelta(days=age)
        event_id = new_event_id(at)
        store.add_start("front", event_id, at, at, None)
        store.frames.save("front", event_id, [b"x" * size])
        store.add_verdict(verdict(event_id, motion_at=at))
        store.mark_published(event_id)
        ids.append(event_id)
    return ids


def kept(store: EventStore) -> set[str]:
    return {folder.name for folder in (store.frames.data_dir / "front").iterdir()}


def test_old_events_go_but_those_with_feedback_stay(store: EventStore) -> None:
    old, liked, young = fill(store, [40, 39, 5])
    store.set_feedback("front", liked, True, MOTION_AT)
    totals = store.remember_camera("front").totals
    assert prune(store, "front", KeepLimits(days=30), now=MOTION_AT) == 1
    assert kept(store) == {liked, young}
    assert store.get_verdict(old) is None
    assert store.get_verdict(liked) is not None
    assert store.remember_camera("front").totals == totals


def test_size_limit_takes_the_oldest_first_but_spares_feedback(store: EventStore) -> None:
    ids = fill(store, [5, 4, 3, 2, 1], size=400_000)
    store.set_feedback("front", ids[0], False, MOTION_AT)
    assert prune(store, "front", KeepLimits(size_mb=1.0), now=MOTION_AT) == 3
    assert kept(store) == {ids[0], ids[4]}


def test_events_without_verdict_are_spared(store: EventStore) -> None:
    at = MOTION_AT - timedelta(days=99)
    event_id = new_event_id(at)
    store.add_start("front", event_id, at, at, None)
    store.frames.save("front", event_id, [b"x" * 1000])
    assert prune(store, "front", KeepLimits(days=0, size_mb=0.0), now=MOTION_AT) == 0
    assert kept(store) == {event_id}
    assert len(store.open_events()) == 1


def test_verdicts_that_nobody_got_are_spared(store: EventStore) -> None:
    at = MOTION_AT - timedelta(days=99)
    store.add_verdict(verdict(motion_at=at))
    prune(store, "front", KeepLimits(days=1), now=MOTION_AT)
    assert [one["event_id"] for one in store.unpublished(["front"], 10)] == [EVENT]


def test_other_cameras_and_stray_files_are_left_alone(store: EventStore) -> None:
    (event_id,) = fill(store, [40])
    notes = store.frames.data_dir / "front" / "notes"
    notes.write_text("a file of the user")
    labels = store.frames.data_dir / "front" / "labels.csv"
    labels.write_text("event_id,label\n")
    store.frames.save("yard", event_id, [b"x"])
    assert prune(store, "front", KeepLimits(days=30), now=MOTION_AT) == 1
    assert kept(store) == {"notes", "labels.csv"}
    assert (store.frames.data_dir / "yard" / event_id).exists()


def test_pruning_a_camera_without_a_folder_does_nothing(store: EventStore) -> None:
    assert prune(store, "front", KeepLimits()) == 0


def test_stored_verdict_is_json_of_the_contract(store: EventStore) -> None:
    store.add_verdict(verdict())
    text = sqlite3.connect(store.path).execute("SELECT verdict FROM events").fetchone()[0]
    assert json.loads(text) == verdict().to_dict()


def test_folder_that_came_while_pruning_is_left_alone(tmp_path: Path) -> None:
    store = EventStore(tmp_path)
    spared = store.spared("front")
    young = f"{MOTION_AT:%Y%m%d_%H%M%S}_abcdef"
    store.frames.save("front", young, [b"x" * 2_000_000])
    limits = KeepLimits(size_mb=1.0)
    assert store.frames.remove_old("front", limits, spared, MOTION_AT) == 0
    assert store.frames.remove_old("front", limits, spared, MOTION_AT + timedelta(seconds=1)) == 1


def test_folders_of_a_clock_that_was_ahead_do_not_stay_for_ever(tmp_path: Path) -> None:
    store = EventStore(tmp_path)
    ahead = f"{MOTION_AT + timedelta(days=400):%Y%m%d_%H%M%S}_abcdef"
    store.frames.save("front", ahead, [b"x" * 2_000_000])
    limits = KeepLimits(size_mb=1.0)
    assert store.frames.remove_old("front", limits, {ahead}, MOTION_AT) == 0
    assert store.frames.remove_old("front", limits, set(), MOTION_AT) == 1


# --- review -----------------------------------------------------------------------------------


def test_verdicts_come_newest_first_page_by_page(store: EventStore) -> None:
    ids = [f"20261123_12{minute:02d}00_{minute:06x}" for minute in range(7)]
    for minute, event_id in enumerate(ids):
        moved_at = MOTION_AT + timedelta(minutes=minute // 2)
        store.add_verdict(verdict(event_id, motion_at=moved_at))
    store.add_verdict(verdict("20261123_120000_ffffff", camera="yard"))
    found: list[str] = []
    before = None
    while page := store.verdicts_before("front", before, 3):
        assert len(page) <= 3
        for motion_at, event_id, text in page:
            assert json.loads(text)["event_id"] == event_id
            before = (motion_at, event_id)
            found.append(event_id)
    assert found == ids[::-1]


def test_suppressed_events_come_newest_of_all_but_in_order(store: EventStore) -> None:
    def judged(minutes: int, camera: str = "front", **changes: object) -> str:
        motion_at = MOTION_AT + timedelta(minutes=minutes)
        event_id = new_event_id(motion_at)
        quiet = {"state": State.IRRELEVANT, "relevant": False, "score": 0.25, "hold_until": None}
        store.add_verdict(
            verdict(event_id, motion_at=motion_at, camera=camera, **{**quiet, **changes})
        )
        return event_id

    judged(-1)
    first, second, third = judged(0), judged(1, score=None, state=State.UNKNOWN), judged(2)
    judged(3, relevant=True)
    judged(4, camera="yard")
    store.add_start("front", new_event_id(MOTION_AT), MOTION_AT, MOTION_AT, None)
    found = store.suppressed("front", MOTION_AT, 10)
    assert [event.event_id for event in found] == [first, second, third]
    assert found[0] == SuppressedEvent(
        event_id=first, motion_at=MOTION_AT, score=0.25, threshold=0.5, reason="motion"
    )
    assert found[1].score is None
    assert [event.event_id for event in store.suppressed("front", MOTION_AT, 2)] == [second, third]
