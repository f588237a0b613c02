"""A subscription that lives through all that cameras do."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from benchmarks.peers import until
from tests.worker.onvif.conftest import address_of
from tests.worker.onvif_camera import OnvifCamera, fault, motion, notification
from veroallarme_core.worker.motion_sources import MotionSignal
from veroallarme_core.worker.onvif import MotionSubscription, Notification, OnvifError, subscription

START, END = MotionSignal.START, MotionSignal.END


@dataclass
class Listener:
    """Writes down what it is told."""

    told: list[MotionSignal] = field(default_factory=list)
    times_heard: int = 0
    faults: list[OnvifError] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    remarks: list[str | None] = field(default_factory=list)
    gate: asyncio.Event | None = None

    def heard(self, remark: str | None) -> None:
        self.times_heard += 1
        self.remarks.append(remark)

    def lost(self, error: OnvifError, pause_s: float) -> None:
        self.faults.append(error)
        self.pauses.append(pause_s)

    async def take(self, signal: MotionSignal, notification: Notification) -> None:
        self.told.append(signal)
        if self.gate is not None:
            await self.gate.wait()


@contextlib.asynccontextmanager
async def listening(camera: OnvifCamera, **more) -> AsyncIterator[Listener]:
    listener = Listener()
    running = asyncio.create_task(MotionSubscription(address_of(camera, **more), listener).run())
    try:
        yield listener
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Cameras are asked again soon."""
    monkeypatch.setattr(subscription, "FIRST_PAUSE_S", 0.05)


async def test_starts_and_ends_come_in_their_order(onvif):
    async with listening(onvif) as listener:
        await until(lambda: listener.times_heard)
        onvif.tell(motion(True), motion(False), motion(True))
        await until(lambda: len(listener.told) == 3)
        onvif.tell(motion(False))
        await until(lambda: len(listener.told) == 4)
    assert listener.told == [START, END, START, END]
    assert listener.faults == []
    assert listener.remarks == [None]


async def test_who_leaves_lets_the_camera_forget_the_subscription(onvif):
    async with listening(onvif) as listener:
        await until(lambda: listener.times_heard)
        assert onvif.subscriptions
    await until(lambda: not onvif.subscriptions)


async def test_motion_that_goes_on_since_before_is_told(onvif):
    onvif.state = motion(True, operation="Initialized")
    async with listening(onvif) as listener:
        await until(lambda: listener.told)
    assert listener.told == [START]


async def test_a_camera_that_forgets_us_is_asked_again_and_nothing_is_missed(onvif):
    """It restarts; what begins meanwhile and goes on is told by its state."""
    async with listening(onvif) as listener:
        await until(lambda: listener.times_heard)
        onvif.state = motion(True, operation="Initialized")
        onvif.reboot()
        await until(lambda: listener.times_heard == 2)
        await until(lambda: listener.told)
        onvif.tell(motion(False))
        await until(lambda: len(listener.told) == 2)
    assert listener.told == [START, END]
    assert [error.code for error in listener.faults] == ["fault"]


async def test_it_is_renewed_in_time(onvif, monkeypatch):
    monkeypatch.setattr("veroallarme_core.worker.onvif.device.MIN_LIFE_S", 0.5)
    onvif.life_s, onvif.hold_s = 0.5, 0.1
    async with listening(onvif) as listener:
        await until(lambda: onvif.operations.count("Renew") >= 3)
        assert len(onvif.subscriptions) == 1
    assert listener.faults == []
    assert onvif.operations.count("CreatePullPointSubscription") == 1


async def test_a_camera_that_cannot_renew_gets_a_new_subscription(onvif, monkeypatch):
    monkeypatch.setattr("veroallarme_core.worker.onvif.device.MIN_LIFE_S", 0.5)
    onvif.life_s, onvif.hold_s = 0.5, 0.1
    onvif.refuses = {"Renew"}
    onvif.state = motion(True, operation="Initialized")
    async with listening(onvif) as listener:
        await until(lambda: onvif.operations.count("CreatePullPointSubscription") >= 3)
        await until(lambda: listener.told)
        onvif.state = motion(False, operation="Initialized")
        onvif.tell(motion(False))
        await until(lambda: END in listener.told)
    assert listener.faults == []
    # It goes on moving, and was told once.
    assert listener.told[:2] == [START, END]
    assert listener.told.count(START) == 1


async def test_a_camera_that_is_away_is_tried_again_with_longer_pauses():
    camera = OnvifCamera(port=1)
    async with listening(camera) as listener:
        await until(lambda: len(listener.faults) >= 4)
    assert [error.code for error in listener.faults[:4]] == ["unreachable"] * 4
    assert listener.pauses[:4] == [0.05, 0.1, 0.2, 0.4]
    assert listener.times_heard == 0


async def test_pauses_have_an_end(monkeypatch):
    monkeypatch.setattr(subscription, "MAX_PAUSE_S", 0.1)
    async with listening(OnvifCamera(port=1)) as listener:
        await until(lambda: len(listener.faults) >= 5)
    assert max(listener.pauses) == 0.1


async def test_a_refused_login_is_not_tried_again_soon(onvif):
    async with listening(onvif, password="hunter2") as listener:
        await until(lambda: listener.faults)
        assert listener.pauses == [subscription.LOGIN_PAUSE_S]
    assert onvif.operations.count("CreatePullPointSubscription") == 0


async def test_garbage_between_is_got_over(onvif):
    spoiled = iter([True, False])

    async with listening(onvif) as listener:
        await until(lambda: listener.times_heard)

        def garbage() -> web.Response:
            del onvif.answers["PullMessages"]
            assert next(spoiled)
            return web.Response(body=b"\0\1<<", content_type="text/xml")

        onvif.answers["PullMessages"] = garbage
        await until(lambda: listener.times_heard == 2)
        onvif.tell(motion(True))
        await until(lambda: listener.told)
    assert listener.told == [START]


async def test_a_camera_that_cannot_wait_is_not_asked_without_a_pause(onvif):
    onvif.hold_s = 0.0
    async with listening(onvif) as listener:
        await until(lambda: listener.times_heard)
        asked = onvif.operations.count("PullMessages")
        await asyncio.sleep(1.2)
        assert onvif.operations.count("PullMessages") - asked <= 4


async def test_the_camera_is_asked_for_more_once_what_came_is_safe(onvif, monkeypatch):
    monkeypatch.setattr(subscription, "TAKE_LIMIT_S", 60.0)
    async with listening(onvif) as listener:
        await until(lambda: listener.times_heard)
        listener.gate = asyncio.Event()
        onvif.tell(motion(True))
        await until(lambda: listener.told)
        asked = onvif.operations.count("PullMessages")
        await asyncio.sleep(0.8)
        assert onvif.operations.count("PullMessages") == asked
        listener.gate.set()
        await until(lambda: onvif.operations.count("PullMessages") > asked)


async def test_a_camera_without_any_motion_topic_is_told(onvif):
    onvif.topics = '<tns1:Device><Trigger><Relay wstop:topic="true"/></Trigger></tns1:Device>'
    async with listening(onvif) as listener:
        await until(lambda: listener.times_heard)
    (remark,) = listener.remarks
    assert remark is not None
    assert "switch motion detection on" in remark


async def test_what_a_camera_does_not_want_to_tell_is_no_reason_not_to_hear_it(onvif):
    onvif.refuses = {"GetProfiles", "GetEventProperties", "SetSynchronizationPoint"}
    async with listening(onvif) as listener:
        await until(lambda: listener.times_heard)
        onvif.tell(motion(True, token="whatever"))
        await until(lambda: listener.told)
    assert listener.faults == []


async def test_the_motion_of_another_channel_is_left_to_it(onvif):
    onvif.channels = 2
    async with listening(onvif, channel=2) as listener:
        await until(lambda: listener.times_heard)
        onvif.tell(motion(True, token="src0"), motion(True, token="src1"))
        await until(lambda: START in listener.told)
    assert [told for told in listener.told if told is not MotionSignal.OTHER] == [START]


async def test_a_camera_that_makes_up_rules_does_not_fill_the_memory(onvif):
    listener = Listener()
    made_up = MotionSubscription(address_of(onvif), listener)
    origins = {
        made_up.origin_of(Notification("RuleEngine/x", "", {"Rule": str(number)}, {}))
        for number in range(1000)
    }
    assert len(origins) == subscription.MAX_ORIGINS + 1


async def test_without_the_extra_there_is_one_clear_sentence(onvif, monkeypatch):
    monkeypatch.setitem(sys.modules, "veroallarme_core.worker.onvif.device", None)
    async with listening(onvif) as listener:
        await until(lambda: listener.faults)
    assert listener.faults[0].code == "missing"
    assert "pip install 'veroallarme[onvif]'" in str(listener.faults[0])


async def test_a_dying_subscription_within_a_fault_is_one_sentence(onvif):
    async with listening(onvif) as listener:
        await until(lambda: listener.times_heard)
        onvif.answers["PullMessages"] = lambda: fault("ter:Action", "out of memory")
        await until(lambda: listener.faults)
        assert "out of memory" in str(listener.faults[0])
        del onvif.answers["PullMessages"]
        await until(lambda: listener.times_heard >= 2)
        onvif.tell(notification("tns1:VideoSource/MotionAlarm", {"State": "true"}, {"Source": "x"}))
        await until(lambda: listener.told)
