"""The connection to the broker, against a real mosquitto and the embedded amqtt."""

import asyncio
import contextlib
import logging
import random
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import aiomqtt
import pytest

from benchmarks.chaos.proxy import Proxy
from benchmarks.peers import Listener, Mosquitto, free_port, until
from veroallarme_core.worker.config import BrokerConfig
from veroallarme_core.worker.mqtt import client as client_module
from veroallarme_core.worker.mqtt import connection as mqtt_module
from veroallarme_core.worker.mqtt import outbox as outbox_module
from veroallarme_core.worker.mqtt.connection import MqttSession
from veroallarme_core.worker.mqtt.messages import Incoming, Outgoing
from veroallarme_core.worker.mqtt.refusals import Refusal

STATUS = "site/status"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_module, "BACKOFF_S", (0.05, 0.5))
    monkeypatch.setattr(mqtt_module, "TIMEOUT_S", 2.0)


@dataclass
class Ears:
    """A `SessionListener` that remembers; acknowledges unless told otherwise."""

    acknowledge: bool = True
    received_: list[Incoming] = field(default_factory=list)
    connections: int = 0
    sessions: int = 0
    resumed: int = 0
    reasons: list[str] = field(default_factory=list)
    refused: list[dict[str, Refusal]] = field(default_factory=list)
    complaints: dict[str, str] = field(default_factory=dict)
    state: list[Outgoing] = field(
        default_factory=lambda: [
            Outgoing("site/a", b"1", retain=True),
            Outgoing("site/b", b"2", retain=True),
        ]
    )

    def session_began(self) -> None:
        self.sessions += 1

    def session_resumed(self) -> None:
        self.resumed += 1

    def connected(self) -> list[Outgoing]:
        self.connections += 1
        return self.state

    def disconnected(self, reason: str) -> None:
        self.reasons.append(reason)

    def subscribed(self, refused: Mapping[str, Refusal]) -> None:
        self.refused.append(dict(refused))

    def complain(self, key: str, sentence: str) -> None:
        self.complaints[key] = sentence

    def resolve(self, key: str) -> None:
        self.complaints.pop(key, None)

    def received(self, message: Incoming) -> None:
        self.received_.append(message)
        if self.acknowledge:
            message.acknowledge()

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.received_]


@contextlib.asynccontextmanager
async def session(
    port: int, ears: Ears, *, client_id: str = "worker", protocol: str = "auto", **more: object
) -> AsyncIterator[MqttSession]:
    broker = BrokerConfig(host="127.0.0.1", port=port, protocol=protocol, **more)  # type: ignore[arg-type]
    running = MqttSession(broker, client_id, STATUS, [("cam/+", 1)], ears)
    stop = asyncio.Event()
    task = asyncio.create_task(running.run(stop))
    try:
        yield running
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await task


async def send(port: int, *payloads: str, topic: str = "cam/front", **more: object) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for payload in payloads:
            await client.publish(topic, payload, qos=1, **more)  # type: ignore[arg-type]


async def test_state_then_online_then_what_was_queued(mosquitto: Mosquitto) -> None:
    ears = Ears()
    listener = Listener(mosquitto.port, ["site/#"])
    published: list[str] = []
    async with listener.listen(), session(mosquitto.port, ears) as link:
        link.outbox.publish(Outgoing("site/lost", b"x", retain=True))
        link.outbox.publish(
            Outgoing("site/event", b"e", retain=False, on_published=lambda: published.append("e"))
        )
        await listener.until(lambda: listener.on("/event"))
        assert [heard.topic for heard in listener.heard] == [
            "site/a",
            "site/b",
            STATUS,
            "site/event",
        ]
        assert published == ["e"]
        assert await link.outbox.drain(1)
    await listener.until(lambda: True)


async def test_goodbye_says_offline_and_sends_no_will_twice(mosquitto: Mosquitto) -> None:
    listener = Listener(mosquitto.port, [STATUS])
    async with listener.listen():
        async with session(mosquitto.port, Ears()):
            await listener.until(lambda: listener.payloads(STATUS) == [b"online"])
        await asyncio.sleep(0.3)
        assert listener.payloads(STATUS) == [b"online", b"offline"]


async def test_session_can_be_stopped_at_any_moment(mosquitto: Mosquitto) -> None:
    ears = Ears(state=[Outgoing(f"site/{n}", b"x", retain=True) for n in range(20)])
    for step in range(60):
        async with session(mosquitto.port, ears) as link:
            if step % 3:
                await until(lambda link=link: link.is_connected)
            await asyncio.sleep(step * 0.0003)
    listener = Listener(mosquitto.port, [STATUS])
    async with listener.listen():
        await listener.until(lambda: listener.payloads(STATUS) == [b"offline"])


async def test_task_that_drops_a_cancellation_is_ended_all_the_same() -> None:
    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await mqtt_module.end_tasks([task])
    assert task.cancelled()


async def test_reconnects_after_the_broker_was_killed_and_states_all_again(
    mosquitto: Mosquitto,
) -> None:
    ears = Ears()
    async with session(mosquitto.port, ears) as link:
        await until(lambda: ears.connections == 1)
        await until(lambda: link.is_connected)
        mosquitto.kill()
        await until(lambda: not link.is_connected)
        link.outbox.publish(Outgoing("site/event", b"while away", retain=False))
        link.outbox.publish(Outgoing("site/a", b"old state", retain=True))
        await until(lambda: ears.reasons)
        mosquitto.start()
        listener = Listener(mosquitto.port, ["site/#"])
        async with listener.listen():
            await listener.until(lambda: listener.on("/event"))
            assert listener.payloads("/event") == [b"while away"]
            assert b"old state" not in [heard.payload for heard in listener.heard]
    assert ears.connections == 2
    assert ears.sessions == 1, "mosquitto remembers the session over its own death"


async def test_unacknowledged_messages_come_again_with_the_same_packet_id(
    mosquitto: Mosquitto,
) -> None:
    first = Ears(acknowledge=False)
    async with session(mosquitto.port, first):
        await until(lambda: first.connections)
        await send(mosquitto.port, "1", "2", "3")
        await until(lambda: len(first.received_) == 3)
        first.received_[1].acknowledge()
        await asyncio.sleep(0.1)
    again = Ears()
    async with session(mosquitto.port, again):
        await until(lambda: len(again.received_) == 2)
    assert again.payloads == [b"1", b"3"]
    assert [message.redelivered for message in again.received_] == [True, True]
    assert [m.packet_id for m in again.received_] == [
        first.received_[0].packet_id,
        first.received_[2].packet_id,
    ]
    assert (first.sessions, again.sessions) == (1, 0)
    last = Ears()
    async with session(mosquitto.port, last):
        await until(lambda: last.connections)
        await asyncio.sleep(0.2)
    assert last.received_ == []


async def test_messages_wait_for_a_worker_that_is_away(mosquitto: Mosquitto) -> None:
    async with session(mosquitto.port, Ears()) as link:
        await until(lambda: link.is_connected)
    await send(mosquitto.port, *map(str, range(150)))
    ears = Ears()
    async with session(mosquitto.port, ears):
        await until(lambda: len(ears.received_) == 150)
    assert ears.payloads == [str(number).encode() for number in range(150)]
    assert not any(message.redelivered for message in ears.received_)


async def test_broker_without_a_memory_of_us_begins_a_session(mosquitto: Mosquitto) -> None:
    ears = Ears()
    async with session(mosquitto.port, ears) as link:
        await until(lambda: link.is_connected)
        mosquitto.kill()
        mosquitto.database.unlink(missing_ok=True)
        mosquitto.start()
        await until(lambda: ears.connections == 2)
    assert ears.sessions == 2


async def test_messages_past_the_bound_are_delivered_again(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_INCOMING", 5)
    ears = Ears()
    async with session(mosquitto.port, ears) as link:
        await until(lambda: link.is_connected)
        await send(mosquitto.port, *map(str, range(200)))
        await until(lambda: len(set(ears.payloads)) == 200, limit_s=20)


async def test_restate_publishes_state_and_online_again(mosquitto: Mosquitto) -> None:
    ears = Ears()
    listener = Listener(mosquitto.port, ["site/#"])
    async with listener.listen(), session(mosquitto.port, ears) as link:
        await listener.until(lambda: listener.payloads(STATUS) == [b"online"])
        link.outbox.restate()
        await listener.until(lambda: listener.payloads(STATUS) == [b"online"] * 2)
        topics = [heard.topic for heard in listener.heard]
        assert topics == ["site/a", "site/b", STATUS] * 2


async def test_listener_that_fails_ends_no_session(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    class Clumsy(Ears):
        def connected(self) -> list[Outgoing]:
            state = super().connected()
            if self.connections == 1:
                raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "a surprise")
            return state

    ears = Clumsy()
    listener = Listener(mosquitto.port, ["site/#"])
    async with listener.listen(), session(mosquitto.port, ears):
        await listener.until(lambda: listener.payloads(STATUS)[-1:] == [b"online"])
    assert "internal error" in ears.reasons[0]
    assert "a surprise" in caplog.text


async def test_full_outbox_drops_the_oldest_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MAX_OUTBOX", 2)
    ears = Ears()
    link = MqttSession(BrokerConfig(), "worker", STATUS, [], ears)
    for number in range(3):
        link.outbox.publish(Outgoing(f"event/{number}", b"", retain=False))
    assert "dropped the oldest message to event/0" in ears.complaints["publish/event/0"]
    assert not await link.outbox.drain(0.01)


@pytest.mark.parametrize(("protocol", "expected"), [("auto", "5"), ("5", "5"), ("3.1.1", "3.1.1")])
async def test_protocol_versions_with_mosquitto(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture, protocol: str, expected: str
) -> None:
    caplog.set_level(logging.INFO)
    ears = Ears()
    async with session(mosquitto.port, ears, protocol=protocol) as link:
        await until(lambda: link.is_connected)
        await send(mosquitto.port, "hello")
        await until(lambda: ears.payloads == [b"hello"])
    assert f"with MQTT {expected} " in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # amqtt's own
async def test_falls_back_to_mqtt_3_where_the_broker_has_no_5(
    amqtt_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ears = Ears()
    async with session(amqtt_port, ears) as link:
        await until(lambda: link.is_connected, limit_s=30)
        await send(amqtt_port, "hello")
        await until(lambda: ears.payloads == [b"hello"])
    assert "with MQTT 3.1.1 " in caplog.text


async def test_unreachable_broker_is_named_with_its_remedy() -> None:
    ears = Ears()
    async with session(free_port(), ears):
        await until(lambda: len(ears.reasons) >= 3)
    assert "check mqtt.host and mqtt.port" in ears.reasons[0]


async def test_broker_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_module, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        ears = Ears()
        async with session(deaf.getsockname()[1], ears):
            await until(lambda: ears.reasons)
        deaf.settimeout(2)
        connection, _ = deaf.accept()
        with connection:
            connection.settimeout(2)
            while connection.recv(4096):
                pass  # what is left open times out here
    assert "no MQTT connection" in ears.reasons[0]


async def test_who_hangs_up_for_a_broker_that_starts_is_asked_again_at_once(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy, or a port of Docker's, takes connections while the broker is away."""
    monkeypatch.setattr(mqtt_module, "TIMEOUT_S", 600.0)
    caplog.set_level(logging.INFO)
    ears = Ears()
    async with (
        Proxy(mosquitto.port, random.Random(0)).serve() as proxy,
        session(proxy.port, ears) as link,
    ):
        await until(lambda: link.is_connected)
        mosquitto.kill()
        await until(lambda: any("hung up" in reason for reason in ears.reasons))
        mosquitto.start()
        await until(lambda: link.is_connected)
    assert "with MQTT 3.1.1 " not in caplog.text


async def test_refused_credentials_are_named(mosquitto: Mosquitto) -> None:
    mosquitto.kill()
    config = mosquitto._config.read_text().replace("allow_anonymous true", "allow_anonymous false")
    mosquitto._config.write_text(config)
    mosquitto.start()
    ears = Ears()
    async with session(mosquitto.port, ears, username="me", password="wrong"):
        await until(lambda: ears.reasons)
    assert "check mqtt.username and password" in ears.reasons[0]


async def test_lasting_silence_of_the_broker_ends_the_connection(mosquitto: Mosquitto) -> None:
    """A broker behind a pulled cable; its process is stopped, its sockets stay open."""
    ears = Ears()
    async with session(mosquitto.port, ears, keepalive_s=5) as link:
        await until(lambda: link.is_connected)
        mosquitto.pause()
        try:
            link.outbox.publish(Outgoing("site/event", b"x", retain=False))
            await until(lambda: ears.reasons, limit_s=15)
        finally:
            mosquitto.go_on()
        await until(lambda: link.is_connected, limit_s=15)
        assert await link.outbox.drain(5)
