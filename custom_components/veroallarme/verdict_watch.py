"""Waits for the verdict that covers some motion, so that motion which nobody judged is noticed."""

import asyncio
from datetime import datetime, timedelta

from .contract import Verdict
from .hub import Hub

LATE_S = 5.0
"""Home Assistant may hear of motion so much later than the worker, or by another clock."""


def covers(verdict: Verdict, motion_at: datetime) -> bool:
    """Whether a verdict is about motion that began at a moment.

    It is where its own motion began then. One that covers several starts may cover a later one as
    well, which moved before it was decided.
    """
    if verdict.motion_at >= motion_at - timedelta(seconds=LATE_S):
        return True
    return verdict.merged > 0 and verdict.decided_at >= motion_at


async def async_wait_for_verdict(
    hub: Hub, camera_id: str, motion_at: datetime, limit_s: float
) -> Verdict | None:
    """Return the verdict that covers some motion; None where none came in time."""
    camera = hub.cameras.get(camera_id)
    news = asyncio.Event()
    remove_listener = hub.listeners.async_add(camera_id, ("verdict", "event"), news.set)

    def found() -> Verdict | None:
        for verdict in (camera.verdict, camera.decision):
            if verdict is not None and covers(verdict, motion_at):
                return verdict
        return None

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
