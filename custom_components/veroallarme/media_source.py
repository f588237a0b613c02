"""Media source: past events by camera and day, with their pictures."""

from datetime import date, datetime, timedelta
from typing import override

from homeassistant.components.media_player import BrowseError, MediaClass, MediaType
from homeassistant.components.media_source import (
    BrowseMediaSource,
    MediaSource,
    MediaSourceItem,
    PlayMedia,
    Unresolvable,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from .addresses import ANNOTATED, JPEG, THUMBNAIL, picture_path
from .const import DOMAIN
from .hub import Hub
from .lookup import async_cameras, async_find_camera
from .past_events import MAX_LISTED, PastEvent
from .words import decision_words

MOST_DAYS = 62
MOST_EVENTS = 500
"""Of a day; a page of them is long enough."""


async def async_get_media_source(hass: HomeAssistant) -> MediaSource:
    """Return the media source of all sites."""
    return EventMediaSource(hass)


class EventMediaSource(MediaSource):
    """Past events: a folder for each camera, in it one for each day, in it the events.

    An identifier is the device of a camera, a day, an event and a picture, divided by slashes.
    """

    name = "VeroAllarme"

    def __init__(self, hass: HomeAssistant) -> None:
        """Set up for all sites."""
        super().__init__(DOMAIN)
        self._hass = hass

    @override
    async def async_resolve_media(self, item: MediaSourceItem) -> PlayMedia:
        """Return the address of a picture."""
        match item.identifier.split("/"):
            case [device_id, _, event_id]:
                return PlayMedia(picture_path(device_id, event_id), JPEG)
            case [device_id, _, event_id, picture]:
                return PlayMedia(picture_path(device_id, event_id, picture), JPEG)
        raise Unresolvable(translation_domain=DOMAIN, translation_key="no_picture_there")

    @override
    async def async_browse_media(self, item: MediaSourceItem) -> BrowseMediaSource:
        """Return a folder with what is in it."""
        parts = item.identifier.split("/") if item.identifier else []
        if not parts:
            return self._root()
        found = async_find_camera(self._hass, parts[0])
        if found is None:
            raise BrowseError(translation_domain=DOMAIN, translation_key="no_folder_there")
        hub, camera_id = found
        if not hub.online or not hub.can("list_events"):
            raise BrowseError(
                translation_domain=DOMAIN,
                translation_key="worker_offline",
                translation_placeholders={"camera": hub.cameras.name(camera_id)},
            )
        try:
            match parts:
                case [device_id]:
                    return await self._camera(device_id, hub, camera_id)
                case [device_id, day]:
                    return await self._day(device_id, hub, camera_id, date.fromisoformat(day))
                case [device_id, day, event_id]:
                    return await self._event(device_id, hub, camera_id, day, event_id)
        except (HomeAssistantError, ValueError) as error:
            raise BrowseError(str(error)) from error
        raise BrowseError(translation_domain=DOMAIN, translation_key="no_folder_there")

    def _root(self) -> BrowseMediaSource:
        cameras = async_cameras(self._hass, None)
        names = {
            device_id: hub.cameras.name(camera_id)
            for device_id, (hub, camera_id) in cameras.items()
        }
        ordered = sorted(names, key=lambda device_id: names[device_id].casefold())
        children = [_folder(device_id, names[device_id]) for device_id in ordered]
        return _folder("", self.name, children)

    async def _camera(self, device_id: str, hub: Hub, camera_id: str) -> BrowseMediaSource:
        """Return the days on which anything moved, the latest first."""
        today = dt_util.now().date()
        days = [today - timedelta(days=number) for number in range(MOST_DAYS - 1, -1, -1)]
        moments = [_midnight(day) for day in [*days, today + timedelta(days=1)]]
        page = await hub.past_events.async_list(camera_id, limit=0, count_between=moments)
        children = [
            _folder(f"{device_id}/{day}", f"{day} ({counts.events})")
            for day, counts in zip(days, page.counts, strict=False)
            if counts.events
        ]
        return _folder(device_id, hub.cameras.name(camera_id), children[::-1])

    async def _day(self, device_id: str, hub: Hub, camera_id: str, day: date) -> BrowseMediaSource:
        """Return the events of a day, the latest first."""
        since, until = _midnight(day), _midnight(day + timedelta(days=1))
        events: list[PastEvent] = []
        while len(events) < MOST_EVENTS:
            page = await hub.past_events.async_list(
                camera_id, since=since, until=until, limit=MAX_LISTED
            )
            events += page.events
            if not page.more or not page.events:
                break
            until = page.events[-1].motion_at
        children = [self._item(device_id, str(day), event) for event in events]
        title = f"{hub.cameras.name(camera_id)}, {day}"
        return _folder(f"{device_id}/{day}", title, children)

    async def _event(
        self, device_id: str, hub: Hub, camera_id: str, day: str, event_id: str
    ) -> BrowseMediaSource:
        """Return the pictures of an event: the annotated one, then the burst as it came."""
        page = await hub.past_events.async_list(camera_id, event_id=event_id, limit=1)
        if not page.events:
            raise BrowseError(translation_domain=DOMAIN, translation_key="no_folder_there")
        (event,) = page.events
        folder = self._item(device_id, day, event)
        names = [ANNOTATED, *(f"{number}.jpg" for number in range(min(event.pictures, 10)))]
        folder.children = [
            BrowseMediaSource(
                domain=DOMAIN,
                identifier=f"{device_id}/{day}/{event_id}/{name}",
                media_class=MediaClass.IMAGE,
                media_content_type=JPEG,
                title=folder.title if name == ANNOTATED else str(number),
                can_play=True,
                can_expand=False,
                thumbnail=picture_path(
                    device_id, event_id, THUMBNAIL if name == ANNOTATED else name
                ),
            )
            for number, name in enumerate(names if event.pictures else [])
        ]
        return folder

    def _item(self, device_id: str, day: str, event: PastEvent) -> BrowseMediaSource:
        outcome, why = decision_words(self._hass, event.state, event.relevant, event.reason_word)
        at = dt_util.as_local(event.motion_at)
        thumbnail = picture_path(device_id, event.event_id, THUMBNAIL)
        return BrowseMediaSource(
            domain=DOMAIN,
            identifier=f"{device_id}/{day}/{event.event_id}",
            media_class=MediaClass.IMAGE,
            media_content_type=JPEG,
            title=f"{at:%H:%M} {why} ({outcome})",
            can_play=bool(event.pictures),
            can_expand=bool(event.pictures),
            thumbnail=thumbnail if event.pictures else None,
            children_media_class=MediaClass.IMAGE,
        )


def _folder(
    identifier: str, title: str, children: list[BrowseMediaSource] | None = None
) -> BrowseMediaSource:
    return BrowseMediaSource(
        domain=DOMAIN,
        identifier=identifier,
        media_class=MediaClass.DIRECTORY,
        media_content_type=MediaType.IMAGE,
        title=title,
        can_play=False,
        can_expand=True,
        children=children,
        children_media_class=MediaClass.DIRECTORY,
    )


def _midnight(day: date) -> datetime:
    return dt_util.start_of_local_day(day)
