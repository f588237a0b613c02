"""What a family gets on its phones: a real Home Assistant, and a phone that takes its pushes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from benchmarks.house import House
from benchmarks.peers import until
from benchmarks.phone import MOTION, Phone, guarded_house, notify_about
from veroallarme_core.worker.storage import EventStore

from .conftest import HOLD_S, PERSON

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

LIMIT_S = 10
COUNTS_FOR_S = 6.0
"""A verdict answers motion up to 5 s after the one that it is about: clocks and messages differ."""
ALARM = "binary_sensor.front_relevant_motion"
WORKER = "binary_sensor.veroallarme_home_worker"
SEEN = "input_boolean.front_seen"
WIRED = "binary_sensor.front_wired_motion"
WITHOUT_BROKER = """
input_boolean:
  front_seen:
    name: Front seen
template:
  - binary_sensor:
      - name: Front wired motion
        unique_id: front_wired_motion
        device_class: motion
        state: "{{ is_state('input_boolean.front_seen', 'on') }}"
"""
"""A sensor whose motion Home Assistant hears of without the broker."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phone() -> AsyncIterator[Phone]:
    """A phone without a house yet."""
    async with Phone().serve() as phone:
        yield phone


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(phone: Phone, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose blueprint notifies the phone."""
    folder = tmp_path_factory.mktemp("house")
    async with contextlib.AsyncExitStack() as stack:
        try:
            house = await stack.enter_async_context(
                guarded_house(folder, phone, hold_s=HOLD_S, limit_s=LIMIT_S, more=WITHOUT_BROKER)
            )
        except FileNotFoundError as error:
            pytest.fail(str(error), pytrace=False)
        yield house


async def end_motion(house: House) -> None:
    await house.publish("cam/front/motion", "OFF")
    await house.home.until_state(MOTION, "off")
    await house.home.until_state(ALARM, "off", limit_s=HOLD_S + 30)
    # Until then the verdict on this motion would count for the next one as well.
    await asyncio.sleep(COUNTS_FOR_S)


async def begin_motion_in_flight(house: House) -> None:
    """Let something move, and hold its pictures back: the worker has it, and gives no verdict."""
    house.cameras.delay_s = 30.0
    await house.motion("front", PERSON)
    await house.home.until_state(MOTION, "on")
    await until(lambda: house.cameras.requests)


async def judge_again(house: House, phone: Phone) -> None:
    """See that all is as before: a person is told of once, and no motion goes unjudged."""
    phone.pushes.clear()
    await house.decide("front", PERSON)
    await until(lambda: phone.about("A person moved"), 20)
    await end_motion(house)
    assert phone.about("not judged") == []


async def test_a_person_is_told_with_the_picture_and_the_answer_reaches_the_worker(
    guarded: House, phone: Phone
) -> None:
    decision = await guarded.decide("front", PERSON)
    event_id = decision["attributes"]["event_id"]
    await until(lambda: phone.about("A person moved"), 20)
    (push,) = phone.about("A person moved")
    assert push["title"] == "Front"
    assert re.fullmatch(r"A person moved, \d\d:\d\d", push["message"])
    data = push["data"]
    assert data["clickAction"] == f"/alarms/0?veroallarme={event_id}"
    picture = await guarded.home.get(data["image"].removeprefix("/api/"))
    assert picture.startswith(b"\xff\xd8\xff")
    false_alarm = data["actions"][1]
    assert false_alarm["title"] == "False alarm"
    await guarded.home.post(
        "events/mobile_app_notification_action", {"action": false_alarm["action"]}
    )
    await until(lambda: phone.about("Thanks"), 20)
    store = EventStore(guarded.worker.data_dir)
    assert store.feedback("front") == {event_id: False}
    store.close()
    # The same person comes again in the tests below, and shall be no false alarm there.
    device = (await guarded.devices())["Front"]["id"]
    taken_back = {"device_id": device, "event_id": event_id, "feedback": "taken_back"}
    await guarded.home.act("veroallarme.give_feedback", **taken_back)
    await end_motion(guarded)
    assert phone.about("not judged") == []


async def test_a_person_who_comes_while_the_alarm_is_on_is_told_and_heard(
    guarded: House, phone: Phone
) -> None:
    phone.pushes.clear()
    await guarded.decide("front", "car_turns_into_the_drive")
    await until(lambda: phone.pushes, 20)
    # The car's motion goes on, and with it its alarm.
    await guarded.decide("front", PERSON)
    await until(lambda: phone.about("A person moved"), 20)
    (person,) = phone.about("A person moved")
    assert person["data"]["importance"] == "high"
    assert person["data"]["tag"] == phone.pushes[0]["data"]["tag"]
    await end_motion(guarded)
    assert phone.about("not judged") == []


async def test_motion_that_a_killed_worker_does_not_judge_is_told(
    guarded: House, phone: Phone
) -> None:
    phone.pushes.clear()
    guarded.worker.kill()
    await guarded.publish("cam/front/motion", "ON")
    await until(lambda: phone.about("not judged"), LIMIT_S + 30)
    guarded.worker.start()
    await guarded.home.until_state(ALARM, "on", "off")
    await end_motion(guarded)
    assert len(phone.about("not judged")) == 1


@pytest.mark.parametrize("away_s", [13, 30])
async def test_motion_in_flight_when_the_worker_restarts_is_told(
    guarded: House, phone: Phone, away_s: float
) -> None:
    """Longer away than a verdict is waited for: it comes too late to count, and is told as well."""
    phone.pushes.clear()
    await begin_motion_in_flight(guarded)
    guarded.worker.kill()
    guarded.cameras.delay_s = 0.0
    await asyncio.sleep(away_s)
    guarded.worker.start()
    await until(lambda: phone.about("not judged"), LIMIT_S + 50)
    # What the dead worker had accepted is judged after all: the person is still there.
    await until(lambda: phone.about("A person moved"), 60)
    await end_motion(guarded)
    assert len(phone.about("not judged")) == 1
    await judge_again(guarded, phone)


async def test_motion_that_a_hanging_worker_does_not_judge_is_told(
    guarded: House, phone: Phone
) -> None:
    phone.pushes.clear()
    os.kill(guarded.worker.pid, signal.SIGSTOP)
    try:
        await guarded.motion("front", PERSON)
        await until(lambda: phone.about("not judged"), LIMIT_S + 30)
    finally:
        os.kill(guarded.worker.pid, signal.SIGCONT)
    await guarded.home.until_state(ALARM, "on", limit_s=60)
    await end_motion(guarded)
    assert len(phone.about("not judged")) == 1
    await judge_again(guarded, phone)


async def test_motion_without_a_broker_is_told(guarded: House, phone: Phone) -> None:
    home = guarded.home
    await home.act("automation.turn_off", entity_id="automation.notify")
    await home.until_state("automation.notify", "off")
    devices = await home.ask("config/device_registry/list")
    (device,) = [device["id"] for device in devices if device["name"] == "Phone"]
    await notify_about(home, "wired", WIRED, str(device), LIMIT_S)
    phone.pushes.clear()

    # The worker has the motion, and cannot bring its verdict.
    await begin_motion_in_flight(guarded)
    await home.act("input_boolean.turn_on", entity_id=SEEN)
    await home.until_state(WIRED, "on")
    guarded.broker.kill()
    guarded.cameras.delay_s = 0.0
    await home.until_state(ALARM, "unavailable")
    await until(lambda: len(phone.about("not judged")) == 1, LIMIT_S + 30)
    # What moves while there is no broker is told at once.
    await home.act("input_boolean.turn_off", entity_id=SEEN)
    await home.until_state(WIRED, "off")
    await home.act("input_boolean.turn_on", entity_id=SEEN)
    await until(lambda: len(phone.about("not judged")) == 2, 30)

    guarded.broker.start()
    await home.until_state(WORKER, "on", limit_s=60)
    await home.act("input_boolean.turn_off", entity_id=SEEN)
    await home.act("automation.turn_off", entity_id="automation.wired")
    await home.act("automation.turn_on", entity_id="automation.notify")
    await home.until_state("automation.notify", "on")
    await end_motion(guarded)
    assert len(phone.about("not judged")) == 2
    await judge_again(guarded, phone)


async def test_nothing_of_ours_went_wrong(guarded: House) -> None:
    assert guarded.faults() == []
