import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

import jsonschema
import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.camera import Camera, Image
from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.veroallarme import burst_sender, lost_motion, pictures
from custom_components.veroallarme.const import SUBENTRY_CAMERA
from custom_components.veroallarme.issues import PATIENCE_S
from custom_components.veroallarme.orientation import orientation

from .test_orientation import jpeg as lying
from .worker import INFO, JPEG, changed, say, sent, state, verdict

CONTRACT = Path(__file__).parents[2] / "docs" / "contract"
CAMERA, MOTION = "camera.front_door", "binary_sensor.front_door_motion"
CHOICE = {"camera_entity": CAMERA, "motion_entity": MOTION}
FRONT_DOOR = {"id": "front_door", "name": "Front door", "origin": "home_assistant"}
WITH_FRONT_DOOR = changed(INFO, cameras=[*INFO["cameras"], FRONT_DOOR])


class CameraOfHome:
    """Stands in for Home Assistant's camera API: gives one picture after the other."""

    def __init__(self) -> None:
        self.pictures: list[bytes | Exception] = []
        self.asked_at: list[float] = []
        self.blocked: asyncio.Event | None = None
        self.widths: list[int | None] = []

    async def take(
        self,
        hass: HomeAssistant,
        entity_id: str,
        width: int | None = None,
        height: int | None = None,
    ) -> Image:
        self.asked_at.append(hass.loop.time())
        self.widths.append(width)
        if self.blocked is not None:
            await self.blocked.wait()
        picture = self.pictures.pop(0) if self.pictures else JPEG + bytes([len(self.asked_at)])
        if isinstance(picture, Exception):
            raise picture
        return Image("image/jpeg", picture)


@pytest.fixture
def camera() -> Iterator[CameraOfHome]:
    camera = CameraOfHome()
    with patch("custom_components.veroallarme.pictures.async_get_image", camera.take):
        yield camera


@pytest.fixture
async def bridged(
    hass: HomeAssistant, site: MockConfigEntry, camera: CameraOfHome, mqtt_mock: Any
) -> ConfigSubentry:
    """Return the subentry of a camera that was added from Home Assistant."""
    hass.states.async_set(CAMERA, "idle", {"friendly_name": "Front door"})
    hass.states.async_set(MOTION, "off")
    result = await add(hass, site)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)
    (subentry,) = site.subentries.values()
    data = dict(subentry.data) | {"spacing_s": 0.0}
    hass.config_entries.async_update_subentry(site, subentry, data=data)
    await hass.async_block_till_done(wait_background_tasks=True)
    await say(hass, "info", WITH_FRONT_DOOR)
    mqtt_mock.async_publish.reset_mock()
    camera.asked_at.clear()
    camera.widths.clear()
    return site.subentries[subentry.subentry_id]


async def add(hass: HomeAssistant, site: MockConfigEntry, choice: Any = CHOICE) -> Any:
    handler = (site.entry_id, SUBENTRY_CAMERA)
    form = await hass.config_entries.subentries.async_init(handler, context={"source": "user"})
    if form["type"] is not FlowResultType.FORM:
        return form
    return await hass.config_entries.subentries.async_configure(form["flow_id"], choice)


async def move(hass: HomeAssistant, *states: str, entity_id: str = MOTION) -> None:
    for one in states:
        hass.states.async_set(entity_id, one)
    await hass.async_block_till_done(wait_background_tasks=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


def bursts(mqtt_mock: Any) -> list[Any]:
    return sent(mqtt_mock, "camera/front_door/burst")


def validate(name: str, payload: Any) -> None:
    jsonschema.validate(payload, json.loads((CONTRACT / f"{name}.schema.json").read_text()))


# --- adding and removing ----------------------------------------------------------------------


async def test_a_camera_needs_two_entities_and_nothing_else(
    hass: HomeAssistant, site, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    hass.states.async_set(CAMERA, "idle", {"friendly_name": "Front door"})
    result = await add(hass, site)
    assert (result["type"], result["title"]) == (FlowResultType.CREATE_ENTRY, "Front door")
    await hass.async_block_till_done(wait_background_tasks=True)
    (definition,) = sent(mqtt_mock, "camera/front_door/config")
    assert definition == {"name": "Front door", "burst_size": 3, "spacing_s": 0.6}
    validate("config", definition)
    call = mqtt_mock.async_publish.call_args
    assert call.kwargs.get("retain", call.args[3:4] and call.args[3])


async def test_the_worker_makes_a_device_of_it(hass: HomeAssistant, bridged, site) -> None:
    assert state(hass, "binary_sensor", "relevant_motion", "front_door") == "unknown"
    device = dr.async_get(hass).async_get_device_by_identifier(
        ("veroallarme", f"{site.entry_id}/front_door"), site.entry_id
    )
    assert device is not None
    assert device.name == "Front door"


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
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


async def test_a_removed_camera_is_taken_from_the_worker(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any
) -> None:
    hass.config_entries.async_remove_subentry(site, bridged.subentry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert sent(mqtt_mock, "camera/front_door/config") == [None]
    await move(hass, "on")
    assert bursts(mqtt_mock) == []


async def test_a_removed_site_takes_its_cameras_along(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any
) -> None:
    await hass.config_entries.async_unload(site.entry_id)
    assert sent(mqtt_mock, "camera/front_door/config") == []
    await hass.config_entries.async_remove(site.entry_id)
    assert sent(mqtt_mock, "camera/front_door/config") == [None]


async def test_a_site_can_be_removed_without_the_broker(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    mqtt_mock.async_publish.side_effect = HomeAssistantError("no broker")
    await hass.config_entries.async_remove(site.entry_id)
    assert "front_door was not taken from the worker" in caplog.text


# --- bursts -----------------------------------------------------------------------------------


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


async def test_pictures_are_asked_for_with_a_pause(
    hass: HomeAssistant, bridged, site, camera: CameraOfHome
) -> None:
    data = dict(bridged.data) | {"spacing_s": 0.5}
    hass.config_entries.async_update_subentry(site, bridged, data=data)
    await hass.async_block_till_done(wait_background_tasks=True)
    with patch("custom_components.veroallarme.pictures.asyncio.sleep", AsyncMock()) as sleep:
        await move(hass, "on")
    pauses = [call.args[0] for call in sleep.call_args_list]
    assert [pause for pause in pauses if pause] == [0.5, 0.5]


@pytest.mark.parametrize("fault", [HomeAssistantError("off"), OSError("gone"), b""])
async def test_without_pictures_the_worker_is_told_all_the_same(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any, fault: Any
) -> None:
    camera.pictures = [fault] * 6
    await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    assert burst["frames"] == []
    validate("burst", burst)


async def test_a_camera_that_hangs_does_not_hold_up_the_alarm(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    camera.blocked = asyncio.Event()
    with patch.object(pictures, "BURST_LIMIT_S", 0.01):
        await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    assert burst["frames"] == []


async def test_pictures_too_large_for_a_burst_are_asked_for_smaller(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    camera.pictures = [JPEG + bytes(8_000_000), JPEG + bytes(7_000_000)]
    await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    assert camera.widths == [None, 1920, 1280, 1280, 1280]
    assert len(burst["frames"]) == 3
    await move(hass, "off", "on")
    assert camera.widths[5:] == [1280, 1280, 1280], "what was found out once is remembered"


async def test_a_picture_that_was_made_smaller_stands_as_the_camera_does(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    """Home Assistant scales the pixels as they are stored and leaves the tags out."""
    camera.pictures = [lying(turn=6) + bytes(8_000_000), *(lying() + bytes([n]) for n in range(6))]
    for _ in range(2):
        await move(hass, "on", "off")
    for burst in bursts(mqtt_mock):
        pictures = [base64.b64decode(frame["jpeg"]) for frame in burst["frames"]]
        assert [orientation(picture) for picture in pictures] == [6, 6, 6]


async def test_a_burst_stays_below_what_the_broker_takes(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    await say(hass, "info", changed(WITH_FRONT_DOOR, max_burst_bytes=900_000))
    small = [JPEG + bytes([number]) + bytes(220_000) for number in range(2)]
    camera.pictures = [small[0], JPEG + bytes(300_000), small[1], *[JPEG + bytes(300_000)] * 3]
    await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    assert len(burst["frames"]) == 2
    assert len(json.dumps(burst)) < 900_000


async def test_motion_that_begins_again_during_a_burst_gets_its_own(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    camera.blocked = asyncio.Event()
    hass.states.async_set(MOTION, "on")
    await hass.async_block_till_done()
    hass.states.async_set(MOTION, "off")
    hass.states.async_set(MOTION, "on")
    await hass.async_block_till_done()
    camera.blocked.set()
    await move(hass, "off")
    first, second = bursts(mqtt_mock)
    assert first["event_id"] != second["event_id"]
    assert sent(mqtt_mock, "camera/front_door/motion_end") == [{"event_id": second["event_id"]}]


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


async def test_a_burst_waits_for_a_worker_that_restarts(
    hass: HomeAssistant, bridged, mqtt_mock: Any
) -> None:
    await say(hass, "worker/main/status", "offline")
    hass.states.async_set(MOTION, "on")
    await hass.async_block_till_done()
    assert bursts(mqtt_mock) == []
    await say(hass, "worker/main/status", "online")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(bursts(mqtt_mock)) == 1


async def test_a_burst_does_not_wait_for_a_worker_for_ever(
    hass: HomeAssistant, bridged, mqtt_mock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await say(hass, "worker/main/status", "offline")
    with patch.object(burst_sender, "WORKER_PATIENCE_S", 0.01):
        await move(hass, "on", "off")
    assert bursts(mqtt_mock) == []
    assert sent(mqtt_mock, "camera/front_door/motion_end") == []
    assert "was not judged: no worker was there" in caplog.text


# --- what the broker refuses ------------------------------------------------------------------


@pytest.fixture
def impatient() -> Iterator[None]:
    """Let a burst be sent again at once."""
    with patch.object(burst_sender, "RETRY_PAUSE_S", 0.001):
        yield


def lost(hass: HomeAssistant) -> dict[str, str] | None:
    """Return what the repair about motion that was not judged says, or None."""
    issues = {one.translation_key: one for one in ir.async_get(hass).issues.values()}
    return issues["motion_lost"].translation_placeholders if "motion_lost" in issues else None


@pytest.mark.parametrize("fault", [HomeAssistantError("no broker"), ValueError("no client")])
async def test_a_burst_that_could_not_be_sent_is_sent_again(
    hass: HomeAssistant, bridged, mqtt_mock: Any, impatient, fault: Exception
) -> None:
    faults = [fault, fault]

    async def publish(*_: Any, **__: Any) -> None:
        if faults:
            raise faults.pop()

    mqtt_mock.async_publish.side_effect = publish
    await move(hass, "on")
    first, second, third = bursts(mqtt_mock)
    assert first == second == third, "the same event, which the worker takes once"
    assert len(third["frames"]) == 3
    await move(hass, "off")
    end = {"event_id": third["event_id"]}
    assert sent(mqtt_mock, "camera/front_door/motion_end") == [end]
    assert lost(hass) is None


async def test_a_broker_that_hangs_does_not_keep_a_burst(
    hass: HomeAssistant, bridged, mqtt_mock: Any, impatient
) -> None:
    calls = 0

    async def publish(*_: Any, **__: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.Event().wait()

    mqtt_mock.async_publish.side_effect = publish
    with patch.object(burst_sender, "PUBLISH_LIMIT_S", 0.01):
        await move(hass, "on")
    assert len(bursts(mqtt_mock)) == 2


async def test_a_burst_that_is_refused_for_too_long_is_given_up_and_told(
    hass: HomeAssistant,
    bridged,
    mqtt_mock: Any,
    impatient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mqtt_mock.async_publish.side_effect = HomeAssistantError("no broker")
    with patch.object(burst_sender, "WORKER_PATIENCE_S", 0.05):
        await move(hass, "on", "off")
    assert len(bursts(mqtt_mock)) > 1
    assert "was not judged: it could not be sent (no broker)" in caplog.text
    placeholders = lost(hass)
    assert placeholders is not None
    assert placeholders["camera"] == "Front door"
    assert "no broker" in placeholders["why"]
    mqtt_mock.async_publish.side_effect = None
    await move(hass, "on")
    assert lost(hass) is not None, "sent is not judged"
    await say(hass, "camera/front_door/event", verdict())
    assert lost(hass) is None


async def test_bursts_that_are_refused_are_bounded(
    hass: HomeAssistant, bridged, mqtt_mock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    mqtt_mock.async_publish.side_effect = HomeAssistantError("no broker")
    with patch.object(burst_sender, "RETRY_PAUSE_S", 0.2):
        for _ in range(burst_sender.MAX_WAITING_BURSTS + 3):
            await move_shortly(hass)
        mqtt_mock.async_publish.side_effect = None
        mqtt_mock.async_publish.reset_mock()
        await hass.async_block_till_done(wait_background_tasks=True)
    times = [burst["motion_at"] for burst in bursts(mqtt_mock)]
    assert times == sorted(times)
    assert len(times) == burst_sender.MAX_WAITING_BURSTS
    assert caplog.text.count("newer ones wait") == 3


async def test_a_burst_that_nobody_answers_is_told(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, bridged, mqtt_mock: Any
) -> None:
    """A broker whose access list forbids it drops a message and says nothing."""
    await move(hass, "on")
    freezer.tick(lost_motion.VERDICT_PATIENCE_S + 1)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    placeholders = lost(hass)
    assert placeholders is not None
    assert "no verdict came" in placeholders["why"]
    await say(hass, "camera/front_door/event", verdict())
    assert lost(hass) is None


async def test_a_burst_that_is_answered_is_not_told(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, bridged, mqtt_mock: Any
) -> None:
    await move(hass, "on")
    await say(hass, "camera/front_door/event", verdict())
    freezer.tick(lost_motion.VERDICT_PATIENCE_S + 1)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert lost(hass) is None


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


# --- devices that nobody bridges any more -----------------------------------------------------


async def test_devices_may_be_removed_where_nobody_brings_them(
    hass: HomeAssistant, bridged, site, hass_ws_client, mqtt_mock: Any
) -> None:
    assert await async_setup_component(hass, "config", {})
    orphan = {"id": "orphan", "name": "Orphan", "origin": "home_assistant"}
    await say(hass, "info", changed(INFO, cameras=[*WITH_FRONT_DOOR["cameras"], orphan]))
    client = await hass_ws_client(hass)
    registry = dr.async_get(hass)

    async def removed(identifier: str) -> bool:
        device = registry.async_get_device_by_identifier(("veroallarme", identifier), site.entry_id)
        assert device is not None
        answer = await client.remove_device(device.id)
        return bool(answer["success"])

    assert not await removed(site.entry_id)
    assert not await removed(f"{site.entry_id}/drive")
    assert not await removed(f"{site.entry_id}/front_door")
    assert sent(mqtt_mock, "camera/orphan/config") == []
    assert await removed(f"{site.entry_id}/orphan")
    assert sent(mqtt_mock, "camera/orphan/config") == [None]
    site.runtime_data.info.cameras.pop("garden")
    assert await removed(f"{site.entry_id}/garden")


# --- what must not be lost --------------------------------------------------------------------


class HangingCamera(Camera):
    """A camera entity whose integration never answers, while it hangs."""

    _attr_name = "Front door"

    def __init__(self) -> None:
        super().__init__()
        self.entity_id = CAMERA
        self.hangs = False
        self.asked = 0

    async def async_camera_image(
        self, width: int | None = None, height: int | None = None
    ) -> bytes | None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        return JPEG + bytes([self.asked])


@pytest.fixture
async def hanging(hass: HomeAssistant, site, mqtt_mock: Any) -> HangingCamera:
    """Bridge a real entity: Home Assistant's camera API swallows the cancellation of a request."""
    assert await async_setup_component(hass, "camera", {})
    camera = HangingCamera()
    await hass.data[DATA_COMPONENT].async_add_entities([camera])
    hass.states.async_set(MOTION, "off")
    assert (await add(hass, site))["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)
    await say(hass, "info", WITH_FRONT_DOOR)
    mqtt_mock.async_publish.reset_mock()
    camera.hangs = True
    return camera


async def test_the_limit_of_a_burst_holds_for_a_camera_that_hangs(
    hass: HomeAssistant, hanging: HangingCamera, mqtt_mock: Any
) -> None:
    with patch.object(pictures, "BURST_LIMIT_S", 0.1):
        await move(hass, "on")
    (burst,) = bursts(mqtt_mock)
    assert burst["frames"] == []
    assert hanging.asked == 2, "once by the flow, once for the burst"


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
    issues = {one.translation_key: one for one in ir.async_get(hass).issues.values()}
    placeholders = issues["motion_gone"].translation_placeholders
    assert placeholders == {
        "camera": "Front door",
        "entity": "binary\\_sensor.front\\_door\\_motion",
    }
    await move(hass, "off")
    assert "motion_gone" not in {one.translation_key for one in ir.async_get(hass).issues.values()}


async def test_a_camera_that_the_worker_does_not_serve_is_unavailable_and_a_repair(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, bridged
) -> None:
    await say(hass, "camera/front_door/relevant", "OFF")
    await say(hass, "info", INFO)
    assert state(hass, "binary_sensor", "relevant_motion", "front_door") == "unavailable"
    freezer.tick(PATIENCE_S + 1)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert "not_served" in {one.translation_key for one in ir.async_get(hass).issues.values()}
    await say(hass, "info", WITH_FRONT_DOOR)
    assert "not_served" not in {one.translation_key for one in ir.async_get(hass).issues.values()}


async def test_two_cameras_that_are_removed_at_once_stay_away(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any
) -> None:
    hass.states.async_set("camera.back", "idle", {"friendly_name": "Back"})
    choice = {"camera_entity": "camera.back", "motion_entity": "binary_sensor.back"}
    await add(hass, site, choice)
    await hass.async_block_till_done(wait_background_tasks=True)
    mqtt_mock.async_publish.reset_mock()

    async def publish_slowly(*_: Any, **__: Any) -> None:
        await asyncio.sleep(0.05)

    mqtt_mock.async_publish.side_effect = publish_slowly
    for subentry in list(site.subentries.values()):
        hass.config_entries.async_remove_subentry(site, subentry.subentry_id)
        await asyncio.sleep(0.01)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert site.runtime_data.commands.captures == {}
    assert sent(mqtt_mock, "camera/front_door/config") == [None]
    assert sent(mqtt_mock, "camera/back/config") == [None]


async def move_shortly(hass: HomeAssistant) -> None:
    """Let something move, for as long as a burst takes."""
    hass.states.async_set(MOTION, "on")
    await asyncio.sleep(0.05)
    hass.states.async_set(MOTION, "off")
    await hass.async_block_till_done()


async def test_pictures_are_taken_at_once_while_the_worker_is_away(
    hass: HomeAssistant, bridged, camera: CameraOfHome, mqtt_mock: Any
) -> None:
    await say(hass, "worker/main/status", "offline")
    for _ in range(2):
        await move_shortly(hass)
    assert len(camera.asked_at) == 6
    await say(hass, "worker/main/status", "online")
    await hass.async_block_till_done(wait_background_tasks=True)
    first, second = bursts(mqtt_mock)
    assert sent(mqtt_mock, "camera/front_door/motion_end") == [{"event_id": second["event_id"]}]
    assert first["motion_at"] < second["motion_at"]


async def test_of_too_many_bursts_that_wait_the_oldest_are_given_up(
    hass: HomeAssistant, bridged, mqtt_mock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await say(hass, "worker/main/status", "offline")
    for _ in range(burst_sender.MAX_WAITING_BURSTS + 2):
        await move_shortly(hass)
    await say(hass, "worker/main/status", "online")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(bursts(mqtt_mock)) == burst_sender.MAX_WAITING_BURSTS
    assert caplog.text.count("was not judged: 4 newer ones wait") == 2


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


async def test_another_site_takes_the_definitions_along(
    hass: HomeAssistant, bridged, site, mqtt_mock: Any
) -> None:
    hass.config_entries.async_update_entry(site, data={"prefix": "veroallarme", "site": "barn"})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sent(mqtt_mock, "camera/front_door/config")[0] is None
