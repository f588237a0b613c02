"""aiomqtt's client with acknowledgement by hand, answers, and a bound that loses nothing.

aiomqtt acknowledges a message before anybody has stored it, its incoming queue is unbounded or
drops, and it does not read what the broker answers to a message. This module adds that, and leans
on private names of aiomqtt for it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from veroallarme_core.contract import OFFLINE
from veroallarme_core.worker.config import BrokerConfig, TlsConfig
from veroallarme_core.worker.mqtt.messages import QOS, Incoming, Outgoing

_PAHO_LOGGER = logging.getLogger(f"{__name__}.paho")
_PAHO_LOGGER.setLevel(logging.CRITICAL)

SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long the broker keeps motion messages for a worker that is away (MQTT 5)."""
RECEIVE_MAXIMUM = 100
"""Messages that the broker may send ahead of our acknowledgement (MQTT 5)."""
MAX_INCOMING = 1000
"""Bound of the incoming queue; past it the broker is asked to deliver again."""
MAX_PACKET_BYTES = 32 * 1024 * 1024


class Client(aiomqtt.Client):
    """aiomqtt's client with acknowledgement by hand, answers, and a bound that loses nothing.

    Args:
        lost: called with a sentence about a message that nobody can bring back.
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

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        # aiomqtt waits for an answer of whoever has hung up already, until its time is over. What
        # stands before a broker takes connections while that starts: a proxy, a port of Docker's.
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError("hung up without an answer"))
            return
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # as aiomqtt does it: whatever it is, the connection is gone
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def watch() -> None:
            # aiomqtt takes the socket's number before its turn comes. By then the socket may be
            # closed, and the number that of another connection.
            if (number := sock.fileno()) >= 0:
                self._loop.add_writer(number, write)

        self._loop.call_soon_threadsafe(watch)

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
                self._lost(
                    f"more than {MAX_INCOMING} messages wait: one on {message.topic} with QoS 0 is "
                    "lost; let less come in, and let cameras send motion with QoS 1"
                )
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


def new_client(
    broker: BrokerConfig,
    client_id: str,
    status_topic: str | None,
    protocol: aiomqtt.ProtocolVersion,
    *,
    timeout_s: float,
    lost: Callable[[str], None],
) -> Client:
    """Make a client for one connection.

    Args:
        broker: where and as whom to connect.
        client_id: of the session.
        status_topic: gets ``offline`` as last will; None leaves no session behind at the broker.
        protocol: version of MQTT.
        timeout_s: how long the broker may take for an answer.
        lost: see `Client`.

    Raises:
        OSError, ssl.SSLError: a certificate cannot be used.
    """
    is_v5 = protocol is aiomqtt.ProtocolVersion.V5
    only_listens = status_topic is None
    session: dict[str, Any] = {"clean_session": only_listens}
    if is_v5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if only_listens else SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        session = {"clean_start": only_listens, "properties": properties}
    if status_topic is not None:
        session["will"] = aiomqtt.Will(status_topic, OFFLINE, qos=QOS, retain=True)
    return Client(
        broker.host,
        broker.port,
        username=broker.username,
        password=broker.password,
        identifier=client_id,
        protocol=protocol,
        keepalive=broker.keepalive_s,
        timeout=timeout_s,
        # paho logs each lost connection as an error; we tell it once, with a remedy.
        logger=_PAHO_LOGGER,
        tls_context=None if broker.tls is None else _tls_context(broker.tls),
        lost=lost,
        **session,
    )


def _tls_context(tls: TlsConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file and str(tls.ca_file))
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
