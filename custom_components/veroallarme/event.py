"""Event entity: fires once for each decision."""

from typing import override

from homeassistant.components.event import EventDeviceClass, EventEntity
from homeassistant.const import ATTR_DEVICE_ID, ATTR_ENTITY_ID, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import EVENT_DECISION
from .contract import CameraInfo
from .entity import CameraEntity, async_add_for_cameras
from .hub import Hub, VeroAllarmeConfigEntry
from .reasons import EventState

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: VeroAllarmeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the event entities of a site."""
    hub = entry.runtime_data
    async_add_for_cameras(hub, async_add_entities, lambda info: (DecisionEvent(hub, info),))


class DecisionEvent(CameraEntity, EventEntity):
    """The decisions about a camera's motion."""

    _attr_device_class = EventDeviceClass.MOTION
    _unrecorded_attributes = frozenset({"explanation"})
    kinds = ("event",)

    def __init__(self, hub: Hub, info: CameraInfo) -> None:
        """Set up the decisions of a camera."""
        super().__init__(hub, info, "decision")
        self._attr_event_types = list(EventState)

    @override
    async def async_get_last_state(self) -> State | None:
        """Return the state before a restart.

        Where no worker was there when Home Assistant ended, the entity was unavailable, and the
        time of the last decision is only in what it knew about that.
        """
        state = await super().async_get_last_state()
        if state is None or state.state != STATE_UNAVAILABLE:
            return state
        known = await self.async_get_last_event_data()
        decided_at = known and (known.last_event_attributes or {}).get("decided_at")
        return State(state.entity_id, decided_at, state.attributes) if decided_at else state

    @override
    async def async_added_to_hass(self) -> None:
        """Listen, and tell of a decision that came while this was set up."""
        await super().async_added_to_hass()
        self.on_update()

    @callback
    @override
    def on_update(self) -> None:
        """Fire, unless this decision was the last one before a restart."""
        verdict = self.camera.decision
        if verdict is None or self.state_attributes.get("event_id") == verdict.event_id:
            return
        self._trigger_event(verdict.state, verdict.summary())
        super().on_update()
        assert self.registry_entry is not None  # it has a unique id
        self.hass.bus.async_fire(
            EVENT_DECISION,
            {
                ATTR_ENTITY_ID: self.entity_id,
                ATTR_DEVICE_ID: self.registry_entry.device_id,
                "name": self.hub.cameras.name(self.camera_id),
                "state": verdict.state,
                "reason_word": verdict.reason_word,
                **verdict.summary(),
            },
            context=self._context,
        )
