"""Actions: analyze a camera, learn it, set its zones; list its events and answer them."""

from datetime import timedelta
from typing import Any

import probatio
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .contract import FEEDBACK_WORDS
from .digest import async_send_digest
from .hub import Hub
from .lookup import async_cameras, async_find_camera
from .payload import is_valid_id
from .phones import Delivery
from .verdict_watch import async_wait_for_verdict
from .zones import ZoneError, check_zones

ATTR_EVENT_ID = "event_id"
ATTR_FEEDBACK = "feedback"
ATTR_PREVIEW = "preview"
ATTR_ZONES = "zones"
DEFAULT_LIMIT_S = 30.0
"""Longer than a verdict takes on the slowest machine that anybody should use."""
FEEDBACK = {word: thumb for thumb, word in FEEDBACK_WORDS.items()} | {"taken_back": None}

_CAMERA = {probatio.Required(ATTR_DEVICE_ID): cv.string}
_FEEDBACK = _CAMERA | {
    probatio.Required(ATTR_EVENT_ID): cv.string,
    probatio.Required(ATTR_FEEDBACK): probatio.In(FEEDBACK),
}
_ZONES = _CAMERA | {probatio.Required(ATTR_ZONES): cv.ensure_list}
_IGNORE = _CAMERA | {
    probatio.Required(ATTR_EVENT_ID): cv.string,
    probatio.Optional(ATTR_PREVIEW, default=False): cv.boolean,
}
_NOTIFY = _CAMERA | {
    probatio.Optional(ATTR_EVENT_ID): cv.string,
    probatio.Optional("follow_up", default=False): cv.boolean,
    probatio.Required("phones"): probatio.All(cv.ensure_list, [cv.string], probatio.Length(min=1)),
    probatio.Optional("page", default=""): cv.string,
    probatio.Optional("quiet_from"): cv.time,
    probatio.Optional("quiet_until"): cv.time,
    probatio.Optional("cool_down", default=0): probatio.All(
        probatio.Coerce(float), probatio.Range(min=0, max=86400)
    ),
    probatio.Optional("camera_entity"): probatio.Any(None, cv.entity_id),
}
_DIGEST = {
    probatio.Required("phones"): probatio.All(cv.ensure_list, [cv.string], probatio.Length(min=1)),
    probatio.Optional("page", default=""): cv.string,
    probatio.Optional("hours", default=24): probatio.All(
        probatio.Coerce(float), probatio.Range(min=1, max=168)
    ),
}
_WAIT = _CAMERA | {
    probatio.Optional("motion_at"): cv.datetime,
    probatio.Optional("limit", default=DEFAULT_LIMIT_S): probatio.All(
        probatio.Coerce(float), probatio.Range(min=0, max=300)
    ),
}


@callback
def async_register_actions(hass: HomeAssistant) -> None:
    """Register the actions, whether or not a site is set up."""
    for name, action, schema, response in (
        ("analyze", _analyze, _CAMERA, SupportsResponse.ONLY),
        ("give_feedback", _give_feedback, _FEEDBACK, SupportsResponse.OPTIONAL),
        ("ignore_motion_here", _ignore_motion_here, _IGNORE, SupportsResponse.OPTIONAL),
        ("learn", _learn, _CAMERA, SupportsResponse.OPTIONAL),
        ("send_digest", _send_digest, _DIGEST, SupportsResponse.OPTIONAL),
        ("notify", _notify, _NOTIFY, SupportsResponse.NONE),
        ("wait_for_verdict", _wait_for_verdict, _WAIT, SupportsResponse.ONLY),
        ("set_zones", _set_zones, _ZONES, SupportsResponse.OPTIONAL),
    ):
        hass.services.async_register(
            DOMAIN, name, action, schema=probatio.Schema(schema), supports_response=response
        )


async def _analyze(call: ServiceCall) -> ServiceResponse:
    hub, camera_id = _camera(call, "analyze")
    return await hub.commands.async_analyze(camera_id)


async def _give_feedback(call: ServiceCall) -> ServiceResponse:
    hub, camera_id = _camera(call, "feedback")
    event_id = _event_id(call)
    relevant = FEEDBACK[call.data[ATTR_FEEDBACK]]
    await hub.commands.async_give_feedback(camera_id, event_id, relevant)
    return {"camera": camera_id, "event_id": event_id, "relevant": relevant}


async def _ignore_motion_here(call: ServiceCall) -> ServiceResponse:
    hub, camera_id = _camera(call, "ignore_here")
    event_id, preview = _event_id(call), call.data[ATTR_PREVIEW]
    zones = await hub.past_events.async_ignore_here(camera_id, event_id, preview=preview)
    return {"camera": camera_id, "event_id": event_id, "zones": list(zones), "added": not preview}


async def _learn(call: ServiceCall) -> ServiceResponse:
    hub, camera_id = _camera(call, "learn")
    await hub.commands.async_learn(camera_id)
    stats = hub.cameras.get(camera_id).stats
    return {
        "camera": camera_id,
        "learned": stats and stats.learning.learned,
        "missing": stats and stats.learning.missing,
    }


async def _set_zones(call: ServiceCall) -> ServiceResponse:
    hub, camera_id = _camera(call, "set")
    try:
        zones = check_zones(call.data[ATTR_ZONES])
    except ZoneError as error:
        raise _refusal(error.key, **error.placeholders) from error
    await hub.commands.async_set(camera_id, zones=zones)
    return {"camera": camera_id, "zones": list(zones)}


async def _notify(call: ServiceCall) -> None:
    """Tell phones of an event, or of motion that nobody judged; with or without a worker."""
    hub, camera_id = _any_camera(call)
    data = call.data
    delivery = Delivery(
        phones=tuple(data["phones"]),
        page=data["page"],
        quiet_from=data.get("quiet_from"),
        quiet_until=data.get("quiet_until"),
        cool_down_s=data["cool_down"],
        follow_up=data["follow_up"],
    )
    entity = data.get("camera_entity")
    if data.get(ATTR_EVENT_ID):
        event_id = _event_id(call)
        await hub.notifications.async_tell_event(camera_id, event_id, delivery, entity)
    else:
        await hub.notifications.async_tell_motion(camera_id, delivery, entity)


async def _send_digest(call: ServiceCall) -> ServiceResponse:
    cameras = async_cameras(call.hass, None)
    delivery = Delivery(phones=tuple(call.data["phones"]), page=call.data["page"])
    since = dt_util.utcnow() - timedelta(hours=call.data["hours"])
    return {"sent": await async_send_digest(call.hass, cameras, delivery, since)}


async def _wait_for_verdict(call: ServiceCall) -> ServiceResponse:
    hub, camera_id = _any_camera(call)
    motion_at = dt_util.as_utc(call.data.get("motion_at") or dt_util.utcnow())
    verdict = await async_wait_for_verdict(hub, camera_id, motion_at, call.data["limit"])
    return {"judged": verdict is not None, "event_id": verdict and verdict.event_id}


def _event_id(call: ServiceCall) -> str:
    event_id: str = call.data[ATTR_EVENT_ID]
    if not is_valid_id(event_id):
        raise _refusal("invalid_event_id", event_id=event_id)
    return event_id


def _camera(call: ServiceCall, command: str) -> tuple[Hub, str]:
    """Return the camera that an action is for.

    Raises:
        ServiceValidationError: there is no such camera, or its worker does not take the command.
    """
    hub, camera_id = _any_camera(call)
    if not hub.online:
        raise _refusal("worker_offline", camera=hub.cameras.name(camera_id))
    if not hub.can(command):
        raise _refusal("worker_too_old", action=call.service)
    return hub, camera_id


def _any_camera(call: ServiceCall) -> tuple[Hub, str]:
    """Return the camera that an action is for, whether or not its worker is there.

    Raises:
        ServiceValidationError: there is no such camera.
    """
    device_id: str = call.data[ATTR_DEVICE_ID]
    if (found := async_find_camera(call.hass, device_id)) is None:
        raise _refusal("no_camera", device_id=device_id)
    return found


def _refusal(key: str, **placeholders: Any) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
