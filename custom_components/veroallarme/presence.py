"""The sign by which a worker knows that this integration is there, and announces nothing itself."""

import logging

from homeassistant.components import mqtt
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.exceptions import HomeAssistantError

from .hub import Hub

_LOGGER = logging.getLogger(__name__)

SIGN = "installed"


@callback
def async_show_presence(hub: Hub) -> CALLBACK_TYPE:
    """Keep the sign at the broker; it stays there when Home Assistant ends or reloads.

    Returns:
        What ends the watch over the connection; the sign stays.
    """

    @callback
    def on_status(connected: bool) -> None:
        # A broker that was started anew may have forgotten it.
        if connected and not hub.hass.is_stopping:
            hub.entry.async_create_background_task(
                hub.hass, _async_publish(hub, SIGN), "veroallarme presence"
            )

    on_status(mqtt.is_connected(hub.hass))
    return mqtt.async_subscribe_connection_status(hub.hass, on_status)


async def async_clear_presence(hub: Hub) -> None:
    """Take the sign back: a worker may announce its cameras by itself now."""
    await _async_publish(hub, None)


async def _async_publish(hub: Hub, sign: str | None) -> None:
    topic = f"integration/{hub.entry.entry_id.lower()}"
    try:
        await hub.connection.async_publish(topic, sign, retain=True)
    except HomeAssistantError as error:
        _LOGGER.warning("The worker was not told whether the integration is there: %s", error)
