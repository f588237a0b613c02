from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.veroallarme import lost_motion

from .bridged import move
from .repairs import shown
from .worker import say, verdict


async def test_a_burst_that_nobody_answers_is_told(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, bridged, mqtt_mock: Any
) -> None:
    """A broker whose access list forbids it drops a message and says nothing."""
    await move(hass, "on")
    freezer.tick(lost_motion.VERDICT_PATIENCE_S + 1)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    placeholders = shown(hass).get("motion_lost")
    assert placeholders is not None
    assert "no verdict came" in placeholders["why"]
    await say(hass, "camera/front_door/event", verdict())
    assert shown(hass).get("motion_lost") is None


async def test_a_burst_that_is_answered_is_not_told(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, bridged, mqtt_mock: Any
) -> None:
    await move(hass, "on")
    await say(hass, "camera/front_door/event", verdict())
    freezer.tick(lost_motion.VERDICT_PATIENCE_S + 1)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert shown(hass).get("motion_lost") is None
