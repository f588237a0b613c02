"""Cameras that Home Assistant bridges: a running worker, and a real broker between the two."""

import asyncio
import base64
import contextlib
import json
import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from benchmarks.peers import Listener, Mosquitto, until
from tests.worker.conftest import Site, drawn_jpegs
from tests.worker.fake_state import FakeState
from tests.worker.talk import HEALTH, ROOT, STATUS, Broker, Judging, burst, events, retained, sender
from veroallarme_core.contract import (
    MAX_BURST_BYTES,
    RETAINED_SUFFIXES,
    BridgedBurst,
    CommandError,
    State,
)
from veroallarme_core.worker import bridge as bridge_module
from veroallarme_core.worker import commands as commands_module
from veroallarme_core.worker.bridge import Bridge, clock_lead
from veroallarme_core.worker.camera import analyses, event_queue
from veroallarme_core.worker.camera.camera import CameraWorker
from veroallarme_core.worker.config import CameraConfig
from veroallarme_core.worker.mqtt import connection as mqtt_module
from veroallarme_core.worker.mqtt.messages import Incoming
from veroallarme_core.worker.service import Worker
from veroallarme_core.worker.snapshots.file_snapshots import FileSource
from veroallarme_core.worker.storage.event_frames import EventFrames
from veroallarme_core.worker.storage.event_store import EventStore

P = f"{ROOT}/camera/porch"
DEFINITION = {"name": "Porch", "burst_size": 2, "spacing_s": 0.5}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_module, "BACKOFF_S", (0.05, 0.3))


def complaint(heard: Listener, command: str, camera: str = "porch") -> str:
    """Return what the health says of the last command that was refused."""
    found = [
        error["message"]
        for health in heard.on(HEALTH)
        if (error := health.json()["last_error"]) and error["key"] == f"command/{camera}/{command}"
    ]
    return found[-1] if found else ""


def listed(heard: Listener) -> dict[str, tuple[str, str]]:
    """Return name and origin of the cameras that the last info lists, by id."""
    cameras = heard.on(f"{ROOT}/info")[-1].json()["cameras"] if heard.on(f"{ROOT}/info") else []
    return {camera["id"]: (camera["name"], camera["origin"]) for camera in cameras}


def alone(folder: Path) -> Bridge:
    """Return a bridge without a broker, beside one local camera."""
    local = CameraConfig(id="front", name="Front", triggers=(), source=FileSource(path=folder))
    return Bridge(cast(bridge_module.Site, SimpleNamespace(cameras={})), (local,), folder / "x")


@dataclass
class Stage:
    """A worker with the local camera `front` and the bridged camera `porch`."""

    site: Site
    heard: Listener
    broker: Broker
    worker: Worker

    async def define(self, definition: object = DEFINITION, camera: str = "porch") -> None:
        topic = f"{ROOT}/camera/{camera}/config"
        await self.broker.send(topic, definition, retain=True)

    async def send(self, name: str, payload: object, **more: Any) -> None:
        await self.broker.send(f"{P}/{name}", payload, **more)

    async def judged(self, count: int = 1) -> list[dict[str, Any]]:
        await self.heard.until(lambda: len(events(self.heard)) >= count)
        return events(self.heard)


@contextlib.asynccontextmanager
async def playing(site: Site, judging: Judging | None = None) -> AsyncIterator[Stage]:
    change = judging.install if judging else lambda worker: None
    async with (
        site.listener() as heard,
        site.worker(change) as worker,
        sender(site.port) as broker,
    ):
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        yield Stage(site, heard, broker, worker)


@contextlib.asynccontextmanager
async def bridged(site: Site, judging: Judging | None = None) -> AsyncIterator[Stage]:
    async with playing(site, judging) as stage:
        await stage.define()
        await stage.heard.until(lambda: "porch" in listed(stage.heard))
        yield stage


# --- definitions ------------------------------------------------------------------------------


async def test_a_camera_comes_and_goes_with_its_definition(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site) as stage:
        assert listed(stage.heard) == {
            "front": ("front", "local"),
            "porch": ("Porch", "home_assistant"),
        }
        found = await retained(site.port)
        assert {f"{P}/settings", f"{P}/stats", f"{P}/review", f"{P}/relevant"} <= found.keys()
        await stage.send("burst", burst(frames[:2]))
        await stage.judged()
        await stage.define(b"")
        await stage.heard.until(lambda: "porch" not in listed(stage.heard))
        await until(lambda: "porch" not in stage.worker._site.removed)
        assert not [topic for topic in await retained(site.port) if "/porch/" in topic]
        await stage.send("burst", burst(frames[:2]))
        await stage.heard.until(lambda: complaint(stage.heard, "burst"))
        assert "there is no camera 'porch'" in complaint(stage.heard, "burst")
        await stage.define()
        await stage.heard.until(lambda: "porch" in listed(stage.heard))
        await stage.send("burst", burst(frames[:2]))
        await stage.judged(2)
        assert stage.heard.on(f"{P}/stats")


async def test_a_definition_may_be_repeated_and_changed(site: Site) -> None:
    async with bridged(site) as stage:
        infos = len(stage.heard.on(f"{ROOT}/info"))
        camera = stage.worker.cameras["porch"]
        await stage.define()
        await stage.define({**DEFINITION, "of a newer peer": 1})
        await stage.define({"name": "Back porch", "burst_size": 4})
        await stage.heard.until(lambda: listed(stage.heard)["porch"][0] == "Back porch")
        assert len(stage.heard.on(f"{ROOT}/info")) == infos + 1
        assert stage.worker.cameras["porch"] is camera
        assert (camera.context.config.burst.size, camera.context.config.burst.spacing_s) == (4, 0.6)


@pytest.mark.parametrize(
    ("camera", "definition", "says"),
    [
        ("front", DEFINITION, "the worker's file has a camera 'front' already"),
        ("porch", {"name": " FRONT "}, "the camera 'front' of the worker's file has the name"),
        ("Front Porch", DEFINITION, "use 1 to 64 of the characters a-z, 0-9 and _"),
        ("porch", {}, "name: missing: add it"),
        ("porch", {"name": "x", "burst_size": 11}, "burst_size: 11: give a number from 2 to 10"),
        ("porch", {"name": "x", "spacing_s": 0.2}, "spacing_s: 0.2: give a number from 0.5"),
        ("porch", [], "is not a JSON object"),
        ("porch", b"\xff", "is not JSON"),
    ],
)
async def test_a_wrong_definition_is_refused_in_one_sentence(
    tmp_path: Path, camera: str, definition: object, says: str
) -> None:
    payload = definition if isinstance(definition, bytes) else json.dumps(definition).encode()
    with pytest.raises(CommandError, match=re.escape(says)) as caught:
        await alone(tmp_path).define(camera, payload)
    assert "\n" not in str(caught.value)


async def test_a_refused_definition_changes_nothing_and_is_told(site: Site) -> None:
    async with playing(site) as stage:
        await stage.define(DEFINITION, "front")
        await stage.heard.until(lambda: complaint(stage.heard, "config", "front"))
        assert stage.worker.cameras.keys() == {"front"}
        assert listed(stage.heard) == {"front": ("front", "local")}


async def test_a_camera_of_the_file_cannot_be_cleared(site: Site) -> None:
    async with bridged(site) as stage:
        await stage.define(b"", "front")
        await stage.define(b"", "nobody")
        await stage.define({"name": "Later"})
        await stage.heard.until(lambda: listed(stage.heard)["porch"][0] == "Later")
        assert stage.worker.cameras.keys() == {"front", "porch"}


async def test_the_number_of_cameras_is_bounded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge_module, "MAX_BRIDGED", 2)
    async with playing(site) as stage:
        for number in range(4):
            await stage.define({"name": f"Camera {number}"}, f"c{number}")
        await stage.heard.until(lambda: complaint(stage.heard, "config", "c3"))
        assert stage.worker.cameras.keys() == {"front", "c0", "c1"}
        await stage.define(b"", "c0")
        await stage.define({"name": "Camera 3"}, "c3")
        await stage.heard.until(lambda: "c3" in listed(stage.heard))


async def test_a_site_may_have_bridged_cameras_alone(site: Site, frames: tuple[bytes, ...]) -> None:
    site.names = ()
    for _ in range(2):
        async with bridged(site) as stage:
            assert listed(stage.heard) == {"porch": ("Porch", "home_assistant")}
            await stage.send("burst", burst(frames[:2]))
            await stage.judged()


async def test_a_restart_knows_its_cameras_before_the_broker_does(site: Site) -> None:
    async with bridged(site) as stage:
        await stage.send("set", {"hold_s": 77})
        await stage.heard.until(
            lambda: any(heard.json()["hold_s"] == 77 for heard in stage.heard.on(f"{P}/settings"))
        )
    async with playing(site) as stage:
        assert "porch" in [
            camera["id"] for camera in stage.heard.on(f"{ROOT}/info")[0].json()["cameras"]
        ]
        assert stage.heard.on(f"{P}/settings")[-1].json()["hold_s"] == 77
        infos = len(stage.heard.on(f"{ROOT}/info"))
        await asyncio.sleep(0.3)
        assert len(stage.heard.on(f"{ROOT}/info")) == infos, "the retained definition says nothing"


async def test_a_removal_reaches_a_worker_that_was_away(site: Site) -> None:
    async with bridged(site):
        pass
    async with sender(site.port) as broker:
        await broker.send(f"{P}/config", b"", retain=True)
    async with playing(site) as stage:
        await stage.heard.until(lambda: "porch" not in listed(stage.heard))
        await until(lambda: "porch" not in stage.worker._site.removed)
        assert not [topic for topic in await retained(site.port) if "/porch/" in topic]


async def test_a_camera_that_the_file_takes_over_is_no_longer_bridged(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site):
        pass
    site.names = ("front", "porch")
    async with playing(site) as stage:
        await stage.heard.until(lambda: complaint(stage.heard, "config"))
        assert listed(stage.heard)["porch"] == ("porch", "local")
        await stage.send("burst", burst(frames[:2]))
        await stage.heard.until(lambda: complaint(stage.heard, "burst"))
        await stage.send("motion_end", {"event_id": "a"})
        await stage.heard.until(lambda: complaint(stage.heard, "motion_end"))
        assert events(stage.heard) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"../x": {"name": "x"}, "a": 1, "b": {"name": 2}, "front": {"name": "x"}}',
    ],
)
def test_a_broken_file_of_definitions_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    (tmp_path / "x").write_bytes(content)
    assert alone(tmp_path).load() == []
    # What is wrong with one definition is told when Home Assistant defines the camera again.
    assert ("is damaged" in caplog.text) == (content[:2] != b'{"')


async def test_a_definition_that_cannot_be_kept_is_served_and_told(site: Site) -> None:
    async with playing(site) as stage:
        (site.folder / "state" / "bridged.json").mkdir()  # nothing can take its place
        await stage.define()
        await stage.heard.until(lambda: complaint(stage.heard, "config"))
        assert "cannot be written" in complaint(stage.heard, "config")
        await stage.heard.until(lambda: "porch" in listed(stage.heard))


async def test_a_store_that_is_locked_refuses_the_camera_until_it_is_sent_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with playing(site) as stage:

        def locked(store: EventStore, camera: str) -> None:
            raise sqlite3.OperationalError("database is locked")

        with monkeypatch.context() as patch:
            patch.setattr(EventStore, "remember_camera", locked)
            await stage.define()
            await stage.heard.until(lambda: complaint(stage.heard, "config"))
        assert "database is locked" in complaint(stage.heard, "config")
        assert "porch" not in stage.worker.cameras
        await stage.define()
        await stage.heard.until(lambda: "porch" in listed(stage.heard))


# --- bursts -----------------------------------------------------------------------------------


async def test_a_burst_becomes_a_decision_in_the_order_of_the_contract(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site) as stage:
        since = len(stage.heard.heard)
        sent = burst(frames[:3])
        await stage.send("burst", sent)
        await stage.heard.until(lambda: stage.heard.on(f"{P}/stats", since))
        topics = [one.topic for one in stage.heard.heard[since:] if one.topic.startswith(P)]
        expected = ("burst", "connectivity", "image", "verdict", "relevant", "event", "stats")
        assert topics == [f"{P}/{suffix}" for suffix in expected]
        [verdict] = events(stage.heard)
        assert (verdict["event_id"], verdict["camera"]) == (sent["event_id"], "porch")
        assert verdict["motion_at"] == datetime.fromisoformat(sent["motion_at"]).isoformat(
            timespec="milliseconds"
        )
        assert verdict["frames"]["distinct"] == 3
        assert verdict["stored"] is True
        store = EventStore(site.folder / "data")
        assert store.frames.load("porch", sent["event_id"]) == list(frames[:3])
        store.close()
        # The picture of suggestions comes with the first one.
        assert set(RETAINED_SUFFIXES) - {"suggestions_image"} <= {
            topic.rpartition("/")[2] for topic in await retained(site.port) if topic.startswith(P)
        }


async def test_the_same_event_is_judged_once(site: Site, frames: tuple[bytes, ...]) -> None:
    sent = burst(frames[:2])
    async with bridged(site, Judging(takes_s=0.2)) as stage:
        for _ in range(3):
            await stage.send("burst", sent)
        await stage.judged()
        await stage.send("burst", sent)
        await stage.send("burst", burst(frames[:2]))
        await stage.judged(2)
        assert [event["merged"] for event in events(stage.heard)] == [0, 0]
    async with playing(site) as stage:
        await stage.send("burst", sent)
        await stage.send("burst", burst(frames[:2]))
        await stage.judged()
        await asyncio.sleep(0.2)
        assert len(events(stage.heard)) == 1, "the store knows it after a restart"


async def test_the_event_of_another_camera_is_left_alone(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site) as stage:
        await stage.broker.motion()
        [local] = await stage.judged()
        stolen = burst(frames[:2], datetime.fromisoformat(local["motion_at"]))
        await stage.send("burst", {**stolen, "event_id": local["event_id"]})
        await stage.heard.until(lambda: complaint(stage.heard, "burst"))
        assert "one of the camera 'front'" in complaint(stage.heard, "burst")
        assert len(events(stage.heard)) == 1


async def test_a_burst_without_pictures_alerts(site: Site) -> None:
    async with bridged(site) as stage:
        await stage.send("burst", burst(()))
        [verdict] = await stage.judged()
        assert (verdict["state"], verdict["reason"]) == ("unknown", "no_snapshot")
        assert verdict["relevant"] is True
        assert "Home Assistant has no picture" in verdict["explanation"]
        assert stage.heard.payloads(f"{P}/connectivity")[-1] == b"OFF"


async def test_pictures_that_are_none_alert(site: Site) -> None:
    async with bridged(site) as stage:
        for count, jpeg in enumerate(["", "*", "/9j/AA==", "A" * 70_000], 1):
            sent = burst((b"",))
            sent["frames"][0]["jpeg"] = jpeg
            await stage.send("burst", sent)
            verdict = (await stage.judged(count))[-1]
            assert (verdict["state"], verdict["relevant"]) == ("unknown", True)
            assert verdict["reason"] != "internal_error"


async def test_a_picture_bomb_is_not_decoded(site: Site) -> None:
    bombs = tuple(
        cv2.imencode(".png", np.full((5200, 5200, 3), grey, np.uint8))[1].tobytes()
        for grey in (0, 90)
    )
    assert len(bombs[0]) < 200_000
    async with bridged(site) as stage:
        await stage.send("burst", burst(bombs))
        [verdict] = await stage.judged()
        assert (verdict["state"], verdict["relevant"]) == ("unknown", True)
        assert "27,040,000" in verdict["explanation"]


NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"event_id": "../../../etc"}, "event_id: '../../../etc': give motion_at in UTC"),
        ({"event_id": "20200101_000000_000000"}, "in UTC: begin with that"),
        ({"event_id": None}, "event_id"),
        ({"motion_at": "yesterday"}, "motion_at: 'yesterday': give a time with its zone"),
        ({"motion_at": 1}, "motion_at: 1: give a time"),
        ({"frames": {}}, "frames: give a list"),
        ({"frames": [1]}, "frames.0: 1: give keys with values"),
        ({"frames": [{"captured_at": "now", "jpeg": ""}]}, "frames.0.captured_at: 'now'"),
        ({"frames": [{"captured_at": "2026-11-23T00:00:00Z", "jpeg": 5}]}, "frames.0.jpeg: 5"),
        ({"frames": [{}] * 11}, "frames"),
    ],
    ids=str,
)
async def test_a_wrong_burst_is_refused_in_one_sentence(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    payload = json.dumps({**burst(()), **change}).encode()
    message = Incoming(f"{P}/burst", payload, 1, False, False, 1, lambda: pytest.fail("taken"))
    camera = cast(CameraWorker, SimpleNamespace(id="porch"))
    with pytest.raises(CommandError, match=re.escape(says)) as caught:
        await alone(tmp_path).take_burst(camera, message, NOW)
    assert "\n" not in str(caught.value)


# --- clocks that differ -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "says"),
    [
        (timedelta(hours=2), "2 h ahead of"),
        (timedelta(hours=-2), "2 h behind"),
        (timedelta(days=400, minutes=5), "400 days 5 min ahead of"),
        (timedelta(days=-8), "8 days behind"),
    ],
    ids=str,
)
async def test_a_burst_of_another_clock_alerts_by_the_workers_own(
    site: Site, frames: tuple[bytes, ...], ahead: timedelta, says: str
) -> None:
    async with bridged(site, Judging()) as stage:
        await filter_without_hold(stage)
        begun_at = datetime.now(UTC)
        sent = burst(frames[:2], begun_at + ahead - timedelta(seconds=1))
        await stage.send("burst", sent)
        [verdict] = await stage.judged()
        assert verdict["event_id"] == sent["event_id"]
        assert (verdict["relevant"], verdict["frames"]["distinct"]) == (True, 2)
        motion_at = datetime.fromisoformat(verdict["motion_at"])
        assert begun_at - timedelta(seconds=5) <= motion_at <= datetime.now(UTC)
        left = datetime.fromisoformat(verdict["hold_until"]) - datetime.now(UTC)
        assert timedelta(seconds=30) < left <= timedelta(seconds=60), "the motion goes on"
        await stage.heard.until(lambda: clock_trouble(stage.heard))
        assert f"Home Assistant's machine is {says} that of" in clock_trouble(stage.heard)
        await stage.send("motion_end", {"event_id": sent["event_id"]})
        await stage.heard.until(lambda: stage.heard.payloads(f"{P}/relevant")[-1] == b"OFF")
        await stage.send("burst", burst(frames[:2]))
        await stage.judged(2)
        await stage.heard.until(lambda: stage.heard.on(HEALTH)[-1].json()["last_error"] is None)


async def filter_without_hold(stage: Stage) -> None:
    await stage.send("set", {"mode": "filter", "hold_s": 0})
    await stage.heard.until(lambda: stage.worker.cameras["porch"].context.settings.hold_s == 0)


def clock_trouble(heard: Listener) -> str:
    """Return what the health says of the bridged camera's clock."""
    errors = [health.json()["last_error"] for health in heard.on(HEALTH)]
    found = [error["message"] for error in errors if error and error["key"] == "porch/clock"]
    return found[-1] if found else ""


async def test_a_machine_that_has_lost_its_clock_alerts(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site, Judging()) as stage:
        await stage.send("burst", burst(frames[:2], datetime(1970, 1, 1, tzinfo=UTC)))
        [verdict] = await stage.judged()
        assert verdict["relevant"] is True
        assert verdict["motion_at"] > "2026"


@pytest.mark.parametrize("ahead_s", [0.0, 7200.0, -7200.0])
@pytest.mark.parametrize(
    ("late_s", "reason"), [(0.5, "test"), (20.0, "late_pictures")], ids=["in time", "late"]
)
async def test_frames_of_a_burst_are_late_by_their_own_clock(
    site: Site, frames: tuple[bytes, ...], ahead_s: float, late_s: float, reason: str
) -> None:
    async with bridged(site, Judging(State.IRRELEVANT)) as stage:
        await filter_without_hold(stage)
        motion_at = datetime.now(UTC) + timedelta(seconds=ahead_s - late_s - 1)
        sent = burst(frames[:2], motion_at)
        for number, frame in enumerate(sent["frames"]):
            frame["captured_at"] = (motion_at + timedelta(seconds=late_s + number)).isoformat()
        await stage.send("burst", sent)
        [verdict] = await stage.judged()
        assert verdict["reason"] == reason
        assert verdict["relevant"] is (reason == "late_pictures")


@pytest.mark.parametrize(
    ("sent_s", "waited_s", "ahead_s"),
    [
        (0, 0, 0),
        (-200, 0, 0),
        (-3600, 0, -3600),
        (50, 0, 0),
        (3600, 0, 3600),
        (-3600, 7200, 0),
        (-3600, 3500, 0),
        (-7200, 3600, -3600),
        (3600, 7200, 3600),
    ],
)
def test_a_clock_differs_where_no_wait_explains_it(
    sent_s: float, waited_s: float, ahead_s: float
) -> None:
    sent = BridgedBurst(event_id="any", motion_at=NOW + timedelta(seconds=sent_s), frames=())
    found = clock_lead(sent, NOW - timedelta(seconds=waited_s), NOW)
    assert found == timedelta(seconds=ahead_s)


async def test_motion_of_a_burst_that_a_former_run_judged_can_be_ended(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    sent = burst(frames[:2])
    async with bridged(site, Judging()) as stage:
        await filter_without_hold(stage)
        await stage.send("burst", sent)
        await stage.judged()
    async with playing(site, Judging()) as stage:
        assert stage.heard.payloads(f"{P}/relevant")[-1] == b"ON"
        await stage.send("motion_end", {"event_id": sent["event_id"]})
        await stage.heard.until(lambda: stage.heard.payloads(f"{P}/relevant")[-1] == b"OFF")


async def test_a_refused_burst_is_told_and_the_next_one_taken(site: Site) -> None:
    async with bridged(site) as stage:
        await stage.send("burst", burst((), event_id="../../../etc"))
        await stage.heard.until(lambda: complaint(stage.heard, "burst"))
        assert events(stage.heard) == []
        assert not (site.folder / "data" / "porch").exists()
        await stage.send("burst", burst(()))
        await stage.judged()
        await stage.heard.until(lambda: "/etc" not in str(stage.heard.on(HEALTH)[-1].json()))


async def test_a_huge_burst_is_refused_and_the_next_one_taken(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site) as stage:
        await stage.send("burst", b'{"frames": "' + b"A" * MAX_BURST_BYTES + b'"}')
        await stage.heard.until(lambda: complaint(stage.heard, "burst"))
        assert "send at most 25165824" in complaint(stage.heard, "burst")
        await stage.send("burst", burst(frames[:2]))
        await stage.judged()


async def test_what_the_broker_has_retained_tells_the_past(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site):
        pass
    async with sender(site.port) as broker:
        await broker.send(f"{P}/burst", burst(frames[:2]), retain=True)
        # What waited for the worker is a live message; what a new session finds is not.
        async with playing(site) as stage:
            await stage.judged()
    async with playing(site) as stage:
        await stage.heard.until(lambda: complaint(stage.heard, "burst"))
        assert "tells the past" in complaint(stage.heard, "burst")
        assert events(stage.heard) == []


async def test_a_flood_gets_verdicts_for_every_burst_and_alerts_where_it_cannot_look(
    site: Site, frames: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_queue, "MAX_WAITING_BURSTS", 4)
    judging = Judging(State.IRRELEVANT, takes_s=0.3)
    async with bridged(site, judging) as stage:
        for _ in range(40):
            await stage.send("burst", burst(frames[:2]))
        await stage.heard.until(lambda: sum(1 + v["merged"] for v in events(stage.heard)) >= 40)
        await asyncio.sleep(0.5)
        verdicts = events(stage.heard)
        assert sum(1 + verdict["merged"] for verdict in verdicts) == 40
        covering = [verdict for verdict in verdicts if verdict["merged"]]
        assert covering
        assert {verdict["state"] for verdict in covering} == {"unknown"}
        assert all(verdict["relevant"] for verdict in covering)
        assert "bursts wait already" in covering[0]["explanation"]
        assert {v["state"] for v in verdicts if not v["merged"]} <= {"irrelevant", "unknown"}
        assert stage.heard.on(f"{P}/stats")[-1].json()["motions"] == 40


async def test_frames_that_wait_are_bounded(
    site: Site, frames: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_queue, "MAX_WAITING_BYTES", 3 * len(frames[0]))
    async with bridged(site, Judging(State.IRRELEVANT, takes_s=0.3)) as stage:
        await stage.send("burst", burst(frames[:2]))
        await until(lambda: stage.worker.cameras["porch"].queue.running)
        for _ in range(2):
            await stage.send("burst", burst(frames[:2]))
        await stage.judged(3)
        found = sorted((v["state"], v["frames"]["distinct"]) for v in events(stage.heard))
        assert found == [("irrelevant", 2), ("irrelevant", 2), ("unknown", 0)]


async def test_commands_that_wait_are_bounded(
    site: Site, frames: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands_module, "MAX_HELD_BYTES", 1000)
    async with playing(site) as stage:
        await stage.define({**DEFINITION, "more": "x" * 1001})
        await stage.heard.until(lambda: complaint(stage.heard, "config"))
        assert "wait already" in complaint(stage.heard, "config")
        await stage.define()
        await stage.heard.until(lambda: "porch" in listed(stage.heard))
        assert stage.worker._commands.held_bytes == 0


# --- restart and loss -------------------------------------------------------------------------


async def test_a_restart_takes_up_the_bursts_that_wait(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    sent = [burst(frames[:2]) for _ in range(3)] + [burst(())]
    async with bridged(site, Judging(takes_s=1.0)) as stage:
        for content in sent:
            await stage.send("burst", content)
        await until(lambda: len(stage.worker.cameras["porch"].queue) == 4)
        await until(lambda: not stage.worker.cameras["porch"].context.is_busy)
        first = events(stage.heard)
    async with playing(site) as stage:
        await stage.heard.until(lambda: sent[-1]["event_id"] in str(events(stage.heard)))
        second = events(stage.heard)
    counts = {one["event_id"]: 0 for one in sent}
    for event_id in {verdict["event_id"] for verdict in [*first, *second]}:
        counts[event_id] += 1
    # The verdict of the one that ran may have gone out while the first listener was leaving.
    assert sum(counts.values()) >= 3
    assert [verdict["frames"]["distinct"] for verdict in second][-1] == 0
    assert {verdict["frames"]["distinct"] for verdict in second[:-1]} == {2}
    store = EventStore(site.folder / "data")
    assert store.open_events() == []
    assert all(store.get_verdict(one["event_id"]) for one in sent)
    store.close()


async def test_a_burst_that_was_journalled_but_not_acknowledged_is_judged_once(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site):
        pass
    sent = burst(frames[:2])
    motion_at = datetime.fromisoformat(sent["motion_at"])
    store = EventStore(site.folder / "data")
    store.frames.save("porch", sent["event_id"], list(frames[:2]))
    store.add_start("porch", sent["event_id"], motion_at, motion_at, None)
    store.close()
    async with sender(site.port) as broker:
        await broker.send(f"{P}/burst", sent)
    async with playing(site) as stage:
        await stage.judged()
        await asyncio.sleep(0.3)
        assert [verdict["event_id"] for verdict in events(stage.heard)] == [sent["event_id"]]


async def test_a_burst_is_acknowledged_after_its_frames_are_on_disk(
    site: Site, frames: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    judging = Judging(takes_s=0.5)
    async with bridged(site, judging) as stage:
        monkeypatch.setattr(EventFrames, "save", full)
        acknowledged: list[bool] = []
        motion = stage.worker.cameras["porch"].motion
        original = motion.add_burst

        def noting(*arguments: Any) -> None:
            original(*arguments[:3], lambda: acknowledged.append(bool(events(stage.heard))))

        monkeypatch.setattr(motion, "add_burst", noting)
        await stage.send("burst", burst(frames[:2]))
        await asyncio.sleep(0.3)
        assert acknowledged == [], "neither stored nor judged yet"
        [verdict] = await stage.judged()
        assert verdict["stored"] is False
        await until(lambda: len(acknowledged) == 1)


async def test_a_journal_that_cannot_be_read_costs_no_burst(
    site: Site, frames: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    async with bridged(site) as stage:
        monkeypatch.setattr(EventStore, "camera_of", locked)
        sent = burst(frames[:2])
        for _ in range(2):
            await stage.send("burst", sent)
        await stage.judged()
        await stage.send("burst", burst(frames[:2]))
        await stage.judged(2)
        assert [verdict["merged"] for verdict in events(stage.heard)] == [0, 0]


async def test_a_command_that_breaks_is_told_and_the_next_one_carried_out(
    site: Site, frames: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("broken")

    async with bridged(site) as stage:
        with monkeypatch.context() as patch:
            patch.setattr(bridge_module, "read_frames", broken)
            await stage.send("burst", burst(frames[:2]))
            await stage.heard.until(lambda: complaint(stage.heard, "burst"))
        assert "ValueError('broken')" in complaint(stage.heard, "burst")
        await stage.send("burst", burst(frames[:2]))
        await stage.judged()


async def test_bursts_wait_at_the_broker_for_a_worker_that_is_away(
    site: Site, mosquitto: Mosquitto, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site):
        pass
    sent = [burst(frames[:2], datetime.now(UTC) - timedelta(hours=5)) for _ in range(3)]
    async with sender(site.port) as broker:
        for one in sent:
            await broker.send(f"{P}/burst", one)
    async with playing(site) as stage:
        verdicts = await stage.judged(3)
        assert [verdict["event_id"] for verdict in verdicts] == [one["event_id"] for one in sent]
        assert {verdict["frames"]["distinct"] for verdict in verdicts} == {2}


async def test_motion_under_way_when_its_camera_goes_ends_quietly(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site, Judging(takes_s=0.5)) as stage:
        await stage.send("burst", burst(frames[:2]))
        await until(lambda: len(stage.worker.cameras["porch"].queue) == 1)
        await stage.define(b"")
        await stage.heard.until(lambda: "porch" not in listed(stage.heard))
        await stage.broker.motion()
        await stage.judged()
        await asyncio.sleep(0.3)
        assert {verdict["camera"] for verdict in events(stage.heard)} == {"front"}
        assert not [topic for topic in await retained(site.port) if "/porch/" in topic]


# --- the alarm, feedback, learning ------------------------------------------------------------


async def test_the_alarm_ends_with_the_motion_of_the_latest_burst(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with bridged(site, Judging()) as stage:
        await stage.send("set", {"mode": "filter", "hold_s": 0.2})
        first, second = burst(frames[:2]), burst(frames[:2])
        for one in (first, second):
            await stage.send("burst", one)
        verdicts = await stage.judged(2)
        until_end = datetime.fromisoformat(verdicts[1]["hold_until"]) - datetime.now(UTC)
        assert until_end > timedelta(seconds=50), "motion goes on until it is said to end"
        await stage.send("motion_end", {"event_id": first["event_id"]})
        await asyncio.sleep(0.4)
        assert stage.heard.payloads(f"{P}/relevant")[-1] == b"ON"
        await stage.send("motion_end", {"event_id": second["event_id"]})
        await stage.heard.until(lambda: stage.heard.payloads(f"{P}/relevant")[-1] == b"OFF")


async def test_thumbs_learning_and_review_work_as_for_any_camera(
    site: Site, frames: tuple[bytes, ...], learner: FakeState
) -> None:
    async with bridged(site, Judging(State.IRRELEVANT)) as stage:
        await stage.send("set", {"mode": "filter"})
        sent = burst(frames[:2])
        await stage.send("burst", sent)
        [verdict] = await stage.judged()
        assert verdict["relevant"] is False
        await until(lambda: ("observe", sent["event_id"]) in learner.calls)
        await stage.heard.until(
            lambda: sent["event_id"] in str(stage.heard.payloads(f"{P}/review"))
        )
        await stage.send("feedback", {"event_id": sent["event_id"], "relevant": True})
        await until(lambda: ("apply_feedback", sent["event_id"], True) in learner.calls)


async def test_a_camera_that_goes_while_it_is_adapted_troubles_nobody(
    site: Site, frames: tuple[bytes, ...], learner: FakeState
) -> None:
    async with bridged(site, Judging()) as stage:
        await stage.send("burst", burst(frames[:2]))
        await stage.judged()
        adaptation = (
            "import pathlib, sys, time\n"
            f"pathlib.Path({str(site.folder / 'begun')!r}).touch()\n"
            "time.sleep(0.5)\n"
            'print(\'{"learned": true, "events": 1}\')'
        )
        stage.worker._adaptations.command = (sys.executable, "-S", "-c", adaptation)
        await stage.send("learn", {})
        await until((site.folder / "begun").exists)
        await stage.define(b"")
        await stage.heard.until(lambda: "porch" not in listed(stage.heard))
        await until(lambda: ("reload_model",) in learner.calls)
        await stage.send("learn", {})
        await stage.heard.until(lambda: complaint(stage.heard, "learn"))
        assert "there is no camera" in complaint(stage.heard, "learn")
        await stage.broker.motion()
        await stage.judged(2)


# --- analyses ---------------------------------------------------------------------------------


async def answer(stage: Stage, camera: str, request: dict[str, Any]) -> dict[str, Any]:
    topic = f"{ROOT}/camera/{camera}/analyze"
    await stage.broker.send(topic, request)
    reply = f"{topic}/{request['request_id']}"
    await stage.heard.until(lambda: stage.heard.on(reply))
    [heard] = stage.heard.on(reply)
    assert not heard.retain
    return dict(heard.json())


async def test_an_analysis_judges_and_leaves_no_trace(
    site: Site, frames: tuple[bytes, ...], learner: FakeState
) -> None:
    async with bridged(site, Judging()) as stage:
        before = await retained(site.port)
        local = await answer(stage, "front", {"request_id": "a1"})
        sent = {"request_id": "a2", "frames": burst(frames[:2])["frames"]}
        remote = await answer(stage, "porch", sent)
        for camera, verdict in (("front", local), ("porch", remote)):
            assert (verdict["camera"], verdict["state"]) == (camera, "relevant")
            assert verdict["frames"]["distinct"] == 2
            assert (verdict["hold_until"], verdict["stored"]) == (None, False)
        await asyncio.sleep(0.2)
        after = await retained(site.port)
        changed = {topic for topic in after if after[topic] != before.get(topic)}
        assert {topic.rpartition("/")[2] for topic in changed} <= {"connectivity", "health", "done"}
        assert events(stage.heard) == []
        assert not [call for call in learner.calls if call[0] == "observe"]
        assert not (site.folder / "data" / "porch").exists()
        assert not (site.folder / "data" / "front").exists()


async def test_an_analysis_that_cannot_be_is_answered(site: Site) -> None:
    async with bridged(site) as stage:
        for number, (camera, more, says) in enumerate(
            [
                ("porch", {}, "only Home Assistant can take pictures"),
                ("porch", {"frames": []}, "only Home Assistant can take pictures"),
                ("front", {"frames": []}, "send no frames"),
                ("nobody", {}, "there is no camera 'nobody': known are front, porch"),
            ]
        ):
            reply = await answer(stage, camera, {"request_id": f"r{number}", **more})
            assert reply.keys() == {"error"}
            assert says in reply["error"]


async def test_an_analysis_that_nobody_can_be_told_of_is_a_complaint(site: Site) -> None:
    async with playing(site) as stage:
        for payload in (b"", b"{}", b'{"request_id": "../x"}', b'{"request_id": 1}'):
            await stage.broker.send(f"{ROOT}/camera/front/analyze", payload)
        await stage.heard.until(lambda: complaint(stage.heard, "analyze", "front"))
        assert "analyze/" not in str({heard.topic for heard in stage.heard.heard})


async def test_pictures_that_are_none_are_analyzed_as_unknown(site: Site) -> None:
    async with bridged(site) as stage:
        sent = {"request_id": "r", "frames": burst((b"no picture",))["frames"]}
        reply = await answer(stage, "porch", sent)
        assert (reply["state"], reply["reason"]) == ("unknown", "no_snapshot")


async def test_analyses_of_a_camera_take_turns_and_are_bounded(site: Site) -> None:
    judging = Judging(takes_s=0.2)
    async with playing(site, judging) as stage:
        topic = f"{ROOT}/camera/front/analyze"
        for number in range(20):
            await stage.broker.send(topic, {"request_id": f"r{number}"})

        def replies() -> list[dict[str, Any]]:
            return [one.json() for one in stage.heard.heard if one.topic.startswith(f"{topic}/")]

        await stage.heard.until(lambda: len(replies()) == 20)
        errors = [reply["error"] for reply in replies() if "error" in reply]
        assert len(errors) == 20 - analyses.MAX_ANALYSES
        assert all("wait already" in error for error in errors)


async def test_an_analysis_gives_way_to_motion(site: Site) -> None:
    site.cameras.delay_s = 0.3
    async with playing(site, Judging()) as stage:
        asking = asyncio.create_task(answer(stage, "front", {"request_id": "r"}))
        await until(lambda: stage.worker.cameras["front"].pictures.is_between_events)
        await stage.broker.motion()
        [verdict] = await stage.judged()
        assert not asking.done()
        reply = await asking
        assert reply["event_id"] != verdict["event_id"]
        assert reply["frames"]["distinct"] == 2


async def test_an_analysis_that_takes_too_long_is_answered(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyses, "ANALYSIS_LIMIT_S", 0.2)
    async with playing(site, Judging(takes_s=1.0)) as stage:
        reply = await answer(stage, "front", {"request_id": "r"})
        assert "it takes longer than 0.2 seconds" in reply["error"]


async def test_a_judgement_that_breaks_is_an_answer_too(site: Site) -> None:
    class Broken(Judging):
        def judge(self, frames: list[bytes], *_: object, **__: object) -> Any:
            raise ValueError("broken")

    async with playing(site, Broken()) as stage:
        reply = await answer(stage, "front", {"request_id": "r"})
        assert "ValueError('broken')" in reply["error"]
        json.dumps(reply)


def picture(frame: bytes) -> dict[str, str]:
    return {
        "captured_at": datetime.now(UTC).isoformat(),
        "jpeg": base64.b64encode(frame).decode(),
    }


async def test_a_picture_without_motion_proves_that_nothing_moved(site: Site) -> None:
    """Without one such an event alerts."""
    still = drawn_jpegs("nothing_moves")
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.send(f"{P}/config", DEFINITION, retain=True)
        await heard.until(lambda: "porch" in listed(heard))
        await broker.send(f"{P}/set", {"hold_s": 0.2})
        await heard.until(lambda: heard.on(f"{P}/settings")[-1].json()["hold_s"] == 0.2)
        await broker.send(f"{P}/burst", burst(still))
        await heard.until(lambda: len(events(heard)) == 1)
        assert events(heard)[0]["reason"] == "no_reference"
        await broker.send(f"{P}/motion_end", {"event_id": events(heard)[0]["event_id"]})
        await heard.until(lambda: heard.payloads(f"{P}/relevant")[-1] == b"OFF")
        await broker.send(f"{P}/reference", picture(still[0]))
        await broker.send(f"{P}/burst", burst(still))
        await heard.until(lambda: len(events(heard)) == 2)
        assert events(heard)[1]["reason"] != "no_reference"
        assert heard.payloads(f"{P}/connectivity")[-1] == b"ON"


async def test_no_picture_is_taken_while_something_moves(
    site: Site, frames: tuple[bytes, ...]
) -> None:
    async with site.listener() as heard, site.worker() as worker, sender(site.port) as broker:
        await broker.send(f"{P}/config", DEFINITION, retain=True)
        await heard.until(lambda: "porch" in listed(heard))
        await broker.send(f"{P}/burst", burst(frames))
        await broker.send(f"{P}/reference", picture(frames[1]))
        await broker.send(f"{P}/config", DEFINITION | {"name": "Back"}, retain=True)
        await heard.until(lambda: listed(heard).get("porch", ("",))[0] == "Back")
        path = worker.config.state_dir / "cameras" / "porch" / "reference.jpg"
        assert not path.exists()


async def test_what_is_no_picture_is_refused(site: Site) -> None:
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.send(f"{P}/config", DEFINITION, retain=True)
        await heard.until(lambda: "porch" in listed(heard))
        await broker.send(f"{P}/reference", picture(b"<html>"))
        await heard.until(lambda: complaint(heard, "reference"))
        await broker.send(f"{ROOT}/camera/front/reference", picture(b"<html>"))
        await heard.until(lambda: complaint(heard, "reference", "front"))
        assert "itself" in complaint(heard, "reference", "front")


async def test_the_first_mode_of_a_camera_counts_until_another_is_set(site: Site) -> None:
    def mode(heard: Listener) -> str:
        return str(heard.on(f"{P}/settings")[-1].json()["mode"])

    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.send(f"{P}/config", DEFINITION | {"mode": "shadow"}, retain=True)
        await heard.until(lambda: mode(heard) == "shadow")
        await broker.send(f"{P}/set", {"mode": "filter"})
        await heard.until(lambda: mode(heard) == "filter")
    async with site.listener() as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        assert mode(heard) == "filter"
