"""A camera of Home Assistant, brought to the worker: its definition, its motion, and bursts of it.

The worker needs no address and no password of such a camera.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import (
    CALLBACK_TYPE,
    CoreState,
    Event,
    EventStateChangedData,
    State,
    callback,
    split_entity_id,
)
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import (
    async_track_entity_registry_updated_event,
    async_track_state_change_event,
)

from .burst import Burst
from .burst_sender import BurstSender
from .const import (
    CONF_BURST_SIZE,
    CONF_CAMERA_ENTITY,
    CONF_CAMERA_ID,
    CONF_MODE,
    CONF_MOTION_ENTITY,
    CONF_SPACING_S,
)
from .hub import Hub
from .listeners import WORKER
from .lost_motion import LostMotion
from .motion_capture import MotionCapture
from .still_picture import StillPicture

_LOGGER = logging.getLogger(__name__)

HAND_OVER_LIMIT_S = 5.0
"""How long a stop is held up by motion that is not sent yet."""


class Bridge:
    """One camera of Home Assistant."""

    def __init__(self, hub: Hub, subentry: ConfigSubentry) -> None:
        """Set up a bridge that does nothing yet."""
        self.camera_id: str = subentry.data[CONF_CAMERA_ID]
        self._hub = hub
        self._hass = hub.hass
        self._subentry = subentry
        self._data: Mapping[str, Any] = subentry.data
        self._name = subentry.title
        self._lost = LostMotion(hub, subentry)
        self._sender = BurstSender(
            hub,
            self.camera_id,
            on_sent=self._on_sent,
            on_lost=self._lost.async_report,
            on_drained=self._end_motion,
        )
        self._capture = MotionCapture(hub, subentry, self._sender.async_send)
        self._still = StillPicture(hub, subentry, self._capture, self._publish)
        self._unsubscribes: list[CALLBACK_TYPE] = []
        self._stopped = False
        self._moving = False
        self._event_id: str | None = None
        """Of the burst that was sent last, until the end of its motion is told."""

    @callback
    def async_start(self) -> None:
        """Tell the worker about the camera, and listen to its motion."""
        self._hub.commands.captures[self.camera_id] = self._capture.async_frames
        motion_entity = self._data[CONF_MOTION_ENTITY]
        entities = [self._data[CONF_CAMERA_ENTITY], motion_entity]
        add_listener = self._hub.listeners.async_add
        self._unsubscribes = [
            add_listener("", (WORKER,), self._on_worker),
            add_listener(self.camera_id, ("event",), self._lost.async_on_verdict),
            async_track_state_change_event(self._hass, motion_entity, self._on_motion),
            async_track_entity_registry_updated_event(self._hass, entities, self._on_registry),
            self._still.async_start(),
        ]
        self._publish_definition()
        self._check_motion_entity()

    @callback
    def async_update(self, subentry: ConfigSubentry) -> None:
        """Follow a change; a burst that is being taken goes on."""
        if (self._data, self._name) == (subentry.data, subentry.title):
            return
        self._subentry, self._data, self._name = subentry, subentry.data, subentry.title
        self._capture.subentry = self._lost.subentry = self._still.subentry = subentry
        self._unsubscribe()
        self.async_start()

    @callback
    def async_stop(self) -> list[Burst]:
        """Listen no more; return the motion that has not been sent yet, as far as it was seen."""
        unsent = self._sender.async_stop() + self._capture.async_stop()
        self._stopped = True
        self._hub.commands.captures.pop(self.camera_id, None)
        self._unsubscribe()
        self._lost.async_stop()
        return unsent

    async def async_hand_over(self) -> None:
        """Stop, and send all motion that has not been sent: nobody takes it up again."""
        unsent = self.async_stop()
        try:
            async with asyncio.timeout(HAND_OVER_LIMIT_S):
                while unsent:
                    await self._hub.commands.async_send(
                        self.camera_id, "burst", unsent[0].to_json()
                    )
                    del unsent[0]
        except Exception as error:
            for burst in unsent:
                self._lost.async_log(burst, f"stopped, and {error or 'the broker gave no answer'}")

    def _unsubscribe(self) -> None:
        while self._unsubscribes:
            self._unsubscribes.pop()()

    # --- definition -----------------------------------------------------------------------

    @callback
    def _publish_definition(self) -> None:
        definition = {
            "name": self._name,
            "burst_size": self._data[CONF_BURST_SIZE],
            "spacing_s": self._data[CONF_SPACING_S],
        }
        if CONF_MODE in self._data:
            definition["mode"] = self._data[CONF_MODE]
        self._publish_later("config", definition, retain=True)

    @callback
    def _on_worker(self) -> None:
        if self._hub.online:
            self._publish_definition()

    @callback
    def _on_registry(self, event: Event[er.EventEntityRegistryUpdatedData]) -> None:
        """Follow an entity that is renamed: without this its motion would go unnoticed."""
        content = event.data
        if content["action"] != "update" or (old := content.get("old_entity_id")) is None:
            return
        data = {
            key: content["entity_id"] if value == old else value
            for key, value in self._data.items()
        }
        self._hass.config_entries.async_update_subentry(self._hub.entry, self._subentry, data=data)

    @callback
    def _check_motion_entity(self) -> None:
        """Tell the user where nothing can signal motion any more."""
        entity_id: str = self._data[CONF_MOTION_ENTITY]
        state = self._hass.states.get(entity_id)
        self._hub.issues.async_set(
            "motion_gone",
            state is None or state.state == STATE_UNAVAILABLE,
            {
                "camera": self._hub.cameras.name(self.camera_id, self._name),
                "entity": entity_id,
            },
            camera_id=self.camera_id,
        )

    # --- motion ---------------------------------------------------------------------------

    @callback
    def _on_motion(self, event: Event[EventStateChangedData]) -> None:
        self._check_motion_entity()
        old, new = event.data["old_state"], event.data["new_state"]
        if new is None:
            return
        if self._is_start(old, new):
            self._moving = True
            self._capture.async_on_motion(new.last_changed)
        elif new.state == STATE_OFF and self._moving:
            self._moving = False
            self._end_motion()

    def _is_start(self, old: State | None, new: State) -> bool:
        if old is not None and new.state == old.state:
            return False
        if split_entity_id(new.entity_id)[0] == EVENT_DOMAIN:
            # An event entity comes back from unavailable, and from nothing, with its last event.
            nothing = (STATE_UNAVAILABLE, STATE_UNKNOWN)
            return new.state not in nothing and old is not None and old.state != STATE_UNAVAILABLE
        # What is on when Home Assistant starts began before. Later an entity that is on when it
        # appears, such as after its integration was loaded again, may have begun this moment.
        is_news = old is not None or self._hass.state is CoreState.running
        return is_news and new.state == STATE_ON

    @callback
    def _on_sent(self, burst: Burst) -> None:
        self._event_id = burst.event_id
        self._lost.async_expect_verdict(burst)

    @callback
    def _end_motion(self) -> None:
        """Tell the end of motion, once nothing of it waits to be told."""
        busy = self._capture.busy or self._sender.has_waiting
        if self._moving or busy or self._event_id is None:
            return
        self._publish_later("motion_end", {"event_id": self._event_id})
        self._event_id = None

    @callback
    def _publish_later(
        self, command: str, payload: Mapping[str, Any], *, retain: bool = False
    ) -> None:
        self._hub.entry.async_create_background_task(
            self._hass,
            self._publish(command, payload, retain=retain),
            f"{command} {self.camera_id}",
        )

    async def _publish(
        self, command: str, payload: Mapping[str, Any], *, retain: bool = False
    ) -> None:
        if self._stopped:
            return
        try:
            await self._hub.commands.async_send(self.camera_id, command, payload, retain=retain)
        except HomeAssistantError as error:
            _LOGGER.warning("%s: %s was not sent: %s", self._name, command, error)
