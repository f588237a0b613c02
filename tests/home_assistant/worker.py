"""A worker: payloads that are valid by the schemas of the contract, and what becomes of them."""

import copy
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    async_fire_mqtt_message,
    async_fire_time_changed,
)

from custom_components.veroallarme.const import DOMAIN

CONTRACT = Path(__file__).parents[2] / "docs" / "contract"
ROOT = "veroallarme/home"
DRIVE = f"{ROOT}/camera/drive"
JPEG = b"\xff\xd8\xff\xe0picture"
ALARM = ("binary_sensor", "relevant_motion")
CAPABILITIES = [
    "analyze",
    "burst",
    "config",
    "feedback",
    "get_picture",
    "ignore_here",
    "learn",
    "list_events",
    "motion_end",
    "reference",
    "set",
    "suggestion",
]

INFO: dict[str, Any] = {
    "contract": 1,
    "version": "0.1.0",
    "site": "home",
    "cameras": [
        {"id": "drive", "name": "Drive", "origin": "local"},
        {"id": "garden", "name": "Garden", "origin": "local"},
    ],
    "capabilities": CAPABILITIES,
    "inference": "openvino 2026.4.1 on cpu",
    "max_burst_bytes": 24 * 1024 * 1024,
    "page": None,
}
# Without `sent_at`: tests let hours go by, and those that are about clocks add it.
HEALTH: dict[str, Any] = {
    "sentence": "All is well, 2 cameras are served.",
    "version": "0.1.0",
    "backend": "openvino 2026.4.1 on cpu",
    "model": "cues-1",
    "queue": {"drive": 0},
    "memory_mb": 141.3,
    "last_error": None,
    "errors": [],
    "topics": {},
    "discovery": "off",
}
STATS: dict[str, Any] = {
    "motions": 412,
    "events": 398,
    "relevant": 61,
    "suppressed": 322,
    "unknown": 15,
    "merged": 14,
    "learning": {
        "learned": True,
        "events_seen": 398,
        "sessions_seen": 87,
        "share": 1.0,
        "missing": "",
        "events_needed": 40,
        "sessions_needed": 24,
        "days_left": None,
    },
    "promise": {
        "recall": 0.99,
        "confidence": 0.95,
        "synthetic": 600,
        "confirmed": 12,
        "synthetic_recall": 0.995,
        "confirmed_recall": 1.0,
        "since": "2026-11-23T03:00:41.000+00:00",
        "smallest_px": 14,
        "by_height": [{"from_px": 0, "to_px": None, "synthetic": 1200, "recall": 0.993}],
    },
    "adaptation": {
        "at": "2026-11-23T03:00:41.000+00:00",
        "seconds": 38.2,
        "events": 391,
        "outcome": "learned",
    },
    "notice": None,
}
STUCK: dict[str, Any] = STATS["learning"] | {
    "learned": False,
    "events_seen": 5000,
    "missing": "more sessions",
}
"""Learning that will not end by waiting."""
SETTINGS: dict[str, Any] = {
    "enabled": True,
    "mode": "filter",
    "on_unknown": "alert",
    "threshold": None,
    "recall": None,
    "hold_s": 30.0,
    "zones": [],
    "objects": ["person", "animal", "vehicle"],
}
REVIEW: dict[str, Any] = {
    "events": [
        {
            "event_id": "20261123_021512_7be01d",
            "motion_at": "2026-11-23T02:15:12.048+00:00",
            "score": 0.4713,
            "threshold": 0.5,
            "reason": "sway",
            "why": "close_call",
        }
    ]
}
SUGGESTIONS: dict[str, Any] = {
    "suggestions": [
        {
            "id": "zone_4c1f90ab",
            "zone": {
                "name": "Suggested 1",
                "kind": "ignore",
                "points": [[0.0, 0.1], [1.0, 0.1], [1.0, 0.3]],
            },
            "evidence": {
                "events": 398,
                "since": "2026-11-09T05:02:11.482+00:00",
                "moving_share": 0.412,
                "alarms": 300,
                "suppressed": 212,
                "confirmed": 0,
                "rejected": 4,
                "to_look_at": 1,
                "look_at": ["20261121_154209_04c9aa"],
            },
            "sentence": "Something moves here in 41% of 398 events.",
        }
    ]
}


def moment(after_s: float = 0.0) -> str:
    """Write the present moment, or one near it, as the worker does."""
    return (dt_util.utcnow() + timedelta(seconds=after_s)).isoformat(timespec="milliseconds")


def verdict(event_id: str = "20261123_061402_9f31c4", **changes: Any) -> dict[str, Any]:
    """Return a verdict that raises an alarm of a minute."""
    content = {
        "event_id": event_id,
        "camera": "drive",
        "state": "relevant",
        "relevant": True,
        "score": 0.9231,
        "threshold": 0.5,
        "reason": "moved",
        "explanation": "Something moved, and nothing shows that it is nuisance.",
        "cues": {"regions": 1},
        "motion_at": moment(-2),
        "decided_at": moment(),
        "hold_until": moment(60),
        "mode": "filter",
        "learning": False,
        "merged": 0,
        "frame_dimensions": [576, 704],
        "num_relevant": 1,
        "num_irrelevant": 0,
        "regions": [
            {
                "x": 312,
                "y": 188,
                "width": 64,
                "height": 131,
                "area": 4821,
                "centroid": [344, 251],
                "confidence": 0.94,
                "relevance_score": 0.9231,
                "is_relevant": True,
                "reason": "moved",
            }
        ],
        "objects": [
            {
                "kind": "person",
                "class": "person",
                "score": 0.81,
                "x": 318,
                "y": 190,
                "width": 52,
                "height": 128,
            }
        ],
        "frames": {"requested": 3, "fetched": 3, "distinct": 3, "damaged": 0, "age_ms": None},
        "timing_ms": {
            "fetch": 1421.7,
            "decode": 9.8,
            "motion": 31.0,
            "relevance": 40.2,
            "total": 1585.0,
        },
        "model": "cues-1",
        "stored": True,
    }
    return content | changes


def nuisance(event_id: str = "20261123_061502_00aa11", **changes: Any) -> dict[str, Any]:
    """Return a verdict that raises no alarm."""
    quiet = {"state": "irrelevant", "relevant": False, "score": 0.1, "hold_until": None}
    return verdict(event_id, **quiet | changes)


def changed(payload: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a deep copy of a payload with other values."""
    return copy.deepcopy(dict(payload)) | changes


def publish(
    hass: HomeAssistant, topic: str, payload: Any, *, retained: bool = False, root: str = ROOT
) -> None:
    """Let the worker publish something below the site."""
    if not isinstance(payload, str | bytes):
        payload = json.dumps(payload)
    async_fire_mqtt_message(hass, f"{root}/{topic}", payload, qos=1, retain=retained)


async def say(hass: HomeAssistant, topic: str, payload: Any, *, retained: bool = False) -> None:
    """Let the worker publish something, and wait until Home Assistant has taken it."""
    publish(hass, topic, payload, retained=retained)
    await hass.async_block_till_done()


def entity_id(hass: HomeAssistant, platform: str, key: str, camera: str = "drive") -> str:
    """Return the entity of a camera; an empty camera means the site."""
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    unique_id = "_".join(filter(None, (entry.entry_id, camera, key)))
    found = er.async_get(hass).async_get_entity_id(platform, DOMAIN, unique_id)
    assert found is not None, unique_id
    return found


def state(hass: HomeAssistant, platform: str, key: str, camera: str = "drive") -> str:
    """Return the state of an entity of a camera."""
    found = hass.states.get(entity_id(hass, platform, key, camera))
    assert found is not None, key
    return found.state


def attributes(
    hass: HomeAssistant, platform: str, key: str, camera: str = "drive"
) -> Mapping[str, Any]:
    """Return the attributes of an entity of a camera."""
    found = hass.states.get(entity_id(hass, platform, key, camera))
    assert found is not None, key
    return found.attributes


def sent(mqtt_mock: Any, topic: str) -> list[Any]:
    """Return what was published below the site on a topic, parsed, in order."""
    calls = [call.args for call in mqtt_mock.async_publish.call_args_list]
    payloads = [call[1] for call in calls if call[0] == f"{ROOT}/{topic}"]
    return [json.loads(payload) if payload else None for payload in payloads]


def devices(hass: HomeAssistant) -> set[str | None]:
    """Return the names of the devices of the site."""
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    registry = dr.async_get(hass)
    return {device.name for device in dr.async_entries_for_config_entry(registry, entry.entry_id)}


async def raise_alarm(hass: HomeAssistant, **changes: object) -> None:
    """Let the worker raise an alarm, in the order of the contract."""
    await say(hass, "camera/drive/verdict", verdict(**changes))
    await say(hass, "camera/drive/relevant", "ON")


async def pass_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    """Let time pass while the worker is silent."""
    freezer.tick(seconds)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=1))
    await hass.async_block_till_done()


def validate(name: str, payload: Any) -> None:
    """Hold a payload to its schema."""
    jsonschema.validate(payload, json.loads((CONTRACT / f"{name}.schema.json").read_text()))
