"""The alarm by itself: when it is on, when it ends, and what a restart makes of it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from veroallarme_core.worker import alarm as alarm_module
from veroallarme_core.worker.alarm import Alarm

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class Clock:
    """A wall clock that tests set; the loop's own clock goes on as it does."""

    def __init__(self) -> None:
        self.now = START

    def after(self, seconds: float) -> datetime:
        return START + timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(alarm_module, "now", lambda: clock.now)
    return clock


async def test_alarm_lasts_until_motion_ends_but_at_least_its_hold(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(clock.now, 60)
    assert alarm.in_motion
    assert not alarm.is_on
    assert alarm.raise_(clock.after(2), hold_s=30) == clock.after(60)
    assert alarm.is_on

    clock.now = clock.after(10)
    assert alarm.motion_ended(clock.now)
    assert alarm.until == clock.after(32), "the hold counts from the decision"
    assert alarm.is_on
    clock.now = clock.after(31.9)
    assert alarm.is_on
    clock.now = clock.after(32)
    assert not alarm.is_on
    alarm.stop()


async def test_motion_that_outlives_its_hold_ends_with_its_end(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(clock.now, 60)
    alarm.raise_(clock.now, hold_s=5)
    clock.now = clock.after(40)
    assert alarm.is_on
    assert alarm.motion_ended(clock.now)
    assert not alarm.is_on
    assert alarm.until == clock.after(40)
    alarm.stop()


async def test_motion_without_an_end_counts_as_over_after_auto_end(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(clock.now, 8)
    assert alarm.raise_(clock.now, hold_s=5) == clock.after(8)
    clock.now = clock.after(8)
    assert not alarm.in_motion
    assert not alarm.is_on
    alarm.stop()


async def test_end_before_the_decision_leaves_the_hold(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(clock.now, 60)
    clock.now = clock.after(1)
    assert not alarm.motion_ended(clock.now), "no alarm was on that could end"
    assert alarm.raise_(clock.after(2), hold_s=30) == clock.after(32)
    alarm.stop()


async def test_second_decision_prolongs_and_never_shortens(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    assert alarm.raise_(clock.now, hold_s=30) == clock.after(30)
    clock.now = clock.after(10)
    assert alarm.raise_(clock.now, hold_s=5) == clock.after(30)
    assert alarm.raise_(clock.now, hold_s=60) == clock.after(70)
    alarm.stop()


async def test_end_message_during_hold_of_an_earlier_decision_changes_nothing(
    clock: Clock,
) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.raise_(clock.now, hold_s=30)
    clock.now = clock.after(10)
    alarm.motion_started(clock.now, 60)
    clock.now = clock.after(11)
    assert not alarm.motion_ended(clock.now)
    assert alarm.until == clock.after(30)
    alarm.stop()


async def test_an_alarm_without_hold_is_seen_even_if_its_motion_is_over(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.raise_(clock.now, hold_s=0)
    assert alarm.is_on
    alarm.stop()


async def test_restart_keeps_what_the_former_run_promised(clock: Clock) -> None:
    alarm = Alarm(clock.after(20), lambda: None)
    assert alarm.is_on
    assert not alarm.motion_ended(clock.after(1)), "its shortest hold is not known any more"
    clock.now = clock.after(20)
    assert not alarm.is_on
    alarm.stop()


async def test_restart_lets_motion_end_an_alarm_whose_hold_is_known(clock: Clock) -> None:
    alarm = Alarm(clock.after(60), lambda: None, held_until=clock.after(5))
    assert alarm.motion_ended(clock.after(1))
    assert alarm.until == clock.after(5)
    clock.now = clock.after(5)
    assert not alarm.is_on
    alarm.stop()


async def test_restart_does_not_revive_an_alarm_that_is_over(clock: Clock) -> None:
    ended: list[str] = []
    alarm = Alarm(clock.after(-1), lambda: ended.append("ended"))
    assert not alarm.is_on
    await asyncio.sleep(0.05)
    assert ended == [], "an alarm that ended before the restart does not end once more"
    alarm.stop()


async def test_end_is_told_once_when_the_time_has_come() -> None:
    ended = asyncio.Queue[bool]()
    alarm = Alarm(None, lambda: ended.put_nowait(alarm.is_on))
    alarm.raise_(alarm_module.now(), hold_s=0.2)
    assert alarm.is_on
    async with asyncio.timeout(5):
        assert await ended.get() is False, "the alarm was still on when its end was told"
    await asyncio.sleep(0.3)
    assert ended.empty()


async def test_stopped_alarm_stays_as_it_is_and_tells_nothing() -> None:
    ended: list[str] = []
    alarm = Alarm(None, lambda: ended.append("ended"))
    alarm.raise_(alarm_module.now(), hold_s=0.1)
    alarm.stop()
    await asyncio.sleep(0.2)
    assert ended == []
