import asyncio
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from .bridged import add, bursts, move
from .worker import sent


async def test_a_removed_camera_is_taken_from_the_worker(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any
) -> None:
    hass.config_entries.async_remove_subentry(site, bridged.subentry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert sent(mqtt_mock, "camera/front_door/config") == [None]
    await move(hass, "on")
    assert bursts(mqtt_mock) == []


async def test_a_removed_site_takes_its_cameras_along(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any
) -> None:
    await hass.config_entries.async_unload(site.entry_id)
    assert sent(mqtt_mock, "camera/front_door/config") == []
    await hass.config_entries.async_remove(site.entry_id)
    assert sent(mqtt_mock, "camera/front_door/config") == [None]


async def test_a_site_can_be_removed_without_the_broker(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    mqtt_mock.async_publish.side_effect = HomeAssistantError("no broker")
    await hass.config_entries.async_remove(site.entry_id)
    assert "front_door was not taken from the worker" in caplog.text


async def test_two_cameras_that_are_removed_at_once_stay_away(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any
) -> None:
    hass.states.async_set("camera.back", "idle", {"friendly_name": "Back"})
    choice = {"camera_entity": "camera.back", "motion_entity": "binary_sensor.back"}
    await add(hass, site, choice)
    await hass.async_block_till_done(wait_background_tasks=True)
    mqtt_mock.async_publish.reset_mock()

    async def publish_slowly(*_: Any, **__: Any) -> None:
        await asyncio.sleep(0.05)

    mqtt_mock.async_publish.side_effect = publish_slowly
    for subentry in list(site.subentries.values()):
        hass.config_entries.async_remove_subentry(site, subentry.subentry_id)
        await asyncio.sleep(0.01)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert site.runtime_data.commands.captures == {}
    assert sent(mqtt_mock, "camera/front_door/config") == [None]
    assert sent(mqtt_mock, "camera/back/config") == [None]


async def test_another_site_takes_the_definitions_along(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any
) -> None:
    hass.config_entries.async_update_entry(site, data={"prefix": "veroallarme", "site": "barn"})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sent(mqtt_mock, "camera/front_door/config")[0] is None
