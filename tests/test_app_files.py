"""The files of the app, by the rules of those who read them: supervisor, builder and users."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

import aiomqtt
import pytest
import yaml
from PIL import Image

from benchmarks.peers import free_port, until
from veroallarme_core import __version__
from veroallarme_core.adaptation.seen_history import SEEN_FILE
from veroallarme_core.adaptation.seen_intruders import INTRUDERS_FILE
from veroallarme_core.contract import Topics, is_valid_id
from veroallarme_core.worker.config.app import LOG_LEVELS, AppPlaces, prepare
from veroallarme_core.worker.config.worker_config import (
    BrokerConfig,
    HealthConfig,
    LearningConfig,
    WorkerConfig,
)
from veroallarme_core.worker.web.health import Condition, answering

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "app"
CONFIG: dict[str, Any] = yaml.safe_load((APP / "config.yaml").read_text(encoding="utf-8"))
LANGUAGES = ("de", "en", "es", "fr", "it")
CAMERA = {"id": "drive", "entity": "camera.drive", "motion_topic": "pir/drive"}

# --- config.yaml ------------------------------------------------------------------------------

Check = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def one_of(*words: str) -> Check:
    return lambda value: value in words


def matches(pattern: str) -> Check:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def each(check: Check) -> Check:
    return lambda value: isinstance(value, list) and bool(value) and all(map(check, value))


def is_volume(value: Any) -> bool:
    """Of the supervisor's folders the app may have its own two and nothing of others."""
    return (
        isinstance(value, dict)
        and set(value) <= {"type", "read_only", "path"}
        and value.get("type") in {"data", "app_config"}
        and is_truth(value.get("read_only", True))
    )


REQUIRED = {"name", "version", "slug", "description", "arch"}
KEYS: dict[str, Check] = {
    "name": is_text,
    "version": matches(r"\d+\.\d+\.\d+"),
    "slug": matches(r"[-_.A-Za-z0-9]+"),
    "description": is_text,
    # The supervisor knows more, but reports them as deprecated.
    "arch": each(one_of("aarch64", "amd64")),
    "url": matches(r"https://[^\s]+"),
    "stage": one_of("stable", "experimental", "deprecated"),
    "startup": one_of("initialize", "system", "services", "application", "once"),
    "boot": one_of("auto", "manual", "manual_only"),
    "init": is_truth,
    "timeout": lambda value: type(value) is int and 10 <= value <= 300,
    "services": each(matches(r"(mqtt|mysql):(provide|want|need)")),
    "homeassistant_api": is_truth,
    "ingress": is_truth,
    "ingress_port": lambda value: type(value) is int and 0 < value < 65536,
    "panel_icon": matches(r"mdi:[a-z-]+"),
    "panel_title": is_text,
    "map": each(is_volume),
    "watchdog": matches(r"(https?|tcp)://\[HOST\]:(\[PORT:\d+\]|\d+).*"),
    "backup": one_of("hot", "cold"),
    "backup_exclude": each(is_text),
    "options": lambda value: isinstance(value, dict),
    "schema": lambda value: isinstance(value, dict),
}
"""Keys that the supervisor knows and that the app has a reason for; it would drop any other."""

NUMBER = r"-?\d*\.?\d+"
ELEMENT = re.compile(
    r"(bool|email|url|port|str|password"
    r"|int(\((-?\d+)?,(-?\d+)?\))?"
    rf"|float(\(({NUMBER})?,({NUMBER})?\))?"
    r"|match\((?P<pattern>.*)\)|list\((?P<words>.+)\))\??"
)


def faults_of_schema(schema: Any, where: str, depth: int = 0) -> list[str]:
    """Return what is wrong with a part of the options' schema."""
    if isinstance(schema, str):
        found = ELEMENT.fullmatch(schema)
        return [] if found else [f"{where}: {schema!r} is no element"]
    if isinstance(schema, list):
        if len(schema) != 1 or isinstance(schema[0], list):
            return [f"{where}: a list holds one element, and no list"]
        return faults_of_schema(schema[0], f"{where}[]", depth)
    if not isinstance(schema, dict) or depth == 2:
        return [f"{where}: is no mapping, or nested deeper than the supervisor goes"]
    parts = (faults_of_schema(one, f"{where}.{key}", depth + 1) for key, one in schema.items())
    return [fault for part in parts for fault in part]


def is_optional(schema: Any) -> bool:
    """Whether the supervisor lets an option be missing: mappings never are."""
    schema = schema[0] if isinstance(schema, list) else schema
    return isinstance(schema, str) and schema.endswith("?")


def checked(value: Any, schema: Any, where: str = "options") -> Any:
    """Return options as the supervisor writes them; raises ValueError as it would refuse them."""
    if isinstance(schema, list):
        assert isinstance(value, list)
        return [checked(item, schema[0], where) for item in value]
    if isinstance(schema, dict):
        missing = [key for key in schema if key not in value and not is_optional(schema[key])]
        if missing:
            raise ValueError(f"{where}: missing: {missing}")
        known = {key: item for key, item in value.items() if key in schema}
        return {key: checked(item, schema[key], f"{where}.{key}") for key, item in known.items()}
    found = ELEMENT.fullmatch(schema)
    assert found is not None
    kinds = {"bool": bool, "int": int, "port": int, "float": (int, float)}
    kind = next((kinds[word] for word in kinds if schema.startswith(word)), str)
    pattern, words = found["pattern"], found["words"]
    if (
        not isinstance(value, kind)
        or (pattern is not None and re.match(pattern, value) is None)
        or (words is not None and value not in words.split("|"))
    ):
        raise ValueError(f"{where}: {value!r} is not {schema}")
    return value


def faults(config: dict[str, Any]) -> list[str]:
    """Return what the supervisor would refuse, drop or complain about."""
    found = [f"{key}: missing" for key in REQUIRED - set(config)]
    found += [f"{key}: unknown" for key in set(config) - set(KEYS)]
    found += [f"{key}: {config[key]!r}" for key in set(config) & set(KEYS)
              if not KEYS[key](config[key])]  # fmt: skip
    if found:
        return found
    schema, options = config["schema"], config["options"]
    found += faults_of_schema(schema, "schema")
    found += [f"options.{key}: not in the schema" for key in set(options) - set(schema)]
    found += [
        f"options.{key}: missing, although the supervisor demands it"
        for key, one in schema.items()
        if key not in options and not is_optional(one)
    ]
    if not found:
        try:
            checked(options, schema)
        except ValueError as error:
            found.append(str(error))
    return found


def test_the_supervisor_takes_the_configuration() -> None:
    assert faults(CONFIG) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("name", None),
        ("version", "1"),
        ("arch", ["amd64", "i386"]),
        ("startup", "after"),
        ("services", ["mqtt"]),
        ("services", ["redis:need"]),
        ("map", [{"type": "homeassistant_config"}]),
        ("map", [{"type": "app_config", "readonly": True}]),
        ("map", ["app_config:rw"]),
        ("watchdog", "http://localhost:8098/health"),
        ("backup", "warm"),
        ("timeout", 5),
        ("init", "true"),
        ("ingress", "yes"),
        ("ingress_port", "8097"),
        ("panel_icon", "shield"),
        ("webui", "http://[HOST]:[PORT:8097]/"),
        ("full_access", True),
        ("options.mqtt", None),
        ("options.mqtt", {"port": "1883"}),
        ("options.more", 1),
        ("schema.site", "text?"),
        ("schema.site", "str"),
        ("schema.learning.hour", "int(0;23)"),
        ("schema.mqtt.tls", {"ca_file": {"more": "str"}}),
        ("schema.cameras", [["str"]]),
        ("options.cameras", [{"id": "Front Door", "entity": "camera.x", "motion_topic": "m"}]),
        ("options.log_level", "loud"),
    ],
)
def test_the_check_of_the_configuration_can_fail(place: str, value: Any) -> None:
    config = copy.deepcopy(CONFIG)
    *path, last = place.split(".")
    part = config
    for step in path:
        part = part[step]
    if value is None:
        del part[last]
    else:
        part[last] = value
    assert faults(config) != []


def test_name_version_and_health_agree_with_the_package() -> None:
    assert CONFIG["version"] == __version__
    assert CONFIG["slug"] == "veroallarme"
    assert CONFIG["ingress_port"] == AppPlaces().ingress.port
    assert CONFIG["watchdog"] == f"http://[HOST]:[PORT:{AppPlaces().health.port}]/health"


def test_what_the_schema_says_is_what_the_worker_takes() -> None:
    schema = CONFIG["schema"]
    assert schema["log_level"] == f"list({'|'.join(LOG_LEVELS)})?"
    for pattern in (schema["site"], schema["cameras"][0]["id"]):
        found = ELEMENT.fullmatch(pattern)
        assert found is not None
        for word in ("a", "0_z", "a" * 64, "", "A", "a b", "é", "a" * 65, "a\n"):
            assert bool(re.fullmatch(found["pattern"], word)) == is_valid_id(word), word


FILLED_IN = [
    {},
    {"cameras": [CAMERA, {**CAMERA, "id": "yard", "name": "Yard", "start": "a", "end": "b"}]},
    {"mqtt": {"host": "b", "port": 8883, "username": "u", "password": "p", "tls": True}},
    {"learning": {"hour": 23, "recall": 0.999}, "discovery": True, "site": "barn", "prefix": "a/b"},
    {"log_level": "debug", "unknown": 1},
]


@pytest.mark.parametrize("filled_in", FILLED_IN)
async def test_what_the_supervisor_lets_pass_is_a_configuration(
    tmp_path: Path, filled_in: dict[str, Any]
) -> None:
    options = checked({**CONFIG["options"], **filled_in}, CONFIG["schema"])
    options["mqtt"] = {"host": "b", **options["mqtt"]}
    path = tmp_path / "options.json"
    path.write_text(json.dumps(options), encoding="utf-8")
    places = AppPlaces(options=path, config=tmp_path / "none.yaml", data_dir=tmp_path, token="t")
    assert await prepare(places)


def test_backups_leave_out_the_pictures_of_events_and_what_was_seen_of_them() -> None:
    data = PurePath("/data/addons/data/a0d7b954_veroallarme")

    def is_left_out(path: str) -> bool:
        return any((data / path).match(pattern) for pattern in CONFIG["backup_exclude"])

    event = "events/front_door_2/20261128_031500_a1b2c3"
    for path in (
        event,
        f"{event}/0.jpg",
        "events/a/.20261128_031500_a1b2c3.partial",
        f"state/cameras/front_door_2/{SEEN_FILE}",
        f"state/cameras/front_door_2/{INTRUDERS_FILE}",
    ):
        assert is_left_out(path), path
    for path in (
        "options.json",
        "events",
        "events/events.sqlite",
        "events/events.sqlite-wal",
        "events/front_door_2",
        "state/client_id",
        "state/bridged.json",
        "state/cameras/front_door_2",
        "state/cameras/events/reference.jpg",
        "state/cameras/front_door_2/memory.npz",
        "state/cameras/front_door_2/reference.jpg",
    ):
        assert not is_left_out(path), path


# --- what users read --------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_option_is_explained_in_every_language(language: str) -> None:
    path = APP / "translations" / f"{language}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(content) == {"configuration"}

    def compare(texts: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
        assert list(texts) == list(schema)
        for key, text in texts.items():
            inner = schema[key][0] if isinstance(schema[key], list) else schema[key]
            is_nested = isinstance(inner, dict)
            assert set(text) == {"name", "description"} | ({"fields"} if is_nested else set()), key
            assert is_text(text["name"])
            assert text["description"].endswith(".")
            yield text["description"]
            if is_nested:
                yield from compare(text["fields"], inner)

    told = " ".join(compare(content["configuration"], CONFIG["schema"]))
    learning, topics = LearningConfig(), Topics()
    for default in (
        *(learning.hour, learning.recall, BrokerConfig().port, topics.site, topics.prefix),
        "info",
    ):
        assert re.search(rf" {re.escape(str(default))}[ .,]", told), default
    if language != "en":
        english = yaml.safe_load((APP / "translations" / "en.yaml").read_text(encoding="utf-8"))
        assert content["configuration"]["cameras"] != english["configuration"]["cameras"]


def test_there_are_no_other_languages() -> None:
    assert {path.name for path in (APP / "translations").iterdir()} == {
        f"{language}.yaml" for language in LANGUAGES
    }


def test_the_documentation_names_every_option() -> None:
    text = (APP / "DOCS.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    assert rows == set(CONFIG["schema"]) | set(CONFIG["schema"]["cameras"][0])
    for nested in ("mqtt", "learning"):
        [row] = re.findall(rf"^\| `{nested}` \|.*", text, re.M)
        assert all(f"`{key}`" in row for key in CONFIG["schema"][nested])
    assert f"## {__version__}\n" in (APP / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_example_of_the_documentation_is_correct() -> None:
    [example] = re.findall(
        r"^```yaml\n(.*?)^```", (APP / "DOCS.md").read_text(encoding="utf-8"), re.M | re.S
    )
    assert checked({**CONFIG["options"], **yaml.safe_load(example)}, CONFIG["schema"])


def test_pictures_have_the_size_that_the_store_shows() -> None:
    with Image.open(APP / "icon.png") as icon:
        assert (icon.format, icon.size) == ("PNG", (128, 128))
        assert icon.getextrema()[3] == (0, 255), "transparent around the shield"
    with Image.open(APP / "logo.png") as logo:
        assert (logo.format, logo.size) == ("PNG", (250, 100))


def test_the_repository_is_one_of_apps() -> None:
    content = yaml.safe_load((ROOT / "repository.yaml").read_text(encoding="utf-8"))
    assert set(content) == {"name", "url", "maintainer"}
    assert content["url"] == CONFIG["url"]


def test_no_other_file_is_taken_for_an_app() -> None:
    """The supervisor looks in every folder, but those whose name begins with a dot."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "rootfs"]
        names = {"config.yaml", "config.yml", "config.json", "build.yaml", "build.yml"}
        found += [Path(folder, name) for name in names & set(files)]
    assert found == [APP / "config.yaml"]


# --- the image --------------------------------------------------------------------------------

DOCKERFILE = (APP / "Dockerfile").read_text(encoding="utf-8")


def test_the_linter_has_nothing_to_say() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", "--no-color", APP / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_pinned_and_names_no_address() -> None:
    assert re.findall(r"^FROM (.*)$", DOCKERFILE, re.M) == ["debian:13.6-slim"]
    assert f'ARG BUILD_VERSION="{__version__}"' in DOCKERFILE
    assert "--require-hashes" in DOCKERFILE
    assert 'CMD ["veroallarme", "app"]' in DOCKERFILE
    for name in ("Dockerfile", "config.yaml", "apparmor.txt"):
        text = (APP / name).read_text(encoding="utf-8")
        assert "://" not in text.replace(CONFIG["url"], "").replace("http://[HOST]", ""), name


def health_check(port: int) -> list[str]:
    """Return the command of the image's health check for another port."""
    found = re.search(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", DOCKERFILE, re.M)
    assert found is not None
    own_port = f"/{AppPlaces().health.port} "
    command: list[str] = json.loads(found[1])
    assert own_port in command[-1]
    return [*command[:-1], command[-1].replace(own_port, f"/{port} ")]


async def ends_with(command: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
    return await process.wait()


async def test_the_health_check_tells_what_the_worker_says() -> None:
    port = free_port()
    signs = [Condition(is_set_up=False, is_connected=False, judging_s=0.0)]
    assert await ends_with(health_check(port)) != 0, "nobody answers"
    async with answering(HealthConfig(port=port), lambda: signs[0]):
        assert await ends_with(health_check(port)) == 0, "it waits for its broker"
        signs[0] = Condition(is_set_up=True, is_connected=True, judging_s=1e6)
        assert await ends_with(health_check(port)) != 0, "it is stuck"


def test_the_profile_gives_no_capability() -> None:
    text = (APP / "apparmor.txt").read_text(encoding="utf-8")
    rules = [line.strip() for line in text.splitlines() if not line.strip().startswith("#")]
    # The supervisor renames the one profile that a line begins with.
    assert len([line for line in text.splitlines() if line.startswith("profile ")]) == 1
    assert f"profile {CONFIG['slug']} flags=(attach_disconnected,mediate_deleted) {{" in rules
    assert not [rule for rule in rules if re.match(r"capability|file,|mount|ptrace|deny", rule)]
    writable = {rule.split()[0] for rule in rules if re.search(r" [rwkmlix]*w[rwkmlix]*,$", rule)}
    assert writable == {
        "/data/", "/data/**", "/tmp/**", "/dev/shm/**", "@{PROC}/[0-9]*/{,task/[0-9]*/}comm",
    }  # fmt: skip


# --- docker-compose.yml -----------------------------------------------------------------------

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICE_KEYS = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "init",
    "ports", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "user",
    "volumes",
}  # fmt: skip
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period", "start_interval"}
PASSWORD = "s3cret word"
BROKER_FOLDER = ROOT / "examples" / "docker" / "mosquitto"


def test_the_services_are_what_compose_takes() -> None:
    assert set(COMPOSE) == {"name", "services", "volumes"}
    services = COMPOSE["services"]
    assert set(services) == {"mosquitto", "veroallarme", "homeassistant"}
    used = set()
    for name, service in services.items():
        assert set(service) <= SERVICE_KEYS, name
        assert service["restart"] == "unless-stopped"
        assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?", service["image"]), "pinned, and no host"
        for volume in service["volumes"]:
            source, target, *mode = volume.split(":")
            assert target.startswith("/")
            if source.startswith("./"):
                assert (ROOT / source).is_dir()
                assert mode == ["ro"]
            else:
                assert mode == []
                used.add(source)
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in services[other]
        assert set(service.get("healthcheck", {})) <= HEALTH_KEYS
        assert "healthcheck" in service or service.get("build") == "./app"
    assert used == set(COMPOSE["volumes"])
    assert services["veroallarme"]["image"] == f"veroallarme:{__version__}"


def test_nothing_is_open_to_the_network() -> None:
    for name, service in COMPOSE["services"].items():
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port), name
    worker = COMPOSE["services"]["veroallarme"]
    assert worker["cap_drop"] == ["ALL"]
    assert worker["read_only"] is True
    assert "ports" not in worker
    passwords = re.findall(r"\$\{(\w*PASSWORD)([^}]*)\}", str(COMPOSE))
    assert passwords
    assert all(rest.startswith(":?") for _, rest in passwords), "no password by default"
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/.env", "/app/*.whl"} <= set(ignored)


async def test_the_worker_of_the_compose_file_needs_no_supervisor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "0123")
    folder = ROOT / "examples" / "docker" / "veroallarme"
    config = await prepare(
        AppPlaces(options=Path("/nowhere"), config=folder / "veroallarme.yaml", token=None)
    )
    assert isinstance(config, WorkerConfig)
    assert config.broker == BrokerConfig(host="mosquitto", username="veroallarme", password="0123")
    assert config.data_dir == Path("/data/events")


def lay_out_broker(folder: Path, port: int) -> None:
    """Write the files of the broker for another folder and port."""
    folder.chmod(0o755)  # for the broker's own user
    for inner in ("data", "config"):
        (folder / inner).mkdir()
    shutil.chown(folder / "data", "mosquitto")
    for path in BROKER_FOLDER.iterdir():
        text = path.read_text(encoding="utf-8").replace("/mosquitto/", f"{folder}/")
        text = text.replace("listener 1883", f"listener {port} 127.0.0.1")
        (folder / "config" / path.name).write_text(text, encoding="utf-8")


@pytest.fixture
async def locked_broker() -> AsyncIterator[int]:
    """The broker of the compose file, on loopback, as its start script starts it."""
    if os.geteuid() != 0:
        pytest.skip("only root can give the password file to the broker's user")
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out_broker(folder, port)
        process = await asyncio.create_subprocess_exec(
            *("sh", folder / "config" / "start.sh"),
            env={
                **os.environ,
                "PATH": f"{os.environ['PATH']}:/usr/sbin",
                "MQTT_PASSWORD": PASSWORD,
            },
            stderr=subprocess.DEVNULL,
        )

        def is_open() -> bool:
            assert process.returncode is None, "the broker has ended"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return True
            return False

        try:
            await until(is_open)
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def test_the_broker_lets_nobody_in_without_the_password(locked_broker: int) -> None:
    for user in ("veroallarme", "homeassistant"):
        async with aiomqtt.Client(
            "127.0.0.1", locked_broker, username=user, password=PASSWORD
        ) as client:
            await client.publish("any/topic", "x", qos=1)
        with pytest.raises(aiomqtt.MqttError, match=r"authori[sz]ed"):
            async with aiomqtt.Client("127.0.0.1", locked_broker, username=user, password="x"):
                pass
    with pytest.raises(aiomqtt.MqttError, match=r"authori[sz]ed"):
        async with aiomqtt.Client("127.0.0.1", locked_broker):
            pass
