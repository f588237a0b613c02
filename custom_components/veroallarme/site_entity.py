"""What the entities of a site share."""

from typing import override

from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity

from .const import DOMAIN
from .hub import Hub
from .listeners import HEALTH


class SiteEntity(Entity):
    """Something about the worker; it stays available when the worker is gone."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, hub: Hub, key: str) -> None:
        """Set up the entity ``key`` of the site."""
        self.hub = hub
        self._attr_translation_key = key
        self._attr_unique_id = f"{hub.entry.entry_id}_{key}"
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, hub.entry.entry_id)})

    @override
    async def async_added_to_hass(self) -> None:
        """Listen to how the worker is."""
        self.async_on_remove(self.hub.listeners.async_add("", (HEALTH,), self.async_write_ha_state))
