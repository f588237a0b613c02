import pytest
from homeassistant.core import HomeAssistant

from custom_components.veroallarme.contract import MAX_CAMERAS

from .worker import ALARM, INFO, JPEG, changed, devices, publish, say, state

FRONT = {"id": "front", "name": "Front", "origin": "local"}


async def test_cameras_come_and_go_with_info(hass: HomeAssistant, site) -> None:
    assert devices(hass) == {"VeroAllarme home", "Drive", "Garden"}
    await say(hass, "camera/front/relevant", "OFF")
    await say(hass, "info", changed(INFO, cameras=[*INFO["cameras"], FRONT]))
    assert devices(hass) == {"VeroAllarme home", "Drive", "Garden", "Front"}
    assert state(hass, *ALARM, "front") == "off"
    await say(hass, "info", changed(INFO, cameras=[INFO["cameras"][0]]))
    assert devices(hass) == {"VeroAllarme home", "Drive"}
    await say(hass, "info", changed(INFO, cameras=[*INFO["cameras"], FRONT]))
    assert devices(hass) == {"VeroAllarme home", "Drive", "Garden", "Front"}
    assert state(hass, *ALARM, "front") == "unknown"


async def test_state_of_cameras_that_are_no_more_is_dropped(hass: HomeAssistant, site) -> None:
    await say(hass, "camera/ghost/image", JPEG, retained=True)
    await say(hass, "info", INFO)
    assert "ghost" not in site.runtime_data.cameras.by_id


async def test_a_camera_too_many_is_told(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(MAX_CAMERAS + 2):
        publish(hass, f"camera/flood_{number}/relevant", "ON")
    await hass.async_block_till_done()
    assert caplog.text.count(f"there are {MAX_CAMERAS} cameras already") == 1
