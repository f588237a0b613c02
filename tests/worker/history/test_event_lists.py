"""Lists of past events: pages, zones, a day at a glance, and places in a list."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.worker.storage.test_event_listing import drawn_verdicts
from tests.worker.storage.test_event_store import verdict
from veroallarme_core.contract import (
    CommandError,
    RelevanceRegion,
    State,
    Verdict,
    Zone,
    new_event_id,
)
from veroallarme_core.worker.history.event_lists import EventLists, position_of, written_position
from veroallarme_core.worker.storage import EventFilter, ListedEvent, Position, Storage

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
LEFT = Zone(name="left", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))


def region_at(x: int) -> RelevanceRegion:
    return RelevanceRegion(
        x=x, y=40, width=20, height=40, area=400, centroid=(x + 10, 60), confidence=0.9,
        relevance_score=0.9, is_relevant=True, reason="moved",
    )  # fmt: skip


def moved_at(x: int, minute: int, **changes: object) -> Verdict:
    """A verdict of the camera `front`, 176 x 144 pixels."""
    at = BEGIN + timedelta(minutes=minute)
    whole = verdict(new_event_id(at), motion_at=at, hold_until=None, regions=(region_at(x),))
    return replace(whole, **changes)  # type: ignore[arg-type]


def fill(storage: Storage, *verdicts: Verdict) -> None:
    for one in verdicts:
        assert storage.store.add_verdict(one)


async def all_of(lists: EventLists, limit: int, zone: Zone | None = None) -> list[ListedEvent]:
    page = await lists.page(EventFilter(), limit, zone=zone)
    found = list(page.events)
    while page.next is not None:
        page = await lists.page(EventFilter(), limit, page.next, zone)
        found += page.events
    return found


async def test_pages_end_where_the_events_do(storage: Storage) -> None:
    fill(storage, *drawn_verdicts(30))
    lists = EventLists(storage)
    assert len(await all_of(lists, 10)) == 30
    assert (await lists.page(EventFilter(), 30)).next is None
    assert (await lists.page(EventFilter(cameras=("attic",)), 30)).events == []
    assert await lists.count(EventFilter()) == 30


@pytest.mark.parametrize("limit", [1, 7, 500])
async def test_only_what_moved_in_a_zone_is_listed(storage: Storage, limit: int) -> None:
    left = [moved_at(20, 2 * number) for number in range(20)]
    right = [moved_at(120, 2 * number + 1) for number in range(20)]
    blind = moved_at(20, 99, score=None, state=State.UNKNOWN, frame_dimensions=None, regions=())
    fill(storage, *left, *right, blind)
    found = await all_of(EventLists(storage), limit, LEFT)
    assert [one.event_id for one in reversed(found)] == [one.event_id for one in left]


async def test_what_a_zone_has_after_many_others_is_found(storage: Storage) -> None:
    fill(storage, moved_at(20, 0), *[moved_at(120, number) for number in range(1, 700)])
    assert len(await all_of(EventLists(storage), 10, LEFT)) == 1


async def test_neighbours_are_of_the_same_camera(storage: Storage) -> None:
    verdicts = [moved_at(20, minute) for minute in range(3)]
    fill(storage, *verdicts, moved_at(20, 1, camera="yard", event_id="20261120_000101_ffffff"))
    lists = EventLists(storage)
    newest, middle, oldest = [
        (await lists.find([one.event_id]))[one.event_id] for one in reversed(verdicts)
    ]
    assert await lists.neighbours(middle) == (oldest, newest)
    assert await lists.neighbours(oldest) == (None, middle)
    assert await lists.neighbours(newest) == (middle, None)


async def test_a_day_counts_what_happened_in_it(storage: Storage) -> None:
    day = BEGIN, BEGIN + timedelta(days=1)
    quiet = {"state": State.IRRELEVANT, "relevant": False}
    fill(
        storage,
        moved_at(20, -1),
        moved_at(20, 3),
        moved_at(20, 14, reason="light", **quiet),
        moved_at(20, 15, reason="light", **quiet),
        moved_at(20, 16, reason="busy_place", **quiet),
        moved_at(20, 17, reason="no_snapshot", state=State.UNKNOWN, score=None),
        moved_at(20, 24 * 60 - 1),
        moved_at(20, 24 * 60),
    )
    listed = storage.store.listing.page(EventFilter(reasons=("busy_place",)), 1)[0]
    storage.store.set_feedback("front", listed.event_id, True, BEGIN)
    found = await EventLists(storage).day("front", *day)
    assert (found.alarms, found.suppressed, found.unknown) == (3, 3, 1)
    assert found.reasons == [("light", 2), ("busy_place", 1)]
    assert [(part.alarms, part.suppressed, part.up) for part in found.parts[:2]] == [
        (1, 1, 0), (1, 2, 1),
    ]  # fmt: skip
    assert found.parts[-1].alarms == 1
    assert (found.parts[0].since, found.parts[-1].until) == day
    assert found.latest is not None
    assert found.latest.motion_at == BEGIN + timedelta(minutes=24 * 60 - 1)
    assert found.is_whole


async def test_a_day_of_25_hours_is_counted_whole(storage: Storage) -> None:
    fill(storage, moved_at(20, 25 * 60 - 1))
    found = await EventLists(storage).day("front", BEGIN, BEGIN + timedelta(hours=25))
    assert found.parts[-1].alarms == 1


def test_a_position_survives_its_address() -> None:
    position = Position(motion_at=BEGIN, event_id=new_event_id(BEGIN))
    assert position_of(written_position(position)) == position


@pytest.mark.parametrize("text", ["", "~", "2026-11-20~x", "now~x", "2026-11-20T00:00:00Z~../x"])
def test_a_position_that_is_none_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(CommandError, match="is not understood"):
        position_of(text)
