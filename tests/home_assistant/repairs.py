"""The repairs that Home Assistant shows, and the time that trouble needs to become one."""

from collections.abc import Mapping
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.veroallarme.const import DOMAIN

from .worker import HEALTH, say


def shown(hass: HomeAssistant) -> dict[str | None, dict[str, str] | None]:
    """Return the repairs of the integration that are shown, and what their texts name."""
    issues = ir.async_get(hass).issues.values()
    return {
        issue.translation_key: issue.translation_placeholders
        for issue in issues
        if issue.domain == DOMAIN and issue.active
    }


async def pass_reports(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    seconds: float,
    health: Mapping[str, Any] = HEALTH,
) -> None:
    """Let time pass while the worker reports."""
    while seconds > 0:
        freezer.tick(step := min(seconds, 60.0))
        seconds -= step
        async_fire_time_changed(hass)
        await say(hass, "worker/main/health", health)
