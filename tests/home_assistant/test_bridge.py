import asyncio
import base64
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.veroallarme.issues import PATIENCE_S

from .bridged import MOTION, WITH_FRONT_DOOR, CameraOfHome, bursts, move, move_shortly, until
from .repairs import shown
from .worker import INFO, JPEG, say, sent, state, validate


async def test_the_worker_makes_a_device_of_it(hass: HomeAssistant, bridged, site) -> None:
    assert state(hass, "binary_sensor", "relevant_motion", "front_door") == "unknown"
    device = dr.async_get(hass).async_get_device_by_identifier(
        ("veroallarme", f"{site.entry_id}/front_door"), site.entry_id
    )
    assert device is not None
    assert device.name == "Front door"


async def test_the_worker_is_told_again_when_it_comes_back(
    hass: HomeAssistant, bridged, mqtt_mock: Any
) -> None:
    await say(hass, "worker/main/status", "offline")
    assert sent(mqtt_mock, "camera/front_door/config") == []
    await say(hass, "worker/main/status", "online")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(sent(mqtt_mock, "camera/front_door/config")) == 1


async def test_a_worker_that_forgot_it_does_not_cost_its_device(
    hass: HomeAssistant, bridged, site, caplog: pytest.LogCaptureFixture
) -> None:
    await say(hass, "info", INFO)
    await say(hass, "info", WITH_FRONT_DOOR)
    await say(hass, "camera/front_door/relevant", "ON")
    assert state(hass, "binary_sensor", "relevant_motion", "front_door") == "on"
    # Entities that are there already would be refused with an error.
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_motion_becomes_a_burst_of_distinct_pictures(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    camera.pictures = [JPEG + b"1", JPEG + b"1", JPEG + b"2", JPEG + b"3"]
    await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    validate("burst", burst)
    pictures = [base64.b64decode(frame["jpeg"]) for frame in burst["frames"]]
    assert pictures == [JPEG + b"1", JPEG + b"2", JPEG + b"3"]
    motion_at = dt_util.parse_datetime(burst["motion_at"])
    assert motion_at is not None
    assert burst["event_id"].startswith(f"{motion_at:%Y%m%d_%H%M%S}_")
    times = [dt_util.parse_datetime(frame["captured_at"]) for frame in burst["frames"]]
    assert all(time and time >= motion_at for time in times)
    assert sent(mqtt_mock, "camera/front_door/motion_end") == []
    await move(hass, "off")
    (end,) = sent(mqtt_mock, "camera/front_door/motion_end")
    assert end == {"event_id": burst["event_id"]}
    validate("motion_end", end)


@pytest.mark.parametrize("fault", [HomeAssistantError("off"), OSError("gone"), b""])
async def test_without_pictures_the_worker_is_told_all_the_same(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any, fault: Any
) -> None:
    camera.pictures = [fault] * 6
    await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    assert burst["frames"] == []
    validate("burst", burst)


async def test_what_was_on_before_home_assistant_is_no_motion(
    hass: HomeAssistant, bridged, mqtt_mock: Any
) -> None:
    hass.states.async_remove(MOTION)
    hass.set_state(CoreState.starting)
    await move(hass, "on")
    hass.set_state(CoreState.running)
    assert bursts(mqtt_mock) == []
    await move(hass, "unavailable", "on")
    assert len(bursts(mqtt_mock)) == 1


async def test_a_motion_entity_that_appears_while_something_moves_signals_it(
    hass: HomeAssistant, bridged, mqtt_mock: Any
) -> None:
    """Such as after its integration was loaded again."""
    hass.states.async_remove(MOTION)
    await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    hass.states.async_remove(MOTION)
    await move(hass, "off")
    end = {"event_id": burst["event_id"]}
    assert sent(mqtt_mock, "camera/front_door/motion_end") == [end]


async def test_an_event_entity_signals_motion_as_well(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any
) -> None:
    bell = "event.front_door"
    data = dict(bridged.data) | {"motion_entity": bell}
    hass.config_entries.async_update_subentry(site, bridged, data=data)
    await move(hass, "unavailable", "2026-11-23T06:14:02.517+00:00", entity_id=bell)
    assert bursts(mqtt_mock) == []
    await move(hass, "2026-11-23T06:15:02.517+00:00", entity_id=bell)
    assert len(bursts(mqtt_mock)) == 1
    await move(hass, "unknown", "2026-11-23T06:16:02.517+00:00", entity_id=bell)
    assert len(bursts(mqtt_mock)) == 2


async def stop_site(hass: HomeAssistant, site: MockConfigEntry, way: str) -> None:
    if way == "reload":
        await hass.config_entries.async_unload(site.entry_id)
    else:
        await hass.async_stop()


@pytest.mark.parametrize("way", ["reload", "stop"])
async def test_motion_at_the_moment_of_a_stop_is_handed_over(
    hass: HomeAssistant, bridged, site, camera: CameraOfHome, mqtt_mock: Any, way: str
) -> None:
    """With the pictures that are there: without enough of them the worker alerts."""
    await say(hass, "worker/main/status", "offline")
    await move_shortly(hass)
    hass.states.async_set(MOTION, "on")
    camera.pictures = [JPEG + b"before the stop"]
    await until(lambda: len(camera.asked_at) == 4)
    camera.blocked = asyncio.Event()
    await until(lambda: len(camera.asked_at) == 5)
    hass.states.async_set(MOTION, "off")
    hass.states.async_set(MOTION, "on")
    await asyncio.sleep(0)
    assert bursts(mqtt_mock) == []
    await stop_site(hass, site, way)
    whole, broken_off, unseen = bursts(mqtt_mock)
    assert [len(burst["frames"]) for burst in (whole, broken_off, unseen)] == [3, 1, 0]
    for burst in (whole, broken_off, unseen):
        validate("burst", burst)


async def test_motion_that_cannot_be_handed_over_is_logged(
    hass: HomeAssistant,
    bridged,
    site,
    camera: CameraOfHome,
    mqtt_mock: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    camera.blocked = asyncio.Event()
    hass.states.async_set(MOTION, "on")
    await until(lambda: len(camera.asked_at) == 1)
    mqtt_mock.async_publish.side_effect = HomeAssistantError("no broker")
    await hass.config_entries.async_unload(site.entry_id)
    assert "was not judged: stopped, and no broker" in caplog.text


async def test_a_camera_that_is_removed_during_its_burst_sends_nothing_more(
    hass: HomeAssistant, bridged, site, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    camera.blocked = asyncio.Event()
    hass.states.async_set(MOTION, "on")
    await until(lambda: len(camera.asked_at) == 1)
    hass.config_entries.async_remove_subentry(site, bridged.subentry_id)
    await hass.async_block_till_done()
    camera.blocked.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert bursts(mqtt_mock) == []


async def test_a_renamed_motion_entity_is_followed(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any
) -> None:
    registry = er.async_get(hass)
    entry = MockConfigEntry(domain="doorbird")
    entry.add_to_hass(hass)
    registered = registry.async_get_or_create("binary_sensor", "doorbird", "1", config_entry=entry)
    hass.states.async_set(registered.entity_id, "off")
    data = dict(bridged.data) | {"motion_entity": registered.entity_id}
    hass.config_entries.async_update_subentry(site, bridged, data=data)
    await hass.async_block_till_done(wait_background_tasks=True)
    new = "binary_sensor.porch_motion"
    registry.async_update_entity(registered.entity_id, new_entity_id=new)
    await hass.async_block_till_done(wait_background_tasks=True)
    await move(hass, "off", "on", entity_id=new)
    assert len(bursts(mqtt_mock)) == 1


async def test_a_motion_entity_that_is_gone_is_a_repair(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, bridged
) -> None:
    await move(hass, "unavailable")
    freezer.tick(PATIENCE_S + 1)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert shown(hass)["motion_gone"] == {
        "camera": "Front door",
        "entity": "binary\\_sensor.front\\_door\\_motion",
    }
    await move(hass, "off")
    assert "motion_gone" not in shown(hass)


async def test_a_camera_that_the_worker_does_not_serve_is_unavailable_and_a_repair(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, bridged
) -> None:
    await say(hass, "camera/front_door/relevant", "OFF")
    await say(hass, "info", INFO)
    assert state(hass, "binary_sensor", "relevant_motion", "front_door") == "unavailable"
    freezer.tick(PATIENCE_S + 1)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert "not_served" in shown(hass)
    await say(hass, "info", WITH_FRONT_DOOR)
    assert "not_served" not in shown(hass)


async def test_a_new_name_does_not_cost_the_burst_that_is_taken(
    hass: HomeAssistant, bridged, site, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    camera.blocked = asyncio.Event()
    hass.states.async_set(MOTION, "on")
    await hass.async_block_till_done()
    hass.config_entries.async_update_subentry(site, bridged, title="Porch")
    await hass.async_block_till_done()
    camera.blocked.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(bursts(mqtt_mock)) == 1
    assert sent(mqtt_mock, "camera/front_door/config")[-1]["name"] == "Porch"
