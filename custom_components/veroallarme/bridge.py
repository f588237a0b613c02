"""Cameras of Home Assistant, brought to the worker: their motion, and a burst of pictures.

The worker needs no address and no password of such a camera.
"""

import asyncio
import base64
import logging
from collections import deque
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
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import (
    async_track_entity_registry_updated_event,
    async_track_state_change_event,
)
from homeassistant.util import dt as dt_util

from .const import (
    CONF_BURST_SIZE,
    CONF_CAMERA_ENTITY,
    CONF_CAMERA_ID,
    CONF_MOTION_ENTITY,
    CONF_SPACING_S,
    SUBENTRY_CAMERA,
)
from .contract import MAX_IMAGE_BYTES, new_event_id
from .hub import WORKER, Hub

_LOGGER = logging.getLogger(__name__)

BURST_LIMIT_S = 12.0
"""An alarm does not wait longer for pictures; without any the worker alerts."""
WORKER_PATIENCE_S = 60.0
"""How long a burst waits for a worker that restarts."""
MAX_WAITING_BURSTS = 4
"""Bursts that wait for a worker; of more the oldest are given up."""
SMALLER = ((1920, 1080), (1280, 720), (640, 360))
"""Sizes to ask for, one after the other, where pictures are too large for a burst."""
OVERHEAD_BYTES = 512
"""What a burst holds besides its pictures, for each of them."""


class Bridge:
    """One camera of Home Assistant."""

    def __init__(self, hub: Hub, subentry: ConfigSubentry) -> None:
        """Set up a bridge that does nothing yet."""
        self._hub = hub
        self._hass: HomeAssistant = hub.hass
        self._subentry = subentry
        self._data: Mapping[str, Any] = subentry.data
        self._name = subentry.title
        self.camera_id: str = subentry.data[CONF_CAMERA_ID]
        self._stops: list[CALLBACK_TYPE] = []
        self._stopped = False
        self._capture: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MAX_WAITING_BURSTS)
        self._next_motion_at: datetime | None = None
        self._moving = False
        self._event_id: str | None = None
        self._smaller = -1
        """Which of SMALLER is asked for; none at first."""

    @callback
    def async_start(self) -> None:
        """Tell the worker about the camera, and listen to its motion."""
        self._hub.captures[self.camera_id] = self.async_capture
        entities = [self._data[CONF_CAMERA_ENTITY], self._data[CONF_MOTION_ENTITY]]
        self._stops = [
            self._hub.async_listen("", (WORKER,), self._on_worker),
            async_track_state_change_event(
                self._hass, self._data[CONF_MOTION_ENTITY], self._on_motion
            ),
            async_track_entity_registry_updated_event(self._hass, entities, self._on_registry),
        ]
        self._publish_later("config", self._definition(), retain=True)
        self._check_motion_entity()

    @callback
    def async_update(self, subentry: ConfigSubentry) -> None:
        """Follow a change; a burst that is being taken goes on."""
        if (self._data, self._name) == (subentry.data, subentry.title):
            return
        self._subentry, self._data, self._name = subentry, subentry.data, subentry.title
        self._unsubscribe()
        self.async_start()

    @callback
    def async_stop(self) -> None:
        """Listen no more; the worker keeps the camera."""
        self._stopped = True
        self._hub.captures.pop(self.camera_id, None)
        self._unsubscribe()
        for task in (self._capture, self._sending):
            if task is not None:
                task.cancel()

    def _unsubscribe(self) -> None:
        while self._stops:
            self._stops.pop()()

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
            {"camera": self._name, "entity": entity_id},
            camera_id=self.camera_id,
        )

    # --- motion ---------------------------------------------------------------------------

    @callback
    def _on_motion(self, event: Event[EventStateChangedData]) -> None:
        self._check_motion_entity()
        old, new = event.data["old_state"], event.data["new_state"]
        if new is None or old is None:
            return
        if self._is_start(old, new):
            self._moving = True
            if self._capture is None or self._capture.done():
                self._capture = self._hub.entry.async_create_background_task(
                    self._hass, self._take_bursts(new.last_changed), f"burst {self.camera_id}"
                )
            elif self._next_motion_at is None:
                # Motion that begins again while a burst is taken gets a burst of its own.
                self._next_motion_at = new.last_changed
        elif new.state == STATE_OFF and self._moving:
            self._moving = False
            self._end_motion()

    @staticmethod
    def _is_start(old: State, new: State) -> bool:
        if new.state == old.state:
            return False
        if split_entity_id(new.entity_id)[0] == EVENT_DOMAIN:
            # An event entity comes back from unavailable with its last event.
            nothing = (STATE_UNAVAILABLE, STATE_UNKNOWN)
            return new.state not in nothing and old.state != STATE_UNAVAILABLE
        return new.state == STATE_ON

    async def _take_bursts(self, motion_at: datetime) -> None:
        following: datetime | None = motion_at
        while following is not None and not self._stopped:
            motion_at, self._next_motion_at = following, None
            frames = await self.async_capture()
            if self._stopped:
                return
            self._send(
                {
                    "event_id": new_event_id(motion_at),
                    "motion_at": motion_at.isoformat(),
                    "frames": frames,
                }
            )
            following = self._next_motion_at

    @callback
    def _send(self, burst: dict[str, Any]) -> None:
        """Send a burst as soon as a worker is there; what moves meanwhile is not kept waiting."""
        if len(self._waiting) == MAX_WAITING_BURSTS:
            self._give_up(self._waiting[0])
        self._waiting.append(burst)
        if self._sending is None or self._sending.done():
            self._sending = self._hub.entry.async_create_background_task(
                self._hass, self._send_waiting(), f"send {self.camera_id}"
            )

    async def _send_waiting(self) -> None:
        while self._waiting and not self._stopped:
            online = await self._hub.async_wait_online(WORKER_PATIENCE_S)
            burst = self._waiting.popleft()
            if not online:
                self._give_up(burst)
            elif await self._publish("burst", burst):
                self._event_id = burst["event_id"]
        self._end_motion()

    def _give_up(self, burst: Mapping[str, Any]) -> None:
        _LOGGER.warning("%s: no worker took the motion of %s", self._name, burst["motion_at"])

    @callback
    def _end_motion(self) -> None:
        """Tell the end of motion, once nothing of it waits to be told."""
        busy = self._capture is not None and not self._capture.done()
        if self._moving or busy or self._waiting or self._event_id is None:
            return
        self._publish_later("motion_end", {"event_id": self._event_id})
        self._event_id = None

    # --- pictures -------------------------------------------------------------------------

    async def async_capture(self) -> list[dict[str, str]]:
        """Take a burst through Home Assistant's camera API, without repeated pictures.

        Returns:
            Frames as the contract wants them, dated when they came; empty where the camera gives
            none.
        """
        size: int = self._data[CONF_BURST_SIZE]
        frames: dict[bytes, dict[str, str]] = {}
        ends_at = self._hass.loop.time() + BURST_LIMIT_S
        # Some cameras repeat a picture, so more are asked for than wanted.
        for attempt in range(2 * size):
            if attempt:
                await asyncio.sleep(self._data[CONF_SPACING_S])
            left_s = ends_at - self._hass.loop.time()
            if left_s <= 0 or self._stopped:
                _LOGGER.debug("%s: only %d pictures came in time", self._name, len(frames))
                break
            picture = await self._take_picture(left_s)
            if not frames and len(picture) > self._picture_limit():
                picture = await self._take_smaller(picture, ends_at)
            if not picture or len(picture) > self._picture_limit():
                continue
            frames.setdefault(
                picture,
                {
                    "captured_at": dt_util.utcnow().isoformat(),
                    "jpeg": base64.b64encode(picture).decode("ascii"),
                },
            )
            if len(frames) == size:
                break
        return list(frames.values())

    def _picture_limit(self) -> int:
        """Return the bytes that each picture of a burst may have."""
        size: int = self._data[CONF_BURST_SIZE]
        share = self._hub.max_burst_bytes // size - OVERHEAD_BYTES
        return min(MAX_IMAGE_BYTES, share * 3 // 4)

    async def _take_smaller(self, picture: bytes, ends_at: float) -> bytes:
        """Ask for smaller and smaller pictures until one is small enough, and remember its size.

        All pictures of a burst have to be of one size, so this is done for the first alone.
        """
        while len(picture) > self._picture_limit() and self._smaller + 1 < len(SMALLER):
            self._smaller += 1
            left_s = ends_at - self._hass.loop.time()
            if left_s <= 0:
                break
            picture = await self._take_picture(left_s)
        return picture

    async def _take_picture(self, limit_s: float) -> bytes:
        """Return a picture, or nothing where the camera fails.

        Integrations of cameras raise whatever they like, and the worker alerts without a picture.
        """
        width, height = SMALLER[self._smaller] if self._smaller >= 0 else (None, None)
        # In a task of its own: the camera API swallows a cancellation, and so a time-out around it.
        request = self._hub.entry.async_create_background_task(
            self._hass,
            async_get_image(self._hass, self._data[CONF_CAMERA_ENTITY], width=width, height=height),
            f"picture {self.camera_id}",
        )
        try:
            done, _ = await asyncio.wait({request}, timeout=limit_s)
            return request.result().content if done else b""
        except Exception as error:
            _LOGGER.debug("%s: no picture: %s", self._name, error)
            return b""
        finally:
            request.cancel()
            # What it ends with is of no interest any more.
            request.add_done_callback(lambda task: task.cancelled() or task.exception())

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
        if self._stopped:
            return False
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
        removed = self._follow()
        for camera_id in removed:
            # It may have been added again while another one was cleared.
            if self._hub.subentry_id(camera_id) is None:
                await async_clear_definition(self._hub, camera_id)

    @callback
    def _follow(self) -> list[str]:
        """Start, change and stop bridges; return the ids of the cameras that are gone."""
        subentries = {
            subentry.subentry_id: subentry
            for subentry in self._hub.entry.subentries.values()
            if subentry.subentry_type == SUBENTRY_CAMERA
        }
        removed = []
        for subentry_id in self._bridges.keys() - subentries.keys():
            bridge = self._bridges.pop(subentry_id)
            bridge.async_stop()
            self._hub.async_forget(bridge.camera_id)
            removed.append(bridge.camera_id)
        for subentry_id, subentry in subentries.items():
            if (known := self._bridges.get(subentry_id)) is not None:
                known.async_update(subentry)
            else:
                bridge = self._bridges[subentry_id] = Bridge(self._hub, subentry)
                bridge.async_start()
        return removed

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
