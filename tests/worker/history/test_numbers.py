"""Days counted from what is stored, whatever is stored."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.worker.history.test_past_events import stored_verdict
from veroallarme_core.contract import State, Timing
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.history import numbers as numbers_module
from veroallarme_core.worker.history import read_numbers
from veroallarme_core.worker.storage import EventStore, Storage


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    """Two cameras: `front` with 6 events today, of which 2 alarm, `yard` with one 40 days ago."""
    store = EventStore(tmp_path / "data")
    for number in range(6):
        state = State.RELEVANT if number < 2 else State.IRRELEVANT
        at = now() - timedelta(seconds=number)
        store.add_verdict(
            stored_verdict(
                number, state, motion_at=at, decided_at=at, merged=number % 2,
                reason="moved" if number < 2 else ("light", "seen_before")[number % 2],
                timing_ms=Timing(decode=10, motion=20, relevance=30 + number, total=1000 * number),
            )
        )  # fmt: skip
    old = now() - timedelta(days=40)
    store.add_verdict(stored_verdict(9, State.UNKNOWN, camera="yard", motion_at=old))
    storage = Storage(store)
    yield storage
    storage.close()


async def test_days_add_up(storage: Storage) -> None:
    found = await read_numbers(storage, ["front", "yard"], 7)
    assert len(found.days) == 7
    total = found.total()
    assert (total.events, total.alarms, total.suppressed, total.unknown) == (6, 2, 4, 0)
    assert total.merged == 3
    assert total.reasons == {"light": 2, "seen_before": 2}
    assert total.quantile_ms("total", 0.5) == 3000.0
    assert total.quantile_ms("total", 0.95) == 5000.0
    assert numbers_module.judging_ms(total, 0.5) == 63.0
    assert sum(found.day(day).events for day in found.days) == 6
    assert not found.is_cut
    longer = await read_numbers(storage, ["front", "yard"], 60)
    assert longer.total().unknown == 1


async def test_csv_says_the_same(storage: Storage) -> None:
    found = await read_numbers(storage, ["front", "yard"], 60)
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert sum(int(row["alarms"]) for row in rows) == found.total().alarms
    causes = list(csv.DictReader(io.StringIO(found.causes_csv())))
    assert {
        row["reason"]: int(row["suppressed"]) for row in causes if row["camera"] == "front"
    } == {
        "light": 2,
        "seen_before": 2,
    }


async def test_of_too_many_the_latest_of_each_camera_count(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers_module, "PAGE", 2)
    monkeypatch.setattr(numbers_module, "MOST_EVENTS", 8)
    found = await read_numbers(storage, ["front", "yard"], 60)
    assert found.is_cut
    assert found.total().events == 5, "four of the one, and all of the other"


async def test_what_another_release_wrote_does_no_harm(storage: Storage) -> None:
    verdict = replace(stored_verdict(1, State.RELEVANT), motion_at=now())
    storage.store.add_verdict(verdict)
    for written in ('{"state": "relevant", "relevant": true, "reason": "moved"}', "no JSON"):
        storage.store._db.execute(
            "UPDATE events SET verdict = ? WHERE event_id = ?", (written, verdict.event_id)
        )
        found = await read_numbers(storage, ["front"], 7)
        assert found.total().events == (7 if written != "no JSON" else 6)
