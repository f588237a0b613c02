import pytest
from homeassistant.core import HomeAssistant, State
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    async_capture_events,
    mock_restore_cache_with_extra_data,
)

from .worker import attributes, entity_id, nuisance, say, state, verdict


@pytest.mark.parametrize("judged", ["relevant", "irrelevant", "unknown"])
async def test_an_event_for_each_decision(hass: HomeAssistant, site, judged: str) -> None:
    assert state(hass, "event", "decision") == "unknown"
    await say(hass, "camera/drive/event", nuisance(state=judged, score=None))
    shown = attributes(hass, "event", "decision")
    assert shown["event_type"] == judged
    assert shown["event_id"] == "20261123_061502_00aa11"
    assert shown["explanation"]


async def test_a_decision_that_is_delivered_twice_fires_once(hass: HomeAssistant, site) -> None:
    changes = async_capture_events(hass, "state_changed")

    def fired() -> int:
        found = entity_id(hass, "event", "decision")
        return sum(change.data["entity_id"] == found for change in changes)

    for event_id in ("20261123_061402_000001", "20261123_061402_000002"):
        await say(hass, "camera/drive/event", verdict(event_id))
    await say(hass, "camera/drive/event", verdict("20261123_061402_000001"))
    assert fired() == 2


async def test_a_decision_before_a_restart_does_not_fire_after_it(
    hass: HomeAssistant, start_site, entry
) -> None:
    then = dt_util.utcnow().isoformat(timespec="milliseconds")
    known = {"last_event_type": "relevant", "last_event_attributes": {"event_id": "a_1"}}
    mock_restore_cache_with_extra_data(hass, [(State("event.drive_decision", then), known)])
    await start_site()
    assert state(hass, "event", "decision") == then
    await say(hass, "camera/drive/event", verdict("a_1"))
    assert state(hass, "event", "decision") == then
    await say(hass, "camera/drive/event", verdict("a_2"))
    assert attributes(hass, "event", "decision")["event_id"] == "a_2"


async def test_a_decision_keeps_its_time_over_a_restart_without_a_worker(
    hass: HomeAssistant, start_site
) -> None:
    then = dt_util.utcnow().isoformat(timespec="milliseconds")
    last = {"event_id": "a_1", "decided_at": then}
    known = {"last_event_type": "relevant", "last_event_attributes": last}
    before = State("event.drive_decision", "unavailable")
    mock_restore_cache_with_extra_data(hass, [(before, known)])
    await start_site()
    assert state(hass, "event", "decision") == then
    assert attributes(hass, "event", "decision")["event_id"] == "a_1"


@pytest.mark.parametrize("known", [{}, {"last_event_type": None, "last_event_attributes": None}])
async def test_a_camera_without_a_decision_has_none_after_a_restart(
    hass: HomeAssistant, start_site, known: dict[str, None]
) -> None:
    before = State("event.drive_decision", "unavailable")
    mock_restore_cache_with_extra_data(hass, [(before, known)])
    await start_site()
    assert state(hass, "event", "decision") == "unknown"


async def test_an_empty_message_is_no_decision(hass: HomeAssistant, site) -> None:
    await say(hass, "camera/drive/event", "")
    assert state(hass, "event", "decision") == "unknown"


async def test_a_decision_during_the_set_up_is_not_lost(
    hass: HomeAssistant, start_site, entry
) -> None:
    await start_site(retained={"camera/drive/event": verdict()})
    assert attributes(hass, "event", "decision")["event_id"] == verdict()["event_id"]
