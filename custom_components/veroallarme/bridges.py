"""The bridges of a site, one for each camera that was added from Home Assistant."""

import asyncio
import logging

from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError

from .bridge import Bridge
from .const import SUBENTRY_CAMERA
from .hub import Hub

_LOGGER = logging.getLogger(__name__)


class Bridges:
    """Follows the subentries of a site."""

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
            self._hub.async_remove_camera(bridge.camera_id)
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
        await hub.commands.async_send(camera_id, "config", None, retain=True)
    except HomeAssistantError as error:
        _LOGGER.warning("%s was not taken from the worker: %s", camera_id, error)
