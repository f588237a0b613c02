"""Presets: what a camera system's motion messages and snapshots look like, by its name.

`expand` turns a preset's name and a few parameters into triggers and a source, the same that a
user could write by hand:

    >>> triggers, source = expand(
    ...     "frigate", {"camera": "drive", "url": "http://frigate.local:5000"}
    ... )
    >>> triggers[0].topic, source.url
    ('frigate/drive/motion', 'http://frigate.local:5000/api/drive/latest.jpg')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from veroallarme_core.worker.config import preset_systems as systems
from veroallarme_core.worker.config.preset_parameters import (
    LOGIN,
    MOTION_TOPIC,
    OVER_HTTP,
    SNAPSHOT_URL,
    Parameter,
    address_parameter,
    camera_parameter,
    check_value,
    topic_parameter,
    with_http,
)
from veroallarme_core.worker.config.preset_systems import Expansion, Values


@dataclass(frozen=True)
class Preset:
    """A camera system that is known by name.

    Attributes:
        title: The system's own name.
        parameters: What it needs to know, by name.
        build: Makes triggers and source of the complete, checked parameters.
    """

    title: str
    parameters: Mapping[str, Parameter] = field(repr=False)
    build: Callable[[Values], Expansion] = field(repr=False)


def expand(name: str, parameters: Mapping[str, str]) -> Expansion:
    """Turn a preset and its parameters into triggers and a source.

    Args:
        name: A key of `PRESETS`.
        parameters: The preset's parameters by name, as text.

    Returns:
        The triggers, empty for systems that only give pictures and for cameras that are asked
        themselves (`OnvifSource`), and the source, None where the
        system's pictures have no address that could be known.

    Raises:
        ValueError: The preset is unknown, or a parameter is missing, unknown or unusable; one
            sentence that names it and says what it is, free of secrets.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}: use one of {', '.join(sorted(PRESETS))}")
    preset = PRESETS[name]
    unknown = sorted(set(parameters) - set(preset.parameters))
    if unknown:
        known = ", ".join(preset.parameters)
        raise ValueError(f"preset {name} has no parameter {unknown[0]!r}: it knows {known}")
    values: dict[str, str] = {}
    for key, parameter in preset.parameters.items():
        value = parameters.get(key, "")
        if value:
            values[key] = check_value(name, key, parameter, value)
        elif parameter.default is not None:
            values[key] = parameter.default
        elif parameter.required:
            raise ValueError(f"preset {name} needs {key}: {parameter.meaning}")
    return preset.build(values)


_ALARM_SERVER = {
    "topic": topic_parameter("camera-alerts", "the topic root of the alarm server"),
    "camera": camera_parameter("the camera's name in the alarm server"),
    "url": address_parameter("http://192.168.1.20"),
    **LOGIN,
}

PRESETS: Mapping[str, Preset] = {
    "onvif": Preset(
        "ONVIF, directly",
        {
            "host": Parameter("the name or address of the camera, such as 192.168.1.20"),
            **LOGIN,
            "port": Parameter("the port of its ONVIF service", kind="number", default="80"),
            "channel": Parameter(
                "which of a recorder's cameras, counted from 1", kind="number", default="1"
            ),
            "auth": Parameter(
                "the kind of login for pictures",
                default="digest",
                choices=("digest", "basic", "none"),
            ),
            "verify_tls": OVER_HTTP["verify_tls"],
            "ca_file": OVER_HTTP["ca_file"],
        },
        systems.onvif,
    ),
    "frigate": Preset(
        "Frigate",
        with_http(
            {
                "topic": topic_parameter("frigate", "Frigate's topic_prefix"),
                "camera": camera_parameter("the camera's name in Frigate"),
                "url": address_parameter("http://frigate.local:5000"),
                "trigger": Parameter(
                    "what starts an event",
                    default="motion",
                    choices=("motion", "events", "reviews"),
                ),
                "picture": Parameter(
                    "the live picture, or past frames of the recording",
                    default="latest",
                    choices=("latest", "recording"),
                ),
                "token": Parameter("a token, for port 8971", kind="secret", optional=True),
            }
        ),
        systems.frigate,
    ),
    "viseron": Preset(
        "Viseron",
        with_http(
            {
                "topic": topic_parameter("viseron", "Viseron's MQTT client_id"),
                "camera": camera_parameter("the camera's identifier in Viseron"),
                "url": address_parameter("http://viseron.local:8888", optional=True),
                "image": Parameter("the MQTT image entity to use", kind="level", optional=True),
            }
        ),
        systems.viseron,
    ),
    "scrypted": Preset(
        "Scrypted",
        {
            "topic": topic_parameter(None, "the MQTT path of the camera in Scrypted"),
            **SNAPSHOT_URL,
        },
        systems.scrypted,
    ),
    "neolink": Preset(
        "neolink (Reolink)",
        {
            "topic": topic_parameter("neolink"),
            "camera": camera_parameter("the camera's name in neolink"),
        },
        systems.neolink,
    ),
    "amcrest2mqtt": Preset(
        "amcrest2mqtt",
        with_http(
            {
                "topic": topic_parameter("amcrest2mqtt"),
                "serial": camera_parameter("the camera's serial number, as in its topics"),
                "url": address_parameter("http://192.168.1.20"),
                **LOGIN,
            }
        ),
        systems.amcrest2mqtt,
    ),
    "yi_hack": Preset(
        "yi-hack",
        with_http(
            {
                "topic": topic_parameter("yicam", "the MQTT prefix of the camera"),
                "url": address_parameter("http://192.168.1.20:8080", optional=True),
            }
        ),
        systems.yi_hack,
    ),
    "blue_iris": Preset(
        "Blue Iris",
        with_http(
            {
                "topic": topic_parameter("BlueIris", "the first part of the topic &CAM/Status"),
                "camera": camera_parameter("the camera's short name"),
                "url": address_parameter("http://blueiris.local:81"),
            }
        ),
        systems.blue_iris,
    ),
    "zoneminder": Preset(
        "ZoneMinder event notification server",
        with_http(
            {
                "topic": topic_parameter("zoneminder"),
                "monitor": Parameter("the monitor's id", kind="number"),
                "url": address_parameter("http://zoneminder.local/zm"),
            }
        ),
        systems.zoneminder,
    ),
    "ring_mqtt": Preset(
        "ring-mqtt",
        {
            "topic": topic_parameter("ring"),
            "location": camera_parameter("the location's id, as in the topics"),
            "device": camera_parameter("the camera's id, as in the topics"),
        },
        systems.ring_mqtt,
    ),
    "wyze_bridge": Preset(
        "docker-wyze-bridge",
        with_http(
            {
                "topic": topic_parameter("wyzebridge"),
                "camera": camera_parameter("the camera's name in addresses, such as front-door"),
                "url": address_parameter("http://wyze.local:5000"),
                "api_key": Parameter(
                    "the bridge's own API key, where its login is on", kind="secret", optional=True
                ),
            }
        ),
        systems.wyze_bridge,
    ),
    "axis": Preset(
        "Axis",
        with_http(
            {
                "topic": topic_parameter(
                    None, "the MQTT topic prefix of the camera, such as axis/ACCC8E012345"
                ),
                "event": topic_parameter(
                    "tns:axis/CameraApplicationPlatform/VMD/Camera1ProfileANY",
                    "the topic of the motion event",
                ),
                "url": address_parameter("http://192.168.1.20"),
                "channel": Parameter("the number of the image", kind="number", default="1"),
                **LOGIN,
            }
        ),
        systems.axis,
    ),
    "onvif2mqtt": Preset(
        "ONVIF2MQTT",
        {
            "topic": topic_parameter("onvif2mqtt"),
            "camera": camera_parameter(),
            "event": camera_parameter("the event's name as it shows in the topics, such as motion"),
            **SNAPSHOT_URL,
        },
        systems.onvif2mqtt,
    ),
    "hikvision": Preset(
        "Hikvision by alarmserver",
        with_http(
            {
                **_ALARM_SERVER,
                "event": Parameter("the kind of event", kind="level", default="VMD"),
                "channel": Parameter("the channel's number", kind="number", default="101"),
            }
        ),
        systems.hikvision,
    ),
    "dahua": Preset(
        "Dahua by alarmserver",
        with_http(
            {
                **_ALARM_SERVER,
                "event": Parameter("the kind of event", kind="level", default="VideoMotion"),
                "channel": Parameter("the channel's number", kind="number", default="1"),
            }
        ),
        systems.dahua,
    ),
    "motioneye": Preset(
        "motionEye",
        with_http(
            {
                "topic": topic_parameter(None, "the topic to which the motion command publishes"),
                "start": Parameter("what it publishes when motion starts", default="ON"),
                "end": Parameter("what it publishes when motion ends", default="OFF"),
                "snapshot_url": SNAPSHOT_URL["snapshot_url"],
                "url": address_parameter("http://motioneye.local:8765", optional=True),
                "camera": Parameter("the camera's id", kind="number", optional=True),
            }
        ),
        systems.motioneye,
    ),
    "reolink": Preset(
        "Reolink, directly",
        with_http(
            {
                "url": address_parameter("http://192.168.1.20"),
                "channel": Parameter("the channel's number", kind="number", default="0"),
                **LOGIN,
                **MOTION_TOPIC,
            }
        ),
        systems.reolink,
    ),
    "go2rtc": Preset(
        "go2rtc, pictures only",
        with_http(
            {
                "url": address_parameter("http://go2rtc.local:1984"),
                "stream": Parameter("the stream's name"),
                **MOTION_TOPIC,
            }
        ),
        systems.go2rtc,
    ),
    "camera_ui": Preset(
        "camera.ui",
        with_http(
            {
                "camera": Parameter("the camera's name in camera.ui"),
                "topic": topic_parameter(
                    "camera.ui/motion", "the MQTT publish topic of the camera in camera.ui"
                ),
                "url": address_parameter("http://camera-ui.local:8081", optional=True),
                "snapshot_url": SNAPSHOT_URL["snapshot_url"],
            }
        ),
        systems.camera_ui,
    ),
    "home_assistant": Preset(
        "Home Assistant camera entity",
        with_http(
            {
                "url": Parameter(
                    "the address of Home Assistant",
                    kind="address",
                    default="http://homeassistant.local:8123",
                ),
                "entity": camera_parameter("the camera's entity id, such as camera.drive"),
                "token": Parameter("a long-lived access token", kind="secret"),
                **MOTION_TOPIC,
            }
        ),
        systems.home_assistant,
    ),
}
"""The systems that are known by name."""
