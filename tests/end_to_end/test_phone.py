"""What a family gets on its phones: a real Home Assistant, and a phone that takes its pushes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from benchmarks.house import House, running_house
from benchmarks.peers import serving, until
from veroallarme_core.worker.storage import EventStore

from .conftest import HOLD_S, PERSON

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

LIMIT_S = 10
WITH_A_PHONE = """
automation: !include automations.yaml
mobile_app:
mqtt:
  binary_sensor:
    - name: Front camera motion
      unique_id: front_camera_motion
      state_topic: cam/front/motion
      payload_on: "ON"
      payload_off: "OFF"
      device_class: motion
"""
MOTION = "binary_sensor.front_camera_motion"


@dataclass
class Phone:
    """Takes pushes over HTTP, as the service of the app's maker does."""

    port: int = 0
    pushes: list[dict[str, Any]] = field(default_factory=list)

    async def _push(self, request: web.Request) -> web.Response:
        self.pushes.append(await request.json())
        return web.json_response({}, status=201)

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Phone]:
        app = web.Application()
        app.router.add_post("/push", self._push)
        async with serving(app) as self.port:
            yield self

    async def register(self, house: House) -> str:
        """Log in as the app does; return the device of the phone."""
        await house.home.post(
            "mobile_app/registrations",
            {
                "device_id": "phone",
                "app_id": "test",
                "app_name": "Test",
                "app_version": "1",
                "device_name": "Phone",
                "manufacturer": "Test",
                "model": "Test",
                "os_name": "Test",
                "os_version": "1",
                "supports_encryption": False,
                "app_data": {
                    "push_token": "token",
                    "push_url": f"http://127.0.0.1:{self.port}/push",
                },
            },
        )
        devices = await house.home.ask("config/device_registry/list")
        (device,) = [device["id"] for device in devices if device["name"] == "Phone"]
        return str(device)

    def about(self, words: str) -> list[dict[str, Any]]:
        """Return the pushes whose message matches."""
        return [push for push in self.pushes if re.search(words, push["message"])]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phone() -> AsyncIterator[Phone]:
    """A phone without a house yet."""
    async with Phone().serve() as phone:
        yield phone


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(phone: Phone, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose blueprint notifies the phone."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "home-assistant").mkdir()
    (folder / "home-assistant" / "automations.yaml").write_text("[]", encoding="utf-8")
    try:
        async with running_house(folder, "front", hold_s=HOLD_S, more=WITH_A_PHONE) as house:
            device = await phone.register(house)
            inputs = {
                "alarm": "binary_sensor.front_relevant_motion",
                "motion": MOTION,
                "phones": [device],
                "page": "/alarms/0",
                "limit": LIMIT_S,
            }
            path = "veroallarme/notify_relevant_motion.yaml"
            await house.home.post(
                "config/automation/config/notify",
                {"alias": "Notify", "use_blueprint": {"path": path, "input": inputs}},
            )
            await house.home.until_state("automation.notify", "on")
            yield house
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)


async def end_motion(house: House) -> None:
    await house.publish("cam/front/motion", "OFF")
    await house.home.until_state(MOTION, "off")
    await house.home.until_state("binary_sensor.front_relevant_motion", "off", limit_s=HOLD_S + 10)


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
    await guarded.home.until_state("binary_sensor.front_relevant_motion", "on", "off")
    await end_motion(guarded)
    assert len(phone.about("not judged")) == 1


async def test_nothing_of_ours_went_wrong(guarded: House) -> None:
    assert guarded.faults() == []
