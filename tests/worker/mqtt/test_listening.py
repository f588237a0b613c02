"""What topics have brought, and what could not be understood, is known and told."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.peers import HttpCamera, Listener
from tests.worker.conftest import Site
from tests.worker.talk import HEALTH, ROOT, C, Judging, events, sender
from veroallarme_core.contract import State, Topics
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.config import CameraConfig
from veroallarme_core.worker.motion_sources.motion_messages import MotionSignal, Trigger
from veroallarme_core.worker.mqtt.listening import MAX_REPORTED, Listening
from veroallarme_core.worker.mqtt.messages import Incoming
from veroallarme_core.worker.snapshots.http_source import HttpSource
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource

MOTION = "cam/front/motion"
SWITCH = Trigger(topic=MOTION, start=("ON",), end=("OFF",))


class Bench:
    """A `Listening` for one camera."""

    def __init__(self, *triggers: Trigger, **more: Any) -> None:
        self.triggers = triggers or (SWITCH,)
        config = CameraConfig(
            **{
                "id": "front",
                "name": "Front",
                "triggers": self.triggers,
                "source": HttpSource(url="http://127.0.0.1:9/x.jpg"),
                **more,
            }
        )
        self.complaints = Complaints(lambda: None)
        topics = Topics()
        self.listening = Listening(
            topics, topics.echo("main"), "homeassistant/status", self.complaints, lambda: None
        )
        self.listening.add(config)

    def hear(self, payload: bytes, trigger: int = 0, **more: Any) -> MotionSignal | None:
        chosen = self.triggers[trigger]
        message = incoming(chosen.topic, payload, **more)
        return self.listening.motion("front", chosen, message)

    @property
    def notes(self) -> list[str | None]:
        return [topic.note for topic in self.listening.state()["front"]]


def incoming(topic: str, payload: bytes, *, retain: bool = False) -> Incoming:
    return Incoming(topic, payload, 1, retain, False, 1, lambda: None)


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def test_a_value_that_is_neither_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for payload in (b"ONN", b"ONN\0", b"ON N", b"ONN"):
        assert bench.hear(payload) is None
    advice = "is neither start nor end: add it to the trigger's start, end or ignore"
    assert lines(caplog) == [
        f"front: 'ONN' on topic {MOTION} {advice}",
        f"front: 'ON N' on topic {MOTION} {advice}",
    ]
    assert bench.notes == [f"'ONN' on topic {MOTION} {advice}"]
    assert bench.complaints.shown()[0].key == f"front/payload/{MOTION}"


def test_motion_takes_the_complaint_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench()
    bench.hear(b"ONN")
    assert bench.hear(b"OFF") is MotionSignal.END
    assert bench.complaints.shown(), "an end does not show that starts are understood"
    assert bench.hear(b"ON") is MotionSignal.START
    assert bench.complaints.shown() == []
    assert bench.notes == [None]
    bench.hear(b"ONN")
    assert len(lines(caplog, logging.WARNING)) == 1, "once per value and topic"


def test_endless_values_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for number in range(1000):
        bench.hear(f"{number} seconds".encode())
    told = lines(caplog)
    assert len(told) == MAX_REPORTED + 1
    assert told[-1] == (
        f"front: {MAX_REPORTED} messages on topic {MOTION} were neither start nor end: "
        "no more are told"
    )
    (record,) = bench.listening._records["front"].values()
    assert len(record.reported) == MAX_REPORTED + 1


def test_each_trigger_has_its_own_complaint() -> None:
    other = Trigger(topic="cam/front/pir", start=("1",))
    bench = Bench(SWITCH, other)
    bench.hear(b"x")
    bench.hear(b"y", trigger=1)
    bench.hear(b"1", trigger=1)
    assert [one.key for one in bench.complaints.shown()] == [f"front/payload/{MOTION}"]
    assert [note is None for note in bench.notes] == [False, True]


def test_silence_and_retained_messages_stand_in_the_notes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench()
    assert bench.notes == ["no motion on this topic yet"]
    for _ in range(3):
        assert bench.hear(b"ON", retain=True) is MotionSignal.PAST
    assert bench.notes == [
        "no motion on this topic yet, but for what the broker had retained: that tells the past"
    ]
    assert lines(caplog) == [
        f"front: retained, so it tells the past and is not taken: b'ON' on {MOTION}"
    ]
    bench.hear(b"ON")
    assert bench.notes == [None]


def test_pictures_are_counted() -> None:
    bench = Bench(source=MqttImageSource(topic="cam/front/jpeg"))
    assert bench.notes[1] == "no picture on this topic yet"
    bench.listening.picture("front", incoming("cam/front/jpeg", b"x", retain=True))
    assert "tells the past" in str(bench.notes[1])
    bench.listening.picture("front", incoming("cam/front/jpeg", b"x"))
    assert bench.notes[1] is None
    topic = bench.listening.state()["front"][1]
    assert (topic.gives, topic.count) == ("pictures", 1)


def test_a_camera_that_goes_takes_its_topics_along() -> None:
    bench = Bench()
    bench.listening.remove("front")
    assert bench.listening.state() == {}
    assert bench.listening.can_hear("front")


# --- in a worker --------------------------------------------------------------------------------


async def test_one_message_that_several_triggers_hear_is_one_line(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site.more["triggers"] = (SWITCH, replace(SWITCH, auto_end_s=5.0))
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: heard.on(f"{C}/stats") and stats(heard)["events"] == 1)
        assert stats(heard)["motions"] == 1
    told = [line for line in lines(caplog) if "motion starts" in line]
    assert told == [f"front: motion starts (b'ON' on {MOTION})"]


async def test_a_wrong_value_that_waited_is_told_and_is_no_motion(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with site.worker():
        pass
    async with sender(site.port) as broker:
        await broker.send(MOTION, "ONN")
        await broker.send(MOTION, "ON")
        async with site.listener() as heard, site.worker():
            await heard.until(lambda: heard.on(f"{C}/stats") and stats(heard)["events"] == 1)
            await heard.until(lambda: heard.on(HEALTH) and note(heard) is None)
            assert stats(heard)["motions"] == 1
    assert sum("'ONN'" in line for line in lines(caplog, logging.WARNING)) == 1


def stats(heard: Listener) -> dict[str, Any]:
    return cast(dict[str, Any], heard.on(f"{C}/stats")[-1].json())


def note(heard: Listener) -> str | None:
    (topic,) = heard.on(HEALTH)[-1].json()["topics"]["front"]
    return str(topic["note"]) if topic["note"] else None


@pytest.mark.parametrize(
    "payload",
    [b"ON\0", b"ON" + b"\0" * 30, b'"ON"', b"\xef\xbb\xbfON", b" on\r\n", b"\xff\xfeO\0N\0"],
)
async def test_dressed_values_raise_the_alarm(site: Site, payload: bytes) -> None:
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.send(MOTION, payload)
        await heard.until(lambda: events(heard))
        assert heard.payloads(f"{C}/relevant")[-1] == b"ON"


async def test_typo_in_the_configuration_is_told(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.more["triggers"] = (Trigger(topic=MOTION, start=("OM",)),)
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await heard.until(lambda: heard.on(HEALTH))
        assert note(heard) == "no motion on this topic yet"
        for _ in range(3):
            await broker.motion()
        sentence = f"'ON' on topic {MOTION} is neither start nor end"
        await heard.until(lambda: sentence in (note(heard) or ""))
        assert sentence in heard.on(HEALTH)[-1].json()["last_error"]["message"]
    assert len([line for line in lines(caplog, logging.WARNING) if sentence in line]) == 1


@pytest.mark.parametrize("alarm", [True, False])
async def test_motion_and_verdict_are_a_line_each(
    site: Site, caplog: pytest.LogCaptureFixture, alarm: bool
) -> None:
    caplog.set_level(logging.INFO)
    judging = Judging(State.RELEVANT if alarm else State.IRRELEVANT)
    async with (
        site.listener() as heard,
        site.worker(judging.install),
        sender(site.port) as broker,
    ):
        await broker.motion()
        await heard.until(lambda: events(heard))
        await broker.motion("OFF")
        (verdict,) = events(heard)
    told = [line for line in lines(caplog) if line.startswith("front: ")]
    assert told[0] == f"front: motion starts (b'ON' on {MOTION})"
    expected = (
        f"front: {verdict['event_id']} is relevant, alarm (test, score 0.90, threshold 0.50, "
        if alarm
        else f"front: {verdict['event_id']} is irrelevant, no alarm (test, score 0.10, threshold "
    )
    assert told[1].startswith(expected)
    assert told[1].endswith(": A test's.")
    assert len(told) == 2


async def test_three_wrong_commands_are_three_lines(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    wrong: list[tuple[object, str]] = [
        ({"mode": "sometimes"}, "mode: 'sometimes'"),
        ({"hold_s": -1}, "hold_s: -1"),
        ("not json", "is not JSON"),
    ]
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        for _ in range(2):
            for payload, _ in wrong:
                await broker.send(f"{C}/set", payload)
        await broker.send(f"{C}/set", {"hold_s": 7})
        await heard.until(lambda: heard.on("/settings")[-1].json()["hold_s"] == 7)
    told = [line for line in lines(caplog, logging.WARNING) if f"{C}/set" in line]
    assert len(told) == 3
    for line, (_, hint) in zip(told, wrong, strict=True):
        assert hint in line


@pytest.mark.parametrize("payload", ["online", "Online\0", '"online"'])
async def test_birth_of_home_assistant_is_understood_however_it_is_wrapped(
    site: Site, payload: str
) -> None:
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        since = len(heard.heard)
        await broker.send("homeassistant/status", payload)
        await heard.until(lambda: heard.on("/info", since))


async def test_birth_that_is_none_is_told(site: Site) -> None:
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.send("homeassistant/status", "offline")
        await broker.send("homeassistant/status", "born")
        await heard.until(lambda: heard.on(HEALTH) and heard.on(HEALTH)[-1].json()["errors"])
        (error,) = heard.on(HEALTH)[-1].json()["errors"]
        assert error["message"].startswith("b'born' on homeassistant/status is neither online")


async def test_trigger_on_the_birth_topic_is_heard(
    tmp_path: Path, site: Site, cameras: HttpCamera
) -> None:
    site.more["triggers"] = (Trigger(topic="homeassistant/status", start=("offline",)),)
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.send("homeassistant/status", "offline")
        await heard.until(lambda: events(heard))


async def test_end_of_a_burst_that_nobody_knows_leaves_a_line(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site.names = ()
    porch = f"{ROOT}/camera/porch"
    async with site.listener() as heard, site.worker(), sender(site.port) as home:
        await home.send(f"{porch}/config", {"name": "Porch"})
        await home.send(f"{porch}/motion_end", {"event_id": "20261123_061402_9f31c4"})
        await home.send(f"{porch}/set", {"hold_s": 7})
        await heard.until(lambda: heard.on("porch/settings"))
    assert any("the end of motion of 20261123_061402_9f31c4 is not taken" in line
               for line in lines(caplog))  # fmt: skip
