from homeassistant.components.media_source import async_browse_media
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_capture_events

from custom_components.veroallarme.const import DOMAIN, EVENT_DECISION

from .archive import Archive
from .test_actions import device_id
from .worker import INFO, changed, devices, say, verdict


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


async def test_a_camera_that_the_user_renames_is_told_by_that_name(
    hass: HomeAssistant, site, archive: Archive, hass_ws_client
) -> None:
    assert await async_setup_component(hass, "media_source", {})
    registry = dr.async_get(hass)
    registry.async_update_device(device_id(hass), name_by_user="Einfahrt")
    root = await async_browse_media(hass, "media-source://veroallarme")
    assert [folder.title for folder in root.children or []] == ["Einfahrt", "Garden"]
    browser = await hass_ws_client()
    await browser.send_json_auto_id({"type": "veroallarme/events"})
    cameras = (await browser.receive_json())["result"]["cameras"]
    assert {camera["name"] for camera in cameras} == {"Einfahrt", "Garden"}
    heard = async_capture_events(hass, EVENT_DECISION)
    await say(hass, "camera/drive/event", verdict())
    assert heard[0].data["name"] == "Einfahrt"
    registry.async_update_device(device_id(hass), name_by_user=None)
    await say(hass, "camera/drive/event", verdict("20261123_061402_000002"))
    assert heard[1].data["name"] == "Drive"
