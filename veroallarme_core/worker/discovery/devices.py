"""The devices and entities that are announced: what MQTT knows of a site and of its cameras.

The payload is Home Assistant's own, https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload:
one message a device, with all entities of it.
"""

from __future__ import annotations

from typing import Any

from veroallarme_core import __version__
from veroallarme_core.contract import Topics
from veroallarme_core.worker.discovery.templates import (
    attributes_of,
    command_of,
    state_of,
    text_of,
    word_of,
)

DISCOVERY_PREFIX = "homeassistant"
"""Where Home Assistant looks for announcements."""
SUPPORT_URL = "https://github.com/veroallarme/veroallarme"

_STATES = {
    "relevant": "Relevant",
    "irrelevant": "False alarm",
    "unknown": "Could not be judged",
}
_MODES = {
    "auto": "Filter once learned",
    "filter": "Filter now",
    "shadow": "Judge, but let everything through",
}
_ON_UNKNOWN = {"alert": "Raises the alarm", "suppress": "Raises no alarm"}
_OBJECTS = {
    "person_animal_vehicle": "People, animals and vehicles",
    "person_animal": "People and animals",
    "person_vehicle": "People and vehicles",
    "animal_vehicle": "Animals and vehicles",
    "person": "Only people",
    "animal": "Only animals",
    "vehicle": "Only vehicles",
}
_KINDS = "['person', 'animal', 'vehicle'] | select('in', value_json.objects) | join('_')"

Entities = dict[str, dict[str, Any]]


def node_id(topics: Topics) -> str:
    """Return what the site is called among the announcements, and among the devices."""
    return f"{topics.prefix}_{topics.site}".replace("/", "_")


def site_topic(topics: Topics, worker: str) -> str:
    """Return the topic on which the worker itself is announced; no camera's id has a dash."""
    return f"{DISCOVERY_PREFIX}/device/{node_id(topics)}/worker-{worker}/config"


def camera_topic(topics: Topics, camera: str) -> str:
    """Return the topic on which a camera is announced."""
    return f"{DISCOVERY_PREFIX}/device/{node_id(topics)}/{camera}/config"


def site_device(topics: Topics, worker: str, page: str | None) -> dict[str, Any]:
    """Return the announcement of the worker itself.

    Args:
        topics: of the site.
        worker: its id.
        page: where people find the worker's page; None where there is none.
    """
    status, health = topics.status(worker), topics.health(worker)
    node = node_id(topics)
    here = {"availability": [{"topic": status}]}
    entities: Entities = {
        "worker": {
            "platform": "binary_sensor",
            "name": "Worker",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": status,
            "payload_on": "online",
            "payload_off": "offline",
        },
        "problem": {
            "platform": "binary_sensor",
            "name": "Problem",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": health,
            "value_template": state_of("'ON' if value_json.errors else 'OFF'"),
            **here,
        },
        "status": {
            "platform": "sensor",
            "name": "What is wrong",
            "icon": "mdi:message-alert-outline",
            "entity_category": "diagnostic",
            "state_topic": health,
            "value_template": text_of(
                "value_json.last_error.message if value_json.last_error else 'All is well'"
            ),
            "json_attributes_topic": health,
            "json_attributes_template": attributes_of(
                "{'errors': value_json.errors | map(attribute='message') | list, "
                "'summary': value_json.sentence}"
            ),
            **here,
        },
    }
    device: dict[str, Any] = {
        "identifiers": [f"{node}-worker-{worker}"],
        "name": f"VeroAllarme {topics.site}",
        "manufacturer": "VeroAllarme",
        "sw_version": __version__,
    }
    if page is not None:
        device["configuration_url"] = page
    return _announcement(device, entities, f"{node}-worker-{worker}")


def camera_device(
    topics: Topics, worker: str, camera: str, name: str, *, has_picture: bool
) -> dict[str, Any]:
    """Return the announcement of a camera.

    Args:
        topics: of the site.
        worker: the id of the worker that serves it.
        camera: its id.
        name: for people.
        has_picture: whether its pictures are published.
    """
    node = node_id(topics)
    device = {
        "identifiers": [f"{node}_{camera}"],
        "name": name,
        "manufacturer": "VeroAllarme",
        "via_device": f"{node}-worker-{worker}",
    }
    entities = {
        **_alarm(topics, camera),
        **_verdict(topics, camera),
        **_statistics(topics, camera),
        **_settings(topics, camera),
        **_buttons(topics, camera),
    }
    if has_picture:
        entities["image"] = {
            "platform": "image",
            "name": "Last event",
            "content_type": "image/jpeg",
            "image_topic": topics.camera(camera, "image"),
        }
    announcement = _announcement(device, entities, f"{node}_{camera}")
    return {**announcement, "availability": [{"topic": topics.status(worker)}]}


def _announcement(device: dict[str, Any], entities: Entities, unique: str) -> dict[str, Any]:
    return {
        "dev": device,
        "o": {"name": "VeroAllarme", "sw": __version__, "url": SUPPORT_URL},
        "cmps": {
            key: {**entity, "unique_id": f"{unique}_{key}"} for key, entity in entities.items()
        },
        "qos": 1,
    }


def _alarm(topics: Topics, camera: str) -> Entities:
    return {
        "relevant_motion": {
            "platform": "binary_sensor",
            "name": "Relevant motion",
            "device_class": "motion",
            "state_topic": topics.camera(camera, "relevant"),
            "json_attributes_topic": topics.camera(camera, "verdict"),
            "json_attributes_template": attributes_of(
                "{'event_id': value_json.event_id, 'decision': value_json.state, "
                "'score': value_json.score, 'threshold': value_json.threshold, "
                "'explanation': value_json.explanation, 'hold_until': value_json.hold_until}"
            ),
        },
        "pictures": {
            "platform": "binary_sensor",
            "name": "Pictures",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": topics.camera(camera, "connectivity"),
        },
    }


def _verdict(topics: Topics, camera: str) -> Entities:
    verdict = topics.camera(camera, "verdict")
    return {
        "decision": {
            "platform": "sensor",
            "name": "Last decision",
            "icon": "mdi:scale-balance",
            "device_class": "enum",
            "options": list(_STATES.values()),
            "state_topic": verdict,
            "value_template": word_of("value_json.state", _STATES),
        },
        "reason": {
            "platform": "sensor",
            "name": "Reason",
            "icon": "mdi:comment-question-outline",
            "state_topic": verdict,
            "value_template": text_of("value_json.explanation"),
            "json_attributes_topic": verdict,
            "json_attributes_template": attributes_of(
                "{'event_id': value_json.event_id, 'code': value_json.reason, "
                "'objects': value_json.objects | map(attribute='kind') | list}"
            ),
        },
        "score": {
            "platform": "sensor",
            "name": "Score",
            "icon": "mdi:gauge",
            "state_class": "measurement",
            "suggested_display_precision": 2,
            "state_topic": verdict,
            "value_template": state_of("value_json.score"),
        },
        "event": {
            "platform": "event",
            "name": "Decision",
            "device_class": "motion",
            "event_types": list(_STATES),
            "state_topic": topics.camera(camera, "event"),
            "value_template": attributes_of(
                "{'event_type': value_json.state, 'event_id': value_json.event_id, "
                "'relevant': value_json.relevant, 'score': value_json.score, "
                "'reason': value_json.reason, 'explanation': value_json.explanation, "
                "'decided_at': value_json.decided_at}"
            ),
        },
    }


def _statistics(topics: Topics, camera: str) -> Entities:
    stats = topics.camera(camera, "stats")
    totals = {
        "suppressed": ("Suppressed events", "value_json.suppressed"),
        "nuisance": (
            "False alarms",
            "value_json.events - value_json.relevant - value_json.unknown",
        ),
        "relevant": ("Relevant events", "value_json.relevant"),
        "unknown": ("Events that could not be judged", "value_json.unknown"),
    }
    entities: Entities = {
        key: {
            "platform": "sensor",
            "name": name,
            "icon": "mdi:counter",
            "state_class": "total_increasing",
            "state_topic": stats,
            "value_template": state_of(expression),
        }
        for key, (name, expression) in totals.items()
    }
    return {
        **entities,
        "review": {
            "platform": "sensor",
            "name": "Events to review",
            "icon": "mdi:eye-outline",
            "state_class": "measurement",
            "state_topic": topics.camera(camera, "review"),
            "value_template": state_of("value_json.events | count"),
        },
        "learning": {
            "platform": "sensor",
            "name": "Learning progress",
            "icon": "mdi:school-outline",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "state_topic": stats,
            "value_template": state_of("(value_json.learning.share * 100) | round"),
            "json_attributes_topic": stats,
            "json_attributes_template": attributes_of("value_json.learning"),
        },
        "promise": {
            "platform": "sensor",
            "name": "Promised recall",
            "icon": "mdi:shield-check-outline",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "state_topic": stats,
            "value_template": state_of(
                "value_json.promise.recall * 100 if value_json.promise else None"
            ),
        },
    }


def _settings(topics: Topics, camera: str) -> Entities:
    setting = {
        "entity_category": "config",
        "state_topic": topics.camera(camera, "settings"),
        "command_topic": topics.camera(camera, "set"),
    }
    return {
        "enabled": {
            "platform": "switch",
            "name": "Judge motion",
            "icon": "mdi:shield-eye",
            "value_template": state_of("'ON' if value_json.enabled else 'OFF'"),
            "state_on": "ON",
            "state_off": "OFF",
            "payload_on": '{"enabled": true}',
            "payload_off": '{"enabled": false}',
            **setting,
        },
        "mode": _select("Mode", "mode", _MODES, "value_json.mode", setting),
        "objects": _select("What counts", "objects", _OBJECTS, _KINDS, setting),
        "on_unknown": _select(
            "What cannot be judged", "on_unknown", _ON_UNKNOWN, "value_json.on_unknown", setting
        ),
        "threshold": {
            "platform": "number",
            "name": "Threshold",
            "icon": "mdi:tune-variant",
            "min": 0,
            "max": 1,
            "step": 0.01,
            "value_template": state_of("value_json.threshold"),
            "command_template": '{"threshold": {{ value }}}',
            **setting,
        },
        "hold": {
            "platform": "number",
            "name": "Shortest alarm",
            "device_class": "duration",
            "unit_of_measurement": "s",
            "mode": "box",
            "min": 0,
            "max": 3600,
            "value_template": state_of("value_json.hold_s"),
            "command_template": '{"hold_s": {{ value }}}',
            **setting,
        },
    }


def _select(
    name: str, key: str, words: dict[str, str], expression: str, setting: dict[str, Any]
) -> dict[str, Any]:
    values = {
        word: value.split("_") if key == "objects" else value for value, word in words.items()
    }
    return {
        "platform": "select",
        "name": name,
        "icon": "mdi:form-dropdown",
        "options": list(words.values()),
        "value_template": word_of(expression, words),
        "command_template": command_of(key, values),
        **setting,
    }


def _buttons(topics: Topics, camera: str) -> Entities:
    verdict = topics.camera(camera, "verdict")
    thumbs: Entities = {}
    for key, name, icon, relevant in (
        ("last_relevant", "Last event: relevant", "mdi:thumb-up-outline", "true"),
        ("last_nuisance", "Last event: false alarm", "mdi:thumb-down-outline", "false"),
    ):
        thumbs[key] = {
            "platform": "button",
            "name": name,
            "icon": icon,
            "command_topic": topics.camera(camera, "feedback"),
            # A button has no state, but it has attributes: the event that is the last one.
            "json_attributes_topic": verdict,
            "json_attributes_template": attributes_of("{'event_id': value_json.event_id}"),
            "command_template": (
                '{"event_id": "{{ state_attr(entity_id, \'event_id\') }}", '
                f'"relevant": {relevant}}}'
            ),
        }
    return {
        **thumbs,
        "learn": {
            "platform": "button",
            "name": "Learn now",
            "icon": "mdi:school",
            "entity_category": "config",
            "command_topic": topics.camera(camera, "learn"),
            "payload_press": "{}",
        },
        "calibrated_threshold": {
            "platform": "button",
            "name": "Use calibrated threshold",
            "icon": "mdi:auto-fix",
            "entity_category": "config",
            "command_topic": topics.camera(camera, "set"),
            "payload_press": '{"threshold": null}',
        },
    }
