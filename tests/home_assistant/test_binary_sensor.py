from datetime import timedelta
from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from .worker import HEALTH, attributes, changed, moment, nuisance, publish, say, state, verdict

ALARM = ("binary_sensor", "relevant_motion")


async def alarm(hass: HomeAssistant, **changes: object) -> None:
    """Let the worker raise an alarm, in the order of the contract."""
    await say(hass, "camera/drive/verdict", verdict(**changes))
    await say(hass, "camera/drive/relevant", "ON")


async def pass_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    freezer.tick(seconds)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=1))
    await hass.async_block_till_done()


async def test_the_alarm_follows_the_worker(hass: HomeAssistant, site) -> None:
    assert state(hass, *ALARM) == "off"
    await alarm(hass)
    assert state(hass, *ALARM) == "on"
    await say(hass, "camera/drive/relevant", "OFF")
    assert state(hass, *ALARM) == "off"
    assert state(hass, *ALARM, "garden") == "off"


async def test_the_alarm_tells_its_verdict(hass: HomeAssistant, site) -> None:
    await alarm(hass)
    shown = attributes(hass, *ALARM)
    assert shown["event_id"] == "20261123_061402_9f31c4"
    assert (shown["score"], shown["threshold"], shown["state"]) == (0.9231, 0.5, "relevant")
    assert (shown["num_relevant"], shown["num_irrelevant"]) == (1, 0)
    assert shown["regions"][0]["width"] == 64
    assert shown["reason"] == "moved"


async def test_the_alarm_is_unknown_until_the_worker_has_told(hass: HomeAssistant, site) -> None:
    await say(hass, "camera/drive/relevant", "")
    assert state(hass, *ALARM) == "unknown"


async def test_an_alarm_ends_by_itself_when_its_worker_is_silent(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await alarm(hass)
    await pass_time(hass, freezer, 55)
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 6)
    assert state(hass, *ALARM) == "off"


def left_over(left_s: float) -> dict[str, object]:
    """Return what the broker has retained of an alarm of a minute that ends in some seconds."""
    raised = verdict(decided_at=moment(left_s - 60), hold_until=moment(left_s))
    return {"camera/drive/verdict": raised, "camera/drive/relevant": "ON"}


async def test_an_alarm_of_long_ago_is_not_on_after_a_restart(
    hass: HomeAssistant, start_site
) -> None:
    await start_site(retained=left_over(-3600))
    assert state(hass, *ALARM) == "off"


async def test_an_alarm_outlives_a_restart_by_what_is_left_of_it(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site
) -> None:
    await start_site(retained=left_over(20))
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 21)
    assert state(hass, *ALARM) == "off"


async def test_an_alarm_without_an_end_lasts_until_the_worker_ends_it(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await alarm(hass)
    await pass_time(hass, freezer, 61)
    await alarm(hass, event_id="20261123_061502_000002", hold_until=None)
    await pass_time(hass, freezer, 61)
    assert state(hass, *ALARM) == "on"


@pytest.mark.parametrize("skew_s", [-7200, 7200])
async def test_a_wrong_clock_neither_cuts_nor_stretches_an_alarm(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site, skew_s: float
) -> None:
    await alarm(hass, decided_at=moment(skew_s), hold_until=moment(skew_s + 60))
    await pass_time(hass, freezer, 50)
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 20)
    assert state(hass, *ALARM) == "off"


@pytest.mark.parametrize("step_s", [-7200, 7200])
async def test_a_clock_that_is_set_neither_cuts_nor_stretches_an_alarm(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site, step_s: float
) -> None:
    """The clock of Home Assistant's own machine, such as one that asks for the time late."""
    loop_time, stepped_s = hass.loop.time, 0.0
    with patch.object(hass.loop, "time", lambda: loop_time() - stepped_s):
        await start_site()
        await alarm(hass)
        freezer.tick(step_s)
        stepped_s = step_s
        await say(hass, "camera/drive/verdict", nuisance())
        assert state(hass, *ALARM) == "on"
        await pass_time(hass, freezer, 50)
        await say(hass, "camera/drive/verdict", nuisance())
        assert state(hass, *ALARM) == "on"
        await pass_time(hass, freezer, 20)
        assert state(hass, *ALARM) == "off"


@pytest.mark.parametrize("skew_s", [-7200, 7200])
async def test_an_alarm_that_the_broker_kept_lasts_no_longer_than_it_may(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site, skew_s: float
) -> None:
    """The worker's clock differs by hours, and it is told once the worker is heard."""
    raised = verdict(decided_at=moment(skew_s - 10), hold_until=moment(skew_s + 50))
    await start_site(retained={"camera/drive/verdict": raised, "camera/drive/relevant": "ON"})
    await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment(skew_s)))
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 45)
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 10)
    assert state(hass, *ALARM) == "off"


async def test_an_alarm_that_was_kept_by_a_clock_ahead_is_bounded_by_its_length(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site
) -> None:
    """Even where the worker never tells its clock."""
    raised = verdict(decided_at=moment(7200), hold_until=moment(7260))
    await start_site(retained={"camera/drive/verdict": raised, "camera/drive/relevant": "ON"})
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 61)
    assert state(hass, *ALARM) == "off"


async def test_an_alarm_that_ends_before_it_was_decided_lasts_until_the_worker_ends_it(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    """The worker's clock was set back between motion and decision."""
    await alarm(hass, decided_at=moment(), hold_until=moment(-3600))
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 120)
    assert state(hass, *ALARM) == "on"
    await say(hass, "camera/drive/relevant", "OFF")
    assert state(hass, *ALARM) == "off"


async def test_an_alarm_that_is_restated_after_nuisance_lasts_until_the_worker_ends_it(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await alarm(hass)
    await say(hass, "camera/drive/verdict", nuisance())
    await pass_time(hass, freezer, 61)
    assert state(hass, *ALARM) == "off"
    await say(hass, "camera/drive/verdict", nuisance())
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"


async def test_an_alarm_that_the_broker_took_long_after_its_verdict_is_shown(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    """The broker had refused it for a minute."""
    await say(hass, "camera/drive/verdict", verdict(hold_until=moment(0.2)))
    await pass_time(hass, freezer, 61)
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 2)
    assert state(hass, *ALARM) == "off"


async def test_a_second_alarm_prolongs_the_first(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await alarm(hass)
    await pass_time(hass, freezer, 40)
    await alarm(hass, event_id="20261123_061442_000001", decided_at=moment(), hold_until=moment(60))
    await pass_time(hass, freezer, 40)
    assert state(hass, *ALARM) == "on"


async def test_nuisance_does_not_end_an_alarm(hass: HomeAssistant, site) -> None:
    await alarm(hass)
    await say(hass, "camera/drive/verdict", nuisance())
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"


async def test_an_alarm_is_raised_even_where_its_verdict_cannot_be_read(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await alarm(hass)
    await pass_time(hass, freezer, 61)
    await say(hass, "camera/drive/verdict", {"state": "of a newer kind"})
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"


async def test_a_verdict_that_was_cleared_is_shown_no_more(hass: HomeAssistant, site) -> None:
    await alarm(hass)
    await say(hass, "camera/drive/verdict", "")
    assert "event_id" not in attributes(hass, *ALARM)
    assert state(hass, *ALARM) == "on"


async def test_pictures_that_cannot_be_had_make_nothing_unavailable(
    hass: HomeAssistant, site
) -> None:
    assert state(hass, "binary_sensor", "snapshots") == "unknown"
    await say(hass, "camera/drive/connectivity", "ON")
    assert state(hass, "binary_sensor", "snapshots") == "on"
    await say(hass, "camera/drive/connectivity", "OFF")
    assert state(hass, "binary_sensor", "snapshots") == "off"
    assert state(hass, *ALARM) == "off"
    await say(hass, "camera/drive/connectivity", "")
    assert state(hass, "binary_sensor", "snapshots") == "unknown"


async def test_the_worker_shows_in_its_own_sensors(hass: HomeAssistant, site) -> None:
    assert state(hass, "binary_sensor", "worker", "") == "on"
    assert state(hass, "binary_sensor", "problem", "") == "off"
    trouble = {"key": "drive/snapshots", "message": "drive: no answer", "at": moment()}
    await say(hass, "worker/main/health", changed(HEALTH, last_error=trouble))
    assert state(hass, "binary_sensor", "problem", "") == "on"
    assert attributes(hass, "binary_sensor", "problem", "")["message"] == "drive: no answer"
    publish(hass, "worker/main/status", "offline")
    await hass.async_block_till_done()
    assert state(hass, "binary_sensor", "worker", "") == "off"
    assert state(hass, "binary_sensor", "problem", "") == "unavailable"
