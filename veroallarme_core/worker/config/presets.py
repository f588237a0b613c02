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

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast
from urllib.parse import quote, urlencode

from yarl import URL

from veroallarme_core.worker.motion_sources.motion_messages import ANY_VALUE, Trigger
from veroallarme_core.worker.snapshots.http_login import AUTHS, Auth
from veroallarme_core.worker.snapshots.http_snapshots import (
    MALFORMED_URL,
    TIMESTAMP,
    HttpSource,
    show_url,
)
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource
from veroallarme_core.worker.snapshots.sources import Source

Kind = Literal["text", "secret", "topic", "level", "number", "address", "url", "truth"]
Triggers = tuple[Trigger, ...]
Expansion = tuple[Triggers, Source | None]
Values = Mapping[str, str]

SWITCH_ON = ("ON", "true", "1")
SWITCH_OFF = ("OFF", "false", "0")
SWITCH_AWAY = ("unknown", "unavailable")
"""What Home Assistant says of a switch that is gone."""


@dataclass(frozen=True)
class Parameter:
    """One thing that a preset needs to know.

    Attributes:
        meaning: What it is, as a noun phrase for messages and documentation.
        kind: How it is checked: "topic" may hold slashes, "level" and "number" may not,
            "address" is a scheme, host, port and base path, "url" a complete web address.
        default: Taken where it is left out; None makes it required unless it is optional.
        optional: Whether it may be missing without a default.
        choices: The values it may have; empty where any will do.
    """

    meaning: str
    kind: Kind = "text"
    default: str | None = None
    optional: bool = False
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether the user has to give it."""
        return self.default is None and not self.optional


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
        The triggers, empty for systems that only give pictures, and the source, None where the
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
            values[key] = _checked(name, key, parameter, value)
        elif parameter.default is not None:
            values[key] = parameter.default
        elif parameter.required:
            raise ValueError(f"preset {name} needs {key}: {parameter.meaning}")
    return preset.build(values)


# --- parameters that several presets share ------------------------------------------------------


def _camera(meaning: str = "the camera's name there") -> Parameter:
    return Parameter(meaning, kind="level")


def _topic(default: str | None, meaning: str = "the MQTT base topic") -> Parameter:
    return Parameter(meaning, kind="topic", default=default)


def _address(example: str, *, optional: bool = False) -> Parameter:
    return Parameter(f"the address, such as {example}", kind="address", optional=optional)


_USERNAME = Parameter("the user name on the camera")
_PASSWORD = Parameter("the password on the camera", kind="secret")
_LOGIN = {"username": _USERNAME, "password": _PASSWORD}
OVER_HTTP = {
    "auth": Parameter(
        "the kind of login, where the usual one is refused", optional=True, choices=AUTHS
    ),
    "username": Parameter("the user name, where a login is needed", optional=True),
    "password": Parameter("the password, where a login is needed", kind="secret", optional=True),
    "token": Parameter("the token, where auth is bearer", kind="secret", optional=True),
    "verify_tls": Parameter(
        "whether the certificate must be valid",
        kind="truth",
        default="true",
        choices=("true", "false"),
    ),
    "ca_file": Parameter("a PEM file with the certificate to trust", optional=True),
}
"""So that each advice about a login can be followed, whatever the system usually wants."""


def _over_http(own: Mapping[str, Parameter]) -> Mapping[str, Parameter]:
    """Add what every picture over HTTP takes to a system's own parameters."""
    return {**own, **{name: known for name, known in OVER_HTTP.items() if name not in own}}


_SNAPSHOT_URL = {
    "snapshot_url": Parameter(
        "the complete address of the camera's picture", kind="url", optional=True
    ),
    **OVER_HTTP,
}
_MOTION_TOPIC = {
    "motion_topic": Parameter(
        "an MQTT topic with ON or OFF, true or false, 1 or 0", kind="topic", optional=True
    )
}


def _checked(name: str, key: str, parameter: Parameter, value: str) -> str:
    """Check one value by the kind of its parameter; returns it in its normal form."""
    where = f"preset {name}: {key}"
    if parameter.kind == "secret":
        return value
    if parameter.kind in {"address", "url"}:
        return _checked_address(where, parameter, value)
    if parameter.choices:
        if value.lower() not in parameter.choices:
            raise ValueError(f"{where} is {value!r}: use one of {', '.join(parameter.choices)}")
        return value.lower()
    if parameter.kind == "number" and not re.fullmatch(r"[0-9]{1,9}", value):
        raise ValueError(f"{where} is {value!r}: give {parameter.meaning} as a number")
    if parameter.kind in {"topic", "level"} and re.search(r"[+#\0]", value):
        raise ValueError(f"{where} is {value!r}: it may hold no +, # or null character")
    if parameter.kind == "level" and "/" in value:
        raise ValueError(f"{where} is {value!r}: give {parameter.meaning}, without a slash")
    if parameter.kind == "topic" and not value.strip("/"):
        raise ValueError(f"{where} is {value!r}: give {parameter.meaning}")
    return value.rstrip("/") if parameter.kind == "topic" else value


def _checked_address(where: str, parameter: Parameter, value: str) -> str:
    address = value if "://" in value else f"http://{value}"
    try:
        parsed = URL(address)
    except MALFORMED_URL:
        parsed = URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"{where} is {show_url(value)}: give {parameter.meaning}")
    if parsed.user is not None or parsed.password is not None:
        raise ValueError(f"{where} holds a user name or password: give them as parameters")
    if parameter.kind == "url":
        return address
    if parsed.query_string or parsed.fragment:
        raise ValueError(f"{where} is {show_url(value)}: leave out what follows ? or #")
    return address.rstrip("/")


# --- pieces of triggers and sources -------------------------------------------------------------


def _http(values: Values, url: str, usual: Auth = "none", timeout_s: float = 5.0) -> HttpSource:
    """Make an HTTP source; without credentials there is no login, unless one is demanded."""
    token, username = values.get("token"), values.get("username")
    auth = _auth_of(values, usual)
    with_login = auth in {"basic", "digest"}
    return HttpSource(
        url=url,
        auth=auth,
        username=username if with_login else None,
        password=values.get("password", "") if with_login else None,
        token=token if auth == "bearer" else None,
        verify_tls=values.get("verify_tls") != "false",
        ca_file=Path(values["ca_file"]) if "ca_file" in values else None,
        timeout_s=timeout_s,
    )


def _auth_of(values: Values, usual: Auth) -> Auth:
    """Return the kind of login that is written, else the system's usual one where it can be."""
    if "auth" in values:
        return cast("Auth", values["auth"])  # one of the choices, else it was refused
    return usual if values.get("token" if usual == "bearer" else "username") else "none"


def _snapshot_url(values: Values, auth: Auth) -> HttpSource | None:
    return _http(values, values["snapshot_url"], auth) if "snapshot_url" in values else None


def _switch(topic: str) -> Trigger:
    return Trigger(topic=topic, start=SWITCH_ON, end=SWITCH_OFF, ignore=SWITCH_AWAY)


def _motion_topic(values: Values) -> Triggers:
    return (_switch(values["motion_topic"]),) if "motion_topic" in values else ()


def _segment(value: str) -> str:
    """Quote a value as one segment of a URL's path."""
    return quote(value, safe="")


def _query(**values: str | None) -> str:
    return urlencode({key: value for key, value in values.items() if value}, quote_via=quote)


# --- the systems --------------------------------------------------------------------------------


def _frigate(values: Values) -> Expansion:
    base, camera = values["topic"], values["camera"]
    if values["trigger"] == "motion":
        trigger = Trigger(topic=f"{base}/{camera}/motion", start=("ON",), end=("OFF",))
    else:
        trigger = Trigger(
            topic=f"{base}/{values['trigger']}",
            path="type",
            start=("new",),
            end=("end",),
            ignore=("update",),
            where={"after.camera": camera},
        )
    picture = (
        "latest.jpg" if values["picture"] == "latest" else f"recordings/{TIMESTAMP}/snapshot.jpg"
    )
    url = f"{values['url']}/api/{_segment(camera)}/{picture}"
    return (trigger,), _http(values, url, "bearer")


def _viseron(values: Values) -> Expansion:
    base, camera = values["topic"], values["camera"]
    trigger = Trigger(
        topic=f"{base}/binary_sensor/{camera}_motion_detected/state",
        path="state",
        start=("on",),
        end=("off",),
    )
    if "url" in values:
        url = f"{values['url']}/api/v1/camera/{_segment(camera)}/snapshot"
        return (trigger,), _http(values, url)
    image = values.get("image", f"{camera}_latest_thumbnail")
    return (trigger,), MqttImageSource(topic=f"{base}/image/{image}/image")


def _scrypted(values: Values) -> Expansion:
    trigger = Trigger(topic=f"{values['topic']}/motionDetected", start=("true",), end=("false",))
    return (trigger,), _snapshot_url(values, "basic")


def _neolink(values: Values) -> Expansion:
    status = f"{values['topic']}/{values['camera']}/status"
    trigger = Trigger(topic=f"{status}/motion", start=("on",), end=("off",), ignore=("unknown",))
    return (trigger,), MqttImageSource(topic=f"{status}/preview", encoding="base64")


def _amcrest2mqtt(values: Values) -> Expansion:
    topic = f"{values['topic']}/{values['serial']}/motion"
    trigger = Trigger(topic=topic, start=("on",), end=("off",))
    return (trigger,), _http(values, f"{values['url']}/cgi-bin/snapshot.cgi", "digest")


def _yi_hack(values: Values) -> Expansion:
    base = values["topic"]
    trigger = Trigger(
        topic=f"{base}/motion_detection", start=("motion_start",), end=("motion_stop",)
    )
    if "url" in values:
        url = f"{values['url']}/cgi-bin/snapshot.sh?res=high&watermark=no"
        return (trigger,), _http(values, url, "basic")
    return (trigger,), MqttImageSource(topic=f"{base}/motion_detection_image")


def _blue_iris(values: Values) -> Expansion:
    camera = values["camera"]
    trigger = Trigger(
        topic=f"{values['topic']}/{camera}/Status", path="trigger", start=("ON",), end=("OFF",)
    )
    query = _query(q="50", user=values.get("username"), pw=values.get("password"))
    return (trigger,), _http(values, f"{values['url']}/image/{_segment(camera)}?{query}")


def _zoneminder(values: Values) -> Expansion:
    monitor = values["monitor"]
    trigger = Trigger(
        topic=f"{values['topic']}/{monitor}",
        path="eventtype",
        start=("event_start",),
        end=("event_end",),
    )
    query = _query(
        mode="single",
        monitor=monitor,
        **{"user": values.get("username"), "pass": values.get("password")},
    )
    return (trigger,), _http(values, f"{values['url']}/cgi-bin/nph-zms?{query}")


def _ring_mqtt(values: Values) -> Expansion:
    device = f"{values['topic']}/{values['location']}/camera/{values['device']}"
    # Ring's cloud needs several seconds to hand over a picture.
    source = MqttImageSource(topic=f"{device}/snapshot/image", timeout_s=12.0)
    return (Trigger(topic=f"{device}/motion/state", start=("ON",), end=("OFF",)),), source


def _wyze_bridge(values: Values) -> Expansion:
    camera = values["camera"]
    trigger = Trigger(topic=f"{values['topic']}/{camera}/motion", start=("1",), end=("2",))
    query = _query(api=values.get("api_key"))
    # /img/ gives the last stored picture, /snapshot/ takes a new one from the stream.
    url = f"{values['url']}/snapshot/{_segment(camera)}.jpg" + (f"?{query}" if query else "")
    return (trigger,), _http(values, url, timeout_s=10.0)


def _axis(values: Values) -> Expansion:
    # Below the event's topic an Axis camera may append the event's source.
    trigger = Trigger(
        topic=f"{values['topic']}/event/{values['event']}/#",
        path="message.data.active",
        start=("1", "true"),
        end=("0", "false"),
    )
    url = f"{values['url']}/axis-cgi/jpg/image.cgi?{_query(camera=values['channel'])}"
    return (trigger,), _http(values, url, "digest")


def _onvif2mqtt(values: Values) -> Expansion:
    base, camera, event = values["topic"], values["camera"], values["event"]
    # Two programs of this name are in use, with different topics.
    triggers = (
        _switch(f"{base}/camera/{camera}/event/{event}"),
        _switch(f"{base}/{camera}/{event}"),
    )
    return triggers, _snapshot_url(values, "digest")


def _hikvision(values: Values) -> Expansion:
    topic = f"{values['topic']}/{values['camera']}/{values['event']}"
    trigger = Trigger(topic=topic, start=(ANY_VALUE,), end=("inactive",))
    url = f"{values['url']}/ISAPI/Streaming/channels/{values['channel']}/picture"
    return (trigger,), _http(values, url, "digest")


def _dahua(values: Values) -> Expansion:
    topic = f"{values['topic']}/{values['camera']}/{values['event']}"
    trigger = Trigger(topic=topic, start=(ANY_VALUE,), end=("Stop",))
    url = f"{values['url']}/cgi-bin/snapshot.cgi?{_query(channel=values['channel'])}"
    return (trigger,), _http(values, url, "digest")


def _motioneye(values: Values) -> Expansion:
    trigger = Trigger(topic=values["topic"], start=(values["start"],), end=(values["end"],))
    # The signature covers the user name as JavaScript's encodeURIComponent writes it.
    username = quote(values["username"], safe="!'()*~")
    path = f"/picture/{values['camera']}/current/?_username={username}"
    signature = _motioneye_signature(path, values.get("password", ""))
    return (trigger,), _http(values, f"{values['url']}{path}&_signature={signature}")


def _motioneye_signature(path: str, password: str) -> str:
    """Sign a GET request as motionEye demands it: a hash over the path and the password's hash."""
    key = hashlib.sha1(password.encode()).hexdigest()
    signed_path = re.sub(r'[^a-zA-Z0-9/?_.=&{}\[\]":, -]', "-", path)
    return hashlib.sha1(f"GET:{signed_path}::{key}".encode()).hexdigest()


def _reolink(values: Values) -> Expansion:
    query = _query(
        cmd="Snap",
        channel=values["channel"],
        user=values["username"],
        password=values["password"],
    )
    url = f"{values['url']}/cgi-bin/api.cgi?{query}"
    return _motion_topic(values), _http(values, url)


def _go2rtc(values: Values) -> Expansion:
    url = f"{values['url']}/api/frame.jpeg?{_query(src=values['stream'])}"
    return _motion_topic(values), _http(values, url, "basic")


def _home_assistant(values: Values) -> Expansion:
    url = f"{values['url']}/api/camera_proxy/{_segment(values['entity'])}"
    return _motion_topic(values), _http(values, url, "bearer")


_ALARM_SERVER = {
    "topic": _topic("camera-alerts", "the topic root of the alarm server"),
    "camera": _camera("the camera's name in the alarm server"),
    "url": _address("http://192.168.1.20"),
    **_LOGIN,
}

PRESETS: Mapping[str, Preset] = {
    "frigate": Preset(
        "Frigate",
        _over_http(
            {
                "topic": _topic("frigate", "Frigate's topic_prefix"),
                "camera": _camera("the camera's name in Frigate"),
                "url": _address("http://frigate.local:5000"),
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
        _frigate,
    ),
    "viseron": Preset(
        "Viseron",
        _over_http(
            {
                "topic": _topic("viseron", "Viseron's MQTT client_id"),
                "camera": _camera("the camera's identifier in Viseron"),
                "url": _address("http://viseron.local:8888", optional=True),
                "image": Parameter("the MQTT image entity to use", kind="level", optional=True),
            }
        ),
        _viseron,
    ),
    "scrypted": Preset(
        "Scrypted",
        {
            "topic": _topic(None, "the MQTT path of the camera in Scrypted"),
            **_SNAPSHOT_URL,
        },
        _scrypted,
    ),
    "neolink": Preset(
        "neolink (Reolink)",
        {"topic": _topic("neolink"), "camera": _camera("the camera's name in neolink")},
        _neolink,
    ),
    "amcrest2mqtt": Preset(
        "amcrest2mqtt",
        _over_http(
            {
                "topic": _topic("amcrest2mqtt"),
                "serial": _camera("the camera's serial number, as in its topics"),
                "url": _address("http://192.168.1.20"),
                **_LOGIN,
            }
        ),
        _amcrest2mqtt,
    ),
    "yi_hack": Preset(
        "yi-hack",
        _over_http(
            {
                "topic": _topic("yicam", "the MQTT prefix of the camera"),
                "url": _address("http://192.168.1.20:8080", optional=True),
            }
        ),
        _yi_hack,
    ),
    "blue_iris": Preset(
        "Blue Iris",
        _over_http(
            {
                "topic": _topic("BlueIris", "the first part of the topic &CAM/Status"),
                "camera": _camera("the camera's short name"),
                "url": _address("http://blueiris.local:81"),
            }
        ),
        _blue_iris,
    ),
    "zoneminder": Preset(
        "ZoneMinder event notification server",
        _over_http(
            {
                "topic": _topic("zoneminder"),
                "monitor": Parameter("the monitor's id", kind="number"),
                "url": _address("http://zoneminder.local/zm"),
            }
        ),
        _zoneminder,
    ),
    "ring_mqtt": Preset(
        "ring-mqtt",
        {
            "topic": _topic("ring"),
            "location": _camera("the location's id, as in the topics"),
            "device": _camera("the camera's id, as in the topics"),
        },
        _ring_mqtt,
    ),
    "wyze_bridge": Preset(
        "docker-wyze-bridge",
        _over_http(
            {
                "topic": _topic("wyzebridge"),
                "camera": _camera("the camera's name in addresses, such as front-door"),
                "url": _address("http://wyze.local:5000"),
                "api_key": Parameter(
                    "the bridge's own API key, where its login is on", kind="secret", optional=True
                ),
            }
        ),
        _wyze_bridge,
    ),
    "axis": Preset(
        "Axis",
        _over_http(
            {
                "topic": _topic(
                    None, "the MQTT topic prefix of the camera, such as axis/ACCC8E012345"
                ),
                "event": _topic(
                    "tns:axis/CameraApplicationPlatform/VMD/Camera1ProfileANY",
                    "the topic of the motion event",
                ),
                "url": _address("http://192.168.1.20"),
                "channel": Parameter("the number of the image", kind="number", default="1"),
                **_LOGIN,
            }
        ),
        _axis,
    ),
    "onvif2mqtt": Preset(
        "ONVIF2MQTT",
        {
            "topic": _topic("onvif2mqtt"),
            "camera": _camera(),
            "event": _camera("the event's name as it shows in the topics, such as motion"),
            **_SNAPSHOT_URL,
        },
        _onvif2mqtt,
    ),
    "hikvision": Preset(
        "Hikvision by alarmserver",
        _over_http(
            {
                **_ALARM_SERVER,
                "event": Parameter("the kind of event", kind="level", default="VMD"),
                "channel": Parameter("the channel's number", kind="number", default="101"),
            }
        ),
        _hikvision,
    ),
    "dahua": Preset(
        "Dahua by alarmserver",
        _over_http(
            {
                **_ALARM_SERVER,
                "event": Parameter("the kind of event", kind="level", default="VideoMotion"),
                "channel": Parameter("the channel's number", kind="number", default="1"),
            }
        ),
        _dahua,
    ),
    "motioneye": Preset(
        "motionEye",
        _over_http(
            {
                "topic": _topic(None, "the topic to which the motion command publishes"),
                "start": Parameter("what it publishes when motion starts", default="ON"),
                "end": Parameter("what it publishes when motion ends", default="OFF"),
                "url": _address("http://motioneye.local:8765"),
                "camera": Parameter("the camera's id", kind="number"),
                "username": Parameter("the surveillance user's name", default="user"),
                "password": Parameter("its password", kind="secret", optional=True),
            }
        ),
        _motioneye,
    ),
    "reolink": Preset(
        "Reolink, directly",
        _over_http(
            {
                "url": _address("http://192.168.1.20"),
                "channel": Parameter("the channel's number", kind="number", default="0"),
                **_LOGIN,
                **_MOTION_TOPIC,
            }
        ),
        _reolink,
    ),
    "go2rtc": Preset(
        "go2rtc, pictures only",
        _over_http(
            {
                "url": _address("http://go2rtc.local:1984"),
                "stream": Parameter("the stream's name"),
                **_MOTION_TOPIC,
            }
        ),
        _go2rtc,
    ),
    "home_assistant": Preset(
        "Home Assistant camera entity",
        _over_http(
            {
                "url": Parameter(
                    "the address of Home Assistant",
                    kind="address",
                    default="http://homeassistant.local:8123",
                ),
                "entity": _camera("the camera's entity id, such as camera.drive"),
                "token": Parameter("a long-lived access token", kind="secret"),
                **_MOTION_TOPIC,
            }
        ),
        _home_assistant,
    ),
}
"""The systems that are known by name."""
