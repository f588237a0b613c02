"""Listens to the motion of one camera over ONVIF for as long as the worker runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Protocol

from veroallarme_core.worker.motion_sources import MotionSignal
from veroallarme_core.worker.onvif.motion_notices import Notification, signal_of
from veroallarme_core.worker.onvif.onvif_address import MISSING_EXTRA, OnvifAddress, OnvifError
from veroallarme_core.worker.onvif.onvif_thread import in_onvif_thread

_LOGGER = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
LOGIN_PAUSE_S = 300.0
"""After a refused login: cameras lock an account that is tried again and again."""
STEADY_S = 60.0
"""A subscription that lived so long was none that fails at once: it is made anew without delay."""
MIN_PULL_S = 0.5
"""Cameras that cannot wait for motion answer at once; so often they are asked then."""
TAKE_LIMIT_S = 5.0
"""How long the journal may take for what has come before the camera is asked for more."""
MAX_TAKING = 100
"""Signals that wait for the journal before the camera is left waiting."""
MAX_ORIGINS = 32
"""Different rules of one camera whose motion is told apart."""
AUTO_END_S = 300.0
"""Motion whose end does not come is over after so long: the end may have been lost with the
subscription. While it lives the camera tells each end."""


class MotionListener(Protocol):
    """Whom a subscription tells what happens, in the worker's own loop."""

    def heard(self, remark: str | None) -> None:
        """Take note that motion is heard from now on; the remark says what may be wrong with it."""

    def lost(self, error: OnvifError, pause_s: float) -> None:
        """Take note that no motion is heard, why, and when it is tried again."""

    async def take(self, signal: MotionSignal, notification: Notification) -> None:
        """Take a signal; returns once it is safe."""


class MotionSubscription:
    """Keeps a subscription to a camera's events, through all that cameras and networks do.

    What comes is handed over one by one, and the camera asked for more when that is safe. After
    each loss the camera is asked how things stand, so that motion that began meanwhile and goes on
    is not missed.

    Args:
        address: of the camera.
        listener: told of motion, and when there is none to be heard.
    """

    def __init__(self, address: OnvifAddress, listener: MotionListener) -> None:
        self._address = address
        self._listener = listener
        self._moving: set[str] = set()
        self._origins: set[str] = set()
        self._taking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            began_s = time.monotonic()
            # What moved before may have ended and begun again unheard.
            self._moving.clear()
            try:
                await in_onvif_thread(self._serve(loop))
            except OnvifError as error:
                fault = error
            except Exception as error:
                _LOGGER.debug("%s: %s", self._address.shown, type(error).__name__)
                fault = OnvifError(
                    "bad_answer",
                    f"it answers with what cannot be read ({type(error).__name__}): update the "
                    "camera's firmware, and please report this",
                )
            if time.monotonic() - began_s >= STEADY_S:
                pause_s = FIRST_PAUSE_S
            wait_s = LOGIN_PAUSE_S if fault.code in {"login", "missing"} else pause_s
            self._listener.lost(fault, wait_s)
            await asyncio.sleep(wait_s)
            pause_s = min(pause_s * 2, MAX_PAUSE_S)

    # --- in the thread of ONVIF --------------------------------------------------------------

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            from veroallarme_core.worker.onvif.device import OnvifDevice, connected
        except ImportError:
            raise OnvifError("missing", MISSING_EXTRA) from None

        async def renewed(device: OnvifDevice) -> float:
            try:
                return await device.renew()
            except OnvifError as error:
                if error.code != "fault":
                    raise
                # Not every camera knows how to renew, and this one may have forgotten us.
                return await device.subscribe()

        async with connected(self._address) as device:
            remark = await self._prepare(device)
            renew_at_s = await device.subscribe() + time.monotonic()
            try:
                loop.call_soon_threadsafe(self._listener.heard, remark)
                while True:
                    asked_s = time.monotonic()
                    messages = await device.pull()
                    if messages:
                        taking = self._take(messages, [set(known) for known in device.sources])
                        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(taking, loop))
                    elif (waited_s := time.monotonic() - asked_s) < MIN_PULL_S:
                        await asyncio.sleep(MIN_PULL_S - waited_s)
                    if time.monotonic() >= renew_at_s:
                        renew_at_s = await renewed(device) + time.monotonic()
            finally:
                await device.unsubscribe()

    async def _prepare(self, device: object) -> str | None:
        """Find out which cameras the device has and whether it tells of motion at all."""
        from veroallarme_core.worker.onvif.device import OnvifDevice

        assert isinstance(device, OnvifDevice)
        try:
            await device.find_profiles()
        except OnvifError as error:
            # What it does not want to tell of its pictures is no reason not to hear its motion.
            if error.code not in {"fault", "bad_answer"}:
                raise
        try:
            topics, count = await device.motion_topics()
        except OnvifError as error:
            if error.code not in {"fault", "bad_answer"}:
                raise
            return None
        if topics or not count:
            return None
        return (
            f"it names {count} topics of events, none of them of motion: switch motion detection "
            "on in the camera's settings, or give triggers"
        )

    # --- in the worker's loop ----------------------------------------------------------------

    async def _take(self, messages: Sequence[Notification], sources: Sequence[set[str]]) -> None:
        """Hand over what has come, in its order."""
        for notification in messages:
            signal = signal_of(notification, sources)
            if self._is_news(signal, notification):
                task = asyncio.create_task(self._listener.take(signal, notification))
                self._taking.add(task)
                task.add_done_callback(self._taking.discard)
        if self._taking:
            await asyncio.wait(self._taking, timeout=TAKE_LIMIT_S)
        # What the disk does not take is in the memory of its event; there is an end to that too.
        while len(self._taking) > MAX_TAKING:
            await asyncio.wait(self._taking, return_when=asyncio.FIRST_COMPLETED)

    def _is_news(self, signal: MotionSignal, notification: Notification) -> bool:
        """Leave out what was only told because we have asked how things stand."""
        origin = self.origin_of(notification)
        was_moving = origin in self._moving
        if signal is MotionSignal.START:
            self._moving.add(origin)
        elif signal is MotionSignal.END:
            self._moving.discard(origin)
        is_state = notification.operation.lower() == "initialized"
        return not (is_state and was_moving and signal is MotionSignal.START)

    def origin_of(self, notification: Notification) -> str:
        """Return whose motion it is; a camera that makes up new ones all the time has one."""
        origin = notification.origin
        if origin not in self._origins:
            if len(self._origins) >= MAX_ORIGINS:
                return "onvif"
            self._origins.add(origin)
        return origin
