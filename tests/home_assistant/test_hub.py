from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.mqtt.const import MQTT_CONNECTION_STATE
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.util import dt as dt_util
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.veroallarme.const import DOMAIN
from custom_components.veroallarme.contract import MAX_CAMERAS
from custom_components.veroallarme.issues import PATIENCE_S
from custom_components.veroallarme.workers import HEALTH_SILENCE_S, MAX_WORKERS

from .worker import (
    HEALTH,
    INFO,
    JPEG,
    ROOT,
    STATS,
    attributes,
    changed,
    moment,
    nuisance,
    publish,
    say,
    state,
    verdict,
)

ALARM = ("binary_sensor", "relevant_motion")
FRONT = {"id": "front", "name": "Front", "origin": "local"}


def devices(hass: HomeAssistant) -> set[str | None]:
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    registry = dr.async_get(hass)
    return {one.name for one in dr.async_entries_for_config_entry(registry, entry.entry_id)}


async def test_one_subscription_for_each_kind_of_topic(
    hass: HomeAssistant, site, mqtt_mock
) -> None:
    topics = [call.args[0] for call in mqtt_mock.async_subscribe.call_args_list]
    ours = [topic for topic in topics if topic.startswith("veroallarme/home/")]
    assert len(ours) == len(set(ours)) == 12
    assert not any("#" in topic for topic in ours)


async def test_everything_is_unavailable_while_no_worker_is_online(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        await say(hass, "worker/main/status", "offline")
    assert state(hass, *ALARM) == "unavailable"
    assert state(hass, "sensor", "suppressed") == "unavailable"
    assert caplog.text.count("The worker of veroallarme/home is not available") == 1
    await say(hass, "worker/main/status", "online")
    assert state(hass, *ALARM) == "off"


async def test_a_second_worker_keeps_the_site_available(hass: HomeAssistant, site) -> None:
    await say(hass, "worker/second/status", "online")
    await say(hass, "worker/main/status", "offline")
    assert state(hass, *ALARM) == "off"


async def test_a_worker_that_is_not_heard_any_more_is_gone(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    freezer.tick(HEALTH_SILENCE_S - 20)
    async_fire_time_changed(hass)
    await say(hass, "worker/main/health", HEALTH)
    freezer.tick(30)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert state(hass, *ALARM) == "off"
    freezer.tick(HEALTH_SILENCE_S)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert state(hass, *ALARM) == "unavailable"
    await say(hass, "worker/main/health", HEALTH)
    assert state(hass, *ALARM) == "off"


async def test_without_the_broker_nothing_is_known(hass: HomeAssistant, site) -> None:
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, False)
    await hass.async_block_till_done()
    assert state(hass, *ALARM) == "unavailable"
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, True)
    await hass.async_block_till_done()
    # The broker has yet to say whether the worker outlived it.
    assert state(hass, *ALARM) == "unavailable"
    await say(hass, "worker/main/status", "online")
    assert state(hass, *ALARM) == "off"


async def test_a_stop_of_home_assistant_leaves_what_is_shown(hass: HomeAssistant, site) -> None:
    """It leaves the broker before it writes down what entities restore after the next start."""
    hass.set_state(CoreState.stopping)
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, False)
    assert state(hass, *ALARM) == "off"


async def test_cameras_come_and_go_with_info(hass: HomeAssistant, site) -> None:
    assert devices(hass) == {"VeroAllarme home", "Drive", "Garden"}
    await say(hass, "camera/front/relevant", "OFF")
    await say(hass, "info", changed(INFO, cameras=[*INFO["cameras"], FRONT]))
    assert devices(hass) == {"VeroAllarme home", "Drive", "Garden", "Front"}
    assert state(hass, *ALARM, "front") == "off"
    await say(hass, "info", changed(INFO, cameras=[INFO["cameras"][0]]))
    assert devices(hass) == {"VeroAllarme home", "Drive"}
    await say(hass, "info", changed(INFO, cameras=[*INFO["cameras"], FRONT]))
    assert devices(hass) == {"VeroAllarme home", "Drive", "Garden", "Front"}
    assert state(hass, *ALARM, "front") == "unknown"


async def test_the_version_of_the_worker_shows_on_its_device(hass: HomeAssistant, site) -> None:
    await say(hass, "info", changed(INFO, version="0.2.0"))
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, site.entry_id), site.entry_id
    )
    assert device is not None
    assert device.sw_version == "0.2.0"


async def test_a_worker_of_another_contract_counts_for_nothing(hass: HomeAssistant, site) -> None:
    await say(hass, "info", {"contract": 2})
    assert state(hass, *ALARM) == "unavailable"
    assert devices(hass) == {"VeroAllarme home", "Drive", "Garden"}
    await say(hass, "info", INFO)
    assert state(hass, *ALARM) == "off"


async def test_a_payload_that_cannot_be_read_changes_nothing_and_is_logged_once(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        await say(hass, "camera/drive/stats", "no json")
        await say(hass, "worker/main/health", "[]")
        await say(hass, "info", "{}")
    assert state(hass, "sensor", "suppressed") == str(STATS["suppressed"])
    for topic in ("camera/drive/stats", "worker/main/health", "info"):
        assert caplog.text.count(f"Ignored a message on veroallarme/home/{topic}:") == 1


async def test_a_flood_of_names_is_bounded(hass: HomeAssistant, site) -> None:
    for number in range(MAX_CAMERAS + 50):
        publish(hass, f"camera/flood_{number}/relevant", "ON")
        publish(hass, f"worker/flood_{number}/status", "online")
    publish(hass, "camera/NOT AN ID/relevant", "ON")
    publish(hass, "worker/NOT AN ID/health", HEALTH)
    await hass.async_block_till_done()
    assert len(site.runtime_data.cameras.by_id) == MAX_CAMERAS
    assert len(site.runtime_data.workers.by_id) == MAX_WORKERS


KINDS = ("relevant", "verdict", "event", "image", "connectivity", "stats", "settings", "review")
TOPICS = [f"camera/drive/{kind}" for kind in KINDS] + [
    "camera/drive/analyze/abc",
    "worker/main/status",
    "worker/main/health",
    "info",
]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
async def test_no_payload_raises_in_home_assistant(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    caplog.clear()
    for _ in range(5):
        topic = data.draw(st.sampled_from(TOPICS))
        payload = data.draw(
            st.binary(max_size=60)
            | st.sampled_from([b"ON", b"online", JPEG, b"", b"{}", b"[]", b"null"])
            | st.builds(verdict, score=st.floats() | st.none(), regions=st.lists(st.integers()))
            | st.builds(nuisance, event_id=st.text(max_size=9))
        )
        publish(hass, topic, payload, retained=data.draw(st.booleans()))
    await hass.async_block_till_done()
    assert not [record for record in caplog.records if record.exc_info]


async def test_waiting_for_a_worker_ends(hass: HomeAssistant, site) -> None:
    hub = site.runtime_data
    assert await hub.async_wait_online(0.01)
    await say(hass, "worker/main/status", "offline")
    assert not await hub.async_wait_online(0.01)
    waiting: Any = hass.async_create_task(hub.async_wait_online(5))
    await say(hass, "worker/main/status", "online")
    assert await waiting


async def test_trouble_of_a_worker_that_is_gone_is_none(hass: HomeAssistant, site) -> None:
    trouble = {"key": "x", "message": "old trouble", "at": moment()}
    await say(hass, "worker/old/health", changed(HEALTH, last_error=trouble), retained=True)
    await say(hass, "worker/old/status", "offline", retained=True)
    assert state(hass, "binary_sensor", "problem", "") == "off"


@pytest.mark.parametrize("date", ["2026-11-31T06:00:00+00:00", "2026-11-23T06:00:00+99:00"])
async def test_a_date_that_no_calendar_has_costs_no_alarm(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture, date: str
) -> None:
    await say(hass, "camera/drive/verdict", verdict(hold_until=moment(-1), decided_at=moment(-2)))
    await say(hass, "camera/drive/verdict", verdict("20261123_061402_aaaaaa", motion_at=date))
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"
    assert "motion_at is no time" in caplog.text
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


async def test_a_camera_is_renamed_by_info(hass: HomeAssistant, site) -> None:
    drive = INFO["cameras"][0] | {"name": "Driveway"}
    await say(hass, "info", changed(INFO, cameras=[drive, INFO["cameras"][1]]))
    assert "Driveway" in devices(hass)


async def test_state_of_cameras_that_are_no_more_is_dropped(hass: HomeAssistant, site) -> None:
    await say(hass, "camera/ghost/image", JPEG, retained=True)
    await say(hass, "info", INFO)
    assert "ghost" not in site.runtime_data.cameras.by_id


async def test_an_alarm_that_the_worker_restates_counts_whatever_the_clocks_say(
    hass: HomeAssistant, start_site
) -> None:
    """Here it is two minutes later than there."""
    raised = verdict(decided_at=moment(-140), hold_until=moment(-80))
    retained = {"camera/drive/verdict": raised, "camera/drive/relevant": "ON"}
    await start_site(retained=retained)
    assert state(hass, *ALARM) == "off"
    await say(hass, "camera/drive/verdict", raised)
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"


# --- clocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("skew_s", "minutes"), [(-7200, "120"), (7200, "120"), (45, "1")])
async def test_clocks_that_differ_are_told_and_times_are_shown_by_ours(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site, skew_s: float, minutes: str
) -> None:
    await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment(skew_s)))
    decided = verdict(motion_at=moment(skew_s - 2), decided_at=moment(skew_s))
    await say(hass, "camera/drive/verdict", decided)
    await say(hass, "camera/drive/event", decided)
    for entity in (ALARM, ("event", "decision")):
        shown = dt_util.parse_datetime(attributes(hass, *entity)["decided_at"])
        assert shown is not None
        assert abs((shown - dt_util.utcnow()).total_seconds()) < 1
    await report(hass, freezer, skew_s)
    assert issue(hass, "clock_difference") == {"site": ROOT, "minutes": minutes}
    assert site.runtime_data.workers.by_id["main"].clock_lead.total_seconds() == pytest.approx(
        skew_s, abs=1
    )
    await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment()))
    assert issue(hass, "clock_difference") is None


async def test_a_message_that_took_some_time_is_no_other_clock(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await report(hass, freezer, -20)
    assert issue(hass, "clock_difference") is None
    assert not site.runtime_data.workers.clock_lead


async def test_what_the_broker_kept_tells_no_clock(hass: HomeAssistant, site) -> None:
    old = changed(HEALTH, sent_at=moment(-3600))
    await say(hass, "worker/main/health", old, retained=True)
    assert not site.runtime_data.workers.clock_lead


async def test_one_worker_with_a_wrong_clock_does_not_shift_the_others(
    hass: HomeAssistant, site
) -> None:
    await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment(7200)))
    await say(hass, "worker/second/status", "online")
    await say(hass, "worker/second/health", changed(HEALTH, sent_at=moment()))
    assert not site.runtime_data.workers.clock_lead


async def report(hass: HomeAssistant, freezer: FrozenDateTimeFactory, skew_s: float) -> None:
    """Let the worker report until trouble is an issue."""
    for _ in range(6):
        freezer.tick(PATIENCE_S / 5)
        async_fire_time_changed(hass)
        await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment(skew_s)))


def issue(hass: HomeAssistant, kind: str) -> dict[str, str] | None:
    issues = {one.translation_key: one for one in ir.async_get(hass).issues.values()}
    return issues[kind].translation_placeholders if kind in issues else None


# --- nothing is lost without a word -----------------------------------------------------------


async def test_each_mistake_of_a_topic_is_logged(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture
) -> None:
    for payload in ("no json", "[]", "no json", "{}"):
        await say(hass, "camera/drive/event", payload)
    topic = "Ignored a message on veroallarme/home/camera/drive/event:"
    assert caplog.text.count(f"{topic} not JSON") == 1
    assert caplog.text.count(f"{topic} the payload is no object") == 1
    assert caplog.text.count(f"{topic} event_id is no id") == 1


async def test_an_entity_that_stumbles_keeps_no_alarm_from_the_others(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble() -> None:
        raise ValueError("a state that is none")

    hub = site.runtime_data
    hub.listeners._listeners[("drive", "relevant")].insert(0, stumble)
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"
    assert "relevant of drive could not be shown" in caplog.text


async def test_a_camera_too_many_is_told(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(MAX_CAMERAS + 2):
        publish(hass, f"camera/flood_{number}/relevant", "ON")
    await hass.async_block_till_done()
    assert caplog.text.count(f"there are {MAX_CAMERAS} cameras already") == 1
