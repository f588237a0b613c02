"""Sends the bursts of a bridged camera, in order, and again where broker or worker are away."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from homeassistant.core import callback

from .burst import Burst
from .hub import Hub

_LOGGER = logging.getLogger(__name__)

WORKER_PATIENCE_S = 60.0
"""How long a burst is kept for a worker that restarts, and for a broker that refuses it."""
MAX_WAITING_BURSTS = 4
"""Bursts that wait; of more the oldest are given up."""
RETRY_PAUSE_S = 1.0
"""Before a burst that was refused is sent again; the pause doubles from one try to the next."""
PUBLISH_LIMIT_S = 30.0
"""How long sending a burst may take; Home Assistant itself waits 10 s for the broker's answer."""


class BurstSender:
    """A bounded queue of bursts of one camera on their way to the worker."""

    def __init__(
        self,
        hub: Hub,
        camera_id: str,
        *,
        on_sent: Callable[[Burst], None],
        on_lost: Callable[[Burst, str], None],
        on_drained: Callable[[], None],
    ) -> None:
        """Set up with nothing to send.

        Args:
            on_sent: takes each burst that the broker has accepted.
            on_lost: takes each burst that is given up, and the reason.
            on_drained: called when no burst waits any more.
        """
        self._hub = hub
        self._camera_id = camera_id
        self._on_sent = on_sent
        self._on_lost = on_lost
        self._on_drained = on_drained
        self._waiting: deque[Burst] = deque()
        self._publishing: Burst | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def has_waiting(self) -> bool:
        """Whether a burst waits to be sent."""
        return bool(self._waiting)

    @callback
    def async_send(self, burst: Burst) -> None:
        """Send a burst as soon as a worker is there; nobody is kept waiting meanwhile."""
        if len(self._waiting) >= MAX_WAITING_BURSTS:
            self._on_lost(self._waiting.popleft(), f"{MAX_WAITING_BURSTS} newer ones wait")
        burst.expires_at = self._hub.hass.loop.time() + WORKER_PATIENCE_S
        self._waiting.append(burst)
        if self._task is None or self._task.done():
            self._task = self._hub.entry.async_create_background_task(
                self._hub.hass, self._send_waiting(), f"send {self._camera_id}"
            )

    @callback
    def async_stop(self) -> list[Burst]:
        """Send no more; return the bursts that were not accepted yet."""
        unsent = [burst for burst in (self._publishing, *self._waiting) if burst]
        self._waiting.clear()
        self._publishing = None
        if self._task is not None:
            self._task.cancel()
        return unsent

    async def _send_waiting(self) -> None:
        """Send what waits, in order; what was refused is sent again until it is too old."""
        loop, pause_s = self._hub.hass.loop, RETRY_PAUSE_S
        while self._waiting:
            left_s = self._waiting[0].expires_at - loop.time()
            online = await self._hub.async_wait_online(max(0.0, left_s))
            burst = self._publishing = self._waiting.popleft()
            fault = await self._publish(burst) if online else "no worker was there"
            self._publishing = None
            if fault is None:
                pause_s = RETRY_PAUSE_S
                self._on_sent(burst)
            elif loop.time() + pause_s >= burst.expires_at:
                self._on_lost(burst, fault)
            elif len(self._waiting) >= MAX_WAITING_BURSTS:
                self._on_lost(burst, f"{fault}, and {MAX_WAITING_BURSTS} newer ones wait")
            else:
                self._waiting.appendleft(burst)
                _LOGGER.debug("%s: the burst is sent again: %s", self._camera_id, fault)
                await asyncio.sleep(pause_s)
                pause_s *= 2
        self._on_drained()

    async def _publish(self, burst: Burst) -> str | None:
        """Publish a burst; return why that was not possible."""
        try:
            async with asyncio.timeout(PUBLISH_LIMIT_S):
                await self._hub.commands.async_send(self._camera_id, "burst", burst.to_json())
        except TimeoutError:
            return "the broker did not take it in time"
        except Exception as error:  # a client that fails must not lose the motion
            return f"it could not be sent ({error})"
        return None
