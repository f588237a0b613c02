"""Waits for the verdict that covers some motion, so that motion which nobody judged is noticed."""

import asyncio
from datetime import datetime, timedelta

from .contract import Verdict
from .hub import Hub
from .workers import CLOCK_TOLERANCE

LATE_S = 5.0
"""Home Assistant may hear of motion so much later than the worker."""


def covers(verdict: Verdict, received_at: datetime | None, motion_at: datetime) -> bool:
    """Whether a verdict is about motion that began at a moment.

    It is where its own motion began then. One that covers several starts may cover a later one as
    well, which moved before it was decided.

    Args:
        verdict: its times by Home Assistant's clock, as far as that is known.
        received_at: when it came; None where the broker had kept it.
        motion_at: when the motion began.
    """
    late = timedelta(seconds=LATE_S)
    if verdict.motion_at >= motion_at - late:
        return True
    decided_at = verdict.decided_at
    if received_at is not None and abs(received_at - decided_at) <= CLOCK_TOLERANCE:
        # Clocks that differ by so little count as agreeing, and a verdict comes at once. What it
        # took depends on no difference.
        decided_at = received_at
    if decided_at - (verdict.decided_at - verdict.motion_at) >= motion_at - late:
        return True
    return verdict.merged > 0 and decided_at >= motion_at


async def async_wait_for_verdict(
    hub: Hub, camera_id: str, motion_at: datetime, limit_s: float
) -> Verdict | None:
    """Return the verdict that covers some motion; None where none came in time."""
    camera = hub.cameras.get(camera_id)
    news = asyncio.Event()
    remove_listener = hub.listeners.async_add(camera_id, ("verdict",), news.set)

    def found() -> Verdict | None:
        verdict = camera.verdict
        is_found = verdict is not None and covers(verdict, camera.verdict_at, motion_at)
        return verdict if is_found else None

    try:
        async with asyncio.timeout(limit_s):
            while (verdict := found()) is None:
                news.clear()
                await news.wait()
        return verdict
    except TimeoutError:
        return found()
    finally:
        remove_listener()
