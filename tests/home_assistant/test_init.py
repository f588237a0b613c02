from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component

from custom_components.veroallarme import hub

from .bridged import WITH_FRONT_DOOR
from .worker import INFO, changed, say, sent, state


async def test_a_site_is_set_up_and_unloaded(hass: HomeAssistant, site) -> None:
    assert site.state is ConfigEntryState.LOADED
    assert state(hass, "binary_sensor", "relevant_motion") == "off"
    assert await hass.config_entries.async_unload(site.entry_id)
    assert site.state is ConfigEntryState.NOT_LOADED


async def test_a_site_is_set_up_while_its_worker_is_offline(
    hass: HomeAssistant, start_site
) -> None:
    site = await start_site(retained={"worker/main/status": "offline"})
    assert site.state is ConfigEntryState.LOADED
    assert state(hass, "binary_sensor", "relevant_motion") == "unavailable"


async def test_a_site_of_another_contract_is_set_up_without_cameras(
    hass: HomeAssistant, start_site
) -> None:
    site = await start_site(INFO | {"contract": 2})
    assert site.state is ConfigEntryState.LOADED
    assert state(hass, "binary_sensor", "worker", "") == "off"


async def test_a_site_that_nobody_serves_is_tried_again(
    hass: HomeAssistant, entry, mqtt_mock
) -> None:
    entry.add_to_hass(hass)
    with patch.object(hub, "INFO_TIMEOUT_S", 0.01):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.reason == (
        "Nothing came on veroallarme/home/info: is the worker running, and does it use the same "
        "broker?"
    )


async def test_a_site_waits_for_mqtt(hass: HomeAssistant, entry, mqtt_mock) -> None:
    entry.add_to_hass(hass)
    with patch(
        "custom_components.veroallarme.hub.mqtt.async_wait_for_mqtt_client", return_value=False
    ):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.reason == "Home Assistant is not connected to MQTT"


async def test_no_device_is_removed_while_the_site_is_not_loaded(
    hass: HomeAssistant, site, hass_ws_client
) -> None:
    assert await async_setup_component(hass, "config", {})
    device = dr.async_get(hass).async_get_device_by_identifier(
        ("veroallarme", f"{site.entry_id}/garden"), site.entry_id
    )
    assert device is not None
    assert await hass.config_entries.async_unload(site.entry_id)
    client = await hass_ws_client(hass)
    assert not (await client.remove_device(device.id))["success"]


async def test_devices_may_be_removed_where_nobody_brings_them(
    hass: HomeAssistant, bridged, site, hass_ws_client, mqtt_mock: Any
) -> None:
    assert await async_setup_component(hass, "config", {})
    orphan = {"id": "orphan", "name": "Orphan", "origin": "home_assistant"}
    await say(hass, "info", changed(INFO, cameras=[*WITH_FRONT_DOOR["cameras"], orphan]))
    client = await hass_ws_client(hass)
    registry = dr.async_get(hass)

    async def removed(identifier: str) -> bool:
        device = registry.async_get_device_by_identifier(("veroallarme", identifier), site.entry_id)
        assert device is not None
        answer = await client.remove_device(device.id)
        return bool(answer["success"])

    assert not await removed(site.entry_id)
    assert not await removed(f"{site.entry_id}/drive")
    assert not await removed(f"{site.entry_id}/front_door")
    assert sent(mqtt_mock, "camera/orphan/config") == []
    assert await removed(f"{site.entry_id}/orphan")
    assert sent(mqtt_mock, "camera/orphan/config") == [None]
    site.runtime_data.info.cameras.pop("garden")
    assert await removed(f"{site.entry_id}/garden")
