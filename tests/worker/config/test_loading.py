"""The configuration: what is written is what is used, and every mistake comes with its remedy."""

import dataclasses
import logging
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veroallarme_core.cli import main
from veroallarme_core.contract import CameraSettings, Mode, ObjectKind, OnUnknown, Topics, ZoneKind
from veroallarme_core.worker.config import schema
from veroallarme_core.worker.config.loading import load_config, parse_config
from veroallarme_core.worker.config.passwords import hash_password
from veroallarme_core.worker.config.preset_parameters import OVER_HTTP
from veroallarme_core.worker.config.presets import PRESETS
from veroallarme_core.worker.config.schema import known_keys
from veroallarme_core.worker.config.sentences import ConfigError
from veroallarme_core.worker.config.worker_config import (
    BrokerConfig,
    BurstConfig,
    CameraConfig,
    HealthConfig,
    InferenceConfig,
    LearningConfig,
    PageConfig,
    TlsConfig,
    WorkerConfig,
)
from veroallarme_core.worker.motion_sources.motion_messages import (
    MotionSignal,
    Trigger,
    read_signal,
)
from veroallarme_core.worker.onvif import OnvifAddress
from veroallarme_core.worker.snapshots import OnvifSource, rtsp_source
from veroallarme_core.worker.snapshots.file_snapshots import FileSource
from veroallarme_core.worker.snapshots.http_source import HttpSource
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource
from veroallarme_core.worker.snapshots.rtsp_source import MISSING_EXTRA, RtspSource
from veroallarme_core.worker.storage.records import KeepLimits

ROOT = Path(__file__).resolve().parents[3]
CAMERA = """
    triggers: [{topic: cam/motion, start: ON, end: OFF}]
    snapshot: {url: "http://192.168.1.20/snap.jpg"}
"""
MINIMAL = f"cameras:\n  drive:{CAMERA}"
WITHOUT_PICTURES = "cameras:\n  drive:\n    triggers: [{topic: a, start: ON}]\n    snapshot: "
PRESET = "cameras:\n  drive: {preset: "


@pytest.fixture
def load(tmp_path):
    def load(text: str) -> WorkerConfig:
        path = tmp_path / "veroallarme.yaml"
        path.write_text(text, encoding="utf-8")
        return load_config(path)

    return load


@pytest.fixture
def mistakes(load):
    def mistakes(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text)
        assert all("\n" not in mistake for mistake in caught.value.mistakes)
        assert str(caught.value) == "\n".join(caught.value.mistakes)
        return caught.value.mistakes

    return mistakes


def camera_with(lines: str) -> str:
    return MINIMAL + "".join(f"    {line}\n" for line in lines.splitlines())


# --- what is written is what is used ------------------------------------------------------------


def test_the_smallest_file_takes_all_defaults(load, tmp_path):
    config = load(MINIMAL)
    camera = CameraConfig(
        id="drive",
        name="drive",
        triggers=(Trigger(topic="cam/motion", start=("ON",), end=("OFF",)),),
        source=HttpSource(url="http://192.168.1.20/snap.jpg"),
    )
    assert config == WorkerConfig(
        cameras=(camera,), data_dir=tmp_path / "data", state_dir=tmp_path / "state"
    )


def test_no_relevance_network_may_be_written_out(load):
    assert load(f"{MINIMAL}inference: {{model: null}}\n").inference == InferenceConfig()


def test_everything_that_can_be_written(load, tmp_path):
    (tmp_path / "ca.pem").touch()
    (tmp_path / "client.pem").touch()
    (tmp_path / "client.key").touch()
    config = load(
        """
prefix: cams/vero
site: barn
worker_id: second
data_dir: events
state_dir: /var/lib/veroallarme
inference: {enabled: no, backend: torch, model: own.pth, threads: 1}
learning: {enabled: no, hour: 23, recall: 0.95}
health: {host: 0.0.0.0, port: 8098}
page:
  host: 0.0.0.0
  username: anna
  password: 0123456789
  token: "01234567890123456"
  address: https://a.example:444/alarm/
  trusted_proxies: [192.168.1.2, 172.16.0.0/12]
mqtt:
  host: fe80::1
  port: 8883
  username: 007
  password: 0123
  tls: {ca_file: ca.pem, cert_file: client.pem, key_file: client.key, verify: false}
  protocol: 5
  keepalive_s: 60
  birth_topic: ha/status
cameras:
  1:
    name: 2nd
    triggers:
      - topic: cams/+/motion
        start: [ON, 1]
        end: OFF
        path: event.type
        where: {event.camera: 01}
        ignore_retained: no
        auto_end_s: 90
      - {topic: cams/1/ring, start: "*"}
    snapshot:
      url: https://192.168.1.20/snap.jpg
      auth: basic
      username: admin
      password: 1.50
      verify_tls: yes
      ca_file: ca.pem
      timeout_s: 7
    burst: {size: 5, spacing_s: 1, limit_s: 20, max_age_s: 30}
    keep: {days: 7, size_mb: 200}
    settings: {enabled: no, mode: shadow, on_unknown: suppress, threshold: 0.25, hold_s: 5,
      objects: [vehicle, person]}
    publish_image: false
    merge_window_s: 0
    reference_every_s: 0
  off:
    triggers: [{topic: a, start: ON}]
    snapshot: {topic: a/picture, encoding: base64, path: image.data, timeout_s: 2.5}
  files:
    triggers: [{topic: b, start: ON}]
    snapshot: {path: pictures/*.jpg, timeout_s: 1}
"""
    )
    assert config.topics == Topics(prefix="cams/vero", site="barn")
    assert config.worker_id == "second"
    assert config.inference == InferenceConfig(
        enabled=False, backend="torch", model=tmp_path / "own.pth", threads=1
    )
    assert config.learning == LearningConfig(enabled=False, hour=23, recall=0.95)
    assert config.health == HealthConfig(host="0.0.0.0", port=8098)
    assert config.page == PageConfig(
        host="0.0.0.0",
        port=8099,
        username="anna",
        password="0123456789",
        token="01234567890123456",
        address="https://a.example:444/alarm",
        trusted_proxies=("192.168.1.2", "172.16.0.0/12"),
    )
    assert config.data_dir == tmp_path / "events"
    assert config.state_dir == Path("/var/lib/veroallarme")
    assert config.broker == BrokerConfig(
        host="fe80::1",
        port=8883,
        username="007",
        password="0123",
        tls=TlsConfig(
            ca_file=tmp_path / "ca.pem",
            cert_file=tmp_path / "client.pem",
            key_file=tmp_path / "client.key",
            verify=False,
        ),
        protocol="5",
        keepalive_s=60,
        birth_topic="ha/status",
    )
    first, off, files = config.cameras
    assert first == CameraConfig(
        id="1",
        name="2nd",
        triggers=(
            Trigger(
                topic="cams/+/motion",
                start=("ON", "1"),
                end=("OFF",),
                path="event.type",
                where={"event.camera": "01"},
                ignore_retained=False,
                auto_end_s=90.0,
            ),
            Trigger(topic="cams/1/ring", start=("*",)),
        ),
        source=HttpSource(
            url="https://192.168.1.20/snap.jpg",
            auth="basic",
            username="admin",
            password="1.50",
            verify_tls=True,
            ca_file=tmp_path / "ca.pem",
            timeout_s=7.0,
        ),
        burst=BurstConfig(size=5, spacing_s=1.0, limit_s=20.0, max_age_s=30.0),
        keep=KeepLimits(days=7.0, size_mb=200.0),
        settings=CameraSettings(
            enabled=False,
            mode=Mode.SHADOW,
            on_unknown=OnUnknown.SUPPRESS,
            threshold=0.25,
            hold_s=5.0,
            objects=(ObjectKind.PERSON, ObjectKind.VEHICLE),
        ),
        publish_image=False,
        merge_window_s=0.0,
        reference_every_s=0.0,
    )
    assert off.id == "off"
    assert off.source == MqttImageSource(
        topic="a/picture", encoding="base64", path="image.data", timeout_s=2.5
    )
    assert files.source == FileSource(path=tmp_path / "pictures/*.jpg", timeout_s=1.0)


def test_zones(load):
    config = load(
        camera_with(
            "settings:\n  zones:\n    - {name: Lawn, points: [[0, 0.5], [1, 0.5], [1, 1]]}\n"
            "    - {name: Tree, kind: ignore, points: [[0, 0.5], [1, 0.5], [1, 1]]}"
        )
    )
    lawn, tree = config.cameras[0].settings.zones
    assert (lawn.name, lawn.kind) == ("Lawn", ZoneKind.ONLY)
    assert (tree.name, tree.kind) == ("Tree", ZoneKind.IGNORE)
    assert lawn.points == ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0))


@pytest.mark.parametrize("word", ["ON", "on", "yes", "true", "1", "Motion", "007"])
def test_a_start_value_is_the_word_that_the_camera_sends(load, word):
    config = load(MINIMAL.replace("start: ON", f"start: {word}").replace(", end: OFF", ""))
    [trigger] = config.cameras[0].triggers
    assert read_signal(trigger, word.encode(), retained=False) is MotionSignal.START


@pytest.mark.parametrize(
    ("tls", "expected"), [("true", TlsConfig()), ("yes", TlsConfig()), ("false", None)]
)
def test_tls_by_one_word(load, tls, expected):
    assert load(f"mqtt: {{tls: {tls}}}\n{MINIMAL}").broker.tls == expected


def test_a_preset_gives_what_is_not_written(load):
    config = load(
        "cameras:\n  drive:\n    preset: frigate\n    camera: 01\n    url: frigate.local:5000\n"
        "    verify_tls: no\n    burst: {size: 2}\n"
    )
    [camera] = config.cameras
    assert camera.triggers[0].topic == "frigate/01/motion"
    assert isinstance(camera.source, HttpSource)
    assert camera.source.url == "http://frigate.local:5000/api/01/latest.jpg"
    assert camera.source.verify_tls is False
    assert camera.burst.size == 2


def test_what_is_written_counts_more_than_the_preset(load, tmp_path):
    config = load(
        "cameras:\n  drive:\n    preset: go2rtc\n    url: go2rtc.local:1984\n    stream: a\n"
        "    triggers: [{topic: pir, start: 1}]\n    snapshot: {path: x.jpg}\n"
    )
    [camera] = config.cameras
    assert camera.triggers == (Trigger(topic="pir", start=("1",)),)
    assert camera.source == FileSource(path=tmp_path / "x.jpg")


@pytest.mark.parametrize(
    "example",
    re.findall(
        r"^```yaml\n(cameras:.*?)^```",
        "".join((ROOT / "docs" / page).read_text() for page in ("configuration.md", "presets.md")),
        re.M | re.S,
    ),
)
def test_the_examples_of_the_documentation_are_correct(load, tmp_path, example):
    (tmp_path / "secrets.yaml").write_text('drive: "0123"\n', encoding="utf-8")
    assert [camera.id for camera in load(example).cameras] == ["drive"]


def test_content_that_is_no_file():
    content = yaml.safe_load(MINIMAL.replace("ON", '"ON"').replace("OFF", '"OFF"'))
    config = parse_config(content, Path("/etc/veroallarme"))
    assert config.data_dir == Path("/etc/veroallarme/data")
    assert config.cameras[0].triggers[0].start == ("ON",)
    with pytest.raises(ConfigError, match=r"mqtt\.port: 0: give a whole number"):
        parse_config({**content, "mqtt": {"port": 0}})


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("{}", None),
        ("{host: localhost}", None),
        ("{host: '::1'}", None),
        ("{host: 0.0.0.0, token: 01234567890123456}", None),
        ("{host: 192.168.1.5, token: 01234567890123456}", "http://192.168.1.5:8099"),
        ("{host: 'fd00::5', port: 80, token: 01234567890123456}", "http://[fd00::5]:80"),
        ("{host: nas.local, token: 01234567890123456}", "http://nas.local:8099"),
        ("{address: 'https://a.example/alarm/'}", "https://a.example/alarm"),
    ],
)
def test_where_people_find_the_page_as_far_as_the_worker_knows(load, page, link):
    assert load(f"{MINIMAL}page: {page}\n").page_link == link


def test_a_page_with_a_hash_in_place_of_the_password(load):
    hashed = hash_password("correct horse")
    page = load(
        f"{MINIMAL}page: {{host: 0.0.0.0, username: anna, password_hash: '{hashed}'}}\n"
    ).page
    assert page == PageConfig(host="0.0.0.0", username="anna", password_hash=hashed)
    assert hashed not in repr(page)


# --- mistakes -----------------------------------------------------------------------------------


def test_all_mistakes_at_once_in_the_order_of_the_file(mistakes):
    text = """
site: Home
mqtt:
  host: mqtt://broker
  prt: 1883
cameras:
  Front Door: {}
  drive:
    triggers:
      - {topic: a/#/b, start: ON}
      - {start: ON}
    snapshot: {url: "http://cam", auth: digets}
    burst:
      size: 0
      spacng_s: 3
  yard:
    preset: frigate
"""
    assert mistakes(text) == [
        "site (line 2): 'Home': use 1 to 64 of the characters a-z, 0-9 and _",
        "mqtt.host (line 4): 'mqtt://broker': give the host alone; the port goes into port, "
        "encryption into tls",
        "mqtt.prt (line 5): unknown key: did you mean port?",
        "cameras.Front Door (line 7): use 1 to 64 of the characters a-z, 0-9 and _",
        "cameras.Front Door.snapshot (line 7): missing: add snapshot, or preset",
        "cameras.Front Door.triggers (line 7): missing: add triggers, or preset",
        "cameras.drive.triggers.0.topic (line 10): topic 'a/#/b': # must stand alone as the last "
        "level",
        "cameras.drive.triggers.1.topic (line 11): missing: add it",
        "cameras.drive.snapshot.auth (line 12): auth is 'digets': use one of none, basic, digest, "
        "bearer",
        "cameras.drive.burst.size (line 14): 0: give a whole number from 2 to 10 (frames)",
        "cameras.drive.burst.spacng_s (line 15): unknown key: did you mean spacing_s?",
        "cameras.yard.camera (line 16): missing: give the camera's name in Frigate",
        "cameras.yard.url (line 16): missing: give the address, such as http://frigate.local:5000",
    ]


def test_all_cameras_may_be_bridged(load):
    assert load("cameras: {}\n").cameras == ()


ONE_OF_THE_FILE = [
    ("", "the file: give keys with values, at least cameras"),
    ("# nothing\n", "the file: give keys with values"),
    ("- a\n", "the file: give keys with values"),
    ("just text", "the file: give keys with values"),
    ("cameras:\n", "cameras (line 1): nothing: give at least one camera"),
    ("cameras: []\n", "cameras (line 1): give at least one camera"),
    ("cameras: [drive]\n", "cameras (line 1): give at least one camera"),
    ("mqtt: {}\n", "cameras: missing: add it"),
    ("cameras:\n  drive:\n", "cameras.drive (line 2): nothing: give preset, or triggers and"),
    ("cameras:\n  drive: {preset: frigat}\n", "'frigat': did you mean frigate?"),
    ("cameras:\n  drive: {preset: nest}\n", "'nest': choose one of onvif, frigate,"),
    ("cameras:\n  drive: {preset: [frigate]}\n", "preset (line 2): choose one of onvif,"),
    ("cameras:\n  drive: {preset: 5}\n", "preset (line 2): 5: choose one of"),
    (f"{MINIMAL}  drive:{CAMERA}", "line 5: the key 'drive' stands in line 2 already: keep one"),
    (f"{MINIMAL}camera: {{}}\n", "camera (line 5): unknown key: did you mean cameras?"),
    (f"{MINIMAL}prefix: a/+\n", "prefix (line 5): 'a/+': use 1 to 64 of the characters"),
    (f"{MINIMAL}prefix: ''\n", "prefix (line 5): '': give a text that is not empty"),
    (f"{MINIMAL}data_dir: 5\n", "data_dir (line 5): 5: give a text"),
    (f"{MINIMAL}data_dir: ~nobody_of_this_name/x\n", "there is no such user"),
    (f'{MINIMAL}data_dir: "a\\0b"\n', "remove the null character"),
    (f"{MINIMAL}mqtt: localhost\n", "'localhost': give keys with values: host, port,"),
    (f"{MINIMAL}mqtt: {{host: 'broker:1883'}}\n", "'broker:1883': give the host alone"),
    (f"{MINIMAL}mqtt: {{port: '1883'}}\n", "'1883': give a whole number from 1 to 65535"),
    (f"{MINIMAL}mqtt: {{port: true}}\n", "True: give a whole number from 1 to 65535"),
    (f"{MINIMAL}mqtt: {{port: 1{'0' * 5000}}}\n", "mqtt.port (line 5): '1000"),
    (f"{MINIMAL}mqtt: {{password: x}}\n", "mqtt (line 5): password stands without username"),
    (f"{MINIMAL}mqtt: {{protocol: 4}}\n", "'4': choose one of auto, 5, 3.1.1"),
    (f"{MINIMAL}mqtt: {{birth_topic: a/#}}\n", "'a/#': give a topic without the wildcards"),
    (f"{MINIMAL}mqtt: {{tls: maybe}}\n", "'maybe': give true, false or any of: ca_file,"),
    (f"{MINIMAL}mqtt: {{tls: {{ca_file: ca.pem}}}}\n", "ca.pem cannot be read (No such file"),
    (f"{MINIMAL}mqtt: {{tls: {{cert_file: .}}}}\n", "cannot be read (Is a directory)"),
    (f"{MINIMAL}mqtt: {{tls: {{key_file: veroallarme.yaml}}}}\n", "key_file stands without"),
    (f"{MINIMAL}health: {{host: 0.0.0.0}}\n", "health.port (line 5): missing: add it"),
    (f"{MINIMAL}health: {{port: 0}}\n", "0: give a whole number from 1 to 65535 (a TCP port)"),
    (f"{MINIMAL}page: {{host: 0.0.0.0}}\n", "page (line 5): 0.0.0.0 lets other machines see"),
    (f"{MINIMAL}page: {{host: nas.local}}\n", "nas.local lets other machines see your pictures"),
    (f"{MINIMAL}page: {{token: short}}\n", "(hidden): give at least 16 characters"),
    (f"{MINIMAL}page: {{username: a, password: short}}\n", "(hidden): give at least 8 characters"),
    (f"{MINIMAL}page: {{password: long enough}}\n", "stands without username: add username"),
    (f"{MINIMAL}page: {{username: anna}}\n", "username wants one of password and password_hash"),
    (f"{MINIMAL}page: {{username: a, password_hash: $2b$x}}\n", "`veroallarme hash-password`"),
    (f"{MINIMAL}page: {{address: a.example}}\n", "give an address such as https://alarm."),
    (f"{MINIMAL}page: {{address: 'https://a/?b'}}\n", "give an address such as https://alarm."),
    (f"{MINIMAL}page: {{address: 'https://a:x/'}}\n", "give an address such as https://alarm."),
    (f"{MINIMAL}page: {{trusted_proxies: proxy}}\n", "proxy is no address or network"),
    (f"{MINIMAL}page: 8099\n", "page (line 5): 8099: give keys with values: host, port"),
    (f"{MINIMAL}health: 8098\n", "health (line 5): 8098: give keys with values: host, port"),
    (f'{MINIMAL}"a\\nb\\e": 1\n', "a�b� (line 5): unknown key"),
    (camera_with("tls: true"), "cameras.drive.tls (line 5): unknown key: "),
    (camera_with("name: ''"), "cameras.drive.name (line 5): '': give a text that is not empty"),
    (camera_with("keep: {days: -1}"), "keep.days (line 5): -1: give a number from 0 to 3650"),
    (camera_with("keep: 3"), "keep (line 5): 3: give keys with values: days, size_mb"),
    (camera_with("burst: {size: 2.5}"), "2.5: give a whole number from 2 to 10 (frames)"),
    (camera_with("burst: {spacing_s: .nan}"), "nan: give a number from 0.1 to 10 (seconds)"),
    (camera_with("burst: {limit_s: .inf}"), "inf: give a number from 1 to 60 (seconds)"),
    (camera_with("burst: {size: 10, spacing_s: 5}"), "10 pictures every 5 s take 45 s, and"),
    (camera_with("reference_every_s: 0.1"), "0.1: give 0 (never) or a number from 1 to 86400"),
    (camera_with("publish_image: maybe"), "'maybe': give true or false"),
    (camera_with("settings: {mode: of}"), "'of': choose one of auto, filter, shadow"),
    (camera_with("settings: {treshold: 1}"), "unknown key: did you mean threshold?"),
    (camera_with("settings: {zones: 3}"), "settings.zones (line 5): 3: give a list"),
    (camera_with("settings: {zones: [{name: a}]}"), "zones.0.points (line 5): missing: add it"),
    (
        camera_with(
            "settings: {zones: [{name: a, kind: never, points: [[0, 0], [1, 0], [1, 1]]}]}"
        ),
        "'never': choose one of only, ignore, always",
    ),
]
ONE_OF_A_CAMERA = [
    ("triggers: []", "triggers (line 3): give a list with at least one trigger"),
    ("triggers: {topic: a}", "triggers (line 3): give a list with at least one trigger"),
    ("triggers: [cam/motion]", "triggers.0 (line 3): 'cam/motion': give keys with values: topic,"),
    ("triggers: [{topic: a, start: []}]", "triggers.0.start (line 3): start is empty: name at"),
    ("triggers: [{topic: a, start: [[]]}]", "triggers.0.start (line 3): give a text, a number"),
    ("triggers: [{topic: a, start: 1, end: [1]}]", "triggers.0 (line 3): '1' is in start and in"),
    ("triggers: [{topic: a, start: 1, path: a..b}]", "'a..b' is no JSON path"),
    ("triggers: [{topic: a, start: 1, where: x}]", "where (line 3): 'x': give JSON paths and"),
    ("triggers: [{topic: a, start: 1, auto_end_s: 0}]", "0: give a number from 1 to 3600"),
    ('triggers: [{topic: "#", start: 1}]', "also covers veroallarme/home/camera/drive/relevant"),
    ("snapshot: http://cam", "snapshot (line 3): 'http://cam': give url, topic or path"),
    ("snapshot: {}", "snapshot (line 3): give url, topic or path"),
    ("snapshot: {url: ftp://cam/x}", "url ftp://cam/x is not an http or https address"),
    ("snapshot: {url: rtsps://cam/x}", "let go2rtc make one of the stream (preset go2rtc)"),
    ("snapshot: {url: rtsp://}", "snapshot.url (line 3): url rtsp:// is not an rtsp address"),
    ("snapshot: {url: rtsp://cam/x, auth: basic}", "snapshot.auth (line 3): unknown key: known"),
    ("snapshot: {url: 'rtsp://a:hunter2@cam/x'}", "put them into username and password"),
    ("snapshot: {url: 'http://[cam'}", "snapshot.url (line 3): url http://[cam is not a web"),
    ("snapshot: {url: 'http://[]@'}", "snapshot.url (line 3): url http:// is not a web"),
    ("preset: frigate\n    camera: a\n    url: '[]@'", "drive.url (line 5): preset frigate: url"),
    ("snapshot: {url: [x]}", "snapshot.url (line 3): give a text"),
    ("snapshot: {url: 'http://cam', topic: x}", "snapshot.topic (line 3): unknown key: known"),
    ("snapshot: {url: 'http://cam', auth: basic}", "auth is basic: set username"),
    ("snapshot: {url: 'http://cam', token: x}", "token and auth bearer belong together"),
    ("snapshot: {url: 'http://cam', username: x}", "username or password is set but auth is none"),
    ("snapshot: {url: 'http://cam', ca_file: x.pem}", "x.pem cannot be read (No such file"),
    ("snapshot: {topic: a, encoding: hex}", "encoding is 'hex': use one of raw, base64"),
    ("snapshot: {topic: a, path: x}", "path is set but encoding is raw"),
    ("snapshot: {path: ''}", "snapshot.path (line 3): '': give a text that is not empty"),
    ("preset: go2rtc\n    url: x\n    stream: a", "knows no triggers: add triggers, or motion_"),
    ("preset: scrypted\n    topic: a", "knows no snapshot: add snapshot, or snapshot_url"),
    ("preset: frigate\n    camera: a/b\n    url: x", "camera is 'a/b': give the camera's name in"),
    ("preset: frigate\n    camera: a\n    url: 'http://[x'", "preset frigate: url is http://[x"),
    ("preset: frigate\n    camera: a\n    url: x\n    tigger: x", "tigger (line 6): unknown key"),
    ("preset: frigate\n    camera: a\n    url: x\n    trigger: x", "trigger (line 6): preset"),
    ("preset: axis\n    topic: a\n    url: x\n    username: u\n    password: p\n    ca_file: x",
     "ca_file (line 8): 'x'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "mistake"), ONE_OF_THE_FILE, ids=range(len(ONE_OF_THE_FILE)))
def test_one_mistake(mistakes, text, mistake):
    told = mistakes(text)
    assert len(told) == 1, told
    assert mistake in told[0]


@pytest.mark.parametrize(("lines", "mistake"), ONE_OF_A_CAMERA, ids=range(len(ONE_OF_A_CAMERA)))
def test_one_mistake_of_a_camera(mistakes, lines, mistake):
    rest = "" if lines.startswith("preset") else "    preset: motioneye\n    camera: 1\n"
    rest += "    topic: t\n    url: http://me.local\n" if rest else ""
    told = mistakes(f"cameras:\n  drive:\n    {lines}\n{rest}")
    assert len(told) == 1, told
    assert mistake in told[0]


def test_every_missing_parameter_of_a_preset_is_told(mistakes):
    for name, preset in PRESETS.items():
        wanted = {key: one for key, one in preset.parameters.items() if one.required}
        told = mistakes(f"cameras:\n  drive:\n    preset: {name}\n") if wanted else []
        for key, parameter in wanted.items():
            assert f"cameras.drive.{key} (line 2): missing: give {parameter.meaning}" in told


def test_mistakes_of_reading_and_of_meaning_come_together(mistakes, monkeypatch):
    monkeypatch.delenv("NOPE", raising=False)
    assert mistakes(f"mqtt: {{port: !env NOPE, host: 'a/b'}}\nsite: A\n{MINIMAL}") == [
        "line 1: the environment variable 'NOPE' is not set: set it",
        "mqtt.host (line 1): 'a/b': give the host alone; the port goes into port, encryption into "
        "tls",
        "site (line 2): 'A': use 1 to 64 of the characters a-z, 0-9 and _",
    ]


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "nope.yaml", tmp_path):
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert str(path) in str(caught.value)


def test_relative_to_the_file_and_not_to_where_one_stands(load, tmp_path, monkeypatch):
    (tmp_path / "ca.pem").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    load(f"mqtt: {{tls: {{ca_file: ca.pem}}}}\n{MINIMAL}")
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("veroallarme.yaml"))
    assert config.data_dir == tmp_path / "data"
    assert config.broker.tls == TlsConfig(ca_file=tmp_path / "ca.pem")


# --- secrets ------------------------------------------------------------------------------------

SECRET = "hunter2-Zm9vYmFy"
WITH_SECRETS = [
    f"mqtt: {{username: a, password: {SECRET}}}\n{MINIMAL}",
    f"{WITHOUT_PICTURES}{{url: 'http://c', auth: basic, username: a, password: {SECRET}}}\n",
    f"{WITHOUT_PICTURES}{{url: 'http://c', auth: bearer, token: {SECRET}}}\n",
    f"{WITHOUT_PICTURES}{{url: 'http://c/?pwd={SECRET}'}}\n",
    f"{WITHOUT_PICTURES}{{url: 'rtsp://c/?pwd={SECRET}'}}\n",
    f"{WITHOUT_PICTURES}{{url: 'rtsp://c', username: a, password: {SECRET}}}\n",
    f"{PRESET}onvif, host: c, username: a, password: {SECRET}}}\n",
    f"{PRESET}wyze_bridge, camera: a, url: x, api_key: {SECRET}}}\n",
    f"{PRESET}reolink, url: x, username: a, password: {SECRET}, motion_topic: m}}\n",
]  # fmt: skip


@pytest.mark.parametrize("text", WITH_SECRETS, ids=range(len(WITH_SECRETS)))
def test_secrets_are_used_and_not_shown(load, text, caplog):
    caplog.set_level(logging.DEBUG)
    config = load(text)
    used = [config.broker.password]
    for camera in config.cameras:
        if isinstance(camera.source, HttpSource):
            used += [camera.source.password, camera.source.token, camera.source.url]
        if isinstance(camera.source, RtspSource):
            used += [camera.source.url_with_login]
        if isinstance(camera.source, OnvifSource):
            used += [camera.source.camera.password]
    assert any(SECRET in one for one in used if one)
    assert SECRET not in repr(config)
    assert SECRET not in str(config)
    assert SECRET not in caplog.text


SPOILERS = [
    (f"mqtt: {{password: {SECRET}, port: 0}}\n{MINIMAL}"),
    (f"mqtt: {{password: [{SECRET}]}}\n{MINIMAL}"),
    (f"mqtt: {{password: {{{SECRET}: 1}}}}\n{MINIMAL}"),
    (f"mqtt: {{pasword: {SECRET}}}\n{MINIMAL}"),
    (f"mqtt: {{host: 'mqtt://me:{SECRET}@broker'}}\n{MINIMAL}"),
    (f"mqtt: {{password: !{SECRET}}}\n{MINIMAL}"),
    (f"mqtt: {{password: *{SECRET}}}\n{MINIMAL}"),
    (f"mqtt: {{port: !env VERO_SECRET}}\n{MINIMAL}"),
    (f"mqtt: {{protocol: !env VERO_SECRET, birth_topic: !env VERO_SECRET}}\nx: 1\n{MINIMAL}"),
    (f"site: !secret it\n{MINIMAL}"),
    (f"cameras:\n  !secret it: {{}}\n  drive:{CAMERA}"),
    ("cameras:\n  drive:\n    preset: !secret it\n"),
    (camera_with("settings: {mode: !secret it}")),
    (camera_with("keep: {days: !secret it}")),
    (f"{PRESET}reolink, url: 'x:{SECRET}@y', password: {SECRET}}}\n"),
    (f"{PRESET}reolink, url: x, username: a, password: {SECRET}}}\n"),
    (f"{PRESET}frigate, camera: a, url: x, trigger: !secret it}}\n"),
    (f"{WITHOUT_PICTURES}{{url: 'http://me:{SECRET}@c'}}\n"),
    (f"{WITHOUT_PICTURES}{{url: 'rtsp://me:{SECRET}@c'}}\n"),
    (f"{WITHOUT_PICTURES}{{url: 'rtsp://c?p={SECRET} x', password: {SECRET}}}\n"),
    (f"{WITHOUT_PICTURES}{{url: 'http://c', token: {SECRET}, auth: basic}}\n"),
    (f"{WITHOUT_PICTURES}{{url: 'http://c', token: \"{SECRET}\\n\", auth: bearer}}\n"),
    (f"{WITHOUT_PICTURES}{{url: 'http://c', auth: !secret it}}\n"),
    ("cameras:\n  drive:\n    triggers: [{topic: a, start: !secret it, end: !secret it}]\n"),
]  # fmt: skip


@pytest.mark.parametrize("text", SPOILERS, ids=range(len(SPOILERS)))
def test_mistakes_hide_secrets(mistakes, tmp_path, monkeypatch, text):
    monkeypatch.setenv("VERO_SECRET", SECRET)
    (tmp_path / "secrets.yaml").write_text(f"it: {SECRET}\n")
    told = "\n".join(mistakes(text))
    assert SECRET not in told
    assert "hunter2" not in told


# --- hostile files ------------------------------------------------------------------------------

KEYS = sorted({key for keys in known_keys().values() for key in keys} | {"drive", "", "x"})
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["frigate", "http://c", "http://a:b@c", "a/#", "ON", "~x/y", "basic", "1"])
    | st.dates()
    | st.binary(max_size=4)
)
documents = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
PLACES = [
    (),
    ("mqtt",),
    ("mqtt", "tls"),
    ("cameras",),
    ("cameras", "drive"),
    *(("cameras", "drive", key) for key in known_keys()["cameras.<id>"]),
    *(("cameras", "drive", "snapshot", key) for key in known_keys()["snapshot (HTTP)"]),
    *(("cameras", "drive", "triggers", 0, key) for key in known_keys()["triggers"]),
]


def put(content, path, value):
    """Return content with another value at a path."""
    if not path:
        return value
    step, *rest = path
    copy = dict(content) if isinstance(content, dict) else list(content or [])
    inside = copy[step] if isinstance(copy, list) else copy.get(step, {})
    copy[step] = put(inside, rest, value)
    return copy


@given(place=st.sampled_from(PLACES), value=documents)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_any_value_anywhere_gives_a_configuration_or_mistakes(tmp_path, place, value):
    content = put(yaml.load(MINIMAL, yaml.BaseLoader), place, value)
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    check_answer(path)


def check_answer(path: Path) -> None:
    """Load a file, which gives either a configuration or mistakes, and nothing else."""
    config, told = None, []
    try:
        config = load_config(path)
    except ConfigError as error:
        told = error.mistakes
    if config is None:
        assert told
        assert all(mistake and "\n" not in mistake for mistake in told)
    else:
        assert repr(config)


@given(
    where=st.integers(0, len(MINIMAL)),
    text=st.text(st.sampled_from(list("-:{}[]&*!|>'\"#%@`,?\t\n ab0~")), max_size=12),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_text_anywhere_gives_a_configuration_or_mistakes(tmp_path, where, text):
    path = tmp_path / "any.yaml"
    path.write_text(MINIMAL[:where] + text + MINIMAL[where:], encoding="utf-8")
    check_answer(path)


# --- the example and the documentation ----------------------------------------------------------


def test_the_example_is_correct(capsys):
    example = ROOT / "examples" / "veroallarme.yaml"
    assert main(["check-config", "--config", str(example)]) == 0
    assert capsys.readouterr().out == f"{example}: correct; cameras: drive, garden, gate\n"


def test_what_the_example_has_commented_out_is_correct_too(tmp_path):
    text = (ROOT / "examples" / "veroallarme.yaml").read_text(encoding="utf-8")
    (tmp_path / "secrets.yaml").write_text("mqtt: x\npage: correct horse\n")
    active = re.sub(r"^( *)# ( *(?:- )?[a-z_]+:(?: [^ ].*)?)$", r"\1\2", text, flags=re.M)
    assert active != text
    path = tmp_path / "veroallarme.yaml"
    path.write_text(active, encoding="utf-8")
    config, plain_config = load_config(path), load_config(ROOT / "examples" / "veroallarme.yaml")
    assert config.broker == dataclasses.replace(
        plain_config.broker, username="veroallarme", password="x"
    )
    assert config.page == PageConfig(username="anna", password="correct horse")
    # What is commented out shows the defaults.
    assert config.topics == plain_config.topics
    assert [dataclasses.replace(camera, source=None) for camera in config.cameras] == [
        dataclasses.replace(camera, source=None) for camera in plain_config.cameras
    ]


DOCUMENTATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
DEFAULTS = {
    "": WorkerConfig(cameras=()),
    "mqtt": BrokerConfig(),
    "mqtt.tls": TlsConfig(),
    "inference": InferenceConfig(),
    "learning": LearningConfig(),
    "health": HealthConfig(port=1),
    "page": PageConfig(),
    "cameras.<id>": CameraConfig(id="x", name="x", triggers=(), source=FileSource(path=Path())),
    "triggers": Trigger(topic="x", start=("x",)),
    "snapshot (HTTP)": HttpSource(url="http://x"),
    "snapshot (RTSP)": RtspSource(url="rtsp://x"),
    "snapshot (MQTT)": MqttImageSource(topic="x"),
    "snapshot (file)": FileSource(path=Path()),
    "burst": BurstConfig(),
    "keep": KeepLimits(),
    "settings": CameraSettings(),
}


def documented(place: str) -> dict[str, tuple[str, str]]:
    """Return default and meaning of each key in the table below the heading of a place."""
    title = "The file" if not place else f"`{place}`"
    section = re.split(rf"^## {re.escape(title)}$", DOCUMENTATION, flags=re.M)[1]
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \|$", re.split(r"^## ", section, flags=re.M)[0], re.M
    )
    return {key: (default, meaning) for key, default, meaning in rows}


@pytest.mark.parametrize("place", known_keys())
def test_every_key_is_documented_and_no_other(place):
    assert set(documented(place)) == set(known_keys()[place])


@pytest.mark.parametrize("place", known_keys())
def test_documented_defaults_are_the_defaults(place):
    for key, (written, _) in documented(place).items():
        default = getattr(Topics() if key in {"prefix", "site"} else DEFAULTS[place], key, None)
        if written.startswith("`"):
            value = yaml.safe_load(written.strip("`"))
            shown = str(default) if isinstance(default, Path) else default
            assert value == (list(shown) if isinstance(shown, tuple) else shown), key
        elif written == "required":
            required = {"cameras", "triggers", "snapshot", "topic", "start", "url", "path", "port"}
            assert key in required
        else:
            assert written == "–", key
            assert default in (None, (), {}, "x") or key in {
                "mqtt",
                "inference",
                "learning",
                "health",
                "page",
                "burst",
                "settings",
                "keep",
            }


PRESETS_PAGE = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_documented_with_its_parameters(name):
    preset = PRESETS[name]
    own = {k: one for k, one in preset.parameters.items() if one is not OVER_HTTP.get(k)}
    required = [f"**`{key}`**" for key, one in own.items() if one.required]
    others = [
        f"`{key}`" + (f" ({one.default})" if one.default is not None else "")
        for key, one in own.items()
        if not one.required
    ]
    row = f"| {preset.title} | `{name}` | {', '.join(required + others)} |"
    assert row in PRESETS_PAGE


def test_every_parameter_of_a_preset_is_explained():
    explained = set()
    for row in re.findall(r"^\| (`[^|]*`) \|", PRESETS_PAGE, re.M):
        explained |= set(re.findall(r"`(\w+)`", row))
    used = {key for preset in PRESETS.values() for key in preset.parameters}
    assert used <= explained
    assert set(PRESETS) <= explained


def test_a_camera_with_a_wrong_id_has_its_other_mistakes_named(mistakes):
    text = f"cameras:\n  Front Door:{CAMERA}    burst: {{size: 99}}\n"
    assert mistakes(text) == [
        "cameras.Front Door (line 2): use 1 to 64 of the characters a-z, 0-9 and _",
        "cameras.Front Door.burst.size (line 5): 99: give a whole number from 2 to 10 (frames)",
    ]


STREAM = """cameras:
  drive:
    triggers: [{topic: cam/motion, start: ON}]
    snapshot: {url: rtsp://192.168.1.20/s2, username: a, password: 0123, timeout_s: 7}
"""


def test_a_stream_is_a_source_of_its_own(tmp_path):
    path = tmp_path / "veroallarme.yaml"
    path.write_text(STREAM, encoding="utf-8")
    assert load_config(path).cameras[0].source == RtspSource(
        url="rtsp://192.168.1.20/s2", username="a", password="0123", timeout_s=7.0
    )


def test_a_stream_without_its_extra_is_named_before_the_worker_starts(mistakes, monkeypatch):
    monkeypatch.setattr(rtsp_source.importlib.util, "find_spec", lambda name: None)
    assert mistakes(STREAM) == [
        f"cameras.drive.snapshot.url (line 4): url rtsp://192.168.1.20/s2 {MISSING_EXTRA}"
    ]


ONVIF = """cameras:
  drive:
    preset: onvif
    host: cam.local
    username: 007
    password: 0123
    port: 8000
"""


def test_a_camera_without_mqtt(tmp_path):
    path = tmp_path / "veroallarme.yaml"
    path.write_text(f"mqtt: {{port: 1884}}\n{ONVIF}", encoding="utf-8")
    config = load_config(path)
    (camera,) = config.cameras
    assert config.broker.port == 1884
    assert camera.triggers == ()
    assert camera.onvif == OnvifAddress(
        host="cam.local", port=8000, username="007", password="0123"
    )
    assert camera.source == OnvifSource(camera=camera.onvif)


def test_triggers_replace_motion_over_onvif_and_snapshot_its_pictures(load):
    with_triggers = load(f"{ONVIF}    triggers: [{{topic: a, start: 1}}]\n").cameras[0]
    assert with_triggers.onvif is None
    assert isinstance(with_triggers.source, OnvifSource)
    with_pictures = load(f"{ONVIF}    snapshot: {{url: 'rtsp://cam.local/2'}}\n").cameras[0]
    assert with_pictures.onvif is not None
    assert with_pictures.triggers == ()
    assert with_pictures.source == RtspSource(url="rtsp://cam.local/2")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("host: cam.local", "host: http://cam"), "cameras.drive.host (line 4): host is not the"),
        (("port: 8000", "port: 80000"), "cameras.drive.port (line 7): port is 80000: give"),
        (("    password: 0123\n", ""), "missing: give the password on the camera"),
        (("port: 8000", "url: http://cam"), "cameras.drive.url (line 7): unknown key"),
    ],
)
def test_mistakes_of_a_camera_without_mqtt_are_named(mistakes, wrong, says):
    assert says in "\n".join(mistakes(ONVIF.replace(*wrong)))


def test_onvif_without_its_extra_is_named_before_the_worker_starts(mistakes, monkeypatch):
    monkeypatch.setattr(schema, "can_speak_onvif", lambda: False)
    (mistake,) = mistakes(ONVIF)
    assert mistake.startswith("cameras.drive.preset (line 3): the preset onvif: ONVIF needs what")
    assert "pip install 'veroallarme[onvif]'" in mistake
