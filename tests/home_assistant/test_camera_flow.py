from typing import Any

import pytest
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er

from custom_components.veroallarme.const import SUBENTRY_CAMERA

from .bridged import CAMERA, CHOICE, MOTION, CameraOfHome, add
from .worker import INFO, changed, entity_id, say, sent, state, validate


async def test_a_camera_needs_two_entities_and_nothing_else(
    hass: HomeAssistant, site, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    hass.states.async_set(CAMERA, "idle", {"friendly_name": "Front door"})
    result = await add(hass, site)
    assert (result["type"], result["title"]) == (FlowResultType.CREATE_ENTRY, "Front door")
    await hass.async_block_till_done(wait_background_tasks=True)
    (definition,) = sent(mqtt_mock, "camera/front_door/config")
    assert definition == {
        "name": "Front door",
        "burst_size": 3,
        "spacing_s": 0.6,
        "mode": "auto",
    }
    validate("config", definition)
    call = mqtt_mock.async_publish.call_args
    assert call.kwargs.get("retain", call.args[3:4] and call.args[3])


async def test_other_cameras_do_not_notice(hass: HomeAssistant, site, camera: CameraOfHome) -> None:
    hub = site.runtime_data
    await add(hass, site)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert site.runtime_data is hub
    assert state(hass, "binary_sensor", "relevant_motion") == "off"


async def test_a_camera_that_gives_no_picture_is_not_added(
    hass: HomeAssistant, site, camera: CameraOfHome
) -> None:
    camera.pictures = [HomeAssistantError("off")]
    result = await add(hass, site)
    assert result["errors"] == {"camera_entity": "no_picture"}
    result = await hass.config_entries.subentries.async_configure(result["flow_id"], CHOICE)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_camera_is_added_once(hass: HomeAssistant, bridged, site) -> None:
    result = await add(hass, site)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_ids_and_names_of_the_worker_are_left_alone(
    hass: HomeAssistant, site, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    local = [*INFO["cameras"], {"id": "front_door", "name": "FRONT DOOR", "origin": "local"}]
    await say(hass, "info", changed(INFO, cameras=local))
    hass.states.async_set(CAMERA, "idle", {"friendly_name": "Front door"})
    result = await add(hass, site)
    assert (result["title"], result["data"]["camera_id"]) == ("Front door 2", "front_door_2")


async def test_a_worker_that_takes_no_bursts_is_told_apart(
    hass: HomeAssistant, site, camera: CameraOfHome
) -> None:
    await say(hass, "info", changed(INFO, capabilities=["set"]))
    assert (await add(hass, site))["reason"] == "worker_too_old"
    await hass.config_entries.async_unload(site.entry_id)
    assert (await add(hass, site))["reason"] == "not_loaded"


async def test_entities_and_burst_can_be_changed(
    hass: HomeAssistant, bridged, site, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    form = await hass.config_entries.subentries.async_init(
        (site.entry_id, SUBENTRY_CAMERA),
        context={"source": "reconfigure", "subentry_id": bridged.subentry_id},
    )
    change = CHOICE | {"burst_size": 5, "spacing_s": 1.5}
    camera.pictures = [HomeAssistantError("off")]
    refused = await hass.config_entries.subentries.async_configure(form["flow_id"], change)
    assert refused["errors"] == {"camera_entity": "no_picture"}
    result = await hass.config_entries.subentries.async_configure(form["flow_id"], change)
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done(wait_background_tasks=True)
    (definition,) = sent(mqtt_mock, "camera/front_door/config")
    assert (definition["burst_size"], definition["spacing_s"]) == (5, 1.5)


@pytest.mark.parametrize(
    ("change", "reason", "errors"),
    [
        ({"camera_entity": "camera.back"}, "already_configured", None),
        ({"burst_size": 10, "spacing_s": 2.0}, None, {"base": "burst_too_long"}),
    ],
)
async def test_a_change_that_cannot_be_is_refused(
    hass: HomeAssistant,
    bridged,
    site,
    change: dict[str, Any],
    reason: str | None,
    errors: dict[str, str] | None,
) -> None:
    hass.states.async_set("camera.back", "idle", {"friendly_name": "Back"})
    await add(hass, site, {"camera_entity": "camera.back", "motion_entity": MOTION})
    form = await hass.config_entries.subentries.async_init(
        (site.entry_id, SUBENTRY_CAMERA),
        context={"source": "reconfigure", "subentry_id": bridged.subentry_id},
    )
    result = await hass.config_entries.subentries.async_configure(
        form["flow_id"], CHOICE | {"burst_size": 3, "spacing_s": 0.6} | change
    )
    assert result.get("reason") == reason
    assert result.get("errors") == errors


async def test_name_and_mode_can_be_chosen(
    hass: HomeAssistant, site, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    result = await add(hass, site, CHOICE | {"name": " The drive ", "mode": "shadow"})
    assert result["title"] == "The drive"
    await hass.async_block_till_done(wait_background_tasks=True)
    (definition,) = sent(mqtt_mock, "camera/front_door/config")
    assert (definition["name"], definition["mode"]) == ("The drive", "shadow")
    validate("config", definition)


async def test_what_signals_no_motion_is_not_offered(
    hass: HomeAssistant, bridged, site, camera: CameraOfHome
) -> None:
    offered = ("motion", "occupancy", "door", "doorbell", None)
    for kind in (*offered, "battery", "connectivity", "update"):
        attributes = {} if kind is None else {"device_class": kind}
        hass.states.async_set(f"binary_sensor.a_{kind}", "off", attributes)
    diagnostic = er.async_get(hass).async_get_or_create(
        "binary_sensor", "test", "1", entity_category=EntityCategory.DIAGNOSTIC
    )
    service = dr.async_get(hass).async_get_or_create(
        config_entry_id=site.entry_id,
        identifiers={("test", "backup")},
        entry_type=dr.DeviceEntryType.SERVICE,
    )
    backup, bell = (
        er.async_get(hass).async_get_or_create("event", "test", unique_id, device_id=device_id)
        for unique_id, device_id in (("2", service.id), ("3", None))
    )
    form = await hass.config_entries.subentries.async_init(
        (site.entry_id, SUBENTRY_CAMERA), context={"source": "user"}
    )
    excluded = form["data_schema"].schema["motion_entity"].config["exclude_entities"]
    assert not {f"binary_sensor.a_{kind}" for kind in offered} & set(excluded)
    assert diagnostic.entity_id in excluded
    assert backup.entity_id in excluded
    assert bell.entity_id not in excluded
    assert {f"binary_sensor.a_{kind}" for kind in ("battery", "connectivity", "update")} < set(
        excluded
    )


async def test_what_was_chosen_stays_on_offer(
    hass: HomeAssistant, bridged, site, camera: CameraOfHome
) -> None:
    hass.states.async_set(MOTION, "off", {"device_class": "power"})
    flows = hass.config_entries.subentries
    form = await flows.async_init(
        (site.entry_id, SUBENTRY_CAMERA),
        context={"source": "reconfigure", "subentry_id": bridged.subentry_id},
    )
    changed_to = CHOICE | {"burst_size": 4, "spacing_s": 0.6}
    result = await flows.async_configure(form["flow_id"], changed_to)
    assert result["reason"] == "reconfigure_successful"


async def test_an_entity_of_ours_signals_no_motion(
    hass: HomeAssistant, bridged, site, camera: CameraOfHome
) -> None:
    own = entity_id(hass, "binary_sensor", "relevant_motion")
    form = await hass.config_entries.subentries.async_init(
        (site.entry_id, SUBENTRY_CAMERA), context={"source": "user"}
    )
    offered = form["data_schema"].schema["motion_entity"].config["exclude_entities"]
    assert own in offered
    assert MOTION not in offered
    flows = hass.config_entries.subentries
    reconfigure = await flows.async_init(
        (site.entry_id, SUBENTRY_CAMERA),
        context={"source": "reconfigure", "subentry_id": bridged.subentry_id},
    )
    with pytest.raises(InvalidData):
        await flows.async_configure(form["flow_id"], CHOICE | {"motion_entity": own})
    assert own in reconfigure["data_schema"].schema["motion_entity"].config["exclude_entities"]
