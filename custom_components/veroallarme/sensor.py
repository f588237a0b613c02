"""Sensors: score, totals, zones, and how far the camera has been learned."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfTime
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .cameras import Camera
from .contract import CameraInfo
from .entity import CameraEntity, async_add_for_cameras
from .hub import Hub, VeroAllarmeConfigEntry

PARALLEL_UPDATES = 0


def _learning(camera: Camera) -> dict[str, Any] | None:
    stats = camera.stats
    return stats and asdict(stats.learning) | {"notice": stats.notice}


def _zones(camera: Camera) -> dict[str, Any] | None:
    return camera.settings and {"zones": camera.settings.zones}


def _promise(camera: Camera) -> dict[str, Any] | None:
    promise = camera.stats and camera.stats.promise
    return promise and asdict(promise)


@dataclass(frozen=True, kw_only=True)
class CameraSensorDescription(SensorEntityDescription):
    """A sensor that shows one value of a camera."""

    kind: str
    value: Callable[[Camera], float | None]
    attributes: Callable[[Camera], Mapping[str, Any] | None] = lambda _: None


SENSORS = (
    CameraSensorDescription(
        key="score",
        kind="verdict",
        value=lambda camera: camera.verdict and camera.verdict.score,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
    ),
    CameraSensorDescription(
        key="suppressed",
        kind="stats",
        value=lambda camera: camera.stats and camera.stats.suppressed,
        state_class=SensorStateClass.TOTAL_INCREASING,
    ),
    CameraSensorDescription(
        key="relevant",
        kind="stats",
        value=lambda camera: camera.stats and camera.stats.relevant,
        state_class=SensorStateClass.TOTAL_INCREASING,
    ),
    CameraSensorDescription(
        key="unknown",
        kind="stats",
        value=lambda camera: camera.stats and camera.stats.unknown,
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_registry_enabled_default=False,
    ),
    CameraSensorDescription(
        key="review",
        kind="review",
        value=lambda camera: None if camera.review is None else len(camera.review),
        attributes=lambda camera: {"events": camera.review},
        state_class=SensorStateClass.MEASUREMENT,
    ),
    CameraSensorDescription(
        key="learning",
        kind="stats",
        value=lambda camera: camera.stats and camera.stats.learning.share * 100,
        attributes=_learning,
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    CameraSensorDescription(
        key="promise",
        kind="stats",
        value=lambda camera: (
            camera.stats and camera.stats.promise and camera.stats.promise.recall * 100
        ),
        attributes=_promise,
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    CameraSensorDescription(
        key="zones",
        kind="settings",
        value=lambda camera: camera.settings and len(camera.settings.zones),
        attributes=_zones,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    CameraSensorDescription(
        key="decision_time",
        kind="verdict",
        value=lambda camera: camera.verdict and camera.verdict.total_ms,
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.MILLISECONDS,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: VeroAllarmeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of a site."""
    hub = entry.runtime_data
    async_add_for_cameras(
        hub,
        async_add_entities,
        lambda info: [CameraSensor(hub, info, description) for description in SENSORS],
    )


class CameraSensor(CameraEntity, SensorEntity):
    """One value of a camera."""

    _unrecorded_attributes = frozenset({"events", "missing", "notice", "zones"})
    entity_description: CameraSensorDescription

    def __init__(self, hub: Hub, info: CameraInfo, description: CameraSensorDescription) -> None:
        """Set up a sensor of a camera."""
        super().__init__(hub, info, description.key)
        self.entity_description = description
        self.kinds = (description.kind,)

    @property
    @override
    def native_value(self) -> float | None:
        """The value as the worker told it last."""
        return self.entity_description.value(self.camera)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        """What stands behind the value."""
        return self.entity_description.attributes(self.camera)
