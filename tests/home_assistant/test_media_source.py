from datetime import timedelta

import pytest
from homeassistant.components.media_player import BrowseError
from homeassistant.components.media_source import (
    BrowseMediaSource,
    Unresolvable,
    async_browse_media,
    async_resolve_media,
)
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .archive import Archive, in_utc, past_event
from .test_actions import device_id
from .worker import moment, nuisance, say, verdict

EVENT = verdict()["event_id"]
ROOT = "media-source://veroallarme"


@pytest.fixture(autouse=True)
async def media_source(hass: HomeAssistant, site, archive: Archive) -> None:
    assert await async_setup_component(hass, "media_source", {})
    await hass.async_block_till_done()
    await hass.config.async_set_time_zone("Europe/Paris")


async def browse(hass: HomeAssistant, *path: str) -> BrowseMediaSource:
    return await async_browse_media(hass, "/".join([ROOT, *path]))


def titles(folder: BrowseMediaSource) -> list[str]:
    return [child.title for child in folder.children or []]


async def test_cameras_days_events_and_pictures_are_folders(
    hass: HomeAssistant, archive: Archive
) -> None:
    yesterday = dt_util.now() - timedelta(days=1)
    archive.events.append(past_event(nuisance(motion_at=in_utc(yesterday), reason="light")))
    assert titles(await browse(hass)) == ["Drive", "Garden"]
    drive = device_id(hass)
    camera = await browse(hass, drive)
    day = f"{dt_util.as_local(yesterday).date()}"
    assert titles(camera)[-1] == f"{day} (1)"
    (item,) = (await browse(hass, drive, day)).children or []
    assert item.title.endswith("Only light changed (suppressed)")
    assert item.title.startswith(f"{dt_util.as_local(yesterday):%H:%M}")
    assert item.thumbnail is not None
    assert item.thumbnail.endswith("thumbnail.jpg")
    event_id = archive.events[-1]["event_id"]
    event = await browse(hass, drive, day, event_id)
    assert len(event.children or []) == 1 + 3
    for picture in event.children or []:
        assert picture.can_play
        media = await async_resolve_media(hass, picture.media_content_id, None)
        assert media.mime_type == "image/jpeg"
        assert media.url.startswith(f"/api/veroallarme/{drive}/{event_id}/")


async def test_an_event_itself_is_its_annotated_picture(hass: HomeAssistant) -> None:
    path = f"{ROOT}/{device_id(hass)}/2026-11-23/{EVENT}"
    media = await async_resolve_media(hass, path, None)
    assert media.url.endswith(f"/{EVENT}/annotated.jpg")


async def test_a_day_with_many_events_comes_in_pages(hass: HomeAssistant, archive: Archive) -> None:
    begin = dt_util.start_of_local_day(dt_util.now() - timedelta(days=1)) + timedelta(hours=12)
    archive.events = [
        past_event(
            nuisance(
                f"20261123_0614{number:02}_00aa11",
                motion_at=in_utc(begin - timedelta(seconds=number)),
            )
        )
        for number in range(60)
    ]
    day = await browse(hass, device_id(hass), f"{begin.date()}")
    assert len(day.children or []) == 60
    assert len(archive.requests("list_events")) == 2


async def test_pictures_that_are_gone_cannot_be_opened(
    hass: HomeAssistant, archive: Archive
) -> None:
    archive.events = [past_event(nuisance(motion_at=moment()), pictures=0)]
    day = await browse(hass, device_id(hass), f"{dt_util.now().date()}")
    (item,) = day.children or []
    assert (item.can_play, item.can_expand, item.thumbnail) == (False, False, None)


@pytest.mark.parametrize(
    "path",
    [
        ["nothing"],
        ["{drive}", "no day"],
        ["{drive}", "2026-11-23", "x"],
        ["{drive}", "2026-11-23", "x", "1.jpg"],
    ],
)
async def test_there_is_no_other_folder(hass: HomeAssistant, path: list[str]) -> None:
    drive = device_id(hass)
    with pytest.raises(BrowseError):
        await browse(hass, *(part.format(drive=drive) for part in path))


async def test_only_pictures_can_be_shown(hass: HomeAssistant) -> None:
    with pytest.raises(Unresolvable):
        await async_resolve_media(hass, f"{ROOT}/{device_id(hass)}", None)


async def test_nothing_is_browsed_without_a_worker(hass: HomeAssistant, archive: Archive) -> None:
    archive.error = "the disk is gone"
    with pytest.raises(BrowseError, match="the disk is gone"):
        await browse(hass, device_id(hass))
    await say(hass, "worker/main/status", "offline")
    with pytest.raises(BrowseError, match="The worker of Drive is offline"):
        await browse(hass, device_id(hass))
