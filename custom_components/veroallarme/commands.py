"""The commands that a worker takes for one camera."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from .cameras import Cameras
from .connection import Connection
from .const import DOMAIN
from .contract import Verdict
from .payload import Payload, read_json
from .pictures import PictureError
from .requests import RequestError, Requests

ANALYZE_TIMEOUT_S = 35.0
"""The worker answers within 30 seconds."""
FEEDBACK_TIMEOUT_S = 10.0


class Commands:
    """Sends commands to the worker of a site."""

    def __init__(
        self,
        hass: HomeAssistant,
        connection: Connection,
        cameras: Cameras,
        requests: Requests,
        can: Callable[[str], bool],
    ) -> None:
        """Set up.

        Args:
            hass: of the site.
            connection: of the site.
            cameras: of the site.
            requests: of the site.
            can: whether its worker takes a command.
        """
        self.captures: dict[str, Callable[[], Awaitable[list[dict[str, str]]]]] = {}
        """How to take the frames of the cameras that Home Assistant bridges."""
        self._hass = hass
        self._connection = connection
        self._cameras = cameras
        self._requests = requests
        self._can = can

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
        """Give a thumb for an event, or take it back by None; return when the worker has it.

        Raises:
            HomeAssistantError: the worker has no such event, or does not answer.
        """
        thumb = {"event_id": event_id, "relevant": relevant}
        if self._can("list_events"):
            try:
                await self._requests.async_ask(
                    camera_id, "feedback", thumb, read_answer, FEEDBACK_TIMEOUT_S
                )
            except TimeoutError:
                raise self.error("no_answer_in_time", camera_id) from None
            except RequestError as error:
                raise self.error(
                    "feedback_refused", camera_id, event_id=event_id, error=str(error)
                ) from error
        else:  # a worker of the time before thumbs were answered
            await self.async_send(camera_id, "feedback", thumb)
        self._cameras.async_note_thumb(camera_id, event_id, relevant)

    async def async_learn(self, camera_id: str) -> None:
        """Let the worker learn the camera now."""
        await self.async_send(camera_id, "learn", {})

    async def async_analyze(self, camera_id: str) -> dict[str, Any]:
        """Let the worker judge what the camera sees now; return the verdict as it came.

        Raises:
            HomeAssistantError: no answer came, or the worker said why it cannot.
        """
        request: dict[str, Any] = {}
        try:
            if (capture := self.captures.get(camera_id)) is not None:
                request["frames"] = await capture()
            return await self._requests.async_ask(
                camera_id, "analyze", request, _read_analysis, ANALYZE_TIMEOUT_S
            )
        except TimeoutError:
            raise self.error("no_answer_in_time", camera_id) from None
        except (PictureError, RequestError) as error:
            raise self.error("analyze_failed", camera_id, error=str(error)) from error

    def error(self, key: str, camera_id: str, **placeholders: str) -> HomeAssistantError:
        """Return an error about a camera, translated."""
        return HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key=key,
            translation_placeholders={"camera": self._cameras.name(camera_id), **placeholders},
        )


def read_answer(payload: Payload) -> Mapping[str, Any]:
    """Read an answer in JSON.

    Raises:
        RequestError: it says why there is none.
        PayloadError: it does not follow the contract.
    """
    content = read_json(payload)
    if "error" in content:
        raise RequestError(str(content["error"])[:500])
    return content


def _read_analysis(payload: Payload) -> dict[str, Any]:
    content = read_answer(payload)
    Verdict.from_json(content)
    return dict(content)
