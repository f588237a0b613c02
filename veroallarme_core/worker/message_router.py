"""Hands what the broker sends to those it concerns, and gives it the site's state."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from veroallarme_core.worker.camera import Acknowledge, CameraWorker, Signal
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.commands import Commands
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.config import WorkerConfig
from veroallarme_core.worker.discovery import Discovery
from veroallarme_core.worker.health_report import HealthReport
from veroallarme_core.worker.motion_sources import (
    MotionSignal,
    Trigger,
    plain_text,
    show_payload,
    topic_matches,
)
from veroallarme_core.worker.mqtt import (
    Backlog,
    Incoming,
    Listening,
    Outgoing,
    Refusal,
    show_message,
)
from veroallarme_core.worker.site import Site
from veroallarme_core.worker.snapshots import MqttImageSource, MqttSnapshotClient
from veroallarme_core.worker.storage import Storage, StoreError

_LOGGER = logging.getLogger(__name__)


class MessageRouter:
    """Listens to the session with the broker; a `SessionListener`.

    Args:
        config: of the worker.
        echo: the topic of what the worker says to itself.
        site: its cameras.
        commands: carry out what comes on the topics of commands.
        health: of the worker.
        listening: knows what the cameras' topics bring.
        backlog: knows what may have waited at the broker.
        complaints: tell what is wrong.
        storage: forgets deliveries of earlier sessions.
        discovery: announces the cameras to Home Assistant.
        restate: publishes all state again.
    """

    def __init__(
        self,
        config: WorkerConfig,
        echo: str,
        *,
        site: Site,
        commands: Commands,
        health: HealthReport,
        listening: Listening,
        backlog: Backlog,
        complaints: Complaints,
        storage: Storage,
        discovery: Discovery,
        restate: Callable[[], None],
    ) -> None:
        self._config = config
        self._echo = echo
        self._site = site
        self._commands = commands
        self._health = health
        self._listening = listening
        self._backlog = backlog
        self._complaints = complaints
        self._storage = storage
        self._discovery = discovery
        self._restate = restate
        self._tasks: set[asyncio.Task[None]] = set()

    # --- the session -----------------------------------------------------------------------

    def session_began(self) -> None:
        """Forget what was delivered in an earlier session; see `SessionListener`."""
        self._backlog.connected(resumed=False)
        task = asyncio.create_task(self._forget_deliveries())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        for camera in self._site.cameras.values():
            camera.motion.forget_deliveries()

    async def _forget_deliveries(self) -> None:
        with contextlib.suppress(sqlite3.Error, OSError, StoreError):
            await self._storage.write(lambda store: store.forget_deliveries())

    def session_resumed(self) -> None:
        """Take note that what comes first may have waited; see `SessionListener`."""
        self._backlog.connected(resumed=True)

    def connected(self) -> list[Outgoing]:
        """Return all retained state of the site; see `SessionListener`."""
        state = []
        if self._backlog.since is not None:
            mark = self._backlog.send_mark()
            state.append(Outgoing(self._echo, mark, retain=False, is_renewed=True))
        state += self._site.state()
        state.append(self._health.message())
        self._discovery.renew()
        self.resolve("mqtt")
        return state

    def subscribed(self, refused: Mapping[str, Refusal]) -> None:
        """Take note of what the broker does not let us hear; see `SessionListener`."""
        self._listening.answered(refused)
        for camera in self._site.cameras.values():
            camera.connectivity.note_heard(self._listening.can_hear(camera.id))

    def disconnected(self, reason: str) -> None:
        """Take note that the broker is gone; see `SessionListener`."""
        self._backlog.disconnected()
        self._complaints.note("mqtt", f"broker: {reason}")

    def complain(self, key: str, sentence: str) -> None:
        """Tell people what is wrong; see `SessionListener`."""
        self._complaints.tell(key, sentence)

    def resolve(self, key: str) -> None:
        """Take a complaint back; see `SessionListener`."""
        self._complaints.resolve(key)

    # --- messages --------------------------------------------------------------------------

    def received(self, message: Incoming) -> None:
        """Hand a message to those it concerns; see `SessionListener`."""
        try:
            self._route(message)
        except Exception:  # a message must never end the connection
            _LOGGER.exception("a message on %s could not be handled", message.topic)
            message.acknowledge()

    def _route(self, message: Incoming) -> None:
        self._backlog.heard()
        if (command := self._config.topics.command(message.topic)) is not None:
            self._commands.take(*command, message, self._backlog.since)
            return
        if (entry := self._config.topics.integration_of(message.topic)) is not None:
            self._discovery.note_integration(entry, message.payload)
            message.acknowledge()
            return
        if message.topic == self._echo:
            self._backlog.take_mark(message.payload)
            self.resolve("echo")
            message.acknowledge()
            return
        if message.topic == self._config.broker.birth_topic and not message.retain:
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
            self._restate()
            self.resolve("birth")
        elif word != "offline":
            self._complaints.tell_each(
                "birth",
                f"{show_payload(message.payload)} on {message.topic} is neither online nor "
                "offline: let Home Assistant's birth message be online, or correct "
                "mqtt.birth_topic",
            )

    def _offer_picture(self, message: Incoming) -> None:
        for camera in self._site.cameras.values():
            source, client = camera.context.config.source, camera.client
            if (
                isinstance(source, MqttImageSource)
                and isinstance(client, MqttSnapshotClient)
                and topic_matches(source.topic, message.topic)
            ):
                # A picture that may have waited is dated by the time since which it may have.
                taken_at = self._backlog.since or now()
                client.offer(message.payload, taken_at, retained=message.retain)
                self._listening.picture(camera.id, message)

    # --- motion ----------------------------------------------------------------------------

    def _steps(self, message: Incoming) -> Iterator[Callable[[Acknowledge], None]]:
        """Yield what a message lets cameras do, each with what acknowledges it.

        A message that starts motion by several triggers of a camera is one start, whose motion
        lasts as long as the longest of them.
        """
        for camera in self._site.cameras.values():
            starts: list[tuple[int, Trigger]] = []
            for number, trigger in enumerate(camera.context.config.triggers):
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
        acknowledge: Acknowledge,
    ) -> None:
        camera.motion.start(self._signal(camera, message, trigger, acknowledge), auto_end_s)

    def _end_motion(
        self, camera: CameraWorker, message: Incoming, trigger: int, acknowledge: Acknowledge
    ) -> None:
        camera.motion.end(self._signal(camera, message, trigger, acknowledge))

    def _signal(
        self, camera: CameraWorker, message: Incoming, trigger: int, acknowledge: Acknowledge
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


def _after_all(acknowledge: Acknowledge, count: int) -> Acknowledge:
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
