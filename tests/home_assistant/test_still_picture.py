import asyncio
from datetime import timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant

from custom_components.veroallarme.still_picture import EVERY, TRY_EVERY, is_quiet

from .bridged import CAMERA, MOTION, WITH_FRONT_DOOR, CameraOfHome, until
from .repairs import pass_reports
from .worker import changed, say, sent, validate

TOPIC = "camera/front_door/reference"


async def pass_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, time: timedelta) -> None:
    await pass_reports(hass, freezer, time.total_seconds())
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_a_picture_is_sent_while_nothing_moves(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, bridged, mqtt_mock
) -> None:
    for _ in range(2):
        await pass_time(hass, freezer, TRY_EVERY)
    (picture,) = sent(mqtt_mock, TOPIC)
    validate("reference", picture)
    for _ in range(3):
        await pass_time(hass, freezer, TRY_EVERY)
    assert len(sent(mqtt_mock, TOPIC)) == 1
    await pass_time(hass, freezer, TRY_EVERY)
    assert len(sent(mqtt_mock, TOPIC)) == 2


@pytest.mark.parametrize("state", ["on", "unavailable", "unknown"])
async def test_none_is_taken_while_something_may_move(
    freezer: FrozenDateTimeFactory,
    hass: HomeAssistant,
    bridged,
    mqtt_mock,
    camera: CameraOfHome,
    state: str,
) -> None:
    hass.states.async_set(MOTION, state)
    await hass.async_block_till_done(wait_background_tasks=True)
    before = len(camera.asked_at)
    await pass_time(hass, freezer, EVERY)
    assert sent(mqtt_mock, TOPIC) == []
    assert len(camera.asked_at) == before


async def test_a_picture_during_which_motion_begins_is_not_sent(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, bridged, mqtt_mock, camera: CameraOfHome
) -> None:
    camera.blocked = asyncio.Event()
    await pass_reports(hass, freezer, EVERY.total_seconds())
    await until(lambda: bool(camera.asked_at))
    hass.states.async_set(MOTION, "on")
    camera.blocked.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert sent(mqtt_mock, TOPIC) == []


async def test_none_is_sent_where_there_is_none_or_nobody_takes_it(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, bridged, mqtt_mock, camera: CameraOfHome
) -> None:
    camera.pictures = [ValueError("no picture")] * 4
    await pass_time(hass, freezer, EVERY)
    hass.states.async_set(CAMERA, "unavailable")
    await pass_time(hass, freezer, EVERY)
    hass.states.async_set(CAMERA, "idle")
    await say(hass, "info", changed(WITH_FRONT_DOOR, capabilities=["burst", "config"]))
    await pass_time(hass, freezer, EVERY)
    await say(hass, "worker/main/status", "offline")
    await pass_time(hass, freezer, EVERY)
    assert sent(mqtt_mock, TOPIC) == []


async def test_an_event_entity_is_quiet_some_time_after_its_event(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant
) -> None:
    assert not is_quiet(None)
    hass.states.async_set("event.bell", "2026-11-23T06:00:00.000+00:00")
    assert not is_quiet(hass.states.get("event.bell"))
    freezer.tick(121)
    assert is_quiet(hass.states.get("event.bell"))
