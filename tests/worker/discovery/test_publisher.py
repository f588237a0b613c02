"""When the worker announces its cameras to Home Assistant, and when it takes that back."""

import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from benchmarks.peers import Listener, Mosquitto, until
from tests.worker.conftest import Site
from tests.worker.guarded_broker import GuardedBroker
from tests.worker.talk import HEALTH, ROOT, STATUS, sender
from veroallarme_core.contract import Topics
from veroallarme_core.worker.discovery import camera_topic, publisher, site_topic

TOPICS = Topics()
FRONT, YARD = camera_topic(TOPICS, "front"), camera_topic(TOPICS, "yard")
WORKER = site_topic(TOPICS, "main")
SIGN = TOPICS.integration("01kb2m4f9s")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "SETTLE_S", 0.05)


@pytest.fixture
def announcing(site: Site) -> Site:
    site.discovery = True
    return site


async def announced(port: int) -> dict[str, bytes]:
    """What a Home Assistant finds that starts now."""
    listener = Listener(port, ["homeassistant/#"])
    async with listener.listen(), sender(port) as broker:
        await broker.send("homeassistant/done", "done")
        await listener.until(lambda: listener.on("/done"))
    return {heard.topic: heard.payload for heard in listener.heard if heard.retain}


def finds(port: int, *topics: str) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return set(await announced(port)) == set(topics)

    return holds


async def test_nothing_is_announced_unless_that_is_wanted(site: Site) -> None:
    async with site.listener("#") as heard, site.worker():
        await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
        await heard.until(lambda: heard.payloads(HEALTH))
        assert json.loads(heard.payloads(HEALTH)[0])["discovery"] == "off"
    assert await announced(site.port) == {}
    assert not (site.folder / "state" / publisher.FILE).exists()


async def test_cameras_are_announced_and_taken_back_where_they_are_gone(announcing: Site) -> None:
    site = announcing
    site.names = ("front", "yard")
    async with site.worker():
        await until(finds(site.port, FRONT, YARD, WORKER))
        front = json.loads((await announced(site.port))[FRONT])
        assert front["dev"]["name"] == "front"
    # They stay while the worker is away: Home Assistant shows them as unavailable.
    assert set(await announced(site.port)) == {FRONT, YARD, WORKER}
    site.names = ("front",)
    async with site.worker():
        await until(finds(site.port, FRONT, WORKER))
    site.discovery = False
    async with site.worker():
        await until(finds(site.port))
        await until(lambda: json.loads(_file(site).read_text()) == {"announced": []})


async def test_cameras_that_come_and_go_over_mqtt_are_announced(announcing: Site) -> None:
    site = announcing
    porch = camera_topic(TOPICS, "porch")
    config = TOPICS.camera("porch", "config")
    async with site.worker(), sender(site.port) as broker:
        await broker.send(config, {"name": "Porch"}, retain=True)
        await until(finds(site.port, FRONT, WORKER, porch))
        await broker.send(config, {"name": "Front door"}, retain=True)

        async def is_renamed() -> bool:
            device = json.loads((await announced(site.port))[porch])["dev"]
            return device["name"] == "Front door"

        await until(is_renamed)
        await broker.send(config, b"", retain=True)
        await until(finds(site.port, FRONT, WORKER))


async def test_a_birth_or_a_new_broker_brings_it_again(
    announcing: Site, mosquitto: Mosquitto
) -> None:
    site = announcing
    async with site.listener("#") as heard, site.worker(), sender(site.port) as broker:
        await heard.until(lambda: heard.on(FRONT))
        since = len(heard.heard)
        await broker.send("homeassistant/status", "online")
        await heard.until(lambda: heard.on(FRONT, since) and heard.on(WORKER, since))


async def test_it_is_never_beside_the_integration(
    announcing: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site = announcing
    caplog.set_level(logging.INFO)
    async with site.listener("#") as heard, sender(site.port) as broker:
        await broker.send(SIGN, "installed", retain=True)
        async with site.worker():
            await heard.until(
                lambda: json.loads(heard.payloads(HEALTH)[-1])["discovery"] == "withdrawn"
            )
            sentence = json.loads(heard.payloads(HEALTH)[-1])["sentence"]
            assert "MQTT discovery is withdrawn" in sentence
            assert "integration is there: MQTT discovery is withdrawn" in caplog.text
            assert heard.on(FRONT) == []

            await broker.send(SIGN, b"", retain=True)
            await until(finds(site.port, FRONT, WORKER))
            await broker.send(SIGN, "installed", retain=True)
            await until(finds(site.port))
            assert heard.payloads(FRONT)[-1] == b""
            assert "has gone: MQTT discovery takes its place" in caplog.text


async def test_of_two_integrations_both_must_have_gone(announcing: Site) -> None:
    site = announcing
    other = TOPICS.integration("other")
    async with site.listener("#") as heard, site.worker(), sender(site.port) as broker:
        await heard.until(lambda: heard.on(FRONT))
        await broker.send(SIGN, "installed", retain=True)
        await broker.send(other, "installed", retain=True)
        await until(finds(site.port))
        await broker.send(SIGN, b"", retain=True)
        await broker.send("homeassistant/status", "online")
        # Whatever is announced anew is announced before this.
        since = len(heard.heard)
        await heard.until(lambda: len(heard.on(STATUS, since)) > 0)
        assert await announced(site.port) == {}
        await broker.send(other, b"", retain=True)
        await until(finds(site.port, FRONT, WORKER))


async def test_what_cannot_be_known_withholds_it(tmp_path: Path, cameras) -> None:
    broker = GuardedBroker(tmp_path, subscribe=[TOPICS.integration("+")])
    broker.start()
    site = Site(tmp_path, broker.port, cameras, discovery=True)
    try:
        async with site.listener("#") as heard, site.worker():
            await heard.until(
                lambda: json.loads(heard.payloads(HEALTH)[-1])["discovery"] == "withheld"
            )
            message = json.loads(heard.payloads(HEALTH)[-1])["last_error"]["message"]
            assert f"the subscription to {ROOT}/integration/+" in message
            assert "MQTT discovery is withheld" in message
            assert heard.on(FRONT) == []
    finally:
        broker.kill()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"announced": 3}',
        b'{"announced": [1, "homeassistant/status", "homeassistant/device/other/x/config"]}',
        b'{"announced": ["homeassistant/device/veroallarme_home/../x/config", "+/#"]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
async def test_a_damaged_memory_takes_back_nothing_of_others(site: Site, content: bytes) -> None:
    _file(site).parent.mkdir()
    _file(site).write_bytes(content)
    async with site.listener("#") as heard, site.worker(), sender(site.port) as broker:
        await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
        await broker.send("homeassistant/status", "online")
        await heard.until(lambda: len(heard.payloads(STATUS)) == 2)
    ours = [one.topic for one in heard.heard if one.topic.startswith("homeassistant/")]
    assert ours == ["homeassistant/status"]


def _file(site: Site) -> Path:
    return site.folder / "state" / publisher.FILE
