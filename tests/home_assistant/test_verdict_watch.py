import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from homeassistant.core import HomeAssistant

from custom_components.veroallarme.contract import Verdict
from custom_components.veroallarme.verdict_watch import covers

from .test_actions import act
from .worker import moment, nuisance, publish, say

MOTION_AT = datetime.fromisoformat("2026-11-23T06:14:00+00:00")


def judged(begin_s: float, end_s: float, merged: int = 0) -> Verdict:
    """Return a verdict on motion so long after the one that is asked about."""
    begin, end = (MOTION_AT + timedelta(seconds=seconds) for seconds in (begin_s, end_s))
    return Verdict.from_json(
        nuisance(motion_at=begin.isoformat(), decided_at=end.isoformat(), merged=merged)
    )


@pytest.mark.parametrize(
    ("verdict", "received_s", "is_covered"),
    [
        (judged(0, 2), None, True),
        (judged(1, 3), 3, True),
        (judged(-3, -1), -1, True),
        (judged(-20, -18), None, False),
        (judged(-20, -18), -18, False),
        (judged(-20, 1), 1, False),
        (judged(-20, 1, merged=2), 1, True),
        (judged(-20, 1, merged=2), None, True),
        (judged(-20, -18, merged=2), -18, False),
        # The worker's clock is behind by 25 s, which is not told.
        (judged(-25, -23), 2, True),
        # It is ahead by as much.
        (judged(25, 27), 2, True),
    ],
)
def test_a_verdict_covers_its_own_motion(
    verdict: Verdict, received_s: float | None, is_covered: bool
) -> None:
    received_at = None if received_s is None else MOTION_AT + timedelta(seconds=received_s)
    assert covers(verdict, received_at, MOTION_AT) is is_covered


async def wait(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await act(hass, "wait_for_verdict", **data)
    return answer


async def test_a_verdict_is_waited_for(hass: HomeAssistant, site) -> None:
    waiting = hass.async_create_task(wait(hass, limit=30))
    await asyncio.sleep(0)
    old = nuisance("20261123_061300_000001", motion_at=moment(-60), decided_at=moment())
    publish(hass, "camera/drive/verdict", old)
    publish(hass, "camera/garden/verdict", nuisance("20261123_061300_000002"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    publish(hass, "camera/drive/verdict", nuisance("20261123_061300_000003", motion_at=moment()))
    assert await waiting == {"judged": True, "event_id": "20261123_061300_000003"}


async def test_a_verdict_that_has_come_is_found(hass: HomeAssistant, site) -> None:
    await say(hass, "camera/drive/verdict", nuisance(motion_at=moment()))
    answer = await wait(hass, motion_at=moment(), limit=30)
    assert answer["judged"] is True


async def test_it_waits_no_longer_than_asked_for(hass: HomeAssistant, site) -> None:
    await say(hass, "worker/main/status", "offline")
    assert await wait(hass, limit=0.05) == {"judged": False, "event_id": None}
