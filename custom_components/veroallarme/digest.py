"""What was suppressed lately, in one notification: a miss is invisible unless somebody looks."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from .addresses import media_path, picture_path
from .hub import Hub
from .past_events import Counts
from .phones import Delivery, async_send, sound
from .reasons import EventState, reason_word
from .words import decision_words, notification_words

MOST_LINES = 5
"""Events that are named; the rest is counted."""


async def async_send_digest(
    hass: HomeAssistant,
    cameras: Mapping[str, tuple[Hub, str]],
    delivery: Delivery,
    since: datetime,
) -> bool:
    """Tell phones what was suppressed since a moment, and what of it is worth a look.

    Args:
        hass: of all sites.
        cameras: hub and id of each, by their devices.
        delivery: to whom.
        since: from when on events count.

    Returns:
        Whether there was anything to tell.

    Raises:
        HomeAssistantError: no phone can be reached.
    """
    words = await notification_words(hass)
    found = await asyncio.gather(
        *(_count(hub, camera_id, since) for hub, camera_id in cameras.values())
    )
    counts = [count for count in found if count is not None]
    silent = [
        hub.cameras.name(camera_id)
        for (hub, camera_id), count in zip(cameras.values(), found, strict=True)
        if count is None
    ]
    review = _worth_a_look(cameras, since)
    suppressed = sum(count.suppressed for count in counts)
    # What a camera that still learns let through shows what filtering will be worth.
    would = sum(max(0, count.irrelevant - count.suppressed) for count in counts)
    if not suppressed and not would and not review and not silent:
        return False
    told = {
        "events": sum(count.events for count in counts),
        "suppressed": suppressed,
        "would": would,
        "look": len(review),
    }
    lines = [", ".join(_counted(words, key, count) for key, count in told.items() if count)]
    lines = [line for line in lines if line]
    lines += [_line(hass, *item) for item in review[:MOST_LINES]]
    lines += [f"{name}: {words['offline']}" for name in silent]
    data: dict[str, Any] = {"tag": "veroallarme-digest", **sound(is_quiet=True)}
    page = delivery.page or ("media_source" in hass.config.components and media_path())
    if page:
        data |= {"clickAction": page, "url": page}
    if review:
        device_id, _, event = review[0]
        data["image"] = picture_path(device_id, event["event_id"])
    await async_send(hass, delivery.phones, words["digest"], "\n".join(lines), data)
    return True


def _counted(words: Mapping[str, str], key: str, count: int) -> str:
    return words[f"{key}_one" if count == 1 else f"{key}_many"].format(count=count)


async def _count(hub: Hub, camera_id: str, since: datetime) -> Counts | None:
    """Count the events of a camera; None where its worker does not answer."""
    if not hub.online or not hub.can("list_events"):
        return None
    # A moment later, so that an event of this moment counts.
    until = dt_util.utcnow() + timedelta(seconds=1)
    try:
        page = await hub.past_events.async_list(camera_id, limit=0, count_between=(since, until))
    except HomeAssistantError:
        return None
    return page.counts[0] if page.counts else None


def _worth_a_look(
    cameras: Mapping[str, tuple[Hub, str]], since: datetime
) -> list[tuple[str, str, dict[str, Any]]]:
    """Return device, name of the camera, and event of what is worth a look, closest calls first."""
    found = [
        (device_id, hub.cameras.name(camera_id), event)
        for device_id, (hub, camera_id) in cameras.items()
        for event in hub.cameras.get(camera_id).review or []
        if datetime.fromisoformat(event["motion_at"]) >= since
    ]
    return sorted(found, key=lambda item: item[2]["why"] != "close_call")


def _line(hass: HomeAssistant, _: str, name: str, event: Mapping[str, Any]) -> str:
    at = dt_util.as_local(datetime.fromisoformat(event["motion_at"]))
    word = reason_word(event["reason"], EventState.IRRELEVANT, [])
    _, why = decision_words(hass, EventState.IRRELEVANT, False, word)
    return f"{name}, {at:%H:%M}: {why}"
