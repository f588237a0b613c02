import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint import models
from homeassistant.components.mobile_app import device_action
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

from custom_components.veroallarme import verdict_watch

from .archive import Archive, past_event
from .test_actions import device_id
from .worker import (
    INFO,
    REVIEW,
    changed,
    entity_id,
    moment,
    nuisance,
    publish,
    say,
    state,
    verdict,
)

BLUEPRINTS = Path(__file__).parents[2] / "blueprints" / "automation" / "veroallarme"
MOTION = "binary_sensor.camera_motion"
EVENT = "20261123_061402_9f31c4"
LIMIT_S = 0.2
"""How long a verdict is waited for, in seconds of the real clock."""


@pytest.fixture(autouse=True)
def blueprints() -> Iterator[None]:
    """Load blueprints from this checkout."""

    def load(self: models.DomainBlueprints, path: str) -> models.Blueprint:
        content = load_yaml(BLUEPRINTS / path)
        return models.Blueprint(
            content, expected_domain=self.domain, path=path, schema=AUTOMATION_BLUEPRINT_SCHEMA
        )

    with patch.object(models.DomainBlueprints, "_load_blueprint", load):
        yield


@pytest.fixture
def phone(hass: HomeAssistant) -> Iterator[str]:
    """A phone, the second one of its name: what is sent to the first is sent to nobody."""
    devices = []
    for number in ("1", "2"):
        entry = MockConfigEntry(domain="mobile_app")
        entry.add_to_hass(hass)
        device = dr.async_get(hass).async_get_or_create(
            config_entry_id=entry.entry_id, identifiers={("mobile_app", number)}, name="My Phone"
        )
        devices.append(device.id)
    hass.config.components.add("mobile_app")
    services = {devices[0]: "mobile_app_my_phone", devices[1]: "mobile_app_my_phone_2"}
    with (
        patch.object(device_action, "webhook_id_from_device_id", lambda _, device_id: device_id),
        patch.object(device_action, "get_notify_service", lambda _, device_id: services[device_id]),
    ):
        yield devices[1]


@pytest.fixture
def notified(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "notify", "mobile_app_my_phone_2")


async def automate(hass: HomeAssistant, name: str, inputs: dict[str, Any]) -> None:
    use = {"path": name, "input": inputs}
    config = {"automation": [{"id": "one", "alias": "One", "use_blueprint": use}]}
    assert await async_setup_component(hass, "automation", config)
    await hass.async_block_till_done()
    found = hass.states.get("automation.one")
    assert found is not None
    assert found.state == "on"


async def watch(hass: HomeAssistant, phone: str, **others: Any) -> None:
    """Notify about the drive."""
    inputs = {
        "alarm": entity_id(hass, "binary_sensor", "relevant_motion"),
        "motion": MOTION,
        "phones": [phone],
        "limit": LIMIT_S,
    }
    await automate(hass, "notify_relevant_motion.yaml", inputs | others)


@pytest.fixture
async def notify(hass: HomeAssistant, site, archive: Archive, phone: str) -> MockConfigEntry:
    hass.states.async_set(MOTION, "off", {"friendly_name": "Raw motion"})
    await watch(hass, phone)
    return site


@pytest.fixture
async def patient(hass: HomeAssistant, site, archive: Archive, phone: str) -> MockConfigEntry:
    """A blueprint that waits for as long as a busy machine needs."""
    hass.states.async_set(MOTION, "off", {"friendly_name": "Raw motion"})
    await watch(hass, phone, limit=60)
    return site


async def alarm(hass: HomeAssistant, event_id: str = EVENT, **changes: Any) -> None:
    await say(hass, "camera/drive/verdict", verdict(event_id, **changes))
    await say(hass, "camera/drive/relevant", "ON")


async def move(hass: HomeAssistant, *states: str) -> None:
    for one in states:
        hass.states.async_set(MOTION, one)
        await hass.async_block_till_done()


async def settle(hass: HomeAssistant) -> None:
    """Let everything happen that can now, but wait for no verdict."""
    for _ in range(100):
        await asyncio.sleep(0)


async def begin_motion(hass: HomeAssistant, *states: str) -> None:
    for one in states or ("on",):
        hass.states.async_set(MOTION, one)
        await settle(hass)


async def publish_now(hass: HomeAssistant, topic: str, payload: Any) -> None:
    publish(hass, topic, payload)
    await settle(hass)


async def test_relevant_motion_is_notified_with_words_picture_and_buttons(
    hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await hass.config.async_set_time_zone("Europe/Paris")
    await alarm(hass, motion_at="2026-11-23T06:14:02.517+00:00")
    (call,) = notified
    assert call.data["title"] == "Drive"
    assert call.data["message"] == "A person moved, 07:14"
    data = call.data["data"]
    assert data["image"] == f"/api/veroallarme/{device_id(hass)}/{EVENT}/annotated.jpg"
    assert [action["title"] for action in data["actions"]] == ["Relevant", "False alarm"]


async def test_what_comes_while_the_alarm_is_on_is_told_and_a_person_is_heard(
    hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    cat = [{"kind": "animal", "class": "cat", "score": 0.8, "x": 1, "y": 1, "width": 9,
            "height": 9}]  # fmt: skip
    await alarm(hass, "20261123_061402_000001", objects=cat)
    for number, changes in enumerate(({"objects": cat}, {}, {}), start=2):
        content = verdict(f"20261123_061402_00000{number}", **changes)
        await say(hass, "camera/drive/verdict", content)
    # What raises no alarm is told by nobody.
    await say(hass, "camera/drive/verdict", nuisance("20261123_061402_000009"))
    words = [call.data["message"].partition(",")[0] for call in notified]
    assert words == ["An animal moved", "An animal moved", "A person moved", "A person moved"]
    sounds = [call.data["data"]["importance"] for call in notified]
    assert sounds == ["high", "low", "high", "low"]
    assert len({call.data["data"]["tag"] for call in notified}) == 1


async def test_our_own_alarm_as_the_motion_of_the_camera_is_an_error(
    hass: HomeAssistant, site, archive, phone: str, notified, caplog: pytest.LogCaptureFixture
) -> None:
    await watch(hass, phone, motion=entity_id(hass, "binary_sensor", "relevant_motion"))
    await alarm(hass)
    assert len(notified) == 1
    assert "The camera's own motion is an entity of VeroAllarme" in caplog.text


async def test_motion_that_is_judged_is_not_notified_besides(
    hass: HomeAssistant, patient, notified: list[ServiceCall]
) -> None:
    await begin_motion(hass, "on", "off")
    await publish_now(hass, "camera/drive/verdict", nuisance(motion_at=moment()))
    await hass.async_block_till_done()
    assert notified == []


@pytest.mark.parametrize("source", [MOTION, "event.bell"])
async def test_motion_that_nobody_judges_in_time_is_notified(
    hass: HomeAssistant, site, archive, phone: str, notified: list[ServiceCall], source: str
) -> None:
    """The worker hangs: it is online, and says nothing."""
    hass.states.async_set(source, "off" if source == MOTION else moment(-3600))
    await watch(hass, phone, motion=source, camera_entity="camera.drive")
    await say(hass, "camera/drive/verdict", nuisance(motion_at=moment(-60), decided_at=moment(-58)))
    hass.states.async_set(source, "on" if source == MOTION else moment())
    await hass.async_block_till_done()
    (call,) = notified
    assert call.data["title"] == "Drive"
    assert call.data["message"].startswith("Motion that was not judged in time, ")
    assert call.data["data"]["image"] == "/api/camera_proxy/camera.drive"
    assert "actions" not in call.data["data"]


async def test_while_veroallarme_is_away_motion_is_notified_at_once(
    hass: HomeAssistant, site, archive, phone: str, notified: list[ServiceCall]
) -> None:
    hass.states.async_set(MOTION, "off")
    await watch(hass, phone, limit=60)
    await say(hass, "worker/main/status", "offline")
    await move(hass, "on", "off", "unavailable", "off")
    assert len(notified) == 1


@pytest.mark.parametrize("away_s", [0.0, LIMIT_S / 4, 3 * LIMIT_S])
async def test_a_worker_that_restarts_hides_no_motion(
    hass: HomeAssistant, notify, notified: list[ServiceCall], away_s: float
) -> None:
    """Its broker had not kept the motion: nothing comes of it after the restart."""
    await begin_motion(hass)
    await publish_now(hass, "worker/main/status", "offline")
    await asyncio.sleep(away_s)
    await publish_now(hass, "worker/main/status", "online")
    await hass.async_block_till_done()
    assert len(notified) == 1


async def test_a_worker_that_judges_after_its_restart_is_waited_for(
    hass: HomeAssistant, patient, notified: list[ServiceCall]
) -> None:
    await begin_motion(hass)
    await publish_now(hass, "worker/main/status", "offline")
    await publish_now(hass, "worker/main/status", "online")
    await publish_now(hass, "camera/drive/verdict", nuisance(motion_at=moment()))
    await hass.async_block_till_done()
    assert notified == []


async def test_motion_that_is_not_judged_leaves_the_picture_of_the_alarm_before(
    hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await alarm(hass, motion_at=moment(-60))
    await move(hass, "on")
    first, second = (call.data["data"] for call in notified)
    assert first["actions"]
    assert first["tag"] != second["tag"]


async def test_a_button_hides_no_motion_in_flight(
    hass: HomeAssistant, notify, notified: list[ServiceCall], archive: Archive
) -> None:
    await alarm(hass, motion_at=moment(-60))
    pressed = notified[0].data["data"]["actions"][0]["action"]
    await begin_motion(hass)
    hass.bus.async_fire("mobile_app_notification_action", {"action": pressed})
    await hass.async_block_till_done()
    messages = [call.data["message"] for call in notified]
    assert any(message.startswith("Motion that was not judged") for message in messages)
    assert "Thanks, I will remember." in messages


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_happens_each_motion_is_judged_or_told(
    hass: HomeAssistant, notify, notified: list[ServiceCall], seed: int
) -> None:
    """Kills, restarts, buttons and verdicts in any order, five motions in each run."""
    chance = random.Random(seed)
    for number in range(5):
        before = len(notified)
        await move(hass, "off")
        steps = [chance.choice(("offline", "online", "press", "verdict")) for _ in range(3)]
        with patch.object(verdict_watch, "LATE_S", 0.0):
            await begin_motion(hass)
            motion_at = moment()
            for step in steps:
                match step:
                    case "verdict":
                        event_id = f"20261123_0614{seed:02}_{number:06x}"
                        judged = nuisance(event_id, motion_at=motion_at)
                        await publish_now(hass, "camera/drive/verdict", judged)
                    case "press":
                        action = f"veroallarme|{device_id(hass)}|{EVENT}|relevant"
                        hass.bus.async_fire("mobile_app_notification_action", {"action": action})
                        await settle(hass)
                    case status:
                        await publish_now(hass, "worker/main/status", status)
            await hass.async_block_till_done()
        told = [
            call for call in notified[before:] if call.data["message"].startswith("Motion that")
        ]
        assert len(told) <= 1, steps
        assert told or "verdict" in steps, steps


async def test_an_alarm_is_notified_once_however_often_things_restart(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await alarm(hass)
    freezer.tick(5)
    await say(hass, "worker/main/status", "offline")
    await say(hass, "worker/main/status", "online")
    assert state(hass, "binary_sensor", "relevant_motion") == "on"
    assert len(notified) == 1


async def test_an_alarm_that_came_during_a_restart_is_notified(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await alarm(hass)
    await say(hass, "camera/drive/relevant", "OFF")
    await say(hass, "worker/main/status", "offline")
    freezer.tick(20)
    await alarm(hass, "20261123_061422_000002", decided_at=moment(), hold_until=moment(60))
    await say(hass, "worker/main/status", "online")
    assert len(notified) == 2


@pytest.mark.parametrize(
    ("source", "states", "count"),
    [
        ("binary_sensor.new", ["on"], 1),
        ("binary_sensor.new", ["unavailable", "on", "on"], 1),
        ("binary_sensor.new", ["off", "unavailable", "unknown", "off"], 0),
        ("event.bell", ["2026-11-23T06:00:00.000+00:00"], 0),
        ("event.bell", ["unknown", "2026-11-23T06:00:00.000+00:00"], 1),
        ("event.bell", ["unavailable", "2026-11-23T06:00:00.000+00:00", "unavailable"], 0),
    ],
)
async def test_a_source_that_comes_while_veroallarme_is_away(
    hass: HomeAssistant, site, phone: str, notified, source: str, states: list[str], count: int
) -> None:
    await say(hass, "worker/main/status", "offline")
    await watch(hass, phone, motion=source)
    for one in states:
        hass.states.async_set(source, one)
        await hass.async_block_till_done()
    assert len(notified) == count


async def test_an_alarm_of_the_moments_before_the_connection_was_lost_is_notified(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    decided_at = moment()
    freezer.tick(40)
    await say(hass, "worker/main/status", "offline")
    await alarm(hass, decided_at=decided_at, hold_until=moment(60))
    freezer.tick(5)
    await say(hass, "worker/main/status", "online")
    assert len(notified) == 1


async def test_a_clock_that_is_ahead_brings_no_alarm_twice(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await alarm(hass, decided_at=moment(2), hold_until=moment(62))
    freezer.tick(10)
    await say(hass, "worker/main/status", "offline")
    freezer.tick(5)
    await say(hass, "worker/main/status", "online")
    assert state(hass, "binary_sensor", "relevant_motion") == "on"
    assert len(notified) == 1


async def test_the_digest_is_sent_in_the_evening(
    freezer: FrozenDateTimeFactory,
    hass: HomeAssistant,
    start_site,
    archive: Archive,
    phone: str,
    notified: list[ServiceCall],
) -> None:
    freezer.move_to("2026-11-23 18:59:30+00:00")
    await hass.config.async_set_time_zone("UTC")
    await start_site(changed(INFO, cameras=INFO["cameras"][:1]))
    await automate(hass, "daily_digest.yaml", {"phones": [phone], "page": "/alarms/0"})
    archive.events = [past_event(nuisance(motion_at=moment(-3600)))]
    await say(hass, "camera/drive/review", REVIEW)
    assert notified == []
    freezer.move_to("2026-11-23 19:00:01+00:00")
    async_fire_time_changed(hass, dt_util.utcnow())
    await hass.async_block_till_done()
    (call,) = notified
    assert call.data["message"].splitlines()[0] == "1 event, 1 suppressed, 1 worth a look"
    assert call.data["data"]["clickAction"] == "/alarms/0"
