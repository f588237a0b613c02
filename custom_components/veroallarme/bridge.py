"""Cameras of Home Assistant, brought to the worker: their motion, and a burst of pictures.

The worker needs no address and no password of such a camera.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import (
    CALLBACK_TYPE,
    CoreState,
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
    async_call_later,
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
from .contract import new_event_id
from .hub import WORKER, Hub
from .pictures import BurstCamera, Capture, PictureError

_LOGGER = logging.getLogger(__name__)

WORKER_PATIENCE_S = 60.0
"""How long a burst is kept for a worker that restarts, and for a broker that refuses it."""
MAX_WAITING_BURSTS = 4
"""Bursts that wait; of more the oldest are given up."""
RETRY_PAUSE_S = 1.0
"""Before a burst that was refused is sent again; the pause doubles from one try to the next."""
PUBLISH_LIMIT_S = 30.0
"""How long sending a burst may take; Home Assistant itself waits 10 s for the broker's answer."""
HAND_OVER_LIMIT_S = 5.0
"""How long a stop is held up by motion that is not sent yet."""
VERDICT_PATIENCE_S = 120.0
"""A worker that was sent a burst has given a verdict by then, if it is the slowest machine's."""


@dataclass(eq=False)
class Burst:
    """Motion on its way to the worker."""

    motion_at: datetime
    capture: Capture = field(default_factory=Capture)
    expires_at: float = 0.0
    """When it is given up, on the clock of the event loop."""
    event_id: str = ""

    def __post_init__(self) -> None:
        """Give it an id of its own: sent twice it is still the same event."""
        self.event_id = self.event_id or new_event_id(self.motion_at)

    def to_json(self) -> dict[str, Any]:
        """Write it as the contract wants it."""
        return {
            "event_id": self.event_id,
            "motion_at": self.motion_at.isoformat(),
            "frames": self.capture.frames,
        }


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
        self._camera = BurstCamera(hub.hass, lambda: hub.max_burst_bytes)
        self._stops: list[CALLBACK_TYPE] = []
        self._stopped = False
        self._taking: Burst | None = None
        self._capture: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._waiting: deque[Burst] = deque()
        self._publishing: Burst | None = None
        self._next_motion_at: datetime | None = None
        self._moving = False
        self._event_id: str | None = None
        self._silence: CALLBACK_TYPE | None = None
        """Cancels the timer that runs out when no verdict comes; None where none is owed."""
        self._picture_fault: str | None = None

    @callback
    def async_start(self) -> None:
        """Tell the worker about the camera, and listen to its motion."""
        self._hub.captures[self.camera_id] = self._async_frames
        entities = [self._data[CONF_CAMERA_ENTITY], self._data[CONF_MOTION_ENTITY]]
        self._stops = [
            self._hub.async_listen("", (WORKER,), self._on_worker),
            self._hub.async_listen(self.camera_id, ("event",), self._on_decision),
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
    def async_stop(self) -> list[Burst]:
        """Listen no more; return the motion that has not been sent yet, as far as it was seen."""
        left = [burst for burst in (self._publishing, *self._waiting, self._taking) if burst]
        self._waiting.clear()
        self._publishing = self._taking = None
        if self._next_motion_at is not None:
            left.append(Burst(self._next_motion_at))
            self._next_motion_at = None
        self._stopped = True
        self._hub.captures.pop(self.camera_id, None)
        self._unsubscribe()
        self._owe_no_verdict()
        for task in (self._capture, self._sending):
            if task is not None:
                task.cancel()
        return left

    async def async_hand_over(self) -> None:
        """Stop, and send all motion that has not been sent: nobody takes it up again."""
        left = self.async_stop()
        try:
            async with asyncio.timeout(HAND_OVER_LIMIT_S):
                while left:
                    await self._hub.async_publish(self.camera_id, "burst", left[0].to_json())
                    del left[0]
        except Exception as error:
            for burst in left:
                self._log_lost(burst, f"stopped, and {error or 'the broker gave no answer'}")

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
        if new is None:
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

    async def _take_bursts(self, motion_at: datetime) -> None:
        following: datetime | None = motion_at
        while following is not None:
            burst = self._taking = Burst(following)
            self._next_motion_at = None
            try:
                await self._async_capture(burst.capture)
            except Exception:
                # Whatever it is, the worker alerts on motion without pictures.
                _LOGGER.exception("%s: no pictures because of an internal error", self._name)
            if self._taking is not burst:
                return  # stopped meanwhile, and handed over
            self._taking = None
            self._note_pictures(burst.capture)
            self._send(burst)
            following = self._next_motion_at

    async def _async_capture(self, capture: Capture) -> None:
        await self._camera.async_capture(
            self._data[CONF_CAMERA_ENTITY],
            self._data[CONF_BURST_SIZE],
            self._data[CONF_SPACING_S],
            capture,
        )

    async def _async_frames(self) -> list[dict[str, str]]:
        """Take a burst that no motion asked for.

        Raises:
            PictureError: the camera gives none.
        """
        capture = Capture()
        await self._async_capture(capture)
        if not capture.frames:
            raise PictureError(capture.fault)
        return capture.frames

    @callback
    def _note_pictures(self, capture: Capture) -> None:
        """Tell what came instead of pictures, in the log and as a repair where it lasts."""
        fault, entity_id = capture.fault, self._data[CONF_CAMERA_ENTITY]
        if fault is not None and fault != self._picture_fault:
            _LOGGER.warning(
                "%s: %d of %d pictures came from %s; what else came: %s",
                self._name, len(capture.frames), self._data[CONF_BURST_SIZE], entity_id, fault,
            )  # fmt: skip
        self._picture_fault = fault
        self._hub.issues.async_set(
            "bad_pictures",
            fault is not None,
            {"camera": self._name, "entity": entity_id, "fault": fault or ""},
            camera_id=self.camera_id,
        )

    # --- sending --------------------------------------------------------------------------

    @callback
    def _send(self, burst: Burst) -> None:
        """Send a burst as soon as a worker is there; what moves meanwhile is not kept waiting."""
        if len(self._waiting) >= MAX_WAITING_BURSTS:
            self._tell_lost(self._waiting.popleft(), f"{MAX_WAITING_BURSTS} newer ones wait")
        burst.expires_at = self._hass.loop.time() + WORKER_PATIENCE_S
        self._waiting.append(burst)
        if self._sending is None or self._sending.done():
            self._sending = self._hub.entry.async_create_background_task(
                self._hass, self._send_waiting(), f"send {self.camera_id}"
            )

    async def _send_waiting(self) -> None:
        """Send what waits, in order; what was refused is sent again until it is too old."""
        pause_s = RETRY_PAUSE_S
        while self._waiting:
            left_s = self._waiting[0].expires_at - self._hass.loop.time()
            online = await self._hub.async_wait_online(max(0.0, left_s))
            burst = self._publishing = self._waiting.popleft()
            fault = await self._fault_of_sending(burst) if online else "no worker was there"
            self._publishing = None
            if fault is None:
                pause_s = RETRY_PAUSE_S
                self._event_id = burst.event_id
                self._owe_verdict(burst)
            elif self._hass.loop.time() + pause_s >= burst.expires_at:
                self._tell_lost(burst, fault)
            elif len(self._waiting) >= MAX_WAITING_BURSTS:
                self._tell_lost(burst, f"{fault}, and {MAX_WAITING_BURSTS} newer ones wait")
            else:
                self._waiting.appendleft(burst)
                _LOGGER.debug("%s: the burst is sent again: %s", self._name, fault)
                await asyncio.sleep(pause_s)
                pause_s *= 2
        self._end_motion()

    async def _fault_of_sending(self, burst: Burst) -> str | None:
        """Send a burst; return why that was not possible."""
        try:
            async with asyncio.timeout(PUBLISH_LIMIT_S):
                await self._hub.async_publish(self.camera_id, "burst", burst.to_json())
        except TimeoutError:
            return "the broker did not take it in time"
        except Exception as error:  # a client that stumbles must not lose the motion
            return f"it could not be sent ({error})"
        return None

    @callback
    def _tell_lost(self, burst: Burst, why: str) -> None:
        """Tell of motion that nobody judges: in the log, and as a repair until a verdict comes."""
        self._log_lost(burst, why)
        self._set_lost(_local(burst.motion_at), why)

    def _log_lost(self, burst: Burst, why: str) -> None:
        when = _local(burst.motion_at)
        _LOGGER.warning("%s: the motion of %s was not judged: %s", self._name, when, why)

    @callback
    def _set_lost(self, when: str, why: str) -> None:
        self._hub.issues.async_set(
            "motion_lost",
            True,
            {"camera": self._name, "when": when, "why": why},
            camera_id=self.camera_id,
            patience_s=0,
        )

    @callback
    def _owe_verdict(self, burst: Burst) -> None:
        """Expect a verdict: a broker may drop what its access list forbids, and say nothing."""
        if self._silence is not None:
            return

        @callback
        def on_silence(_: datetime) -> None:
            self._silence = None
            self._tell_lost(
                burst,
                f"it was sent, but no verdict came in {VERDICT_PATIENCE_S:.0f} s: see whether the "
                "broker lets Home Assistant publish below the site, and what the worker's log says",
            )

        self._silence = async_call_later(self._hass, VERDICT_PATIENCE_S, on_silence)

    @callback
    def _on_decision(self) -> None:
        self._owe_no_verdict()
        self._hub.issues.async_set("motion_lost", False, {}, camera_id=self.camera_id)

    @callback
    def _owe_no_verdict(self) -> None:
        if self._silence is not None:
            self._silence()
            self._silence = None

    @callback
    def _end_motion(self) -> None:
        """Tell the end of motion, once nothing of it waits to be told."""
        busy = self._capture is not None and not self._capture.done()
        if self._moving or busy or self._waiting or self._event_id is None:
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
            await self._hub.async_publish(self.camera_id, command, payload, retain=retain)
        except HomeAssistantError as error:
            _LOGGER.warning("%s: %s was not sent: %s", self._name, command, error)


def _local(moment: datetime) -> str:
    return dt_util.as_local(moment).isoformat(" ", "seconds")


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

    async def async_hand_over(self) -> None:
        """Stop all bridges, and send what moves at this moment; the worker keeps the cameras."""
        bridges = list(self._bridges.values())
        self._bridges.clear()
        await asyncio.gather(*(bridge.async_hand_over() for bridge in bridges))


async def async_clear_definition(hub: Hub, camera_id: str) -> None:
    """Let the worker forget a bridged camera."""
    try:
        await hub.async_publish(camera_id, "config", None, retain=True)
    except HomeAssistantError as error:
        _LOGGER.warning("%s was not taken from the worker: %s", camera_id, error)
