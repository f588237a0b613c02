from typing import Any
from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.mobile_app import device_action
from homeassistant.core import HomeAssistant, ServiceCall
from pytest_homeassistant_custom_component.common import async_mock_service

from custom_components.veroallarme.const import DOMAIN

from .archive import Archive, past_event
from .test_actions import device_id
from .worker import INFO, REVIEW, changed, moment, nuisance, say, verdict

REVIEWED = "20261123_021512_7be01d"


@pytest.fixture(autouse=True)
async def evening(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site, archive: Archive
) -> Any:
    """A house with one camera and a phone, at seven o'clock."""
    freezer.move_to("2026-11-23 19:00:00+00:00")
    await hass.config.async_set_time_zone("Europe/Paris")
    await start_site(changed(INFO, cameras=INFO["cameras"][:1]))
    archive.events = []
    hass.config.components.add("mobile_app")
    with (
        patch.object(device_action, "webhook_id_from_device_id", lambda _, device: device),
        patch.object(device_action, "get_notify_service", lambda *_: "mobile_app_phone"),
    ):
        yield


@pytest.fixture
def notified(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "notify", "mobile_app_phone")


async def send(hass: HomeAssistant, **data: Any) -> Any:
    return await hass.services.async_call(
        DOMAIN, "send_digest", {"phones": "phone", **data}, blocking=True, return_response=True
    )


async def test_what_was_suppressed_is_counted_and_what_is_worth_a_look_named(
    hass: HomeAssistant, archive: Archive, notified: list[ServiceCall]
) -> None:
    archive.events = [
        past_event(nuisance(motion_at=moment(-3600))),
        past_event(verdict(motion_at=moment(-7200))),
        past_event(nuisance(motion_at=moment(-100_000))),
    ]
    closest = REVIEW["events"][0] | {"reason": "light"}
    old = closest | {"event_id": "20261121_000000_aaaaaa", "motion_at": moment(-200_000)}
    sample = closest | {"event_id": "20261123_100000_bbbbbb", "why": "sample", "reason": "exposure"}
    await say(hass, "camera/drive/review", {"events": [sample, old, closest]})
    assert await send(hass) == {"sent": True}
    (call,) = notified
    assert call.data["title"] == "What moved"
    assert call.data["message"].splitlines() == [
        "2 events, 1 suppressed, 2 worth a look",
        "Drive, 03:15: Only light changed",
        "Drive, 03:15: The camera's exposure changed",
    ]
    data = call.data["data"]
    assert data["image"] == f"/api/veroallarme/{device_id(hass)}/{REVIEWED}/annotated.jpg"
    assert "clickAction" not in data


async def test_while_a_camera_learns_it_counts_what_would_have_been_suppressed(
    hass: HomeAssistant, archive: Archive, notified: list[ServiceCall]
) -> None:
    hass.config.components.add("media_source")
    let_through = nuisance(relevant=True, learning=True, motion_at=moment(-3600))
    archive.events = [past_event(let_through)]
    assert await send(hass) == {"sent": True}
    assert notified[0].data["message"] == "1 event, 1 would have been suppressed"
    media = "/media-browser/browser/app%2Cmedia-source%3A%2F%2Fveroallarme"
    assert notified[0].data["data"]["url"] == media


async def test_nothing_is_sent_where_there_is_nothing_to_tell(
    hass: HomeAssistant, notified: list[ServiceCall]
) -> None:
    assert await send(hass, page="/alarms/0") == {"sent": False}
    assert notified == []


@pytest.mark.parametrize("is_offline", [True, False])
async def test_a_camera_that_gives_no_answer_is_named(
    hass: HomeAssistant, archive: Archive, notified: list[ServiceCall], is_offline: bool
) -> None:
    archive.error = "the disk is gone"
    if is_offline:
        await say(hass, "worker/main/status", "offline")
    assert await send(hass, page="/alarms/0") == {"sent": True}
    assert notified[0].data["message"] == "Drive: the worker is offline."
    assert notified[0].data["data"]["url"] == "/alarms/0"
