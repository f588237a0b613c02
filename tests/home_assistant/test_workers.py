import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.veroallarme.issues import PATIENCE_S
from custom_components.veroallarme.workers import HEALTH_SILENCE_S

from .repairs import shown
from .worker import ALARM, HEALTH, attributes, changed, moment, say, state, verdict


async def test_a_second_worker_keeps_the_site_available(hass: HomeAssistant, site) -> None:
    await say(hass, "worker/second/status", "online")
    await say(hass, "worker/main/status", "offline")
    assert state(hass, *ALARM) == "off"


async def test_a_worker_that_is_not_heard_any_more_is_gone(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    freezer.tick(HEALTH_SILENCE_S - 20)
    async_fire_time_changed(hass)
    await say(hass, "worker/main/health", HEALTH)
    freezer.tick(30)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert state(hass, *ALARM) == "off"
    freezer.tick(HEALTH_SILENCE_S)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert state(hass, *ALARM) == "unavailable"
    await say(hass, "worker/main/health", HEALTH)
    assert state(hass, *ALARM) == "off"


async def test_trouble_of_a_worker_that_is_gone_is_none(hass: HomeAssistant, site) -> None:
    trouble = {"key": "x", "message": "old trouble", "at": moment()}
    await say(hass, "worker/old/health", changed(HEALTH, last_error=trouble), retained=True)
    await say(hass, "worker/old/status", "offline", retained=True)
    assert state(hass, "binary_sensor", "problem", "") == "off"


@pytest.mark.parametrize(("skew_s", "minutes"), [(-7200, "120"), (7200, "120"), (45, "1")])
async def test_clocks_that_differ_are_told_and_times_are_shown_by_ours(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site, skew_s: float, minutes: str
) -> None:
    await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment(skew_s)))
    decided = verdict(motion_at=moment(skew_s - 2), decided_at=moment(skew_s))
    await say(hass, "camera/drive/verdict", decided)
    await say(hass, "camera/drive/event", decided)
    for entity in (ALARM, ("event", "decision")):
        decided_at = dt_util.parse_datetime(attributes(hass, *entity)["decided_at"])
        assert decided_at is not None
        assert abs((decided_at - dt_util.utcnow()).total_seconds()) < 1
    await report(hass, freezer, skew_s)
    assert shown(hass).get("clock_difference") == {"site": "VeroAllarme home", "minutes": minutes}
    assert site.runtime_data.workers.by_id["main"].clock_lead.total_seconds() == pytest.approx(
        skew_s, abs=1
    )
    await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment()))
    assert shown(hass).get("clock_difference") is None


async def test_a_message_that_took_some_time_is_no_other_clock(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await report(hass, freezer, -20)
    assert shown(hass).get("clock_difference") is None
    assert not site.runtime_data.workers.clock_lead


async def test_what_the_broker_kept_tells_no_clock(hass: HomeAssistant, site) -> None:
    old = changed(HEALTH, sent_at=moment(-3600))
    await say(hass, "worker/main/health", old, retained=True)
    assert not site.runtime_data.workers.clock_lead


async def test_one_worker_with_a_wrong_clock_does_not_shift_the_others(
    hass: HomeAssistant, site
) -> None:
    await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment(7200)))
    await say(hass, "worker/second/status", "online")
    await say(hass, "worker/second/health", changed(HEALTH, sent_at=moment()))
    assert not site.runtime_data.workers.clock_lead


async def report(hass: HomeAssistant, freezer: FrozenDateTimeFactory, skew_s: float) -> None:
    """Let the worker report until trouble is an issue."""
    for _ in range(6):
        freezer.tick(PATIENCE_S / 5)
        async_fire_time_changed(hass)
        await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment(skew_s)))
