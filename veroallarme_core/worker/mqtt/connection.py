"""The session with the broker: it connects, connects again, and hands on what comes.

aiomqtt leaves it to its user to reconnect and to know which session the broker has kept. `client`
adds what is missing within one connection, and `outbox` keeps what is on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, cast

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from veroallarme_core.contract import OFFLINE
from veroallarme_core.worker.config import BrokerConfig
from veroallarme_core.worker.mqtt.client import Client, new_client
from veroallarme_core.worker.mqtt.messages import SessionListener
from veroallarme_core.worker.mqtt.outbox import Outbox
from veroallarme_core.worker.mqtt.refusals import (
    FAILURES_FROM,
    REMEDIES,
    Refusal,
    cause_of,
    code_of,
    read_answers,
    remedy_for,
)

_LOGGER = logging.getLogger(__name__)

BACKOFF_S = (1.0, 8.0)
"""First and longest wait before a new attempt to connect. The broker stands in the same house: an
attempt costs it nothing, and until one succeeds no alarm is heard."""
TIMEOUT_S = 10.0
"""How long the broker may take for an answer."""
SUBSCRIBE_AGAIN_S = 60.0
"""How often a refused subscription is tried again: the access control may have changed."""


async def end_tasks(tasks: Sequence[asyncio.Task[Any]]) -> None:
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
        user = broker.username
        self._who = "clients without a user name" if user is None else f"the user {user}"
        self.outbox = Outbox(status_topic, self._who, listener)
        self._protocol = (
            aiomqtt.ProtocolVersion.V311
            if broker.protocol == "3.1.1"
            else aiomqtt.ProtocolVersion.V5
        )
        self._believes_in_v311 = False
        self._has_spoken_v5 = False
        self._had_session = False

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, and all that was asked for is subscribed or refused."""
        return self.outbox.is_connected

    # --- the connection ------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Connect, and connect again with backoff and jitter, until ``stop`` is set."""
        attempt = 0
        while not stop.is_set():
            protocol = self._protocol
            reason = await self._connect_once(stop)
            if self.is_connected:
                attempt = 0
            was_connected, self.outbox.is_connected = self.is_connected, False
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
            client = new_client(
                self._broker,
                self._client_id,
                self._status_topic,
                self._protocol,
                timeout_s=TIMEOUT_S,
                lost=self._note_lost,
            )
        except (OSError, ssl.SSLError) as error:
            return f"TLS cannot be set up ({error}): check ca_file, cert_file and key_file"
        try:
            async with asyncio.timeout(3 * TIMEOUT_S):
                await client.__aenter__()
        except (aiomqtt.MqttError, TimeoutError, ssl.SSLError, ValueError) as error:
            client.abandon()
            return self._explain_refusal(error)
        self.outbox.max_packet_bytes = client.max_packet_bytes
        self._note_session(client)
        try:
            try:
                refused = await self._subscribe(client, self._subscriptions)
            except (aiomqtt.MqttError, TimeoutError, OSError) as error:
                return f"connection lost while subscribing ({self._explain(error)})"
            self._listener.subscribed(refused)
            self.outbox.is_connected = True
            self._has_spoken_v5 |= self._protocol is aiomqtt.ProtocolVersion.V5
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

    def _note_session(self, client: Client) -> None:
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
        self, client: Client, subscriptions: list[tuple[str, int]]
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

    async def _subscribe_again(self, client: Client, refused: Mapping[str, Refusal]) -> None:
        """Ask for what was refused now and then, until cancelled."""
        while True:
            await asyncio.sleep(SUBSCRIBE_AGAIN_S)
            missing = [(topic, qos) for topic, qos in self._subscriptions if topic in refused]
            before, refused = refused, await self._subscribe(client, missing)
            if refused != before:
                self._listener.subscribed(refused)

    async def _serve(
        self, client: Client, stop: asyncio.Event, refused: Mapping[str, Refusal]
    ) -> None:
        # The end of a motion that came while nobody listened waits in the broker and is delivered
        # first: state that told the alarm without it would let the alarm flap.
        while not client.incoming.empty():
            self._listener.received(client.incoming.get_nowait())
        tasks = [
            asyncio.create_task(self._receive(client), name="mqtt-receive"),
            asyncio.create_task(self.outbox.run(client), name="mqtt-send"),
            asyncio.create_task(self._subscribe_again(client, refused), name="mqtt-subscribe"),
            asyncio.create_task(stop.wait(), name="mqtt-stop"),
        ]
        endings: set[asyncio.Future[Any]] = {*tasks, client.lost, client.overflow}
        try:
            done, _ = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
            for ending in done:
                ending.result()
            if stop.is_set():
                await self.outbox.tell_status(client, OFFLINE)
        finally:
            await end_tasks(tasks)

    async def _receive(self, client: Client) -> None:
        while True:
            self._listener.received(await client.incoming.get())
            # A full queue gives its messages without ever yielding to the loop.
            await asyncio.sleep(0)

    async def _leave(self, client: Client) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, TimeoutError, OSError):
            _LOGGER.debug("the broker did not answer our goodbye")
        if client.lost.done() and not client.lost.cancelled():
            client.lost.exception()  # or asyncio logs that nobody has asked for it

    def _note_lost(self, sentence: str) -> None:
        self._listener.complain("mqtt/overflow", sentence)

    def _explain(self, error: Exception) -> str:
        """Say why a connection ended, and what to do where the broker has named its reason."""
        code = code_of(error)
        remedy = REMEDIES.get(code) if code is not None and code >= FAILURES_FROM else None
        if remedy is None:
            return cause_of(error)
        return f"{cause_of(error)}: {remedy.format(who=self._who, act='do that')}"

    def _explain_refusal(self, error: Exception) -> str:
        """Say why there is no connection; turn to the other protocol version where it may help.

        Old brokers answer MQTT 5 with "unsupported protocol version" or hang up.
        """
        code = code_of(error)
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
        names_the_version = code in (1, 132)
        # A broker that has spoken MQTT 5 and now hangs up is starting, or ending.
        if self._broker.protocol == "auto" and (names_the_version or not self._has_spoken_v5):
            versions = aiomqtt.ProtocolVersion
            self._protocol = versions.V311 if self._protocol is versions.V5 else versions.V5
            # Only a broker that names the version is believed for good; the rest may be a glitch.
            self._believes_in_v311 = names_the_version
        if code is not None and code in REMEDIES:
            return f"no MQTT connection ({text}): {remedy_for(code, self._who, 'connect')}"
        return f"no MQTT connection ({text})"
