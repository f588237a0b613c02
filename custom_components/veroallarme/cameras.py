"""The cameras of one site: what the worker offers, and what it last published about each."""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from homeassistant.components import mqtt
from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from .alarm import Alarm
from .connection import Connection, MessageHandler
from .contract import MAX_CAMERAS, CameraInfo, Verdict, read_review
from .payload import PayloadError, is_valid_id, read_image, read_json, read_switch
from .settings import Settings
from .stats import Stats
from .suggestions import Suggestion, read_suggestions

REMEMBERED_EVENTS = 64
"""Decisions of a camera that are recognised when they are delivered again."""

ENCODINGS = {
    "connectivity": "utf-8",
    "event": "utf-8",
    "image": None,
    "relevant": "utf-8",
    "review": "utf-8",
    "settings": "utf-8",
    "stats": "utf-8",
    "suggestions": "utf-8",
    "suggestions_image": None,
    "verdict": "utf-8",
}
"""The kinds of a camera's topics; None leaves a payload in bytes."""


class Camera:
    """What the worker last published about one camera."""

    def __init__(self, camera_id: str, monotonic: Callable[[], float]) -> None:
        """Start without any knowledge.

        Args:
            camera_id: its id.
            monotonic: a clock in seconds that nobody sets, for the lengths of alarms.
        """
        self.id = camera_id
        self.alarm = Alarm(monotonic)
        self.image: bytes | None = None
        self.connected: bool | None = None
        self.stats: Stats | None = None
        self.settings: Settings | None = None
        self.calibrated_threshold: float | None = None
        """As the latest verdict under it tells; None where none has told."""
        self.review: list[dict[str, Any]] | None = None
        self.suggestions: list[Suggestion] | None = None
        self.suggestions_image: bytes | None = None
        self.suggestions_image_at: datetime | None = None
        """When this picture came."""
        self.verdict_at: datetime | None = None
        """When the latest verdict came; None for one that the broker had retained."""
        self.thumbs: dict[str, bool] = {}
        """Thumbs that were given here for its latest events, by event id."""
        self._verdict: Verdict | None = None
        self._decision: Verdict | None = None
        self._decided_ids: deque[str] = deque(maxlen=REMEMBERED_EVENTS)
        self._image_received_at: datetime | None = None
        self._clock_lead = timedelta()

    @property
    def verdict(self) -> Verdict | None:
        """The latest verdict, its times by our clock."""
        return self._verdict and self._verdict.by_our_clock(self._clock_lead)

    @property
    def decision(self) -> Verdict | None:
        """The latest message on ``event``; not retained, so None after a start."""
        return self._decision and self._decision.by_our_clock(self._clock_lead)

    @property
    def image_at(self) -> datetime | None:
        """When the picture came; of one that the broker had retained, when it was decided on."""
        if self.image is None:
            return None
        return self._image_received_at or (self.verdict and self.verdict.decided_at)

    def note_thumb(self, event_id: str, relevant: bool | None) -> None:
        """Take note of a thumb that the worker has, or that it was taken back."""
        self.thumbs.pop(event_id, None)
        if relevant is not None:
            self.thumbs[event_id] = relevant
        while len(self.thumbs) > REMEMBERED_EVENTS:
            del self.thumbs[next(iter(self.thumbs))]

    def set_clock_lead(self, lead: timedelta) -> None:
        """Set how far the worker's clock is ahead of ours."""
        self._clock_lead = lead
        self.alarm.set_clock_lead(lead)

    def update(self, kind: str, message: mqtt.ReceiveMessage) -> bool:
        """Take over a message of one kind of topic; return whether it said anything new.

        Raises:
            PayloadError: the payload does not follow the contract.
        """
        payload = message.payload
        if not payload:
            self._clear(kind)
            return True
        match kind:
            case "relevant":
                self.alarm.update_relevant(read_switch(payload), retained=message.retain)
            case "verdict":
                self._update_verdict(message)
            case "event":
                return self._update_decision(Verdict.from_json(read_json(payload)))
            case "image":
                return self._update_image(message)
            case "connectivity":
                self.connected = read_switch(payload)
            case "stats":
                self.stats = Stats.from_json(read_json(payload))
            case "settings":
                self.settings = Settings.from_json(read_json(payload))
            case "review":
                self.review = read_review(read_json(payload))
            case "suggestions":
                self.suggestions = read_suggestions(read_json(payload))
            case "suggestions_image":
                return self._update_suggestions_image(read_image(payload))
        return True

    def _clear(self, kind: str) -> None:
        """A retained topic was cleared: the camera is gone, or its image is switched off."""
        match kind:
            case "relevant":
                self.alarm.clear_relevant()
            case "verdict":
                self._verdict = None
                self.alarm.clear_verdict()
            case "connectivity":
                self.connected = None
            case "suggestions_image":
                self.suggestions_image = self.suggestions_image_at = None
            case "image" | "stats" | "settings" | "review" | "suggestions":
                setattr(self, kind, None)

    def _update_suggestions_image(self, image: bytes) -> bool:
        if image == self.suggestions_image:
            return False
        self.suggestions_image, self.suggestions_image_at = image, dt_util.utcnow()
        return True

    def _update_verdict(self, message: mqtt.ReceiveMessage) -> None:
        try:
            verdict = Verdict.from_json(read_json(message.payload))
        except PayloadError:
            self.alarm.clear_end()
            raise
        self._verdict = verdict
        self.verdict_at = None if message.retain else dt_util.utcnow()
        if self.settings is not None and self.settings.threshold is None:
            self.calibrated_threshold = verdict.threshold
        self.alarm.update_verdict(verdict, retained=message.retain)

    def _update_decision(self, verdict: Verdict) -> bool:
        """Take over a decision once, however often it is delivered."""
        if verdict.event_id in self._decided_ids:
            return False
        self._decided_ids.append(verdict.event_id)
        self._decision = verdict
        return True

    def _update_image(self, message: mqtt.ReceiveMessage) -> bool:
        image = read_image(message.payload)
        if image == self.image:
            return False
        self.image = image
        self._image_received_at = None if message.retain else dt_util.utcnow()
        return True


class Cameras:
    """The cameras of one site, by their ids."""

    def __init__(
        self,
        connection: Connection,
        monotonic: Callable[[], float],
        on_update: Callable[[str, str], None],
        name_by_user: Callable[[str], str | None],
    ) -> None:
        """Start without cameras.

        Args:
            connection: of the site.
            monotonic: a clock in seconds that nobody sets.
            on_update: called with the id of a camera and the kind of topic that has news.
            name_by_user: what the user calls a camera in Home Assistant; None for its own name.
        """
        self.by_id: dict[str, Camera] = {}
        """What was published; retained state comes before info, of former cameras as well."""
        self.offered: dict[str, CameraInfo] = {}
        """The cameras that info has named, and that were not removed since."""
        self._connection = connection
        self._monotonic = monotonic
        self._on_update = on_update
        self._name_by_user = name_by_user
        self._on_added: list[Callable[[CameraInfo], None]] = []
        self._clock_lead = timedelta()

    def get(self, camera_id: str) -> Camera:
        """Return what is known of a camera, which may be nothing yet."""
        if camera_id not in self.by_id:
            camera = self.by_id[camera_id] = Camera(camera_id, self._monotonic)
            camera.set_clock_lead(self._clock_lead)
        return self.by_id[camera_id]

    def name(self, camera_id: str, otherwise: str = "") -> str:
        """Return the name of a camera for people.

        Args:
            camera_id: of the camera.
            otherwise: its name where the worker has not told one yet.
        """
        info = self.offered.get(camera_id)
        own = info.name if info else otherwise or camera_id
        return self._name_by_user(camera_id) or own

    @callback
    def async_on_added(self, listener: Callable[[CameraInfo], None]) -> None:
        """Call ``listener`` for each camera of the site, now and when one is added."""
        self._on_added.append(listener)
        for info in self.offered.values():
            listener(info)

    @callback
    def async_offer(self, infos: Mapping[str, CameraInfo]) -> None:
        """Add the cameras that are new, and follow the names of the others."""
        added = [info for info in infos.values() if info.id not in self.offered]
        self.offered |= infos
        for info in added:
            for listener in self._on_added:
                listener(info)

    @callback
    def async_remove(self, camera_id: str) -> None:
        """Forget a camera that is gone; it may come again."""
        self.offered.pop(camera_id, None)
        self.by_id.pop(camera_id, None)

    @callback
    def async_note_thumb(self, camera_id: str, event_id: str, relevant: bool | None) -> None:
        """Take note of a thumb that the worker has, or that it was taken back by None."""
        self.get(camera_id).note_thumb(event_id, relevant)
        self._on_update(camera_id, "verdict")

    @callback
    def async_set_clock_lead(self, lead: timedelta) -> None:
        """Show times by our clock, which the worker's is so far ahead of."""
        if lead == self._clock_lead:
            return
        self._clock_lead = lead
        for camera_id, camera in list(self.by_id.items()):
            camera.set_clock_lead(lead)
            self._on_update(camera_id, "verdict")

    def handler(self, kind: str) -> MessageHandler:
        """Return what handles the messages of one kind of topic."""

        @callback
        def on_message(message: mqtt.ReceiveMessage) -> None:
            self._on_message(kind, message)

        return on_message

    @callback
    def _on_message(self, kind: str, message: mqtt.ReceiveMessage) -> None:
        camera_id = message.topic.split("/")[-2]
        if camera_id not in self.by_id:
            if not message.payload or not is_valid_id(camera_id):
                return
            if len(self.by_id) >= MAX_CAMERAS:
                error = PayloadError(f"there are {MAX_CAMERAS} cameras already")
                # Not by the name of the camera: a flood of names must not flood the log.
                self._connection.async_reject(f"{self._connection.root}/camera/+/{kind}", error)
                return
        if self.get(camera_id).update(kind, message):
            self._on_update(camera_id, kind)
