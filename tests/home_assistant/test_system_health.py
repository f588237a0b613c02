from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import get_system_health_info

from custom_components.veroallarme.const import DOMAIN

from .worker import say


async def test_system_health_counts_sites_and_cameras(hass: HomeAssistant, site) -> None:
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    info = await get_system_health_info(hass, DOMAIN)
    assert info == {"sites": 1, "sites_online": 1, "cameras": 2, "worker_version": "0.1.0"}
    await say(hass, "worker/main/status", "offline")
    assert (await get_system_health_info(hass, DOMAIN))["sites_online"] == 0
