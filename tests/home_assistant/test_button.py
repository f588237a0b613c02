import json
from pathlib import Path

import jsonschema
import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError

from .worker import entity_id, say, sent, verdict

CONTRACT = Path(__file__).parents[2] / "docs" / "contract"


async def press(hass: HomeAssistant, key: str) -> None:
    await hass.services.async_call(
        "button", "press", {"entity_id": entity_id(hass, "button", key)}, blocking=True
    )


@pytest.mark.usefixtures("all_entities_enabled")
@pytest.mark.parametrize(
    ("key", "command", "payload"),
    [
        (
            "last_relevant",
            "feedback",
            {"event_id": "20261123_061402_9f31c4", "relevant": True},
        ),
        (
            "last_nuisance",
            "feedback",
            {"event_id": "20261123_061402_9f31c4", "relevant": False},
        ),
        ("learn", "learn", {}),
        ("calibrated_threshold", "set", {"threshold": None}),
    ],
)
async def test_a_button_sends_a_command_of_the_contract(
    hass: HomeAssistant, site, mqtt_mock, archive, key: str, command: str, payload: object
) -> None:
    await say(hass, "camera/drive/verdict", verdict())
    await press(hass, key)
    (command_sent,) = sent(mqtt_mock, f"camera/drive/{command}")
    command_sent.pop("request_id", None)
    assert command_sent == payload
    jsonschema.validate(payload, json.loads((CONTRACT / f"{command}.schema.json").read_text()))


async def test_there_is_no_thumb_without_an_event(hass: HomeAssistant, site, mqtt_mock) -> None:
    with pytest.raises(ServiceValidationError, match="Drive has not had an event yet"):
        await press(hass, "last_relevant")
    assert sent(mqtt_mock, "camera/drive/feedback") == []


@pytest.mark.usefixtures("all_entities_enabled")
@pytest.mark.parametrize(
    ("domain", "service", "key", "data"),
    [
        ("button", "press", "learn", {}),
        ("select", "select_option", "mode", {"option": "filter"}),
        ("number", "set_value", "hold", {"value": 20}),
        ("number", "set_value", "threshold", {"value": 0.4}),
    ],
)
async def test_nobody_commands_a_worker_that_is_away(
    hass: HomeAssistant, site, domain: str, service: str, key: str, data: dict[str, object]
) -> None:
    await say(hass, "worker/main/status", "offline")
    target = {"entity_id": entity_id(hass, domain, key)}
    with pytest.raises(ServiceValidationError, match="The worker of Drive is offline"):
        await hass.services.async_call(domain, service, target | data, blocking=True)
