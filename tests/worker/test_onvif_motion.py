"""Motion over ONVIF through a whole worker: the same journal, event and alarm as over MQTT."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from benchmarks.peers import until
from tests.worker.conftest import Site
from tests.worker.onvif.conftest import address_of
from tests.worker.onvif_camera import OnvifCamera, motion
from veroallarme_core.contract import CameraSettings
from veroallarme_core.worker.mqtt import listen
from veroallarme_core.worker.onvif import subscription
from veroallarme_core.worker.snapshots import OnvifSource
from veroallarme_core.worker.storage.event_store import EventStore

C = "veroallarme/home/camera/front"
HEALTH = "veroallarme/home/worker/main/health"


@pytest.fixture
async def onvif(frames) -> AsyncIterator[OnvifCamera]:
    async with OnvifCamera(frames=list(frames)).running() as camera:
        yield camera


@pytest.fixture
def by_onvif(site: Site, onvif: OnvifCamera, monkeypatch) -> Site:
    """A site whose camera speaks ONVIF alone."""
    monkeypatch.setattr(subscription, "FIRST_PAUSE_S", 0.05)
    address = address_of(onvif)
    site.more = {"triggers": (), "onvif": address, "source": OnvifSource(camera=address)}
    return site


async def test_motion_to_alarm_and_its_end(by_onvif, onvif):
    async with by_onvif.listener() as heard, by_onvif.worker():
        await until(lambda: onvif.subscriptions)
        onvif.tell(motion(True))
        await heard.until(lambda: heard.on("/event"))
        verdict = heard.on("/event")[0].json()
        assert verdict["state"] == "relevant"
        assert verdict["frames"]["distinct"] == 2
        await heard.until(lambda: heard.payloads(f"{C}/relevant")[-1:] == [b"ON"])
        onvif.tell(motion(False))
        await heard.until(lambda: heard.payloads(f"{C}/relevant")[-1:] == [b"OFF"])
        await heard.until(lambda: heard.payloads(f"{C}/connectivity")[-1:] == [b"ON"])
    store = EventStore(by_onvif.folder / "data")
    assert store.open_events() == []
    store.close()


async def test_the_alarm_lasts_as_long_as_the_motion(by_onvif, onvif):
    by_onvif.settings = CameraSettings(mode=by_onvif.settings.mode, hold_s=0.1)
    async with by_onvif.listener() as heard, by_onvif.worker():
        await until(lambda: onvif.subscriptions)
        onvif.tell(motion(True))
        await heard.until(lambda: heard.payloads(f"{C}/relevant")[-1:] == [b"ON"])
        await asyncio.sleep(0.8)
        assert heard.payloads(f"{C}/relevant")[-1] == b"ON"
        onvif.tell(motion(False))
        await heard.until(lambda: heard.payloads(f"{C}/relevant")[-1:] == [b"OFF"])


async def test_the_start_is_in_the_journal_before_the_camera_is_asked_for_more(by_onvif, onvif):
    """The picture hangs, so that no verdict is there yet."""
    async with by_onvif.worker() as worker:
        await until(lambda: onvif.subscriptions)
        onvif.picture_delay_s = 60
        asked = onvif.operations.count("PullMessages")
        onvif.tell(motion(True))
        await until(lambda: onvif.operations.count("PullMessages") > asked + 1)
        (opened,) = worker._storage.store.open_events()
        assert (opened.camera, opened.starts) == ("front", 1)
        onvif.picture_delay_s = 0


async def test_nothing_is_lost_while_the_camera_restarts(by_onvif, onvif):
    async with by_onvif.listener() as heard, by_onvif.worker():
        await until(lambda: onvif.subscriptions)
        onvif.state = motion(True, operation="Initialized")
        onvif.reboot()
        await heard.until(lambda: heard.on("/event"))
        assert heard.on("/event")[0].json()["state"] == "relevant"


async def test_a_camera_that_cannot_be_heard_is_told_in_one_sentence(by_onvif, onvif):
    onvif.login = ("other", "password")
    async with by_onvif.listener() as heard, by_onvif.worker() as worker:
        await heard.until(
            lambda: any(b"cannot be heard" in payload for payload in heard.payloads(HEALTH))
        )
        (error,) = worker._complaints.about("front/onvif")
        assert "it refuses the login: check username and password" in error.message
        assert "\n" not in error.message
        assert "p@ss" not in error.message
        await heard.until(lambda: heard.payloads(f"{C}/connectivity")[-1:] == [b"OFF"])
        assert worker._condition().is_deaf
        (topic,) = worker._listening.state()["front"]
        assert topic.topic == f"onvif://127.0.0.1:{onvif.port}"
        assert "refuses the login" in topic.note


async def test_a_camera_that_comes_back_is_heard_again(by_onvif, onvif):
    onvif.refuses = {"CreatePullPointSubscription"}
    async with by_onvif.listener() as heard, by_onvif.worker() as worker:
        await until(lambda: worker._complaints.about("front/onvif"))
        onvif.refuses = set()
        await until(lambda: not worker._complaints.about("front/onvif"))
        assert not worker._condition().is_deaf
        onvif.tell(motion(True))
        await heard.until(lambda: heard.on("/event"))


async def test_a_flood_is_taken_whole_and_ends_in_events(by_onvif, onvif):
    """A thousand notifications at once, more than a pull may bring."""
    async with by_onvif.listener() as heard, by_onvif.worker() as worker:
        await until(lambda: onvif.subscriptions)
        for _ in range(10):
            onvif.tell(*[motion(True), motion(False)] * 50)
        await until(lambda: worker._listening.state()["front"][0].count >= 500)
        await heard.until(lambda: heard.on("/event"))


async def test_check_config_listens_to_it(by_onvif, onvif):
    said: list[str] = []
    listening = asyncio.create_task(listen(by_onvif.config(), 60, said.append))
    await until(lambda: any("listening to onvif://" in line for line in said))
    onvif.tell(motion(True))
    await until(lambda: any("motion starts" in line for line in said))
    onvif.tell(motion(False))
    await until(lambda: any("motion ends" in line for line in said))
    os.kill(os.getpid(), signal.SIGINT)
    assert await listening
    assert "starts of motion: 1, ends of motion: 1" in said[-1]


async def test_check_config_says_what_cannot_be_heard(by_onvif, onvif):
    onvif.login = ("other", "password")
    said: list[str] = []
    assert not await listen(by_onvif.config(), 3, said.append)
    assert "CANNOT BE HEARD: it refuses the login" in said[-1]
