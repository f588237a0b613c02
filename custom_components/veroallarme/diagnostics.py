"""Diagnostics: what the worker said last, without names, addresses and pictures."""

import re
from dataclasses import asdict
from ipaddress import IPv6Address
from typing import Any

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.core import HomeAssistant

from .cameras import Camera
from .const import CONF_CAMERA_ENTITY, CONF_MOTION_ENTITY
from .hub import VeroAllarmeConfigEntry

_ADDRESS = re.compile(
    r"\w+://\S+"
    # A path of the machine, and a port: neither helps who reads a report.
    r"|(?<![\w./])/(?:[\w.~-]+/)+[\w.~-]*"
    r"|(?<=:)\d{3,5}\b(?![:.])"
    r"|\bport \d+\b"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b"
    r"|\b(?:[\w-]+\.)+(?:local|localdomain|lan|home|internal|arpa|box)\b",
    re.IGNORECASE,
)
_MAYBE_IPV6 = re.compile(r"\[?([0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(?:%\w+)?\]?", re.IGNORECASE)
TO_REDACT = {"name", "title", CONF_CAMERA_ENTITY, CONF_MOTION_ENTITY}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: VeroAllarmeConfigEntry
) -> dict[str, Any]:
    """Return the diagnostics of a site."""
    hub = entry.runtime_data
    content = {
        "entry": entry.as_dict(),
        "online": hub.online,
        "info": hub.info and asdict(hub.info),
        "workers": {
            name: {
                "online": worker.online,
                "clock_lead_s": worker.clock_lead.total_seconds(),
                "health": worker.health and asdict(worker.health),
            }
            for name, worker in hub.workers.by_id.items()
        },
        "cameras": {camera.id: _camera(camera) for camera in hub.cameras.by_id.values()},
    }
    redacted: dict[str, Any] = _without_addresses(async_redact_data(content, TO_REDACT))
    return redacted


def _camera(camera: Camera) -> dict[str, Any]:
    return {
        "alarm": camera.alarm.is_on,
        "alarm_left_s": camera.alarm.left_s,
        "connected": camera.connected,
        "image_bytes": camera.image and len(camera.image),
        "image_at": camera.image_at,
        "verdict": camera.verdict and asdict(camera.verdict),
        "stats": camera.stats and asdict(camera.stats),
        "settings": camera.settings and asdict(camera.settings),
        "review": camera.review,
    }


def _without_addresses(value: Any) -> Any:
    """Cut the addresses out of all texts, such as the reasons why a picture did not come."""
    if isinstance(value, str):
        return _MAYBE_IPV6.sub(_without_ipv6, _ADDRESS.sub(REDACTED, value))
    if isinstance(value, dict):
        return {key: _without_addresses(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_addresses(item) for item in value]
    return sorted(value) if isinstance(value, frozenset) else value


def _without_ipv6(match: re.Match[str]) -> str:
    try:
        IPv6Address(match[1])
    except ValueError:  # a time, mostly
        return match[0]
    return REDACTED
