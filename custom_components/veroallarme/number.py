"""Numbers: settings of the worker that are numbers."""

from typing import override

from homeassistant.components.number import NumberDeviceClass, NumberEntity, NumberMode
from homeassistant.const import EntityCategory, UnitOfTime
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .contract import CameraInfo
from .entity import CameraEntity, async_add_for_cameras
from .hub import Hub, VeroAllarmeConfigEntry

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: VeroAllarmeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the numbers of a site."""
    hub = entry.runtime_data
    async_add_for_cameras(
        hub, async_add_entities, lambda info: (ThresholdNumber(hub, info), HoldNumber(hub, info))
    )


class ThresholdNumber(CameraEntity, NumberEntity):
    """The score below which motion counts as nuisance."""

    _attr_entity_category = EntityCategory.CONFIG
    _attr_entity_registry_enabled_default = False
    _attr_native_max_value = 1.0
    _attr_native_min_value = 0.0
    _attr_native_step = 0.01
    kinds = ("settings", "verdict")

    def __init__(self, hub: Hub, info: CameraInfo) -> None:
        """Set up the threshold of a camera."""
        super().__init__(hub, info, "threshold")

    @property
    @override
    def native_value(self) -> float | None:
        """The user's threshold, else the calibrated one as far as a verdict has told it."""
        settings = self.camera.settings
        if settings is not None and settings.threshold is not None:
            return settings.threshold
        return self.camera.calibrated_threshold

    @property
    @override
    def extra_state_attributes(self) -> dict[str, bool | None]:
        """Whether the threshold is the calibrated one."""
        settings = self.camera.settings
        return {"calibrated": settings and settings.threshold is None}

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Ask the worker to use this threshold from now on."""
        self.require_worker()
        await self.hub.commands.async_set(self.camera_id, threshold=value)


class HoldNumber(CameraEntity, NumberEntity):
    """The shortest time that an alarm stays on."""

    _attr_device_class = NumberDeviceClass.DURATION
    _attr_entity_category = EntityCategory.CONFIG
    _attr_entity_registry_enabled_default = False
    _attr_mode = NumberMode.BOX
    _attr_native_max_value = 3600.0
    _attr_native_min_value = 1.0
    _attr_native_unit_of_measurement = UnitOfTime.SECONDS
    kinds = ("settings",)

    def __init__(self, hub: Hub, info: CameraInfo) -> None:
        """Set up the hold of a camera."""
        super().__init__(hub, info, "hold")

    @property
    @override
    def native_value(self) -> float | None:
        """The hold in force."""
        settings = self.camera.settings
        return settings and settings.hold_s

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Ask the worker to hold alarms for so long from now on."""
        self.require_worker()
        await self.hub.commands.async_set(self.camera_id, hold_s=value)
