"""Presets: each system's own messages are understood, each source points to its picture."""

import contextlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.counting_camera import jpeg
from veroallarme_core.cli import main
from veroallarme_core.worker.config.preset_parameters import OVER_HTTP
from veroallarme_core.worker.config.presets import PRESETS, expand
from veroallarme_core.worker.motion_sources.motion_messages import (
    MotionSignal,
    Trigger,
    read_signal,
    topic_matches,
)
from veroallarme_core.worker.onvif import OnvifAddress
from veroallarme_core.worker.snapshots import OnvifSource
from veroallarme_core.worker.snapshots.bursts import take_burst
from veroallarme_core.worker.snapshots.http_source import HttpSource
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource
from veroallarme_core.worker.snapshots.snapshots import Snapshot, SnapshotError
from veroallarme_core.worker.snapshots.sources import open_client

START, END, OTHER = MotionSignal.START, MotionSignal.END, MotionSignal.OTHER
LOGIN = {"username": "admin", "password": "p&ss wörd/"}

PARAMETERS = {
    "onvif": {"host": "192.168.1.20", **LOGIN},
    "frigate": {"camera": "drive", "url": "http://frigate.local:5000"},
    "frigate events": {"camera": "drive", "url": "http://frigate.local:5000", "trigger": "events"},
    "frigate reviews": {"camera": "drive", "url": "frigate.local:5000", "trigger": "reviews"},
    "viseron": {"camera": "porch"},
    "scrypted": {"topic": "scrypted/41", "snapshot_url": "http://scrypted.local/s.jpg?x=1"},
    "neolink": {"camera": "Drive"},
    "amcrest2mqtt": {"serial": "AMC0123", "url": "192.168.1.20", **LOGIN},
    "yi_hack": {"topic": "yicam/drive"},
    "blue_iris": {"camera": "Cam1", "url": "http://blueiris.local:81", **LOGIN},
    "zoneminder": {"monitor": "1", "url": "http://zm.local/zm/", **LOGIN},
    "ring_mqtt": {"location": "c1a2-b3", "device": "90486c"},
    "wyze_bridge": {"camera": "front-door", "url": "http://wyze.local:5000", "api_key": "k=y"},
    "axis": {"topic": "axis/ACCC8E012345", "url": "https://192.168.1.20", **LOGIN},
    "onvif2mqtt": {"camera": "drive", "event": "motion"},
    "hikvision": {"camera": "drive", "url": "http://192.168.1.20", **LOGIN},
    "dahua": {"camera": "drive", "url": "http://192.168.1.20", **LOGIN},
    "motioneye": {"topic": "motioneye/drive", "url": "http://me.local:8765", "camera": "1"},
    "motioneye stream": {"topic": "motioneye/Garten Süd", "snapshot_url": "me.local:9082/current"},
    "reolink": {"url": "https://192.168.1.20", **LOGIN, "motion_topic": "pir/drive"},
    "go2rtc": {"url": "http://go2rtc.local:1984", "stream": "drive main", "motion_topic": "m"},
    "camera_ui": {"camera": "Front Door", "url": "http://cui.local:8081", "token": "a.b.c"},
    "home_assistant": {"entity": "camera.drive", "token": "abc", "motion_topic": "ha/drive/state"},
}

# Recorded from camera.ui 1.1.17 (Node 20, mosquitto 2.0) in November 2026, byte for byte, with QoS
# 0 and not retained, sorted by what triggered it; and what each means to the camera Front Door.
CAMERA_UI_RECORDED = [
    # Its own video analysis
    (b'{"camera":"Analysed","state":true,"type":"motion","event":"videoanalysis"}', OTHER),
    (b'{"camera":"Analysed","state":false,"type":"motion","event":"videoanalysis"}', OTHER),
    # Its HTTP server: /motion, again while it goes on, /motion/reset, again at rest, /doorbell
    (b'{"camera":"Front Door","state":true,"type":"motion","event":"http"}', START),
    (b'{"camera":"Front Door","state":true,"type":"motion","event":"http"}', START),
    (b'{"camera":"Front Door","state":false,"type":"motion","event":"http"}', END),
    (b'{"camera":"Front Door","state":false,"type":"motion","event":"http"}', END),
    (b'{"camera":"Front Door","state":true,"type":"doorbell","event":"http"}', START),
    (b'{"camera":"Front Door","state":true,"type":"anything","event":"http"}', START),
    (b'{"camera":"Garten S\xc3\xbcd","state":true,"type":"motion","event":"http"}', OTHER),
    (b'{"camera":"Garten S\xc3\xbcd","state":false,"type":"motion","event":"http"}', OTHER),
    # The camera's own MQTT topics
    (b'{"camera":"Front Door","state":true,"type":"motion","event":"mqtt"}', START),
    (b'{"camera":"Front Door","state":false,"type":"motion","event":"mqtt"}', END),
    (b'{"camera":"Front Door","state":true,"type":"doorbell","event":"mqtt"}', START),
    # E-mail and FTP, which have no end
    (b'{"camera":"Front Door","state":true,"type":"motion","event":"smtp"}', START),
    (b'{"camera":"Front Door","state":true,"type":"motion","event":"ftp"}', START),
    # Its REST interface: motion/start, motion/reset
    (b'{"camera":"Front Door","state":true,"type":"motion","event":"extern"}', START),
    (b'{"camera":"Front Door","state":false,"type":"motion","event":"extern"}', END),
]

# Recorded from motionEye 0.44.0 and 0.43.1 with motion 4.5.1 in November 2026, byte for byte: what
# its commands sent (mosquitto_pub 2.0.11, QoS 0, not retained, once each), and what that means
MOTIONEYE_RECORDED = [(b"ON", START), (b"OFF", END)]

MESSAGES = [
    ("frigate", "frigate/drive/motion", b"ON", START),
    ("frigate", "frigate/drive/motion", b"OFF", END),
    (
        "frigate events",
        "frigate/events",
        b'{"type": "new", "before": {"id": "1607123955.475377-mxklsc", "camera": "drive"}, "after":'
        b' {"id": "1607123955.475377-mxklsc", "camera": "drive", "frame_time": 1607123962.082975,'
        b' "label": "person", "end_time": null}}',
        START,
    ),
    ("frigate events", "frigate/events", b'{"type": "update", "after": {"camera":"drive"}}', OTHER),
    ("frigate events", "frigate/events", b'{"type": "end", "after": {"camera": "drive"}}', END),
    ("frigate events", "frigate/events", b'{"type": "new", "after": {"camera": "gate"}}', OTHER),
    (
        "frigate reviews",
        "frigate/reviews",
        b'{"type": "new", "before": {"camera": "drive"}, "after": {"id": "1718987129.308396-fqk5",'
        b' "camera": "drive", "start_time": 1718987129.308396, "end_time": null, "severity":'
        b' "detection", "data": {"objects": ["person"]}}}',
        START,
    ),
    ("frigate reviews", "frigate/reviews", b'{"type":"end","after":{"camera":"drive"}}', END),
    (
        "viseron",
        "viseron/binary_sensor/porch_motion_detected/state",
        b'{"state": "on", "attributes": {}}',
        START,
    ),
    (
        "viseron",
        "viseron/binary_sensor/porch_motion_detected/state",
        b'{"state": "off", "attributes": {}}',
        END,
    ),
    ("scrypted", "scrypted/41/motionDetected", b"true", START),
    ("scrypted", "scrypted/41/motionDetected", b"false", END),
    ("neolink", "neolink/Drive/status/motion", b"on", START),
    ("neolink", "neolink/Drive/status/motion", b"off", END),
    ("neolink", "neolink/Drive/status/motion", b"unknown", OTHER),
    ("amcrest2mqtt", "amcrest2mqtt/AMC0123/motion", b"on", START),
    ("amcrest2mqtt", "amcrest2mqtt/AMC0123/motion", b"off", END),
    ("yi_hack", "yicam/drive/motion_detection", b"motion_start", START),
    ("yi_hack", "yicam/drive/motion_detection", b"motion_stop", END),
    (
        "blue_iris",
        "BlueIris/Cam1/Status",
        b'{ "type": "MOTION_A", "trigger": "ON", "memo": "" }',
        START,
    ),
    ("blue_iris", "BlueIris/Cam1/Status", b'{ "type": "MOTION_A", "trigger": "OFF" }', END),
    (
        "zoneminder",
        "zoneminder/1",
        b'{"monitor":"1","state":"alarm","eventid":"97269","eventtype":"event_start","detection":[]'
        b',"hookvalue":"1","name":"Front Yard:(97269) Linked"}',
        START,
    ),
    (
        "zoneminder",
        "zoneminder/1",
        b'{"monitor":"1","state":"alarm","eventid":"97269","eventtype":"event_end","detection":[],'
        b'"hookvalue":"1","name":"Ended:Front Yard:(97269) Linked"}',
        END,
    ),
    ("ring_mqtt", "ring/c1a2-b3/camera/90486c/motion/state", b"ON", START),
    ("ring_mqtt", "ring/c1a2-b3/camera/90486c/motion/state", b"OFF", END),
    ("wyze_bridge", "wyzebridge/front-door/motion", b"1", START),
    ("wyze_bridge", "wyzebridge/front-door/motion", b"2", END),
    (
        "axis",
        "axis/ACCC8E012345/event/tns:axis/CameraApplicationPlatform/VMD/Camera1ProfileANY",
        b'{"topic": "axis:CameraApplicationPlatform/VMD/Camera1ProfileANY", "timestamp":'
        b' 1763892000000, "message": {"source": {}, "key": {}, "data": {"active": "1"}}}',
        START,
    ),
    (
        "axis",
        "axis/ACCC8E012345/event/tns:axis/CameraApplicationPlatform/VMD/Camera1ProfileANY/source/1",
        b'{"message": {"source": {}, "key": {}, "data": {"active": "0"}}}',
        END,
    ),
    ("onvif2mqtt", "onvif2mqtt/camera/drive/event/motion", b"true", START),
    ("onvif2mqtt", "onvif2mqtt/camera/drive/event/motion", b"false", END),
    ("onvif2mqtt", "onvif2mqtt/drive/motion", b"ON", START),
    ("onvif2mqtt", "onvif2mqtt/drive/motion", b"OFF", END),
    ("hikvision", "camera-alerts/drive/VMD", b"Motion alarm", START),
    ("dahua", "camera-alerts/drive/VideoMotion", b"Start", START),
    ("dahua", "camera-alerts/drive/VideoMotion", b'{"RegionName": ["Region1"]}', START),
    ("dahua", "camera-alerts/drive/VideoMotion", b"Stop", END),
    *(("motioneye", "motioneye/drive", *recorded) for recorded in MOTIONEYE_RECORDED),
    *(("motioneye stream", "motioneye/Garten Süd", *recorded) for recorded in MOTIONEYE_RECORDED),
    ("reolink", "pir/drive", b"1", START),
    ("reolink", "pir/drive", b"0", END),
    ("go2rtc", "m", b"true", START),
    *(("camera_ui", "camera.ui/motion", *recorded) for recorded in CAMERA_UI_RECORDED),
    ("home_assistant", "ha/drive/state", b"on", START),
    ("home_assistant", "ha/drive/state", b"off", END),
    ("home_assistant", "ha/drive/state", b"unavailable", OTHER),
]


def expanded(case: str):
    return expand(case.split()[0], PARAMETERS[case])


def signal_of(triggers: tuple[Trigger, ...], topic: str, payload: bytes):
    matching = [trigger for trigger in triggers if topic_matches(trigger.topic, topic)]
    assert len(matching) == 1, f"{len(matching)} triggers match {topic}"
    return read_signal(matching[0], payload, retained=False)


@pytest.mark.parametrize(("case", "topic", "payload", "expected"), MESSAGES)
def test_the_systems_own_messages_are_understood(case, topic, payload, expected):
    triggers, _ = expanded(case)
    assert signal_of(triggers, topic, payload) is expected


@pytest.mark.parametrize(
    ("camera", "signals"),
    [("Analysed", [START, END]), ("Garten Süd", [START, END]), ("Back Door", [])],
)
def test_cameras_of_camera_ui_share_a_topic(camera, signals):
    triggers, _ = expand("camera_ui", {"camera": camera})
    read = [signal_of(triggers, "camera.ui/motion", payload) for payload, _ in CAMERA_UI_RECORDED]
    assert [signal for signal in read if signal is not OTHER] == signals


def test_camera_ui_with_a_topic_of_its_own():
    """Recorded with the MQTT Publish Topic house/front; notifications keep theirs."""
    triggers, _ = expand("camera_ui", {"camera": "Front Door", "topic": "house/front"})
    start = b'{"camera":"Front Door","state":true,"type":"motion","event":"http"}'
    end = b'{"camera":"Front Door","state":false,"type":"motion","event":"http"}'
    assert signal_of(triggers, "house/front", start) is START
    assert signal_of(triggers, "house/front", end) is END
    assert not topic_matches(triggers[0].topic, "camera.ui/notifications")


def test_every_preset_has_a_message_and_parameters():
    assert {case.split()[0] for case, *_ in MESSAGES} == set(PRESETS) - {"onvif"}
    assert {case.split()[0] for case in PARAMETERS} == set(PRESETS)


ENCODED_LOGIN = "p%26ss%20w%C3%B6rd%2F"


@pytest.mark.parametrize(
    ("case", "changes", "url", "auth"),
    [
        ("frigate", {}, "http://frigate.local:5000/api/drive/latest.jpg", "none"),
        (
            "frigate",
            {"picture": "recording", "token": "t", "topic": "f/1"},
            "http://frigate.local:5000/api/drive/recordings/{timestamp}/snapshot.jpg",
            "bearer",
        ),
        (
            "frigate",
            {"camera": "a b?c", "url": "https://host/base/"},
            "https://host/base/api/a%20b%3Fc/latest.jpg",
            "none",
        ),
        (
            "viseron",
            {"url": "http://viseron:8888"},
            "http://viseron:8888/api/v1/camera/porch/snapshot",
            "none",
        ),
        ("scrypted", {}, "http://scrypted.local/s.jpg?x=1", "none"),
        ("scrypted", {**LOGIN}, "http://scrypted.local/s.jpg?x=1", "basic"),
        ("amcrest2mqtt", {}, "http://192.168.1.20/cgi-bin/snapshot.cgi", "digest"),
        (
            "yi_hack",
            {"url": "http://192.168.1.20:8080", **LOGIN},
            "http://192.168.1.20:8080/cgi-bin/snapshot.sh?res=high&watermark=no",
            "basic",
        ),
        (
            "blue_iris",
            {},
            f"http://blueiris.local:81/image/Cam1?q=50&user=admin&pw={ENCODED_LOGIN}",
            "none",
        ),
        (
            "zoneminder",
            {},
            "http://zm.local/zm/cgi-bin/nph-zms?mode=single&monitor=1&user=admin"
            f"&pass={ENCODED_LOGIN}",
            "none",
        ),
        ("wyze_bridge", {}, "http://wyze.local:5000/snapshot/front-door.jpg?api=k%3Dy", "none"),
        (
            "wyze_bridge",
            {"api_key": ""},
            "http://wyze.local:5000/snapshot/front-door.jpg",
            "none",
        ),
        ("axis", {}, "https://192.168.1.20/axis-cgi/jpg/image.cgi?camera=1", "digest"),
        (
            "onvif2mqtt",
            {"snapshot_url": "http://192.168.1.20/onvif/snap?p=1", **LOGIN},
            "http://192.168.1.20/onvif/snap?p=1",
            "digest",
        ),
        (
            "hikvision",
            {},
            "http://192.168.1.20/ISAPI/Streaming/channels/101/picture",
            "digest",
        ),
        ("dahua", {}, "http://192.168.1.20/cgi-bin/snapshot.cgi?channel=1", "digest"),
        (
            "reolink",
            {},
            "https://192.168.1.20/cgi-bin/api.cgi?cmd=Snap&channel=0&user=admin"
            f"&password={ENCODED_LOGIN}",
            "none",
        ),
        ("go2rtc", {}, "http://go2rtc.local:1984/api/frame.jpeg?src=drive%20main", "none"),
        (
            "camera_ui",
            {},
            "http://cui.local:8081/api/cameras/Front%20Door/snapshot?fromSubSource=true",
            "bearer",
        ),
        (
            "camera_ui",
            {"url": "", "token": "", "snapshot_url": "http://192.168.1.20/s.jpg", **LOGIN},
            "http://192.168.1.20/s.jpg",
            "digest",
        ),
        ("motioneye stream", {}, "http://me.local:9082/current", "none"),
        ("motioneye stream", LOGIN, "http://me.local:9082/current", "basic"),
        ("motioneye stream", {**LOGIN, "auth": "digest"}, "http://me.local:9082/current", "digest"),
        (
            "motioneye",
            {"snapshot_url": "http://me.local:9081/current"},
            "http://me.local:9081/current",
            "none",
        ),
        (
            "home_assistant",
            {"url": "http://supervisor/core"},
            "http://supervisor/core/api/camera_proxy/camera.drive",
            "bearer",
        ),
    ],
)
def test_http_sources(case, changes, url, auth):
    _, source = expand(case.split()[0], {**PARAMETERS[case], **changes})
    assert isinstance(source, HttpSource)
    assert source.url == url
    assert source.auth == auth
    assert source.verify_tls is True
    assert (source.username == "admin") == (auth in {"basic", "digest"})
    assert LOGIN["password"] not in repr(source)
    assert ENCODED_LOGIN not in repr(source)


@pytest.mark.parametrize(
    ("case", "topic", "encoding"),
    [
        ("viseron", "viseron/image/porch_latest_thumbnail/image", "raw"),
        ("neolink", "neolink/Drive/status/preview", "base64"),
        ("yi_hack", "yicam/drive/motion_detection_image", "raw"),
        ("ring_mqtt", "ring/c1a2-b3/camera/90486c/snapshot/image", "raw"),
    ],
)
def test_mqtt_sources(case, topic, encoding):
    _, source = expanded(case)
    assert isinstance(source, MqttImageSource)
    assert source.topic == topic
    assert source.encoding == encoding


@pytest.mark.parametrize(
    ("password", "signature"),
    [
        # sha1("GET:/picture/1/current/?_username=user::" + sha1("secret"))
        ("secret", "8726e8c4d53224c6e4ef0564e1d910e4d1e68461"),
        # Two with which motionEye 0.43.1 gave its picture, in November 2026
        ("", "8a47365b7e1ad4d8d48ad72a15afcfb29b570425"),
        ("p&ss wörd/", "a92dc3b98745845222924bd1f1c10a6e0c963ff1"),
    ],
)
def test_motioneye_signs_its_address(password, signature):
    _, source = expand("motioneye", {**PARAMETERS["motioneye"], "password": password})
    assert isinstance(source, HttpSource)
    assert source.url == (
        f"http://me.local:8765/picture/1/current/?_username=user&_signature={signature}"
    )


# Recorded from motionEye 0.43.1 and from motion 4.5.1 of both in November 2026
MOTIONEYE_NO_STORE = {
    "Cache-Control": "no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
    "Content-Type": "image/jpeg",
}
MOTIONEYE_COOKIES = ("motion_detected_1=false", "capture_fps_1=0.0", 'monitor_info_1=""')


async def test_the_picture_of_motioneye_comes_after_empty_ones():
    """0.43.1 sends nothing but empty ones for 1.5 s, after ten seconds without a request."""
    asked = 0

    async def respond(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked <= 3:
            return web.Response(headers=MOTIONEYE_NO_STORE)
        answer = web.Response(body=jpeg(asked), headers=MOTIONEYE_NO_STORE)
        for cookie in MOTIONEYE_COOKIES:
            answer.headers.add("Set-Cookie", f"{cookie}; Path=/")
        return answer

    async with preset_server("motioneye", respond) as source:
        burst = await take_burst(open_client(source), spacing_s=0.0, motion_at=datetime.now(UTC))
    assert [snapshot.data for snapshot in burst.snapshots] == [jpeg(4), jpeg(5), jpeg(6)]


@pytest.mark.parametrize(
    ("status", "body", "headers", "says"),
    [
        # 0.44.0, whatever the signature; 0.43.1 with a wrong password or none
        (
            403,
            b'{"error": "unauthorized", "prompt": false}',
            {"Content-Type": "application/json"},
            "it may want a login",
        ),
        (404, b'{"error": "no such camera"}', {"Content-Type": "application/json"}, "the path"),
        # The camera's stream port, where its login is on
        (401, b"", {"WWW-Authenticate": 'Basic realm="Motion"'}, "set auth to basic"),
        (
            401,
            b"",
            {
                "WWW-Authenticate": 'Digest realm="Motion",qop="auth",nonce="fc2e202dcfef901f4ba2'
                '66b285e248770000000c",opaque="01fe59d3003b36c7",algorithm=md5'
            },
            "set auth to digest",
        ),
    ],
)
async def test_what_motioneye_answers_without_a_picture(status, body, headers, says):
    async def respond(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    async with preset_server("motioneye", respond) as source:
        with pytest.raises(SnapshotError, match=says) as error:
            await open_client(source).fetch(datetime.now(UTC))
    assert error.value.code == f"http_{status}"


@pytest.mark.parametrize("name", ["scrypted", "onvif2mqtt", "camera_ui", "motioneye"])
def test_without_a_snapshot_address_there_is_no_source(name):
    pictures = {"snapshot_url", "url", "token"}
    parameters = {key: v for key, v in PARAMETERS[name].items() if key not in pictures}
    triggers, source = expand(name, parameters)
    assert triggers
    assert source is None


@pytest.mark.parametrize("name", ["reolink", "go2rtc", "home_assistant"])
def test_without_a_motion_topic_there_are_only_pictures(name):
    parameters = {key: v for key, v in PARAMETERS[name].items() if key != "motion_topic"}
    triggers, source = expand(name, parameters)
    assert triggers == ()
    assert source is not None


def test_onvif_finds_motion_and_pictures_by_itself():
    parameters = {**PARAMETERS["onvif"], "port": "8000", "channel": "2", "auth": "basic"}
    triggers, source = expand("onvif", {**parameters, "verify_tls": "false"})
    assert triggers == ()
    assert source == OnvifSource(
        camera=OnvifAddress(host="192.168.1.20", port=8000, channel=2, **LOGIN),
        auth="basic",
        verify_tls=False,
    )
    assert LOGIN["password"] not in repr(source)


def test_tls_of_a_preset():
    parameters = {**PARAMETERS["axis"], "verify_tls": "False", "ca_file": "/etc/camera.pem"}
    _, source = expand("axis", parameters)
    assert isinstance(source, HttpSource)
    assert source.verify_tls is False
    assert source.ca_file == Path("/etc/camera.pem")


REQUIRED = [
    (name, key)
    for name, preset in PRESETS.items()
    for key, parameter in preset.parameters.items()
    if parameter.required
]


@pytest.mark.parametrize(("name", "key"), REQUIRED)
@pytest.mark.parametrize("left_out", [True, False], ids=["missing", "empty"])
def test_a_missing_parameter_is_named_and_explained(name, key, left_out):
    parameters = {k: v for k, v in PARAMETERS[name].items() if k != key}
    if not left_out:
        parameters[key] = ""
    meaning = PRESETS[name].parameters[key].meaning
    with pytest.raises(ValueError, match=re.escape(f"preset {name} needs {key}: {meaning}")):
        expand(name, parameters)


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("frigate", {"topic": "frigate/#"}, "may hold no +, #"),
        ("frigate", {"topic": "/"}, "give Frigate's topic_prefix"),
        ("frigate", {"camera": "+"}, "may hold no +, #"),
        ("frigate", {"camera": "a/b"}, "without a slash"),
        ("frigate", {"trigger": "objects"}, "use one of motion, events, reviews"),
        ("frigate", {"url": "ftp://frigate"}, "give the address, such as http://frigate"),
        ("frigate", {"url": "http://[frigate"}, "give the address"),
        ("frigate", {"url": "http://host/?x=hunter2"}, "leave out what follows"),
        ("frigate", {"url": "http://me:hunter2@host"}, "give them as parameters"),
        ("frigate", {"camara": "x"}, "no parameter 'camara': it knows topic, camera, url"),
        ("zoneminder", {"monitor": "one"}, "the monitor's id as a number"),
        ("scrypted", {"snapshot_url": "rtsp://cam/1"}, "the complete address"),
        ("axis", {"verify_tls": "maybe"}, "use one of true, false"),
        ("motioneye", {"start": "OFF"}, "in start and in end"),
        ("motioneye", {"camera": ""}, "with url needs camera: the camera's id"),
        ("camera_ui", {"token": ""}, "with url needs token: the access_token of a login"),
        ("onvif", {"host": "http://cam"}, "host is not the name or address of a camera"),
        ("onvif", {"host": "me:hunter2@cam"}, "host is not the name or address of a camera"),
        ("onvif", {"port": "99999"}, "port is 99999"),
        ("onvif", {"port": "http"}, "as a number"),
        ("onvif", {"channel": "0"}, "channel is 0"),
        ("onvif", {"auth": "bearer"}, "use one of digest, basic, none"),
        ("onvif", {"username": "a:b"}, "may hold no colon"),
        ("nest", {}, "there is no preset 'nest': use one of amcrest2mqtt"),
    ],
)
def test_an_unusable_parameter_is_named(name, changes, says):
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        expand(name, {**PARAMETERS.get(name, {}), **changes})
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_parameter_is_named_like_a_key_of_a_camera():
    keys = {"name", "preset", "triggers", "snapshot", "burst", "settings", "keep"}
    assert not [name for name, preset in PRESETS.items() if keys & set(preset.parameters)]


@given(data=st.data())
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_no_parameters_raise_anything_but_value_errors(name, data):
    known = PRESETS[name].parameters
    parameters = dict(PARAMETERS[name])
    for key in data.draw(st.sets(st.sampled_from(sorted(known)), min_size=1)):
        parameters[key] = data.draw(st.text(max_size=20), label=key)
    try:
        triggers, source = expand(name, parameters)
    except ValueError:
        return
    assert triggers or source


@pytest.mark.parametrize(
    ("name", "changes", "path", "query"),
    [
        ("reolink", {}, "/cgi-bin/api.cgi", {"user": "admin", "password": LOGIN["password"]}),
        ("blue_iris", {"camera": "a?b"}, "/image/a?b", {"pw": LOGIN["password"]}),
        ("zoneminder", {}, "/cgi-bin/nph-zms", {"pass": LOGIN["password"], "monitor": "1"}),
        ("go2rtc", {"stream": "a+b&c=ü"}, "/api/frame.jpeg", {"src": "a+b&c=ü"}),
        ("frigate", {"camera": "a b%2F"}, "/api/a b%2F/latest.jpg", {}),
    ],
)
async def test_quoted_parameters_reach_the_server_as_they_were(name, changes, path, query):
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(body=b"\xff\xd8\xff\xd9")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        parameters = {**PARAMETERS[name], **changes, "url": str(server.make_url("/"))}
        _, source = expand(name, parameters)
        assert isinstance(source, HttpSource)
        await open_client(source).fetch(datetime.now(UTC))
    assert unquote(seen[0].raw_path.partition("?")[0]) == path
    assert {key: seen[0].query[key] for key in query} == query


# Recorded from nph-zms of ZoneMinder 1.36.33 (Debian 12), called as a web server calls it, in
# November 2026; its picture was less than 0.2 s old.
ZONEMINDER_PICTURE = (
    ("Server", "ZoneMinder Video Server/1.36.33"),
    ("Expires", "Mon, 26 Jul 1997 05:00:00 GMT"),
    ("Cache-Control", "no-store, no-cache, must-revalidate"),
    ("Cache-Control", "post-check=0, pre-check=0"),
    ("Pragma", "no-cache"),
    ("Content-Type", "image/jpeg"),
)


async def test_the_picture_of_zoneminder():
    taken_at = datetime.now(UTC)

    async def respond(request: web.Request) -> web.Response:
        assert request.query["pass"] == LOGIN["password"]
        answer = web.Response(body=jpeg())
        answer.last_modified = taken_at
        for name, value in ZONEMINDER_PICTURE:
            answer.headers.add(name, value)
        return answer

    async with preset_server("zoneminder", respond) as source:
        assert (await open_client(source).fetch(taken_at)).data == jpeg()


async def test_the_picture_by_which_zoneminder_says_that_it_has_none():
    """A JPEG that reads "Unable to send image", with 200: no such monitor, or no capture."""

    async def respond(request: web.Request) -> web.Response:
        return web.Response(body=jpeg() + b"\r\n\r\n", content_type="image/jpeg")

    async with preset_server("zoneminder", respond) as source:
        burst = await take_burst(open_client(source), spacing_s=0.0, motion_at=datetime.now(UTC))
    assert burst.distinct == 1, "which proves no nuisance"
    assert [error.code for error in burst.errors] == ["repeats"]


async def test_the_refusal_of_zoneminder():
    async def respond(request: web.Request) -> web.Response:
        return web.Response(status=403, body=b"Status: 403\r\nContent-Type: text/html\r\n")

    async with preset_server("zoneminder", respond) as source:
        with pytest.raises(SnapshotError, match="HTTP 403"):
            await open_client(source).fetch(datetime.now(UTC))


GO2RTC_HEADERS = {"Cache-Control": "no-cache", "Connection": "close", "Pragma": "no-cache"}


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        # No such stream, as it stands in its configuration
        ({"status": 404, "text": "stream not found\n"}, "http_404", "check the path"),
        # The camera is away: nothing is written, which HTTP makes an empty success
        ({"status": 200}, "empty", "check the camera"),
        # FFmpeg is not there
        (
            {"status": 500, "text": 'exec: "ffmpeg": executable file not found in $PATH\n'},
            "http_500",
            "the camera's own log",
        ),
        # Its login is on: api.username
        (
            {"status": 401, "text": "Unauthorized\n"}
            | {"headers": {"Www-Authenticate": 'Basic realm="go2rtc"'}},
            "http_401",
            "set auth to basic, with username and password",
        ),
    ],
)
async def test_what_go2rtc_answers_without_a_picture(answer, code, says):
    async def respond(request: web.Request) -> web.Response:
        return web.Response(**answer)

    with pytest.raises(SnapshotError, match=says) as error:
        await from_server("go2rtc", respond)
    assert error.value.code == code


async def test_the_frame_of_go2rtc():
    async def respond(request: web.Request) -> web.Response:
        assert request.path_qs == "/api/frame.jpeg?src=drive%20main"
        return web.Response(body=jpeg(), content_type="image/jpeg", headers=GO2RTC_HEADERS)

    snapshot = await from_server("go2rtc", respond)
    assert snapshot.data == jpeg()
    assert snapshot.age_ms is None


# Recorded from camera.ui 1.1.17 in November 2026
CAMERA_UI_PICTURE = {"Content-Type": "image/jpeg", "Content-Disposition": "inline"}
CAMERA_UI_JSON = {"Content-Type": "application/json; charset=utf-8"}


async def test_the_snapshot_of_camera_ui():
    """One answer holds two JPEGs, since FFmpeg is asked for two frames; the first is taken."""

    async def respond(request: web.Request) -> web.Response:
        assert request.raw_path == "/api/cameras/Front%20Door/snapshot?fromSubSource=true"
        assert request.headers["Authorization"] == "Bearer a.b.c"
        return web.Response(body=jpeg(0) + jpeg(1), headers=CAMERA_UI_PICTURE)

    assert (await from_server("camera_ui", respond)).data == jpeg(0)


@pytest.mark.parametrize(
    ("status", "text", "token", "says"),
    [
        # Another session, or one before its restart; also ?username=…&password=…
        (401, "Token expired", "old", "the token is refused, make a new one"),
        # No token, Basic, or ?token=…
        (401, "Unauthorized", "a.b.c", "the token is refused, make a new one"),
        (404, "Camera not exists", "a.b.c", "check the path"),
        # The camera is away
        (500, "FFmpeg snapshot process exited with error! (null) - ", "a.b.c", "own log"),
    ],
)
async def test_what_camera_ui_answers_without_a_picture(status, text, token, says):
    async def respond(request: web.Request) -> web.Response:
        body = f'{{"statusCode":{status},"message":"{text}"}}'.encode()
        return web.Response(status=status, body=body, headers=CAMERA_UI_JSON)

    with pytest.raises(SnapshotError, match=says) as error:
        await from_server("camera_ui", respond, token=token)
    assert error.value.code == f"http_{status}"


async def from_server(name: str, respond, **changes: str) -> Snapshot:
    """Fetch what a preset's address gives, from a server in place of the system's own."""
    async with preset_server(name, respond, **changes) as source:
        assert source.timeout_s == 10.0  # a keyframe and FFmpeg take their time
        return await open_client(source).fetch(datetime.now(UTC))


@contextlib.asynccontextmanager
async def preset_server(name: str, respond, **changes: str) -> AsyncIterator[HttpSource]:
    """Serve a preset's address in place of the system's own."""
    app = web.Application()
    app.router.add_get("/{path:.*}", respond)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url("/"))
        _, source = expand(name, {**PARAMETERS[name], **changes, "url": url})
        assert isinstance(source, HttpSource)
        yield source


@pytest.mark.parametrize("address", ["http://[]@", "[]@", "http://[::1"])
def test_malformed_address_is_refused_in_one_sentence(address: str) -> None:
    with pytest.raises(ValueError, match="url") as refused:
        expand("frigate", {"camera": "drive", "url": address})
    assert "\n" not in str(refused.value)


# --- logins: what is advised can be written ------------------------------------------------------

OVER_HTTP_ALONE = sorted(
    name for name, preset in PRESETS.items() if OVER_HTTP.keys() <= preset.parameters.keys()
)


def config_of(name: str, more: dict[str, str]) -> dict[str, object]:
    camera = {"preset": name, **PARAMETERS[name], **more}
    if not expand(name, {key: value for key, value in camera.items() if key != "preset"})[0]:
        camera["triggers"] = [{"topic": "cam/motion", "start": "ON"}]
    return {"mqtt": {"host": "localhost"}, "cameras": {"drive": camera}}


def test_every_system_with_pictures_over_http_takes_every_login():
    assert set(PRESETS) - set(OVER_HTTP_ALONE) == {"neolink", "onvif", "ring_mqtt"}


@pytest.mark.parametrize("name", OVER_HTTP_ALONE)
@pytest.mark.parametrize("offered", ["Basic realm=x", "Digest realm=x, nonce=y", "Bearer"])
async def test_the_advice_about_a_login_is_accepted_by_check_config(
    name, offered, tmp_path, capsys
):
    """Ask a camera that wants another login, follow what is advised, and check that."""

    async def demand(request: web.Request) -> web.Response:
        return web.Response(status=401, headers={"WWW-Authenticate": offered})

    app = web.Application()
    app.router.add_get("/{path:.*}", demand)
    async with TestServer(app, host="127.0.0.1") as server:
        key = "url" if "url" in PRESETS[name].parameters else "snapshot_url"
        address = {key: str(server.make_url("/"))}
        _, source = expand(name, {**PARAMETERS[name], **address, "auth": "none"})
        assert isinstance(source, HttpSource)
        with pytest.raises(SnapshotError) as refused:
            await open_client(source).fetch(datetime.now(UTC))
    advised = re.search(r"set auth to (\w+), with (\w+)(?: and (\w+))?", str(refused.value))
    assert advised is not None
    auth, *needed = advised.groups()
    assert auth == offered.split(" ")[0].lower()
    followed = {**address, "auth": auth, **{key: "admin" for key in needed if key}}
    file = tmp_path / "veroallarme.yaml"
    file.write_text(yaml.safe_dump(config_of(name, followed)), encoding="utf-8")
    assert main(["check-config", "--config", str(file)]) == 0, capsys.readouterr()
    _, source = expand(name, {**PARAMETERS[name], **followed})
    assert isinstance(source, HttpSource)
    assert source.auth == auth


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"auth": "ntlm"}, "use one of none, basic, digest, bearer"),
        ({"auth": "basic"}, "set username"),
        ({"auth": "bearer"}, "belong together"),
    ],
)
def test_a_login_that_cannot_be_is_named(parameters, says):
    with pytest.raises(ValueError, match=says):
        expand("frigate", {**PARAMETERS["frigate"], **parameters})


def test_a_login_can_be_switched_off():
    _, source = expand("hikvision", {**PARAMETERS["hikvision"], "auth": "none"})
    assert isinstance(source, HttpSource)
    assert (source.auth, source.username, source.password) == ("none", None, None)
