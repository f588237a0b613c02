"""The alarm by itself: when it is on, when it ends, and what a restart makes of it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from veroallarme_core.worker.camera import alarm as alarm_module
from veroallarme_core.worker.camera.alarm import MIN_HOLD_S, REFUSED_LIMIT_S, Alarm

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class Clock:
    """Both clocks of a machine, which tests set; the loop's own clock goes on as it does."""

    def __init__(self) -> None:
        self.now = START
        self.monotonic = 1000.0

    def after(self, seconds: float) -> datetime:
        return START + timedelta(seconds=seconds)

    def go_on_to(self, seconds: float) -> None:
        """Let both clocks show a time after the start."""
        self.now, self.monotonic = self.after(seconds), 1000.0 + seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(alarm_module, "now", lambda: clock.now)
    monkeypatch.setattr(alarm_module, "monotonic", lambda: clock.monotonic)
    return clock


def raise_now(alarm: Alarm, clock: Clock, hold_s: float) -> datetime:
    """Raise an alarm that can be seen at once."""
    until = alarm.raise_(clock.now, hold_s)
    alarm.seen()
    return until


async def test_alarm_lasts_until_motion_ends_but_at_least_its_hold(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(60)
    assert alarm.in_motion
    assert not alarm.is_on
    clock.go_on_to(2)
    assert raise_now(alarm, clock, hold_s=30) == clock.after(60)
    assert alarm.is_on

    clock.go_on_to(10)
    assert alarm.motion_ended()
    assert alarm.until == clock.after(32), "the hold counts from the decision"
    assert alarm.is_on
    clock.go_on_to(31.9)
    assert alarm.is_on
    clock.go_on_to(32)
    assert not alarm.is_on
    alarm.stop()


async def test_motion_that_outlives_its_hold_ends_with_its_end(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(60)
    raise_now(alarm, clock, hold_s=5)
    clock.go_on_to(40)
    assert alarm.is_on
    assert alarm.motion_ended()
    assert not alarm.is_on
    assert alarm.until == clock.after(40)
    alarm.stop()


async def test_motion_without_an_end_counts_as_over_after_auto_end(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(8)
    assert raise_now(alarm, clock, hold_s=5) == clock.after(8)
    clock.go_on_to(8)
    assert not alarm.in_motion
    assert not alarm.is_on
    alarm.stop()


async def test_end_before_the_decision_leaves_the_hold(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(60)
    clock.go_on_to(1)
    assert not alarm.motion_ended(), "no alarm was on that could end"
    clock.go_on_to(2)
    assert raise_now(alarm, clock, hold_s=30) == clock.after(32)
    alarm.stop()


async def test_second_decision_prolongs_and_never_shortens(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    assert raise_now(alarm, clock, hold_s=30) == clock.after(30)
    clock.go_on_to(10)
    assert raise_now(alarm, clock, hold_s=5) == clock.after(30)
    assert raise_now(alarm, clock, hold_s=60) == clock.after(70)
    alarm.stop()


async def test_end_message_during_hold_of_an_earlier_decision_changes_nothing(
    clock: Clock,
) -> None:
    alarm = Alarm(None, lambda: None)
    raise_now(alarm, clock, hold_s=30)
    clock.go_on_to(10)
    alarm.motion_started(60)
    clock.go_on_to(11)
    assert not alarm.motion_ended()
    assert alarm.until == clock.after(30)
    alarm.stop()


async def test_an_alarm_without_hold_is_seen_even_if_its_motion_is_over(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    raise_now(alarm, clock, hold_s=0)
    assert alarm.is_on
    alarm.stop()


async def test_restart_keeps_what_the_former_run_promised(clock: Clock) -> None:
    alarm = Alarm(clock.after(20), lambda: None)
    assert alarm.is_on
    assert not alarm.motion_ended(), "its shortest hold is not known any more"
    clock.go_on_to(20)
    assert not alarm.is_on
    alarm.stop()


async def test_restart_lets_motion_end_an_alarm_whose_hold_is_known(clock: Clock) -> None:
    alarm = Alarm(clock.after(60), lambda: None, held_until=clock.after(5))
    clock.go_on_to(1)
    assert alarm.motion_ended()
    assert alarm.until == clock.after(5)
    clock.go_on_to(5)
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
    alarm.seen()
    assert alarm.is_on
    async with asyncio.timeout(5):
        assert await ended.get() is False, "the alarm was still on when its end was told"
    await asyncio.sleep(0.3)
    assert ended.empty()


async def test_stopped_alarm_stays_as_it_is_and_tells_nothing() -> None:
    ended: list[str] = []
    alarm = Alarm(None, lambda: ended.append("ended"))
    alarm.raise_(alarm_module.now(), hold_s=0.1)
    alarm.seen()
    alarm.stop()
    await asyncio.sleep(0.2)
    assert ended == []


# --- several sources of motion ----------------------------------------------------------------


async def test_a_second_start_never_shortens_the_motion(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(300, "radar")
    clock.go_on_to(1)
    alarm.motion_started(5, "picture")
    alarm.motion_started(5, "radar")
    assert raise_now(alarm, clock, hold_s=2) == clock.after(300)
    clock.go_on_to(299)
    assert alarm.in_motion
    assert alarm.is_on
    alarm.stop()


async def test_an_end_ends_the_motion_of_its_own_source(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(300, "radar")
    alarm.motion_started(60, "picture")
    raise_now(alarm, clock, hold_s=2)
    clock.go_on_to(10)
    assert not alarm.motion_ended(["picture"])
    assert not alarm.motion_ended(["never heard of"])
    assert alarm.until == clock.after(300)
    alarm.motion_started(60, "picture")
    assert alarm.motion_ended(["radar"]), "the shorter motion is left"
    assert alarm.until == clock.after(70)
    clock.go_on_to(20)
    assert alarm.motion_ended(["picture"])
    assert not alarm.is_on
    assert not alarm.in_motion
    alarm.stop()


# --- an alarm is seen -------------------------------------------------------------------------


@pytest.mark.parametrize("hold_s", [0.0, 0.05, 5.0])
async def test_an_alarm_is_on_until_it_could_be_seen(clock: Clock, hold_s: float) -> None:
    alarm = Alarm(None, lambda: pytest.fail("an alarm that nobody saw cannot end"))
    alarm.motion_started(60)
    alarm.raise_(clock.now, hold_s)
    clock.go_on_to(0.1)
    alarm.motion_ended()
    clock.go_on_to(3600)
    await asyncio.sleep(0.05)
    assert alarm.is_on
    alarm.seen()
    assert alarm.is_on
    clock.go_on_to(3600 + MIN_HOLD_S)
    assert not alarm.is_on
    alarm.stop()


async def test_the_end_of_an_alarm_that_was_seen_late_is_told() -> None:
    ended = asyncio.Queue[bool]()
    alarm = Alarm(None, lambda: ended.put_nowait(True))
    alarm.raise_(alarm_module.now(), hold_s=0.0)
    await asyncio.sleep(2 * MIN_HOLD_S)
    assert ended.empty()
    alarm.seen()
    async with asyncio.timeout(5):
        await ended.get()
    assert not alarm.is_on


@pytest.mark.parametrize(("hold_s", "ends_s"), [(0.0, REFUSED_LIMIT_S), (500.0, 500.0)])
async def test_an_alarm_that_the_broker_refuses_is_not_on_for_ever(
    clock: Clock, hold_s: float, ends_s: float
) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.raise_(clock.now, hold_s)
    alarm.refused()
    clock.go_on_to(100)
    alarm.refused()
    assert alarm.is_on
    clock.go_on_to(ends_s - 0.1)
    assert alarm.is_on
    clock.go_on_to(ends_s)
    assert not alarm.is_on
    alarm.stop()


async def test_an_alarm_that_the_broker_takes_at_last_is_on_for_a_moment(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.raise_(clock.now, hold_s=0.0)
    alarm.refused()
    clock.go_on_to(60)
    alarm.seen()
    assert alarm.is_on
    clock.go_on_to(60 + MIN_HOLD_S)
    assert not alarm.is_on
    alarm.refused()
    assert not alarm.is_on, "it has been seen"
    alarm.stop()


async def test_a_new_alarm_waits_anew_to_be_seen(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.raise_(clock.now, hold_s=0.0)
    alarm.refused()
    clock.go_on_to(100)
    alarm.raise_(clock.now, hold_s=0.0)
    alarm.refused()
    clock.go_on_to(REFUSED_LIMIT_S)
    assert alarm.is_on
    clock.go_on_to(100 + REFUSED_LIMIT_S)
    assert not alarm.is_on
    alarm.stop()


async def test_the_end_of_an_alarm_that_was_refused_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alarm_module, "REFUSED_LIMIT_S", 0.3)
    ended = asyncio.Queue[bool]()
    alarm = Alarm(None, lambda: ended.put_nowait(alarm.is_on))
    alarm.raise_(alarm_module.now(), hold_s=0.0)
    alarm.refused()
    async with asyncio.timeout(5):
        assert await ended.get() is False
    alarm.seen()
    assert not alarm.is_on, "what the broker takes after its end brings it back no more"


async def test_a_start_tells_whether_it_begins_a_motion_of_its_source(clock: Clock) -> None:
    alarm = Alarm(None, lambda: None)
    assert alarm.motion_started(60, "radar")
    assert not alarm.motion_started(5, "radar")
    assert alarm.motion_started(60, "picture")
    alarm.motion_ended(["radar"])
    assert alarm.motion_started(60, "radar")
    clock.go_on_to(60)
    assert alarm.motion_started(60, "radar"), "the motion before counts as over"


# --- a wall clock that is set -----------------------------------------------------------------


@pytest.mark.parametrize("hours", [-2, 2, 24 * 365])
async def test_a_wall_clock_that_is_set_moves_no_alarm(clock: Clock, hours: int) -> None:
    alarm = Alarm(None, lambda: None)
    alarm.motion_started(60)
    raise_now(alarm, clock, hold_s=30)
    jump = timedelta(hours=hours)
    clock.go_on_to(10)
    clock.now += jump
    assert alarm.is_on
    assert alarm.in_motion
    assert alarm.motion_ended()
    assert alarm.until == clock.after(30) + jump, "by the clock that is told from now on"
    clock.go_on_to(29.9)
    clock.now += jump
    assert alarm.is_on
    clock.go_on_to(30)
    clock.now += jump
    assert not alarm.is_on
    alarm.stop()


@pytest.mark.parametrize("hours", [-2, 2])
async def test_the_end_comes_in_time_although_the_wall_clock_is_set(
    monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    ended = asyncio.Queue[bool]()
    alarm = Alarm(None, lambda: ended.put_nowait(alarm.is_on))
    alarm.raise_(alarm_module.now(), hold_s=0.3)
    alarm.seen()
    real = alarm_module.now
    monkeypatch.setattr(alarm_module, "now", lambda: real() + timedelta(hours=hours))
    assert alarm.is_on
    async with asyncio.timeout(5):
        assert await ended.get() is False
    await asyncio.sleep(0.3)
    assert ended.empty()
