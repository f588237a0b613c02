"""Messages on their way to the broker: in order, bounded, and tried again where it refuses them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque

from veroallarme_core.contract import ONLINE
from veroallarme_core.worker.mqtt.client import Client
from veroallarme_core.worker.mqtt.messages import Outgoing, SessionListener
from veroallarme_core.worker.mqtt.refusals import FAILURES_FROM, remedy_for

MAX_OUTBOX = 5000
HEADER_BYTES = 64
"""What a message takes besides topic and payload, with some to spare."""
REFUSED_AGAIN_S = 60.0
"""How often what the broker has refused is tried again: its access control may have changed."""
MAX_REFUSED = 1000
"""Refused messages that wait to be tried again, and topics of which the refusal is known."""


class Outbox:
    """Keeps messages until the broker has them.

    Args:
        status_topic: gets ``online`` after all state is published; None says nothing.
        who: the client, as people know it.
        listener: gives the state, and is told what is wrong.
    """

    def __init__(self, status_topic: str | None, who: str, listener: SessionListener) -> None:
        self._status_topic = status_topic
        self._who = who
        self._listener = listener
        self._queue: deque[Outgoing] = deque()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._restate = False
        self._failing: OrderedDict[str, str] = OrderedDict()
        self._refused: list[Outgoing] = []
        self._try_again_at = 0.0
        self.is_connected = False
        """Whether there is a connection that will send what is queued."""
        self.max_packet_bytes: int | None = None
        """What the broker takes at most, as far as it has said; only MQTT 5 can say it."""

    def publish(self, message: Outgoing) -> None:
        """Queue a message with QoS 1; order is kept, and what is not retained waits for a broker.

        State is dropped while there is no connection: all of it follows after the next one.
        """
        if message.is_state and not self.is_connected:
            return
        if len(self._queue) >= MAX_OUTBOX:
            dropped = self._queue.popleft()
            _note_refusal(dropped)
            self._listener.complain(
                f"publish/{dropped.topic}",
                f"the outbox is full: dropped the oldest message to {dropped.topic}",
            )
        self._queue.append(message)
        self._drained.clear()
        self._wake.set()

    def restate(self) -> None:
        """Publish all retained state and ``online`` again."""
        self._restate = True
        self._wake.set()

    async def drain(self, limit_s: float) -> bool:
        """Wait until everything queued is with the broker; return whether that came true."""
        try:
            async with asyncio.timeout(limit_s):
                await self._drained.wait()
        except TimeoutError:
            return False
        return True

    async def run(self, client: Client) -> None:
        """Publish state, then ``online``, then whatever is queued, until cancelled."""
        await self._send_state(client)
        while True:
            if self._restate:
                self._restate = False
                await self._send_state(client)
            self._queue_refused()
            while self._queue:
                message = self._queue[0]
                await self._publish(client, message)
                # The head may have been dropped meanwhile because the outbox was full.
                if self._queue and self._queue[0] is message:
                    self._queue.popleft()
            self._drained.set()
            self._wake.clear()
            if not self._restate:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(self._try_again_at if self._refused else None):
                        await self._wake.wait()

    async def _send_state(self, client: Client) -> None:
        waiting = [*self._refused, *self._queue]
        self._refused = []
        self._queue = deque(message for message in waiting if not message.is_state)
        for message in self._listener.connected():
            await self._publish(client, message)
        await self.tell_status(client, ONLINE)

    async def tell_status(self, client: Client, status: bytes) -> None:
        """Publish ``online`` or ``offline``, unless we only listen."""
        if self._status_topic is not None:
            await self._publish(client, Outgoing(self._status_topic, status, retain=True))

    async def _publish(self, client: Client, message: Outgoing) -> None:
        """Send a message; what the broker does not take is told, and waits to be tried again."""
        topic = message.topic
        size = len(message.payload) + len(topic.encode()) + HEADER_BYTES
        if self.max_packet_bytes is not None and size > self.max_packet_bytes:
            # The broker would hang up because of its size, again and again.
            self._put_aside(message, f"the broker takes at most {self.max_packet_bytes} bytes: "
                f"{topic} has {size} and is not published; raise the broker's limit")  # fmt: skip
            return
        answer = await client.send(message)
        if answer.value >= FAILURES_FROM:
            remedy = remedy_for(answer.value, self._who, "publish to it")
            self._put_aside(message, f"the broker refuses the message to {topic} (reason code "
                f"0x{answer.value:02x}, {answer}): {remedy}")  # fmt: skip
            return
        self._forget_refused(message)
        if self._failing.pop(topic, None) is not None:
            self._listener.resolve(f"publish/{topic}")
        if message.on_published is not None:
            message.on_published()

    def _put_aside(self, message: Outgoing, sentence: str) -> None:
        if not self._refused:
            self._try_again_at = asyncio.get_running_loop().time() + REFUSED_AGAIN_S
        self._forget_refused(message)
        if message.is_tried_again:
            self._refused.append(message)
        if message.topic not in self._failing:
            self._listener.complain(f"publish/{message.topic}", sentence)
        self._failing[message.topic] = sentence
        if len(self._failing) > MAX_REFUSED:
            self._failing.popitem(last=False)
        if len(self._refused) > MAX_REFUSED:
            dropped = self._refused.pop(0)
            self._listener.complain(
                "publish",
                f"the broker refuses more than {MAX_REFUSED} messages: dropped the oldest one, to "
                f"{dropped.topic}",
            )
        _note_refusal(message)

    def _forget_refused(self, message: Outgoing) -> None:
        """Forget an older state of the same topic that the broker has refused."""
        if message.is_state and self._refused:
            self._refused = [
                refused
                for refused in self._refused
                if not (refused.is_state and refused.topic == message.topic)
            ]

    def _queue_refused(self) -> None:
        """Queue what was refused once more, before what has come since."""
        if self._refused and asyncio.get_running_loop().time() >= self._try_again_at:
            self._queue.extendleft(reversed(self._refused))
            self._refused = []


def _note_refusal(message: Outgoing) -> None:
    if message.on_refused is not None:
        message.on_refused()
