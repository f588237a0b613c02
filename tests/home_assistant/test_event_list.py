from http import HTTPStatus
from typing import Any

import pytest
from homeassistant.core import HomeAssistant

from .archive import Archive, past_event
from .test_actions import device_id
from .worker import INFO, STATS, changed, moment, nuisance, say, verdict

EVENT = verdict()["event_id"]


@pytest.fixture
def ask(hass: HomeAssistant, hass_ws_client: Any) -> Any:
    """Return what asks for events as the card does."""

    async def ask(**request: Any) -> dict[str, Any]:
        client = await hass_ws_client(hass)
        await client.send_json_auto_id({"type": "veroallarme/events", **request})
        answer = await client.receive_json()
        assert answer["success"], answer
        result: dict[str, Any] = answer["result"]
        return result

    return ask


@pytest.fixture
def drive_alone(hass: HomeAssistant, start_site: Any) -> Any:
    """Return a function that sets up a site with one camera, which answers."""

    async def start() -> None:
        await start_site(changed(INFO, cameras=INFO["cameras"][:1]))

    return start


async def test_events_come_with_words_and_addresses(
    hass: HomeAssistant, drive_alone, archive: Archive, ask, hass_client_no_auth
) -> None:
    await drive_alone()
    archive.events.append(past_event(nuisance(reason="light", motion_at=moment(-60)), pictures=0))
    answer = await ask(count_since=moment(-3600))
    shown, quiet = answer["events"]
    drive = device_id(hass)
    assert (shown["event_id"], shown["device_id"]) == (EVENT, drive)
    assert (shown["reason_word"], quiet["reason_word"]) == ("person", "light")
    assert (quiet["thumbnail"], quiet["picture"], quiet["frames"]) == (None, None, [])
    assert len(shown["frames"]) == 3
    assert answer["more"] is False
    assert answer["counts"] == {"events": 2, "nuisance": 1, "suppressed": 1}
    assert answer["cameras"] == [{"device_id": drive, "name": "Drive", "learning": None}]
    assert answer["faults"] == []
    browser = await hass_client_no_auth()
    for address in (shown["thumbnail"], shown["picture"], *shown["frames"]):
        assert (await browser.get(address)).status == HTTPStatus.OK


async def test_the_list_tells_what_learning_still_needs(
    hass: HomeAssistant, drive_alone, archive: Archive, ask
) -> None:
    await drive_alone()
    young = {"learned": False, "events_seen": 19, "sessions_seen": 6, "days_left": 4.2}
    learning = STATS["learning"] | young
    await say(hass, "camera/drive/stats", changed(STATS, learning=learning))
    (camera,) = (await ask())["cameras"]
    assert camera["learning"] == {
        "events_seen": 19,
        "events_needed": 40,
        "sessions_seen": 6,
        "sessions_needed": 24,
        "days": 5,
    }


async def test_events_link_to_the_page_of_the_worker(
    hass: HomeAssistant, drive_alone, archive: Archive, ask
) -> None:
    await drive_alone()
    assert [event["page"] for event in (await ask())["events"]] == [None]
    page = "http://192.168.1.5:8099"
    await say(hass, "info", changed(INFO, cameras=INFO["cameras"][:1], page=page))
    assert [event["page"] for event in (await ask())["events"]] == [f"{page}/events/drive/{EVENT}"]


async def test_the_list_is_filtered_and_cut(
    hass: HomeAssistant, drive_alone, archive: Archive, ask
) -> None:
    await drive_alone()
    archive.events.append(past_event(nuisance(motion_at=moment(-60))))
    answer = await ask(limit=1, device_ids=[device_id(hass), "of another integration"])
    assert [event["event_id"] for event in answer["events"]] == [EVENT]
    assert answer["more"] is True
    older = await ask(limit=1, until=answer["events"][0]["motion_at"])
    assert [event["state"] for event in older["events"]] == ["irrelevant"]
    assert older["more"] is False
    answer = await ask(states=["irrelevant"])
    assert [event["state"] for event in answer["events"]] == ["irrelevant"]


async def test_a_camera_that_gives_no_list_is_told(
    hass: HomeAssistant, site, archive: Archive, ask
) -> None:
    archive.error = "the disk is gone"
    answer = await ask(device_ids=[device_id(hass)])
    assert answer["faults"] == [
        {"camera": "Drive", "kind": "failed", "error": "Drive: the disk is gone"}
    ]
    await say(hass, "info", changed(INFO, capabilities=["set"]))
    answer = await ask()
    assert [(fault["camera"], fault["kind"]) for fault in answer["faults"]] == [
        ("Drive", "too_old"),
        ("Garden", "too_old"),
    ]
    await say(hass, "worker/main/status", "offline")
    answer = await ask()
    assert {fault["kind"] for fault in answer["faults"]} == {"offline"}
    assert answer["events"] == []
