"""Sensors: reason, score, totals, zones, learning, and what is wrong with the worker."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    MAX_LENGTH_STATE_STATE,
    PERCENTAGE,
    EntityCategory,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .cameras import Camera
from .contract import CameraInfo
from .entity import CameraEntity, async_add_for_cameras
from .hub import Hub, VeroAllarmeConfigEntry
from .reasons import REASONS
from .site_entity import SiteEntity
from .stats import LearningStage
from .words import learning_words

PARALLEL_UPDATES = 0


def _reason(camera: Camera) -> dict[str, Any] | None:
    verdict = camera.verdict
    return verdict and {
        "event_id": verdict.event_id,
        "code": verdict.reason,
        "explanation": verdict.explanation,
        "objects": verdict.objects,
    }


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
    value: Callable[[Camera], float | str | None]
    attributes: Callable[[Camera], Mapping[str, Any] | None] = lambda _: None


SENSORS = (
    CameraSensorDescription(
        key="reason",
        kind="verdict",
        value=lambda camera: camera.verdict and camera.verdict.reason_word,
        attributes=_reason,
        device_class=SensorDeviceClass.ENUM,
        options=list(REASONS),
    ),
    CameraSensorDescription(
        key="score",
        kind="verdict",
        value=lambda camera: camera.verdict and camera.verdict.score,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
        entity_registry_enabled_default=False,
    ),
    CameraSensorDescription(
        key="suppressed",
        kind="stats",
        value=lambda camera: camera.stats and camera.stats.suppressed,
        state_class=SensorStateClass.TOTAL_INCREASING,
    ),
    CameraSensorDescription(
        key="nuisance",
        kind="stats",
        value=lambda camera: camera.stats and camera.stats.nuisance,
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
        entity_registry_enabled_default=False,
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
        entity_registry_enabled_default=False,
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

LEARNING_STAGE = CameraSensorDescription(
    key="learning_stage",
    kind="stats",
    value=lambda camera: camera.stats and camera.stats.learning.stage,
    attributes=_learning,
    device_class=SensorDeviceClass.ENUM,
    options=list(LearningStage),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: VeroAllarmeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of a site."""
    hub = entry.runtime_data
    async_add_entities([StatusSensor(hub)])
    async_add_for_cameras(
        hub,
        async_add_entities,
        lambda info: [
            *(CameraSensor(hub, info, description) for description in SENSORS),
            LearningStageSensor(hub, info, LEARNING_STAGE),
        ],
    )


class CameraSensor(CameraEntity, SensorEntity):
    """One value of a camera."""

    _unrecorded_attributes = frozenset(
        {"events", "explanation", "missing", "notice", "progress", "zones"}
    )
    entity_description: CameraSensorDescription

    def __init__(self, hub: Hub, info: CameraInfo, description: CameraSensorDescription) -> None:
        """Set up a sensor of a camera."""
        super().__init__(hub, info, description.key)
        self.entity_description = description
        self.kinds = (description.kind,)

    @property
    @override
    def native_value(self) -> float | str | None:
        """The value as the worker told it last."""
        return self.entity_description.value(self.camera)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        """What stands behind the value."""
        return self.entity_description.attributes(self.camera)


class LearningStageSensor(CameraSensor):
    """How far a camera has been learned, in words."""

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        """What has moved and what still has to, as numbers and as a sentence."""
        attributes = super().extra_state_attributes
        stats = self.camera.stats
        if attributes is None or stats is None:
            return attributes
        return {**attributes, "progress": learning_words(self.hass, stats.learning)}


class StatusSensor(SiteEntity, SensorEntity):
    """What is wrong with the worker and its cameras, in words."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _unrecorded_attributes = frozenset({"errors"})

    def __init__(self, hub: Hub) -> None:
        """Set up the status of the site."""
        super().__init__(hub, "status")

    @property
    @override
    def native_value(self) -> str:
        """The latest trouble, as the worker says it, or that there is none."""
        if not self.hub.online:
            return "offline"
        faults = self.hub.workers.faults
        if not faults:
            return "fine"
        message = faults[0].message
        return message if len(message) <= MAX_LENGTH_STATE_STATE else f"{message[:250]}…"

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """All that is not resolved, the latest first."""
        return {"errors": [fault.message for fault in self.hub.workers.faults]}
