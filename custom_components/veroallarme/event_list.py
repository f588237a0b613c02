"""Past events of all cameras in one list, over the WebSocket: what the card shows."""

import asyncio
from datetime import datetime
from typing import Any

import probatio
from homeassistant.components import websocket_api
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from .addresses import ANNOTATED, THUMBNAIL, picture_path
from .cameras import Camera
from .event_pictures import async_sign
from .hub import Hub
from .lookup import async_cameras
from .past_events import MAX_LISTED, Counts, EventPage, PastEvent
from .reasons import EventState

_LIST: dict[Any, Any] = {
    probatio.Required("type"): "veroallarme/events",
    probatio.Optional("device_ids"): [cv.string],
    probatio.Optional("event_id"): cv.string,
    probatio.Optional("states"): [probatio.Coerce(EventState)],
    probatio.Optional("since"): cv.datetime,
    probatio.Optional("until"): cv.datetime,
    probatio.Optional("count_since"): cv.datetime,
    probatio.Optional("limit", default=20): probatio.All(
        int, probatio.Range(min=0, max=MAX_LISTED)
    ),
}


@callback
def async_register_list(hass: HomeAssistant) -> None:
    """Register the command."""
    websocket_api.async_register_command(hass, _async_list)


@websocket_api.websocket_command(_LIST)
@websocket_api.async_response
async def _async_list(
    hass: HomeAssistant, connection: websocket_api.ActiveConnection, message: dict[str, Any]
) -> None:
    """List the newest events of some cameras, or of all that the user may see."""
    cameras = async_cameras(hass, connection.user)
    wanted = message.get("device_ids") or list(cameras)
    asked = {device_id: cameras[device_id] for device_id in wanted if device_id in cameras}
    pages = await asyncio.gather(
        *(_ask(hub, camera_id, message) for hub, camera_id in asked.values())
    )
    limit: int = message["limit"]
    found: list[tuple[str, PastEvent, str | None]] = []
    counts: list[Counts] = []
    faults: list[dict[str, str]] = []
    more = False
    for device_id, page in zip(asked, pages, strict=True):
        if isinstance(page, dict):
            faults.append(page)
            continue
        hub, camera_id = asked[device_id]
        found += [
            (device_id, event, hub.event_link(camera_id, event.event_id)) for event in page.events
        ]
        counts += page.counts
        more = more or page.more
    found.sort(key=lambda item: item[1].motion_at, reverse=True)
    token = connection.refresh_token_id
    connection.send_result(
        message["id"],
        {
            "events": [
                _item(hass, device_id, event, link, token)
                for device_id, event, link in found[:limit]
            ],
            "more": more or len(found) > limit,
            "counts": {
                "events": sum(count.events for count in counts),
                "nuisance": sum(count.irrelevant for count in counts),
                "suppressed": sum(count.suppressed for count in counts),
            },
            "cameras": [
                {
                    "device_id": device_id,
                    "name": hub.cameras.name(camera_id),
                    "learning": _learning(hub.cameras.get(camera_id)),
                }
                for device_id, (hub, camera_id) in cameras.items()
            ],
            "faults": faults,
        },
    )


@callback
def _learning(camera: Camera) -> dict[str, Any] | None:
    """Return what a camera still has to see before it can filter; None where that is enough."""
    learning = camera.stats and camera.stats.learning
    if not learning or not learning.lacks_events or not learning.events_needed:
        return None
    return {
        "events_seen": learning.events_seen,
        "events_needed": learning.events_needed,
        "sessions_seen": learning.sessions_seen,
        "sessions_needed": learning.sessions_needed,
        "days": learning.whole_days_left,
    }


async def _ask(hub: Hub, camera_id: str, message: dict[str, Any]) -> EventPage | dict[str, str]:
    """Return a page of a camera's events, or why there is none."""
    fault = {"camera": hub.cameras.name(camera_id)}
    if not hub.online or not hub.serves(camera_id):
        return {**fault, "kind": "offline", "error": ""}
    if not hub.can("list_events"):
        return {**fault, "kind": "too_old", "error": ""}
    since: datetime | None = message.get("count_since")
    try:
        return await hub.past_events.async_list(
            camera_id,
            event_id=message.get("event_id"),
            since=message.get("since"),
            until=message.get("until"),
            states=message.get("states", ()),
            limit=message["limit"],
            count_between=() if since is None else (since, dt_util.utcnow()),
        )
    except HomeAssistantError as error:
        return {**fault, "kind": "failed", "error": str(error)}


@callback
def _item(
    hass: HomeAssistant, device_id: str, event: PastEvent, link: str | None, token: str | None
) -> dict[str, Any]:
    def address(picture: str) -> str:
        path = picture_path(device_id, event.event_id, picture)
        return async_sign(hass, path, refresh_token_id=token)

    return {
        "device_id": device_id,
        "event_id": event.event_id,
        "page": link,
        "motion_at": event.motion_at.isoformat(),
        "state": event.state,
        "relevant": event.relevant,
        "score": event.score,
        "threshold": event.threshold,
        "reason_word": event.reason_word,
        "explanation": event.explanation,
        "learning": event.learning,
        "objects": event.objects,
        "feedback": event.feedback,
        "thumbnail": address(THUMBNAIL) if event.pictures else None,
        "picture": address(ANNOTATED) if event.pictures else None,
        "frames": [address(f"{number}.jpg") for number in range(min(event.pictures, 10))],
    }
