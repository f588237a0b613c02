import asyncio
from unittest.mock import patch

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from custom_components.veroallarme import commands

from .test_actions import act, analyze
from .worker import say, sent, verdict


async def test_analyze_says_why_the_worker_cannot(hass: HomeAssistant, site, mqtt_mock) -> None:
    with pytest.raises(HomeAssistantError, match="Drive could not be analyzed: no picture"):
        await analyze(hass, mqtt_mock, {"error": "no picture"})


async def test_analyze_does_not_wait_for_ever(hass: HomeAssistant, site, mqtt_mock) -> None:
    with (
        patch.object(commands, "ANALYZE_TIMEOUT_S", 0.05),
        pytest.raises(HomeAssistantError, match="no answer about Drive in time"),
    ):
        await analyze(hass, mqtt_mock, "no json", {"state": "relevant"})
    await say(hass, "camera/drive/analyze/of_somebody_else", verdict())


async def test_analyze_ends_with_its_site(hass: HomeAssistant, site, mqtt_mock) -> None:
    action = hass.async_create_task(act(hass, "analyze"))
    while not sent(mqtt_mock, "camera/drive/analyze"):
        await asyncio.sleep(0)
    await hass.config_entries.async_unload(site.entry_id)
    with pytest.raises(HomeAssistantError, match="no answer about Drive in time"):
        await action
