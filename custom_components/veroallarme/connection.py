"""The MQTT connection of one site: its subscriptions, and what is published below it."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from homeassistant.components import mqtt
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.json import json_dumps

from .const import CONF_PREFIX, CONF_SITE
from .payload import PayloadError

_LOGGER = logging.getLogger(__name__)

MAX_REJECTIONS = 256
"""Rejected payloads that are remembered, so that each is logged once."""

type MessageHandler = Callable[[mqtt.ReceiveMessage], None]
"""Handles a message, and raises PayloadError where it does not follow the contract."""


def site_root(data: Mapping[str, Any]) -> str:
    """Return what all topics of a site begin with."""
    return f"{data[CONF_PREFIX]}/{data[CONF_SITE]}"


class Connection:
    """The connection to the broker, as far as one site needs it."""

    def __init__(self, hass: HomeAssistant, root: str) -> None:
        """Set up without a connection.

        Args:
            root: what all topics of the site begin with.
        """
        self.root = root
        self.connected = False
        self._hass = hass
        self._rejected: OrderedDict[tuple[str, str], None] = OrderedDict()

    @callback
    def async_track_status(self, on_change: Callable[[], None]) -> CALLBACK_TYPE:
        """Follow whether the broker is there; call ``on_change`` when that changes."""

        @callback
        def on_status(connected: bool) -> None:
            if self._hass.is_stopping:
                # The broker is left before states are written down: what is shown now is to
                # come back.
                return
            self.connected = connected
            on_change()

        self.connected = mqtt.is_connected(self._hass)
        return mqtt.async_subscribe_connection_status(self._hass, on_status)

    async def async_subscribe(
        self, topic: str, handler: MessageHandler, *, encoding: str | None = "utf-8"
    ) -> CALLBACK_TYPE:
        """Let ``handler`` take the messages on a topic below the site.

        Args:
            topic: may have wildcards.
            encoding: None leaves payloads in bytes.
        """

        @callback
        def on_message(message: mqtt.ReceiveMessage) -> None:
            try:
                handler(message)
            except PayloadError as error:
                self.async_reject(message.topic, error)

        return await mqtt.async_subscribe(
            self._hass, f"{self.root}/{topic}", on_message, qos=1, encoding=encoding
        )

    @callback
    def async_reject(self, topic: str, error: PayloadError) -> None:
        """Log a payload that does not follow the contract, once for each topic and mistake."""
        rejection = (topic, str(error))
        if rejection in self._rejected:
            return
        if len(self._rejected) >= MAX_REJECTIONS:
            self._rejected.popitem(last=False)
        self._rejected[rejection] = None
        _LOGGER.warning("Ignored a message on %s: %s", topic, error)

    async def async_publish(
        self, topic: str, payload: Mapping[str, Any] | str | None, *, retain: bool = False
    ) -> None:
        """Publish below the site; a mapping becomes JSON, and None clears a retained topic.

        Raises:
            HomeAssistantError: the broker cannot be reached.
        """
        text = (
            payload if isinstance(payload, str) else "" if payload is None else json_dumps(payload)
        )
        await mqtt.async_publish(self._hass, f"{self.root}/{topic}", text, qos=1, retain=retain)
