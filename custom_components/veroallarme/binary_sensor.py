"""Binary sensors: the alarm, and whether camera and worker are there."""

from datetime import datetime
from typing import Any, override

from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.const import EntityCategory
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_call_later

from .contract import FEEDBACK_WORDS, CameraInfo
from .entity import CameraEntity, async_add_for_cameras
from .hub import Hub, VeroAllarmeConfigEntry
from .site_entity import SiteEntity

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: VeroAllarmeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensors of a site."""
    hub = entry.runtime_data
    async_add_entities([WorkerSensor(hub), ProblemSensor(hub)])
    async_add_for_cameras(
        hub, async_add_entities, lambda info: (AlarmSensor(hub, info), SnapshotSensor(hub, info))
    )


class AlarmSensor(CameraEntity, BinarySensorEntity):
    """On while relevant motion goes on, and never longer than its verdict allows."""

    _attr_device_class = BinarySensorDeviceClass.MOTION
    _unrecorded_attributes = frozenset({"explanation", "regions"})
    kinds = ("relevant", "verdict")
    _end: CALLBACK_TYPE | None = None

    def __init__(self, hub: Hub, info: CameraInfo) -> None:
        """Set up the alarm of a camera."""
        super().__init__(hub, info, "relevant_motion")

    @property
    @override
    def available(self) -> bool:
        """Whether a worker is there that watches this camera."""
        return self.hub.online and super().available

    @property
    @override
    def is_on(self) -> bool | None:
        """Whether the alarm is on."""
        return self.camera.alarm.is_on

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """The latest verdict."""
        verdict = self.camera.verdict
        if verdict is None:
            return None
        thumb = self.camera.thumbs.get(verdict.event_id)
        return verdict.summary() | {
            "state": verdict.state,
            "regions": verdict.regions,
            "feedback": thumb if thumb is None else FEEDBACK_WORDS[thumb],
        }

    @override
    async def async_added_to_hass(self) -> None:
        """Listen, and end an alarm that was on before a restart."""
        await super().async_added_to_hass()
        self.async_on_remove(self._cancel_end)
        self._schedule_end()

    @callback
    @override
    def on_update(self) -> None:
        """Show the alarm, and end it when its verdict says so."""
        self._schedule_end()
        super().on_update()

    @callback
    def _schedule_end(self) -> None:
        self._cancel_end()
        left_s = self.camera.alarm.left_s
        if self.camera.alarm.is_on and left_s is not None:
            self._end = async_call_later(self.hass, left_s, self._on_end)

    @callback
    def _on_end(self, _: datetime) -> None:
        self._end = None
        # Timers may run out a little early: then it is scheduled again.
        self.on_update()

    @callback
    def _cancel_end(self) -> None:
        if self._end is not None:
            self._end()
            self._end = None


class SnapshotSensor(CameraEntity, BinarySensorEntity):
    """Whether pictures of the camera can be had."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    kinds = ("connectivity",)

    def __init__(self, hub: Hub, info: CameraInfo) -> None:
        """Set up the connectivity of a camera."""
        super().__init__(hub, info, "snapshots")

    @property
    @override
    def is_on(self) -> bool | None:
        """Whether the last picture could be had."""
        return self.camera.connected


class WorkerSensor(SiteEntity, BinarySensorEntity):
    """Whether a worker is there."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY

    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(self, hub: Hub) -> None:
        """Set up the connectivity of the worker."""
        super().__init__(hub, "worker")

    @property
    @override
    def is_on(self) -> bool:
        """Whether a worker is online and speaks our contract."""
        return self.hub.online


class ProblemSensor(SiteEntity, BinarySensorEntity):
    """Whether the worker has trouble, and what to do about it."""

    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _unrecorded_attributes = frozenset({"message"})

    def __init__(self, hub: Hub) -> None:
        """Set up the problem of the worker."""
        super().__init__(hub, "problem")

    @property
    @override
    def is_on(self) -> bool:
        """Whether a worker reports trouble, or none is there to report any."""
        return not self.hub.online or bool(self.hub.workers.faults)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """What the trouble is."""
        faults = self.hub.workers.faults
        return {"message": faults[0].message if faults else None}
