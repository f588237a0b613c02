"""The store behind the event loop: order, refused writes that are kept, and a clean end."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from veroallarme_core.worker.storage import storage as storage_module
from veroallarme_core.worker.storage.event_store import EventStore, StoreError
from veroallarme_core.worker.storage.storage import Storage

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    storage = Storage(EventStore(tmp_path))
    yield storage
    await asyncio.to_thread(storage.close)


async def test_calls_run_outside_the_loop_and_in_order(storage: Storage) -> None:
    order: list[int] = []
    threads: set[int] = set()

    def call(number: int) -> int:
        order.append(number)
        threads.add(threading.get_ident())
        return number

    results = await asyncio.gather(
        *(storage.database(lambda _, n=number: call(n)) for number in range(50))
    )
    assert results == order == list(range(50))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_slow_frames_do_not_hold_the_journal(storage: Storage) -> None:
    release = threading.Event()
    slow = asyncio.create_task(storage.files(lambda _: release.wait(10)))
    async with asyncio.timeout(5):
        assert await storage.database(lambda store: store.cameras()) == []
    assert not slow.done()
    release.set()
    assert await slow


async def test_calls_are_refused_at_once_when_too_many_wait(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "MAX_PENDING", 3)
    release = threading.Event()
    waiting = [asyncio.create_task(storage.files(lambda _: release.wait(10))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="3 writes wait already"):
        await storage.database(lambda store: store.cameras())
    release.set()
    await asyncio.gather(*waiting)
    assert await storage.database(lambda store: store.cameras()) == []


async def test_refused_writes_are_repeated_in_their_order(storage: Storage) -> None:
    full = True
    done: list[int] = []

    def write(number: int) -> int:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        done.append(number)
        return number

    with pytest.raises(sqlite3.OperationalError, match="full"):
        await storage.write(lambda _: write(1))
    with pytest.raises(StoreError, match="1 earlier writes"):
        await storage.write(lambda _: write(2))
    assert storage.kept == 2
    assert await storage.retry() == 2
    assert done == []
    full = False
    with pytest.raises(StoreError):
        await storage.write(lambda _: write(3))  # the older ones go first
    assert await storage.retry() == 0
    assert done == [1, 2, 3]
    assert await storage.write(lambda _: write(4)) == 4


async def test_write_that_can_never_succeed_is_not_kept(storage: Storage) -> None:
    def wrong(_: EventStore) -> None:
        raise sqlite3.IntegrityError("a constraint")

    with pytest.raises(sqlite3.IntegrityError):
        await storage.write(wrong)
    assert storage.kept == 0


async def test_kept_write_that_turns_out_wrong_holds_up_nothing(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = [OSError(28, "full"), sqlite3.IntegrityError("a constraint")]
    done: list[str] = []

    def wrong(_: EventStore) -> None:
        raise errors.pop(0)

    with pytest.raises(OSError, match="full"):
        await storage.write(wrong)
    with pytest.raises(StoreError):
        await storage.write(lambda _: done.append("next"))
    assert await storage.retry() == 0
    assert done == ["next"]
    assert "given up" in caplog.text


async def test_there_is_an_end_to_what_is_kept(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "MAX_KEPT", 2)
    full = True

    def write(_: EventStore) -> None:
        if full:
            raise OSError(28, "full")

    for _ in range(4):
        with pytest.raises((OSError, StoreError)):
            await storage.write(write)
    assert storage.kept == 2
    full = False
    assert await storage.retry() == 0


async def test_close_repeats_what_was_kept(tmp_path: Path) -> None:
    storage = Storage(EventStore(tmp_path))
    other = sqlite3.connect(tmp_path / "events.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await storage.write(lambda s: s.add_start("front", "event", AT, AT, None))
    other.close()
    await asyncio.to_thread(storage.close)
    store = EventStore(tmp_path)
    assert [event.event_id for event in store.open_events()] == ["event"]
    store.close()


async def test_close_says_what_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    storage = Storage(EventStore(tmp_path))

    def full(_: EventStore) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        await storage.write(full)
    await asyncio.to_thread(storage.close)
    assert "1 writes" in caplog.text
    assert "are lost" in caplog.text
