"""The picture without motion of a bridged camera: the worker compares with it where nothing moves.

Without one, each motion in which nothing is seen to move alerts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import CALLBACK_TYPE, State, callback, split_entity_id
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .const import CONF_CAMERA_ENTITY, CONF_CAMERA_ID, CONF_MOTION_ENTITY
from .hub import Hub
from .motion_capture import MotionCapture

EVERY = timedelta(minutes=5)
"""Light changes by the minute, and the worker tells what is too different."""
TRY_EVERY = timedelta(minutes=1)
"""So soon after a camera was added, or after motion, there is a picture to compare with."""
QUIET = timedelta(minutes=1)
"""So long after motion has ended somebody may still stand there."""
_EVENT_OVER = timedelta(minutes=2)
"""An event tells no end; the worker counts such motion as over after a minute."""


def is_quiet(motion: State | None) -> bool:
    """Whether nothing has moved for a while, as far as the entity that signals motion tells."""
    if motion is None or motion.state in (STATE_UNAVAILABLE, STATE_UNKNOWN):
        return False
    is_event = split_entity_id(motion.entity_id)[0] == "event"
    if not is_event and motion.state != "off":
        return False
    since = dt_util.utcnow() - motion.last_changed
    return since >= (_EVENT_OVER if is_event else QUIET)


class StillPicture:
    """Sends a picture of one camera now and then while nothing moves."""

    def __init__(
        self,
        hub: Hub,
        subentry: ConfigSubentry,
        capture: MotionCapture,
        send: Callable[[str, dict[str, str]], Awaitable[None]],
    ) -> None:
        """Set up without taking any."""
        self.subentry = subentry
        self._hub = hub
        self._capture = capture
        self._send = send
        self._task: asyncio.Task[None] | None = None
        self._asked_at: datetime | None = None

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Take pictures from now on; return how to stop."""

        @callback
        def on_time(now: datetime) -> None:
            # Timers may run out a little early.
            is_due = self._asked_at is None or now - self._asked_at >= EVERY - TRY_EVERY / 2
            if is_due and (self._task is None or self._task.done()):
                self._task = self._hub.entry.async_create_background_task(
                    self._hub.hass, self._take(), f"still {self.subentry.data[CONF_CAMERA_ID]}"
                )

        return async_track_time_interval(self._hub.hass, on_time, TRY_EVERY)

    async def _take(self) -> None:
        if not self._may_take or not self._hub.online or not self._hub.can("reference"):
            return
        picture = await self._capture.async_picture()
        # Motion may have begun meanwhile: the picture may show who moves.
        if not self._may_take:
            return
        self._asked_at = dt_util.utcnow()
        if picture is not None:
            await self._send("reference", picture)

    @property
    def _may_take(self) -> bool:
        data = self.subentry.data
        states = self._hub.hass.states
        # Who asks a camera that is away waits in vain.
        camera = states.get(data[CONF_CAMERA_ENTITY])
        is_there = camera is None or camera.state != STATE_UNAVAILABLE
        return (
            is_there and not self._capture.busy and is_quiet(states.get(data[CONF_MOTION_ENTITY]))
        )
