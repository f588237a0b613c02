import pytest
from homeassistant.components.mqtt.const import MQTT_CONNECTION_STATE
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers.dispatcher import async_dispatcher_send

from .worker import ALARM, STATS, say, state


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


async def test_each_mistake_of_a_topic_is_logged(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture
) -> None:
    for payload in ("no json", "[]", "no json", "{}"):
        await say(hass, "camera/drive/event", payload)
    topic = "Ignored a message on veroallarme/home/camera/drive/event:"
    assert caplog.text.count(f"{topic} not JSON") == 1
    assert caplog.text.count(f"{topic} the payload is no object") == 1
    assert caplog.text.count(f"{topic} event_id is no id") == 1
