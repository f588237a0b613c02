import json
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from custom_components.veroallarme import past_events
from custom_components.veroallarme.past_events import PastEvents
from custom_components.veroallarme.reasons import EventState

from .archive import Archive, past_event
from .worker import HEALTH, JPEG, changed, moment, nuisance, say, verdict

EVENT = verdict()["event_id"]


@pytest.fixture
def asked(site: Any) -> PastEvents:
    """Return what asks the worker of the site."""
    asked: PastEvents = site.runtime_data.past_events
    return asked


async def test_events_are_listed(asked: PastEvents, archive: Archive) -> None:
    quiet = past_event(nuisance(motion_at=moment(-60)), feedback=True, pictures=0)
    archive.events.append(quiet)
    page = await asked.async_list("drive", limit=1)
    assert page.more
    (event,) = page.events
    assert (event.event_id, event.state, event.objects) == (EVENT, "relevant", ["person"])
    page = await asked.async_list("drive", until=event.motion_at, states=[EventState.IRRELEVANT])
    (event,) = page.events
    assert (event.event_id, event.feedback, event.pictures) == (quiet["event_id"], True, 0)
    assert not page.more
    page = await asked.async_list("drive", event_id=EVENT, since=event.motion_at)
    assert [event.event_id for event in page.events] == [EVENT]


async def test_events_are_counted(asked: PastEvents, archive: Archive) -> None:
    archive.events.append(past_event(nuisance(motion_at=moment(-7200))))
    now = datetime.fromisoformat(moment())
    moments = [now + timedelta(hours=hours) for hours in (-3, -1, 1)]
    page = await asked.async_list("drive", limit=0, count_between=moments)
    assert page.events == []
    assert [(counts.irrelevant, counts.relevant) for counts in page.counts] == [(1, 0), (0, 1)]
    assert [counts.events for counts in page.counts] == [1, 1]


async def test_times_are_by_our_clock(
    hass: HomeAssistant, asked: PastEvents, archive: Archive
) -> None:
    await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment(3600)))
    (event,) = (await asked.async_list("drive")).events
    theirs = datetime.fromisoformat(archive.events[0]["motion_at"])
    assert timedelta(minutes=59) < theirs - event.motion_at < timedelta(minutes=61)
    page = await asked.async_list("drive", until=event.motion_at)
    assert page.events == [], "it is asked for by the worker's clock"


async def test_a_picture_is_asked_for_once(asked: PastEvents, archive: Archive) -> None:
    first = await asked.async_picture("drive", EVENT, width=320)
    assert first.startswith(JPEG)
    assert await asked.async_picture("drive", EVENT, width=320) == first
    await asked.async_picture("drive", EVENT, frame=1)
    assert archive.requests("get_picture") == [
        {"event_id": EVENT, "frame": None, "width": 320},
        {"event_id": EVENT, "frame": 1, "width": None},
    ]


async def test_pictures_are_kept_as_far_as_there_is_room(
    asked: PastEvents, archive: Archive
) -> None:
    with patch.object(past_events, "CACHED_BYTES", 2 * len(JPEG + json.dumps(
        {"event_id": EVENT, "frame": 1, "width": None}).encode())):  # fmt: skip
        for frame in (1, 2, 3, 3, 1):
            await asked.async_picture("drive", EVENT, frame=frame)
    assert [request["frame"] for request in archive.requests("get_picture")] == [1, 2, 3, 1]


async def test_why_something_cannot_be_had_is_said(asked: PastEvents, archive: Archive) -> None:
    with pytest.raises(HomeAssistantError, match="Drive: the event nothing is unknown"):
        await asked.async_picture("drive", "nothing")
    archive.is_silent = True
    with (
        patch.object(past_events, "ANSWER_TIMEOUT_S", 0.05),
        pytest.raises(HomeAssistantError, match="did not answer about Drive in time"),
    ):
        await asked.async_list("drive")


@pytest.mark.parametrize("change", [{"objects": "person"}, {"state": "new"}, {"motion_at": "now"}])
async def test_an_answer_that_does_not_follow_the_contract_is_none(
    asked: PastEvents, archive: Archive, change: dict[str, Any], caplog
) -> None:
    archive.events[0] |= change
    archive._answers["list_events"] = lambda _: {
        "events": archive.events,
        "more": False,
        "counts": [],
    }
    with (
        patch.object(past_events, "ANSWER_TIMEOUT_S", 0.05),
        pytest.raises(HomeAssistantError, match="did not answer about Drive in time"),
    ):
        await asked.async_list("drive")
    assert "Ignored a message on" in caplog.text
