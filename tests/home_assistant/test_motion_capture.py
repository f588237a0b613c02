import asyncio
import base64
import json
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from homeassistant.components.camera import Camera
from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.setup import async_setup_component

from custom_components.veroallarme import pictures
from custom_components.veroallarme.orientation import orientation

from .bridged import CAMERA, MOTION, WITH_FRONT_DOOR, CameraOfHome, add, bursts, move
from .test_orientation import jpeg as lying
from .worker import JPEG, changed, say, sent


async def test_pictures_are_asked_for_with_a_pause(
    hass: HomeAssistant, bridged, site, camera: CameraOfHome
) -> None:
    data = dict(bridged.data) | {"spacing_s": 0.5}
    hass.config_entries.async_update_subentry(site, bridged, data=data)
    await hass.async_block_till_done(wait_background_tasks=True)
    with patch("custom_components.veroallarme.pictures.asyncio.sleep", AsyncMock()) as sleep:
        await move(hass, "on")
    pauses = [call.args[0] for call in sleep.call_args_list]
    assert [pause for pause in pauses if pause] == [0.5, 0.5]


async def test_a_camera_that_hangs_does_not_hold_up_the_alarm(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    camera.blocked = asyncio.Event()
    with patch.object(pictures, "BURST_LIMIT_S", 0.01):
        await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    assert burst["frames"] == []


async def test_pictures_too_large_for_a_burst_are_asked_for_smaller(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    camera.pictures = [JPEG + bytes(8_000_000), JPEG + bytes(7_000_000)]
    await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    assert camera.widths == [None, 1920, 1280, 1280, 1280]
    assert len(burst["frames"]) == 3
    await move(hass, "off", "on")
    assert camera.widths[5:] == [1280, 1280, 1280], "what was found out once is remembered"


async def test_a_picture_that_was_made_smaller_stands_as_the_camera_does(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    """Home Assistant scales the pixels as they are stored and leaves the tags out."""
    camera.pictures = [lying(turn=6) + bytes(8_000_000), *(lying() + bytes([n]) for n in range(6))]
    for _ in range(2):
        await move(hass, "on", "off")
    for burst in bursts(mqtt_mock):
        pictures = [base64.b64decode(frame["jpeg"]) for frame in burst["frames"]]
        assert [orientation(picture) for picture in pictures] == [6, 6, 6]


async def test_a_burst_stays_below_what_the_broker_takes(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    await say(hass, "info", changed(WITH_FRONT_DOOR, max_burst_bytes=900_000))
    small = [JPEG + bytes([number]) + bytes(220_000) for number in range(2)]
    camera.pictures = [small[0], JPEG + bytes(300_000), small[1], *[JPEG + bytes(300_000)] * 3]
    await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    assert len(burst["frames"]) == 2
    assert len(json.dumps(burst)) < 900_000


async def test_motion_that_begins_again_during_a_burst_gets_its_own(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    camera.blocked = asyncio.Event()
    hass.states.async_set(MOTION, "on")
    await hass.async_block_till_done()
    hass.states.async_set(MOTION, "off")
    hass.states.async_set(MOTION, "on")
    await hass.async_block_till_done()
    camera.blocked.set()
    await move(hass, "off")
    first, second = bursts(mqtt_mock)
    assert first["event_id"] != second["event_id"]
    assert sent(mqtt_mock, "camera/front_door/motion_end") == [{"event_id": second["event_id"]}]


class HangingCamera(Camera):
    """A camera entity whose integration never answers, while it hangs."""

    _attr_name = "Front door"

    def __init__(self) -> None:
        super().__init__()
        self.entity_id = CAMERA
        self.hangs = False
        self.asked = 0

    async def async_camera_image(
        self, width: int | None = None, height: int | None = None
    ) -> bytes | None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        return JPEG + bytes([self.asked])


@pytest.fixture
async def hanging(hass: HomeAssistant, site, mqtt_mock: Any) -> HangingCamera:
    """Bridge a real entity: Home Assistant's camera API swallows the cancellation of a request."""
    assert await async_setup_component(hass, "camera", {})
    camera = HangingCamera()
    await hass.data[DATA_COMPONENT].async_add_entities([camera])
    hass.states.async_set(MOTION, "off")
    assert (await add(hass, site))["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)
    await say(hass, "info", WITH_FRONT_DOOR)
    mqtt_mock.async_publish.reset_mock()
    camera.hangs = True
    return camera


async def test_the_limit_of_a_burst_holds_for_a_camera_that_hangs(
    hass: HomeAssistant, hanging: HangingCamera, mqtt_mock: Any
) -> None:
    with patch.object(pictures, "BURST_LIMIT_S", 0.1):
        await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    assert burst["frames"] == []
    assert hanging.asked == 2, "once by the flow, once for the burst"
