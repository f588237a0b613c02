"""What the broker refuses is told: subscriptions, messages, connections. A real mosquitto does."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from benchmarks.peers import HttpCamera, Listener, Mosquitto, until
from tests.worker.conftest import Site
from tests.worker.guarded_broker import GuardedBroker, MuzzlingBroker
from tests.worker.mqtt.test_connection import Ears, session
from tests.worker.talk import HEALTH, ROOT, C, burst, events, retained, sender
from veroallarme_core.worker import health_report
from veroallarme_core.worker.camera import alarm as alarm_module
from veroallarme_core.worker.mqtt import backlog as backlog_module
from veroallarme_core.worker.mqtt import client as client_module
from veroallarme_core.worker.mqtt import connection as mqtt_module
from veroallarme_core.worker.mqtt import outbox as outbox_module
from veroallarme_core.worker.mqtt.messages import Outgoing
from veroallarme_core.worker.mqtt.refusals import Refusal, read_answers
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource

MOTION = "cam/front/motion"
ECHO = f"{ROOT}/worker/main/echo"
B = TypeVar("B", bound=Mosquitto)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_module, "BACKOFF_S", (0.05, 0.5))


@contextlib.contextmanager
def started(broker: B) -> Iterator[B]:
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def health(heard: Listener) -> dict[str, Any]:
    on = heard.on(HEALTH)
    return on[-1].json() if on else {"errors": [], "topics": {}}


def errors(heard: Listener) -> dict[str, str]:
    return {error["key"]: error["message"] for error in health(heard)["errors"]}


# --- subscriptions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "reason"),
    [("5", "reason code 0x87, Not authorized"), ("3.1.1", "reason code 0x80")],
)
async def test_refused_trigger_is_told_in_log_health_and_connectivity(
    tmp_path: Path,
    cameras: HttpCamera,
    caplog: pytest.LogCaptureFixture,
    protocol: str,
    reason: str,
) -> None:
    with started(GuardedBroker(tmp_path, subscribe=[MOTION])) as broker:
        site = Site(tmp_path, broker.port, cameras, names=("front", "yard"), protocol=protocol)
        sentence = (
            f"the broker refuses the subscription to {MOTION} ({reason}): motion of front cannot "
            "be heard; let the broker's access control allow clients without a user name to "
            "subscribe to it"
        )
        async with site.listener() as heard, site.worker() as worker, sender(broker.port) as cam:
            await heard.until(lambda: f"subscription/{MOTION}" in errors(heard))
            assert errors(heard)[f"subscription/{MOTION}"] == sentence
            assert health(heard)["topics"]["front"][0]["note"] == sentence
            assert sentence in [record.getMessage() for record in caplog.records]
            assert worker._condition().is_deaf
            await heard.until(lambda: heard.payloads(f"{C}/connectivity")[-1:] == [b"OFF"])
            await cam.motion(camera="yard")
            await heard.until(lambda: events(heard))
            assert heard.payloads("yard/connectivity")[-1] == b"ON"
        kept = await retained(broker.port)
        assert kept[f"{C}/connectivity"] == b"OFF"


async def test_refusal_that_ends_is_taken_back_and_motion_is_heard(
    tmp_path: Path,
    cameras: HttpCamera,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without a new connection: the worker asks again now and then."""
    monkeypatch.setattr(mqtt_module, "SUBSCRIBE_AGAIN_S", 0.2)
    monkeypatch.setattr(outbox_module, "REFUSED_AGAIN_S", 0.2)
    with started(GuardedBroker(tmp_path, subscribe=None)) as broker:
        site = Site(tmp_path, broker.port, cameras)
        async with site.worker() as worker:
            await until(lambda: not worker._listening.can_hear("front"))
            await broker.allow_all()
            await until(lambda: worker._listening.can_hear("front"))
            async with site.listener() as later, sender(broker.port) as cam:
                await cam.motion()
                await later.until(lambda: events(later))
                await later.until(lambda: health(later)["topics"]["front"][0]["note"] is None)
                assert errors(later) == {}
                await later.until(lambda: later.payloads(f"{C}/connectivity")[-1] == b"ON")
    assert "next attempt" not in caplog.text


@pytest.mark.parametrize(
    ("topic", "loss"),
    [
        (f"{ROOT}/camera/+/set", "the command set cannot be heard"),
        (f"{ROOT}/camera/+/feedback", "the command feedback cannot be heard"),
        (f"{ROOT}/camera/+/burst", "the cameras that Home Assistant bridges cannot be heard"),
        ("homeassistant/status", "a start of Home Assistant goes unnoticed"),
        (ECHO, "motion in the first seconds of a connection may have waited and raises the alarm"),
        ("cam/front/picture", "pictures of front cannot be heard"),
    ],
)
async def test_every_refused_subscription_says_what_it_costs(
    tmp_path: Path, cameras: HttpCamera, topic: str, loss: str
) -> None:
    with started(GuardedBroker(tmp_path, subscribe=[topic])) as broker:
        site = Site(tmp_path, broker.port, cameras)
        if topic == "cam/front/picture":
            site.more["source"] = MqttImageSource(topic=topic, timeout_s=0.2)
        async with site.listener() as heard, site.worker(), sender(broker.port) as cam:
            await heard.until(lambda: f"subscription/{topic}" in errors(heard))
            assert loss in errors(heard)[f"subscription/{topic}"]
            connectivity = await retained(broker.port)
            assert (connectivity.get(f"{C}/connectivity") == b"OFF") == (loss[:8] == "pictures")
            await cam.motion()
            await heard.until(lambda: events(heard))


async def test_bridged_camera_that_cannot_be_heard_says_so(
    tmp_path: Path, cameras: HttpCamera
) -> None:
    denied = [f"{ROOT}/camera/+/burst"]
    with started(GuardedBroker(tmp_path, subscribe=denied)) as broker:
        site = Site(tmp_path, broker.port, cameras, names=())
        async with site.listener() as heard, site.worker(), sender(broker.port) as home:
            await home.send(f"{ROOT}/camera/porch/config", {"name": "Porch"})
            await heard.until(lambda: heard.payloads("porch/connectivity") == [b"OFF"])
            await heard.until(lambda: "porch" in health(heard)["topics"])
            (topic,) = health(heard)["topics"]["porch"]
            assert "cannot be heard" in topic["note"]


async def test_bridged_camera_counts_its_bursts(
    site: Site, frames: tuple[bytes, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site.names = ()
    async with site.listener() as heard, site.worker(), sender(site.port) as home:
        await home.send(f"{ROOT}/camera/porch/config", {"name": "Porch"})
        await heard.until(lambda: "porch" in health(heard)["topics"])
        (topic,) = health(heard)["topics"]["porch"]
        assert topic["note"] == "no motion on this topic yet"
        content = burst(frames)
        for _ in range(2):
            await home.send(f"{ROOT}/camera/porch/burst", content)
        await heard.until(lambda: health(heard)["topics"]["porch"][0]["note"] is None)
        assert health(heard)["topics"]["porch"][0]["count"] == 1
        await heard.until(lambda: events(heard))
    lines = [record.getMessage() for record in caplog.records]
    assert lines.count("porch: motion starts (a burst of Home Assistant)") == 1


async def test_refused_echo_is_told_once_and_taken_back(
    tmp_path: Path, cameras: HttpCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_module, "SUBSCRIBE_AGAIN_S", 0.5)
    monkeypatch.setattr(outbox_module, "REFUSED_AGAIN_S", 0.5)
    monkeypatch.setattr(backlog_module, "QUIET_S", 0.3)
    with started(GuardedBroker(tmp_path, subscribe=None)) as broker:
        site = Site(tmp_path, broker.port, cameras)
        async with site.worker():
            pass
        async with site.worker() as worker:
            assert worker._backlog.since is not None
            await until(lambda: worker._backlog.since is None)
            keys = [error.key for error in worker._complaints.shown()]
            assert [key for key in keys if "echo" in key] == [f"subscription/{ECHO}"]
            await broker.allow_all()
            await until(lambda: worker._complaints.shown() == [])
            assert ECHO not in str(worker._listening.state())


GRANTED = ReasonCode(PacketTypes.SUBACK, identifier=1)


def test_answers_belong_to_the_topics_in_their_order() -> None:
    quota = ReasonCode(PacketTypes.SUBACK, identifier=0x97)
    refused = read_answers(["a", "b", "c"], [GRANTED, quota, GRANTED], "the user me", is_v5=True)
    assert refused == {
        "b": Refusal("reason code 0x97, Quota exceeded", "raise the broker's quota for the user me")
    }


def test_topic_without_an_answer_counts_as_refused() -> None:
    refused = read_answers(["a", "b"], [GRANTED], "the user me", is_v5=True)
    assert refused == {"b": Refusal("no answer", "the broker's log says more")}


# --- messages -----------------------------------------------------------------------------------


async def test_refused_message_is_told_and_sent_when_the_broker_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_module, "SUBSCRIBE_AGAIN_S", 0.2)
    monkeypatch.setattr(outbox_module, "REFUSED_AGAIN_S", 0.2)
    ears, published = Ears(state=[]), []
    topics = ["site/event", "site/state"]
    with started(MuzzlingBroker(tmp_path, publish=topics)) as broker:
        async with (
            session(broker.port, ears, protocol="5") as link,
            Listener(broker.port, ["site/#"]).listen() as late,
        ):
            await until(lambda: link.is_connected)
            event = Outgoing("site/event", b"e", False, on_published=lambda: published.append("e"))
            link.outbox.publish(event)
            for state in (b"old", b"new"):
                link.outbox.publish(Outgoing("site/state", state, retain=True))
            link.outbox.publish(
                Outgoing("site/other", b"x", False, lambda: published.append("other"))
            )
            await until(lambda: published == ["other"])
            assert ears.complaints.keys() == {"publish/site/event", "publish/site/state"}
            assert ears.complaints["publish/site/event"] == (
                "the broker refuses the message to site/event (reason code 0x87, Not authorized): "
                "let the broker's access control allow clients without a user name to publish to it"
            )
            broker.allow_all()
            await late.until(lambda: late.on("/event") and late.on("/state"))
            assert late.payloads("/state") == [b"new"]
            await until(lambda: published == ["other", "e"])
            await until(lambda: ears.complaints == {})
            assert ears.connections == 1


async def test_refused_verdict_stays_in_the_store_as_not_published(
    tmp_path: Path, cameras: HttpCamera
) -> None:
    with started(MuzzlingBroker(tmp_path, publish=[f"{C}/event"])) as broker:
        site = Site(tmp_path, broker.port, cameras)
        async with site.listener() as heard, site.worker() as worker, sender(broker.port) as cam:
            await cam.motion()
            await heard.until(lambda: f"publish/{C}/event" in errors(heard))
            assert heard.payloads(f"{C}/relevant")[-1] == b"ON"
            unpublished = await worker._storage.database(
                lambda store: store.unpublished(["front"], 10)
            )
            assert len(unpublished) == 1
        broker.allow_all()
        async with site.listener() as heard, site.worker():
            await heard.until(lambda: events(heard))
            assert events(heard)[0]["event_id"] == unpublished[0]["event_id"]


async def test_refused_alarm_is_shown_once_the_broker_takes_it(
    tmp_path: Path, cameras: HttpCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_module, "SUBSCRIBE_AGAIN_S", 0.3)
    monkeypatch.setattr(outbox_module, "REFUSED_AGAIN_S", 0.3)
    with started(MuzzlingBroker(tmp_path, publish=[f"{C}/relevant"])) as broker:
        site = Site(tmp_path, broker.port, cameras)
        async with site.listener() as heard, site.worker() as worker, sender(broker.port) as cam:
            await cam.motion()
            await cam.motion("OFF")
            await heard.until(lambda: events(heard))
            # Long after its hold and its motion.
            await asyncio.sleep(1.0)
            assert worker.cameras["front"].alarm.is_on
            broker.allow_all()
            await heard.until(lambda: heard.payloads(f"{C}/relevant")[-1:] == [b"OFF"])
            assert heard.payloads(f"{C}/relevant") == [b"ON", b"OFF"]
            await heard.until(lambda: errors(heard) == {})


async def test_alarm_that_stays_refused_ends(
    tmp_path: Path, cameras: HttpCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_module, "SUBSCRIBE_AGAIN_S", 0.3)
    monkeypatch.setattr(outbox_module, "REFUSED_AGAIN_S", 0.3)
    monkeypatch.setattr(alarm_module, "REFUSED_LIMIT_S", 1.0)
    with started(MuzzlingBroker(tmp_path, publish=[f"{C}/relevant"])) as broker:
        site = Site(tmp_path, broker.port, cameras)
        async with site.listener() as heard, site.worker() as worker, sender(broker.port) as cam:
            await cam.motion()
            await cam.motion("OFF")
            await heard.until(lambda: events(heard))
            await heard.until(lambda: f"publish/{C}/relevant" in errors(heard))
            await until(lambda: not worker.cameras["front"].alarm.is_on)
            broker.allow_all()
            await heard.until(lambda: errors(heard) == {})
            assert heard.payloads(f"{C}/relevant") == [b"OFF"], "an alarm long ago would be stale"


async def test_what_every_connection_brings_anew_does_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = Outgoing("site/echo", b"mark", retain=False, is_renewed=True)
    ears = Ears(state=[mark])
    with started(MuzzlingBroker(tmp_path, publish=["site/echo"])) as broker:
        async with session(broker.port, ears, protocol="5") as link:
            for connections in (1, 2, 3):
                await until(lambda: ears.connections == connections and link.outbox._refused)  # noqa: B023
                assert link.outbox._refused == [mark]
                broker.kill()
                broker.start()


async def test_health_that_was_refused_tells_the_time_when_it_is_taken(
    tmp_path: Path, cameras: HttpCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_module, "SUBSCRIBE_AGAIN_S", 0.2)
    monkeypatch.setattr(outbox_module, "REFUSED_AGAIN_S", 0.2)
    monkeypatch.setattr(health_report, "HEALTH_EVERY_S", 0.5)
    with started(MuzzlingBroker(tmp_path, publish=[HEALTH])) as broker:
        site = Site(tmp_path, broker.port, cameras)
        async with site.listener() as heard, site.worker() as worker:
            await until(lambda: f"publish/{HEALTH}" in str(worker._complaints.shown()))
            await asyncio.sleep(1.0)
            before = datetime.now(UTC)
            broker.allow_all()
            await heard.until(lambda: heard.on(HEALTH) and errors(heard) == {})
            first = datetime.fromisoformat(heard.on(HEALTH)[0].json()["sent_at"])
            assert first >= before - timedelta(milliseconds=1)


async def test_old_brokers_refuse_messages_without_a_word(tmp_path: Path) -> None:
    """MQTT 3.1.1 has no word for it: the message counts as taken."""
    ears, published = Ears(state=[]), []
    with started(MuzzlingBroker(tmp_path, publish=["site/event"])) as broker:
        async with session(broker.port, ears, protocol="3.1.1") as link:
            link.outbox.publish(Outgoing("site/event", b"e", False, lambda: published.append("e")))
            await until(lambda: published)
            assert ears.complaints == {}


async def test_refused_messages_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "MAX_REFUSED", 3)
    ears, published = Ears(state=[]), []
    with started(MuzzlingBroker(tmp_path, publish=["site/event/#"])) as broker:
        async with session(broker.port, ears, protocol="5") as link:
            for number in range(5):
                link.outbox.publish(Outgoing(f"site/event/{number}", b"e", retain=False))
            link.outbox.publish(
                Outgoing("site/other", b"x", False, lambda: published.append("other"))
            )
            await until(lambda: published)
            assert "dropped the oldest one, to site/event/1" in ears.complaints["publish"]
            assert len(link.outbox._refused) == 3


async def test_message_over_the_brokers_limit_stands_in_the_health(
    tmp_path: Path, cameras: HttpCamera
) -> None:
    with started(Mosquitto(tmp_path, max_packet_bytes=3000)) as broker:
        site = Site(tmp_path, broker.port, cameras)
        async with site.listener() as heard, site.worker(), sender(broker.port) as cam:
            await cam.motion()
            await heard.until(lambda: f"publish/{C}/image" in errors(heard))
            assert "raise the broker's limit" in errors(heard)[f"publish/{C}/image"]


# --- connections --------------------------------------------------------------------------------


async def test_lost_session_is_told(mosquitto: Mosquitto) -> None:
    ears = Ears()
    async with session(mosquitto.port, ears) as link:
        await until(lambda: link.is_connected)
        assert ears.complaints == {}, "the first session was never there before"
        mosquitto.kill()
        mosquitto.database.unlink(missing_ok=True)
        mosquitto.start()
        await until(lambda: ears.connections == 2)
        assert (
            "motion that came while there was no connection is lost"
            in (ears.complaints["mqtt/session"])
        )


async def test_reason_that_the_broker_hangs_up_with_is_told(tmp_path: Path) -> None:
    with started(GuardedBroker(tmp_path, subscribe=["cam/+"])) as broker:
        ears = Ears()
        async with session(broker.port, ears, protocol="5") as link:
            await until(lambda: link.is_connected)
            assert set(ears.refused[0]) == {"cam/+"}
            await broker.allow("cam/+")
            await until(lambda: ears.refused[1:])
    assert "the broker's administrator has ended the connection" in ears.reasons[0]
    assert ears.refused[-1] == {}


async def test_broker_that_keeps_no_messages_is_told_what_it_lacks(tmp_path: Path) -> None:
    with started(Mosquitto(tmp_path, options=["retain_available false"])) as broker:
        ears = Ears()
        async with session(broker.port, ears, protocol="5"):
            await until(lambda: ears.reasons)
    assert "let the broker keep retained messages" in ears.reasons[0]


async def test_messages_that_nobody_can_bring_back_are_told(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(client_module, "MAX_INCOMING", 5)
    monkeypatch.setattr(mqtt_module.MqttSession, "_receive", deaf)
    ears = Ears()
    async with session(mosquitto.port, ears) as link, sender(mosquitto.port) as broker:
        await until(lambda: link.is_connected)
        for _ in range(6):
            await broker.send("cam/front", "ON", qos=0)
        await until(lambda: "mqtt/overflow" in ears.complaints)
    assert "one on cam/front with QoS 0 is lost" in ears.complaints["mqtt/overflow"]
