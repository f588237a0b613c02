"""A real Home Assistant reads what the worker announces, with and without the integration."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from benchmarks.home_assistant_peer import HomeAssistant
from benchmarks.house import House, agree_to_discovery, jpegs, worker_configuration
from benchmarks.peers import HttpCamera, Mosquitto, WorkerProcess, until
from veroallarme_core.contract import Topics
from veroallarme_core.worker.discovery import camera_device
from veroallarme_core.worker.storage.event_store import EventStore

from .conftest import CORRUPT, HOLD_S, PERSON

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALARM = "binary_sensor.front_relevant_motion"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A worker that announces the cameras `front` and `yard`, and a Home Assistant with MQTT."""
    folder = tmp_path_factory.mktemp("discovery")
    try:
        broker, home = Mosquitto(folder), HomeAssistant(folder)
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    cameras = HttpCamera()
    cameras.frames = {name: jpegs(PERSON) for name in ("front", "yard")}
    broker.start()
    async with cameras.serve():
        worker = WorkerProcess(folder, {})
        house = House(broker, cameras, worker, home)
        configure(house, "front", "yard")
        worker.start()
        try:
            async with home.run():
                await home.connect(broker.port)
                await home.until_state(ALARM, "off")
                yield house
        finally:
            worker.kill()
            broker.kill()


def configure(house: House, *names: str, discovery: bool = True) -> None:
    config = worker_configuration(house.broker.port, house.cameras, *names, hold_s=HOLD_S)
    house.worker.configure({**config, "discovery": discovery})


async def announced(home: HomeAssistant) -> dict[str, dict[str, Any]]:
    """Return the entities that came by announcements."""
    found = await home.ask("config/entity_registry/list")
    return {entity["entity_id"]: entity for entity in found if entity["platform"] == "mqtt"}


async def devices(home: HomeAssistant) -> dict[str, dict[str, Any]]:
    found = await home.ask("config/device_registry/list")
    return {
        device["name"]: device
        for device in found
        if any(domain == "mqtt" for domain, _ in device["identifiers"])
    }


async def test_all_that_is_announced_becomes_an_entity(house: House) -> None:
    entities = await announced(house.home)
    count = len(camera_device(Topics(), "main", "front", "Front", has_picture=True)["cmps"])
    assert {name.partition(".")[0] for name in entities} == {
        "binary_sensor", "button", "event", "image", "number", "select", "sensor", "switch",
    }  # fmt: skip
    front = [entity for name, entity in entities.items() if ".front_" in name]
    yard = [entity for name, entity in entities.items() if ".yard_" in name]
    assert len(front) == len(yard) == count
    assert len(entities) == 2 * count + 3
    states = {name: (await house.home.state(name))["state"] for name in entities}
    assert "missing" not in states.values()
    assert "unavailable" not in states.values()
    known = await devices(house.home)
    assert set(known) == {"VeroAllarme home", "Front", "Yard"}
    assert known["Front"]["via_device_id"] == known["VeroAllarme home"]["id"]
    assert (await house.home.state("binary_sensor.veroallarme_home_worker"))["state"] == "on"
    await house.home.until_state("sensor.veroallarme_home_what_is_wrong", "All is well")
    assert (await house.home.state("binary_sensor.veroallarme_home_problem"))["state"] == "off"


async def test_states_follow_an_event(house: House) -> None:
    home = house.home
    await house.motion("front", PERSON)
    alarm = await home.until_state(ALARM, "on")
    verdict = alarm["attributes"]
    assert verdict["decision"] == "relevant"
    assert verdict["score"] >= verdict["threshold"]
    await home.until_state("sensor.front_last_decision", "Relevant")
    assert (await home.state("sensor.front_reason"))["state"].endswith(".")
    assert float((await home.state("sensor.front_score"))["state"]) == verdict["score"]
    event = await home.state("event.front_decision")
    assert event["attributes"]["event_type"] == "relevant"
    assert event["attributes"]["event_id"] == verdict["event_id"]
    assert (await home.get("image_proxy/image.front_last_event")).startswith(b"\xff\xd8\xff")
    await home.until_state("binary_sensor.front_pictures", "on")
    await home.until_state("sensor.front_relevant_events", "1")
    await house.publish("cam/front/motion", "OFF")
    await home.until_state(ALARM, "off")

    await house.motion("front", CORRUPT)
    await home.until_state("sensor.front_last_decision", "False alarm")
    await home.until_state("sensor.front_suppressed_events", "1")
    await home.until_state("sensor.front_false_alarms", "1")
    assert (await home.state(ALARM))["state"] == "off"
    await house.publish("cam/front/motion", "OFF")


async def test_thumbs_are_about_the_latest_event(house: House) -> None:
    event_id = (await house.home.state(ALARM))["attributes"]["event_id"]
    for button, thumb in (("relevant", True), ("false_alarm", False)):
        await house.home.act("button.press", entity_id=f"button.front_last_event_{button}")
        await until(lambda thumb=thumb: _feedback(house, event_id) is thumb)
    await house.home.act("button.press", entity_id="button.front_learn_now")


def _feedback(house: House, event_id: str) -> bool | None:
    with contextlib.closing(EventStore(house.worker.data_dir)) as store:
        return store.feedback("front").get(event_id)


async def test_settings_are_changed_and_followed(house: House) -> None:
    home = house.home
    for entity, action, data, state in (
        ("select.front_mode", "select.select_option",
         {"option": "Judge, but let everything through"}, "Judge, but let everything through"),
        ("select.front_mode", "select.select_option", {"option": "Filter now"}, "Filter now"),
        ("select.front_what_counts", "select.select_option",
         {"option": "Only people"}, "Only people"),
        ("select.front_what_counts", "select.select_option",
         {"option": "People, animals and vehicles"}, "People, animals and vehicles"),
        ("select.front_what_cannot_be_judged", "select.select_option",
         {"option": "Raises no alarm"}, "Raises no alarm"),
        ("number.front_threshold", "number.set_value", {"value": 0.35}, "0.35"),
        ("number.front_shortest_alarm", "number.set_value", {"value": 7}, "7.0"),
        ("switch.front_judge_motion", "switch.turn_off", {}, "off"),
        ("switch.front_judge_motion", "switch.turn_on", {}, "on"),
        ("button.front_use_calibrated_threshold", "button.press", {}, None),
    ):  # fmt: skip
        await home.act(action, entity_id=entity, **data)
        if state is not None:
            await home.until_state(entity, state)
    await home.until_state("number.front_threshold", "unknown")


async def test_a_dead_worker_makes_its_cameras_unavailable(house: House) -> None:
    house.worker.kill()
    await house.home.until_state(ALARM, "unavailable")
    await house.home.until_state("binary_sensor.veroallarme_home_worker", "off")
    house.worker.start()
    await house.home.until_state(ALARM, "off")


async def test_a_camera_that_is_removed_leaves_nothing_behind(house: House) -> None:
    await house.worker.terminate()
    configure(house, "front")
    house.worker.start()

    async def is_gone() -> bool:
        names = await announced(house.home)
        return not any(".yard_" in name for name in names) and ALARM in names

    await until(is_gone)
    assert set(await devices(house.home)) == {"VeroAllarme home", "Front"}


async def test_the_integration_takes_its_place_and_gives_it_back(house: House) -> None:
    home = house.home
    await agree_to_discovery(home)

    async def is_withdrawn() -> bool:
        return not await announced(home) and set(await house.devices()) == {
            "VeroAllarme home",
            "Front",
        }

    await until(is_withdrawn)
    # The names were taken when its entities came.
    await home.until_state(f"{ALARM}_2", "off")
    entry = await house.entry()
    await home.delete(f"config/config_entries/entry/{entry['entry_id']}")

    async def is_back() -> bool:
        return ALARM in await announced(home)

    await until(is_back)
    await home.until_state(ALARM, "off")


async def test_what_is_switched_off_leaves_nothing_behind(house: House) -> None:
    await house.worker.terminate()
    configure(house, "front", discovery=False)
    house.worker.start()

    async def is_gone() -> bool:
        return not await announced(house.home) and not await devices(house.home)

    await until(is_gone)
    memory = house.worker.folder / "state" / "discovery.json"
    await until(lambda: json.loads(memory.read_bytes()) == {"announced": []})


async def test_neither_side_had_anything_to_complain_of(house: House) -> None:
    assert house.faults() == []
    lines = house.home.log.splitlines()
    wrong = [line for line in lines if " ERROR " in line or " WARNING " in line]
    assert [line for line in wrong if "mqtt" in line.lower() or "template" in line.lower()] == []
