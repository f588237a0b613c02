from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custom_components.veroallarme.contract import MAX_CAMERAS
from custom_components.veroallarme.workers import MAX_WORKERS

from .worker import ALARM, HEALTH, INFO, JPEG, devices, nuisance, publish, say, state, verdict


async def test_one_subscription_for_each_kind_of_topic(
    hass: HomeAssistant, site, mqtt_mock
) -> None:
    topics = [call.args[0] for call in mqtt_mock.async_subscribe.call_args_list]
    ours = [topic for topic in topics if topic.startswith("veroallarme/home/")]
    assert len(ours) == len(set(ours)) == 15
    assert not any("#" in topic for topic in ours)


async def test_the_alarm_alone_is_unavailable_while_no_worker_is_online(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        await say(hass, "worker/main/status", "offline")
    assert state(hass, *ALARM) == "unavailable"
    assert state(hass, "sensor", "suppressed") == "322", "what was told stays true"
    states = [found.state for found in hass.states.async_all()]
    assert states.count("unavailable") == 2, "one alarm of each camera"
    assert caplog.text.count("The worker of veroallarme/home is not available") == 1
    await say(hass, "worker/main/status", "online")
    assert state(hass, *ALARM) == "off"


async def test_a_worker_of_another_contract_counts_for_nothing(hass: HomeAssistant, site) -> None:
    await say(hass, "info", {"contract": 2})
    assert state(hass, *ALARM) == "unavailable"
    assert devices(hass) == {"VeroAllarme home", "Drive", "Garden"}
    await say(hass, "info", INFO)
    assert state(hass, *ALARM) == "off"


async def test_a_flood_of_names_is_bounded(hass: HomeAssistant, site) -> None:
    for number in range(MAX_CAMERAS + 50):
        publish(hass, f"camera/flood_{number}/relevant", "ON")
        publish(hass, f"worker/flood_{number}/status", "online")
    publish(hass, "camera/NOT AN ID/relevant", "ON")
    publish(hass, "worker/NOT AN ID/health", HEALTH)
    await hass.async_block_till_done()
    assert len(site.runtime_data.cameras.by_id) == MAX_CAMERAS
    assert len(site.runtime_data.workers.by_id) == MAX_WORKERS


KINDS = (
    "relevant",
    "verdict",
    "event",
    "image",
    "connectivity",
    "stats",
    "settings",
    "review",
    "suggestions",
    "suggestions_image",
)


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
