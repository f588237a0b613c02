"""A look at a site before it is set up."""

import asyncio
from collections.abc import Awaitable, Callable

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .contract import Info
from .payload import Payload, PayloadError, read_json

PROBE_TIMEOUT_S = 10.0


async def async_probe(hass: HomeAssistant, root: str) -> tuple[Info | None, bool]:
    """Ask a site whether it is there; return its info and whether a worker is online."""
    info: Info | None = None
    online = False
    answered = asyncio.Event()

    @callback
    def on_message(message: mqtt.ReceiveMessage) -> None:
        nonlocal info, online
        if message.topic.endswith("/status"):
            online = online or message.payload == "online"
        else:
            info = _read_info(message.payload) or info
        if info and (online or not info.supported):
            answered.set()

    topics = (f"{root}/worker/+/status", f"{root}/info")
    unsubscribes = [await mqtt.async_subscribe(hass, topic, on_message, qos=1) for topic in topics]
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            await answered.wait()
    except TimeoutError:
        pass
    finally:
        for unsubscribe in unsubscribes:
            unsubscribe()
    return info, online


def _read_info(payload: Payload) -> Info | None:
    try:
        return Info.from_json(read_json(payload))
    except PayloadError:
        return None


async def async_when_online(
    hass: HomeAssistant, root: str, then: Callable[[], Awaitable[object]]
) -> None:
    """Do something once a worker of a site says that it is online, however long that takes."""
    done = False

    @callback
    def on_status(message: mqtt.ReceiveMessage) -> None:
        nonlocal done
        if message.payload == "online" and not done:
            done = True
            hass.async_create_task(leave(), f"{DOMAIN} offers {root}")

    async def leave() -> None:
        unsubscribe()
        await then()

    unsubscribe = await mqtt.async_subscribe(hass, f"{root}/worker/+/status", on_status, qos=1)
