"""The connection to the broker: reconnects, a persistent session, manual acknowledgement.

aiomqtt leaves three things to its user that a worker which loses nothing needs: it does not
reconnect, it acknowledges a message before anybody has stored it, and its incoming queue is
unbounded or drops. This module adds them, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from veroallarme_core.worker.config import BrokerConfig, TlsConfig
from veroallarme_core.worker.contract import OFFLINE, ONLINE

_LOGGER = logging.getLogger(__name__)

_PAHO_LOGGER = logging.getLogger(f"{__name__}.paho")
_PAHO_LOGGER.setLevel(logging.CRITICAL)

SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long the broker keeps motion messages for a worker that is away (MQTT 5)."""
RECEIVE_MAXIMUM = 100
"""Messages that the broker may send ahead of our acknowledgement (MQTT 5)."""
MAX_INCOMING = 1000
"""Bound of the incoming queue; past it the broker is asked to deliver again."""
MAX_PACKET_BYTES = 32 * 1024 * 1024
HEADER_BYTES = 64
"""What a message takes besides topic and payload, with some to spare."""
BACKOFF_S = (1.0, 60.0)
"""First and longest wait before a new attempt to connect."""
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Incoming:
    """A message from the broker, not acknowledged yet."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    redelivered: bool
    packet_id: int
    acknowledge: Callable[[], None]
    """Tell the broker that the message is safe; harmless after the connection has gone."""


@dataclass(frozen=True)
class Outgoing:
    """A message to the broker, sent with QoS 1."""

    topic: str
    payload: bytes
    retain: bool
    on_published: Callable[[], object] | None = None


class SessionListener(Protocol):
    """Whom a session tells what happens; every method must return at once."""

    def session_began(self) -> None:
        """Take note that the broker knows nothing of us: what it sends repeats nothing."""

    def connected(self) -> list[Outgoing]:
        """Return the retained state to publish before anything else."""

    def disconnected(self, reason: str) -> None:
        """Take note that the broker is gone."""

    def received(self, message: Incoming) -> None:
        """Take a message."""


class _Client(aiomqtt.Client):
    """aiomqtt's client with acknowledgement by hand and a bound that loses nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._client.manual_ack_set(True)
        self.incoming: asyncio.Queue[Incoming] = asyncio.Queue(MAX_INCOMING)
        self.overflow: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.session_present = False
        self.max_packet_bytes: int | None = None

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.session_present = flags.session_present
        self.max_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        packet_id, qos = message.mid, message.qos
        incoming = Incoming(
            topic=message.topic,
            payload=bytes(message.payload),
            qos=qos,
            retain=message.retain,
            redelivered=message.dup,
            packet_id=packet_id,
            acknowledge=lambda: self._acknowledge(packet_id, qos),
        )
        try:
            self.incoming.put_nowait(incoming)
        except asyncio.QueueFull:
            # A message with QoS 1 that is dropped here stays unacknowledged, and a new
            # connection makes the broker deliver it again.
            if qos > 0 and not self.overflow.done():
                self.overflow.set_exception(
                    aiomqtt.MqttError(f"more than {MAX_INCOMING} messages wait")
                )

    def _acknowledge(self, packet_id: int, qos: int) -> None:
        if qos > 0 and not self._disconnected.done():
            self._client.ack(packet_id, qos)

    def abandon(self) -> None:
        """Close the socket of a connection that never came about, which aiomqtt leaves open."""
        self._client.disconnect()

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done as soon as the connection is gone."""
        return self._disconnected


def _tls_context(tls: TlsConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file and str(tls.ca_file))
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _cause(error: Exception) -> str:
    """Say why a connection ended; paho calls a closed socket an unspecified error."""
    if isinstance(error, aiomqtt.MqttCodeError) and str(error.rc) == "Unspecified error":
        return "broken off by the broker or the network"
    return str(error) or "no answer in time"


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    One request is not enough: before Python 3.12 `asyncio.wait_for`, with which aiomqtt awaits
    the broker's answers, drops a cancellation that meets the answer.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.1)
    await asyncio.gather(*tasks, return_exceptions=True)


class MqttSession:
    """Keeps one persistent session with the broker alive until it is stopped.

    Args:
        broker: where and as whom to connect.
        client_id: stable over restarts, so that the broker keeps what came meanwhile.
        status_topic: gets ``online`` after all state is published, ``offline`` as last will.
        subscriptions: topic filters and their QoS.
        listener: takes messages and gives the state.
    """

    def __init__(
        self,
        broker: BrokerConfig,
        client_id: str,
        status_topic: str,
        subscriptions: list[tuple[str, int]],
        listener: SessionListener,
    ) -> None:
        self._broker = broker
        self._client_id = client_id
        self._status_topic = status_topic
        self._subscriptions = subscriptions
        self._listener = listener
        self._outbox: deque[Outgoing] = deque()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._protocol = (
            aiomqtt.ProtocolVersion.V311
            if broker.protocol == "3.1.1"
            else aiomqtt.ProtocolVersion.V5
        )
        self._believes_in_v311 = False
        self._restate = False
        self._too_large: set[str] = set()
        self.is_connected = False
        self.max_packet_bytes: int | None = None
        """What the broker takes at most, as far as it has said; only MQTT 5 can say it."""

    # --- outgoing ------------------------------------------------------------------------

    MAX_OUTBOX = 5000

    def publish(self, message: Outgoing) -> None:
        """Queue a message with QoS 1; order is kept, and what is not retained waits for a broker.

        Retained messages are dropped while there is no connection: the whole state follows
        after the next one.
        """
        if message.retain and not self.is_connected:
            return
        if len(self._outbox) >= self.MAX_OUTBOX:
            dropped = self._outbox.popleft()
            _LOGGER.warning("the outbox is full: dropped the oldest message to %s", dropped.topic)
        self._outbox.append(message)
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

    async def _send(self, client: _Client) -> None:
        """Publish state, then ``online``, then whatever is queued, until cancelled."""
        await self._send_state(client)
        while True:
            if self._restate:
                self._restate = False
                await self._send_state(client)
            while self._outbox:
                message = self._outbox[0]
                await self._publish(client, message)
                # The head may have been dropped meanwhile because the outbox was full.
                if self._outbox and self._outbox[0] is message:
                    self._outbox.popleft()
                if message.on_published is not None:
                    message.on_published()
            self._drained.set()
            self._wake.clear()
            if not self._restate:
                await self._wake.wait()

    async def _send_state(self, client: _Client) -> None:
        self._outbox = deque(message for message in self._outbox if not message.retain)
        for message in self._listener.connected():
            await self._publish(client, message)
            if message.on_published is not None:
                message.on_published()
        await client.publish(self._status_topic, ONLINE, qos=1, retain=True)

    async def _publish(self, client: _Client, message: Outgoing) -> None:
        """Send a message, unless the broker would hang up because of its size, again and again."""
        size = len(message.payload) + len(message.topic.encode()) + HEADER_BYTES
        if self.max_packet_bytes is None or size <= self.max_packet_bytes:
            await client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        elif message.topic not in self._too_large:
            self._too_large.add(message.topic)
            _LOGGER.warning(
                "the broker takes at most %d bytes: %s has %d and is not published; raise the "
                "broker's limit", self.max_packet_bytes, message.topic, size,
            )  # fmt: skip

    # --- the connection ------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Connect, and connect again with backoff and jitter, until ``stop`` is set."""
        attempt = 0
        while not stop.is_set():
            protocol = self._protocol
            reason = await self._connect_once(stop)
            if self.is_connected:
                attempt = 0
            was_connected, self.is_connected = self.is_connected, False
            if stop.is_set():
                return
            if was_connected and self._broker.protocol == "auto" and not self._believes_in_v311:
                self._protocol = aiomqtt.ProtocolVersion.V5
            elif attempt == 0 and self._protocol is not protocol:
                # The broker is there and only speaks another version: no need to wait.
                attempt = 1
                continue
            self._listener.disconnected(reason)
            wait = min(BACKOFF_S[0] * 2**attempt, BACKOFF_S[1]) * random.uniform(0.5, 1.0)
            attempt += 1
            _LOGGER.warning(
                "broker %s:%d: %s; next attempt in %.1f s",
                self._broker.host, self._broker.port, reason, wait,
            )  # fmt: skip
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await stop.wait()

    async def _connect_once(self, stop: asyncio.Event) -> str:
        """Hold one connection as long as it lasts; return why it ended."""
        try:
            client = self._new_client()
        except (OSError, ssl.SSLError) as error:
            return f"TLS cannot be set up ({error}): check ca_file, cert_file and key_file"
        try:
            async with asyncio.timeout(3 * TIMEOUT_S):
                await client.__aenter__()
        except (aiomqtt.MqttError, TimeoutError, ssl.SSLError, ValueError) as error:
            client.abandon()
            return self._explain_refusal(error)
        self.max_packet_bytes = client.max_packet_bytes
        if not client.session_present:
            self._listener.session_began()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await client.subscribe(self._subscriptions)
            self.is_connected = True
            _LOGGER.info(
                "connected to %s:%d with MQTT %s as %s",
                self._broker.host, self._broker.port,
                "5" if self._protocol is aiomqtt.ProtocolVersion.V5 else "3.1.1", self._client_id,
            )  # fmt: skip
            await self._serve(client, stop)
        except (aiomqtt.MqttError, TimeoutError, OSError) as error:
            return f"connection lost ({_cause(error)})"
        except Exception as error:  # a worker that tries again is better than none
            _LOGGER.exception("the connection ends by an internal error")
            return f"internal error ({error!r})"
        finally:
            await self._leave(client)
        return "stopped"

    async def _serve(self, client: _Client, stop: asyncio.Event) -> None:
        # The end of a motion that came while nobody listened waits in the broker and is delivered
        # first: state that told the alarm without it would let the alarm flap.
        while not client.incoming.empty():
            self._listener.received(client.incoming.get_nowait())
        tasks = [
            asyncio.create_task(self._receive(client), name="mqtt-receive"),
            asyncio.create_task(self._send(client), name="mqtt-send"),
            asyncio.create_task(stop.wait(), name="mqtt-stop"),
        ]
        endings: set[asyncio.Future[Any]] = {*tasks, client.lost, client.overflow}
        try:
            done, _ = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
            for ending in done:
                ending.result()
            if stop.is_set():
                await client.publish(self._status_topic, OFFLINE, qos=1, retain=True)
        finally:
            await _end(tasks)

    async def _receive(self, client: _Client) -> None:
        while True:
            self._listener.received(await client.incoming.get())
            # A full queue gives its messages without ever yielding to the loop.
            await asyncio.sleep(0)

    async def _leave(self, client: _Client) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, TimeoutError, OSError):
            _LOGGER.debug("the broker did not answer our goodbye")

    def _new_client(self) -> _Client:
        broker = self._broker
        is_v5 = self._protocol is aiomqtt.ProtocolVersion.V5
        session: dict[str, Any] = {"clean_session": False}
        if is_v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            properties.MaximumPacketSize = MAX_PACKET_BYTES
            session = {"clean_start": False, "properties": properties}
        return _Client(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=self._client_id,
            protocol=self._protocol,
            keepalive=broker.keepalive_s,
            timeout=TIMEOUT_S,
            # paho logs each lost connection as an error; we tell it once, with a remedy.
            logger=_PAHO_LOGGER,
            tls_context=None if broker.tls is None else _tls_context(broker.tls),
            will=aiomqtt.Will(self._status_topic, OFFLINE, qos=1, retain=True),
            **session,
        )

    def _explain_refusal(self, error: Exception) -> str:
        """Say why there is no connection; turn to the other protocol version where it may help.

        Old brokers answer MQTT 5 with "unsupported protocol version" or hang up.
        """
        code = getattr(error, "rc", None)
        text = str(error) or "no answer in time"
        if getattr(code, "value", code) in (4, 5, 134, 135):
            return f"the broker refuses the credentials ({text}): check mqtt.username and password"
        cause = error.__context__
        # A timeout is an OSError too, but comes from a broker that took the connection.
        if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
            return f"cannot be reached ({text}): check mqtt.host and mqtt.port, and the broker"
        if self._broker.protocol == "auto":
            versions = aiomqtt.ProtocolVersion
            self._protocol = versions.V311 if self._protocol is versions.V5 else versions.V5
            # Only a broker that names the version is believed for good; the rest may be a glitch.
            self._believes_in_v311 = getattr(code, "value", code) in (1, 132)
        return f"no MQTT connection ({text})"
