"""The commands that a worker takes for one camera."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from .cameras import Cameras
from .connection import Connection
from .const import DOMAIN
from .contract import Verdict
from .payload import read_json
from .pictures import PictureError

ANALYZE_TIMEOUT_S = 35.0
"""The worker answers within 30 seconds."""


class Commands:
    """Sends commands to the worker of a site."""

    def __init__(self, hass: HomeAssistant, connection: Connection, cameras: Cameras) -> None:
        """Set up with no request under way."""
        self.captures: dict[str, Callable[[], Awaitable[list[dict[str, str]]]]] = {}
        """How to take the frames of the cameras that Home Assistant bridges."""
        self._hass = hass
        self._connection = connection
        self._cameras = cameras
        self._answers: dict[str, asyncio.Future[Mapping[str, Any]]] = {}

    async def async_send(
        self,
        camera_id: str,
        command: str,
        payload: Mapping[str, Any] | None,
        *,
        retain: bool = False,
    ) -> None:
        """Send a command; None clears a retained topic.

        Raises:
            HomeAssistantError: the broker cannot be reached.
        """
        topic = f"camera/{camera_id}/{command}"
        await self._connection.async_publish(topic, payload, retain=retain)

    async def async_set(self, camera_id: str, **settings: Any) -> None:
        """Change settings of a camera."""
        await self.async_send(camera_id, "set", settings)

    async def async_give_feedback(
        self, camera_id: str, event_id: str, relevant: bool | None
    ) -> None:
        """Send a thumb for an event, or take it back by None."""
        await self.async_send(camera_id, "feedback", {"event_id": event_id, "relevant": relevant})

    async def async_learn(self, camera_id: str) -> None:
        """Let the worker learn the camera now."""
        await self.async_send(camera_id, "learn", {})

    async def async_analyze(self, camera_id: str) -> dict[str, Any]:
        """Let the worker judge what the camera sees now; return the verdict as it came.

        Raises:
            HomeAssistantError: no answer came, or the worker said why it cannot.
        """
        request_id = secrets.token_hex(8)
        answer: asyncio.Future[Mapping[str, Any]] = self._hass.loop.create_future()
        self._answers[request_id] = answer
        request: dict[str, Any] = {"request_id": request_id}
        try:
            if (capture := self.captures.get(camera_id)) is not None:
                request["frames"] = await capture()
            await self.async_send(camera_id, "analyze", request)
            async with asyncio.timeout(ANALYZE_TIMEOUT_S):
                content = await answer
        except TimeoutError:
            raise self._error("analyze_timeout", camera_id) from None
        except PictureError as error:
            raise self._error("analyze_failed", camera_id, error=str(error)) from error
        finally:
            del self._answers[request_id]
        if "error" in content:
            raise self._error("analyze_failed", camera_id, error=str(content["error"]))
        return dict(content)

    def _error(self, key: str, camera_id: str, **placeholders: str) -> HomeAssistantError:
        return HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key=key,
            translation_placeholders={"camera": self._cameras.name(camera_id), **placeholders},
        )

    @callback
    def async_on_answer(self, message: mqtt.ReceiveMessage) -> None:
        """Take over the answer to a request.

        Raises:
            PayloadError: the payload does not follow the contract.
        """
        answer = self._answers.get(message.topic.rpartition("/")[2])
        if answer is None or answer.done():
            return
        content = read_json(message.payload)
        if "error" not in content:
            Verdict.from_json(content)
        answer.set_result(content)

    @callback
    def async_stop(self) -> None:
        """Wait for no answer any more."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(TimeoutError())
