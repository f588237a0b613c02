from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from custom_components.veroallarme.const import DOMAIN

from .worker import INFO, changed, devices, say


async def test_the_version_of_the_worker_shows_on_its_device(hass: HomeAssistant, site) -> None:
    await say(hass, "info", changed(INFO, version="0.2.0"))
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, site.entry_id), site.entry_id
    )
    assert device is not None
    assert device.sw_version == "0.2.0"


async def test_a_camera_is_renamed_by_info(hass: HomeAssistant, site) -> None:
    drive = INFO["cameras"][0] | {"name": "Driveway"}
    await say(hass, "info", changed(INFO, cameras=[drive, INFO["cameras"][1]]))
    assert "Driveway" in devices(hass)
