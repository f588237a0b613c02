"""Past events of a site: what the worker keeps, asked for over MQTT when somebody looks."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self, final

from .commands import Commands, read_answer
from .contract import MAX_OBJECTS
from .payload import (
    Payload,
    PayloadError,
    read_bool,
    read_count,
    read_datetime,
    read_enum,
    read_id,
    read_image,
    read_objects,
    read_optional,
    read_share,
    read_text,
)
from .reasons import EventState, reason_word
from .requests import RequestError, Requests
from .settings import read_zone

ANSWER_TIMEOUT_S = 15.0
"""The worker answers within 10 seconds."""
MAX_LISTED = 50
MAX_COUNTS = 62
MAX_ZONES = 3
CACHED_BYTES = 24 * 1024 * 1024
"""Of pictures that were looked at; a thumbnail has some 15 kB."""
REQUESTS_AT_ONCE = 4
"""A page of pictures must not take all places that the worker has for requests."""

type PictureKey = tuple[str, str, int | None, int | None, str]
"""Camera, event, number of the frame, width, and the zones that are drawn into it."""


@final
@dataclass(frozen=True, kw_only=True)
class PastEvent:
    """An event that the worker keeps."""

    event_id: str
    motion_at: datetime
    state: EventState
    relevant: bool
    """Whether it raised the alarm."""
    score: float | None
    threshold: float
    reason: str
    explanation: str
    learning: bool
    objects: list[str]
    feedback: bool | None
    pictures: int
    """Frames that are still kept."""

    @property
    def reason_word(self) -> str:
        """Why it was judged so, as one of the words that are translated."""
        return reason_word(self.reason, self.state, self.objects)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read an item of ``event_list``."""
        objects = content.get("objects")
        if not isinstance(objects, list):
            raise PayloadError("objects is no list")
        return cls(
            event_id=read_id(content, "event_id"),
            motion_at=read_datetime(content, "motion_at"),
            state=read_enum(EventState, content, "state"),
            relevant=read_bool(content, "relevant"),
            score=read_optional(read_share, content, "score"),
            threshold=read_share(content, "threshold"),
            reason=read_text(content, "reason"),
            explanation=read_text(content, "explanation"),
            learning=read_bool(content, "learning"),
            objects=[str(kind)[:64] for kind in objects[:MAX_OBJECTS]],
            feedback=read_optional(read_bool, content, "feedback"),
            pictures=read_count(content, "pictures"),
        )


@final
@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many events moved in an interval, by their state."""

    relevant: int
    irrelevant: int
    unknown: int
    suppressed: int

    @property
    def events(self) -> int:
        """All of them."""
        return self.relevant + self.irrelevant + self.unknown

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read an item of ``counts``."""
        names = ("relevant", "irrelevant", "unknown", "suppressed")
        return cls(**{name: read_count(content, name) for name in names})


@final
@dataclass(frozen=True, kw_only=True)
class EventPage:
    """A page of past events, newest first."""

    events: list[PastEvent]
    more: bool
    counts: list[Counts]

    @classmethod
    def from_payload(cls, payload: Payload) -> Self:
        """Read an ``event_list``."""
        content = read_answer(payload)
        return cls(
            events=[
                PastEvent.from_json(event)
                for event in read_objects(content.get("events"), "events", MAX_LISTED)
            ],
            more=read_bool(content, "more"),
            counts=[
                Counts.from_json(counts)
                for counts in read_objects(content.get("counts"), "counts", MAX_COUNTS)
            ],
        )


class PastEvents:
    """Asks the worker of a site for past events; their times are by Home Assistant's clock."""

    def __init__(self, requests: Requests, commands: Commands) -> None:
        """Set up with nothing asked for."""
        self.clock_lead = timedelta()
        """How far the worker's clock is ahead of ours."""
        self._requests = requests
        self._commands = commands
        self._slots = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._pictures: OrderedDict[PictureKey, bytes] = OrderedDict()
        self._cached_bytes = 0

    async def async_list(
        self,
        camera_id: str,
        *,
        event_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        states: Sequence[EventState] = (),
        limit: int = 20,
        count_between: Sequence[datetime] = (),
    ) -> EventPage:
        """Return a page of events, and how many there were between some moments.

        Raises:
            HomeAssistantError: the worker does not answer, or says why it cannot.
        """
        request: dict[str, Any] = {"limit": limit}
        if event_id is not None:
            request["event_id"] = event_id
        for name, at in (("since", since), ("until", until)):
            if at is not None:
                request[name] = self._their_time(at)
        if states:
            request["states"] = [state.value for state in states]
        if count_between:
            request["count_between"] = [self._their_time(at) for at in count_between]
        page = await self._ask(camera_id, "list_events", request, EventPage.from_payload)
        events = [
            replace(event, motion_at=event.motion_at - self.clock_lead) for event in page.events
        ]
        return replace(page, events=events)

    async def async_picture(
        self,
        camera_id: str,
        event_id: str,
        *,
        frame: int | None = None,
        width: int | None = None,
        zones_key: str = "",
    ) -> bytes:
        """Return a picture of an event as JPEG.

        Args:
            camera_id: its camera.
            event_id: of the event.
            frame: its number in the burst; None returns the annotated picture.
            width: pixels that it shall have at most.
            zones_key: names the zones in force, which the worker draws into an annotated picture;
                one that was drawn with others is asked for anew.

        Raises:
            HomeAssistantError: it cannot be had.
        """
        key = camera_id, event_id, frame, width, zones_key if frame is None else ""
        if (known := self._pictures.get(key)) is not None:
            self._pictures.move_to_end(key)
            return known
        request = {"event_id": event_id, "frame": frame, "width": width}
        picture = await self._ask(camera_id, "get_picture", request, _read_picture)
        self._keep(key, picture)
        return picture

    async def async_ignore_here(
        self, camera_id: str, event_id: str, *, preview: bool
    ) -> list[dict[str, Any]]:
        """Ignore motion where it was in an event from now on; return the zones.

        Args:
            camera_id: its camera.
            event_id: of the event.
            preview: tells the zones alone.

        Raises:
            HomeAssistantError: nothing can be ignored there.
        """
        request = {"event_id": event_id, "preview": preview}
        return await self._ask(camera_id, "ignore_here", request, _read_zones)

    async def _ask[T](
        self,
        camera_id: str,
        command: str,
        request: Mapping[str, Any],
        read: Callable[[Payload], T],
    ) -> T:
        try:
            async with self._slots:
                return await self._requests.async_ask(
                    camera_id, command, request, read, ANSWER_TIMEOUT_S
                )
        except TimeoutError:
            raise self._commands.error("no_answer_in_time", camera_id) from None
        except RequestError as error:
            raise self._commands.error("request_refused", camera_id, error=str(error)) from error

    def _their_time(self, moment: datetime) -> str:
        return (moment + self.clock_lead).isoformat(timespec="milliseconds")

    def _keep(self, key: PictureKey, picture: bytes) -> None:
        before = self._pictures.pop(key, b"")
        self._pictures[key] = picture
        self._cached_bytes += len(picture) - len(before)
        while self._cached_bytes > CACHED_BYTES:
            _, oldest = self._pictures.popitem(last=False)
            self._cached_bytes -= len(oldest)


def _read_picture(payload: Payload) -> bytes:
    if isinstance(payload, bytes | bytearray) and payload.startswith(b"{"):
        read_answer(payload)
    return read_image(payload)


def _read_zones(payload: Payload) -> list[dict[str, Any]]:
    zones = read_objects(read_answer(payload).get("zones"), "zones", MAX_ZONES)
    return [read_zone(zone) for zone in zones]
