import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint import models
from homeassistant.components.mobile_app import device_action
from homeassistant.core import HomeAssistant, ServiceCall, SupportsResponse
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

from .worker import REVIEW, entity_id, moment, nuisance, publish, say, sent, state, verdict

BLUEPRINTS = Path(__file__).parents[2] / "blueprints" / "automation" / "veroallarme"
MOTION = "binary_sensor.camera_motion"
EVENT = "20261123_061402_9f31c4"


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


async def watch(hass: HomeAssistant, phone: str, **others: str) -> None:
    """Notify about the drive."""
    inputs = {
        "alarm": entity_id(hass, "binary_sensor", "relevant_motion"),
        "picture": entity_id(hass, "image", "annotated"),
        "motion": MOTION,
        "phone": phone,
    }
    await automate(hass, "notify_relevant_motion.yaml", inputs | others)


@pytest.fixture
async def notify(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site, phone: str
) -> MockConfigEntry:
    hass.states.async_set(MOTION, "off", {"friendly_name": "Raw motion"})
    await watch(hass, phone)
    return site


async def alarm(hass: HomeAssistant, event_id: str = EVENT, **changes: Any) -> None:
    await say(hass, "camera/drive/verdict", verdict(event_id, **changes))
    await say(hass, "camera/drive/relevant", "ON")


async def move(hass: HomeAssistant, *states: str) -> None:
    for one in states:
        hass.states.async_set(MOTION, one)
        await hass.async_block_till_done()


async def test_relevant_motion_is_notified_with_picture_and_buttons(
    hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await alarm(hass)
    (call,) = notified
    assert call.data["title"] == "Drive"
    assert call.data["message"] == "Something moved, and nothing shows that it is nuisance."
    data = call.data["data"]
    assert data["image"] == "/api/image_proxy/image.drive_last_event"
    assert [action["title"] for action in data["actions"]] == ["Relevant", "False alarm"]


@pytest.mark.parametrize(("button", "relevant"), [(0, True), (1, False)])
async def test_a_button_on_the_phone_gives_feedback(
    hass: HomeAssistant, notify, notified: list[ServiceCall], mqtt_mock, button: int, relevant: bool
) -> None:
    await alarm(hass)
    pressed = notified[0].data["data"]["actions"][button]["action"]
    await say(hass, "camera/drive/verdict", verdict("20261123_070000_abcdef"))
    for action in (pressed, pressed.replace("|", "|other"), "SILENCE"):
        hass.bus.async_fire("mobile_app_notification_action", {"action": action})
        await hass.async_block_till_done()
    assert sent(mqtt_mock, "camera/drive/feedback") == [{"event_id": EVENT, "relevant": relevant}]


async def test_nuisance_is_not_notified(
    hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await move(hass, "on", "off")
    await say(hass, "camera/drive/relevant", "OFF")
    assert notified == []


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


async def test_while_veroallarme_is_away_the_raw_motion_is_notified(
    hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await move(hass, "on", "off")
    assert notified == []
    await say(hass, "worker/main/status", "offline")
    await move(hass, "on")
    (call,) = notified
    assert call.data["title"] == "Drive"
    assert "not judged" in call.data["message"]
    await move(hass, "off", "unavailable", "off")
    assert len(notified) == 1


async def test_motion_that_goes_on_when_veroallarme_dies_is_notified(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await move(hass, "on")
    await say(hass, "worker/main/status", "offline")
    assert notified == []
    freezer.tick(16)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert len(notified) == 1


async def leave(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Let the worker go, and wait until that is noticed."""
    await say(hass, "worker/main/status", "offline")
    freezer.tick(16)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def test_short_motion_in_flight_when_veroallarme_dies_is_notified(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    freezer.tick(150)
    await move(hass, "on", "off")
    await leave(hass, freezer)
    assert len(notified) == 1


async def test_motion_of_long_ago_is_not_notified_when_veroallarme_dies(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await move(hass, "on", "off")
    freezer.tick(150)
    await leave(hass, freezer)
    assert notified == []


async def test_motion_of_an_event_entity_in_flight_is_notified(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site, phone: str, notified
) -> None:
    hass.states.async_set("event.bell", "2026-11-23T06:00:00.000+00:00")
    await watch(hass, phone, motion="event.bell")
    hass.states.async_set("event.bell", moment())
    await leave(hass, freezer)
    assert len(notified) == 1


async def test_motion_that_has_been_notified_is_not_notified_again_when_veroallarme_dies(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    freezer.tick(150)
    await move(hass, "on")
    freezer.tick(2)
    await alarm(hass)
    await leave(hass, freezer)
    (call,) = notified
    assert call.data["data"]["actions"], "picture and buttons stay"


async def test_new_motion_during_an_alarm_leaves_its_picture_when_veroallarme_dies(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await move(hass, "on")
    await alarm(hass)
    freezer.tick(20)
    await move(hass, "off", "on")
    await leave(hass, freezer)
    first, second = (call.data["data"] for call in notified)
    assert first["actions"]
    assert first["tag"] != second["tag"]


@pytest.mark.parametrize("source", [MOTION, "event.bell"])
async def test_motion_that_was_judged_is_not_notified_when_veroallarme_dies(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site, phone: str, notified, source: str
) -> None:
    is_event = source.startswith("event")
    hass.states.async_set(source, "2026-11-23T06:00:00.000+00:00" if is_event else "on")
    await watch(hass, phone, motion=source)
    freezer.tick(150)
    hass.states.async_set(source, moment() if is_event else "off")
    freezer.tick(3)
    await say(hass, "camera/drive/verdict", nuisance())
    await leave(hass, freezer)
    assert notified == []


async def test_a_button_hides_no_motion_in_flight(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await alarm(hass)
    await say(hass, "camera/drive/relevant", "OFF")
    freezer.tick(150)
    await move(hass, "on")
    freezer.tick(1)
    action = notified[0].data["data"]["actions"][0]["action"]
    hass.bus.async_fire("mobile_app_notification_action", {"action": action})
    await hass.async_block_till_done()
    await leave(hass, freezer)
    assert len(notified) == 2


async def test_motion_while_veroallarme_is_away_is_notified_once(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    freezer.tick(150)
    await say(hass, "worker/main/status", "offline")
    freezer.tick(5)
    await move(hass, "on")
    assert len(notified) == 1
    freezer.tick(11)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    await say(hass, "worker/main/status", "online")
    freezer.tick(5)
    await leave(hass, freezer)
    assert len(notified) == 1


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


async def test_an_alarm_that_came_while_raw_motion_was_notified_is_notified_too(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, notify, notified: list[ServiceCall]
) -> None:
    await say(hass, "worker/main/status", "offline")
    freezer.tick(5)
    await alarm(hass, decided_at=moment(), hold_until=moment(60))
    freezer.tick(5)
    await move(hass, "on")
    freezer.tick(5)
    await say(hass, "worker/main/status", "online")
    assert len(notified) == 2
    assert notified[1].data["data"]["actions"]


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


async def test_every_word_can_be_that_of_the_user(
    hass: HomeAssistant, site, phone: str, notified: list[ServiceCall]
) -> None:
    words = {
        "label_relevant": "Echt",
        "label_nuisance": "Falsch",
        "message_relevant": "Da ist etwas.",
        "message_unavailable": "Bewegung",
        "message_feedback_lost": "Nicht angekommen",
    }
    hass.states.async_set(MOTION, "off")
    await watch(hass, phone, **words)
    await alarm(hass)
    actions = notified[0].data["data"]["actions"]
    await say(hass, "worker/main/status", "offline")
    await move(hass, "on")
    hass.bus.async_fire("mobile_app_notification_action", {"action": actions[0]["action"]})
    await hass.async_block_till_done()
    assert [action["title"] for action in actions] == ["Echt", "Falsch"]
    messages = [call.data["message"] for call in notified]
    assert messages == ["Da ist etwas.", "Bewegung", "Nicht angekommen"]


async def test_a_notification_that_waited_is_about_its_own_event(
    hass: HomeAssistant, notify
) -> None:
    gate, calls = asyncio.Event(), []

    async def send(call: ServiceCall) -> None:
        calls.append(call)
        await gate.wait()

    async def say_meanwhile(topic: str, payload: Any) -> None:
        publish(hass, f"camera/drive/{topic}", payload)
        for _ in range(50):
            await asyncio.sleep(0)

    hass.services.async_register("notify", "mobile_app_my_phone_2", send)
    for event_id in (EVENT, "20261123_061500_bbbbbb"):
        await say_meanwhile("verdict", verdict(event_id))
        await say_meanwhile("relevant", "ON")
        await say_meanwhile("relevant", "OFF")
    await say_meanwhile("verdict", nuisance(explanation="A branch swayed."))
    gate.set()
    await hass.async_block_till_done()
    actions = [call.data["data"]["actions"][0]["action"].split("|")[2] for call in calls]
    assert actions == [EVENT, "20261123_061500_bbbbbb"]
    assert calls[1].data["message"] != "A branch swayed."


async def test_a_button_that_finds_veroallarme_away_says_so(
    hass: HomeAssistant, notify, notified: list[ServiceCall], mqtt_mock
) -> None:
    await alarm(hass)
    pressed = notified[0].data["data"]["actions"][0]["action"]
    await say(hass, "worker/main/status", "offline")
    hass.bus.async_fire("mobile_app_notification_action", {"action": pressed})
    await hass.async_block_till_done()
    assert "could not take your answer" in notified[1].data["message"]
    assert sent(mqtt_mock, "camera/drive/feedback") == []


@pytest.mark.parametrize("data", [{}, {"action": 5}, {"action": "veroallarme"}])
async def test_buttons_of_others_are_left_alone(
    hass: HomeAssistant, notify, notified: list[ServiceCall], caplog, data: dict[str, Any]
) -> None:
    hass.bus.async_fire("mobile_app_notification_action", data)
    await hass.async_block_till_done()
    assert notified == []
    assert not [one for one in caplog.records if one.levelname in ("ERROR", "WARNING")]


async def sum_up(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, phone: str, **others: Any
) -> None:
    """Send the digest of both cameras at 19:00."""
    freezer.move_to("2026-11-23 18:59:30+00:00")
    await hass.config.async_set_time_zone("UTC")
    inputs = {
        "suppressed": [
            entity_id(hass, "sensor", "suppressed", camera) for camera in ("drive", "garden")
        ],
        "review": [entity_id(hass, "sensor", "review", camera) for camera in ("drive", "garden")],
        "phone": phone,
    }
    await automate(hass, "daily_digest.yaml", inputs | others)


@pytest.fixture
async def digest(freezer: FrozenDateTimeFactory, hass: HomeAssistant, site, phone: str) -> None:
    await sum_up(freezer, hass, phone)


async def evening(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    freezer.move_to("2026-11-23 19:00:01+00:00")
    async_fire_time_changed(hass, dt_util.utcnow())
    await hass.async_block_till_done()


def statistics(hass: HomeAssistant, *changes: float) -> list[ServiceCall]:
    rows = [{"start": "", "end": "", "change": change} for change in changes]
    return async_mock_service(
        hass,
        "recorder",
        "get_statistics",
        response={"statistics": {"sensor.drive_suppressed_events": rows}},
        supports_response=SupportsResponse.ONLY,
    )


async def test_the_digest_tells_what_was_suppressed_and_what_is_worth_a_look(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, digest, notified: list[ServiceCall]
) -> None:
    asked = statistics(hass, 3.0, 9.0)
    await say(hass, "camera/drive/review", REVIEW)
    await evening(hass, freezer)
    (call,) = notified
    assert call.data["message"].splitlines() == [
        "12 events suppressed since yesterday",
        "1 worth a look:",
        "Drive, Mon 02:15: sway",
    ]
    # The last interval that is compiled at 19:00:01 ends at 18:55.
    assert asked[0].data["period"] == "5minute"
    assert asked[0].data["start_time"] == "2026-11-22T18:55:00+00:00"
    assert asked[0].data["end_time"] == "2026-11-23T18:55:00+00:00"
    assert asked[0].data["statistic_ids"] == [
        "sensor.drive_suppressed_events",
        "sensor.garden_suppressed_events",
    ]


async def test_the_digest_says_it_in_the_words_of_the_user(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site, phone: str, notified
) -> None:
    statistics(hass, 3.0)
    words = {
        "title": "Bilanz",
        "label_suppressed": "gefiltert",
        "label_review": "zum Ansehen",
        "moment": "%d.%m. %H:%M",
        "reasons": {"sway": "Zweige"},
    }
    await sum_up(freezer, hass, phone, **words)
    await say(hass, "camera/drive/review", REVIEW)
    await evening(hass, freezer)
    assert notified[0].data["title"] == "Bilanz"
    assert notified[0].data["message"].splitlines() == [
        "3 gefiltert",
        "1 zum Ansehen:",
        "Drive, 23.11. 02:15: Zweige",
    ]


async def test_a_digest_without_anything_to_tell_is_not_sent(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, digest, notified: list[ServiceCall]
) -> None:
    statistics(hass)
    await evening(hass, freezer)
    assert notified == []


async def test_the_digest_needs_no_statistics(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, digest, notified: list[ServiceCall]
) -> None:
    async_mock_service(
        hass,
        "recorder",
        "get_statistics",
        raise_exception=HomeAssistantError("no recorder"),
        supports_response=SupportsResponse.ONLY,
    )
    await say(hass, "camera/drive/review", REVIEW)
    await evening(hass, freezer)
    assert "1 worth a look" in notified[0].data["message"]
