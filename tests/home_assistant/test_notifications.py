from datetime import time
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.mobile_app import device_action
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.translation import async_get_translations
from pytest_homeassistant_custom_component.common import async_mock_service

from custom_components.veroallarme.const import DOMAIN
from custom_components.veroallarme.phones import Delivery, sound

from .archive import Archive, past_event
from .test_actions import EVENT, device_id
from .worker import INFO, changed, nuisance, say, verdict

MOVED_AT = "2026-11-23T06:14:02.517+00:00"


@pytest.fixture(autouse=True)
async def house(hass: HomeAssistant, site, archive: Archive) -> Any:
    """A family with two phones, of which each is reached by a service of its name."""
    await hass.config.async_set_time_zone("Europe/Paris")
    hass.config.components.add("mobile_app")
    known = {"his": "mobile_app_his", "hers": "mobile_app_hers"}
    with (
        patch.object(device_action, "webhook_id_from_device_id", lambda _, device: device),
        patch.object(device_action, "get_notify_service", lambda _, device: known.get(device)),
    ):
        yield


@pytest.fixture
def his(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "notify", "mobile_app_his")


@pytest.fixture
def hers(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "notify", "mobile_app_hers")


async def notify(hass: HomeAssistant, event_id: str | None = EVENT, **data: Any) -> None:
    data = {"device_id": device_id(hass), "phones": ["his", "hers"], **data}
    if event_id is not None:
        data["event_id"] = event_id
    await hass.services.async_call(DOMAIN, "notify", data, blocking=True)


async def press(hass: HomeAssistant, action: str) -> None:
    hass.bus.async_fire("mobile_app_notification_action", {"action": action})
    await hass.async_block_till_done()


async def test_every_phone_is_told_what_moved_and_when(hass: HomeAssistant, his, hers) -> None:
    await say(hass, "camera/drive/verdict", verdict(motion_at=MOVED_AT))
    await notify(hass, page="/alarms/0")
    for calls in (his, hers):
        (call,) = calls
        assert (call.data["title"], call.data["message"]) == ("Drive", "A person moved, 07:14")
        data = call.data["data"]
        assert data["clickAction"] == data["url"] == f"/alarms/0?veroallarme={EVENT}"
        assert (data["ttl"], data["priority"], data["importance"]) == (0, "high", "high")
        assert data["push"] == {"interruption-level": "time-sensitive"}
        assert data["when"] == 1795414442


async def test_a_tap_opens_the_latest_picture_where_no_page_is_named(
    hass: HomeAssistant, his, hers
) -> None:
    await notify(hass)
    assert his[0].data["data"]["clickAction"] == "entityId:image.drive_last_event"


async def test_a_tap_opens_the_event_among_the_media_where_there_are_any(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, his, hers
) -> None:
    freezer.move_to("2026-11-23 06:15:00+00:00")
    hass.config.components.add("media_source")
    await notify(hass)
    item = f"image/jpeg,media-source://veroallarme/{device_id(hass)}/2026-11-23/{EVENT}"
    target = f"/media-browser/browser/{quote(item, safe='')}"
    assert his[0].data["data"]["clickAction"] == his[0].data["data"]["url"] == target


@pytest.mark.parametrize(
    ("page", "target"),
    [
        ("https://alarm.example.org", f"https://alarm.example.org/events/drive/{EVENT}"),
        ("homeassistant://app/x_va", f"/app/x_va?page=/events/drive/{EVENT}"),
        # An address of the house is none for a phone on its way.
        ("http://192.168.1.5:8099", "entityId:image.drive_last_event"),
    ],
)
async def test_a_tap_opens_the_event_on_the_page_of_the_worker(
    hass: HomeAssistant, his, hers, page: str, target: str
) -> None:
    await say(hass, "info", changed(INFO, page=page))
    await notify(hass)
    assert his[0].data["data"]["clickAction"] == target
    await notify(hass, page="/alarms/0")
    assert his[1].data["data"]["url"] == f"/alarms/0?veroallarme={EVENT}"
    await notify(hass, event_id=None)
    assert his[2].data["data"]["url"] == "entityId:image.drive_last_event"


async def test_it_speaks_the_language_of_the_house(hass: HomeAssistant, his, hers) -> None:
    hass.config.language = "de"
    await async_get_translations(hass, "de", "entity", {DOMAIN})
    await say(hass, "camera/drive/verdict", verdict(motion_at=MOVED_AT))
    await notify(hass)
    assert his[0].data["message"] == "Eine Person hat sich bewegt, 07:14"
    titles = [action["title"] for action in his[0].data["data"]["actions"]]
    assert titles == ["Relevant", "Fehlalarm"]


async def test_what_is_let_through_while_learning_says_so(hass: HomeAssistant, his, hers) -> None:
    let_through = verdict(state="irrelevant", reason="light", motion_at=MOVED_AT, learning=True)
    await say(hass, "camera/drive/verdict", let_through)
    await notify(hass)
    assert his[0].data["message"] == (
        "Only light changed, 07:14 (still learning: would have been suppressed)"
    )


async def test_what_could_not_be_judged_says_that_something_may_be_there(
    hass: HomeAssistant, his, hers
) -> None:
    unjudged = verdict(state="unknown", score=None, motion_at=MOVED_AT, reason="no_snapshot")
    unjudged["frames"] = unjudged["frames"] | {"fetched": 0, "distinct": 0}
    await say(hass, "camera/drive/verdict", unjudged)
    await notify(hass, camera_entity="camera.drive")
    await notify(hass)
    assert his[0].data["message"] == "Motion that could not be judged, 07:14: No picture arrived"
    assert his[0].data["data"]["image"] == "/api/camera_proxy/camera.drive"
    assert "image" not in his[1].data["data"], "there is none to ask for"


async def test_an_event_that_is_not_the_latest_is_told_all_the_same(
    hass: HomeAssistant, his, hers, archive: Archive
) -> None:
    archive.events = [past_event(verdict(motion_at=MOVED_AT))]
    await say(hass, "camera/drive/verdict", nuisance())
    await notify(hass)
    assert his[0].data["message"] == "A person moved, 07:14"
    archive.error = "the disk is gone"
    await notify(hass)
    assert his[1].data["message"] == "Something moved"
    await say(hass, "worker/main/status", "offline")
    await notify(hass)
    assert his[2].data["message"] == "Something moved"


async def test_a_phone_that_is_gone_keeps_it_from_no_other(
    hass: HomeAssistant, hers, caplog: pytest.LogCaptureFixture
) -> None:
    await notify(hass, phones=["gone", "hers"])
    assert len(hers) == 1
    assert "The phone gone cannot be notified" in caplog.text
    with pytest.raises(HomeAssistantError, match="not a phone with the Home Assistant app"):
        await notify(hass, phones=["gone"])
    hass.config.components.remove("mobile_app")
    with pytest.raises(HomeAssistantError, match="No phone has the Home Assistant app"):
        await notify(hass)


@pytest.mark.parametrize(
    ("begin", "end", "now", "is_quiet"),
    [
        (time(22), time(6), "23:30", True),
        (time(22), time(6), "05:59", True),
        (time(22), time(6), "06:00", False),
        (time(13), time(15), "14:00", True),
        (time(13), time(15), "12:59", False),
        (time(0), time(0), "00:00", False),
        (None, time(6), "03:00", False),
    ],
)
def test_quiet_hours(begin: time | None, end: time, now: str, is_quiet: bool) -> None:
    from datetime import datetime

    delivery = Delivery(phones=(), quiet_from=begin, quiet_until=end)
    assert delivery.is_quiet(datetime.fromisoformat(f"2026-11-23T{now}")) is is_quiet


async def test_in_quiet_hours_it_comes_without_a_sound(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, his, hers
) -> None:
    freezer.move_to("2026-11-23 23:00:00+00:00")
    await notify(hass, quiet_from="22:00:00", quiet_until="06:00:00")
    data = his[0].data["data"]
    assert data.items() >= sound(is_quiet=True).items()
    assert (data["ttl"], data["importance"]) == (0, "low")


async def test_a_cool_down_silences_and_leaves_nothing_out(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, his, hers
) -> None:
    for seconds in (0, 30, 31):
        freezer.tick(seconds)
        await notify(hass, cool_down=60)
    await notify(hass, event_id=None, cool_down=60)
    sounds = [call.data["data"]["importance"] for call in his]
    assert sounds == ["high", "low", "high", "low"]


@pytest.mark.parametrize(("answer", "relevant"), [(0, True), (1, False)])
async def test_a_button_teaches_and_is_answered(
    hass: HomeAssistant, his, hers, archive: Archive, answer: int, relevant: bool
) -> None:
    await notify(hass)
    await press(hass, his[0].data["data"]["actions"][answer]["action"])
    assert archive.requests("feedback") == [{"event_id": EVENT, "relevant": relevant}]
    for calls in (his, hers):
        assert calls[1].data["message"] == "Thanks, I will remember."
        assert calls[1].data["data"]["tag"] == calls[0].data["data"]["tag"]
    assert ("actions" in his[1].data["data"]) is not relevant


async def test_a_false_alarm_offers_to_ignore_motion_there(
    hass: HomeAssistant, his, hers, archive: Archive
) -> None:
    await notify(hass)
    await press(hass, his[0].data["data"]["actions"][1]["action"])
    assert archive.requests("ignore_here") == [], "not without the user's word"
    (offer,) = his[1].data["data"]["actions"]
    assert offer["title"] == "Ignore motion here"
    await press(hass, offer["action"])
    assert archive.requests("ignore_here") == [{"event_id": EVENT, "preview": False}]
    assert his[2].data["message"] == "Motion there will be ignored from now on."


async def test_an_answer_that_is_not_taken_is_told(
    hass: HomeAssistant, his, hers, archive: Archive
) -> None:
    await notify(hass)
    action = his[0].data["data"]["actions"][0]["action"]
    archive.error = "the event is gone"
    await press(hass, action)
    assert his[1].data["message"].startswith("Your answer could not be saved:")
    assert "the event is gone" in his[1].data["message"]
    await say(hass, "worker/main/status", "offline")
    await press(hass, action)
    assert his[2].data["message"] == "Your answer could not be saved: the worker is offline."


@pytest.mark.parametrize(
    "data",
    [{}, {"action": 5}, {"action": "veroallarme"}, {"action": "veroallarme|x|y|relevant"},
     {"action": "SILENCE"}],
)  # fmt: skip
async def test_buttons_of_others_are_left_alone(
    hass: HomeAssistant, archive: Archive, his, caplog, data: dict[str, Any]
) -> None:
    hass.bus.async_fire("mobile_app_notification_action", data)
    await hass.async_block_till_done()
    await press(hass, f"veroallarme|{device_id(hass)}|{EVENT}|something else")
    assert archive.asked == []
    assert his == []
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")]


async def test_motion_that_nobody_judged_shows_the_camera_itself(
    hass: HomeAssistant, his, hers
) -> None:
    await say(hass, "worker/main/status", "offline")
    await notify(hass, event_id=None, camera_entity="camera.drive")
    await notify(hass, event_id=None)
    assert his[0].data["message"].startswith("Motion that was not judged in time, ")
    assert his[0].data["data"]["image"] == "/api/camera_proxy/camera.drive"
    assert his[0].data["data"]["clickAction"] == "entityId:camera.drive"
    assert "image" not in his[1].data["data"]
