import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from .worker import REVIEW, STATS, attributes, changed, entity_id, nuisance, say, state, verdict


@pytest.mark.usefixtures("all_entities_enabled")
async def test_totals_and_learning(hass: HomeAssistant, site) -> None:
    assert state(hass, "sensor", "suppressed") == "322"
    assert state(hass, "sensor", "relevant") == "61"
    assert state(hass, "sensor", "unknown") == "15"
    assert attributes(hass, "sensor", "suppressed")["state_class"] == "total_increasing"
    assert float(state(hass, "sensor", "learning")) == 100
    assert attributes(hass, "sensor", "learning")["learned"] is True
    assert float(state(hass, "sensor", "promise")) == 99
    assert attributes(hass, "sensor", "promise")["synthetic"] == 600


async def test_a_camera_that_is_still_learned_promises_nothing(hass: HomeAssistant, site) -> None:
    learning = STATS["learning"] | {"learned": False, "share": 0.45, "missing": "21 more events"}
    young = changed(STATS, learning=learning, promise=None, adaptation=None)
    young["notice"] = {"at": "2026-11-23T03:00:41.000+00:00", "message": "The camera was re-aimed."}
    await say(hass, "camera/drive/stats", young)
    assert float(state(hass, "sensor", "learning")) == 45
    shown = attributes(hass, "sensor", "learning")
    assert (shown["missing"], shown["notice"]) == ("21 more events", "The camera was re-aimed.")
    assert state(hass, "sensor", "promise") == "unknown"
    assert "synthetic" not in attributes(hass, "sensor", "promise")


@pytest.mark.usefixtures("all_entities_enabled")
async def test_score_and_time_of_the_latest_event(hass: HomeAssistant, site) -> None:
    assert state(hass, "sensor", "score") == "unknown"
    await say(hass, "camera/drive/verdict", verdict())
    assert state(hass, "sensor", "score") == "0.9231"
    assert state(hass, "sensor", "decision_time") == "1585.0"
    await say(hass, "camera/drive/verdict", nuisance(state="unknown", score=None))
    assert state(hass, "sensor", "score") == "unknown"


async def test_events_worth_a_look(hass: HomeAssistant, site) -> None:
    assert state(hass, "sensor", "review") == "unknown"
    await say(hass, "camera/drive/review", REVIEW)
    assert state(hass, "sensor", "review") == "1"
    (event,) = attributes(hass, "sensor", "review")["events"]
    assert (event["event_id"], event["why"]) == ("20261123_021512_7be01d", "close_call")
    await say(hass, "camera/drive/review", {"events": []})
    assert state(hass, "sensor", "review") == "0"
    await say(hass, "camera/drive/review", "")
    assert state(hass, "sensor", "review") == "unknown"


@pytest.mark.parametrize("key", ["unknown", "decision_time"])
async def test_what_few_people_need_is_off_at_first(hass: HomeAssistant, site, key: str) -> None:
    entry = er.async_get(hass).async_get(entity_id(hass, "sensor", key))
    assert entry is not None
    assert entry.disabled_by is er.RegistryEntryDisabler.INTEGRATION
