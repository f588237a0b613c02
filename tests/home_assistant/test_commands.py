import asyncio
from unittest.mock import patch

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from custom_components.veroallarme import commands

from .archive import Archive
from .test_actions import EVENT, act, analyze
from .worker import INFO, changed, say, sent, verdict


async def test_analyze_says_why_the_worker_cannot(hass: HomeAssistant, site, mqtt_mock) -> None:
    with pytest.raises(HomeAssistantError, match="Drive could not be judged: no picture"):
        await analyze(hass, mqtt_mock, {"error": "no picture"})


async def test_analyze_does_not_wait_for_ever(hass: HomeAssistant, site, mqtt_mock) -> None:
    with (
        patch.object(commands, "ANALYZE_TIMEOUT_S", 0.05),
        pytest.raises(HomeAssistantError, match="did not answer about Drive in time"),
    ):
        await analyze(hass, mqtt_mock, "no json", {"state": "relevant"})
    await say(hass, "camera/drive/analyze/of_somebody_else", verdict())


async def test_a_thumb_waits_for_the_worker(hass: HomeAssistant, site, archive: Archive) -> None:
    archive.is_silent = True
    with (
        patch.object(commands, "FEEDBACK_TIMEOUT_S", 0.05),
        pytest.raises(HomeAssistantError, match="did not answer about Drive in time"),
    ):
        await act(hass, "give_feedback", event_id=EVENT, feedback="nuisance")


async def test_a_thumb_for_an_event_that_is_gone_is_an_error(
    hass: HomeAssistant, site, archive: Archive
) -> None:
    archive.events.clear()
    with pytest.raises(HomeAssistantError, match="not accepted: feedback for the unknown event"):
        await act(hass, "give_feedback", event_id=EVENT, feedback="nuisance")


async def test_a_worker_that_answers_no_thumbs_is_sent_them_all_the_same(
    hass: HomeAssistant, site, mqtt_mock
) -> None:
    await say(hass, "info", changed(INFO, capabilities=["feedback"]))
    await act(hass, "give_feedback", event_id=EVENT, feedback="nuisance")
    assert sent(mqtt_mock, "camera/drive/feedback") == [{"event_id": EVENT, "relevant": False}]


async def test_analyze_ends_with_its_site(hass: HomeAssistant, site, mqtt_mock) -> None:
    action = hass.async_create_task(act(hass, "analyze"))
    while not sent(mqtt_mock, "camera/drive/analyze"):
        await asyncio.sleep(0)
    await hass.config_entries.async_unload(site.entry_id)
    with pytest.raises(HomeAssistantError, match="did not answer about Drive in time"):
        await action
