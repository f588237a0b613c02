import asyncio
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from custom_components.veroallarme import burst_sender

from .bridged import MOTION, CameraOfHome, bursts, move, move_shortly
from .repairs import shown
from .worker import say, sent, verdict


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


@pytest.fixture
def impatient() -> Iterator[None]:
    """Let a burst be sent again at once."""
    with patch.object(burst_sender, "RETRY_PAUSE_S", 0.001):
        yield


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
    assert shown(hass).get("motion_lost") is None


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
    placeholders = shown(hass).get("motion_lost")
    assert placeholders is not None
    assert placeholders["camera"] == "Front door"
    assert "no broker" in placeholders["why"]
    mqtt_mock.async_publish.side_effect = None
    await move(hass, "on")
    assert shown(hass).get("motion_lost") is not None, "sent is not judged"
    await say(hass, "camera/front_door/event", verdict())
    assert shown(hass).get("motion_lost") is None


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
