import asyncio
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr

from custom_components.veroallarme.const import DOMAIN

from .archive import ZONE, Archive
from .worker import (
    ALARM,
    INFO,
    attributes,
    changed,
    publish,
    raise_alarm,
    say,
    sent,
    validate,
    verdict,
)

EVENT = "20261123_061402_9f31c4"


def device_id(hass: HomeAssistant, camera: str = "/drive") -> str:
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, f"{entry.entry_id}{camera}"), entry.entry_id
    )
    assert device is not None
    return device.id


async def act(hass: HomeAssistant, action: str, *, device: str | None = None, **data: Any) -> Any:
    data["device_id"] = device_id(hass) if device is None else device
    return await hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=True)


async def analyze(hass: HomeAssistant, mqtt_mock: Any, *answers: Any) -> Any:
    """Analyze the drive, with a worker that gives these answers."""
    action = hass.async_create_task(act(hass, "analyze"))
    while not (requests := sent(mqtt_mock, "camera/drive/analyze")):
        await asyncio.sleep(0)
    (request,) = requests
    validate("analyze", request)
    for answer in answers:
        publish(hass, f"camera/drive/analyze/{request['request_id']}", answer)
    return await action


async def test_analyze_returns_the_verdict(hass: HomeAssistant, site, mqtt_mock) -> None:
    answer = verdict(hold_until=None, stored=False)
    assert await analyze(hass, mqtt_mock, answer, answer) == answer


async def test_analyze_takes_the_frames_of_a_bridged_camera_along(
    hass: HomeAssistant, site, mqtt_mock
) -> None:
    frames = [{"captured_at": "2026-11-23T06:14:02.517+00:00", "jpeg": "/9j/"}]

    async def capture() -> list[dict[str, str]]:
        return frames

    site.runtime_data.commands.captures["drive"] = capture
    await analyze(hass, mqtt_mock, verdict())
    (request,) = sent(mqtt_mock, "camera/drive/analyze")
    assert request["frames"] == frames


@pytest.mark.parametrize(
    ("feedback", "relevant"), [("relevant", True), ("nuisance", False), ("taken_back", None)]
)
async def test_feedback_is_sent_and_returned(
    hass: HomeAssistant, site, archive: Archive, feedback: str, relevant: bool | None
) -> None:
    response = await act(hass, "give_feedback", event_id=EVENT, feedback=feedback)
    assert response == {"camera": "drive", "event_id": EVENT, "relevant": relevant}
    assert archive.requests("feedback") == [{"event_id": EVENT, "relevant": relevant}]


async def test_feedback_shows_at_the_alarm_it_is_about(
    hass: HomeAssistant, site, archive: Archive
) -> None:
    await raise_alarm(hass, event_id=EVENT)
    assert attributes(hass, *ALARM)["feedback"] is None
    await act(hass, "give_feedback", event_id=EVENT, feedback="nuisance")
    assert attributes(hass, *ALARM)["feedback"] == "nuisance"
    await act(hass, "give_feedback", event_id=EVENT, feedback="taken_back")
    assert attributes(hass, *ALARM)["feedback"] is None
    await act(hass, "give_feedback", event_id=EVENT, feedback="relevant")
    await raise_alarm(hass, event_id="20261123_071402_9f31c4")
    assert attributes(hass, *ALARM)["feedback"] is None, "it was about the event before"


async def test_motion_is_ignored_where_it_was(hass: HomeAssistant, site, archive: Archive) -> None:
    shown = await act(hass, "ignore_motion_here", event_id=EVENT, preview=True)
    assert shown == {"camera": "drive", "event_id": EVENT, "zones": [ZONE], "added": False}
    added = await act(hass, "ignore_motion_here", event_id=EVENT)
    assert added["added"] is True
    assert [request["preview"] for request in archive.requests("ignore_here")] == [True, False]
    archive.error = "it moved in too large a part of the picture"
    with pytest.raises(HomeAssistantError, match="Drive: it moved in too large a part"):
        await act(hass, "ignore_motion_here", event_id=EVENT)


async def test_feedback_needs_an_event(hass: HomeAssistant, site, mqtt_mock) -> None:
    with pytest.raises(ServiceValidationError, match="is not the id of an event"):
        await act(hass, "give_feedback", event_id="the last one", feedback="relevant")
    assert sent(mqtt_mock, "camera/drive/feedback") == []


async def test_learn_tells_how_far_it_is(hass: HomeAssistant, site, mqtt_mock) -> None:
    assert await act(hass, "learn") == {"camera": "drive", "learned": True, "missing": ""}
    assert sent(mqtt_mock, "camera/drive/learn") == [{}]
    await say(hass, "camera/drive/stats", "")
    assert await act(hass, "learn") == {"camera": "drive", "learned": None, "missing": None}


async def test_only_cameras_can_be_acted_on(hass: HomeAssistant, site) -> None:
    for device in ("no such device", device_id(hass, "")):
        with pytest.raises(ServiceValidationError, match="is not a camera of VeroAllarme"):
            await act(hass, "learn", device=device)


async def test_nothing_can_be_done_without_a_worker(hass: HomeAssistant, site) -> None:
    await say(hass, "worker/main/status", "offline")
    with pytest.raises(ServiceValidationError, match="The worker of Drive is offline"):
        await act(hass, "learn")


async def test_an_old_worker_is_not_asked_for_what_it_cannot_do(hass: HomeAssistant, site) -> None:
    await say(hass, "info", changed(INFO, capabilities=["set"]))
    with pytest.raises(ServiceValidationError, match="The worker does not know analyze"):
        await act(hass, "analyze")


async def test_actions_are_there_without_a_site(hass: HomeAssistant, site) -> None:
    device = device_id(hass)
    await hass.config_entries.async_unload(site.entry_id)
    with pytest.raises(ServiceValidationError, match="is not a camera of VeroAllarme"):
        await act(hass, "learn", device=device)
