"""The connection to the broker: reconnects, a persistent session, manual acknowledgement.

aiomqtt leaves four things to its user that a worker which loses nothing needs: it does not
reconnect, it acknowledges a message before anybody has stored it, its incoming queue is
unbounded or drops, and it does not read what the broker answers to a message. This module adds
them, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from veroallarme_core.contract import OFFLINE, ONLINE
from veroallarme_core.worker.config.config import BrokerConfig, TlsConfig

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
REFUSED_AGAIN_S = 60.0
"""How often what the broker has refused is tried again: its access control may have changed."""
MAX_REFUSED = 1000
"""Refused messages that wait to be tried again, and topics of which the refusal is known."""

QOS = 1
"""Of all messages and subscriptions: at least once."""
_FAILURES_FROM = 0x80
"""Reason codes from here on are refusals, in every answer of the broker."""
_NOT_AUTHORIZED = 0x87
_LET_IN = "let the broker's access control allow {who} to {act}"
_REMEDIES = {
    _NOT_AUTHORIZED: _LET_IN,
    0x85: "let the broker take any client id",
    0x88: "wait, or start the broker again",
    0x89: "wait, the broker is busy",
    0x8A: "let the broker unban {who}",
    0x8E: "another client has the same client id: do two workers share a copy of one state_dir?",
    0x8F: "correct the topic",
    0x90: "correct the topic",
    0x95: "raise the broker's limit on the size of messages",
    0x97: "raise the broker's quota for {who}",
    0x98: "the broker's administrator has ended the connection",
    0x9A: "let the broker keep retained messages",
    0x9B: "let the broker take messages with QoS 1",
    0x9C: "give the other server as mqtt.host",
    0x9D: "give the other server as mqtt.host",
    0x9F: "let the broker take connections more often",
    0xA2: "the broker knows no wildcards: name the topic in full",
}
"""What to do about a reason code, as far as the specification of MQTT 5 says what it means."""


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
    """Called once the broker has taken it."""
    on_refused: Callable[[], object] | None = None
    """Called whenever the broker does not take it, or where it is dropped."""
    is_renewed: bool = False
    """Whether every connection brings it anew, as it does with all that is retained."""
    is_tried_again: bool = True
    """Whether what the broker refuses is sent again, and not out of date by then."""

    @property
    def is_state(self) -> bool:
        """Whether a newer message to its topic takes its place."""
        return self.retain or self.is_renewed


@dataclass(frozen=True)
class Refusal:
    """Why the broker does not do what it was asked, and what to do about it."""

    reason: str
    remedy: str


class SessionListener(Protocol):
    """Whom a session tells what happens; every method must return at once."""

    def session_began(self) -> None:
        """Take note that the broker knows nothing of us: what it sends repeats nothing."""

    def session_resumed(self) -> None:
        """Take note that the broker may have kept messages for us, which come first."""

    def connected(self) -> list[Outgoing]:
        """Return the retained state to publish before anything else."""

    def disconnected(self, reason: str) -> None:
        """Take note that the broker is gone."""

    def received(self, message: Incoming) -> None:
        """Take a message."""

    def subscribed(self, refused: Mapping[str, Refusal]) -> None:
        """Take note of the topic filters that the broker refuses; it has granted all others."""

    def complain(self, key: str, sentence: str) -> None:
        """Tell people what is wrong."""

    def resolve(self, key: str) -> None:
        """Take a complaint back by its key."""


class _Client(aiomqtt.Client):
    """aiomqtt's client with acknowledgement by hand, answers, and a bound that loses nothing.

    Args:
        lost: called with the topic of a message that nobody can bring back.
    """

    def __init__(self, *args: Any, lost: Callable[[str], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._client.manual_ack_set(True)
        self._lost = lost
        self._answers: dict[int, asyncio.Future[ReasonCode]] = {}
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
            if qos == 0:
                self._lost(message.topic)
            elif not self.overflow.done():
                self.overflow.set_exception(
                    aiomqtt.MqttError(f"more than {MAX_INCOMING} messages wait")
                )

    async def send(self, message: Outgoing) -> ReasonCode:
        """Publish a message; return what the broker answers, which MQTT 3.1.1 leaves out.

        Raises:
            aiomqtt.MqttError: the connection is gone, or the broker does not answer in time.
        """
        info = self._client.publish(message.topic, message.payload, QOS, message.retain)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "Could not publish message")
        answer = self._answers[info.mid] = asyncio.get_running_loop().create_future()
        try:
            return await self._wait_for(answer, timeout=None)
        finally:
            self._answers.pop(info.mid, None)

    def _on_publish(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reason_code)

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


def _code(error: Exception) -> int | None:
    """Return the reason code that a broker has sent, or paho's own error."""
    code = getattr(error, "rc", None)
    value = getattr(code, "value", code)
    return value if isinstance(value, int) else None


def _cause(error: Exception) -> str:
    """Say why a connection ended; paho calls a closed socket an unspecified error."""
    if isinstance(error, aiomqtt.MqttCodeError) and str(error.rc) == "Unspecified error":
        return "broken off by the broker or the network"
    return str(error) or "no answer in time"


def _remedy(code: int | None, who: str, act: str) -> str:
    """Say what to do about a reason code."""
    known = None if code is None else _REMEDIES.get(code)
    return (known or "the broker's log says more").format(who=who, act=act)


def read_answers(
    topics: Sequence[str], codes: Sequence[ReasonCode], who: str, *, is_v5: bool
) -> dict[str, Refusal]:
    """Return the topic filters that a broker refuses, by its answers to a subscription.

    Args:
        topics: topic filters in the order in which they were sent.
        codes: one for each; MQTT 3.1.1 knows one refusal only, 0x80, and gives no reason.
        who: the client, as people know it.
        is_v5: whether the codes are those of MQTT 5.
    """
    refused = {}
    for topic, code in zip(topics, codes, strict=False):
        if code.value < _FAILURES_FROM:
            continue
        value, act = (code.value if is_v5 else _NOT_AUTHORIZED), "subscribe to it"
        reason = f"reason code 0x{code.value:02x}" + (f", {code}" if is_v5 else "")
        refused[topic] = Refusal(reason, _remedy(value, who, act))
    for topic in topics[len(codes) :]:
        refused[topic] = Refusal("no answer", _remedy(None, who, ""))
    return refused


def _note_refusal(message: Outgoing) -> None:
    if message.on_refused is not None:
        message.on_refused()


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
        status_topic: gets ``online`` after all state is published, ``offline`` as last will. None
            only listens: says nothing, and leaves no session behind at the broker.
        subscriptions: topic filters and their QoS.
        listener: takes messages and gives the state.
    """

    def __init__(
        self,
        broker: BrokerConfig,
        client_id: str,
        status_topic: str | None,
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
        self._had_session = False
        self._failing: OrderedDict[str, str] = OrderedDict()
        self._refused: list[Outgoing] = []
        self._try_again_at = 0.0
        self.is_connected = False
        self.max_packet_bytes: int | None = None
        """What the broker takes at most, as far as it has said; only MQTT 5 can say it."""

    # --- outgoing ------------------------------------------------------------------------

    MAX_OUTBOX = 5000

    def publish(self, message: Outgoing) -> None:
        """Queue a message with QoS 1; order is kept, and what is not retained waits for a broker.

        State is dropped while there is no connection: all of it follows after the next one.
        """
        if message.is_state and not self.is_connected:
            return
        if len(self._outbox) >= self.MAX_OUTBOX:
            dropped = self._outbox.popleft()
            _note_refusal(dropped)
            self._listener.complain(
                f"publish/{dropped.topic}",
                f"the outbox is full: dropped the oldest message to {dropped.topic}",
            )
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
            self._queue_refused()
            while self._outbox:
                message = self._outbox[0]
                await self._publish(client, message)
                # The head may have been dropped meanwhile because the outbox was full.
                if self._outbox and self._outbox[0] is message:
                    self._outbox.popleft()
            self._drained.set()
            self._wake.clear()
            if not self._restate:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(self._try_again_at if self._refused else None):
                        await self._wake.wait()

    async def _send_state(self, client: _Client) -> None:
        waiting = [*self._refused, *self._outbox]
        self._refused = []
        self._outbox = deque(message for message in waiting if not message.is_state)
        for message in self._listener.connected():
            await self._publish(client, message)
        await self._tell_status(client, ONLINE)

    async def _tell_status(self, client: _Client, status: bytes) -> None:
        if self._status_topic is not None:
            await self._publish(client, Outgoing(self._status_topic, status, retain=True))

    async def _publish(self, client: _Client, message: Outgoing) -> None:
        """Send a message; what the broker does not take is told, and waits to be tried again."""
        topic = message.topic
        size = len(message.payload) + len(topic.encode()) + HEADER_BYTES
        if self.max_packet_bytes is not None and size > self.max_packet_bytes:
            # The broker would hang up because of its size, again and again.
            self._put_aside(message, f"the broker takes at most {self.max_packet_bytes} bytes: "
                f"{topic} has {size} and is not published; raise the broker's limit")  # fmt: skip
            return
        answer = await client.send(message)
        if answer.value >= _FAILURES_FROM:
            remedy = _remedy(answer.value, self._who, "publish to it")
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
                one for one in self._refused if not (one.is_state and one.topic == message.topic)
            ]

    def _queue_refused(self) -> None:
        """Queue what was refused once more, before what has come since."""
        if self._refused and asyncio.get_running_loop().time() >= self._try_again_at:
            self._outbox.extendleft(reversed(self._refused))
            self._refused = []

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
        self._note_session(client)
        try:
            try:
                refused = await self._subscribe(client, self._subscriptions)
            except (aiomqtt.MqttError, TimeoutError, OSError) as error:
                return f"connection lost while subscribing ({self._explain(error)})"
            self._listener.subscribed(refused)
            self.is_connected = True
            _LOGGER.info(
                "connected to %s:%d with MQTT %s as %s",
                self._broker.host, self._broker.port,
                "5" if self._protocol is aiomqtt.ProtocolVersion.V5 else "3.1.1", self._client_id,
            )  # fmt: skip
            await self._serve(client, stop, refused)
        except (aiomqtt.MqttError, TimeoutError, OSError) as error:
            return f"connection lost ({self._explain(error)})"
        except Exception as error:  # a worker that tries again is better than none
            _LOGGER.exception("the connection ends by an internal error")
            return f"internal error ({error!r})"
        finally:
            await self._leave(client)
        return "stopped"

    def _note_session(self, client: _Client) -> None:
        """Tell where the broker has forgotten us, and with us what came meanwhile."""
        if client.session_present:
            self._listener.session_resumed()
            self._listener.resolve("mqtt/session")
        else:
            self._listener.session_began()
            if self._had_session:
                self._listener.complain(
                    "mqtt/session",
                    "the broker has forgotten this worker's session: motion that came while there "
                    "was no connection is lost; let the broker keep sessions over its restarts",
                )
        self._had_session = self._status_topic is not None

    async def _subscribe(
        self, client: _Client, subscriptions: list[tuple[str, int]]
    ) -> dict[str, Refusal]:
        """Subscribe; return what the broker refuses.

        Raises:
            aiomqtt.MqttError, TimeoutError: the broker does not answer.
        """
        if not subscriptions:
            return {}
        async with asyncio.timeout(TIMEOUT_S):
            codes = await client.subscribe(subscriptions)
        topics = [topic for topic, _ in subscriptions]
        is_v5 = self._protocol is aiomqtt.ProtocolVersion.V5
        return read_answers(topics, cast(list[ReasonCode], codes), self._who, is_v5=is_v5)

    async def _subscribe_again(self, client: _Client, refused: Mapping[str, Refusal]) -> None:
        """Ask for what was refused now and then, until cancelled."""
        while True:
            await asyncio.sleep(REFUSED_AGAIN_S)
            missing = [(topic, qos) for topic, qos in self._subscriptions if topic in refused]
            before, refused = refused, await self._subscribe(client, missing)
            if refused != before:
                self._listener.subscribed(refused)

    async def _serve(
        self, client: _Client, stop: asyncio.Event, refused: Mapping[str, Refusal]
    ) -> None:
        # The end of a motion that came while nobody listened waits in the broker and is delivered
        # first: state that told the alarm without it would let the alarm flap.
        while not client.incoming.empty():
            self._listener.received(client.incoming.get_nowait())
        tasks = [
            asyncio.create_task(self._receive(client), name="mqtt-receive"),
            asyncio.create_task(self._send(client), name="mqtt-send"),
            asyncio.create_task(self._subscribe_again(client, refused), name="mqtt-subscribe"),
            asyncio.create_task(stop.wait(), name="mqtt-stop"),
        ]
        endings: set[asyncio.Future[Any]] = {*tasks, client.lost, client.overflow}
        try:
            done, _ = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
            for ending in done:
                ending.result()
            if stop.is_set():
                await self._tell_status(client, OFFLINE)
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
        only_listens = self._status_topic is None
        session: dict[str, Any] = {"clean_session": only_listens}
        if is_v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0 if only_listens else SESSION_EXPIRY_S
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            properties.MaximumPacketSize = MAX_PACKET_BYTES
            session = {"clean_start": only_listens, "properties": properties}
        if self._status_topic is not None:
            session["will"] = aiomqtt.Will(self._status_topic, OFFLINE, qos=QOS, retain=True)
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
            lost=self._note_lost,
            **session,
        )

    @property
    def _who(self) -> str:
        """The name by which the broker knows us."""
        user = self._broker.username
        return "clients without a user name" if user is None else f"the user {user}"

    def _note_lost(self, topic: str) -> None:
        self._listener.complain(
            "mqtt/overflow",
            f"more than {MAX_INCOMING} messages wait: one on {topic} with QoS 0 is lost; let less "
            "come in, and let cameras send motion with QoS 1",
        )

    def _explain(self, error: Exception) -> str:
        """Say why a connection ended, and what to do where the broker has named its reason."""
        code = _code(error)
        remedy = _REMEDIES.get(code) if code is not None and code >= _FAILURES_FROM else None
        if remedy is None:
            return _cause(error)
        return f"{_cause(error)}: {remedy.format(who=self._who, act='do that')}"

    def _explain_refusal(self, error: Exception) -> str:
        """Say why there is no connection; turn to the other protocol version where it may help.

        Old brokers answer MQTT 5 with "unsupported protocol version" or hang up.
        """
        code = _code(error)
        text = str(error) or "no answer in time"
        if code in (4, 5, 134, 135):
            will = f" and publish to {self._status_topic}" if self._status_topic else ""
            return (
                f"the broker refuses the credentials ({text}): check mqtt.username and password, "
                f"and that its access control lets them connect{will}"
            )
        cause = error.__context__
        # A timeout is an OSError too, but comes from a broker that took the connection.
        if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
            return f"cannot be reached ({text}): check mqtt.host and mqtt.port, and the broker"
        if self._broker.protocol == "auto":
            versions = aiomqtt.ProtocolVersion
            self._protocol = versions.V311 if self._protocol is versions.V5 else versions.V5
            # Only a broker that names the version is believed for good; the rest may be a glitch.
            self._believes_in_v311 = code in (1, 132)
        if code is not None and code in _REMEDIES:
            return f"no MQTT connection ({text}): {_remedy(code, self._who, 'connect')}"
        return f"no MQTT connection ({text})"
