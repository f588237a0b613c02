"""Cameras of Home Assistant, brought to the worker: their motion, and a burst of pictures.

The worker needs no address and no password of such a camera.
"""

import asyncio
import base64
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from homeassistant.components.camera import async_get_image
from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
    split_entity_id,
)
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util

from .const import (
    CONF_BURST_SIZE,
    CONF_CAMERA_ENTITY,
    CONF_CAMERA_ID,
    CONF_MOTION_ENTITY,
    CONF_SPACING_S,
    SUBENTRY_CAMERA,
)
from .contract import MAX_BURST_BYTES, MAX_IMAGE_BYTES, new_event_id
from .hub import WORKER, Hub

_LOGGER = logging.getLogger(__name__)

BURST_LIMIT_S = 12.0
"""An alarm does not wait longer for pictures; without any the worker alerts."""
WORKER_PATIENCE_S = 60.0
"""How long a burst waits for a worker that restarts."""


class Bridge:
    """One camera of Home Assistant."""

    def __init__(self, hub: Hub, subentry: ConfigSubentry) -> None:
        """Set up a bridge that does nothing yet."""
        self._hub = hub
        self._hass: HomeAssistant = hub.hass
        self._data: Mapping[str, Any] = subentry.data
        self._name = subentry.title
        self.camera_id: str = subentry.data[CONF_CAMERA_ID]
        self._stops: list[CALLBACK_TYPE] = []
        self._task: asyncio.Task[None] | None = None
        self._next_motion_at: datetime | None = None
        self._moving = False
        self._event_id: str | None = None

    def is_for(self, subentry: ConfigSubentry) -> bool:
        """Whether the bridge does what this subentry says."""
        return (self._data, self._name) == (subentry.data, subentry.title)

    @callback
    def async_start(self) -> None:
        """Tell the worker about the camera, and listen to its motion."""
        self._hub.captures[self.camera_id] = self.async_capture
        self._stops = [
            self._hub.async_listen("", (WORKER,), self._on_worker),
            async_track_state_change_event(
                self._hass, self._data[CONF_MOTION_ENTITY], self._on_motion
            ),
        ]
        self._publish_later("config", self._definition(), retain=True)

    @callback
    def async_stop(self) -> None:
        """Listen no more; the worker keeps the camera."""
        self._hub.captures.pop(self.camera_id, None)
        while self._stops:
            self._stops.pop()()
        if self._task is not None:
            self._task.cancel()

    def _definition(self) -> dict[str, Any]:
        return {
            "name": self._name,
            "burst_size": self._data[CONF_BURST_SIZE],
            "spacing_s": self._data[CONF_SPACING_S],
        }

    @callback
    def _on_worker(self) -> None:
        if self._hub.online:
            self._publish_later("config", self._definition(), retain=True)

    # --- motion ---------------------------------------------------------------------------

    @callback
    def _on_motion(self, event: Event[EventStateChangedData]) -> None:
        old, new = event.data["old_state"], event.data["new_state"]
        if new is None or old is None:
            return
        if self._is_start(old, new):
            self._moving = True
            if self._task is None or self._task.done():
                self._task = self._hub.entry.async_create_background_task(
                    self._hass, self._send_bursts(new.last_changed), f"burst {self.camera_id}"
                )
            else:
                # Motion that begins again while a burst is taken gets a burst of its own.
                self._next_motion_at = new.last_changed
        elif new.state == STATE_OFF and self._moving:
            self._moving = False
            if self._task is None or self._task.done():
                self._publish_end()

    @staticmethod
    def _is_start(old: State, new: State) -> bool:
        if new.state == old.state:
            return False
        if split_entity_id(new.entity_id)[0] == EVENT_DOMAIN:
            # An event entity comes back from unavailable with its last event.
            nothing = (STATE_UNAVAILABLE, STATE_UNKNOWN)
            return new.state not in nothing and old.state != STATE_UNAVAILABLE
        return new.state == STATE_ON

    async def _send_bursts(self, motion_at: datetime) -> None:
        following: datetime | None = motion_at
        while following is not None:
            motion_at, self._next_motion_at = following, None
            event_id = new_event_id(motion_at)
            frames = await self.async_capture()
            burst = {"event_id": event_id, "motion_at": motion_at.isoformat(), "frames": frames}
            if not await self._hub.async_wait_online(WORKER_PATIENCE_S):
                _LOGGER.warning("%s: no worker took the motion of %s", self._name, motion_at)
            elif await self._publish("burst", burst):
                self._event_id = event_id
            following = self._next_motion_at
        if not self._moving:
            self._publish_end()

    @callback
    def _publish_end(self) -> None:
        if self._event_id is not None:
            self._publish_later("motion_end", {"event_id": self._event_id})
            self._event_id = None

    # --- pictures -------------------------------------------------------------------------

    async def async_capture(self) -> list[dict[str, str]]:
        """Take a burst through Home Assistant's camera API, without repeated pictures.

        Returns:
            Frames as the contract wants them, dated when they came; empty where the camera gives
            none.
        """
        frames: dict[bytes, dict[str, str]] = {}
        size = 0
        try:
            async with asyncio.timeout(BURST_LIMIT_S):
                # Some cameras repeat a picture, so more are asked for than wanted.
                for attempt in range(2 * self._data[CONF_BURST_SIZE]):
                    if attempt:
                        await asyncio.sleep(self._data[CONF_SPACING_S])
                    picture = await self._take_picture()
                    size += 0 if picture in frames else len(picture) * 4 // 3
                    if not picture or size > MAX_BURST_BYTES - 65536:
                        continue
                    frames.setdefault(
                        picture,
                        {
                            "captured_at": dt_util.utcnow().isoformat(),
                            "jpeg": base64.b64encode(picture).decode("ascii"),
                        },
                    )
                    if len(frames) == self._data[CONF_BURST_SIZE]:
                        break
        except TimeoutError:
            _LOGGER.debug("%s: only %d pictures came in time", self._name, len(frames))
        return list(frames.values())

    async def _take_picture(self) -> bytes:
        """Return a picture, or nothing where the camera fails or its picture is too large.

        Integrations of cameras raise whatever they like, and the worker alerts without a picture.
        """
        try:
            image = await async_get_image(self._hass, self._data[CONF_CAMERA_ENTITY])
        except Exception as error:
            _LOGGER.debug("%s: no picture: %s", self._name, error)
            return b""
        return image.content if len(image.content) <= MAX_IMAGE_BYTES else b""

    # --- sending --------------------------------------------------------------------------

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
    ) -> bool:
        try:
            await self._hub.async_publish(self.camera_id, command, payload, retain=retain)
        except HomeAssistantError as error:
            _LOGGER.warning("%s: %s was not sent: %s", self._name, command, error)
            return False
        return True


class Bridges:
    """The bridges of a site, one for each subentry."""

    def __init__(self, hub: Hub) -> None:
        """Set up without bridges."""
        self._hub = hub
        self._bridges: dict[str, Bridge] = {}

    async def async_update(self) -> None:
        """Follow the subentries; what has not changed goes on undisturbed."""
        subentries = {
            subentry.subentry_id: subentry
            for subentry in self._hub.entry.subentries.values()
            if subentry.subentry_type == SUBENTRY_CAMERA
        }
        for subentry_id, bridge in list(self._bridges.items()):
            if subentry_id not in subentries:
                del self._bridges[subentry_id]
                bridge.async_stop()
                self._hub.async_forget(bridge.camera_id)
                await async_clear_definition(self._hub, bridge.camera_id)
            elif not bridge.is_for(subentries[subentry_id]):
                del self._bridges[subentry_id]
                bridge.async_stop()
        for subentry_id in subentries.keys() - self._bridges.keys():
            bridge = self._bridges[subentry_id] = Bridge(self._hub, subentries[subentry_id])
            bridge.async_start()

    @callback
    def async_stop(self) -> None:
        """Stop all bridges; the worker keeps the cameras."""
        while self._bridges:
            self._bridges.popitem()[1].async_stop()


async def async_clear_definition(hub: Hub, camera_id: str) -> None:
    """Let the worker forget a bridged camera."""
    try:
        await hub.async_publish(camera_id, "config", None, retain=True)
    except HomeAssistantError as error:
        _LOGGER.warning("%s was not taken from the worker: %s", camera_id, error)
