"""The hub of one site: composes its connection, workers, cameras, commands and repair issues."""

import asyncio
import logging

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady

from .cameras import ENCODINGS, Cameras
from .commands import Commands
from .connection import Connection, site_root
from .const import CONF_CAMERA_ID, DOMAIN
from .contract import MAX_BURST_BYTES, Info
from .devices import (
    async_add_site,
    async_camera_device,
    async_follow_cameras,
    async_show_worker,
)
from .issues import Issues
from .listeners import HEALTH, INFO, WORKER, Listeners
from .notifications import Notifications
from .page_links import event_path, frontend_link, page_link, zones_path
from .past_events import PastEvents
from .payload import read_json
from .requests import Requests
from .site_issues import SiteIssues
from .suggestions import SuggestionIssues
from .workers import Workers

_LOGGER = logging.getLogger(__name__)

INFO_TIMEOUT_S = 10.0

type VeroAllarmeConfigEntry = ConfigEntry[Hub]


class Hub:
    """One site."""

    def __init__(self, hass: HomeAssistant, entry: VeroAllarmeConfigEntry) -> None:
        """Set up without any connection."""
        self.hass = hass
        self.entry = entry
        root = site_root(entry.data)
        self.device_id = ""
        self.info: Info | None = None
        self.listeners = Listeners(root)
        self.connection = Connection(hass, root)
        self.workers = Workers(hass, self._on_workers_update)
        self.cameras = Cameras(
            self.connection, hass.loop.time, self._on_camera_update, self._name_by_user
        )
        self._requests = Requests(hass, self.connection)
        self.commands = Commands(hass, self.connection, self.cameras, self._requests, self.can)
        self.past_events = PastEvents(self._requests, self.commands)
        self.notifications = Notifications(
            hass,
            entry,
            self.cameras,
            self.commands,
            self.past_events,
            self._can_now,
            self.event_link,
        )
        self.issues = Issues(hass, entry.entry_id)
        self._site_issues = SiteIssues(self.issues, entry)
        self._suggestion_issues = SuggestionIssues(hass, entry.entry_id)
        self._info_received = asyncio.Event()
        self._was_online = False

    @property
    def online(self) -> bool:
        """Whether a worker is there that this integration understands."""
        return (
            self.connection.connected
            and self.info is not None
            and self.info.supported
            and self.workers.online
        )

    @property
    def max_burst_bytes(self) -> int:
        """The largest burst that worker and broker take."""
        return MAX_BURST_BYTES if self.info is None else self.info.max_burst_bytes

    @property
    def bridged_names(self) -> dict[str, str]:
        """The names of the cameras that Home Assistant bridges, by their ids."""
        titles = {
            subentry.data[CONF_CAMERA_ID]: subentry.title
            for subentry in self.entry.subentries.values()
        }
        return {
            camera_id: self.cameras.name(camera_id, title) for camera_id, title in titles.items()
        }

    def _name_by_user(self, camera_id: str) -> str | None:
        device = async_camera_device(self.hass, self.entry.entry_id, camera_id)
        return None if device is None else device.name_by_user

    def event_link(self, camera_id: str, event_id: str) -> str | None:
        """Return where the worker's page shows an event; None where there is no page."""
        page = None if self.info is None else self.info.page
        return None if page is None else frontend_link(page, event_path(camera_id, event_id))

    def serves(self, camera_id: str) -> bool:
        """Whether the worker has a camera."""
        return self.info is not None and camera_id in self.info.cameras

    def can(self, command: str) -> bool:
        """Whether the worker takes a command."""
        return self.info is not None and command in self.info.capabilities

    def _can_now(self, command: str) -> bool:
        """Whether a worker is there that takes a command."""
        return self.online and self.can(command)

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
        changed = asyncio.Event()
        remove_listener = self.listeners.async_add("", (WORKER,), changed.set)
        try:
            async with asyncio.timeout(timeout_s):
                while not self.online:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return False
        finally:
            remove_listener()
        return True

    async def async_start(self) -> None:
        """Subscribe, and wait until the site has told what it offers.

        Raises:
            ConfigEntryNotReady: there is no MQTT client, or no worker has ever spoken here.
        """
        if not await mqtt.async_wait_for_mqtt_client(self.hass):
            raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="mqtt_unavailable")
        self.device_id = async_add_site(self.hass, self.entry)
        on_unload = self.entry.async_on_unload
        on_unload(self.connection.async_track_status(self._on_connection_change))
        on_unload(self._stop)
        self.notifications.async_listen()
        subscribe = self.connection.async_subscribe
        # One subscription for each kind of topic, whatever the number of cameras. Home Assistant
        # subscribes to filters with wildcards first, in any case: when info comes, the retained
        # state of the cameras has come as well.
        for kind, encoding in ENCODINGS.items():
            handler = self.cameras.handler(kind)
            on_unload(await subscribe(f"camera/+/{kind}", handler, encoding=encoding))
        for answers in ("analyze", "answer"):
            handler = self._requests.async_on_answer
            on_unload(await subscribe(f"camera/+/{answers}/+", handler, encoding=None))
        on_unload(await subscribe("worker/+/health", self.workers.async_on_health))
        on_unload(await subscribe("worker/+/status", self.workers.async_on_status))
        on_unload(await subscribe("info", self._on_info))
        try:
            async with asyncio.timeout(INFO_TIMEOUT_S):
                await self._info_received.wait()
        except TimeoutError:
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key="no_answer",
                translation_placeholders={"topic": f"{self.connection.root}/info"},
            ) from None

    @callback
    def _stop(self) -> None:
        self.workers.async_stop()
        self._requests.async_stop()
        self.issues.async_clear()
        self._suggestion_issues.async_clear()

    @callback
    def async_remove_camera(self, camera_id: str) -> None:
        """Forget a camera that is gone; it may come again."""
        self.cameras.async_remove(camera_id)
        self.issues.async_clear(camera_id)
        self._suggestion_issues.async_clear(camera_id)

    @callback
    def _on_connection_change(self) -> None:
        if not self.connection.connected:
            self.workers.async_disconnected()
        self._on_workers_update()

    @callback
    def _on_workers_update(self) -> None:
        online = self.online
        if online != self._was_online:
            self._was_online = online
            if online:
                _LOGGER.info("The worker of %s is there", self.connection.root)
            else:
                _LOGGER.warning("The worker of %s is not available", self.connection.root)
            self.listeners.async_notify(WORKER)
        self.listeners.async_notify(HEALTH)
        self.past_events.clock_lead = self.workers.clock_lead
        self.cameras.async_set_clock_lead(self.workers.clock_lead)
        self._site_issues.async_check_clock(self.workers.clock_lead)
        self._site_issues.async_check_worker(online, self.info)
        self._check_faults()

    @callback
    def _on_info(self, message: mqtt.ReceiveMessage) -> None:
        info = self.info = Info.from_json(read_json(message.payload))
        self._info_received.set()
        if info.supported:
            async_show_worker(self.hass, self.device_id, info)
            self._follow_cameras(info)
            self.listeners.async_notify(INFO)
        self._site_issues.async_check_contract(info)
        self._on_workers_update()

    @callback
    def _follow_cameras(self, info: Info) -> None:
        """Add cameras that are new, follow their names, and remove those that are gone for good."""
        bridged_names = self.bridged_names
        # A bridged camera comes back as soon as its definition is published again.
        expected_ids = bridged_names.keys() | info.cameras.keys()
        known_ids = self.cameras.offered.keys() | self.cameras.by_id.keys()
        for camera_id in known_ids - expected_ids:
            self.async_remove_camera(camera_id)
        async_follow_cameras(self.hass, self.entry.entry_id, info, expected_ids)
        self.cameras.async_offer(info.cameras)
        for camera_id in self.cameras.by_id:
            for kind in ("connectivity", "stats", "suggestions"):
                self._check_camera(camera_id, kind)
        self._site_issues.async_check_bridged(bridged_names, info.cameras)

    def _check_faults(self) -> None:
        cameras = self.info.cameras.values() if self.info else ()
        names = {camera.id: self.cameras.name(camera.id) for camera in cameras}
        self._site_issues.async_check_faults(self.workers.faults, names)
        for camera_id in self.cameras.by_id.keys() & names:
            self._check_camera(camera_id, "connectivity")

    @callback
    def _on_camera_update(self, camera_id: str, kind: str) -> None:
        self._check_camera(camera_id, kind)
        self.listeners.async_notify(kind, camera_id)

    def _check_camera(self, camera_id: str, kind: str) -> None:
        # Before info has come, the name of a camera is not known yet.
        if self.serves(camera_id):
            camera, name = self.cameras.get(camera_id), self.cameras.name(camera_id)
            self._site_issues.async_check_camera(camera, name, kind)
            if kind == "suggestions":
                page = None if self.info is None else self.info.page
                link = None if page is None else page_link(page, zones_path(camera_id))
                self._suggestion_issues.async_set(camera_id, name, camera.suggestions or [], link)
