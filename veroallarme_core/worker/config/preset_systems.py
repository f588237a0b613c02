"""What each known camera system sends as motion, and where its pictures are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlencode

from veroallarme_core.worker.motion_sources import ANY_VALUE, Trigger
from veroallarme_core.worker.onvif import OnvifAddress
from veroallarme_core.worker.snapshots import (
    TIMESTAMP,
    Auth,
    HttpSource,
    MqttImageSource,
    OnvifSource,
    Source,
)

Triggers = tuple[Trigger, ...]
Expansion = tuple[Triggers, Source | None]
Values = Mapping[str, str]

SWITCH_ON = ("ON", "true", "1")
SWITCH_OFF = ("OFF", "false", "0")
SWITCH_AWAY = ("unknown", "unavailable")
"""What Home Assistant says of a switch that is gone."""


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


def frigate(values: Values) -> Expansion:
    """Return what frigate sends and shows."""
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


def viseron(values: Values) -> Expansion:
    """Return what viseron sends and shows."""
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


def scrypted(values: Values) -> Expansion:
    """Return what scrypted sends and shows."""
    trigger = Trigger(topic=f"{values['topic']}/motionDetected", start=("true",), end=("false",))
    return (trigger,), _snapshot_url(values, "basic")


def neolink(values: Values) -> Expansion:
    """Return what neolink sends and shows."""
    status = f"{values['topic']}/{values['camera']}/status"
    trigger = Trigger(topic=f"{status}/motion", start=("on",), end=("off",), ignore=("unknown",))
    return (trigger,), MqttImageSource(topic=f"{status}/preview", encoding="base64")


def amcrest2mqtt(values: Values) -> Expansion:
    """Return what amcrest2mqtt sends and shows."""
    topic = f"{values['topic']}/{values['serial']}/motion"
    trigger = Trigger(topic=topic, start=("on",), end=("off",))
    return (trigger,), _http(values, f"{values['url']}/cgi-bin/snapshot.cgi", "digest")


def yi_hack(values: Values) -> Expansion:
    """Return what yi hack sends and shows."""
    base = values["topic"]
    trigger = Trigger(
        topic=f"{base}/motion_detection", start=("motion_start",), end=("motion_stop",)
    )
    if "url" in values:
        url = f"{values['url']}/cgi-bin/snapshot.sh?res=high&watermark=no"
        return (trigger,), _http(values, url, "basic")
    return (trigger,), MqttImageSource(topic=f"{base}/motion_detection_image")


def blue_iris(values: Values) -> Expansion:
    """Return what blue iris sends and shows."""
    camera = values["camera"]
    trigger = Trigger(
        topic=f"{values['topic']}/{camera}/Status", path="trigger", start=("ON",), end=("OFF",)
    )
    query = _query(q="50", user=values.get("username"), pw=values.get("password"))
    return (trigger,), _http(values, f"{values['url']}/image/{_segment(camera)}?{query}")


def zoneminder(values: Values) -> Expansion:
    """Return what zoneminder sends and shows."""
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


def ring_mqtt(values: Values) -> Expansion:
    """Return what ring mqtt sends and shows."""
    device = f"{values['topic']}/{values['location']}/camera/{values['device']}"
    # Ring's cloud needs several seconds to hand over a picture.
    source = MqttImageSource(topic=f"{device}/snapshot/image", timeout_s=12.0)
    return (Trigger(topic=f"{device}/motion/state", start=("ON",), end=("OFF",)),), source


def wyze_bridge(values: Values) -> Expansion:
    """Return what wyze bridge sends and shows."""
    camera = values["camera"]
    trigger = Trigger(topic=f"{values['topic']}/{camera}/motion", start=("1",), end=("2",))
    query = _query(api=values.get("api_key"))
    # /img/ gives the last stored picture, /snapshot/ takes a new one from the stream.
    url = f"{values['url']}/snapshot/{_segment(camera)}.jpg" + (f"?{query}" if query else "")
    return (trigger,), _http(values, url, timeout_s=10.0)


def axis(values: Values) -> Expansion:
    """Return what axis sends and shows."""
    # Below the event's topic an Axis camera may append the event's source.
    trigger = Trigger(
        topic=f"{values['topic']}/event/{values['event']}/#",
        path="message.data.active",
        start=("1", "true"),
        end=("0", "false"),
    )
    url = f"{values['url']}/axis-cgi/jpg/image.cgi?{_query(camera=values['channel'])}"
    return (trigger,), _http(values, url, "digest")


def onvif2mqtt(values: Values) -> Expansion:
    """Return what onvif2mqtt sends and shows."""
    base, camera, event = values["topic"], values["camera"], values["event"]
    # Two programs of this name are in use, with different topics.
    triggers = (
        _switch(f"{base}/camera/{camera}/event/{event}"),
        _switch(f"{base}/{camera}/{event}"),
    )
    return triggers, _snapshot_url(values, "digest")


def hikvision(values: Values) -> Expansion:
    """Return what hikvision sends and shows."""
    topic = f"{values['topic']}/{values['camera']}/{values['event']}"
    trigger = Trigger(topic=topic, start=(ANY_VALUE,), end=("inactive",))
    url = f"{values['url']}/ISAPI/Streaming/channels/{values['channel']}/picture"
    return (trigger,), _http(values, url, "digest")


def dahua(values: Values) -> Expansion:
    """Return what dahua sends and shows."""
    topic = f"{values['topic']}/{values['camera']}/{values['event']}"
    trigger = Trigger(topic=topic, start=(ANY_VALUE,), end=("Stop",))
    url = f"{values['url']}/cgi-bin/snapshot.cgi?{_query(channel=values['channel'])}"
    return (trigger,), _http(values, url, "digest")


def onvif(values: Values) -> Expansion:
    """Return where a camera is asked over ONVIF; it tells its motion without any topic."""
    camera = OnvifAddress(
        host=values["host"],
        port=int(values["port"]),
        username=values["username"],
        password=values["password"],
        channel=int(values["channel"]),
    )
    source = OnvifSource(
        camera=camera,
        auth=cast("Auth", values["auth"]),
        verify_tls=values["verify_tls"] == "true",
        ca_file=Path(values["ca_file"]) if "ca_file" in values else None,
    )
    return (), source


def motioneye(values: Values) -> Expansion:
    """Return what motioneye sends and shows."""
    trigger = Trigger(topic=values["topic"], start=(values["start"],), end=(values["end"],))
    if "snapshot_url" in values:
        return (trigger,), _snapshot_url(values, "basic")
    if "url" not in values:
        return (trigger,), None
    if "camera" not in values:
        raise ValueError("preset motioneye with url needs camera: the camera's id")
    # The signature covers the user name as JavaScript's encodeURIComponent writes it.
    username = quote(values.get("username", "user"), safe="!'()*~")
    path = f"/picture/{values['camera']}/current/?_username={username}"
    signature = _motioneye_signature(path, values.get("password", ""))
    return (trigger,), _http(values, f"{values['url']}{path}&_signature={signature}")


def _motioneye_signature(path: str, password: str) -> str:
    """Sign a GET request as motionEye before 0.44 demands it, by the hash of the password."""
    key = hashlib.sha1(password.encode()).hexdigest()
    signed_path = re.sub(r'[^a-zA-Z0-9/?_.=&{}\[\]":, -]', "-", path)
    return hashlib.sha1(f"GET:{signed_path}::{key}".encode()).hexdigest()


def reolink(values: Values) -> Expansion:
    """Return what reolink sends and shows."""
    query = _query(
        cmd="Snap",
        channel=values["channel"],
        user=values["username"],
        password=values["password"],
    )
    url = f"{values['url']}/cgi-bin/api.cgi?{query}"
    return _motion_topic(values), _http(values, url)


def go2rtc(values: Values) -> Expansion:
    """Return what go2rtc sends and shows."""
    url = f"{values['url']}/api/frame.jpeg?{_query(src=values['stream'])}"
    # It connects to the camera, waits for the next keyframe and lets FFmpeg make a JPEG of it.
    return _motion_topic(values), _http(values, url, "basic", timeout_s=10.0)


def camera_ui(values: Values) -> Expansion:
    """Return what camera.ui sends and shows."""
    # All cameras share one topic, unless the user gives each its own.
    trigger = Trigger(
        topic=values["topic"],
        path="state",
        start=("true",),
        end=("false",),
        where={"camera": values["camera"]},
    )
    if "url" in values:
        if not {"token", "auth"} & values.keys():
            # Its refusal does not say what it wants.
            raise ValueError(
                "preset camera_ui with url needs token: the access_token of a login to camera.ui; "
                "or give the camera's own picture as snapshot_url instead"
            )
        url = f"{values['url']}/api/cameras/{_segment(values['camera'])}/snapshot"
        # Its main source may be prebuffered, which gives pictures of six seconds ago. For the sub
        # source, which is the main one where there is none, FFmpeg opens the stream anew.
        url += f"?{_query(fromSubSource='true')}"
        return (trigger,), _http(values, url, "bearer", timeout_s=10.0)
    return (trigger,), _snapshot_url(values, "digest")


def home_assistant(values: Values) -> Expansion:
    """Return what home assistant sends and shows."""
    url = f"{values['url']}/api/camera_proxy/{_segment(values['entity'])}"
    return _motion_topic(values), _http(values, url, "bearer")
