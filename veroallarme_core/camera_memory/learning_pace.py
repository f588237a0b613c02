"""How long it takes until a camera has seen enough to make a promise, at the pace it has now."""

from __future__ import annotations

from collections.abc import Collection

from veroallarme_core.camera_memory.scene_memory import SESSION_S

DAY_S = 86_400
WINDOW_DAYS = 7.0
"""The pace is that of the last week, so that a holiday or a storm is forgotten after one."""
SHORTEST_DAYS = 1.0
"""Before a day and a night have passed nobody can tell how lively a place is."""


def days_left(
    sessions: Collection[int], *, events: int, events_needed: int, sessions_needed: int, at: float
) -> float | None:
    """Return the days until enough has moved, at the pace of the last week.

    Args:
        sessions: Sessions in which something moved, as `session_of` numbers them.
        events: Events in them, at least one each.
        events_needed: Events that have to come in all.
        sessions_needed: Sessions that have to come in all.
        at: Now, seconds since 1970.

    Returns:
        A positive number; None where nothing is missing, where the first event came less than a
        day ago, and where nothing moved in the last week.
    """
    missing = max(
        sessions_needed - len(sessions),
        # Events come in sessions, as many in each as before.
        (events_needed - events) * len(sessions) / max(events, 1),
    )
    if not sessions or missing <= 0:
        return None
    seen_days = (at - min(sessions) * SESSION_S) / DAY_S
    if seen_days < SHORTEST_DAYS:
        return None
    since = at - WINDOW_DAYS * DAY_S
    recent = sum(since <= session * SESSION_S <= at for session in sessions)
    if seen_days < WINDOW_DAYS:
        recent -= 1  # the first one began the time in which the others came
    if recent < 1:
        return None
    return missing * min(seen_days, WINDOW_DAYS) / recent
