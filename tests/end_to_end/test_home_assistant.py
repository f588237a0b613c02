"""A motion message goes in, the right entities come out; whatever is killed comes back right."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from benchmarks.home_assistant_peer import RequestError
from benchmarks.house import House
from benchmarks.peers import until
from veroallarme_core.worker.storage.event_store import EventStore

from .conftest import CORRUPT, HOLD_S, PERSON

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALARM = "binary_sensor.front_relevant_motion"
DECISION = "event.front_decision"
IMAGE = "image.front_last_event"


async def test_every_camera_is_a_device_below_its_site(house: House) -> None:
    devices = await house.devices()
    assert set(devices) == {"VeroAllarme home", "Front"}
    assert devices["Front"]["via_device_id"] == devices["VeroAllarme home"]["id"]
    entities = await house.entities()
    enabled = [one["entity_id"] for one in entities if one["disabled_by"] is None]
    states = {one: (await house.home.state(one))["state"] for one in enabled}
    assert "missing" not in states.values()
    assert "unavailable" not in states.values()


async def test_relevant_motion_raises_the_alarm_with_its_reasons(house: House) -> None:
    decision = await house.decide("front", PERSON)
    alarm = await house.home.until_state(ALARM, "on")
    verdict = alarm["attributes"]
    assert verdict["state"] == "relevant"
    assert verdict["score"] >= verdict["threshold"]
    assert verdict["num_relevant"] >= 1
    assert any(region["is_relevant"] for region in verdict["regions"])
    assert verdict["explanation"].endswith(".")

    assert decision["attributes"]["event_type"] == "relevant"
    assert decision["attributes"]["event_id"] == verdict["event_id"]

    folder = house.worker.data_dir / "front" / verdict["event_id"]
    assert (folder / "0.jpg").exists()
    image = await house.home.state(IMAGE)
    picture = await house.home.get(f"image_proxy/{IMAGE}")
    assert picture.startswith(b"\xff\xd8\xff")
    assert datetime.fromisoformat(image["state"]) > datetime.fromisoformat(verdict["motion_at"])

    await house.publish("cam/front/motion", "OFF")
    await house.home.until_state(ALARM, "off", limit_s=HOLD_S + 10)


async def test_nuisance_raises_no_alarm_and_is_counted(house: House) -> None:
    suppressed = "sensor.front_suppressed_events"
    count = int((await house.home.state(suppressed))["state"])
    async with house.home.socket() as socket:
        await socket.ask("subscribe_events", event_type="state_changed")
        decision = await house.decide("front", CORRUPT)
        await house.publish("cam/front/motion", "OFF")
        await socket.collect(1.0)
    assert decision["attributes"]["event_type"] == "irrelevant"
    alarms = [one for one in socket.events if one["data"]["entity_id"] == ALARM]
    assert {one["data"]["new_state"]["state"] for one in alarms} <= {"off"}
    await house.home.until_state(suppressed, str(count + 1))


async def test_thumbs_reach_the_store_of_the_worker(house: House) -> None:
    event_id = (await house.home.state(ALARM))["attributes"]["event_id"]
    device = (await house.devices())["Front"]["id"]
    for thumb, action, data in (
        (True, "button.press", {"entity_id": "button.front_last_event_relevant"}),
        (False, "button.press", {"entity_id": "button.front_last_event_false_alarm"}),
        (
            None,
            "veroallarme.give_feedback",
            {"device_id": device, "event_id": event_id, "feedback": "taken_back"},
        ),
    ):
        await house.home.act(action, **data)
        await until(lambda thumb=thumb: feedback(house, event_id) is thumb)


def feedback(house: House, event_id: str) -> bool | None:
    store = EventStore(house.worker.data_dir)
    try:
        return store.feedback("front").get(event_id)
    finally:
        store.close()


async def test_settings_are_the_workers(house: House) -> None:
    mode, counts = "select.front_mode", "select.front_what_counts"
    everything = (await house.home.state(counts))["state"]
    await house.home.act("select.select_option", entity_id=mode, option="shadow")
    await house.home.until_state(mode, "shadow")
    await house.home.act("select.select_option", entity_id=counts, option="person")
    await house.home.until_state(counts, "person")
    house.worker.kill()
    await house.home.until_state(ALARM, "unavailable")
    house.worker.start()
    await house.home.until_state("binary_sensor.veroallarme_home_worker", "on")
    await house.home.until_state(mode, "shadow")
    await house.home.until_state(counts, "person")
    await house.home.act("select.select_option", entity_id=counts, option=everything)
    await house.home.until_state(counts, everything)
    await house.home.act("select.select_option", entity_id=mode, option="filter")
    await house.home.until_state(mode, "filter")


async def test_analyze_answers_with_a_verdict_and_raises_no_alarm(house: House) -> None:
    device = (await house.devices())["Front"]["id"]
    decision = await house.home.state(DECISION)
    house.cameras.requests.clear()
    verdict = await house.home.act("veroallarme.analyze", respond=True, device_id=device)
    assert verdict["camera"] == "front"
    assert verdict["state"] in {"relevant", "irrelevant", "unknown"}
    assert (await house.home.state(ALARM))["state"] == "off"
    assert (await house.home.state(DECISION))["state"] == decision["state"]
    learning = await house.home.act("veroallarme.learn", respond=True, device_id=device)
    assert learning["learned"] is False
    assert learning["missing"]


async def test_a_camera_without_pictures_alerts_and_says_so(house: House) -> None:
    before = await house.home.state(DECISION)
    house.cameras.frames["front"] = (b"no picture at all",)
    await house.publish("cam/front/motion", "ON")
    decision = await house.decision_after("front", before)
    assert decision["attributes"]["event_type"] == "unknown"
    await house.home.until_state(ALARM, "on")
    await house.home.until_state("binary_sensor.front_pictures", "off")
    await house.home.until_state("binary_sensor.veroallarme_home_problem", "on")
    await house.publish("cam/front/motion", "OFF")
    await house.home.until_state(ALARM, "off", limit_s=HOLD_S + 10)
    await house.decide("front", PERSON)
    await house.home.until_state("binary_sensor.front_pictures", "on")
    await house.publish("cam/front/motion", "OFF")
    await house.home.until_state(ALARM, "off", limit_s=HOLD_S + 10)
    await house.home.until_state("binary_sensor.veroallarme_home_problem", "off")


async def test_a_dead_worker_makes_unavailable_and_leaves_no_alarm_behind(house: House) -> None:
    await house.decide("front", PERSON)
    await house.home.until_state(ALARM, "on")
    house.worker.kill()
    await house.home.until_state(ALARM, "unavailable")
    await house.home.until_state("binary_sensor.veroallarme_home_worker", "off")
    device = (await house.devices())["Front"]["id"]
    with pytest.raises(RequestError, match=r"The worker of Front is offline"):
        await house.home.act("veroallarme.analyze", respond=True, device_id=device)
    # Its end comes while nobody listens, and waits in the broker.
    await house.publish("cam/front/motion", "OFF")
    await asyncio.sleep(HOLD_S)
    async with house.home.socket() as socket:
        await socket.ask("subscribe_events", event_type="state_changed")
        house.worker.start()
        await house.home.until_state(ALARM, "off")
        await socket.collect(2.0)
    changes = [one["data"] for one in socket.events]
    alarms = [one["new_state"]["state"] for one in changes if one["entity_id"] == ALARM]
    assert set(alarms) == {"off"}
    decided = [one["new_state"]["state"] for one in changes if one["entity_id"] == DECISION]
    assert decided == [], "nothing is decided a second time"


def without_microseconds(moment: str) -> str:
    """Write a moment as the state of an event entity."""
    return datetime.fromisoformat(moment).isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    "order", ["broker worker home", "home worker broker", "worker home broker"]
)
@pytest.mark.timeout(240)
async def test_restarts_in_any_order_change_nothing(house: House, order: str) -> None:
    """An alarm is on when one after the other goes down: it ends, and is not repeated."""
    decision = await house.decide("front", PERSON)
    await house.home.until_state(ALARM, "on")
    # The broker writes down what it has within a second.
    await asyncio.sleep(1.5)
    total = (await house.home.state("sensor.front_relevant_events"))["state"]
    await house.publish("cam/front/motion", "OFF")
    await asyncio.sleep(0.5)
    for part in order.split():
        if part == "broker":
            house.broker.kill()
            await house.home.until_state(ALARM, "unavailable")
            house.broker.start()
        elif part == "worker":
            house.worker.kill()
            house.worker.start()
        else:
            await house.home.stop()
            await house.home.start()
    await house.home.until_state("binary_sensor.veroallarme_home_worker", "on", limit_s=60)
    await house.home.until_state(ALARM, "off", limit_s=60)
    times = (decision["state"], without_microseconds(decision["attributes"]["decided_at"]))
    seen = await house.home.until_state(DECISION, *times)
    assert seen["attributes"]["event_id"] == decision["attributes"]["event_id"]
    await house.home.until_state("sensor.front_relevant_events", total)
    # It still works.
    await house.motion("front", PERSON)
    await house.home.until_state(ALARM, "on")
    await house.publish("cam/front/motion", "OFF")
    await house.home.until_state(ALARM, "off", limit_s=HOLD_S + 10)


async def test_nothing_of_ours_went_wrong(house: House) -> None:
    assert house.faults() == []
