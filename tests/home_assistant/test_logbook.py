from collections.abc import Callable
from typing import Any

import pytest
from homeassistant.core import Event, HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from pytest_homeassistant_custom_component.common import async_capture_events

from custom_components.veroallarme.const import DOMAIN, EVENT_DECISION
from custom_components.veroallarme.logbook import async_describe_events

from .worker import entity_id, nuisance, say, verdict


def describer(hass: HomeAssistant) -> Callable[[Event], dict[str, Any]]:
    """Return what makes a line of a decision."""
    found: list[Callable[[Event], dict[str, Any]]] = []

    def describe(domain: str, event_type: str, line: Callable[[Event], dict[str, Any]]) -> None:
        assert (domain, event_type) == (DOMAIN, EVENT_DECISION)
        found.append(line)

    async_describe_events(hass, describe)
    return found[0]


@pytest.mark.parametrize(
    ("language", "decision", "message"),
    [
        ("en", verdict(), "relevant: A person moved"),
        ("en", nuisance(reason="light"), "suppressed: Only light changed"),
        ("de", nuisance(reason="light"), "unterdrückt: Nur das Licht hat sich geändert"),
        (
            "en",
            verdict(state="irrelevant", reason="light"),
            "would have been suppressed: Only light changed",
        ),
        (
            "en",
            nuisance(state="unknown", reason="no_snapshot"),
            "could not be judged, no alarm: No picture arrived",
        ),
        ("en", verdict(reason="new"), "relevant: Another reason"),
    ],
)
async def test_a_line_says_what_was_decided_and_why(
    hass: HomeAssistant, site, language: str, decision: dict[str, Any], message: str
) -> None:
    fired = async_capture_events(hass, EVENT_DECISION)
    hass.config.language = language
    await async_get_translations(hass, language, "entity", {DOMAIN})
    await say(hass, "camera/drive/event", decision)
    await say(hass, "camera/drive/event", decision)
    (event,) = fired
    line = describer(hass)(event)
    assert line["name"] == "Drive"
    assert line["message"] == message
    assert line["entity_id"] == entity_id(hass, "event", "decision")
    assert event.data["event_id"] == decision["event_id"]
