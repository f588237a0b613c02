"""The cameras of the site: those of the file, and those that Home Assistant adds and removes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import voluptuous as vol

from veroallarme_core import __version__
from veroallarme_core.contract import (
    RETAINED_SUFFIXES,
    CameraInfo,
    CameraSettings,
    CommandError,
    Info,
    dump_state,
)
from veroallarme_core.worker.background import Background
from veroallarme_core.worker.camera import (
    MAX_SUPPRESSED,
    REVIEW_DAYS,
    STORAGE_ERRORS,
    CameraLearning,
    CameraWorker,
    ReferencePicture,
    Review,
    Suggestions,
    WorkerServices,
)
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.config import CameraConfig, WorkerConfig
from veroallarme_core.worker.mqtt import Listening, Outgoing
from veroallarme_core.worker.nightly import Adaptations
from veroallarme_core.worker.onvif import prepare as prepare_onvif
from veroallarme_core.worker.onvif_motion import OnvifMotion
from veroallarme_core.worker.snapshots import BridgeSource, open_client, prepare_sources
from veroallarme_core.worker.storage import EventStore, OpenEvent, StoreError

_LOGGER = logging.getLogger(__name__)

REMOVE_LIMIT_S = 2.0
"""How long what a removed camera still writes is waited for."""
MAX_BACKLOG = 1000
"""Verdicts of a former run that are published again, at most."""


class Site:
    """Opens, serves and closes cameras, and tells which there are.

    Args:
        config: of the worker.
        services: what each camera is given.
        listening: knows what the cameras' topics bring.
        adaptations: adapt the cameras.
        complaints: of the cameras among others.
        background: runs the cameras.
        max_packet_bytes: what the broker takes at most, as far as it has said.
    """

    def __init__(
        self,
        config: WorkerConfig,
        services: WorkerServices,
        listening: Listening,
        adaptations: Adaptations,
        complaints: Complaints,
        background: Background,
        max_packet_bytes: Callable[[], int | None],
    ) -> None:
        self.cameras: dict[str, CameraWorker] = {}
        """All of the site, by id."""
        self._config = config
        self._services = services
        self._storage = services.storage
        self._listening = listening
        self._adaptations = adaptations
        self._complaints = complaints
        self._background = background
        self._max_packet_bytes = max_packet_bytes
        self._learning_thread = ThreadPoolExecutor(1, thread_name_prefix="veroallarme-learning")
        self._suggesting_thread = ThreadPoolExecutor(1, thread_name_prefix="veroallarme-suggesting")
        self._camera_tasks: dict[str, list[asyncio.Task[None]]] = {}
        self.removed: list[str] = []
        """Cameras whose topics are still to be cleared."""
        self._forgetting: set[asyncio.Task[None]] = set()

    # --- starting and stopping -----------------------------------------------------------

    async def open(self, configs: Collection[CameraConfig]) -> None:
        """Open cameras as a former run has left them.

        Raises:
            sqlite3.Error, OSError: the store cannot be used.
        """
        await prepare_sources(config.source for config in configs)
        if any(config.onvif is not None for config in configs):
            await prepare_onvif()
        for config in configs:
            self.cameras[config.id] = await self._open_camera(config)
        await self._resume(self.cameras.values())
        await self._publish_backlog()

    async def find_removed(self, named: Collection[str]) -> None:
        """Look for cameras that nobody names any more; their topics are cleared on connecting."""
        known = await self._storage.database(lambda store: store.cameras())
        self.removed = [camera for camera in known if camera not in named]

    def serve(self) -> None:
        """Begin to serve all cameras."""
        for camera in self.cameras.values():
            self._serve(camera)

    def _serve(self, camera: CameraWorker) -> None:
        works = [camera.run(), camera.reference_watch.run()]
        if (address := camera.context.config.onvif) is not None:
            motion = OnvifMotion(camera, address, self._listening, self._complaints)
            works.append(motion.run())
        self._camera_tasks[camera.id] = [self._background.start(work) for work in works]

    async def finish(self, limit_s: float) -> None:
        """Let every camera finish its event; see `CameraWorker.finish`."""
        await asyncio.gather(*(camera.finish(limit_s) for camera in self.cameras.values()))

    async def close(self) -> None:
        """Close what the cameras hold open."""
        for camera in self.cameras.values():
            await camera.client.close()
        for thread in (self._learning_thread, self._suggesting_thread):
            await asyncio.to_thread(thread.shutdown, cancel_futures=True)

    async def prune(self) -> None:
        """Enforce the limits on disk for every camera."""
        for camera in list(self.cameras.values()):
            await camera.prune()

    # --- cameras that come and go --------------------------------------------------------

    async def add_camera(self, config: CameraConfig) -> None:
        """Begin to serve a camera.

        Raises:
            CommandError: its state cannot be read.
        """
        try:
            camera = await self._open_camera(config)
            await self._resume([camera])
        except STORAGE_ERRORS as error:
            raise CommandError(
                f"the camera cannot be added ({error or 'no answer in time'}): check the disk of "
                f"{self._storage.store.path}, and send this again"
            ) from error
        self.cameras[camera.id] = camera
        self.removed = [removed for removed in self.removed if removed != camera.id]
        self._serve(camera)
        for message in camera.state():
            self._services.publish(message)
        self.publish_info()
        _LOGGER.info("%s: bridged by Home Assistant", camera.id)

    async def remove_camera(self, camera: str) -> None:
        """End to serve a camera, and clear its topics."""
        removed = self.cameras.pop(camera)
        for task in self._camera_tasks.pop(camera):
            task.cancel()
        removed.leave()
        self._listening.remove(camera)
        self._adaptations.remove(camera)
        await removed.finish(REMOVE_LIMIT_S)
        await removed.client.close()
        self._complaints.resolve_all(f"{camera}/")
        self.removed.append(camera)
        for message in self._clearing(camera):
            self._services.publish(message)
        self.publish_info()
        _LOGGER.info("%s: removed by Home Assistant", camera)

    async def _open_camera(self, config: CameraConfig) -> CameraWorker:
        record = await self._storage.database(lambda store: store.remember_camera(config.id))
        services = self._services
        folder = self._config.state_dir / "cameras" / config.id
        learning = CameraLearning(
            config.id, folder, self._learning_thread, services.complain, services.resolve
        )
        can_learn = self.learns and await learning.open()
        camera = CameraWorker(
            config,
            open_client(config.source),
            record,
            _settings(config, record.settings),
            ReferencePicture(folder / "reference.jpg"),
            learning,
            await self._open_review(config),
            await self._open_suggestions(learning, config.publish_image),
            services,
        )
        if can_learn:
            self._adaptations.add(learning, lambda: camera.context.settings)
        self._listening.add(config)
        camera.connectivity.note_heard(self._listening.can_hear(camera.id))
        return camera

    @property
    def learns(self) -> bool:
        """Whether anything can be learned."""
        return self._services.judging.has_encoder and self._config.learning.enabled

    async def _open_review(self, config: CameraConfig) -> Review:
        days = min(REVIEW_DAYS, config.keep.days)
        since = now() - timedelta(days=days)
        suppressed = await self._storage.database(
            lambda store: store.suppressed(config.id, since, MAX_SUPPRESSED)
        )
        answered = await self._storage.database(lambda store: store.feedback(config.id))
        return Review(suppressed, answered, days, partial(self._publish_of, config.id, "review"))

    def _publish_of(self, camera: str, suffix: str, payload: bytes) -> None:
        topic = self._config.topics.camera(camera, suffix)
        self._services.publish(Outgoing(topic, payload, retain=True))
        self._services.tell(suffix, camera, None)

    async def _open_suggestions(self, learning: CameraLearning, is_pictured: bool) -> Suggestions:
        services = self._services
        suggestions = Suggestions(
            learning,
            services.storage,
            self._suggesting_thread,
            is_pictured,
            partial(self._publish_of, learning.camera),
            services.complain,
            services.resolve,
        )
        await suggestions.open()
        return suggestions

    # --- what a former run has left ------------------------------------------------------

    async def _resume(self, cameras: Iterable[CameraWorker]) -> None:
        """Take up the journal: what has frames is judged, the rest becomes one event a camera."""
        opened = await self._storage.database(lambda store: store.open_events())
        for camera in cameras:
            await self._resume_camera(
                camera, [event for event in opened if event.camera == camera.id]
            )

    async def _resume_camera(self, camera: CameraWorker, opened: list[OpenEvent]) -> None:
        unseen: list[OpenEvent] = []
        for event in opened:
            frames, taken_at = await self._storage.files(partial(_load_frames, event=event))
            if frames:
                camera.resume(event, frames, taken_at)
            else:
                unseen.append(event)
        if not unseen:
            return
        first, others = unseen[0], [event.event_id for event in unseen[1:]]
        await self._storage.database(lambda store: store.merge_events(first.event_id, others))
        starts = sum(event.starts for event in unseen)
        camera.resume(
            OpenEvent(
                event_id=first.event_id,
                camera=camera.id,
                motion_at=first.motion_at,
                starts=starts,
                latest_at=max(event.latest_at or event.motion_at for event in unseen),
            ),
            [],
            [],
        )
        _LOGGER.info("%s: %d motion starts of a former run are judged now", camera.id, starts)

    async def _publish_backlog(self) -> None:
        """Queue the decisions that a former run had no broker for."""
        cameras = list(self.cameras)
        backlog = await self._storage.database(
            lambda store: store.unpublished(cameras, MAX_BACKLOG)
        )
        for verdict in backlog:
            self.cameras[verdict["camera"]].publish_former(verdict)

    # --- what the broker has -------------------------------------------------------------

    def state(self) -> list[Outgoing]:
        """Return all retained state of the site and its cameras."""
        state = [self._info()]
        for removed in self.removed:
            state += self._clearing(removed)
        for camera in self.cameras.values():
            state += camera.state()
        return state

    def publish_info(self) -> None:
        """Tell which cameras there are."""
        self._services.publish(self._info())
        self._services.tell("cameras", "", None)

    def _info(self) -> Outgoing:
        configs = [camera.context.config for camera in self.cameras.values()]
        topics = self._config.topics
        info = Info(
            version=__version__,
            site=topics.site,
            cameras=[
                CameraInfo(id=config.id, name=config.name, origin=_origin(config))
                for config in configs
            ],
            inference=self._services.judging.runtime,
            max_packet_bytes=self._max_packet_bytes(),
            page=self._config.page_link,
        )
        return Outgoing(topics.info, dump_state(info.to_dict()), retain=True)

    def _clearing(self, camera: str) -> list[Outgoing]:
        """Return what clears the topics of a camera that is no more."""
        clearing = [
            Outgoing(self._config.topics.camera(camera, suffix), b"", retain=True)
            for suffix in RETAINED_SUFFIXES
        ]
        # Not before the last topic is cleared, or a crash would leave the rest for ever.
        clearing[-1] = replace(clearing[-1], on_published=partial(self._cleared, camera))
        return clearing

    def _cleared(self, camera: str) -> None:
        if camera in self.cameras:
            return  # it is back
        self.removed = [removed for removed in self.removed if removed != camera]
        task = asyncio.create_task(self._forget(camera))
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def _forget(self, camera: str) -> None:
        with contextlib.suppress(sqlite3.Error, OSError, StoreError):
            await self._storage.database(lambda store: store.forget_camera(camera))


def _settings(config: CameraConfig, stored: Mapping[str, Any]) -> CameraSettings:
    """Return the settings of the file, changed by what the user has set since."""
    try:
        return config.settings.changed(stored)
    except vol.MultipleInvalid as error:
        _LOGGER.warning(
            "%s: the stored settings do not fit this version (%s): those of the file are used",
            config.id, error,
        )  # fmt: skip
        return config.settings


def _origin(config: CameraConfig) -> str:
    return "home_assistant" if isinstance(config.source, BridgeSource) else "local"


def _load_frames(store: EventStore, event: OpenEvent) -> tuple[list[bytes], list[datetime]]:
    camera, event_id = event.camera, event.event_id
    return store.frames.load(camera, event_id), store.frames.taken_at(camera, event_id)
