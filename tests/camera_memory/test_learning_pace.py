"""The days that learning still takes, against a camera that keeps its pace."""

from __future__ import annotations

import pytest

from veroallarme_core.camera_memory.learning_pace import days_left
from veroallarme_core.camera_memory.scene_memory import SESSION_S, session_of

BEGAN = 1_763_000_000.0 // SESSION_S * SESSION_S
DAY_S = 86_400.0
NEEDS = {"events_needed": 40, "sessions_needed": 24}


def sessions(per_day: int, days: float) -> set[int]:
    """Return the sessions of a camera in front of which something moves so often."""
    step_s = DAY_S / per_day
    return {session_of(BEGAN + step_s * number) for number in range(int(days * per_day) + 1)}


@pytest.mark.parametrize("per_day", [1, 3, 8])
@pytest.mark.parametrize("per_session", [1, 2, 5])
@pytest.mark.parametrize("days", [1, 2, 5])
def test_a_camera_that_keeps_its_pace_is_told_when_it_will_be_done(
    per_day: int, per_session: int, days: int
) -> None:
    now = sessions(per_day, days)
    told = days_left(now, events=len(now) * per_session, at=BEGAN + days * DAY_S, **NEEDS)
    later = 0.0
    # The slow way: go on day after day until there is enough.
    while True:
        seen = sessions(per_day, days + later)
        if len(seen) >= 24 and len(seen) * per_session >= 40:
            break
        later += 1 / per_day
    assert told == (pytest.approx(later, abs=1 / per_day) if later else None)


def test_nothing_is_told_before_a_day_has_passed() -> None:
    busy = sessions(20, 0.9)
    assert days_left(busy, events=30, at=BEGAN + 0.99 * DAY_S, **NEEDS) is None
    assert days_left(busy, events=30, at=BEGAN + DAY_S, **NEEDS) is not None
    assert days_left((), events=0, at=BEGAN, **NEEDS) is None


def test_nothing_is_told_where_nothing_moves_any_more() -> None:
    before = sessions(3, 2)
    assert days_left(before, events=10, at=BEGAN + 9 * DAY_S, **NEEDS) is not None
    assert days_left(before, events=10, at=BEGAN + 10 * DAY_S, **NEEDS) is None
    assert days_left({session_of(BEGAN)}, events=1, at=BEGAN + 2 * DAY_S, **NEEDS) is None


def test_last_week_counts_and_not_what_was_before() -> None:
    quiet = {session_of(BEGAN + week * 7 * DAY_S) for week in range(4)}
    at = BEGAN + 27 * DAY_S
    lively = quiet | {session_of(at - day * DAY_S) for day in range(7)}
    slow = days_left(quiet, events=20, at=at, **NEEDS)
    fast = days_left(lively, events=55, at=at, **NEEDS)
    assert slow == pytest.approx(20 * 7)
    assert fast == pytest.approx(14)


def test_a_camera_with_enough_is_told_nothing() -> None:
    enough = sessions(8, 3)
    assert days_left(enough, events=40, at=BEGAN + 3 * DAY_S, **NEEDS) is None
