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
from veroallarme_core.worker.mqtt.messages import QOS, Incoming, Outgoing
from veroallarme_core.worker.mqtt.refusals import Refusal
from veroallarme_core.worker.mqtt.topic_records import Gives, TopicRecord, topic_records
from veroallarme_core.worker.onvif import (
    MotionSubscription,
    Notification,
    OnvifAddress,
    OnvifError,
)

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
    """Listen to all cameras, over MQTT and ONVIF; end after some time, or at SIGINT.

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
        asking = [asyncio.create_task(camera.run()) for camera in listener.asked]
        interrupted = asyncio.create_task(stop.wait())
        await asyncio.wait(
            {running, interrupted}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        stop.set()
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
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
        self._records: list[tuple[Trigger | None, TopicRecord]] = []
        self.asked: list[MotionSubscription] = []
        self._asked_records: list[TopicRecord] = []
        for camera in config.cameras:
            for key, record in topic_records(camera, config.topics).items():
                if isinstance(key, OnvifAddress):
                    self._asked_records.append(record)
                    self.asked.append(MotionSubscription(key, _LiveOnvif(record, self._show, say)))
                else:
                    self._records.append((key, record))
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
                    self._show_message(record, message, meaning)

    def _show_message(self, record: TopicRecord, message: Incoming, meaning: str) -> None:
        content = (
            f"{len(message.payload)} bytes"
            if record.gives is Gives.PICTURES
            else show_payload(message.payload)
        )
        self._show(record, message.topic, content, meaning)

    def _show(self, record: TopicRecord, topic: str, content: str, meaning: str) -> None:
        shown = self._lines[record.topic] = self._lines.get(record.topic, 0) + 1
        where = f"{datetime.now():%H:%M:%S} {record.camera}: {topic}"
        if shown <= MAX_LINES:
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
        records = [*(record for _, record in self._records), *self._asked_records]
        for record in records:
            self._say(f"{record.camera}: {record.topic}: {record.sum_up()}")
        return all(record.count and record.refusal is None for record in records)


class _LiveOnvif:
    """Says what one camera tells over ONVIF; a `MotionListener`."""

    def __init__(
        self,
        record: TopicRecord,
        show: Callable[[TopicRecord, str, str, str], None],
        say: Callable[[str], None],
    ) -> None:
        self._record = record
        self._show = show
        self._say = say
        record.refusal = "it has not answered in this time"

    def heard(self, remark: str | None) -> None:
        self._record.refusal = None
        more = "" if remark is None else f"; {remark}"
        self._say(f"{self._record.camera}: listening to {self._record.topic}{more}")

    def lost(self, error: OnvifError, pause_s: float) -> None:
        self._record.refusal = str(error)
        self._say(f"{self._record.camera}: {self._record.topic}: {error}")

    async def take(self, signal_: MotionSignal, notification: Notification) -> None:
        self._record.count_signal(signal_)
        meaning = _MEANING.get(signal_, "not about motion of this camera")
        self._show(self._record, self._record.topic, notification.shown, meaning)


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
