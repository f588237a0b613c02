"""The worker: one broker session, one judge, a queue per camera, and a clean start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import resource
import secrets
import signal
import sqlite3
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import numpy as np
import voluptuous as vol

from veroallarme_core import __version__
from veroallarme_core.camera_state import CameraState
from veroallarme_core.event_store import EventStore, OpenEvent, StoreError
from veroallarme_core.inference import InferenceError, describe_runtime
from veroallarme_core.model_meta import ModelError
from veroallarme_core.pipeline import MODEL, EventPipeline, PipelineResult
from veroallarme_core.relevance_mask import RelevanceMaskPredictor
from veroallarme_core.scene_encoder import load_scene_encoder
from veroallarme_core.settings import CameraSettings
from veroallarme_core.verdict import is_valid_id, iso
from veroallarme_core.worker.adaptation import AdaptationError, Adaptations
from veroallarme_core.worker.alarm import now
from veroallarme_core.worker.camera import CameraWorker, PendingEvent, Surroundings
from veroallarme_core.worker.config import CameraConfig, InferenceConfig, WorkerConfig
from veroallarme_core.worker.contract import (
    RETAINED_SUFFIXES,
    CommandError,
    dump,
    info_payload,
    read_command,
)
from veroallarme_core.worker.learning import CameraLearning
from veroallarme_core.worker.motion_sources import (
    MotionPayloadError,
    MotionSignal,
    Trigger,
    read_signal,
    topic_matches,
)
from veroallarme_core.worker.mqtt import Incoming, MqttSession, Outgoing
from veroallarme_core.worker.reference import ReferencePicture
from veroallarme_core.worker.review import MAX_SUPPRESSED, REVIEW_DAYS, Review
from veroallarme_core.worker.snapshots import MqttImageSource, MqttSnapshotClient, open_client
from veroallarme_core.worker.storage import Storage

_LOGGER = logging.getLogger(__name__)

HEALTH_EVERY_S = 60.0
PRUNE_EVERY_S = 3600.0
COMPLAIN_EVERY_S = 60.0
RETRY_EVERY_S = 1.0
"""How often writes that a full disk or a locked database refused are tried again."""
MAX_COMPLAINTS = 256
STOP_LIMIT_S = 8.0
"""How long a stop waits for events in flight; container engines kill after 10 seconds."""
DRAIN_LIMIT_S = 3.0
MAX_BACKLOG = 1000
"""Verdicts of a former run that are published again, at most."""


T = TypeVar("T")


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
        self._learning_thread = ThreadPoolExecutor(1, thread_name_prefix="veroallarme-learning")
        self._cameras: dict[str, CameraWorker] = {}
        self._complaints: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._last_error: dict[str, str] | None = None
        self._health_changed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
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
        self._adaptations = Adaptations(
            config.learning,
            config.data_dir,
            self._storage,
            lambda camera: self._cameras[camera].publish_stats(),
            self.complain,
            self._resolve,
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
        # Cookies could carry one camera's login to another; identical hosts share nothing.
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            try:
                await self._set_up(http)
            except BaseException:
                await self._close()
                raise
            link_stop = asyncio.Event()
            link = asyncio.create_task(self._session.run(link_stop), name="mqtt")
            background = [
                asyncio.create_task(self._report()),
                asyncio.create_task(self._tidy()),
                asyncio.create_task(self._retry_writes()),
                asyncio.create_task(self._adaptations.run()),
            ]
            for camera in self._cameras.values():
                background.append(asyncio.create_task(camera.run(), name=camera.id))
                background.append(asyncio.create_task(camera.watch()))
            try:
                await self._watch_over(background, link)
            finally:
                await self._finish(background, link, link_stop)

    async def _watch_over(
        self, background: list[asyncio.Task[None]], link: asyncio.Task[None]
    ) -> None:
        """Wait for `stop`; a task that fails meanwhile ends the worker with its error."""
        stopping = asyncio.create_task(self._stop.wait())
        pending: set[asyncio.Task[Any]] = {stopping, link, *background}
        try:
            while not stopping.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            stopping.cancel()

    async def _finish(
        self,
        background: list[asyncio.Task[None]],
        link: asyncio.Task[None],
        link_stop: asyncio.Event,
    ) -> None:
        await self._finish_cameras(STOP_LIMIT_S)
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
        await asyncio.gather(*(camera.finish(limit_s) for camera in self._cameras.values()))

    async def _close(self) -> None:
        for camera in self._cameras.values():
            await camera.client.close()
        self._judging.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._learning_thread.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._storage.close)
        self._lock.close()

    # --- starting ------------------------------------------------------------------------

    async def _set_up(self, http: aiohttp.ClientSession) -> None:
        removed = await self._storage.files(lambda store: store.remove_partial())
        if removed:
            _LOGGER.info("removed %d half-written events of a former run", removed)
        around = Surroundings(
            topics=self.config.topics,
            storage=self._storage,
            judge=self._judge,
            publish=self._session.publish,
            complain=self.complain,
            resolve=self._resolve,
        )
        try:
            await self._forget_removed()
            await self._open_networks()
            for camera in self.config.cameras:
                self._cameras[camera.id] = await self._open_camera(camera, http, around)
            await self._resume()
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

    async def _open_camera(
        self, config: CameraConfig, http: aiohttp.ClientSession, around: Surroundings
    ) -> CameraWorker:
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
            config.id, folder, self._learning_thread, self.complain, self._resolve
        )
        if self._learns and await learning.open():
            self._adaptations.add(learning)
        return CameraWorker(
            config,
            open_client(config.source, http),
            record,
            settings,
            ReferencePicture(folder / "reference.jpg"),
            learning,
            await self._open_review(config),
            around,
        )

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

    async def _forget_removed(self) -> None:
        """Forget cameras that the file no longer names; their topics are cleared on connecting."""
        named = {camera.id for camera in self.config.cameras}
        known = await self._storage.database(lambda store: store.cameras())
        self._removed = [camera for camera in known if camera not in named]

    async def _resume(self) -> None:
        """Take up the journal: what has frames is judged, the rest becomes one event a camera."""
        opened = await self._storage.database(lambda store: store.open_events())
        for camera in self._cameras.values():
            await self._resume_camera(camera, [e for e in opened if e.camera == camera.id])

    async def _resume_camera(self, camera: CameraWorker, opened: list[OpenEvent]) -> None:
        unseen: list[OpenEvent] = []
        for event in opened:
            frames = await self._storage.files(partial(_load_frames, event=event))
            if frames:
                camera.resume(event, frames)
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
            ),
            [],
        )
        _LOGGER.info("%s: %d motion starts of a former run are judged now", camera.id, starts)

    async def _publish_backlog(self) -> None:
        """Queue the decisions that a former run had no broker for."""
        backlog = await self._storage.database(lambda store: store.unpublished(MAX_BACKLOG))
        for verdict in backlog:
            camera = self._cameras.get(verdict["camera"])
            if camera is not None:
                camera.publish_event(verdict["event_id"], dump(verdict))

    def _subscriptions(self) -> list[tuple[str, int]]:
        topics = [trigger.topic for camera in self.config.cameras for trigger in camera.triggers]
        topics += [
            camera.source.topic
            for camera in self.config.cameras
            if isinstance(camera.source, MqttImageSource)
        ]
        topics += [*self.config.topics.commands, self.config.broker.birth_topic]
        return [(topic, 1) for topic in dict.fromkeys(topics)]

    # --- the session's listener ----------------------------------------------------------

    def connected(self) -> list[Outgoing]:
        """Return all retained state of the site; see `SessionListener`."""
        topics = self.config.topics
        cameras = [
            {"id": camera.id, "name": camera.config.name, "origin": "local"}
            for camera in self._cameras.values()
        ]
        state = [
            Outgoing(
                topics.info,
                info_payload(__version__, topics.site, cameras, self._inference),
                retain=True,
            )
        ]
        for removed in self._removed:
            state += [
                Outgoing(topics.camera(removed, suffix), b"", retain=True)
                for suffix in RETAINED_SUFFIXES
            ]
            # Not before the last topic is cleared, or a crash would leave the rest for ever.
            state[-1] = replace(state[-1], on_published=partial(self._cleared, removed))
        for camera in self._cameras.values():
            state += camera.state()
        state.append(Outgoing(topics.health(self.config.worker_id), self._health(), retain=True))
        self._resolve("mqtt")
        return state

    def session_began(self) -> None:
        """Forget what was delivered in an earlier session; see `SessionListener`."""
        self._spawn(self._forget_deliveries())

    def disconnected(self, reason: str) -> None:
        """Take note that the broker is gone; see `SessionListener`."""
        self._note_error("mqtt", f"broker: {reason}")

    def received(self, message: Incoming) -> None:
        """Hand a message to those it concerns; see `SessionListener`."""
        try:
            self._route(message)
        except Exception:  # a message must never end the connection
            _LOGGER.exception("a message on %s could not be handled", message.topic)
            message.acknowledge()

    def _route(self, message: Incoming) -> None:
        if (command := self.config.topics.command(message.topic)) is not None:
            self._spawn(self._obey(*command, message))
            return
        if message.topic == self.config.broker.birth_topic and not message.retain:
            if message.payload == b"online":
                self._session.restate()
            message.acknowledge()
            return
        self._offer_picture(message)
        starts = self._signals(message)
        if not starts:
            message.acknowledge()
            return
        acknowledge = _after_all(message.acknowledge, len(starts))
        for camera, trigger in starts:
            camera.start(
                now(),
                trigger.auto_end_s,
                acknowledge,
                delivery=_delivery(message, camera.id),
                redelivered=message.redelivered,
            )

    def _signals(self, message: Incoming) -> list[tuple[CameraWorker, Trigger]]:
        """Tell cameras about ends; return those for which motion starts, each once."""
        starts: dict[str, tuple[CameraWorker, Trigger]] = {}
        for camera in self._cameras.values():
            for trigger in camera.config.triggers:
                if not topic_matches(trigger.topic, message.topic):
                    continue
                try:
                    signal_ = read_signal(trigger, message.payload, message.retain)
                except MotionPayloadError as error:
                    self.complain(f"{camera.id}/payload", f"{camera.id}: {error}")
                    continue
                if signal_ is MotionSignal.START:
                    starts.setdefault(camera.id, (camera, trigger))
                elif signal_ is MotionSignal.END:
                    camera.end(now())
        return list(starts.values())

    def _offer_picture(self, message: Incoming) -> None:
        for camera in self._cameras.values():
            source, client = camera.config.source, camera.client
            if (
                isinstance(source, MqttImageSource)
                and isinstance(client, MqttSnapshotClient)
                and topic_matches(source.topic, message.topic)
            ):
                client.offer(message.payload, now(), retained=message.retain)

    async def _obey(self, camera_id: str, name: str, message: Incoming) -> None:
        """Carry out a command; it is acknowledged once it is stored or refused."""
        try:
            camera = self._cameras.get(camera_id)
            if camera is None:
                known = ", ".join(self._cameras)
                raise CommandError(f"there is no camera {camera_id[:64]!r}: known are {known}")
            content = read_command(name, message.payload)
            if name == "set":
                await camera.change_settings(content)
            elif name == "feedback":
                await camera.give_feedback(content["event_id"], content["relevant"])
            else:
                self._adaptations.request(camera_id)
        except (CommandError, AdaptationError) as error:
            self.complain(f"command/{camera_id[:64]}/{name}", f"{message.topic}: {error}")
        finally:
            message.acknowledge()

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
            return self._pipeline.judge(
                frames,
                settings,
                reference.load(),
                state,
                event_id=event.event_id,
                motion_at=event.motion_at,
            )

        return await asyncio.get_running_loop().run_in_executor(self._judging, judge)

    def _cleared(self, camera: str) -> None:
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
            for camera in self._cameras.values():
                await camera.prune()
            await asyncio.sleep(PRUNE_EVERY_S)

    async def _report(self) -> None:
        """Publish the worker's health now and then, and soon after an error."""
        topic = self.config.topics.health(self.config.worker_id)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEALTH_EVERY_S):
                    await self._health_changed.wait()
            self._health_changed.clear()
            self._session.publish(Outgoing(topic, self._health(), retain=True))
            await asyncio.sleep(1.0)

    def _health(self) -> bytes:
        return dump(
            {
                "version": __version__,
                "backend": self._inference or "opencv",
                "model": MODEL,
                "queue": {camera.id: camera.queue_length for camera in self._cameras.values()},
                "memory_mb": round(peak_memory_mb(), 1),
                "last_error": self._last_error,
            }
        )

    def complain(self, key: str, sentence: str) -> None:
        """Log a sentence, at most once a minute per key, and show it in the health."""
        at = time.monotonic()
        last, _ = self._complaints.get(key, (-COMPLAIN_EVERY_S, ""))
        if at - last < COMPLAIN_EVERY_S:
            return
        self._complaints[key] = (at, sentence)
        self._complaints.move_to_end(key)
        if len(self._complaints) > MAX_COMPLAINTS:
            self._complaints.popitem(last=False)
        _LOGGER.warning("%s", sentence)
        self._note_error(key, sentence)

    def _note_error(self, key: str, sentence: str) -> None:
        self._last_error = {"key": key, "message": sentence, "at": iso(now())}
        self._health_changed.set()

    def _resolve(self, key: str) -> None:
        self._complaints.pop(key, None)
        if self._last_error is not None and self._last_error["key"] == key:
            self._last_error = None
            self._health_changed.set()

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


def _load_frames(store: EventStore, event: OpenEvent) -> list[bytes]:
    return store.load_frames(event.camera, event.event_id)


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
    path = config.state_dir / "client_id"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="ascii").strip()
        if is_valid_id(text):
            return text
    text = f"veroallarme_{config.topics.site[:32]}_{secrets.token_hex(6)}"
    unfinished = path.with_suffix(".partial")
    try:
        unfinished.write_text(text, encoding="ascii")
        unfinished.replace(path)
    except OSError as error:
        raise StartError(f"{path} cannot be written ({error}): free some space") from error
    return text


async def serve(config: WorkerConfig) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Raises:
        StartError: it cannot start.
    """
    worker = Worker(config)
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, worker.stop)
    await worker.run()
