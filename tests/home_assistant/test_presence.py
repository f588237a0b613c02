from typing import Any
from unittest.mock import patch

from homeassistant.components.mqtt.const import MQTT_CONNECTION_STATE
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.dispatcher import async_dispatcher_send

from .worker import ROOT


def signs(mqtt_mock: Any, site: Any) -> list[str]:
    """What was said on the topic by which a worker knows of this site, all of it retained."""
    topic = f"{ROOT}/integration/{site.entry_id.lower()}"
    calls = [call.args for call in mqtt_mock.async_publish.call_args_list]
    said = [(payload, retain) for found, payload, _, retain in calls if found == topic]
    assert all(retain for _, retain in said)
    return [payload for payload, _ in said]


async def test_the_worker_knows_of_a_site_as_long_as_it_is_there(
    hass: HomeAssistant, start_site, mqtt_mock: Any
) -> None:
    site = await start_site()
    assert signs(mqtt_mock, site) == ["installed"]
    assert await hass.config_entries.async_unload(site.entry_id)
    await start_site()
    # A reload takes nothing back, or the worker would announce its cameras for a moment.
    assert set(signs(mqtt_mock, site)) == {"installed"}
    await hass.config_entries.async_remove(site.entry_id)
    assert signs(mqtt_mock, site)[-1] == ""


async def test_a_broker_that_has_forgotten_is_told_again(
    hass: HomeAssistant, site, mqtt_mock: Any
) -> None:
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, False)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert signs(mqtt_mock, site) == ["installed"]
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, True)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert signs(mqtt_mock, site) == ["installed", "installed"]


async def test_a_site_that_is_disabled_leaves_the_field(
    hass: HomeAssistant, site, mqtt_mock: Any
) -> None:
    await hass.config_entries.async_set_disabled_by(site.entry_id, ConfigEntryDisabler.USER)
    assert signs(mqtt_mock, site) == ["installed", ""]


async def test_a_site_that_moves_takes_its_sign_along(
    hass: HomeAssistant, site, mqtt_mock: Any
) -> None:
    with patch("custom_components.veroallarme.hub.INFO_TIMEOUT_S", 0.01):
        hass.config_entries.async_update_entry(site, data={**site.data, "site": "office"})
        await hass.async_block_till_done()
    assert signs(mqtt_mock, site)[-1] == ""


async def test_a_broker_that_is_away_is_no_reason_to_fail(
    hass: HomeAssistant, site, mqtt_mock: Any, caplog
) -> None:
    mqtt_mock.async_publish.side_effect = HomeAssistantError("no broker")
    await hass.config_entries.async_remove(site.entry_id)
    assert "was not told whether the integration is there: no broker" in caplog.text
