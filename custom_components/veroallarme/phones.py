"""Phones with the Home Assistant app: what is sent to them, and how to reach each by its device."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, final

from homeassistant.components.notify import DOMAIN as NOTIFY_DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN

_LOGGER = logging.getLogger(__name__)

MOBILE_APP = "mobile_app"


@final
@dataclass(frozen=True, kw_only=True)
class Delivery:
    """To whom something is sent, and how."""

    phones: tuple[str, ...]
    """Their devices."""
    page: str = ""
    """Path of the dashboard that a tap opens; empty opens the event on the worker's page, or, where
    there is none, among the media."""
    quiet_from: time | None = None
    quiet_until: time | None = None
    cool_down_s: float = 0.0
    """For how long further notifications about the same camera make no sound."""
    follow_up: bool = False
    """Whether the alarm was on already: then only a person, where none was told of, is heard."""

    def is_quiet(self, moment: datetime) -> bool:
        """Whether nothing shall make a sound at a moment, by the clock of the house."""
        begin, end, now = self.quiet_from, self.quiet_until, moment.time()
        if begin is None or end is None or begin == end:
            return False
        return begin <= now < end if begin < end else now >= begin or now < end


def sound(*, is_quiet: bool) -> dict[str, Any]:
    """Return what lets a notification through at once, with or without a sound."""
    data: dict[str, Any] = {"ttl": 0, "priority": "high", "group": "veroallarme"}
    if is_quiet:
        quiet = {"interruption-level": "passive", "sound": "none"}
        return {**data, "channel": "VeroAllarme quiet", "importance": "low", "push": quiet}
    push = {"interruption-level": "time-sensitive"}
    return {**data, "channel": "VeroAllarme", "importance": "high", "push": push}


async def async_send(
    hass: HomeAssistant, phones: Iterable[str], title: str, message: str, data: Mapping[str, Any]
) -> None:
    """Send a notification to each phone; one that cannot be reached keeps it from no other.

    Raises:
        HomeAssistantError: none of them could be reached.
    """
    failures: list[str] = []
    reached = 0
    for device_id in phones:
        try:
            await _send_to(hass, device_id, {"title": title, "message": message, "data": data})
            reached += 1
        except HomeAssistantError as error:
            name = _name(hass, device_id)
            failures.append(f"{name}: {error}")
            _LOGGER.warning("The phone %s cannot be notified: %s", name, error)
    if failures and not reached:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="phones_unreachable",
            translation_placeholders={"error": "; ".join(failures)},
        )


async def _send_to(hass: HomeAssistant, device_id: str, content: dict[str, Any]) -> None:
    if MOBILE_APP not in hass.config.components:
        raise HomeAssistantError(translation_domain=DOMAIN, translation_key="no_phone_app")
    # Not before it is there: it brings requirements of its own.
    from homeassistant.components.mobile_app import device_action

    webhook_id = device_action.webhook_id_from_device_id(hass, device_id)
    service = webhook_id and device_action.get_notify_service(hass, webhook_id)
    if not service:
        raise HomeAssistantError(translation_domain=DOMAIN, translation_key="no_phone")
    await hass.services.async_call(NOTIFY_DOMAIN, service, dict(content), blocking=True)


def _name(hass: HomeAssistant, device_id: str) -> str:
    device = dr.async_get(hass).async_get(device_id)
    return (device and (device.name_by_user or device.name)) or device_id
