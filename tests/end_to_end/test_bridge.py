"""A camera of Home Assistant's own, judged by a worker that cannot reach it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from benchmarks.home_assistant_peer import RequestError
from benchmarks.house import House, jpegs, worker_configuration
from benchmarks.peers import Listener, until
from veroallarme_core.worker.storage.event_store import EventStore

from .conftest import CORRUPT, PERSON

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAMERA = "camera.porch"
MOTION = "binary_sensor.porch_motion"
ALARM = "binary_sensor.porch_relevant_motion"
DECISION = "event.porch_decision"
BURST = "veroallarme/home/camera/porch/burst"
EVENT = "veroallarme/home/camera/porch/event"
CHANGE_EVERY_S = 0.6


@contextlib.asynccontextmanager
async def showing(picture: Path, frames: Sequence[bytes]) -> AsyncIterator[None]:
    """Let the picture of a camera change again and again."""

    async def change() -> None:
        for frame in itertools.cycle(frames):
            new = picture.with_suffix(".new")
            new.write_bytes(frame)
            os.replace(new, picture)
            await asyncio.sleep(CHANGE_EVERY_S)

    task = asyncio.create_task(change())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.contextmanager
def without(picture: Path) -> Iterator[None]:
    """Let a camera have no picture."""
    content = picture.read_bytes()
    picture.unlink()
    try:
        yield
    finally:
        picture.write_bytes(content)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def porch(house: House) -> Path:
    """Home Assistant's own camera of a file, and its motion."""
    picture = house.home.show("Porch", jpegs(PERSON)[0])
    await house.home.add_file_camera("Porch", picture)
    await house.publish("cam/porch/motion", "OFF", retain=True)
    await house.home.until_state(MOTION, "off")
    return picture


async def bridge_porch(house: House) -> None:
    entry = await house.entry()
    both = {"camera_entity": CAMERA, "motion_entity": MOTION}
    await house.home.add_subentry(entry["entry_id"], "camera", both)
    await house.home.until_state(ALARM, "off")


async def subentries(house: House) -> list[dict[str, Any]]:
    entry_id = (await house.entry())["entry_id"]
    found: list[dict[str, Any]] = await house.home.ask(
        "config_entries/subentries/list", entry_id=entry_id
    )
    return found


async def decide(house: House, picture: Path, scene: str, *between: bytes) -> dict[str, Any]:
    """Let the camera see a scene and its sensor report motion; return the decision.

    Args:
        between: what the camera answers before each picture.
    """
    before = await house.home.state(DECISION)
    answers = [one for frame in jpegs(scene) for one in (*between, frame)]
    async with showing(picture, answers):
        await house.publish("cam/porch/motion", "ON", retain=True)
        decision = await house.decision_after("porch", before)
    attributes: dict[str, Any] = decision["attributes"]
    return attributes


async def test_the_flow_says_what_is_wrong_with_a_camera(house: House, porch: Path) -> None:
    entry = await house.entry()
    both = {"camera_entity": CAMERA, "motion_entity": MOTION}
    with without(porch), pytest.raises(RequestError, match="no_picture"):
        await house.home.add_subentry(entry["entry_id"], "camera", both)


async def test_motion_of_a_bridged_camera_becomes_a_verdict(house: House, porch: Path) -> None:
    await bridge_porch(house)
    device = (await house.devices())["Porch"]
    (subentry,) = await subentries(house)
    assert device["config_entries_subentries"] == {
        (await house.entry())["entry_id"]: [subentry["subentry_id"]]
    }
    await house.publish("veroallarme/home/camera/porch/set", '{"mode": "filter", "hold_s": 3}')
    await house.home.until_state("select.porch_mode", "filter")

    decision = await decide(house, porch, PERSON)
    assert decision["event_type"] == "relevant"
    alarm = await house.home.until_state(ALARM, "on")
    assert alarm["attributes"]["event_id"] == decision["event_id"]
    stored = sorted((house.worker.data_dir / "porch" / decision["event_id"]).iterdir())
    assert len(stored) == 3
    # Motion without an end would hold the alarm for a minute.
    await house.publish("cam/porch/motion", "OFF", retain=True)
    await house.home.until_state(ALARM, "off")


async def test_nuisance_before_a_bridged_camera_raises_no_alarm(house: House, porch: Path) -> None:
    decision = await decide(house, porch, CORRUPT)
    assert decision["event_type"] == "irrelevant"
    assert (await house.home.state(ALARM))["state"] == "off"
    await house.publish("cam/porch/motion", "OFF", retain=True)


async def test_analyze_takes_the_pictures_through_home_assistant(house: House, porch: Path) -> None:
    device = (await house.devices())["Porch"]["id"]
    async with showing(porch, jpegs(PERSON)):
        verdict = await house.home.act("veroallarme.analyze", respond=True, device_id=device)
    assert verdict["camera"] == "porch"
    assert verdict["frames"]["distinct"] >= 2


async def test_a_worker_that_lost_everything_is_told_about_the_camera_again(
    house: House, porch: Path
) -> None:
    house.worker.kill()
    await house.home.until_state(ALARM, "unavailable")
    state = house.worker.folder / "state"
    (state / "bridged.json").unlink()
    # The broker has forgotten it too: nobody but Home Assistant knows of the camera.
    await house.publish("veroallarme/home/camera/porch/config", "", retain=True)
    house.worker.start()
    await house.home.until_state(ALARM, "off")
    # To the worker it is a new camera, with first values for its settings.
    await house.publish("veroallarme/home/camera/porch/set", '{"hold_s": 3}')
    decision = await decide(house, porch, PERSON)
    assert decision["event_type"] == "relevant"
    await house.publish("cam/porch/motion", "OFF", retain=True)


async def test_motion_without_a_picture_alerts(house: House, porch: Path) -> None:
    before = await house.home.state(DECISION)
    with without(porch):
        await house.publish("cam/porch/motion", "ON", retain=True)
        await house.decision_after("porch", before)
    alarm = await house.home.until_state(ALARM, "on")
    assert alarm["attributes"]["state"] == "unknown"
    await house.home.until_state("binary_sensor.porch_pictures", "off")
    await house.publish("cam/porch/motion", "OFF", retain=True)


async def test_an_error_page_is_no_picture(house: House, porch: Path) -> None:
    await house.home.until_state(ALARM, "off", limit_s=60)
    page = b'<?xml version="1.0"?><ResponseStatus><id>6</id></ResponseStatus>'
    async with Listener(house.broker.port, [BURST]).listen() as heard:
        decision = await decide(house, porch, PERSON, page)
        (burst,) = heard.on("burst")
    assert burst.json()["event_id"] == decision["event_id"]
    pictures = [base64.b64decode(frame["jpeg"]) for frame in burst.json()["frames"]]
    assert pictures
    assert all(picture.startswith(b"\xff\xd8\xff") for picture in pictures)
    await house.publish("cam/porch/motion", "OFF", retain=True)


async def signal_motion(house: House) -> None:
    """Let the sensor report motion, whether or not its broker is there."""
    await house.home.post(f"states/{MOTION}", {"state": "on"})


async def test_motion_while_the_broker_is_away_becomes_a_verdict(house: House, porch: Path) -> None:
    await house.home.until_state(ALARM, "off", limit_s=60)
    before = await house.home.state(DECISION)
    house.broker.kill()
    await house.home.until_state(ALARM, "unavailable")
    async with showing(porch, jpegs(PERSON)):
        await signal_motion(house)
        await asyncio.sleep(3 * CHANGE_EVERY_S)
    house.broker.start()
    decision = await house.decision_after("porch", before, limit_s=60)
    assert decision["attributes"]["event_type"] == "relevant"
    await house.publish("cam/porch/motion", "OFF", retain=True)


async def test_motion_at_the_moment_at_which_home_assistant_stops_becomes_a_verdict(
    house: House, porch: Path
) -> None:
    await house.home.until_state(MOTION, "off", limit_s=60)
    async with Listener(house.broker.port, [EVENT]).listen() as heard:
        await signal_motion(house)
        await house.home.stop()
        await heard.until(lambda: heard.on("event"))
        (decision,) = heard.on("event")
    assert decision.json()["relevant"] is True
    await house.home.start()
    await house.home.until_state(MOTION, "off")


async def test_a_camera_of_the_workers_file_keeps_its_name(house: House, porch: Path) -> None:
    """The file names a camera like the bridged one: the file wins, and the worker says so."""
    await house.home.until_state(ALARM, "off", limit_s=60)
    house.worker.configure(worker_configuration(house.broker.port, house.cameras, "front", "porch"))
    assert await house.worker.terminate() == 0
    house.worker.start()
    problem = "binary_sensor.veroallarme_home_problem"

    async def named() -> bool:
        # While no worker is there that is the problem, and its message says nothing yet.
        trouble = await house.home.state(problem)
        return "porch" in (trouble["attributes"]["message"] or "")

    await until(named)
    house.worker.configure(worker_configuration(house.broker.port, house.cameras, "front"))
    assert await house.worker.terminate() == 0
    house.worker.start()
    await house.home.until_state(problem, "off")


async def test_removing_the_subentry_removes_the_camera(house: House, porch: Path) -> None:
    await house.home.until_state(ALARM, "off", limit_s=60)
    (subentry,) = await subentries(house)
    entry = await house.entry()
    await house.home.ask(
        "config_entries/subentries/delete",
        entry_id=entry["entry_id"],
        subentry_id=subentry["subentry_id"],
    )

    async def gone() -> bool:
        return "Porch" not in await house.devices()

    await until(gone)
    assert (await house.home.state(ALARM))["state"] == "missing"

    def forgotten() -> bool:
        store = EventStore(house.worker.data_dir)
        try:
            return "porch" not in store.cameras()
        finally:
            store.close()

    await until(forgotten)
    assert (await house.home.state("binary_sensor.front_relevant_motion"))["state"] == "off"


async def test_nothing_of_ours_went_wrong(house: House) -> None:
    assert house.faults() == []
