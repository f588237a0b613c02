"""The worker: one broker session, one judge, a queue per camera, and a clean start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import logging
import resource
import secrets
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import voluptuous as vol

from veroallarme_core import __version__
from veroallarme_core.camera_memory.camera_state import CameraState
from veroallarme_core.contract import (
    BRIDGED,
    MOMENTARY,
    RETAINED_SUFFIXES,
    AnalysisRequest,
    CameraInfo,
    CameraSettings,
    CommandError,
    FailedAnalysis,
    Feedback,
    Health,
    Info,
    dump,
    is_valid_id,
    read_command,
)
from veroallarme_core.description.scene_encoder import load_scene_encoder
from veroallarme_core.files import write_atomically
from veroallarme_core.inference import InferenceError, ModelError, describe_runtime
from veroallarme_core.pipeline import MODEL, EventPipeline, PipelineResult
from veroallarme_core.relevance_mask import RelevanceMaskPredictor
from veroallarme_core.worker.camera.alarm import now
from veroallarme_core.relevance_mask.predictor import RelevanceMaskPredictor
from veroallarme_core.worker.camera.bridge import Bridge, read_large
from veroallarme_core.worker.camera.camera import (
    STORAGE_ERRORS,
    AnalysisError,
    CameraWorker,
    PendingEvent,
    Signal,
    Surroundings,
)
from veroallarme_core.worker.camera.learning import CameraLearning
from veroallarme_core.worker.camera.reference import ReferencePicture
from veroallarme_core.worker.camera.review import MAX_SUPPRESSED, REVIEW_DAYS, Review
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.config.config import CameraConfig, InferenceConfig, WorkerConfig
from veroallarme_core.worker.motion_sources.motion_messages import (
    MotionSignal,
    Trigger,
    plain_text,
    show_payload,
    topic_matches,
)
from veroallarme_core.worker.mqtt.backlog import Backlog
from veroallarme_core.worker.mqtt.connection import Incoming, MqttSession, Outgoing, Refusal
from veroallarme_core.worker.mqtt.listening import Listening, show_message
from veroallarme_core.worker.nightly.adaptation import AdaptationError, Adaptations
from veroallarme_core.worker.snapshots.bridge_snapshots import BridgeSource
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource, MqttSnapshotClient
from veroallarme_core.worker.snapshots.sources import open_client
from veroallarme_core.worker.storage.event_store import EventStore, OpenEvent, StoreError
from veroallarme_core.worker.storage.storage import Storage
from veroallarme_core.worker.web.health import Signs, answering

_LOGGER = logging.getLogger(__name__)

HEALTH_EVERY_S = 60.0
PRUNE_EVERY_S = 3600.0
RETRY_EVERY_S = 1.0
"""How often writes that a full disk or a locked database refused are tried again."""
STOP_LIMIT_S = 8.0
"""How long a stop waits for events in flight; container engines kill after 10 seconds."""
DRAIN_LIMIT_S = 3.0
REMOVE_LIMIT_S = 2.0
"""How long what a removed camera still writes is waited for."""
MAX_HELD_BYTES = 128 << 20
"""Commands that wait to be carried out, at most; each counts a kilobyte more than it has."""
MAX_BACKLOG = 1000
"""Verdicts of a former run that are published again, at most."""


CLIENT_ID_FILE = "client_id"

T = TypeVar("T")


@dataclass(frozen=True)
class Arrived:
    """A message, and when it came."""

    message: Incoming
    received_at: datetime
    not_before: datetime | None
    """Since when it may have waited at the broker; None where it came at once."""


class StartError(RuntimeError):
    """The worker cannot start; the message says why and what to do."""


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
        self._pipeline = EventPipeline()
        self._inference: str | None = None
        self._learns = False
        self._judging = ThreadPoolExecutor(2, thread_name_prefix="veroallarme-judge")
        self._judging_since: dict[int, float] = {}
        self._is_set_up = False
        self._learning_thread = ThreadPoolExecutor(1, thread_name_prefix="veroallarme-learning")
        self.cameras: dict[str, CameraWorker] = {}
        self._camera_tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._bridge = Bridge(self, config.cameras, config.state_dir / "bridged.json")
        self._bridged: asyncio.Queue[tuple[str, str, Arrived]] = asyncio.Queue()
        self._held_bytes = 0
        self._health_changed = asyncio.Event()
        self._complaints = Complaints(self._health_changed.set)
        self._echo = config.topics.echo(config.worker_id)
        self._listening = Listening(
            config.topics,
            self._echo,
            config.broker.birth_topic,
            self._complaints,
            self._health_changed.set,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self._removed: list[str] = []
        self._lock = _lock_folder(config.state_dir)
        try:
            self._storage = Storage(EventStore(config.data_dir))
        except StoreError as error:
            self._lock.close()
            raise StartError(str(error)) from error
        try:
            client_id = _client_id(config)
        except StartError:
            self._storage.close()
            self._lock.close()
            raise
        self._backlog = Backlog(config.state_dir / CLIENT_ID_FILE, self._lost_mark)
        self._adaptations = Adaptations(
            config.learning,
            config.data_dir,
            self._storage,
            self._adapted,
            self.complain,
            self.resolve,
        )
        self._around = Surroundings(
            topics=config.topics,
            storage=self._storage,
            judge=self._judge,
            publish=lambda message: self._session.publish(message),
            complain=self.complain,
            resolve=self.resolve,
        )
        self._session = MqttSession(
            config.broker,
            client_id,
            config.topics.status(config.worker_id),
            self._subscriptions(),
            self,
        )

    def stop(self) -> None:
        """Ask the worker to finish what is in flight and to end."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until `stop`; then finish or store what is in flight."""
        async with contextlib.AsyncExitStack() as around:
            try:
                await self._open_health(around)
                await self._set_up()
            except BaseException:
                await self._close()
                raise
            self._is_set_up = True
            link_stop = asyncio.Event()
            link = self._in_background(self._session.run(link_stop))
            for work in (
                self._report(),
                self._tidy(),
                self._retry_writes(),
                self._adaptations.run(),
                self._serve_bridge(),
            ):
                self._in_background(work)
            for camera in self.cameras.values():
                self._serve(camera)
            try:
                await self._stop.wait()
            finally:
                await self._finish(link, link_stop)
        if self._fault is not None:
            raise self._fault

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside all else; where it fails the worker ends with its error."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fault = self._fault or fault
            self._stop.set()

    def _serve(self, camera: CameraWorker) -> None:
        works = (camera.run(), camera.watch())
        self._camera_tasks[camera.id] = [self._in_background(work) for work in works]

    async def _finish(self, link: asyncio.Task[None], link_stop: asyncio.Event) -> None:
        await self._finish_cameras(STOP_LIMIT_S)
        background = self._background - {link}
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        if self._session.is_connected:
            await self._session.drain(DRAIN_LIMIT_S)
        link_stop.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_LIMIT_S):
                await asyncio.gather(link, return_exceptions=True)
        link.cancel()
        # What was published while draining is noted in the store, or it would be sent again.
        await self._finish_cameras(DRAIN_LIMIT_S)
        await self._close()
        _LOGGER.info("stopped")

    async def _finish_cameras(self, limit_s: float) -> None:
        await asyncio.gather(*(camera.finish(limit_s) for camera in self.cameras.values()))

    async def _close(self) -> None:
        for camera in self.cameras.values():
            await camera.client.close()
        self._judging.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._learning_thread.shutdown, cancel_futures=True)
        self._backlog.disconnected()
        await asyncio.to_thread(self._backlog.remember)
        await asyncio.to_thread(self._storage.close)
        self._lock.close()

    # --- starting ------------------------------------------------------------------------

    async def _open_health(self, around: contextlib.AsyncExitStack) -> None:
        """Answer from the first moment on: networks may take a while to load."""
        if (health := self.config.health) is None:
            return
        try:
            await around.enter_async_context(answering(health, self._signs))
        except OSError as error:
            where = f"health: port {health.port} of {health.host}"
            if error.errno == errno.EADDRINUSE:
                trouble = f"{where} is taken by another program: give another port"
            else:
                trouble = f"{where} cannot be opened ({error.strerror or error}): check both"
            raise StartError(trouble) from error

    def _signs(self) -> Signs:
        # A copy, as the judging threads come and go.
        begun = list(self._judging_since.values())
        return Signs(
            is_set_up=self._is_set_up,
            is_connected=self._session.is_connected,
            is_deaf=self._listening.is_deaf,
            judging_s=time.monotonic() - min(begun) if begun else 0.0,
        )

    async def _set_up(self) -> None:
        removed = await self._storage.files(lambda store: store.remove_partial())
        if removed:
            _LOGGER.info("removed %d half-written events of a former run", removed)
        try:
            configs = [*self.config.cameras, *await asyncio.to_thread(self._bridge.load)]
            await self._forget_removed({config.id for config in configs})
            await self._open_networks()
            for config in configs:
                self.cameras[config.id] = await self._open_camera(config)
            await self._resume(self.cameras.values())
            await self._publish_backlog()
        except (sqlite3.Error, OSError) as error:
            raise StartError(
                f"{self._storage.store.path} cannot be used ({error}): check that no other "
                "program locks it and that the disk is not full"
            ) from error

    async def _open_networks(self) -> None:
        """Load the networks; without them the cues judge alone, and nothing is learned."""
        options = self.config.inference
        if not options.enabled:
            return
        predictor, runtimes = None, []
        trouble = "cameras are judged by cues alone, and none can be learned"
        load_encoder = partial(load_scene_encoder, options.backend, options.threads)
        encoder = await self._load("learning", trouble, load_encoder)
        if options.model is not None:
            trouble = "the relevance network cannot be used"
            load_predictor = partial(_load_predictor, options.model, options)
            predictor = await self._load("inference", trouble, load_predictor)
        if encoder is not None:
            runtimes.append(describe_runtime(encoder.backend))
            _LOGGER.info("scene encoder %s, %s", encoder.name, runtimes[-1])
        if predictor is not None:
            backend = predictor.backend
            runtimes.append(describe_runtime(backend.name, backend.device))
            _LOGGER.info("relevance network %s, %s", backend.meta.name, runtimes[-1])
        self._inference = ", ".join(dict.fromkeys(runtimes)) or None
        if runtimes:
            self._pipeline = EventPipeline(predictor, encoder)
        self._learns = encoder is not None and self.config.learning.enabled

    async def _load(self, key: str, trouble: str, load: Callable[[], T]) -> T | None:
        try:
            return await asyncio.to_thread(load)
        except (ModelError, InferenceError) as error:
            self.complain(key, f"{trouble}: {error}")
            return None

    async def _open_camera(self, config: CameraConfig) -> CameraWorker:
        record = await self._storage.database(lambda store: store.remember_camera(config.id))
        try:
            settings = config.settings.changed(record.settings)
        except vol.MultipleInvalid as error:
            _LOGGER.warning(
                "%s: the stored settings do not fit this version (%s): those of the file are used",
                config.id, error,
            )  # fmt: skip
            settings = config.settings
        folder = self.config.state_dir / "cameras" / config.id
        learning = CameraLearning(
            config.id, folder, self._learning_thread, self.complain, self.resolve
        )
        if self._learns and await learning.open():
            self._adaptations.add(learning)
        camera = CameraWorker(
            config,
            open_client(config.source),
            record,
            settings,
            ReferencePicture(folder / "reference.jpg"),
            learning,
            await self._open_review(config),
            self._around,
        )
        self._listening.add(config)
        camera.note_heard(self._listening.can_hear(camera.id))
        return camera

    async def _open_review(self, config: CameraConfig) -> Review:
        days = min(REVIEW_DAYS, config.keep.days)
        since = now() - timedelta(days=days)
        suppressed = await self._storage.database(
            lambda store: store.suppressed(config.id, since, MAX_SUPPRESSED)
        )
        answered = await self._storage.database(lambda store: store.feedback(config.id))
        topic = self.config.topics.camera(config.id, "review")
        return Review(
            suppressed,
            answered,
            days,
            lambda payload: self._session.publish(Outgoing(topic, payload, retain=True)),
        )

    async def _forget_removed(self, named: set[str]) -> None:
        """Forget cameras that nobody names any more; their topics are cleared on connecting."""
        known = await self._storage.database(lambda store: store.cameras())
        self._removed = [camera for camera in known if camera not in named]

    async def _resume(self, cameras: Iterable[CameraWorker]) -> None:
        """Take up the journal: what has frames is judged, the rest becomes one event a camera."""
        opened = await self._storage.database(lambda store: store.open_events())
        for camera in cameras:
            await self._resume_camera(camera, [e for e in opened if e.camera == camera.id])

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
            self.cameras[verdict["camera"]].publish_event(verdict["event_id"], dump(verdict))

    def _subscriptions(self) -> list[tuple[str, int]]:
        topics = [trigger.topic for camera in self.config.cameras for trigger in camera.triggers]
        topics += [
            camera.source.topic
            for camera in self.config.cameras
            if isinstance(camera.source, MqttImageSource)
        ]
        topics += [*self.config.topics.commands, self.config.broker.birth_topic, self._echo]
        return [(topic, 1) for topic in dict.fromkeys(topics)]

    # --- the session's listener ----------------------------------------------------------

    def connected(self) -> list[Outgoing]:
        """Return all retained state of the site; see `SessionListener`."""
        state = []
        if self._backlog.since is not None:
            mark = self._backlog.send_mark()
            state.append(Outgoing(self._echo, mark, retain=False, is_renewed=True))
        state.append(self._info())
        for removed in self._removed:
            state += self._clearing(removed)
        for camera in self.cameras.values():
            state += camera.state()
        state.append(self._health_message())
        self.resolve("mqtt")
        return state

    def _info(self) -> Outgoing:
        cameras = [
            CameraInfo(id=camera.id, name=camera.config.name, origin=_origin(camera.config))
            for camera in self.cameras.values()
        ]
        topics = self.config.topics
        info = Info(
            version=__version__,
            site=topics.site,
            cameras=cameras,
            inference=self._inference,
            max_packet_bytes=self._session.max_packet_bytes,
        )
        return Outgoing(topics.info, dump(info.to_dict()), retain=True)

    def _clearing(self, camera: str) -> list[Outgoing]:
        """Return what clears the topics of a camera that is no more."""
        clearing = [
            Outgoing(self.config.topics.camera(camera, suffix), b"", retain=True)
            for suffix in RETAINED_SUFFIXES
        ]
        # Not before the last topic is cleared, or a crash would leave the rest for ever.
        clearing[-1] = replace(clearing[-1], on_published=partial(self._cleared, camera))
        return clearing

    def session_began(self) -> None:
        """Forget what was delivered in an earlier session; see `SessionListener`."""
        self._backlog.connected(resumed=False)
        self._spawn(self._forget_deliveries())
        for camera in self.cameras.values():
            camera.forget_deliveries()

    def session_resumed(self) -> None:
        """Take note that what comes first may have waited; see `SessionListener`."""
        self._backlog.connected(resumed=True)

    def _lost_mark(self) -> None:
        if self._listening.is_refused(self._echo):
            return  # that has been told
        self.complain(
            "echo",
            f"the broker does not give back what the worker says on {self._echo}, so motion that "
            "comes in the first seconds of a connection raises the alarm: let its access control "
            "allow the worker to read and to write that topic",
        )

    def subscribed(self, refused: Mapping[str, Refusal]) -> None:
        """Take note of what the broker does not let us hear; see `SessionListener`."""
        self._listening.answered(refused)
        for camera in self.cameras.values():
            camera.note_heard(self._listening.can_hear(camera.id))

    def disconnected(self, reason: str) -> None:
        """Take note that the broker is gone; see `SessionListener`."""
        self._backlog.disconnected()
        self._complaints.note("mqtt", f"broker: {reason}")

    def received(self, message: Incoming) -> None:
        """Hand a message to those it concerns; see `SessionListener`."""
        try:
            self._route(message)
        except Exception:  # a message must never end the connection
            _LOGGER.exception("a message on %s could not be handled", message.topic)
            message.acknowledge()

    def _route(self, message: Incoming) -> None:
        self._backlog.heard()
        if (command := self.config.topics.command(message.topic)) is not None:
            self._take_command(*command, message)
            return
        if message.topic == self._echo:
            self._backlog.take_mark(message.payload)
            self.resolve("echo")
            message.acknowledge()
            return
        if message.topic == self.config.broker.birth_topic and not message.retain:
            # Whoever else listens there, such as a trigger, hears it too.
            self._take_birth(message)
        self._offer_picture(message)
        steps = list(self._steps(message))
        if not steps:
            message.acknowledge()
            return
        acknowledge = _after_all(message.acknowledge, len(steps))
        for step in steps:
            step(acknowledge)

    def _take_birth(self, message: Incoming) -> None:
        word = plain_text(message.payload)
        if word == "online":
            self._session.restate()
            self.resolve("birth")
        elif word != "offline":
            self._complaints.tell_each(
                "birth",
                f"{show_payload(message.payload)} on {message.topic} is neither online nor "
                "offline: let Home Assistant's birth message be online, or correct "
                "mqtt.birth_topic",
            )

    def _steps(self, message: Incoming) -> Iterator[Callable[[Callable[[], None]], None]]:
        """Yield what a message lets cameras do, each with what acknowledges it.

        A message that starts motion by several triggers of a camera is one start, whose motion
        lasts as long as the longest of them.
        """
        for camera in self.cameras.values():
            starts: list[tuple[int, Trigger]] = []
            for number, trigger in enumerate(camera.config.triggers):
                match self._read(camera, trigger, message):
                    case MotionSignal.START:
                        starts.append((number, trigger))
                    case MotionSignal.END:
                        yield partial(self._end_motion, camera, message, number)
            if starts:
                number, longest = max(starts, key=lambda start: start[1].auto_end_s)
                yield partial(self._start_motion, camera, message, number, longest.auto_end_s)

    def _read(
        self, camera: CameraWorker, trigger: Trigger, message: Incoming
    ) -> MotionSignal | None:
        if not topic_matches(trigger.topic, message.topic):
            return None
        return self._listening.motion(camera.id, trigger, message)

    def _start_motion(
        self,
        camera: CameraWorker,
        message: Incoming,
        trigger: int,
        auto_end_s: float,
        acknowledge: Callable[[], None],
    ) -> None:
        camera.start(self._signal(camera, message, trigger, acknowledge), auto_end_s)

    def _end_motion(
        self,
        camera: CameraWorker,
        message: Incoming,
        trigger: int,
        acknowledge: Callable[[], None],
    ) -> None:
        camera.end(self._signal(camera, message, trigger, acknowledge))

    def _signal(
        self,
        camera: CameraWorker,
        message: Incoming,
        trigger: int,
        acknowledge: Callable[[], None],
    ) -> Signal:
        return Signal(
            received_at=now(),
            acknowledge=acknowledge,
            trigger=str(trigger),
            delivery=_delivery(message, camera.id),
            redelivered=message.redelivered,
            not_before=self._backlog.since,
            retained=message.retain,
            shown=show_message(message),
        )

    def _offer_picture(self, message: Incoming) -> None:
        for camera in self.cameras.values():
            source, client = camera.config.source, camera.client
            if (
                isinstance(source, MqttImageSource)
                and isinstance(client, MqttSnapshotClient)
                and topic_matches(source.topic, message.topic)
            ):
                # A picture that may have waited is dated by the time since which it may have.
                taken_at = self._backlog.since or now()
                client.offer(message.payload, taken_at, retained=message.retain)
                self._listening.picture(camera.id, message)

    # --- commands ------------------------------------------------------------------------

    def _take_command(self, camera: str, name: str, message: Incoming) -> None:
        """Queue a command, unless it tells the past or there is no room for it."""
        refusal = None
        if message.retain and name in MOMENTARY:
            refusal = "a message that the broker has retained tells the past: do not retain it"
        elif self._held_bytes + len(message.payload) > MAX_HELD_BYTES:
            refusal = f"{MAX_HELD_BYTES >> 20} MB of commands wait already: send fewer"
        if refusal is not None:
            self._complaints.tell_each(_command_key(camera, name), f"{message.topic}: {refusal}")
            message.acknowledge()
            return
        if name == "analyze":
            # The answer may take half a minute; the broker shall not hold back motion for it.
            message.acknowledge()
            message = replace(message, acknowledge=lambda: None)
        self._held_bytes += len(message.payload) + 1024
        arrived = Arrived(message, now(), self._backlog.since)
        if name in BRIDGED:
            self._bridged.put_nowait((camera, name, arrived))
        else:
            self._spawn(self._obey(camera, name, arrived))

    async def _serve_bridge(self) -> None:
        """Carry out what Home Assistant says of its cameras, in the order in which it came."""
        while True:
            await self._obey(*await self._bridged.get())

    async def _obey(self, camera: str, name: str, arrived: Arrived) -> None:
        """Carry out a command; it is acknowledged once it is stored or refused."""
        key, message = _command_key(camera, name), arrived.message
        try:
            if name == "burst":
                if await self._bridge.take_burst(
                    self._known(camera), message, arrived.received_at, arrived.not_before
                ):
                    self._listening.burst(camera)
            elif name == "motion_end":
                self._bridge.end_motion(self._known(camera), message)
            else:
                await self._carry_out(camera, name, message.payload)
                message.acknowledge()
        except (CommandError, AdaptationError) as error:
            self._complaints.tell_each(key, f"{message.topic}: {error}")
            message.acknowledge()
        except Exception as error:  # one command must not end the worker
            _LOGGER.exception("a command on %s could not be carried out", message.topic)
            self.complain(key, f"{message.topic}: an internal error came up: {error!r}")
            message.acknowledge()
        else:
            self.resolve(key)
        finally:
            self._held_bytes -= len(message.payload) + 1024

    async def _carry_out(self, camera: str, name: str, payload: bytes) -> None:
        """Carry out a command.

        Raises:
            CommandError, AdaptationError: it cannot be carried out.
        """
        match name:
            case "config":
                await self._bridge.define(camera, payload)
            case "analyze":
                await self._analyze(camera, payload)
            case "set":
                await self._known(camera).change_settings(read_command(name, payload))
            case "feedback":
                feedback = Feedback.from_json(payload)
                await self._known(camera).give_feedback(feedback.event_id, feedback.relevant)
            case "learn":
                self._known(camera)
                read_command(name, payload)
                self._adaptations.request(camera)

    def _known(self, camera: str) -> CameraWorker:
        if camera not in self.cameras:
            known = ", ".join(self.cameras)[:128] or "none"
            raise CommandError(f"there is no camera {camera[:64]!r}: known are {known}")
        return self.cameras[camera]

    async def _analyze(self, camera: str, payload: bytes) -> None:
        """Answer with the verdict of a burst that no motion asked for, or say why there is none."""
        request = await read_large(AnalysisRequest.from_json, payload)
        try:
            known = self._known(camera)
            burst = await self._bridge.burst_to_analyze(known, request)
            answer = (await known.analyze(burst)).to_dict()
        except (CommandError, AnalysisError) as error:
            answer = FailedAnalysis(error=str(error)).to_dict()
        except Exception as error:  # who waits for the answer shall have one
            _LOGGER.exception("%s: an analysis failed", camera)
            answer = FailedAnalysis(error=f"an internal error came up: {error!r}").to_dict()
        topic = self.config.topics.camera(camera, f"analyze/{request.request_id}")
        self._session.publish(Outgoing(topic, dump(answer), retain=False))

    # --- cameras that come and go, see `bridge.Site` -------------------------------------

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
        self._removed = [removed for removed in self._removed if removed != camera.id]
        self._serve(camera)
        for message in camera.state():
            self._session.publish(message)
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
        self._removed.append(camera)
        for message in self._clearing(camera):
            self._session.publish(message)
        self.publish_info()
        _LOGGER.info("%s: removed by Home Assistant", camera)

    def publish_info(self) -> None:
        """Tell which cameras there are."""
        self._session.publish(self._info())

    # --- work outside the loop, health ---------------------------------------------------

    async def _judge(
        self,
        frames: list[bytes],
        settings: CameraSettings,
        reference: ReferencePicture,
        state: CameraState | None,
        event: PendingEvent,
    ) -> PipelineResult:
        def judge() -> PipelineResult:
            self._judging_since[threading.get_ident()] = time.monotonic()
            try:
                return self._pipeline.judge(
                    frames,
                    settings,
                    reference.load(),
                    state,
                    event_id=event.event_id,
                    motion_at=event.motion_at,
                )
            finally:
                del self._judging_since[threading.get_ident()]

        return await asyncio.get_running_loop().run_in_executor(self._judging, judge)

    def _adapted(self, camera: str) -> None:
        if camera in self.cameras:
            self.cameras[camera].publish_stats()

    def _cleared(self, camera: str) -> None:
        if camera in self.cameras:
            return  # it is back
        self._removed = [removed for removed in self._removed if removed != camera]
        self._spawn(self._forget(camera))

    async def _forget_deliveries(self) -> None:
        with contextlib.suppress(sqlite3.Error, OSError, StoreError):
            await self._storage.write(lambda store: store.forget_deliveries())

    async def _retry_writes(self) -> None:
        """Bring into the store what a full disk or a lock has kept out."""
        while True:
            await asyncio.sleep(RETRY_EVERY_S)
            if not (kept := self._storage.kept):
                continue
            with contextlib.suppress(StoreError):
                if not await self._storage.retry():
                    _LOGGER.info("%d writes that had failed are in the store now", kept)

    async def _forget(self, camera: str) -> None:
        with contextlib.suppress(sqlite3.Error, OSError, StoreError):
            await self._storage.database(lambda store: store.forget_camera(camera))

    async def _tidy(self) -> None:
        while True:
            for camera in list(self.cameras.values()):
                await camera.prune()
            await asyncio.sleep(PRUNE_EVERY_S)

    async def _report(self) -> None:
        """Publish the worker's health now and then, and soon after an error."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEALTH_EVERY_S):
                    await self._health_changed.wait()
            self._health_changed.clear()
            self._session.publish(self._health_message())
            await asyncio.sleep(1.0)

    def _health_message(self) -> Outgoing:
        topic = self.config.topics.health(self.config.worker_id)
        return Outgoing(
            topic,
            self._health(),
            retain=True,
            on_published=self._heard,
            # It tells the time, and the next one comes soon.
            is_tried_again=False,
        )

    def _heard(self) -> None:
        """Take note that the broker was there: what comes after a kill is dated by that."""
        self._backlog.heard()
        self._spawn(asyncio.to_thread(self._backlog.remember))

    def _health(self) -> bytes:
        health = Health(
            version=__version__,
            sent_at=now(),
            backend=self._inference or "opencv",
            model=MODEL,
            queue={camera.id: camera.queue_length for camera in self.cameras.values()},
            memory_mb=peak_memory_mb(),
            errors=self._complaints.shown(),
            topics=self._listening.state(),
        )
        return dump(health.to_dict())

    def complain(self, key: str, sentence: str) -> None:
        """Log a sentence, and show it in the health until it is resolved; see `Complaints.tell`."""
        self._complaints.tell(key, sentence)

    def resolve(self, key: str) -> None:
        """Take a complaint back: the trouble is over."""
        self._complaints.resolve(key)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _load_predictor(model: Path, config: InferenceConfig) -> RelevanceMaskPredictor:
    """Load the network and run it once, so that the first event does not wait for it."""
    predictor = RelevanceMaskPredictor(
        model,
        backend=None if config.backend == "auto" else config.backend,
        threads=config.threads,
    )
    height, width = predictor.input_size
    predictor.backend.infer(np.zeros((1, 3, height, width), np.float32))
    return predictor


def _origin(config: CameraConfig) -> str:
    return "home_assistant" if isinstance(config.source, BridgeSource) else "local"


def _command_key(camera: str, name: str) -> str:
    """Return the key under which it is told what is wrong with a command."""
    return f"command/{camera[:64]}/{name}"


def _load_frames(store: EventStore, event: OpenEvent) -> tuple[list[bytes], list[datetime]]:
    camera, event_id = event.camera, event.event_id
    return store.load_frames(camera, event_id), store.frames_taken_at(camera, event_id)


def _after_all(acknowledge: Callable[[], None], count: int) -> Callable[[], None]:
    """Return a callback that acknowledges once it was called by each of several cameras."""
    left = count

    def one_done() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            acknowledge()

    return one_done


def _delivery(message: Incoming, camera: str) -> str | None:
    """Return what recognises a message when the broker delivers it again.

    A redelivered message keeps its packet id; within a session ids come round only after 65,535
    messages.
    """
    if message.qos == 0:
        return None
    content = camera.encode() + b"\0" + message.topic.encode() + b"\0" + message.payload
    return f"{message.packet_id}:{hashlib.sha256(content).hexdigest()[:32]}"


def peak_memory_mb() -> float:
    """Return the largest resident size that this process has had, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kilobytes, macOS bytes.
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _lock_folder(state_dir: Path) -> Any:
    """Hold the state folder for this process alone, as long as the returned file is open."""
    path = state_dir / "lock"
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise StartError(
            f"state_dir {state_dir} cannot be written ({error}): choose a folder that can"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StartError(
            f"another worker uses the state_dir {state_dir}: stop it, or give this one its own"
        ) from None
    return file


def _client_id(config: WorkerConfig) -> str:
    """Return the client id kept in the state folder, so that the broker knows us again."""
    path = config.state_dir / CLIENT_ID_FILE
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="ascii").strip()
        if is_valid_id(text):
            return text
    text = f"veroallarme_{config.topics.site[:32]}_{secrets.token_hex(6)}"
    try:
        write_atomically(path, text)
    except OSError as error:
        raise StartError(f"{path} cannot be written ({error}): free some space") from error
    return text
