"""Listens for a while to what cameras send, and says live what the worker would make of it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from veroallarme_core.worker.config import WorkerConfig
from veroallarme_core.worker.motion_sources import (
    MotionPayloadError,
    MotionSignal,
    Trigger,
    show_payload,
    topic_matches,
)
from veroallarme_core.worker.mqtt.connection import MqttSession
from veroallarme_core.worker.mqtt.listening import Gives, TopicRecord, topic_records
from veroallarme_core.worker.mqtt.messages import QOS, Incoming, Outgoing
from veroallarme_core.worker.mqtt.refusals import Refusal

MAX_LINES = 200
"""Messages of one topic that are shown; what comes beyond is counted."""
LEAVE_LIMIT_S = 5.0
"""How long the broker may take for our goodbye."""

_MEANING = {
    MotionSignal.START: "motion starts",
    MotionSignal.END: "motion ends",
    MotionSignal.PAST: "retained, so it tells the past: not taken (ignore_retained)",
}


async def listen(config: WorkerConfig, seconds: float, say: Callable[[str], None]) -> bool:
    """Listen to the topics of all cameras; end after some time, or at SIGINT.

    The broker keeps nothing of it, and a worker that runs beside it is not disturbed.

    Args:
        config: validated, see `config.load_config`.
        seconds: for how long.
        say: takes a line at a time.

    Returns:
        Whether every topic has brought a start of motion, or a picture.
    """
    listener = _LiveListener(config, say)
    client_id = f"veroallarme_listen_{secrets.token_hex(6)}"
    session = MqttSession(config.broker, client_id, None, listener.subscriptions(), listener)
    stop = asyncio.Event()
    with _interrupt(stop):
        running = asyncio.create_task(session.run(stop))
        interrupted = asyncio.create_task(stop.wait())
        await asyncio.wait(
            {running, interrupted}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        stop.set()
        await asyncio.wait({running}, timeout=LEAVE_LIMIT_S)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await interrupted
    return listener.sum_up()


@contextlib.contextmanager
def _interrupt(stop: asyncio.Event) -> Iterator[None]:
    """Let SIGINT end the listening early, so that it is summed up all the same."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


class _LiveListener:
    """Says what comes; a `SessionListener`."""

    def __init__(self, config: WorkerConfig, say: Callable[[str], None]) -> None:
        self._say = say
        self._broker = f"{config.broker.host}:{config.broker.port}"
        self._records: list[tuple[Trigger | None, TopicRecord]] = [
            item
            for camera in config.cameras
            for item in topic_records(camera, config.topics).items()
        ]
        self._lines: dict[str, int] = {}
        self._fault: str | None = "the broker has not answered in this time"

    def subscriptions(self) -> list[tuple[str, int]]:
        return [
            (topic, QOS) for topic in dict.fromkeys(record.topic for _, record in self._records)
        ]

    # --- the session's listener --------------------------------------------------------------

    def session_began(self) -> None:
        pass

    def session_resumed(self) -> None:
        pass

    def connected(self) -> list[Outgoing]:
        self._fault = None
        return []

    def disconnected(self, reason: str) -> None:
        self._fault = reason

    def subscribed(self, refused: Mapping[str, Refusal]) -> None:
        for _, record in self._records:
            refusal = refused.get(record.topic)
            record.refusal = None if refusal is None else f"{refusal.reason}: {refusal.remedy}"
        for topic, refusal in refused.items():
            self._say(f"{topic}: the broker refuses the subscription ({refusal.reason})")
        self._say(f"listening on {self._broker} to {', '.join(self._granted()) or 'nothing'}")

    def complain(self, key: str, sentence: str) -> None:
        self._say(sentence)

    def resolve(self, key: str) -> None:
        pass

    def received(self, message: Incoming) -> None:
        message.acknowledge()
        for trigger, record in self._records:
            if topic_matches(record.topic, message.topic):
                meaning = (
                    _picture(record, message)
                    if trigger is None
                    else _motion(record, trigger, message)
                )
                if meaning is not None:
                    self._show(record, message, meaning)

    def _show(self, record: TopicRecord, message: Incoming, meaning: str) -> None:
        shown = self._lines[record.topic] = self._lines.get(record.topic, 0) + 1
        where = f"{datetime.now():%H:%M:%S} {record.camera}: {message.topic}"
        if shown <= MAX_LINES:
            content = (
                f"{len(message.payload)} bytes"
                if record.gives is Gives.PICTURES
                else show_payload(message.payload)
            )
            self._say(f"{where}: {content}: {meaning}")
        elif shown == MAX_LINES + 1:
            self._say(f"{where}: more messages come, they are only counted from here on")

    def _granted(self) -> list[str]:
        return list(
            dict.fromkeys(record.topic for _, record in self._records if record.refusal is None)
        )

    # --- the end -----------------------------------------------------------------------------

    def sum_up(self) -> bool:
        """Say what each topic has brought; return whether all have brought something."""
        if self._fault is not None:
            self._say(f"broker {self._broker}: {self._fault}")
        for _, record in self._records:
            self._say(f"{record.camera}: {record.topic}: {record.sum_up()}")
        return all(record.count and record.refusal is None for _, record in self._records)


def _motion(record: TopicRecord, trigger: Trigger, message: Incoming) -> str | None:
    """Return what a motion message means; None where it is about something else."""
    try:
        signal_ = record.read(trigger, message.payload, message.retain)
    except MotionPayloadError as error:
        return f"not understood: {error}"
    return _MEANING.get(signal_)


def _picture(record: TopicRecord, message: Incoming) -> str:
    if message.retain:
        record.past += 1
        return "retained, so it tells the past: not taken"
    record.count_wanted()
    return "a picture"
