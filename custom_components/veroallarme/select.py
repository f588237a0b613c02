"""Selects: settings of the worker that are one of a few words."""

from enum import StrEnum
from typing import override

from homeassistant.components.select import SelectEntity
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .contract import CameraInfo
from .entity import CameraEntity, async_add_for_cameras
from .hub import Hub, VeroAllarmeConfigEntry
from .settings import Mode, Objects, OnUnknown

PARALLEL_UPDATES = 0
OPTIONS: dict[str, type[StrEnum]] = {"mode": Mode, "objects": Objects, "on_unknown": OnUnknown}
_RARELY_CHANGED = ("on_unknown",)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: VeroAllarmeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the selects of a site."""
    hub = entry.runtime_data
    async_add_for_cameras(
        hub,
        async_add_entities,
        lambda info: [SettingSelect(hub, info, setting) for setting in OPTIONS],
    )


class SettingSelect(CameraEntity, SelectEntity):
    """A setting; it changes when the worker says that it has changed."""

    _attr_entity_category = EntityCategory.CONFIG
    kinds = ("settings",)

    def __init__(self, hub: Hub, info: CameraInfo, setting: str) -> None:
        """Set up the select of a setting."""
        self._attr_entity_registry_enabled_default = setting not in _RARELY_CHANGED
        super().__init__(hub, info, setting)
        self._setting = setting
        self._attr_options = list(OPTIONS[setting])

    @property
    @override
    def current_option(self) -> str | None:
        """The setting in force."""
        settings = self.camera.settings
        return None if settings is None else getattr(settings, self._setting)

    @override
    async def async_select_option(self, option: str) -> None:
        """Ask the worker to change the setting."""
        self.require_worker()
        value = Objects(option).kinds if self._setting == "objects" else option
        await self.hub.commands.async_set(self.camera_id, **{self._setting: value})
