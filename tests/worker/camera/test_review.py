"""Which suppressed events are shown for a look, how many, and how often that is told."""

import asyncio
import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.worker.storage.test_event_store import verdict
from veroallarme_core.contract import State, iso, new_event_id
from veroallarme_core.worker.camera import review as review_module
from veroallarme_core.worker.camera.review import MAX_CLOSE_CALLS, MAX_ENTRIES, Review, is_sampled
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.storage.records import SuppressedEvent


def suppressed(
    age: timedelta, score: float | None = 0.1, event_id: str | None = None
) -> SuppressedEvent:
    motion_at = now() - age
    return SuppressedEvent(
        event_id=event_id or new_event_id(motion_at),
        motion_at=motion_at,
        score=score,
        threshold=0.5,
        reason="sway",
    )


def some(count: int, *, sampled: bool, age: timedelta, score: float) -> list[SuppressedEvent]:
    """Return events that are or are not in the sample, the newest one last."""
    found: list[SuppressedEvent] = []
    while len(found) < count:
        event = suppressed(age - timedelta(seconds=len(found)), score)
        if is_sampled(event.event_id) == sampled:
            found.append(event)
    return found


def entries(
    events: Iterable[SuppressedEvent], answered: Collection[str] = ()
) -> list[dict[str, Any]]:
    payload = Review(events, answered, 7.0, lambda _: None).payload()
    return json.loads(payload)["events"]  # type: ignore[no-any-return]


def ids(events: Iterable[SuppressedEvent]) -> list[str]:
    return [event.event_id for event in events]


def shown(events: Iterable[SuppressedEvent], answered: Collection[str] = ()) -> list[str]:
    return [entry["event_id"] for entry in entries(events, answered)]


# --- the choice -------------------------------------------------------------------------------


def test_sample_is_2_to_5_percent_and_never_changes() -> None:
    events = [new_event_id(datetime(2026, 11, 23)) for _ in range(4000)]
    sample = [event for event in events if is_sampled(event)]
    assert 0.02 < len(sample) / len(events) < 0.05
    assert is_sampled("20261123_000000_00001f") == is_sampled("20261123_000000_00001f")


def test_closest_calls_of_the_last_day_come_first() -> None:
    scores = [0.1, 0.45, 0.3, 0.49, 0.2, 0.4, 0.0]
    today = [
        replace(event, score=score)
        for event, score in zip(
            some(7, sampled=False, age=timedelta(hours=2), score=0.0), scores, strict=True
        )
    ]
    yesterday = some(1, sampled=False, age=timedelta(hours=25), score=0.4999)
    found = entries([*yesterday, *today])
    assert [entry["score"] for entry in found] == [0.49, 0.45, 0.4, 0.3, 0.2]
    assert {entry["why"] for entry in found} == {"close_call"}
    assert len(found) == MAX_CLOSE_CALLS


def test_sample_of_the_week_follows_newest_first() -> None:
    old = some(3, sampled=True, age=timedelta(days=6), score=0.1)
    too_old = some(2, sampled=True, age=timedelta(days=8), score=0.1)
    others = some(20, sampled=False, age=timedelta(days=3), score=0.1)
    assert shown([*too_old, *old, *others]) == ids(reversed(old))


def test_an_event_is_shown_once_and_with_what_decided() -> None:
    (event,) = some(1, sampled=True, age=timedelta(hours=1), score=0.12345678)
    assert entries([event]) == [
        {
            "event_id": event.event_id,
            "motion_at": iso(event.motion_at),
            "score": 0.1235,
            "threshold": 0.5,
            "reason": "sway",
            "why": "close_call",
        }
    ]


def test_there_are_at_most_20() -> None:
    events = some(60, sampled=True, age=timedelta(hours=5), score=0.2)
    found = entries(events)
    assert len(found) == MAX_ENTRIES == 20
    assert [entry["why"] for entry in found] == ["close_call"] * 5 + ["sample"] * 15


def test_what_has_feedback_needs_no_other_look() -> None:
    events = some(4, sampled=True, age=timedelta(hours=1), score=0.1)
    assert set(shown(events, ids(events[:3]))) == set(ids(events[3:]))


def test_an_event_that_could_not_be_judged_is_no_close_call() -> None:
    (event,) = some(1, sampled=True, age=timedelta(hours=1), score=0.0)
    assert [entry["why"] for entry in entries([replace(event, score=None)])] == ["sample"]


def test_events_of_a_shorter_keep_are_forgotten_earlier() -> None:
    events = some(2, sampled=True, age=timedelta(days=3), score=0.1)
    review = Review(events, [], 2.0, lambda _: None)
    assert json.loads(review.payload()) == {"events": []}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_module, "MAX_SUPPRESSED", 10)
    events = some(30, sampled=True, age=timedelta(hours=30), score=0.1)
    assert shown(events) == ids(reversed(events[-10:]))


# --- telling it -------------------------------------------------------------------------------


async def turn(seconds: float = 0.0) -> None:
    await asyncio.sleep(seconds)
    await asyncio.sleep(0)


async def test_it_is_told_at_most_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_module, "PUBLISH_EVERY_S", 0.2)
    told: list[list[str]] = []
    review = Review(
        [], [], 7.0, lambda p: told.append([e["event_id"] for e in json.loads(p)["events"]])
    )
    one, two, three = (new_event_id(now()) for _ in range(3))
    for event_id in (one, two, three):
        review.add(
            verdict(event_id, state=State.IRRELEVANT, relevant=False, score=0.2, motion_at=now())
        )
        await turn()
    assert told == [[one]]
    review.answer(one, True)
    await turn(0.3)
    assert len(told) == 2
    assert set(told[1]) == {two, three}
    review.answer(one, None)
    await turn(0.3)
    assert len(told) == 3
    assert set(told[2]) == {one, two, three}
    review.refresh()
    await turn(0.3)
    assert len(told) == 3, "what has not changed is not told again"
    review.answer(two, False)
    review.stop()
    await turn(0.3)
    assert len(told) == 3
    review.answer(three, False)
    await turn(0.3)
    assert len(told) == 3, "what ends later than its camera tells nothing"


async def test_an_event_that_raised_the_alarm_is_none_to_review() -> None:
    told: list[bytes] = []
    review = Review([], [], 7.0, told.append)
    review.add(verdict(motion_at=now()))
    await turn()
    assert told == []
    assert json.loads(review.payload()) == {"events": []}
