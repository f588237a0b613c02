"""Announces the site to Home Assistant, and takes that back where it is not wanted any more."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from veroallarme_core.contract import dump, is_valid_id
from veroallarme_core.files import write_atomically
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.config import CameraConfig, WorkerConfig
from veroallarme_core.worker.discovery.devices import (
    DISCOVERY_PREFIX,
    camera_device,
    camera_topic,
    node_id,
    site_device,
    site_topic,
)
from veroallarme_core.worker.mqtt import Outgoing

_LOGGER = logging.getLogger(__name__)

SETTLE_S = 2.0
"""After a connection the broker first says whether the integration is there."""
MAX_INTEGRATIONS = 32
"""Installations of Home Assistant with the integration that are remembered."""
MAX_ANNOUNCED = 2048
"""Topics of former runs that are taken back; far more than there may be cameras."""
FILE = "discovery.json"
KEY = "discovery"
_OBJECT = re.compile(r"(?:worker-)?[a-z0-9_]{1,64}/config")


class Discovery:
    """Keeps Home Assistant's announcements as they should be: all of them, or none.

    Args:
        config: of the worker.
        cameras: returns the configuration of each camera that is served.
        complaints: tell where nothing can be written down.
        is_deaf: whether the broker does not let us hear of the integration.
        publish: publishes an announcement.
        note_health: called when `word` has changed.
    """

    def __init__(
        self,
        config: WorkerConfig,
        cameras: Callable[[], list[CameraConfig]],
        complaints: Complaints,
        is_deaf: Callable[[], bool],
        publish: Callable[[Outgoing], None],
        note_health: Callable[[], None],
    ) -> None:
        self._config = config
        self._cameras = cameras
        self._complaints = complaints
        self._is_deaf = is_deaf
        self._publish = publish
        self._note_health = note_health
        self._path = config.state_dir / FILE
        ours = f"{DISCOVERY_PREFIX}/device/{node_id(config.topics)}/"
        self._announced = read_announced(self._path, ours)
        self._integrations: set[str] = set()
        self._wake = asyncio.Event()
        self._is_due = False

    @property
    def word(self) -> str:
        """``off``, ``on``, or why it is not: ``withdrawn`` for the integration, or ``withheld``."""
        if not self._config.discovery:
            return "off"
        if self._integrations:
            return "withdrawn"
        return "withheld" if self._is_deaf() else "on"

    @property
    def _is_withheld(self) -> bool:
        return bool(self._integrations) or self._is_deaf()

    def renew(self) -> None:
        """Announce anew: cameras are others, or the broker or Home Assistant may have forgotten."""
        self._is_due = True
        self._wake.set()

    def note_integration(self, entry: str, payload: bytes) -> None:
        """Take note that the integration is there, or, by an empty payload, that it has gone.

        Args:
            entry: names the installation of the integration.
            payload: as it came.
        """
        before = self._is_withheld
        if not payload:
            self._integrations.discard(entry)
        elif is_valid_id(entry) and len(self._integrations) < MAX_INTEGRATIONS:
            self._integrations.add(entry)
        if self._is_withheld != before and self._config.discovery:
            _LOGGER.info(
                "Home Assistant's integration is there: MQTT discovery is withdrawn, for it has "
                "all entities and more; remove discovery from the configuration"
                if self._is_withheld
                else "Home Assistant's integration has gone: MQTT discovery takes its place"
            )
            self._note_health()
            self.renew()

    async def run(self) -> None:
        """Announce whenever something has changed, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._is_due:
                self._is_due = False
                await asyncio.sleep(SETTLE_S)
                await self._announce()
            else:
                await self._remember()

    async def _announce(self) -> None:
        """Publish what should be announced, and take back the rest."""
        wanted = {} if self._is_withheld or not self._config.discovery else self._wanted()
        stale = [topic for topic in self._announced if topic not in wanted]
        if not wanted.keys() <= self._announced:
            # Before they are announced: what is not written down could never be taken back.
            self._announced |= wanted.keys()
            await self._remember()
        for topic in stale:
            self._publish(
                Outgoing(topic, b"", retain=True, on_published=partial(self._taken_back, topic))
            )
        for topic, payload in wanted.items():
            self._publish(Outgoing(topic, payload, retain=True))

    def _wanted(self) -> dict[str, bytes]:
        config = self._config
        topics, worker = config.topics, config.worker_id
        announcements = {
            site_topic(topics, worker): site_device(topics, worker, config.page_link)
        } | {
            camera_topic(topics, camera.id): camera_device(
                topics, worker, camera.id, camera.name, has_picture=camera.publish_image
            )
            for camera in self._cameras()
        }
        return {topic: dump(device) for topic, device in announcements.items()}

    def _taken_back(self, topic: str) -> None:
        self._announced.discard(topic)
        self._wake.set()

    async def _remember(self) -> None:
        content = json.dumps({"announced": sorted(self._announced)})
        try:
            await asyncio.to_thread(write_atomically, self._path, content)
        except OSError as error:
            self._complaints.tell(
                KEY,
                f"{self._path} cannot be written ({error}), so what MQTT discovery announces may "
                "not be taken back later: check that the disk is writable and not full",
            )
        else:
            self._complaints.resolve(KEY)


def read_announced(path: Path, prefix: str) -> set[str]:
    """Return the topics that a former run has announced, as far as they are ours."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return set()
    announced = content.get("announced") if isinstance(content, dict) else None
    topics = announced if isinstance(announced, list) else []
    return {
        topic
        for topic in topics[:MAX_ANNOUNCED]
        if isinstance(topic, str)
        and topic.startswith(prefix)
        and _OBJECT.fullmatch(topic.removeprefix(prefix))
    }
