"""Options, file and supervisor become one configuration, and every mistake one sentence."""

import asyncio
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.peers import Listener, Mosquitto, free_port, until
from tests.worker.conftest import Site, drawn_jpegs
from tests.worker.fake_supervisor import Supervisor, not_enabled
from tests.worker.talk import STATUS, C, sender
from veroallarme_core.cli import EXIT_USAGE, main
from veroallarme_core.worker.config import (
    BrokerConfig,
    ConfigError,
    HealthConfig,
    IngressConfig,
    LearningConfig,
    TlsConfig,
    WorkerConfig,
)
from veroallarme_core.worker.config import app as app_module
from veroallarme_core.worker.config.app import AppError, AppPlaces, prepare
from veroallarme_core.worker.motion_sources.motion_messages import Trigger
from veroallarme_core.worker.running import run_app
from veroallarme_core.worker.snapshots.http_source import HttpSource

TOKEN = "5f1c-token-of-the-supervisor"
PASSWORD = "hunter2-of-the-service"
SERVICE = {
    "addon": "core_mosquitto",
    "host": "core-mosquitto",
    "port": 1883,
    "ssl": False,
    "protocol": "3.1.1",
    "username": "addons",
    "password": PASSWORD,
}
DRIVE = {"id": "drive", "entity": "camera.drive", "motion_topic": "pir/drive"}
FROM_SERVICE = BrokerConfig(host="core-mosquitto", username="addons", password=PASSWORD)


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    pictures = {"camera.drive": drawn_jpegs("person_in_the_drive")}
    async with Supervisor(TOKEN, dict(SERVICE), pictures).serve() as supervisor:
        yield supervisor


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "PAUSE_S", 0.01)


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


@pytest.fixture
def places(tmp_path: Path) -> AppPlaces:
    """The app's folders without a supervisor."""
    (tmp_path / "config").mkdir()
    return AppPlaces(
        options=tmp_path / "options.json",
        config=tmp_path / "config" / "veroallarme.yaml",
        data_dir=tmp_path / "data",
        supervisor="http://127.0.0.1:9",
    )


@pytest.fixture
def make(places: AppPlaces, supervisor: Supervisor, caplog: pytest.LogCaptureFixture) -> Any:
    """Prepare from options and a file; no secret may get into the log or into a mistake."""
    caplog.set_level(logging.DEBUG)

    async def make(
        options: Any = None, file: str | None = None, token: str | None = TOKEN
    ) -> WorkerConfig:
        if options is not None:
            places.options.write_text(json.dumps(options))
        if file is not None:
            places.config.write_text(file)
        around = replace(places, supervisor=supervisor.url, token=token)
        shown = [repr(around)]
        try:
            config = await prepare(around)
            shown.append(repr(config))
            return config
        except (ConfigError, AppError) as error:
            shown.append(str(error))
            raise
        finally:
            assert TOKEN not in caplog.text + "".join(shown)
            assert PASSWORD not in caplog.text + "".join(shown)

    return make


@pytest.fixture
def mistakes(make: Any) -> Any:
    async def mistakes(*arguments: Any, **more: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            await make(*arguments, **more)
        assert all("\n" not in mistake for mistake in caught.value.mistakes)
        return caught.value.mistakes

    return mistakes


# --- what is used -----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [None, {}, {"mqtt": {}, "cameras": []}])
async def test_nothing_needs_to_be_set(
    make: Any, places: AppPlaces, supervisor: Supervisor, options: Any
) -> None:
    assert await make(options) == WorkerConfig(
        cameras=(),
        broker=FROM_SERVICE,
        data_dir=places.data_dir / "events",
        state_dir=places.data_dir / "state",
        health=HealthConfig(host="0.0.0.0", port=8098),
        ingress=IngressConfig(
            host="0.0.0.0",
            port=8097,
            supervisor="172.30.32.2",
            link="homeassistant://app/a0d7b954_veroallarme",
        ),
    )
    assert supervisor.asked == 1


async def test_a_camera_of_home_assistant(make: Any, supervisor: Supervisor) -> None:
    [camera] = (await make({"cameras": [{**DRIVE, "name": "Drive"}]})).cameras
    assert (camera.id, camera.name) == ("drive", "Drive")
    assert camera.triggers == (
        Trigger(
            topic="pir/drive",
            start=("ON", "true", "1"),
            end=("OFF", "false", "0"),
            ignore=("unknown", "unavailable"),
        ),
    )
    assert camera.source == HttpSource(
        url=f"{supervisor.url}/core/api/camera_proxy/camera.drive", auth="bearer", token=TOKEN
    )


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ({"start": "open", "end": "closed"}, ("open",), ("closed",)),
        ({"start": "motion"}, ("motion",), ()),
        ({"start": "OFF"}, ("OFF",), ()),
        ({"end": "idle"}, ("ON", "true", "1"), ("idle",)),
    ],
)
async def test_words_of_its_own(make: Any, words: Any, start: Any, end: Any) -> None:
    [camera] = (await make({"cameras": [{**DRIVE, **words}]})).cameras
    assert camera.triggers == (Trigger(topic="pir/drive", start=start, end=end),)


async def test_everything_that_the_options_can_say(make: Any, supervisor: Supervisor) -> None:
    config = await make(
        {
            "mqtt": {"host": "b.lan", "port": 8883, "username": "v", "password": "p", "tls": True},
            "site": "barn",
            "prefix": "cams/vero",
            "log_level": "warning",
            "learning": {"hour": 4, "recall": 0.95},
            "cameras": [DRIVE, {**DRIVE, "id": "yard"}],
        }
    )
    assert config.broker == BrokerConfig(
        host="b.lan", port=8883, username="v", password="p", tls=TlsConfig()
    )
    assert (config.topics.site, config.topics.prefix) == ("barn", "cams/vero")
    assert config.learning == LearningConfig(hour=4, recall=0.95)
    assert [camera.id for camera in config.cameras] == ["drive", "yard"]
    assert logging.getLogger().level == logging.WARNING
    assert supervisor.asked == 0, "a broker was named"


async def test_what_a_form_leaves_empty_was_not_said(make: Any, supervisor: Supervisor) -> None:
    empty = {"host": "", "username": "", "password": None}
    camera = {**DRIVE, "name": "", "start": "", "end": ""}
    config = await make({"mqtt": empty, "site": "", "log_level": "", "cameras": [camera]})
    assert config.broker == FROM_SERVICE
    assert config.topics.site == "home"
    assert config.cameras[0].name == "drive"
    assert config.cameras[0].triggers[0].start == ("ON", "true", "1")


async def test_the_file_counts_more(make: Any, places: AppPlaces, supervisor: Supervisor) -> None:
    (places.config.parent / "secrets.yaml").write_text("broker: s3cret\n")
    config = await make(
        {
            "mqtt": {"host": "options.lan", "username": "o", "password": "o"},
            "site": "barn",
            "prefix": "cams",
            "learning": {"hour": 4, "recall": 0.95},
            "cameras": [DRIVE],
        },
        "site: house\nworker_id: second\nmqtt: {host: file.lan, username: f, password: !secret "
        "broker}\nlearning: {hour: 5}\nstate_dir: /var/lib/vero\ncameras:\n  yard:\n"
        "    triggers: [{topic: yard, start: ON}]\n    snapshot: {path: yard.jpg}\n",
    )
    assert config.broker == BrokerConfig(host="file.lan", username="f", password="s3cret")
    assert (config.topics.site, config.topics.prefix) == ("house", "cams")
    assert config.worker_id == "second"
    assert config.learning == LearningConfig(hour=5, recall=0.95)
    assert {camera.id for camera in config.cameras} == {"drive", "yard"}
    assert config.data_dir == places.data_dir / "events"
    assert config.state_dir == Path("/var/lib/vero")
    assert supervisor.asked == 0


@pytest.mark.parametrize("file", ["# nothing yet\n", "mqtt:\nlearning:\ncameras:\n", "site: home"])
async def test_a_file_that_says_little(make: Any, file: str) -> None:
    config = await make({"cameras": [DRIVE]}, file)
    assert config.broker == FROM_SERVICE
    assert [camera.id for camera in config.cameras] == ["drive"]


@pytest.mark.parametrize(
    ("options", "file", "broker"),
    [
        ({"username": "me", "password": "x"}, None, {"username": "me", "password": "x"}),
        # A user name goes with its password, never with that of somebody else.
        ({"username": "me"}, None, {"username": "me", "password": None}),
        ({}, "mqtt: {username: f}", {"username": "f", "password": None}),
        ({"username": "me", "password": "x"}, "mqtt: {username: f}",
         {"username": "f", "password": None}),
        ({}, "mqtt: {keepalive_s: 60, port: 1884}", {"keepalive_s": 60, "port": 1884}),
        ({"tls": True}, "mqtt: {keepalive_s: 60}", {"keepalive_s": 60, "tls": TlsConfig()}),
    ],
)  # fmt: skip
async def test_the_service_completes_what_names_no_host(
    make: Any, options: Any, file: str | None, broker: Any
) -> None:
    expected = {
        "host": "core-mosquitto",
        "username": "addons",
        "password": PASSWORD,
        **broker,
    }
    assert (await make({"mqtt": options}, file)).broker == BrokerConfig(**expected)


@pytest.mark.parametrize(
    ("options", "file", "broker"),
    [
        ({"host": "o.lan"}, None, BrokerConfig(host="o.lan")),
        ({"host": "o.lan", "username": "o", "password": "o"}, "mqtt: {host: f.lan}",
         BrokerConfig(host="f.lan")),
        ({"host": "o.lan", "port": 1884}, "mqtt: {protocol: 5}",
         BrokerConfig(host="o.lan", port=1884, protocol="5")),
    ],
)  # fmt: skip
async def test_another_broker_gets_no_login_of_the_first(
    make: Any, supervisor: Supervisor, options: Any, file: str | None, broker: BrokerConfig
) -> None:
    assert (await make({"mqtt": options}, file)).broker == broker
    assert supervisor.asked == 0


async def test_a_service_with_encryption_and_without_a_login(
    make: Any, supervisor: Supervisor
) -> None:
    supervisor.service = {"host": "broker", "port": 8883, "ssl": True, "username": "", "addon": "x"}
    assert (await make()).broker == BrokerConfig(host="broker", port=8883, tls=TlsConfig())


async def test_the_supervisor_is_asked_again(make: Any, supervisor: Supervisor) -> None:
    supervisor.answers = [
        not_enabled,
        lambda: web.Response(status=502, text="Bad Gateway"),
        lambda: web.json_response([], status=200),
        lambda: web.json_response({"result": "ok", "data": {}}),
    ]
    assert (await make()).broker == FROM_SERVICE
    assert supervisor.asked == app_module.ATTEMPTS


async def test_without_a_supervisor_the_file_says_it_all(make: Any, supervisor: Supervisor) -> None:
    config = await make(None, "mqtt: {host: mosquitto}", token=None)
    assert config.broker == BrokerConfig(host="mosquitto")
    assert config.health == HealthConfig(host="0.0.0.0", port=8098)
    assert config.ingress is None, "nobody would ask who a user is"
    assert supervisor.asked == 0


@pytest.mark.parametrize("slug", [None, 7, "", "../x", "a" * 200])
async def test_the_page_is_there_where_the_supervisor_does_not_name_the_app(
    make: Any, supervisor: Supervisor, slug: Any
) -> None:
    supervisor.slug = slug
    config = await make()
    assert config.ingress == IngressConfig(port=8097)
    assert config.page_link is None


async def test_an_address_of_the_file_counts_more_than_the_app(make: Any) -> None:
    config = await make(None, "page: {address: 'https://alarm.example.org'}")
    assert config.page_link == "https://alarm.example.org"


# --- what is wrong ----------------------------------------------------------------------------

WRONG = [
    ({"mqtt": {"port": 0}}, None, "options: mqtt.port: 0: give a whole number from 1 to 65535"),
    ({"mqtt": "broker"}, None, "options: mqtt: 'broker': give keys with values: host, port,"),
    ({"mqtt": {"host": "mqtt://b"}}, None, "options: mqtt.host: 'mqtt://b': give the host alone"),
    ({"mqtt": {"password": PASSWORD}}, None, "options: mqtt: password stands without username"),
    ({"site": "Home"}, None, "options: site: 'Home': use 1 to 64 of the characters a-z, 0-9 and"),
    ({"log_level": "loud"}, None, "options: log_level: 'loud': choose one of debug, info, warning"),
    ({"log_level": ["x"]}, None, "options: log_level: not a text: choose one of debug, info"),
    ({"learning": {"recall": 99}}, None, "options: learning.recall: 99: give a number from 0.5"),
    ({"sight": "x"}, None, "options: sight: unknown key: did you mean site?"),
    ({"cameras": {"drive": {}}}, None, "options: cameras: give a list of cameras"),
    ({"cameras": ["drive"]}, None, "options: cameras: give a list of cameras"),
    ({"cameras": [{}]}, None, "options: cameras.0.id: missing: add it"),
    ({"cameras": [DRIVE, DRIVE]}, None, "options: cameras: two have the id 'drive': give each"),
    ({"cameras": [{**DRIVE, "id": "Front Door"}]}, None, "options: cameras.Front Door: use 1 to"),
    ({"cameras": [{**DRIVE, "entity": ""}]}, None, "options: cameras.drive.entity: missing: give"),
    ({"cameras": [{**DRIVE, "motion_topic": "a/#"}]}, None, "motion_topic is 'a/#': it may hold"),
    ({"cameras": [{**DRIVE, "motion_topic": "", "start": "x"}]}, None, "add triggers, or motion_"),
    ({"cameras": [{**DRIVE, "start": "x", "end": "X"}]}, None, "drive.triggers.0: 'x' is in start"),
    ({"cameras": [{**DRIVE, "motion_topic": "veroallarme/home/camera/drive/relevant"}]}, None,
     "options: cameras.drive.triggers: the trigger topic veroallarme/home/camera/drive/relevant"),
    ({}, "mqtt: {prt: 1}\n", "veroallarme.yaml: mqtt.prt (line 1): unknown key: did you mean port"),
    ({}, "mqtt: broker\n", "veroallarme.yaml: mqtt (line 1): 'broker': give keys with values"),
    ({}, "learning: 3\n", "veroallarme.yaml: learning (line 1): 3: give keys with values"),
    ({}, "cameras: [x]\n", "veroallarme.yaml: cameras (line 1): give at least one camera"),
    ({}, "- x\n", "veroallarme.yaml: the file: give keys with values, at least cameras"),
    ({}, "site: [\n", "veroallarme.yaml: line 2: not valid YAML"),
    ({}, "mqtt: {username: !secret it}\n", "secrets.yaml does not exist: make it"),
    ({}, "health: {port: 80}\n", "veroallarme.yaml: health: the app answers on port 8098, for its"),
    ({"cameras": [DRIVE]}, "cameras: {drive: {preset: frigate}}\n",
     "veroallarme.yaml: cameras.drive: stands in the app's options as well: keep one of the two"),
    ({"mqtt": {"username": "u", "password": PASSWORD}}, f"site: {PASSWORD}\n",
     "site (line 1): '(hidden)': use 1 to 64"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "file", "mistake"), WRONG, ids=range(len(WRONG)))
async def test_one_mistake(
    mistakes: Any, supervisor: Supervisor, options: Any, file: str | None, mistake: str
) -> None:
    told = await mistakes(options, file)
    assert len(told) == 1, told
    assert mistake in told[0]
    assert supervisor.asked == 0, "mistakes are told before anybody is asked"


async def test_all_mistakes_at_once(mistakes: Any) -> None:
    assert len(await mistakes({"site": "A", "mqtt": {"port": 0}, "cameras": [{"id": "a"}]})) == 3


async def test_cameras_of_the_options_need_a_supervisor(mistakes: Any) -> None:
    [told] = await mistakes({"cameras": [DRIVE]}, token=None)
    assert "there is none (SUPERVISOR_TOKEN is not set): describe them in /" in told


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"service": None}, "no MQTT broker that apps may use: install and start the app Mosq"),
        ({"service": {"port": 1}}, "no MQTT broker that apps may use"),
        ({"answers": [lambda: web.Response(status=403)] * 9}, "broker (it answers 403): restart"),
        ({"answers": [lambda: web.Response(status=302)] * 9}, "broker (it answers 302): restart"),
        ({"answers": [lambda: web.Response(text="<html>")] * 9}, "(JSONDecodeError): restart"),
    ],
)  # fmt: skip
async def test_no_broker_is_one_sentence(
    make: Any, supervisor: Supervisor, change: Any, sentence: str
) -> None:
    for key, value in change.items():
        setattr(supervisor, key, value)
    with pytest.raises(AppError) as caught:
        await make()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "or fill in mqtt in this app's options" in str(caught.value)
    assert supervisor.asked == app_module.ATTEMPTS


async def test_no_supervisor_is_one_sentence(
    places: AppPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = replace(places, token=TOKEN)
    with pytest.raises(AppError, match=r"for the broker \(ClientConnectorError\)"):
        await prepare(around)
    with pytest.raises(AppError, match=r"name mqtt\.host in /.*/veroallarme\.yaml"):
        await prepare(places)


async def test_a_supervisor_that_hangs_is_one_sentence(
    make: Any, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(app_module, "ATTEMPTS", 2)

    async def hang(self: Supervisor, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return not_enabled()

    monkeypatch.setattr(Supervisor, "_name_the_broker", hang)
    async with Supervisor(TOKEN).serve() as hanging:
        supervisor.url = hanging.url
        with pytest.raises(AppError, match="no answer in time"):
            await make()


async def test_a_service_that_makes_no_sense_is_one_sentence(
    mistakes: Any, supervisor: Supervisor
) -> None:
    supervisor.service = {**SERVICE, "port": "many"}
    [told] = await mistakes()
    assert told.startswith("the supervisor's broker: mqtt.port: 'many': give a whole number")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\xff"])
async def test_options_that_cannot_be_read(places: AppPlaces, text: str) -> None:
    places.options.write_bytes(text.encode("latin-1"))
    with pytest.raises(AppError, match=r"options\.json (is not JSON|holds no options): save the"):
        await prepare(places)
    places.options.unlink()
    places.options.mkdir()
    with pytest.raises(AppError, match=r"options\.json cannot be read \(Is a directory\)"):
        await prepare(places)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["mqtt", "cameras", "learning", "host", "id", "entity", "start", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


def sentences(places: AppPlaces) -> list[str]:
    """Prepare; return the mistakes."""
    try:
        asyncio.run(prepare(places))
    except ConfigError as error:
        return error.mistakes or [""]
    except AppError as error:
        return [str(error)]
    return []


@given(options=st.dictionaries(st.sampled_from(["mqtt", "cameras", "learning", "site"]), ANY))
@settings(
    # On a busy machine a draw may take seconds.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=200,
)
def test_any_options_give_a_configuration_or_one_line_sentences(
    places: AppPlaces, options: Any
) -> None:
    places.options.write_text(json.dumps({"mqtt": {"host": "b"}, **options}))
    places.config.write_text("mqtt: {host: b}\n")
    told = sentences(replace(places, token=TOKEN))
    assert all(one and "\n" not in one for one in told)


# --- a backup ---------------------------------------------------------------------------------


async def test_a_restored_backup_has_all_but_the_pictures(site: Site, tmp_path: Path) -> None:
    """What `backup_exclude` leaves out is missed by nobody."""
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.motion()
        await heard.until(lambda: heard.on(f"{C}/event"))
        await heard.until(lambda: heard.on(f"{C}/stats")[-1].json()["events"] == 1)
        [event] = [one.json() for one in heard.on(f"{C}/event")]
    pictures = list((tmp_path / "data").glob("*/*/*.jpg"))
    assert pictures, "the event was stored"
    shutil.rmtree(pictures[0].parent)
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])
        assert heard.on(f"{C}/stats")[-1].json()["events"] == 1
        assert heard.on(f"{C}/verdict")[-1].json()["event_id"] == event["event_id"]
        await broker.send(f"{C}/feedback", {"event_id": event["event_id"], "relevant": False})
        await broker.motion()
        await heard.until(lambda: heard.on(f"{C}/stats")[-1].json()["events"] == 2)


# --- the command ------------------------------------------------------------------------------


def arguments(places: AppPlaces) -> list[str]:
    return [
        "app",
        *("--options", str(places.options)),
        *("--config", str(places.config)),
        *("--data-dir", str(places.data_dir)),
    ]


def test_mistakes_end_the_command_with_two(
    places: AppPlaces, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUPERVISOR_TOKEN", raising=False)
    places.options.write_text('{"site": "Home", "mqtt": {"port": 0}}')
    assert main(arguments(places)) == EXIT_USAGE
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[:2] for line in lines] == [
        ["options", " mqtt.port"],
        ["options", " site"],
    ]
    places.options.write_text("{}")
    assert main(arguments(places)) == EXIT_USAGE
    assert capsys.readouterr().err.startswith("veroallarme: no broker is named, and there is no")


async def test_the_command_runs_the_worker_until_it_is_told_to_stop(
    places: AppPlaces, supervisor: Supervisor, mosquitto: Mosquitto
) -> None:
    """The whole way: options, the supervisor's broker and camera, one motion, one verdict."""
    supervisor.service = {"host": "127.0.0.1", "port": mosquitto.port}
    places.options.write_text(json.dumps({"cameras": [DRIVE], "log_level": "debug"}))
    places.config.write_text("inference: {enabled: false}\nmqtt: {protocol: 5}\n", encoding="utf-8")
    program = (
        "import asyncio, logging, sys\n"
        "from pathlib import Path\n"
        "from veroallarme_core.worker.config.app import AppPlaces\n"
        "from veroallarme_core.worker.config import HealthConfig\n"
        "from veroallarme_core.worker.running import run_app\n"
        "logging.basicConfig(stream=sys.stderr)\n"
        "options, config, data_dir, supervisor, token, port = sys.argv[1:]\n"
        "asyncio.run(run_app(AppPlaces(options=Path(options), config=Path(config),\n"
        "    data_dir=Path(data_dir), supervisor=supervisor, token=token,\n"
        "    health=HealthConfig(port=int(port)))))\n"
    )
    paths = map(str, (places.options, places.config, places.data_dir))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *paths, supervisor.url, TOKEN, str(free_port())),
        stderr=subprocess.PIPE,
    )
    async with Listener(mosquitto.port, ["veroallarme/#"]).listen() as heard:
        try:
            await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
            async with sender(mosquitto.port) as broker:
                await broker.send("pir/drive", "true")
                await heard.until(lambda: heard.on("/camera/drive/event"))
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, log.decode()
    [verdict] = [one.json() for one in heard.on("/camera/drive/event")]
    assert verdict["frames"]["distinct"] == 3
    assert verdict["state"] == "relevant"
    assert TOKEN.encode() not in log
    assert b"broker: 127.0.0.1, as the supervisor says" in log


async def test_it_can_be_stopped_while_it_waits_for_the_supervisor(
    places: AppPlaces, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "PAUSE_S", 60.0)
    supervisor.service = None
    around = replace(places, supervisor=supervisor.url, token=TOKEN)
    running = asyncio.create_task(run_app(around))
    await until(lambda: supervisor.asked)
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(5):
        await running
    assert not places.data_dir.exists()
