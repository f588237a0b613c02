"""A camera of Home Assistant that is brought to the worker, for the tests of the bridge."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.components.camera import Image
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.veroallarme.const import SUBENTRY_CAMERA

from .worker import INFO, JPEG, changed, say, sent

CAMERA, MOTION = "camera.front_door", "binary_sensor.front_door_motion"


CHOICE = {"camera_entity": CAMERA, "motion_entity": MOTION}


FRONT_DOOR = {"id": "front_door", "name": "Front door", "origin": "home_assistant"}


WITH_FRONT_DOOR = changed(INFO, cameras=[*INFO["cameras"], FRONT_DOOR])


class CameraOfHome:
    """Stands in for Home Assistant's camera API: gives one picture after the other."""

    def __init__(self) -> None:
        self.pictures: list[bytes | Exception] = []
        self.asked_at: list[float] = []
        self.blocked: asyncio.Event | None = None
        self.widths: list[int | None] = []

    async def take(
        self,
        hass: HomeAssistant,
        entity_id: str,
        width: int | None = None,
        height: int | None = None,
    ) -> Image:
        self.asked_at.append(hass.loop.time())
        self.widths.append(width)
        if self.blocked is not None:
            await self.blocked.wait()
        picture = self.pictures.pop(0) if self.pictures else JPEG + bytes([len(self.asked_at)])
        if isinstance(picture, Exception):
            raise picture
        return Image("image/jpeg", picture)


@pytest.fixture
def camera() -> Iterator[CameraOfHome]:
    camera = CameraOfHome()
    with patch("custom_components.veroallarme.pictures.async_get_image", camera.take):
        yield camera


@pytest.fixture
async def bridged(
    hass: HomeAssistant, site: MockConfigEntry, camera: CameraOfHome, mqtt_mock: Any
) -> ConfigSubentry:
    """Return the subentry of a camera that was added from Home Assistant."""
    hass.states.async_set(CAMERA, "idle", {"friendly_name": "Front door"})
    hass.states.async_set(MOTION, "off")
    result = await add(hass, site)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)
    (subentry,) = site.subentries.values()
    data = dict(subentry.data) | {"spacing_s": 0.0}
    hass.config_entries.async_update_subentry(site, subentry, data=data)
    await hass.async_block_till_done(wait_background_tasks=True)
    await say(hass, "info", WITH_FRONT_DOOR)
    mqtt_mock.async_publish.reset_mock()
    camera.asked_at.clear()
    camera.widths.clear()
    return site.subentries[subentry.subentry_id]


async def add(hass: HomeAssistant, site: MockConfigEntry, choice: Any = CHOICE) -> Any:
    handler = (site.entry_id, SUBENTRY_CAMERA)
    form = await hass.config_entries.subentries.async_init(handler, context={"source": "user"})
    if form["type"] is not FlowResultType.FORM:
        return form
    return await hass.config_entries.subentries.async_configure(form["flow_id"], choice)


async def move(hass: HomeAssistant, *states: str, entity_id: str = MOTION) -> None:
    for value in states:
        hass.states.async_set(entity_id, value)
    await hass.async_block_till_done(wait_background_tasks=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


def bursts(mqtt_mock: Any) -> list[Any]:
    """Return the bursts that were sent."""
    return sent(mqtt_mock, "camera/front_door/burst")


async def move_shortly(hass: HomeAssistant) -> None:
    """Let something move, for as long as a burst takes."""
    hass.states.async_set(MOTION, "on")
    await asyncio.sleep(0.05)
    hass.states.async_set(MOTION, "off")
    await hass.async_block_till_done()
