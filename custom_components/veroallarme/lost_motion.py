"""Motion of a bridged camera that nobody judged: in the log, and as a repair until a verdict."""

import logging
from datetime import datetime

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .burst import Burst
from .const import CONF_CAMERA_ID
from .hub import Hub

_LOGGER = logging.getLogger(__name__)

VERDICT_PATIENCE_S = 120.0
"""A worker that was sent a burst has given a verdict by then, if it is the slowest machine's."""


class LostMotion:
    """Reports motion of one camera that was lost, and a verdict that does not come."""

    def __init__(self, hub: Hub, subentry: ConfigSubentry) -> None:
        """Set up with nothing lost."""
        self.subentry = subentry
        self._hub = hub
        self._cancel_overdue: CALLBACK_TYPE | None = None
        """Cancels the timer that runs out when no verdict comes; None where none is expected."""

    @callback
    def async_report(self, burst: Burst, reason: str) -> None:
        """Report motion that nobody judges."""
        self.async_log(burst, reason)
        camera_id: str = self.subentry.data[CONF_CAMERA_ID]
        self._hub.issues.async_set(
            "motion_lost",
            True,
            {
                "camera": self._hub.cameras.name(camera_id, self.subentry.title),
                "when": _local(burst.motion_at),
                "why": reason,
            },
            camera_id=camera_id,
            patience_s=0,
        )

    @callback
    def async_log(self, burst: Burst, reason: str) -> None:
        """Report motion that nobody judges in the log alone."""
        when = _local(burst.motion_at)
        _LOGGER.warning(
            "%s: the motion of %s was not judged: %s", self.subentry.title, when, reason
        )

    @callback
    def async_expect_verdict(self, burst: Burst) -> None:
        """Expect a verdict: a broker may drop what its access list forbids, and say nothing."""
        if self._cancel_overdue is not None:
            return

        @callback
        def on_overdue(_: datetime) -> None:
            self._cancel_overdue = None
            self.async_report(
                burst,
                f"it was sent, but no verdict came in {VERDICT_PATIENCE_S:.0f} s: see whether the "
                "broker lets Home Assistant publish below the site, and what the worker's log says",
            )

        self._cancel_overdue = async_call_later(self._hub.hass, VERDICT_PATIENCE_S, on_overdue)

    @callback
    def async_on_verdict(self) -> None:
        """Take note of a verdict: what was lost before is past."""
        self.async_stop()
        camera_id = self.subentry.data[CONF_CAMERA_ID]
        self._hub.issues.async_set("motion_lost", False, {}, camera_id=camera_id)

    @callback
    def async_stop(self) -> None:
        """Expect no verdict any more."""
        if self._cancel_overdue is not None:
            self._cancel_overdue()
            self._cancel_overdue = None


def _local(moment: datetime) -> str:
    return dt_util.as_local(moment).isoformat(" ", "seconds")
