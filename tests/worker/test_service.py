"""The worker in this process, with a real mosquitto and real HTTP cameras."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.peers import HttpCamera, Listener, Mosquitto, until
from tests.onnx_networks import write_network
from tests.worker.conftest import Site, TinyDisk
from tests.worker.fake_state import PROMISE, FakeState
from tests.worker.storage.test_event_store import verdict as verdict_of_the_store
from tests.worker.talk import HEALTH, ROOT, STATUS, C, Judging, events, retained, sender
from veroallarme_core.contract import (
    RETAINED_SUFFIXES,
    CameraSettings,
    Mode,
    State,
    Verdict,
    new_event_id,
)
from veroallarme_core.inference import ModelError
from veroallarme_core.pipeline import MODEL
from veroallarme_core.relevance_mask import ModelMeta
from veroallarme_core.worker import site as site_module
from veroallarme_core.worker.camera import judging as judging_module
from veroallarme_core.worker.camera.pending_event import FetchedFrames, Signal
from veroallarme_core.worker.config.worker_config import InferenceConfig, LearningConfig
from veroallarme_core.worker.motion_sources.motion_messages import Trigger
from veroallarme_core.worker.mqtt import backlog as backlog_module
from veroallarme_core.worker.mqtt import connection as mqtt_module
from veroallarme_core.worker.mqtt.messages import Incoming
from veroallarme_core.worker.service import Worker
from veroallarme_core.worker.snapshots import bursts as bursts_module
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource
from veroallarme_core.worker.state_folder import StartError
from veroallarme_core.worker.storage.event_store import EventStore


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_module, "BACKOFF_S", (0.05, 0.3))


# --- order, retained state --------------------------------------------------------------------


async def test_motion_becomes_a_decision_in_the_order_of_the_contract(site: Site) -> None:
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
        since = len(heard.heard)
        await broker.motion()
        await heard.until(lambda: heard.on(f"{C}/stats", since))
        topics = [one.topic for one in heard.heard[since:] if "/camera/front/" in one.topic]
        expected = ("connectivity", "image", "verdict", "relevant", "event", "stats")
        assert topics == [f"{C}/{suffix}" for suffix in expected]
        found = await retained(site.port)
    unsuggested = {"suggestions_image"}  # comes with the first suggestion
    assert {f"{C}/{suffix}" for suffix in {*RETAINED_SUFFIXES} - unsuggested} <= found.keys()
    assert f"{C}/event" not in found
    assert found[f"{C}/relevant"] == b"ON"
    assert json.loads(found[f"{C}/verdict"]) == events(heard)[0]
    info = json.loads(found[f"{ROOT}/info"])
    assert info["contract"] == 1
    assert info["cameras"] == [{"id": "front", "name": "front", "origin": "local"}]


async def test_online_comes_last_after_every_connect(site: Site, mosquitto: Mosquitto) -> None:
    info = f"{ROOT}/info"

    def statement(listener: Listener) -> list[str]:
        """The topics of the last statement of all state, as far as it has come."""
        topics = [one.topic for one in listener.heard if not one.retain]
        # A broker that was killed may first repeat what it had sent before.
        begin = len(topics) - 1 - topics[::-1].index(info) if info in topics else len(topics)
        return topics[begin:]

    async with site.listener(identifier="observer") as heard, site.worker():
        for _ in range(3):
            await heard.until(lambda: STATUS in statement(heard))
            before_online = statement(heard)[: statement(heard).index(STATUS)]
            assert {info, HEALTH} <= set(before_online)
            assert {f"{C}/settings", f"{C}/stats", f"{C}/relevant"} <= set(before_online)
            mosquitto.kill()
            heard.heard.clear()
            mosquitto.start()


async def test_birth_of_home_assistant_brings_all_state_again(site: Site) -> None:
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
        for payload, retain in (("offline", False), ("online", True)):
            await broker.send("homeassistant/status", payload, retain=retain)
        await broker.motion()
        await heard.until(lambda: events(heard))
        # A retained birth reaches a subscriber that is there already as a live one.
        await heard.until(lambda: len(heard.payloads(STATUS)) == 2)
        since = len(heard.heard)
        await broker.send("homeassistant/status", "online")
        await heard.until(lambda: heard.on(STATUS, since))
        topics = {one.topic for one in heard.heard[since:]}
    assert {f"{ROOT}/info", f"{C}/verdict", f"{C}/relevant", f"{C}/image"} <= topics


async def test_retained_motion_is_ignored(site: Site) -> None:
    async with sender(site.port) as broker:
        await broker.send("cam/front/motion", "ON", retain=True)
        async with site.listener() as heard, site.worker():
            await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
            await asyncio.sleep(0.3)
            assert events(heard) == []
            await broker.send("cam/front/motion", "ON", retain=True)
            await heard.until(lambda: events(heard))
    assert len(events(heard)) == 1


async def test_topics_of_a_removed_camera_are_cleared(site: Site) -> None:
    site.names = ("front", "yard")
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.motion(camera="yard")
        await heard.until(lambda: events(heard))
    assert f"{ROOT}/camera/yard/verdict" in await retained(site.port)
    site.names = ("front",)
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        found = await retained(site.port)
        assert not [topic for topic in found if "/yard/" in topic]
        assert f"{C}/settings" in found
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        assert not heard.on("yard/settings"), "what is cleared need not be cleared again"


async def test_clean_stop_says_offline(site: Site) -> None:
    async with site.listener() as heard:
        async with site.worker():
            await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
        await heard.until(lambda: heard.payloads(STATUS) == [b"online", b"offline"])


# --- starts -----------------------------------------------------------------------------------


async def test_burst_of_fifty_starts_gives_few_verdicts(site: Site) -> None:
    judging = Judging(takes_s=0.2)
    async with (
        site.listener() as heard,
        site.worker(judging.install),
        sender(site.port) as broker,
    ):
        for _ in range(50):
            await broker.motion()
            await asyncio.sleep(0.01)
        await heard.until(lambda: sum(1 + v["merged"] for v in events(heard)) >= 50)
        await asyncio.sleep(0.3)
        assert sum(1 + verdict["merged"] for verdict in events(heard)) == 50
        assert len(events(heard)) <= 10
        await heard.until(lambda: heard.on(f"{C}/stats")[-1].json()["events"] == len(events(heard)))
        assert heard.on(f"{C}/stats")[-1].json()["motions"] == 50


async def test_backlog_after_the_worker_was_away_becomes_one_event(site: Site) -> None:
    async with site.worker():
        pass
    async with sender(site.port) as broker:
        for _ in range(20):
            await broker.motion()
    async with site.listener() as heard, site.worker(Judging(takes_s=0.2).install):
        await heard.until(lambda: sum(1 + v["merged"] for v in events(heard)) >= 20)
        assert sum(1 + verdict["merged"] for verdict in events(heard)) == 20
        assert len(events(heard)) <= 3


def away_since(site: Site, at: datetime) -> None:
    """Let a worker that is stopped believe that it last heard the broker at a moment."""
    os.utime(site.folder / "state" / "client_id", (at.timestamp(), at.timestamp()))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_start_that_waited_at_the_broker_is_told_as_late(site: Site, protocol: str) -> None:
    site.protocol = protocol
    async with site.worker():
        pass
    since = datetime.now(UTC) - timedelta(hours=1)
    away_since(site, since)
    async with sender(site.port) as broker:
        # More than a broker sends ahead of their acknowledgement.
        for _ in range(120):
            await broker.motion()
        quiet = Judging(State.IRRELEVANT)
        async with site.listener() as heard, site.worker(quiet.install) as worker:
            await heard.until(lambda: sum(1 + v["merged"] for v in events(heard)) >= 120)
            late = events(heard)
            assert {verdict["reason"] for verdict in late} == {"late_pictures"}
            assert all(verdict["relevant"] for verdict in late)
            told = since.isoformat(timespec="milliseconds")
            assert late[0]["motion_at"] == told
            assert "while the worker was away" in late[0]["explanation"]
            await until(lambda: worker._backlog.since is None)
            await broker.motion()
            await heard.until(lambda: events(heard)[-1]["reason"] == "test")
            assert events(heard)[-1]["relevant"] is False


async def test_a_start_that_waited_while_the_connection_was_gone_is_told_as_late(
    site: Site, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_module, "BACKOFF_S", (4.0, 4.0))
    monkeypatch.setattr(bursts_module, "LATE_AFTER_S", 0.1)
    quiet = Judging(State.IRRELEVANT)
    async with site.worker(quiet.install) as worker:
        async with sender(site.port) as broker:
            await broker.motion("OFF")
            # So that the broker has written down that the worker listens.
            await asyncio.sleep(1.5)
        mosquitto.kill()
        await until(lambda: not worker._session.is_connected)
        before = datetime.now(UTC)
        mosquitto.start()
        async with sender(site.port) as broker, site.listener() as heard:
            assert not worker._session.is_connected
            await broker.motion()
            await heard.until(lambda: events(heard))
            (verdict,) = events(heard)
            assert verdict["reason"] == "late_pictures"
            assert datetime.fromisoformat(verdict["motion_at"]) < before


async def test_a_short_restart_still_judges_what_waited(site: Site) -> None:
    async with site.worker():
        pass
    away_since(site, datetime.now(UTC))
    async with sender(site.port) as broker:
        await broker.motion()
    quiet = Judging(State.IRRELEVANT)
    async with site.listener() as heard, site.worker(quiet.install):
        await heard.until(lambda: events(heard))
        took_s = events(heard)[0]["timing_ms"]["total"] / 1e3
        expected = "test" if took_s < bursts_module.LATE_AFTER_S else "late_pictures"
        assert events(heard)[0]["reason"] == expected


async def test_pictures_that_waited_at_the_broker_are_not_of_this_moment(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    site.more["source"] = MqttImageSource(topic="cam/front/image", timeout_s=0.3)
    async with site.worker():
        pass
    away_since(site, datetime.now(UTC) - timedelta(hours=1))
    async with sender(site.port) as broker:
        for frame in frames[:3]:
            await broker.send("cam/front/image", frame)
        quiet = Judging(State.IRRELEVANT)
        async with site.listener() as heard, site.worker(quiet.install) as worker:
            await until(lambda: worker._backlog.since is None)
            await broker.motion()
            await heard.until(lambda: events(heard))
            (verdict,) = events(heard)
    assert (verdict["reason"], verdict["relevant"]) == ("no_snapshot", True)
    assert verdict["cues"]["snapshot_error"] == "stale"


async def test_a_broker_that_withholds_the_mark_is_told(
    site: Site, tmp_path: Path, cameras: HttpCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "QUIET_S", 0.5)
    strict = Mosquitto(tmp_path / "strict")
    acl = tmp_path / "acl"
    acl.write_text(f"topic readwrite #\ntopic deny {ROOT}/worker/main/echo\n")
    acl.chmod(0o600)
    with strict._config.open("a") as config:
        config.write(f"acl_file {acl}\n")
    strict.start()
    try:
        site.port = strict.port
        async with site.worker():
            pass
        away_since(site, datetime.now(UTC) - timedelta(hours=1))
        quiet = Judging(State.IRRELEVANT)
        async with site.worker(quiet.install) as worker, site.listener() as heard:
            await until(lambda: worker._backlog.since is None)
            told = "what the worker says on veroallarme/home/worker/main/echo"
            await heard.until(lambda: told in str(heard.payloads(HEALTH)[-1:]))
            async with sender(site.port) as broker:
                await broker.motion()
                await heard.until(lambda: events(heard))
            assert events(heard)[0]["reason"] == "test"
    finally:
        strict.kill()


async def test_each_trigger_has_a_motion_of_its_own_and_the_longest_lasts(site: Site) -> None:
    site.settings = replace(site.settings, hold_s=0.0)
    site.more["triggers"] = (
        Trigger(topic="cam/front/radar", start=("ON",), end=("OFF",), auto_end_s=300.0),
        Trigger(topic="cam/front/motion", start=("ON",), end=("OFF",), auto_end_s=0.5),
        Trigger(topic="cam/front/radar", start=("ON",), auto_end_s=0.2),
    )
    async with (
        site.listener() as heard,
        site.worker(Judging().install) as worker,
        sender(site.port) as broker,
    ):
        await broker.send("cam/front/radar", "ON")
        await heard.until(lambda: events(heard))
        await broker.motion("ON")
        await heard.until(lambda: len(events(heard)) == 2)
        await broker.motion("OFF")
        await asyncio.sleep(0.7)
        assert worker.cameras["front"].alarm.in_motion
        assert heard.payloads(f"{C}/relevant")[-1] == b"ON"
        await broker.send("cam/front/radar", "OFF")
        await heard.until(lambda: heard.payloads(f"{C}/relevant")[-1] == b"OFF")
        assert sum(1 + verdict["merged"] for verdict in events(heard)) == 2


async def test_cameras_are_judged_independently(site: Site) -> None:
    site.names = ("front", "yard")
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        site.cameras.faults["front"] = lambda: web.Response(status=500)
        await asyncio.gather(broker.motion(camera="front"), broker.motion(camera="yard"))
        await heard.until(lambda: len(events(heard)) == 2)
        verdicts = {verdict["camera"]: verdict for verdict in events(heard)}
    assert verdicts["front"]["reason"] == "no_snapshot"
    assert verdicts["yard"]["frames"]["distinct"] == 2


async def test_one_message_may_start_several_cameras(site: Site) -> None:
    site.names = ("front", "yard")
    site.more["triggers"] = (Trigger(topic="house/+/motion", start=("ON",), end=("OFF",)),)
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.send("house/any/motion", "ON")
        await heard.until(lambda: len(events(heard)) == 2)
        assert {verdict["camera"] for verdict in events(heard)} == {"front", "yard"}
        await asyncio.sleep(0.2)
    async with site.worker(), site.listener() as heard:
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        await asyncio.sleep(0.3)
        assert events(heard) == [], "the message was acknowledged once both had journalled it"


async def test_the_pictures_of_an_event_do_not_stay_in_memory(site: Site) -> None:
    def held() -> list[FetchedFrames]:
        found = [each for each in gc.get_objects() if isinstance(each, FetchedFrames)]
        return [each for each in found if id(each) not in before]

    # Other tests have some as their parameters, for as long as the process lives.
    before: set[int] = set()
    before = {id(each) for each in held()}
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: heard.on(f"{C}/stats") and events(heard))
        await until(lambda: not held())


async def test_pictures_may_come_over_mqtt(site: Site, frames: tuple[bytes, ...]) -> None:
    site.more["source"] = MqttImageSource(topic="cam/front/image", timeout_s=2.0)
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.motion()
        for frame in frames[:2]:
            await asyncio.sleep(0.1)
            await broker.send("cam/front/image", frame)
        await heard.until(lambda: events(heard))
        assert events(heard)[0]["frames"]["distinct"] == 2


async def test_alarm_follows_the_motion(site: Site) -> None:
    async with (
        site.listener() as heard,
        site.worker(Judging().install),
        sender(site.port) as broker,
    ):
        await broker.motion("ON")
        await heard.until(lambda: b"ON" in heard.payloads(f"{C}/relevant"))
        await asyncio.sleep(0.5)
        assert heard.payloads(f"{C}/relevant")[-1] == b"ON", "motion goes on past the hold"
        await broker.motion("OFF")
        await heard.until(lambda: heard.payloads(f"{C}/relevant")[-1] == b"OFF")


@pytest.mark.parametrize(
    ("state", "alarm"),
    [(State.RELEVANT, b"ON"), (State.IRRELEVANT, b"OFF"), (State.UNKNOWN, b"ON")],
)
async def test_states_reach_the_alarm(site: Site, state: State, alarm: bytes) -> None:
    async with (
        site.listener() as heard,
        site.worker(Judging(state).install),
        sender(site.port) as broker,
    ):
        await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
        since = len(heard.heard)
        await broker.motion()
        await heard.until(lambda: events(heard))
        assert heard.payloads(f"{C}/relevant", since)[0] == alarm
        assert events(heard)[0]["relevant"] is (alarm == b"ON")


async def test_a_broker_with_a_limit_is_not_sent_more_than_it_takes(
    tmp_path: Path, cameras: HttpCamera, caplog: pytest.LogCaptureFixture
) -> None:
    """It would hang up, and the same picture would be sent again after each reconnect."""
    broker = Mosquitto(tmp_path, max_packet_bytes=3000)
    broker.start()
    limited = Site(tmp_path, broker.port, cameras)
    try:
        async with (
            limited.worker() as worker,
            limited.listener(f"{C}/+", "veroallarme/home/info") as heard,
            sender(broker.port) as camera,
        ):
            await camera.motion()
            await heard.until(lambda: events(heard))
            assert heard.on("/info")[0].json()["max_burst_bytes"] == 3000 - 1024
            assert heard.on("/image") == []
            assert f"{C}/image has" in caplog.text
            assert worker._session.is_connected
    finally:
        broker.kill()


# --- restart ----------------------------------------------------------------------------------


async def test_restart_keeps_the_alarm_until_its_end_and_does_not_revive_it(site: Site) -> None:
    site.settings = replace(site.settings, hold_s=2.5)
    site.more["triggers"] = (Trigger(topic="cam/front/motion", start=("ON",), auto_end_s=1.0),)
    async with (
        site.listener() as heard,
        site.worker(Judging().install),
        sender(site.port) as broker,
    ):
        await broker.motion()
        await heard.until(lambda: events(heard))
        until = datetime.fromisoformat(events(heard)[0]["hold_until"])
    assert (await retained(site.port))[f"{C}/relevant"] == b"ON"
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        assert heard.payloads(f"{C}/relevant")[-1] == b"ON"
        await heard.until(lambda: heard.payloads(f"{C}/relevant")[-1] == b"OFF")
        assert datetime.now(UTC) >= until
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        assert set(heard.payloads(f"{C}/relevant")) == {b"OFF"}
        assert events(heard) == []


async def test_motion_that_ended_while_the_worker_was_away_leaves_no_alarm(site: Site) -> None:
    async with (
        site.listener() as heard,
        site.worker(Judging().install),
        sender(site.port) as broker,
    ):
        await broker.motion()
        await heard.until(lambda: events(heard))
    assert (await retained(site.port))[f"{C}/relevant"] == b"ON"
    async with sender(site.port) as broker:
        await broker.motion("OFF")
    await asyncio.sleep(site.settings.hold_s)
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        # The first is what the broker has retained of the former run.
        assert heard.payloads(f"{C}/relevant") == [b"ON", b"OFF"]


async def test_starts_without_a_verdict_become_one_event_after_a_restart(site: Site) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    store = EventStore(site.folder / "data")
    ids = [new_event_id(at + timedelta(seconds=second)) for second in range(3)]
    for second, event_id in enumerate(ids):
        store.add_start("front", event_id, at + timedelta(seconds=second), at, None)
    store.close()
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: events(heard))
        (verdict,) = events(heard)
    assert verdict["event_id"] == ids[0]
    assert verdict["merged"] == 2
    assert verdict["frames"]["distinct"] == 2


async def test_decision_made_without_a_broker_is_published_once_it_is_back(
    site: Site, mosquitto: Mosquitto
) -> None:
    async with site.worker() as worker:
        mosquitto.kill()
        await until(lambda: not worker._session.is_connected)
        signal = Signal(received_at=datetime.now(UTC), acknowledge=lambda: None)
        worker.cameras["front"].motion.start(signal, 60.0)
        await until(lambda: worker._session.outbox._queue)
    mosquitto.start()
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: events(heard))
        await asyncio.sleep(0.3)
    assert len(events(heard)) == 1
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        await asyncio.sleep(0.3)
        assert events(heard) == [], "what the broker took is not sent again"


async def test_broker_that_has_lost_its_memory_counts_packets_anew(
    site: Site, mosquitto: Mosquitto
) -> None:
    """Its packet ids begin at 1 again, and must not be taken for those of journalled starts."""
    async with site.worker() as worker:
        async with site.listener() as heard, sender(site.port) as broker:
            await broker.motion()
            await heard.until(lambda: events(heard))
        with contextlib.closing(sqlite3.connect(site.folder / "data" / "events.sqlite")) as db:
            (text,) = db.execute("SELECT delivery FROM starts").fetchone()
        assert await worker._storage.database(lambda store: store.find_delivery(text))
        mosquitto.kill()
        mosquitto.database.unlink()
        mosquitto.start()

        async def is_forgotten() -> bool:
            return not await worker._storage.database(lambda store: store.find_delivery(text))

        await until(is_forgotten)


async def test_verdicts_of_removed_cameras_do_not_fill_the_backlog(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "MAX_BACKLOG", 3)
    store = EventStore(site.folder / "data")
    at = datetime.now(UTC) - timedelta(hours=1)
    for number in range(5):
        store.add_verdict(stored_verdict(at + timedelta(seconds=number), "gone"))
    waiting = stored_verdict(at + timedelta(minutes=1), "front")
    store.add_verdict(waiting)
    store.close()
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: events(heard))
        assert [verdict["event_id"] for verdict in events(heard)] == [waiting.event_id]
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
    store = EventStore(site.folder / "data")
    assert store.unpublished(["gone", "front"], 10) == []
    store.close()


def stored_verdict(at: datetime, camera: str) -> Verdict:
    whole = verdict_of_the_store(new_event_id(at), camera=camera, motion_at=at)
    return replace(whole, decided_at=at, hold_until=at)


async def test_stop_in_the_middle_of_events_repeats_none(site: Site) -> None:
    async with site.listener() as heard:
        for _ in range(3):
            async with site.worker(), sender(site.port) as broker:
                await broker.motion()
                await heard.until(lambda: heard.on(f"{C}/image"))
                heard.heard[:] = [one for one in heard.heard if not one.topic.endswith("/image")]
        async with site.worker():
            await heard.until(lambda: len(events(heard)) >= 3)
            await asyncio.sleep(0.3)
    ids = [verdict["event_id"] for verdict in events(heard)]
    assert len(ids) == len(set(ids)) == 3


# --- storage ----------------------------------------------------------------------------------


async def test_locked_database_loses_nothing(site: Site) -> None:
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        other = sqlite3.connect(site.folder / "data" / "events.sqlite", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        await broker.motion()
        await heard.until(lambda: events(heard))
        (verdict,) = events(heard)
        assert verdict["stored"] is False
        assert heard.payloads(f"{C}/relevant")[-1] == b"ON"
        await heard.until(lambda: heard.on(HEALTH) and b"locked" in heard.payloads(HEALTH)[-1])
        other.close()
        await broker.motion()
        await heard.until(lambda: len(events(heard)) == 2)
    store = EventStore(site.folder / "data")
    assert store.open_events() == []
    assert store.unpublished(["front"], 10) == []
    assert store.get_verdict(verdict["event_id"]) is not None
    totals = store.remember_camera("front").totals
    assert (totals.motions, totals.events) == (2, 2)
    store.close()


async def test_truly_full_disk_loses_nothing(site: Site, tiny_disk: TinyDisk) -> None:
    assert tiny_disk.folder == site.config().data_dir
    async with site.listener() as heard, site.worker() as worker, sender(site.port) as broker:
        await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
        tiny_disk.fill()
        # The database may still have some room of its own; starts use it up.
        for count in range(1, 31):
            await broker.motion()
            await heard.until(lambda n=count: len(events(heard)) >= n)
            if worker._storage.kept:
                break
        assert worker._storage.kept
        assert events(heard)[-1]["stored"] is False
        assert heard.payloads(f"{C}/relevant")[-1] == b"ON"
        tiny_disk.free()
        await until(lambda: not worker._storage.kept)
        await broker.motion()
        await heard.until(lambda: events(heard)[-1]["stored"])
    store = EventStore(site.folder / "data")
    assert store.open_events() == []
    assert store.unpublished(["front"], 10) == []
    assert all(store.get_verdict(verdict["event_id"]) for verdict in events(heard))
    totals = store.remember_camera("front").totals
    assert totals.motions == totals.events == len(events(heard))
    store.close()


# --- wrong input ------------------------------------------------------------------------------


async def test_wrong_messages_are_named_in_log_and_health_and_the_worker_goes_on(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.more["triggers"] = (
        Trigger(topic="cam/front/motion", start=("ON",), path="state", end=("OFF",)),
    )
    wrong: list[tuple[str, object, str]] = [
        ("cam/front/motion", b"\xff\xfd\x00", "UTF-8"),
        ("cam/front/motion", "[" * 50_000, "JSON"),
        (f"{C}/set", "not json", "not JSON"),
        (f"{C}/set", {"mode": "sometimes"}, "mode"),
        (f"{C}/set", {"threshold": 7}, "threshold"),
        (f"{C}/feedback", {"event_id": "../../etc", "relevant": True}, "event_id"),
        (f"{C}/feedback", {"event_id": "20200101_000000_abcdef", "relevant": True}, "unknown"),
        (f"{ROOT}/camera/nobody/set", {"mode": "filter"}, "nobody"),
        (f"{ROOT}/camera/nobody/feedback", {"event_id": "a", "relevant": True}, "nobody"),
    ]
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        for topic, payload, hint in wrong:
            caplog.clear()
            await broker.send(topic, payload)
            await until(lambda h=hint: any(h in r.getMessage() for r in caplog.records), limit_s=5)
            (line,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
            assert "\n" not in line
            assert len(line) < 600
        await broker.send("cam/front/motion", {"state": "ON"})
        await heard.until(lambda: events(heard))
        settings_now = json.loads((await retained(site.port))[f"{C}/settings"])
        assert settings_now == site.settings.to_dict()
        # Motion has been understood since; what was wrong with the commands stands.
        await heard.until(lambda: len(heard.on(HEALTH)[-1].json()["errors"]) == 4)
        health = heard.on(HEALTH)[-1].json()
        assert health["last_error"] == health["errors"][0]
        assert [error["key"] for error in health["errors"]] == [
            "command/nobody/feedback",
            "command/nobody/set",
            "command/front/feedback",
            "command/front/set",
        ]


async def test_the_health_tells_the_clock_of_the_worker(site: Site) -> None:
    before = datetime.now(UTC)
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.on(HEALTH))
        sent_at = datetime.fromisoformat(heard.on(HEALTH)[-1].json()["sent_at"])
    assert before - timedelta(milliseconds=1) <= sent_at <= datetime.now(UTC)


async def test_settings_change_by_mqtt_and_survive_a_restart(site: Site) -> None:
    change = {"mode": "shadow", "threshold": 0.7, "from_the_future": {"a": 1}}
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.send(f"{C}/set", change)
        await heard.until(
            lambda: (
                heard.on(f"{C}/settings")
                and heard.on(f"{C}/settings")[-1].json()["mode"] == "shadow"
            )
        )
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        shown = heard.on(f"{C}/settings")[-1].json()
    assert shown == CameraSettings(mode=Mode.SHADOW, threshold=0.7, hold_s=0.2).to_dict()


async def test_zones_change_by_mqtt(site: Site) -> None:
    points = [[0, 0], [1, 0], [1, 1]]
    zones = [
        {"name": "drive", "points": points},
        {"name": "gate", "kind": "always", "points": points},
    ]
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.send(f"{C}/set", {"zones": zones})
        await heard.until(
            lambda: heard.on(f"{C}/settings") and heard.on(f"{C}/settings")[-1].json()["zones"]
        )
        assert heard.on(f"{C}/settings")[-1].json()["zones"] == [
            {"kind": "only", **zone} for zone in zones
        ]


async def test_hostile_text_in_settings_harms_nobody(site: Site) -> None:
    payload = '{"zones": [{"name": "\\ud800", "points": [[0, 0], [1, 0], [1, 1]]}]}'
    async with site.listener() as heard, site.worker() as worker, sender(site.port) as broker:
        await broker.send(f"{C}/set", payload)
        await asyncio.sleep(0.2)
        worker._session.outbox.restate()
        await heard.until(lambda: len(heard.payloads(STATUS)) >= 2)
        await broker.motion()
        await heard.until(lambda: events(heard))


async def test_feedback_by_mqtt_is_stored(site: Site) -> None:
    async with site.listener() as heard, site.worker() as worker, sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: events(heard))
        event_id = events(heard)[0]["event_id"]

        async def feedback() -> dict[str, bool]:
            return await worker._storage.database(lambda store: store.feedback("front"))

        await broker.send(f"{C}/feedback", {"event_id": event_id, "relevant": False})
        assert await until(feedback) == {event_id: False}
        await broker.send(f"{C}/feedback", {"event_id": event_id, "relevant": None})

        async def is_taken_back() -> bool:
            return not await feedback()

        await until(is_taken_back)


def incoming(topic: str, payload: bytes, acknowledged: list[str], number: int) -> Incoming:
    return Incoming(
        topic=topic,
        payload=payload,
        qos=1,
        retain=False,
        redelivered=False,
        packet_id=number,
        acknowledge=lambda: acknowledged.append(topic),
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
settings_documents = st.dictionaries(
    st.sampled_from(["enabled", "mode", "on_unknown", "threshold", "hold_s", "zones", "other"]),
    json_values | st.sampled_from(["auto", "filter", "shadow", "alert", "suppress"]),
)
feedback_documents = st.fixed_dictionaries(
    {},
    optional={"event_id": json_values | st.just("20200101_000000_abcdef"), "relevant": json_values},
)
payloads = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda value: json.dumps(value).encode(), json_values),
    st.builds(lambda value: json.dumps(value).encode(), settings_documents),
    st.builds(lambda value: json.dumps(value).encode(), feedback_documents),
    st.sampled_from([b"ON", b"OFF", b"", b"[" * 20_000, b'{"state": "ON"}', b"1" * 5000]),
)
topics = st.sampled_from(
    [
        f"{C}/set",
        f"{C}/feedback",
        f"{C}/learn",
        f"{ROOT}/camera/nobody/set",
        "cam/front/motion",
        "cam/json/motion",
    ]
)


async def test_no_payload_ends_the_worker_or_goes_unacknowledged(site: Site) -> None:
    site.names = ("front",)
    site.more["triggers"] = (
        Trigger(topic="cam/front/motion", start=("ON",), end=("OFF",)),
        Trigger(topic="cam/json/motion", start=("*",), path="state", where={"camera": "front"}),
    )
    sent: list[str] = []
    acknowledged: list[str] = []
    async with (
        site.listener() as heard,
        site.worker(Judging().install) as worker,
        sender(site.port) as broker,
    ):

        @settings(max_examples=300, suppress_health_check=list(HealthCheck))
        @given(topics, payloads)
        def offer(topic: str, payload: bytes) -> None:
            sent.append(topic)
            worker._router.received(incoming(topic, payload, acknowledged, len(sent) % 65535 + 1))

        offer()
        await until(lambda: len(acknowledged) >= len(sent), limit_s=30)
        assert sorted(acknowledged) == sorted(sent)
        worker._session.outbox.restate()
        await heard.until(lambda: len(heard.payloads(STATUS)) >= 2)
        # Whatever the settings became, a motion still gets its verdict.
        seen = len(events(heard))
        await broker.motion()
        await heard.until(lambda: len(events(heard)) > seen)


# --- learning ---------------------------------------------------------------------------------


def adapting(folder: Path, lines: str) -> Callable[[Worker], None]:
    """Let a worker run these lines in place of `veroallarme adapt`."""
    script = folder / "adapt.py"
    script.write_text(f"import pathlib, sys, time\nfolder = pathlib.Path({str(folder)!r})\n{lines}")

    def change(worker: Worker) -> None:
        Judging().install(worker)
        worker._adaptations.command = (sys.executable, "-S", str(script))

    return change


SLOW = "(folder / 'begun').touch()\nwhile not (folder / 'go').exists(): time.sleep(0.02)\n"
LEARNED = """print('{"learned": true, "events": 1, "seconds": 1}')"""


def stats(listener: Listener) -> dict[str, Any]:
    return listener.on(f"{C}/stats")[-1].json()  # type: ignore[no-any-return]


async def test_alarms_go_on_during_an_adaptation_which_then_counts(
    site: Site, learner: FakeState
) -> None:
    change = adapting(site.folder, SLOW + LEARNED)
    async with site.listener() as heard, site.worker(change), sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: events(heard))
        for _ in range(50):
            await broker.send(f"{C}/learn", {})
        await until((site.folder / "begun").exists)
        await broker.motion()
        await heard.until(lambda: len(events(heard)) == 2)
        assert heard.payloads(f"{C}/relevant")[-1] == b"ON"
        assert stats(heard)["adaptation"] is None
        (site.folder / "go").touch()
        await heard.until(lambda: stats(heard)["adaptation"])
        assert stats(heard)["adaptation"]["outcome"] == "learned"
        assert stats(heard)["learning"]["learned"] is True
        assert stats(heard)["promise"] == PROMISE.to_dict()
        await broker.motion()
        await heard.until(lambda: len(events(heard)) == 3)
        assert [verdict["learning"] for verdict in events(heard)] == [True, True, False]


async def test_stop_ends_an_adaptation(site: Site, learner: FakeState) -> None:
    change = adapting(site.folder, SLOW)
    async with site.listener() as heard, site.worker(change), sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: events(heard))
        await broker.send(f"{C}/learn", {})
        await until((site.folder / "begun").exists)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert heard.payloads(STATUS)[-1] == b"offline"
    assert not (site.folder / "state" / "cameras" / "front" / "labels.csv").exists()


async def test_failed_adaptation_is_told_in_health_and_stats(
    site: Site, learner: FakeState
) -> None:
    change = adapting(site.folder, "sys.exit('the pictures are too few: wait')")
    async with site.listener() as heard, site.worker(change), sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: events(heard))
        await broker.send(f"{C}/learn", {})
        await heard.until(lambda: heard.on(HEALTH) and heard.on(HEALTH)[-1].json()["last_error"])
        error = heard.on(HEALTH)[-1].json()["last_error"]
        assert error["key"] == "front/adaptation"
        assert "the pictures are too few: wait" in error["message"]
        await heard.until(lambda: stats(heard)["adaptation"])
        assert stats(heard)["adaptation"]["outcome"] == "failed"
        await broker.motion()
        await heard.until(lambda: len(events(heard)) == 2)


@pytest.mark.parametrize("switch", ["learning", "inference"])
async def test_learn_is_refused_where_learning_is_switched_off(site: Site, switch: str) -> None:
    site.learning = LearningConfig(enabled=switch != "learning")
    site.inference = InferenceConfig(enabled=switch != "inference")
    async with site.listener() as heard, site.worker() as worker, sender(site.port) as broker:
        await broker.send(f"{C}/learn", {})
        await until(worker._complaints.shown)
        message = worker._complaints.shown()[0].message
        assert "set learning.enabled and inference.enabled to true" in message
        await broker.motion()
        await heard.until(lambda: events(heard))
        assert stats(heard)["learning"]["learned"] is False
        runs = heard.on("/info")[-1].json()["inference"] is not None
    assert runs == (switch == "learning"), "the encoder also judges what never learns"


async def test_camera_that_was_reaimed_says_so(site: Site, learner: FakeState) -> None:
    learner.told = ["The camera was re-aimed: learning starts again."]
    change = Judging().install
    async with site.listener() as heard, site.worker(change), sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: heard.on(HEALTH) and heard.on(HEALTH)[-1].json()["last_error"])
        await heard.until(lambda: stats(heard)["notice"])
        assert heard.on(HEALTH)[-1].json()["last_error"]["message"] == (
            "front: The camera was re-aimed: learning starts again."
        )


async def test_encoder_that_cannot_be_loaded_costs_no_alarm(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ModelError("scene_trunk.onnx is broken: install VeroAllarme again")

    monkeypatch.setattr(judging_module, "load_scene_encoder", broken)
    site.learning = LearningConfig()
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: heard.on(f"{C}/stats") and events(heard))
        health = heard.on(HEALTH)[0].json()
    assert "scene_trunk.onnx is broken" in health["last_error"]["message"]
    assert events(heard)[0]["learning"] is True


async def test_worker_learns_with_its_own_encoder(site: Site) -> None:
    site.learning = LearningConfig()
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: events(heard) and stats(heard)["learning"]["events_seen"] == 1)
        event_id = events(heard)[0]["event_id"]
        await broker.send(f"{C}/feedback", {"event_id": event_id, "relevant": True})
        await broker.send(f"{C}/learn", {})
        await heard.until(lambda: stats(heard)["adaptation"], limit_s=60)
        found = stats(heard)
        assert (found["adaptation"]["outcome"], found["adaptation"]["events"]) == ("learning", 1)
        assert found["learning"]["missing"]
        assert events(heard)[0]["model"] == MODEL
        runtime = heard.on("/info")[-1].json()["inference"]
        assert runtime.startswith(("openvino ", "onnxruntime "))
        assert runtime.endswith(" on cpu")
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        again = json.loads((await retained(site.port))[f"{C}/stats"])
    assert again["learning"] == found["learning"]
    assert again["adaptation"] == found["adaptation"]


async def test_review_survives_a_restart_and_leaves_out_what_has_feedback(
    site: Site, learner: FakeState
) -> None:
    def review(found: dict[str, bytes]) -> list[str]:
        return [entry["event_id"] for entry in json.loads(found[f"{C}/review"])["events"]]

    quiet = Judging(State.IRRELEVANT)
    async with site.listener() as heard, site.worker(quiet.install), sender(site.port) as broker:
        for count in (1, 2):
            await broker.motion()
            await heard.until(lambda count=count: len(events(heard)) == count)
        first, second = (verdict["event_id"] for verdict in events(heard))
        await broker.send(f"{C}/feedback", {"event_id": second, "relevant": True})
        await until(lambda: ("apply_feedback", second, True) in learner.calls)
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        assert review(await retained(site.port)) == [first]


# --- hostile pictures through the real pipeline -----------------------------------------------


def encoded(picture: Any, suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, picture)[1].tobytes())


@pytest.fixture(scope="session")
def hostile_pictures() -> dict[str, tuple[bytes, bytes]]:
    """Two different pictures of each kind; a camera that repeats one is another matter."""
    noise = np.random.default_rng(7).integers(0, 255, (144, 176, 3), dtype=np.uint8)
    jpeg = encoded(noise, ".jpg")
    pairs = {
        "too_large.jpg": tuple(
            encoded(np.full((5000, 8000, 3), grey, np.uint8), ".jpg") for grey in (0, 90)
        ),
        "too_large.png": tuple(
            encoded(np.full((5000, 8000, 3), grey, np.uint8), ".png") for grey in (0, 90)
        ),
        "truncated": (jpeg[: len(jpeg) // 2], jpeg[: len(jpeg) // 3]),
        "header_only": (jpeg[:30], jpeg[:40]),
        "tiny": tuple(encoded(np.full((1, 1, 3), grey, np.uint8), ".png") for grey in (0, 255)),
    }
    return pairs  # type: ignore[return-value]


@pytest.mark.parametrize(
    "name", ["too_large.jpg", "too_large.png", "truncated", "header_only", "tiny"]
)
async def test_hostile_pictures_give_a_verdict_that_alerts(
    site: Site, hostile_pictures: dict[str, tuple[bytes, bytes]], name: str
) -> None:
    site.cameras.frames["front"] = hostile_pictures[name]
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: events(heard))
        (verdict,) = events(heard)
        assert verdict["explanation"]
        assert verdict["reason"] != "internal_error"
        if name.startswith("too_large"):
            assert verdict["state"] == "unknown"
            assert "40,000,000" in verdict["explanation"]
            assert verdict["relevant"] is True
        await broker.motion()
        await heard.until(lambda: len(events(heard)) == 2)


# --- the loop ---------------------------------------------------------------------------------


async def slow_callbacks(caplog: pytest.LogCaptureFixture, replay: Callable[[], Any]) -> list[str]:
    """Return what asyncio's debug mode says about callbacks of 0.1 s and more."""
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 0.1
    caplog.set_level(logging.WARNING, "asyncio")
    loop.set_debug(True)
    caplog.clear()
    try:
        await replay()
        await asyncio.sleep(0)
    finally:
        loop.set_debug(False)
    return [r.getMessage() for r in caplog.records if "Executing" in r.getMessage()]


async def test_loop_is_never_blocked_by_a_replay(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Other processes may stop this one for a moment, but not in each of several replays."""
    site.names = ("front", "yard")
    found: list[list[str]] = []
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:

        async def replay() -> None:
            seen = len(events(heard))
            for _ in range(3):
                for camera in site.names:
                    await broker.motion(camera=camera)
                await broker.send(f"{C}/set", {"threshold": 0.4})
                await broker.send("homeassistant/status", "online")
                await asyncio.sleep(0.3)
            await heard.until(lambda: len(events(heard)) >= seen + 4)

        for _ in range(4):
            found.append(await slow_callbacks(caplog, replay))
            if not found[-1]:
                break
    assert found[-1] == [], found


async def test_a_blocked_loop_would_be_noticed(caplog: pytest.LogCaptureFixture) -> None:
    async def replay() -> None:
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251
        await asyncio.sleep(0)

    assert await slow_callbacks(caplog, replay)


# --- starting ---------------------------------------------------------------------------------


async def test_second_worker_on_the_same_state_is_refused(site: Site) -> None:
    async with site.worker():
        with pytest.raises(StartError, match="another worker uses the state_dir"):
            Worker(site.config())
    async with site.worker():
        pass


async def test_unusable_folders_are_named(site: Site) -> None:
    (site.folder / "state").write_text("a file")
    with pytest.raises(StartError, match=r"state_dir .* cannot be written"):
        Worker(site.config())
    (site.folder / "state").unlink()
    (site.folder / "data").write_text("a file")
    with pytest.raises(StartError, match="cannot be opened"):
        Worker(site.config())
    (site.folder / "data").unlink()
    async with site.worker():
        pass


async def test_database_locked_at_the_start_is_named_and_left_clean(site: Site) -> None:
    async with site.worker():
        pass
    other = sqlite3.connect(site.folder / "data" / "events.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    worker = Worker(site.config())
    with pytest.raises(StartError, match="locked"):
        await worker.run()
    other.close()
    async with site.worker():
        pass


async def test_client_id_is_stable(site: Site) -> None:
    ids = []
    for _ in range(2):
        async with site.worker() as worker:
            ids.append(worker._session._client_id)
    assert ids[0] == ids[1]
    assert ids[0].startswith("veroallarme_home_")


# --- the relevance network --------------------------------------------------------------------


async def test_network_gives_its_opinion_and_info_names_its_runtime(
    site: Site, tmp_path: Path
) -> None:
    network = write_network(tmp_path / "network.onnx", meta=ModelMeta(name="by-hand"))
    site.inference = InferenceConfig(model=network)
    async with site.listener() as listener, site.worker(), sender(site.port) as broker:
        await broker.motion()
        await listener.until(lambda: events(listener))
        verdict = events(listener)[0]
        info = [heard.json() for heard in listener.on("/info")][-1]
    assert verdict["model"] == f"{MODEL}+by-hand"
    assert 0 <= verdict["cues"]["network_score"] <= 1
    assert info["inference"].endswith(" on cpu")


async def test_network_that_cannot_be_loaded_costs_no_verdict(site: Site, tmp_path: Path) -> None:
    site.inference = InferenceConfig(model=tmp_path / "none.onnx")
    async with site.listener() as listener, site.worker(), sender(site.port) as broker:
        await broker.motion()
        await listener.until(lambda: events(listener))
        health = [heard.json() for heard in listener.on("/health")]
        info = [heard.json() for heard in listener.on("/info")][-1]
    assert events(listener)[0]["model"] == MODEL
    assert info["inference"].endswith(" on cpu"), "the encoder is another network"
    assert "none.onnx" in health[0]["last_error"]["message"]
