"""Requests to a worker that it answers: each names itself, and its answer comes once."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback

from .connection import Connection
from .payload import Payload


class RequestError(Exception):
    """The worker said why it cannot do what was asked; the message is its English sentence."""


class Requests:
    """The requests of one site that are under way."""

    def __init__(self, hass: HomeAssistant, connection: Connection) -> None:
        """Set up with no request under way."""
        self._hass = hass
        self._connection = connection
        self._waiting: dict[str, tuple[Callable[[Payload], Any], asyncio.Future[Any]]] = {}

    async def async_ask[T](
        self,
        camera_id: str,
        command: str,
        request: Mapping[str, Any],
        read: Callable[[Payload], T],
        timeout_s: float,
    ) -> T:
        """Send a command, and return its answer.

        Args:
            camera_id: of the camera that it is for.
            command: a topic below the camera.
            request: what is asked, without its id.
            read: makes the answer of its payload; raises `PayloadError` where that does not follow
                the contract, and `RequestError` where the worker refuses.
            timeout_s: how long the answer may take.

        Raises:
            RequestError: the worker said why it cannot.
            TimeoutError: no answer came in time.
            HomeAssistantError: the broker cannot be reached.
        """
        request_id = secrets.token_hex(8)
        answer: asyncio.Future[T] = self._hass.loop.create_future()
        self._waiting[request_id] = read, answer
        try:
            await self._connection.async_publish(
                f"camera/{camera_id}/{command}", {**request, "request_id": request_id}
            )
            async with asyncio.timeout(timeout_s):
                return await answer
        finally:
            del self._waiting[request_id]

    @callback
    def async_on_answer(self, message: mqtt.ReceiveMessage) -> None:
        """Take over an answer, whoever asked for it.

        Raises:
            PayloadError: the payload does not follow the contract.
        """
        waiting = self._waiting.get(message.topic.rpartition("/")[2])
        if waiting is None or waiting[1].done():
            return
        read, answer = waiting
        try:
            answer.set_result(read(message.payload))
        except RequestError as error:
            answer.set_exception(error)

    @callback
    def async_stop(self) -> None:
        """Wait for no answer any more."""
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(TimeoutError())
