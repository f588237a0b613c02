"""The worker: puts together the session with the broker, the cameras and what watches them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import sqlite3

from veroallarme_core.worker.background import Background
from veroallarme_core.worker.bridge import Bridge
from veroallarme_core.worker.camera import JudgingThreads, WorkerServices
from veroallarme_core.worker.changes import Changes
from veroallarme_core.worker.commands import Commands
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.config import WorkerConfig
from veroallarme_core.worker.discovery import Discovery
from veroallarme_core.worker.health_report import HealthReport
from veroallarme_core.worker.history import PastEvents
from veroallarme_core.worker.message_router import MessageRouter
from veroallarme_core.worker.mqtt import QOS, Backlog, Listening, MqttSession, Outgoing
from veroallarme_core.worker.nightly import Adaptations
from veroallarme_core.worker.page import House, doors, serving_page
from veroallarme_core.worker.site import Site
from veroallarme_core.worker.snapshots import MqttImageSource
from veroallarme_core.worker.state_folder import CLIENT_ID_FILE, StartError, client_id, lock_folder
from veroallarme_core.worker.storage import EventStore, Storage, StoreError
from veroallarme_core.worker.web import Condition, answering

_LOGGER = logging.getLogger(__name__)

PRUNE_EVERY_S = 3600.0
RETRY_EVERY_S = 1.0
"""How often writes that a full disk or a locked database refused are tried again."""
STOP_LIMIT_S = 8.0
"""How long a stop waits for events in flight; container engines kill after 10 seconds."""
DRAIN_LIMIT_S = 3.0


class Worker:
    """Runs a site's cameras until `stop` is called.

    Args:
        config: validated, see `config.load_config`.

    Raises:
        StartError: another worker uses the folders, or they cannot be used.
    """

    def __init__(self, config: WorkerConfig) -> None:
        self.config = config
        self._stop = asyncio.Event()
        self._is_set_up = False
        self._lock = lock_folder(config.state_dir)
        try:
            session_id = client_id(config.state_dir, config.topics.site)
            self._storage = Storage(EventStore(config.data_dir))
        except (StartError, StoreError) as error:
            self._lock.close()
            raise StartError(str(error)) from error
        self._echo = config.topics.echo(config.worker_id)
        self._compose_health()
        self._compose_cameras()
        self._compose_session(session_id)
        if (fault := self._storage.store.fault) is not None:
            self._complaints.tell("store", fault)

    def _compose_health(self) -> None:
        """Make what knows how the worker is: tasks, complaints, topics and backlog."""
        config = self.config
        self._health_changed = asyncio.Event()
        self._background = Background(self._stop.set)
        self.changes = Changes()
        self._complaints = Complaints(self._note_health)
        self._listening = Listening(
            config.topics,
            self._echo,
            config.broker.birth_topic,
            self._complaints,
            self._note_health,
        )
        self._backlog = Backlog(config.state_dir / CLIENT_ID_FILE, self._note_lost_mark)

    def _compose_cameras(self) -> None:
        """Make the site and what its cameras are given; it has no cameras yet."""
        config, complaints = self.config, self._complaints
        self._judging = JudgingThreads(
            config.inference, complaints.tell, looks_again=config.has_page
        )
        self._adaptations = Adaptations(
            config.learning,
            config.data_dir,
            self._storage,
            self._note_adapted,
            complaints.tell,
            complaints.resolve,
            config.inference.detector,
        )
        services = WorkerServices(
            topics=config.topics,
            storage=self._storage,
            judging=self._judging,
            publish=self._publish,
            complain=complaints.tell,
            resolve=complaints.resolve,
            tell=self._tell,
        )
        self._site = Site(
            config,
            services,
            self._listening,
            self._adaptations,
            complaints,
            self._background,
            lambda: self._session.outbox.max_packet_bytes,
        )
        self.cameras = self._site.cameras

    def _compose_session(self, session_id: str) -> None:
        """Make the session with the broker, and what carries out what comes over it."""
        config = self.config
        self._past_events = PastEvents(self._storage)
        self._bridge = Bridge(self._site, config.cameras, config.state_dir / "bridged.json")
        self._commands = Commands(
            config.topics,
            self._site,
            self._bridge,
            self._adaptations,
            self._listening,
            self._past_events,
            self._complaints,
            self._publish,
        )
        self.house = House(
            config=config,
            cameras=self.cameras,
            storage=self._storage,
            past_events=self._past_events,
            adaptations=self._adaptations,
            complaints=self._complaints,
            listening=self._listening,
            condition=self._condition,
            changes=self.changes,
        )
        self._discovery = Discovery(
            config,
            lambda: [camera.context.config for camera in self.cameras.values()],
            self._complaints,
            lambda: self._listening.is_refused(config.topics.integration("+")),
            self._publish,
            self._note_health,
        )
        self._health = HealthReport(
            config.topics.health(config.worker_id),
            self._health_changed,
            self.cameras,
            self._judging,
            self._complaints,
            self._listening,
            self._backlog,
            lambda: self._discovery.word,
            self._publish,
        )
        self._router = MessageRouter(
            config,
            self._echo,
            site=self._site,
            commands=self._commands,
            health=self._health,
            listening=self._listening,
            backlog=self._backlog,
            complaints=self._complaints,
            storage=self._storage,
            discovery=self._discovery,
            restate=lambda: self._session.outbox.restate(),
        )
        self._session = MqttSession(
            config.broker,
            session_id,
            config.topics.status(config.worker_id),
            _subscriptions(config, self._echo),
            self._router,
        )

    def stop(self) -> None:
        """Ask the worker to finish what is in flight and to end."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until `stop`; then finish or store what is in flight."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                await self._open_health(stack)
                await self._set_up()
                await self._open_page(stack)
            except BaseException:
                await self._close()
                raise
            self._is_set_up = True
            # It outlives all else that runs in the background, to take what that publishes.
            link_background = Background(self._stop.set)
            link_stop = asyncio.Event()
            link = link_background.start(self._session.run(link_stop))
            for work in (
                self._health.run(),
                self._tidy(),
                self._retry_writes(),
                self._adaptations.run(),
                self._commands.run(),
                self._discovery.run(),
            ):
                self._background.start(work)
            self._site.serve()
            try:
                await self._stop.wait()
            finally:
                await self._finish(link, link_stop)
        if (fault := link_background.fault or self._background.fault) is not None:
            raise fault

    async def _finish(self, link: asyncio.Task[None], link_stop: asyncio.Event) -> None:
        await self._site.finish(STOP_LIMIT_S)
        await self._background.cancel()
        if self._session.is_connected:
            await self._session.outbox.drain(DRAIN_LIMIT_S)
        link_stop.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_LIMIT_S):
                await asyncio.gather(link, return_exceptions=True)
        link.cancel()
        # What was published while draining is noted in the store, or it would be sent again.
        await self._site.finish(DRAIN_LIMIT_S)
        await self._close()
        _LOGGER.info("stopped")

    async def _close(self) -> None:
        self._judging.close()
        await self._site.close()
        self._backlog.disconnected()
        await asyncio.to_thread(self._backlog.remember)
        await asyncio.to_thread(self._storage.close)
        self._lock.close()

    # --- starting ------------------------------------------------------------------------

    async def _open_health(self, stack: contextlib.AsyncExitStack) -> None:
        """Answer from the first moment on: networks may take a while to load."""
        if (health := self.config.health) is None:
            return
        try:
            await stack.enter_async_context(answering(health, self._condition))
        except OSError as error:
            raise _unopened("health", health.port, health.host, error) from error

    async def _open_page(self, stack: contextlib.AsyncExitStack) -> None:
        """Let browsers in, once there is something to see."""
        for door in doors(self.config):
            try:
                await stack.enter_async_context(serving_page(self.house, door))
            except OSError as error:
                raise _unopened(door.key, door.port, door.host, error) from error
            _LOGGER.info("%s: open at %s", door.key, door.url)

    def _note_health(self) -> None:
        self._health_changed.set()
        self.changes.tell("health")

    def _condition(self) -> Condition:
        return Condition(
            is_set_up=self._is_set_up,
            is_connected=self._session.is_connected,
            is_deaf=self._listening.is_deaf,
            judging_s=self._judging.longest_s,
        )

    async def _set_up(self) -> None:
        removed = await self._storage.files(lambda store: store.frames.remove_partial())
        if removed:
            _LOGGER.info("removed %d half-written events of a former run", removed)
        try:
            configs = [*self.config.cameras, *await asyncio.to_thread(self._bridge.load)]
            await self._site.find_removed({config.id for config in configs})
            await self._judging.load_networks()
            await self._site.open(configs)
        except (sqlite3.Error, OSError) as error:
            raise StartError(
                f"{self._storage.store.path} cannot be used ({error}): check that no other "
                "program locks it and that the disk is not full"
            ) from error

    # --- what runs beside the cameras ------------------------------------------------------

    async def _tidy(self) -> None:
        while True:
            await self._site.prune()
            await asyncio.sleep(PRUNE_EVERY_S)

    async def _retry_writes(self) -> None:
        """Bring into the store what a full disk or a lock has kept out."""
        while True:
            await asyncio.sleep(RETRY_EVERY_S)
            if not (kept := self._storage.kept):
                continue
            with contextlib.suppress(StoreError):
                if not await self._storage.retry():
                    _LOGGER.info("%d writes that had failed are in the store now", kept)

    def _publish(self, message: Outgoing) -> None:
        self._session.outbox.publish(message)

    def _tell(self, kind: str, camera: str = "", event_id: str | None = None) -> None:
        self.changes.tell(kind, camera, event_id)
        if kind == "cameras":
            self._discovery.renew()

    def _note_adapted(self, camera: str) -> None:
        if camera in self.cameras:
            self.cameras[camera].publish_statistics()
            self.cameras[camera].renew_suggestions()

    def _note_lost_mark(self) -> None:
        if self._listening.is_refused(self._echo):
            return  # that has been told
        self._complaints.tell(
            "echo",
            f"the broker does not give back what the worker says on {self._echo}, so motion that "
            "comes in the first seconds of a connection raises the alarm: let its access control "
            "allow the worker to read and to write that topic",
        )


def _unopened(key: str, port: int, host: str, error: OSError) -> StartError:
    where = f"{key}: port {port} of {host}"
    if error.errno == errno.EADDRINUSE:
        return StartError(f"{where} is taken by another program: give another port")
    return StartError(f"{where} cannot be opened ({error.strerror or error}): check both")


def _subscriptions(config: WorkerConfig, echo: str) -> list[tuple[str, int]]:
    """Return the topic filters that the worker listens to, each once, and their QoS."""
    topics = [trigger.topic for camera in config.cameras for trigger in camera.triggers]
    topics += [
        camera.source.topic
        for camera in config.cameras
        if isinstance(camera.source, MqttImageSource)
    ]
    topics += [*config.topics.commands, config.broker.birth_topic, echo]
    if config.discovery:
        topics.append(config.topics.integration("+"))
    return [(topic, QOS) for topic in dict.fromkeys(topics)]
