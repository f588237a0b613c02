"""One site of VeroAllarme: what its worker said last, and the commands that it takes.

There is one subscription for each kind of topic, whatever the number of cameras.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady, HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.json import json_dumps
from homeassistant.util import dt as dt_util

from .const import CONF_CAMERA_ID, CONF_PREFIX, CONF_SITE, DOMAIN
from .contract import (
    CONTRACT_VERSION,
    MAX_BURST_BYTES,
    MAX_CAMERAS,
    CameraInfo,
    Health,
    Info,
    Origin,
    Outcome,
    Payload,
    PayloadError,
    Settings,
    Stats,
    Verdict,
    is_valid_id,
    read_image,
    read_json,
    read_review,
    read_switch,
)
from .issues import Issues
from .pictures import PictureError

_LOGGER = logging.getLogger(__name__)

INFO_TIMEOUT_S = 10.0
HEALTH_SILENCE_S = 200.0
"""A worker reports every minute. One that misses three reports counts as gone, even where the
broker, restarted after a power cut, still remembers it as online."""
ANALYZE_TIMEOUT_S = 35.0
"""The worker answers within 30 seconds."""
REMEMBERED_EVENTS = 64
MAX_WORKERS = 16
MAX_COMPLAINTS = 256
CLOCK_TOLERANCE = timedelta(seconds=30)
"""Clocks that differ by less agree: a message may take some seconds."""

STUCK_EVENTS = 1000
"""Far more than a promise needs: a camera without one by then will not get it by waiting."""

WORKER = "worker"
"""Listeners to this hear that workers came or went."""
HEALTH = "health"
"""Listeners to this hear how a worker is."""
INFO = "info"
"""Listeners to this hear that the site offers something else."""
_OF_THE_SITE = (WORKER, HEALTH, INFO)

type VeroAllarmeConfigEntry = ConfigEntry[Hub]


class Camera:
    """What the worker said last about one camera."""

    def __init__(self, camera_id: str, monotonic: Callable[[], float]) -> None:
        """Start without any knowledge.

        Args:
            camera_id: its id.
            monotonic: a clock in seconds that nobody sets, for the lengths of alarms.
        """
        self.id = camera_id
        self.relevant: bool | None = None
        self.image: bytes | None = None
        self._image_came_at: datetime | None = None
        self.connected: bool | None = None
        self.stats: Stats | None = None
        self.settings: Settings | None = None
        self.calibrated_threshold: float | None = None
        """As the latest verdict under it tells; None where none has told."""
        self.review: list[dict[str, Any]] | None = None
        self._verdict: Verdict | None = None
        self._decision: Verdict | None = None
        self._lead = timedelta()
        self._monotonic = monotonic
        self._ends_at: float | None = None
        self._retained_alarm: Verdict | None = None
        """The verdict whose end is only known by the clocks, as the broker had retained it."""
        self._decided: deque[str] = deque(maxlen=REMEMBERED_EVENTS)

    @property
    def verdict(self) -> Verdict | None:
        """The latest verdict, its times by our clock."""
        return self._verdict and self._verdict.by_our_clock(self._lead)

    @property
    def decision(self) -> Verdict | None:
        """The latest message on ``event``; not retained, so None after a start."""
        return self._decision and self._decision.by_our_clock(self._lead)

    @property
    def image_at(self) -> datetime | None:
        """When the picture came; of one that the broker had retained, when it was decided on."""
        if self.image is None:
            return None
        return self._image_came_at or (self.verdict and self.verdict.decided_at)

    @property
    def alarm_left_s(self) -> float | None:
        """Seconds until the alarm ends even if nothing more is heard; None where unknown."""
        return None if self._ends_at is None else max(0.0, self._ends_at - self._monotonic())

    @property
    def alarm(self) -> bool | None:
        """Whether the alarm is on; None until the worker has told."""
        return False if self.relevant and self.alarm_left_s == 0.0 else self.relevant

    def set_clock_lead(self, lead: timedelta) -> None:
        """Take note of how far the worker's clock is ahead of ours."""
        self._lead = lead
        if self._retained_alarm is not None:
            self._count_what_is_left(self._retained_alarm)

    def take(self, kind: str, message: mqtt.ReceiveMessage) -> bool:
        """Take a message of one kind of topic; return whether it said anything new.

        Raises:
            PayloadError: the payload does not follow the contract.
        """
        payload = message.payload
        if not payload:
            self._forget(kind)
            return True
        match kind:
            case "relevant":
                self._take_alarm(read_switch(payload), retained=message.retain)
            case "verdict":
                try:
                    verdict = Verdict.from_json(read_json(payload))
                except PayloadError:
                    # An alarm whose end is not known lasts until the worker ends it.
                    self._ends_at = self._retained_alarm = None
                    raise
                self._take_verdict(verdict, retained=message.retain)
            case "event":
                return self._take_decision(Verdict.from_json(read_json(payload)))
            case "image":
                image = read_image(payload)
                if image == self.image:
                    return False
                self.image = image
                self._image_came_at = None if message.retain else dt_util.utcnow()
            case "connectivity":
                self.connected = read_switch(payload)
            case "stats":
                self.stats = Stats.from_json(read_json(payload))
            case "settings":
                self.settings = Settings.from_json(read_json(payload))
            case "review":
                self.review = read_review(read_json(payload))
        return True

    def _forget(self, kind: str) -> None:
        """A retained topic was cleared: the camera is gone, or its image is switched off."""
        match kind:
            case "verdict":
                self._verdict = self._ends_at = self._retained_alarm = None
            case "image":
                self.image = None
            case "connectivity":
                self.connected = None
            case "relevant" | "stats" | "settings" | "review":
                setattr(self, kind, None)

    def _take_verdict(self, verdict: Verdict, *, retained: bool) -> None:
        known = self._verdict is not None and self._verdict.event_id == verdict.event_id
        self._verdict = verdict
        if self.settings is not None and self.settings.threshold is None:
            self.calibrated_threshold = verdict.threshold
        if not verdict.relevant or (known and self._ends_at is not None):
            return
        if retained:
            self._count_what_is_left(verdict)
        else:
            self._count_from_now(verdict)

    def _take_alarm(self, relevant: bool, *, retained: bool) -> None:
        self.relevant = relevant
        if relevant and not retained and self._verdict is not None and not self.alarm:
            # The worker says so now; by our clock its end is over.
            self._count_from_now(self._verdict)

    def _count_from_now(self, verdict: Verdict) -> None:
        """Let the alarm's length count, not its end: both clocks may be wrong, or be set."""
        length_s = _length_s(verdict)
        self._ends_at = None if length_s is None else self._monotonic() + length_s
        self._retained_alarm = None

    def _count_what_is_left(self, verdict: Verdict) -> None:
        """Let what is left of the alarm count, of which only the clocks can tell.

        It is never more than the whole alarm, and may grow once the worker's clock is known.
        """
        length_s, ends = _length_s(verdict), verdict.by_our_clock(self._lead).hold_until
        self._ends_at = self._retained_alarm = None
        if length_s is None or ends is None:
            return
        left_s = (ends - dt_util.utcnow()).total_seconds()
        self._ends_at = self._monotonic() + min(max(left_s, 0.0), length_s)
        self._retained_alarm = verdict

    def _take_decision(self, verdict: Verdict) -> bool:
        """Take a decision once, however often it is delivered."""
        if verdict.event_id in self._decided:
            return False
        self._decided.append(verdict.event_id)
        self._decision = verdict
        return True


def _length_s(verdict: Verdict) -> float | None:
    """Return how long an alarm lasts at most; None where only the worker can tell.

    A worker whose clock was set back between motion and decision names an end before the beginning.
    """
    if verdict.hold_until is None or verdict.hold_until <= verdict.decided_at:
        return None
    return (verdict.hold_until - verdict.decided_at).total_seconds()


class Worker:
    """One worker of the site."""

    def __init__(self) -> None:
        """Start with a worker that has not been heard."""
        self.status = False
        self.health: Health | None = None
        self.clock_lead = timedelta()
        """How far its clock is ahead of ours; zero where they agree, or where it does not tell."""
        self.silence: CALLBACK_TYPE | None = None
        """Cancels the timer that runs out when nothing is heard; None when it has run out."""

    @property
    def online(self) -> bool:
        """Whether the worker says that it is online and has been heard of late."""
        return self.status and self.silence is not None

    def compare_clocks(self, sent_at: datetime) -> None:
        """Learn its clock from a message that was sent this moment."""
        lead = sent_at - dt_util.utcnow()
        if abs(lead) < CLOCK_TOLERANCE:
            self.clock_lead = timedelta()
        elif abs(lead - self.clock_lead) >= CLOCK_TOLERANCE:
            self.clock_lead = lead


class Hub:
    """One site: its info, workers and cameras."""

    def __init__(self, hass: HomeAssistant, entry: VeroAllarmeConfigEntry) -> None:
        """Set up without any connection."""
        self.hass = hass
        self.entry = entry
        self.root = site_root(entry.data)
        self.info: Info | None = None
        self.cameras: dict[str, Camera] = {}
        self.workers: dict[str, Worker] = {}
        self.device_id = ""
        self.captures: dict[str, Callable[[], Awaitable[list[dict[str, str]]]]] = {}
        """How to take the frames of the cameras that Home Assistant bridges."""
        self.issues = Issues(hass, entry.entry_id)
        self._connected = False
        self._was_online = False
        self._clock_lead = timedelta()
        self._info_came = asyncio.Event()
        self._listeners: dict[tuple[str, str], list[Callable[[], None]]] = {}
        self._camera_listeners: list[Callable[[CameraInfo], None]] = []
        self._known: dict[str, CameraInfo] = {}
        self._refused: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._answers: dict[str, asyncio.Future[Mapping[str, Any]]] = {}

    # --- state ----------------------------------------------------------------------------

    @property
    def online(self) -> bool:
        """Whether a worker is there that this integration understands."""
        return (
            self._connected
            and self.info is not None
            and self.info.supported
            and any(worker.online for worker in self.workers.values())
        )

    @property
    def fault(self) -> str | None:
        """The latest trouble that a worker reports, with its remedy."""
        online = (worker for worker in self.workers.values() if worker.online)
        faults = (worker.health.error for worker in online if worker.health)
        return next(filter(None, faults), None)

    @property
    def clock_lead(self) -> timedelta:
        """How far the workers' clocks are ahead of ours; of several the one that differs least."""
        leads = [worker.clock_lead for worker in self.workers.values() if worker.online]
        return min(leads, key=abs, default=self._clock_lead)

    @property
    def max_burst_bytes(self) -> int:
        """The largest burst that worker and broker take."""
        return MAX_BURST_BYTES if self.info is None else self.info.max_burst_bytes

    def serves(self, camera_id: str) -> bool:
        """Whether the worker has a camera."""
        return self.info is not None and camera_id in self.info.cameras

    def camera(self, camera_id: str) -> Camera:
        """Return what is known of a camera."""
        if camera_id not in self.cameras:
            camera = self.cameras[camera_id] = Camera(camera_id, self.hass.loop.time)
            camera.set_clock_lead(self._clock_lead)
        return self.cameras[camera_id]

    def camera_name(self, camera_id: str) -> str:
        """Return the name of a camera for people."""
        known = self._known.get(camera_id)
        return known.name if known else camera_id

    def can(self, command: str) -> bool:
        """Whether the worker takes a command."""
        return self.info is not None and command in self.info.capabilities

    def subentry_id(self, camera_id: str) -> str | None:
        """Return the subentry that bridges a camera, or None."""
        return next(
            (
                subentry.subentry_id
                for subentry in self.entry.subentries.values()
                if subentry.data[CONF_CAMERA_ID] == camera_id
            ),
            None,
        )

    async def async_wait_online(self, timeout_s: float) -> bool:
        """Wait for a worker; return whether one is there."""
        came = asyncio.Event()
        stop = self.async_listen("", (WORKER,), came.set)
        try:
            async with asyncio.timeout(timeout_s):
                while not self.online:
                    came.clear()
                    await came.wait()
        except TimeoutError:
            return False
        finally:
            stop()
        return True

    # --- listeners ------------------------------------------------------------------------

    @callback
    def async_listen(
        self, camera_id: str, kinds: Iterable[str], listener: Callable[[], None]
    ) -> CALLBACK_TYPE:
        """Call ``listener`` after each message of these kinds.

        WORKER, HEALTH and INFO are about the site, whatever the camera.
        """
        keys = [("" if kind in _OF_THE_SITE else camera_id, kind) for kind in kinds]
        for key in keys:
            self._listeners.setdefault(key, []).append(listener)

        @callback
        def unsubscribe() -> None:
            for key in keys:
                self._listeners[key].remove(listener)

        return unsubscribe

    @callback
    def async_on_camera(self, listener: Callable[[CameraInfo], None]) -> None:
        """Call ``listener`` for each camera of the site, now and when one is added."""
        self._camera_listeners.append(listener)
        for camera in self._known.values():
            listener(camera)

    @callback
    def _tell(self, camera_id: str, kind: str) -> None:
        for listener in list(self._listeners.get((camera_id, kind), ())):
            try:
                listener()
            except Exception:
                # An entity that stumbles must not keep the alarm from the others.
                _LOGGER.exception("%s of %s could not be shown", kind, camera_id or self.root)

    # --- connection -----------------------------------------------------------------------

    async def async_start(self) -> None:
        """Subscribe, and wait until the site has told what it offers.

        Raises:
            ConfigEntryNotReady: there is no MQTT client, or no worker has ever spoken here.
        """
        if not await mqtt.async_wait_for_mqtt_client(self.hass):
            raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="mqtt_unavailable")
        self.device_id = (
            dr.async_get(self.hass)
            .async_get_or_create(
                config_entry_id=self.entry.entry_id,
                identifiers={(DOMAIN, self.entry.entry_id)},
                entry_type=dr.DeviceEntryType.SERVICE,
                manufacturer="VeroAllarme",
                name=self.entry.title,
            )
            .id
        )
        self._connected = mqtt.is_connected(self.hass)
        on_unload = self.entry.async_on_unload
        on_unload(mqtt.async_subscribe_connection_status(self.hass, self._on_connection))
        on_unload(self._stop)
        # Home Assistant subscribes to filters with wildcards first, in any case: when info comes,
        # the retained state of the cameras has come as well.
        camera = f"{self.root}/camera/+"
        listeners: tuple[tuple[str, Callable[[mqtt.ReceiveMessage], None], str | None], ...] = (
            *(
                (f"{camera}/{kind}", self._listener_for(kind), encoding)
                for kind, encoding in _ENCODINGS.items()
            ),
            (f"{camera}/analyze/+", self._on_answer, "utf-8"),
            (f"{self.root}/worker/+/health", self._on_health, "utf-8"),
            (f"{self.root}/worker/+/status", self._on_status, "utf-8"),
            (f"{self.root}/info", self._on_info, "utf-8"),
        )
        for topic, listener, encoding in listeners:
            on_unload(
                await mqtt.async_subscribe(self.hass, topic, listener, qos=1, encoding=encoding)
            )
        try:
            async with asyncio.timeout(INFO_TIMEOUT_S):
                await self._info_came.wait()
        except TimeoutError:
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key="no_answer",
                translation_placeholders={"topic": f"{self.root}/info"},
            ) from None

    def _listener_for(self, kind: str) -> Callable[[mqtt.ReceiveMessage], None]:
        # No partial: where one fails Home Assistant looks for a name in its first argument.
        @callback
        def on_message(message: mqtt.ReceiveMessage) -> None:
            self._on_camera_message(kind, message)

        return on_message

    @callback
    def _stop(self) -> None:
        for worker in self.workers.values():
            if worker.silence:
                worker.silence()
                worker.silence = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(TimeoutError())
        self.issues.async_clear()

    @callback
    def _on_connection(self, connected: bool) -> None:
        if self.hass.is_stopping:
            # The broker is left before states are written down: what is shown now is to come back.
            return
        self._connected = connected
        if not connected:
            # Who is still there says so again after the reconnect.
            for worker in self.workers.values():
                worker.status = False
        self._workers_changed()

    # --- messages -------------------------------------------------------------------------

    @callback
    def _on_info(self, message: mqtt.ReceiveMessage) -> None:
        try:
            info = Info.from_json(read_json(message.payload))
        except PayloadError as error:
            self._refuse(message.topic, error)
            return
        self.info = info
        self._info_came.set()
        if info.supported:
            dr.async_get(self.hass).async_update_device(self.device_id, sw_version=info.version)
            self._update_cameras(info)
            self._tell("", INFO)
        self.issues.async_set(
            "contract_mismatch",
            not info.supported,
            {"site": self.root, "worker": str(info.contract), "here": str(CONTRACT_VERSION)},
            patience_s=0,
        )
        self._workers_changed()

    @callback
    def _update_cameras(self, info: Info) -> None:
        """Add cameras that are new, follow their names, and remove those that are gone for good."""
        registry = dr.async_get(self.hass)
        # A bridged camera comes back as soon as its definition is published again.
        bridged = {one.data[CONF_CAMERA_ID]: one.title for one in self.entry.subentries.values()}
        stays = bridged.keys() | info.cameras.keys()
        # Retained state comes before info, of cameras as well that are no more.
        for camera_id in (self._known.keys() | self.cameras.keys()) - stays:
            self.async_forget(camera_id)
        new = [camera for camera in info.cameras.values() if camera.id not in self._known]
        self._known |= info.cameras
        for device in dr.async_entries_for_config_entry(registry, self.entry.entry_id):
            known_id = camera_of(device, self.entry.entry_id)
            if known_id is None:
                continue
            if known_id not in stays:
                registry.async_remove_device(device.id)
            elif known_id in info.cameras and device.name != info.cameras[known_id].name:
                registry.async_update_device(device.id, name=info.cameras[known_id].name)
        for camera in new:
            for listener in self._camera_listeners:
                listener(camera)
        for camera_id in self.cameras:
            for kind in ("connectivity", "stats"):
                self._check_camera(camera_id, kind)
        for camera_id, name in bridged.items():
            served = info.cameras.get(camera_id)
            self.issues.async_set(
                "not_served",
                served is None or served.origin != Origin.HOME_ASSISTANT,
                {"camera": name},
                camera_id=camera_id,
            )

    @callback
    def async_forget(self, camera_id: str) -> None:
        """Forget a camera that is gone; it may come again."""
        self._known.pop(camera_id, None)
        self.cameras.pop(camera_id, None)
        self.issues.async_clear(camera_id)

    @callback
    def _on_status(self, message: mqtt.ReceiveMessage) -> None:
        if (worker := self._worker(message.topic)) is not None:
            worker.status = message.payload == "online"
            self._heard(worker)

    @callback
    def _on_health(self, message: mqtt.ReceiveMessage) -> None:
        if not message.payload or (worker := self._worker(message.topic)) is None:
            return
        try:
            worker.health = Health.from_json(read_json(message.payload))
        except PayloadError as error:
            self._refuse(message.topic, error)
        else:
            # What the broker had retained was sent at an unknown time.
            if worker.health.sent_at is not None and not message.retain:
                worker.compare_clocks(worker.health.sent_at)
        self._heard(worker)

    def _worker(self, topic: str) -> Worker | None:
        worker_id = topic.split("/")[-2]
        if worker_id in self.workers:
            return self.workers[worker_id]
        if not is_valid_id(worker_id) or len(self.workers) >= MAX_WORKERS:
            return None
        return self.workers.setdefault(worker_id, Worker())

    @callback
    def _heard(self, worker: Worker) -> None:
        @callback
        def fall_silent(_: datetime) -> None:
            worker.silence = None
            self._workers_changed()

        if worker.silence:
            worker.silence()
        worker.silence = async_call_later(self.hass, HEALTH_SILENCE_S, fall_silent)
        self._workers_changed()

    @callback
    def _workers_changed(self) -> None:
        if self.online != self._was_online:
            self._was_online = self.online
            if self.online:
                _LOGGER.info("The worker of %s is there", self.root)
            else:
                _LOGGER.warning("The worker of %s is not available", self.root)
            self._tell("", WORKER)
        self._tell("", HEALTH)
        self._compare_clocks()
        supported = self.info is None or self.info.supported
        self.issues.async_set("worker_offline", supported and not self.online, {"site": self.root})

    @callback
    def _compare_clocks(self) -> None:
        """Show times by our clock, and tell where the worker's differs from it."""
        lead = self.clock_lead
        if lead != self._clock_lead:
            self._clock_lead = lead
            for camera_id, camera in list(self.cameras.items()):
                camera.set_clock_lead(lead)
                self._tell(camera_id, "verdict")
        minutes = max(1, round(abs(lead).total_seconds() / 60))
        placeholders = {"site": self.root, "minutes": str(minutes)}
        self.issues.async_set("clock_difference", bool(lead), placeholders)

    @callback
    def _on_camera_message(self, kind: str, message: mqtt.ReceiveMessage) -> None:
        camera_id = message.topic.split("/")[-2]
        if camera_id not in self.cameras:
            if not message.payload or not is_valid_id(camera_id):
                return
            if len(self.cameras) >= MAX_CAMERAS:
                error = PayloadError(f"there are {MAX_CAMERAS} cameras already")
                self._refuse(f"{self.root}/camera/+/{kind}", error)
                return
        try:
            news = self.camera(camera_id).take(kind, message)
        except PayloadError as error:
            self._refuse(message.topic, error)
            return
        if news:
            self._check_camera(camera_id, kind)
            self._tell(camera_id, kind)

    def _check_camera(self, camera_id: str, kind: str) -> None:
        """Tell of trouble that only the user can end."""
        if not self.serves(camera_id):
            # Before info has come, its name is not known yet.
            return
        camera = self.cameras[camera_id]
        placeholders = {"camera": self.camera_name(camera_id)}
        if kind == "connectivity":
            self.issues.async_set(
                "no_snapshots", camera.connected is False, placeholders, camera_id=camera_id
            )
        elif kind == "stats" and camera.stats is not None:
            learning = camera.stats.learning
            stuck = camera.stats.outcome is Outcome.FAILED or (
                not learning.learned and learning.events_seen >= STUCK_EVENTS
            )
            placeholders["missing"] = learning.missing or "–"
            self.issues.async_set("learning_stuck", stuck, placeholders, camera_id=camera_id)

    def _refuse(self, topic: str, error: PayloadError) -> None:
        """Log a payload that does not follow the contract, once for each topic and mistake."""
        complaint = (topic, str(error))
        if complaint in self._refused:
            return
        if len(self._refused) >= MAX_COMPLAINTS:
            self._refused.popitem(last=False)
        self._refused[complaint] = None
        _LOGGER.warning("Ignored a message on %s: %s", topic, error)

    # --- commands -------------------------------------------------------------------------

    async def async_publish(
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
        text = "" if payload is None else json_dumps(payload)
        topic = f"{self.root}/camera/{camera_id}/{command}"
        await mqtt.async_publish(self.hass, topic, text, qos=1, retain=retain)

    async def async_set(self, camera_id: str, **settings: Any) -> None:
        """Change settings of a camera."""
        await self.async_publish(camera_id, "set", settings)

    async def async_give_feedback(
        self, camera_id: str, event_id: str, relevant: bool | None
    ) -> None:
        """Send a thumb for an event, or take it back by None."""
        await self.async_publish(
            camera_id, "feedback", {"event_id": event_id, "relevant": relevant}
        )

    async def async_learn(self, camera_id: str) -> None:
        """Let the worker learn the camera now."""
        await self.async_publish(camera_id, "learn", {})

    async def async_analyze(self, camera_id: str) -> dict[str, Any]:
        """Let the worker judge what the camera sees now; return the verdict as it came.

        Raises:
            HomeAssistantError: no answer came, or the worker said why it cannot.
        """
        request_id = secrets.token_hex(8)
        answer: asyncio.Future[Mapping[str, Any]] = self.hass.loop.create_future()
        self._answers[request_id] = answer
        request: dict[str, Any] = {"request_id": request_id}
        try:
            if (capture := self.captures.get(camera_id)) is not None:
                request["frames"] = await capture()
            await self.async_publish(camera_id, "analyze", request)
            async with asyncio.timeout(ANALYZE_TIMEOUT_S):
                content = await answer
        except TimeoutError:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="analyze_timeout",
                translation_placeholders={"camera": self.camera_name(camera_id)},
            ) from None
        except PictureError as error:
            raise self._analysis_failed(camera_id, error) from error
        finally:
            del self._answers[request_id]
        if "error" in content:
            raise self._analysis_failed(camera_id, content["error"])
        return dict(content)

    def _analysis_failed(self, camera_id: str, error: object) -> HomeAssistantError:
        return HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="analyze_failed",
            translation_placeholders={
                "camera": self.camera_name(camera_id),
                "error": str(error),
            },
        )

    @callback
    def _on_answer(self, message: mqtt.ReceiveMessage) -> None:
        answer = self._answers.get(message.topic.rpartition("/")[2])
        if answer is None or answer.done():
            return
        try:
            content = read_json(message.payload)
            if "error" not in content:
                Verdict.from_json(content)
        except PayloadError as error:
            self._refuse(message.topic, error)
            return
        answer.set_result(content)


_ENCODINGS = {
    "connectivity": "utf-8",
    "event": "utf-8",
    "image": None,
    "relevant": "utf-8",
    "review": "utf-8",
    "settings": "utf-8",
    "stats": "utf-8",
    "verdict": "utf-8",
}
"""The kinds of a camera's topics; None leaves a payload in bytes."""


def site_root(data: Mapping[str, Any]) -> str:
    """Return what all topics of a site begin with."""
    return f"{data[CONF_PREFIX]}/{data[CONF_SITE]}"


def camera_of(device: dr.AnyDeviceEntry, entry_id: str) -> str | None:
    """Return the id of the camera that a device of this entry stands for; None for the site."""
    for domain, identifier in device.identifiers:
        head, _, camera_id = identifier.partition("/")
        if domain == DOMAIN and head == entry_id and camera_id:
            return camera_id
    return None


async def async_probe(hass: HomeAssistant, root: str) -> tuple[Info | None, bool]:
    """Ask a site whether it is there; return its info and whether a worker is online."""
    info: Info | None = None
    online = False
    both = asyncio.Event()

    @callback
    def on_message(message: mqtt.ReceiveMessage) -> None:
        nonlocal info, online
        if message.topic.endswith("/status"):
            online = online or message.payload == "online"
        else:
            info = _read_info(message.payload) or info
        if info and (online or not info.supported):
            both.set()

    topics = (f"{root}/worker/+/status", f"{root}/info")
    stops = [await mqtt.async_subscribe(hass, topic, on_message, qos=1) for topic in topics]
    try:
        async with asyncio.timeout(INFO_TIMEOUT_S):
            await both.wait()
    except TimeoutError:
        pass
    finally:
        for stop in stops:
            stop()
    return info, online


def _read_info(payload: Payload) -> Info | None:
    try:
        return Info.from_json(read_json(payload))
    except PayloadError:
        return None
