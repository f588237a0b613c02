from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant

from .worker import (
    ALARM,
    HEALTH,
    attributes,
    changed,
    moment,
    pass_time,
    publish,
    raise_alarm,
    say,
    state,
)


async def test_the_alarm_follows_the_worker(hass: HomeAssistant, site) -> None:
    assert state(hass, *ALARM) == "off"
    await raise_alarm(hass)
    assert state(hass, *ALARM) == "on"
    await say(hass, "camera/drive/relevant", "OFF")
    assert state(hass, *ALARM) == "off"
    assert state(hass, *ALARM, "garden") == "off"


async def test_the_alarm_tells_its_verdict(hass: HomeAssistant, site) -> None:
    await raise_alarm(hass)
    shown = attributes(hass, *ALARM)
    assert shown["event_id"] == "20261123_061402_9f31c4"
    assert (shown["score"], shown["threshold"], shown["state"]) == (0.9231, 0.5, "relevant")
    assert (shown["num_relevant"], shown["num_irrelevant"]) == (1, 0)
    assert shown["regions"][0]["width"] == 64
    assert shown["objects"] == ["person"]
    assert shown["reason"] == "moved"


async def test_the_alarm_is_unknown_until_the_worker_has_told(hass: HomeAssistant, site) -> None:
    await say(hass, "camera/drive/relevant", "")
    assert state(hass, *ALARM) == "unknown"


async def test_an_alarm_ends_by_itself_when_its_worker_is_silent(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await raise_alarm(hass)
    await pass_time(hass, freezer, 55)
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 6)
    assert state(hass, *ALARM) == "off"


async def test_a_verdict_that_was_cleared_is_shown_no_more(hass: HomeAssistant, site) -> None:
    await raise_alarm(hass)
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
    await say(hass, "worker/main/health", changed(HEALTH, last_error=trouble, errors=[trouble]))
    assert state(hass, "binary_sensor", "problem", "") == "on"
    assert attributes(hass, "binary_sensor", "problem", "")["message"] == "drive: no answer"
    publish(hass, "worker/main/status", "offline")
    await hass.async_block_till_done()
    assert state(hass, "binary_sensor", "worker", "") == "off"
    assert state(hass, "binary_sensor", "problem", "") == "on", "nobody is there to report any"
