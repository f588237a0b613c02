"""Takes the pictures of a bridged camera: a burst for each motion, and one on request."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import callback

from .burst import Burst
from .const import CONF_BURST_SIZE, CONF_CAMERA_ENTITY, CONF_CAMERA_ID, CONF_SPACING_S
from .hub import Hub
from .pictures import BurstCamera, Capture, PictureError

_LOGGER = logging.getLogger(__name__)


class MotionCapture:
    """Takes bursts of one camera, one after the other."""

    def __init__(
        self, hub: Hub, subentry: ConfigSubentry, on_burst: Callable[[Burst], None]
    ) -> None:
        """Set up with nothing moving.

        Args:
            on_burst: takes over each burst once its pictures are taken.
        """
        self.subentry = subentry
        """Says what the user has chosen; it may be replaced while a burst is taken."""
        self._hub = hub
        self._on_burst = on_burst
        self._camera = BurstCamera(hub.hass, lambda: hub.max_burst_bytes)
        self._task: asyncio.Task[None] | None = None
        self._taking: Burst | None = None
        self._next_motion_at: datetime | None = None
        self._fault: str | None = None

    @property
    def busy(self) -> bool:
        """Whether a burst is being taken."""
        return self._task is not None and not self._task.done()

    @callback
    def async_on_motion(self, motion_at: datetime) -> None:
        """Take a burst; motion that begins again meanwhile gets a burst of its own."""
        if not self.busy:
            self._task = self._hub.entry.async_create_background_task(
                self._hub.hass,
                self._take_bursts(motion_at),
                f"burst {self.subentry.data[CONF_CAMERA_ID]}",
            )
        elif self._next_motion_at is None:
            self._next_motion_at = motion_at

    @callback
    def async_stop(self) -> list[Burst]:
        """Take no more pictures; return the bursts that were not handed over, as far as taken."""
        unsent = [] if self._taking is None else [self._taking]
        if self._next_motion_at is not None:
            unsent.append(Burst(self._next_motion_at))
        self._taking = self._next_motion_at = None
        if self._task is not None:
            self._task.cancel()
        return unsent

    async def async_frames(self) -> list[dict[str, str]]:
        """Take a burst that no motion asked for.

        Raises:
            PictureError: the camera gives none.
        """
        capture = Capture()
        await self._async_capture(capture)
        if not capture.frames:
            raise PictureError(capture.fault)
        return capture.frames

    async def async_picture(self) -> dict[str, str] | None:
        """Take one picture that no motion asked for; None where the camera gives none."""
        data, capture = self.subentry.data, Capture()
        await self._camera.async_capture(data[CONF_CAMERA_ENTITY], 1, data[CONF_SPACING_S], capture)
        return capture.frames[0] if capture.frames else None

    async def _take_bursts(self, motion_at: datetime) -> None:
        following: datetime | None = motion_at
        while following is not None:
            burst = self._taking = Burst(following)
            self._next_motion_at = None
            try:
                await self._async_capture(burst.capture)
            except Exception:
                # Whatever it is, the worker alerts on motion without pictures.
                _LOGGER.exception(
                    "%s: no pictures because of an internal error", self.subentry.title
                )
            if self._taking is not burst:
                return  # stopped meanwhile, and handed over
            self._taking = None
            self._report_fault(burst.capture)
            self._on_burst(burst)
            following = self._next_motion_at

    async def _async_capture(self, capture: Capture) -> None:
        data = self.subentry.data
        await self._camera.async_capture(
            data[CONF_CAMERA_ENTITY], data[CONF_BURST_SIZE], data[CONF_SPACING_S], capture
        )

    @callback
    def _report_fault(self, capture: Capture) -> None:
        """Tell what came instead of pictures, in the log and as a repair where it lasts."""
        fault, data = capture.fault, self.subentry.data
        name = self._hub.cameras.name(data[CONF_CAMERA_ID], self.subentry.title)
        entity_id: str = data[CONF_CAMERA_ENTITY]
        if fault is not None and fault != self._fault:
            _LOGGER.warning(
                "%s: %d of %d pictures came from %s; what else came: %s",
                name, len(capture.frames), data[CONF_BURST_SIZE], entity_id, fault,
            )  # fmt: skip
        self._fault = fault
        self._hub.issues.async_set(
            "bad_pictures",
            fault is not None,
            {"camera": name, "entity": entity_id, "fault": fault or ""},
            camera_id=data[CONF_CAMERA_ID],
        )
