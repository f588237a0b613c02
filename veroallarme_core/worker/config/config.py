"""The worker's configuration file: one schema, all mistakes at once, each with its remedy."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import voluptuous as vol

from veroallarme_core.contract import (
    SETTINGS_SCHEMA,
    CameraSettings,
    Topics,
    advice,
    number_between,
    require_id,
    shown,
    truth,
    value_at,
)
from veroallarme_core.inference import BACKEND_NAMES
from veroallarme_core.worker.config import presets
from veroallarme_core.worker.config.config_file import ConfigDocument, read_document
from veroallarme_core.worker.motion_sources.motion_messages import (
    Trigger,
    check_topic_filter,
    topic_matches,
)
from veroallarme_core.worker.snapshots.file_snapshots import FileSource
from veroallarme_core.worker.snapshots.http_snapshots import HttpSource
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource
from veroallarme_core.worker.snapshots.sources import Source
from veroallarme_core.worker.storage.event_store import KeepLimits

Validator = Callable[[Any], Any]


class ConfigError(ValueError):
    """The configuration cannot be used; ``mistakes`` holds a sentence for each mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, kw_only=True)
class TlsConfig:
    """How the connection to the broker is encrypted."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    verify: bool = True


@dataclass(frozen=True, kw_only=True)
class BrokerConfig:
    """The MQTT broker."""

    host: str = "localhost"
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsConfig | None = None
    protocol: str = "auto"
    """``5``, ``3.1.1``, or ``auto``: 5 where the broker has it."""
    keepalive_s: int = 30
    birth_topic: str = "homeassistant/status"
    """Where Home Assistant tells that it has started; all state is published again then."""


@dataclass(frozen=True, kw_only=True)
class BurstConfig:
    """How snapshots are taken for one event."""

    size: int = 3
    spacing_s: float = 0.6
    limit_s: float = 15.0
    max_age_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """One camera: what tells that it sees motion, and where its pictures come from."""

    id: str
    name: str
    triggers: tuple[Trigger, ...]
    source: Source
    burst: BurstConfig = field(default_factory=BurstConfig)
    settings: CameraSettings = field(default_factory=CameraSettings)
    keep: KeepLimits = field(default_factory=KeepLimits)
    publish_image: bool = True
    merge_window_s: float = 2.0
    """Starts this soon after the running event's belong to the same event."""
    reference_every_s: float = 300.0
    """How often a picture without motion is taken to compare with; 0 switches it off."""


@dataclass(frozen=True, kw_only=True)
class InferenceConfig:
    """How networks are run: the scene encoder, and a relevance network where one is named."""

    enabled: bool = True
    """Without any network nothing is learned, and nothing that was learned is used."""
    backend: str = "auto"
    """``auto``, ``openvino``, ``onnxruntime`` or ``torch``."""
    model: Path | None = None
    """A relevance network of the user's own."""
    threads: int = 2


@dataclass(frozen=True, kw_only=True)
class LearningConfig:
    """How cameras are learned from their own events."""

    enabled: bool = True
    hour: int = 3
    """Hour of the night, local time, in which cameras are adapted."""
    recall: float = 0.99
    """Share of relevant events that is promised to get through."""


@dataclass(frozen=True, kw_only=True)
class HealthConfig:
    """Where the worker answers who asks for its health, see `health`."""

    port: int
    host: str = "127.0.0.1"
    """Address of this machine; ``0.0.0.0`` answers other machines too."""


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """Everything ``veroallarme run`` needs."""

    cameras: tuple[CameraConfig, ...]
    topics: Topics = field(default_factory=Topics)
    worker_id: str = "main"
    broker: BrokerConfig = field(default_factory=BrokerConfig)
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    learning: LearningConfig = field(default_factory=LearningConfig)
    data_dir: Path = Path("data")
    state_dir: Path = Path("state")
    health: HealthConfig | None = None
    """Without it no port is opened."""


# --- validators -------------------------------------------------------------------------------


class _SelfContained(vol.Invalid):
    """A mistake whose message names the value already."""


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise vol.Invalid("give a text that is not empty")
    if "\0" in value:
        raise vol.Invalid("remove the null character")
    return value


def _scalar_text(value: Any) -> str:
    """Accept what YAML turned into a number or a truth value back as the text it stood for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise vol.Invalid("give a text, a number, true or false")


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_scalar_text(item) for item in (value if isinstance(value, list) else [value]))


def _texts_by_path(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise vol.Invalid("give JSON paths and the value that each must hold")
    return {_text(path): _scalar_text(wanted) for path, wanted in value.items()}


def _whole(low: int, high: int, unit: str) -> Validator:
    def validate(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise vol.Invalid(f"give a whole number from {low} to {high} ({unit})")
        return value

    return validate


def _choice(*words: str) -> Validator:
    def validate(value: Any) -> str:
        if _scalar_text(value) not in words:
            raise vol.Invalid(f"choose one of {', '.join(words)}")
        return _scalar_text(value)

    return validate


def _host(value: Any) -> str:
    text = _text(value)
    # An IPv6 address has more than one colon.
    if re.search(r"[/\s]", text) or text.count(":") == 1:
        raise vol.Invalid("give the host alone; the port goes into port, encryption into tls")
    return text


def _plain_topic(value: Any) -> str:
    text = _text(value)
    with _as_mistake():
        check_topic_filter(text)
    if "+" in text or "#" in text:
        raise vol.Invalid("give a topic without the wildcards + and #")
    return text


def _prefix(value: Any) -> str:
    for level in (text := _text(value)).split("/"):
        require_id(level)
    return text


def _pause(value: Any) -> float:
    seconds: float = number_between(0, 86400, "seconds")(value)
    if 0 < seconds < 1:
        raise vol.Invalid("give 0 (never) or a number from 1 to 86400 (seconds)")
    return seconds


class _Folder:
    """Where the file lies: what the relative paths in it are relative to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, value: Any) -> Path:
        """Accept any path."""
        text = _text(value)
        try:
            return self._folder / Path(text).expanduser()
        except RuntimeError:
            raise vol.Invalid("there is no such user: write the path out") from None

    def file(self, value: Any) -> Path:
        """Accept the path of a file that can be read."""
        path = self.path(value)
        try:
            with path.open("rb"):
                return path
        except OSError as error:
            raise vol.Invalid(
                f"{path} cannot be read ({error.strerror}): give the path of a PEM file"
            ) from None


@contextlib.contextmanager
def _as_mistake(value: Any = None) -> Iterator[None]:
    """Turn the ValueError of a part that validates itself into a mistake at the field it names."""
    try:
        yield
    except ValueError as error:
        named = re.match(r"(?:preset \w+: )?(\w+)", str(error))
        known = isinstance(value, dict) and named is not None and named[1] in value
        raise _SelfContained(str(error), path=[named[1]] if known and named else None) from None


# --- mappings and lists, of which all mistakes are told -----------------------------------------

Table = Mapping[Any, Any]
"""Keys, some of them `vol.Required`, and the validators of their values."""


def _check(value: Any, table: Table, what: str = "keys with values") -> dict[str, Any]:
    """Check a mapping; an unknown key is told the nearest one that is known at its place."""
    known = [str(key) for key in table]
    if not isinstance(value, dict):
        raise vol.Invalid(f"give {what}: {', '.join(known)}")
    mistakes = [_unknown_key(key, known) for key in value if key not in known]
    try:
        checked = vol.Schema(dict(table), extra=vol.REMOVE_EXTRA)(value)
    except vol.MultipleInvalid as error:
        mistakes += error.errors
    if mistakes:
        raise vol.MultipleInvalid(mistakes)
    return dict(checked)


def _unknown_key(key: Any, known: Collection[str]) -> vol.Invalid:
    near = difflib.get_close_matches(str(key), known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"known here are {', '.join(known)}"
    return _SelfContained(f"unknown key: {remedy}", path=[key])


def _build(kind: Any, table: Table) -> Validator:
    """Return a validator that checks a mapping and makes a dataclass of it."""

    def validate(value: Any) -> Any:
        checked = _check({} if value is None else value, table)
        with _as_mistake(value):
            return kind(**checked)

    return validate


def _each(items: Iterable[tuple[Any, Any]], validate: Validator) -> dict[Any, Any]:
    """Validate several values and tell the mistakes of all of them."""
    done, mistakes = {}, []
    for key, value in items:
        try:
            done[key] = validate(value)
        except vol.Invalid as error:
            error.prepend([key])
            mistakes += error.errors if isinstance(error, vol.MultipleInvalid) else [error]
    if mistakes:
        raise vol.MultipleInvalid(mistakes)
    return done


# --- the keys of the file -----------------------------------------------------------------------

_BURST: Table = {
    "size": _whole(2, 10, "frames"),
    "spacing_s": number_between(0.1, 10, "seconds"),
    "limit_s": number_between(1, 60, "seconds"),
    "max_age_s": number_between(0.5, 600, "seconds"),
}
_KEEP: Table = {
    "days": number_between(0, 3650, "days"),
    "size_mb": number_between(1, 1_000_000, "megabytes"),
}
_TRIGGER: Table = {
    vol.Required("topic"): _text,
    vol.Required("start"): _texts,
    "end": _texts,
    "ignore": _texts,
    "path": _text,
    "where": _texts_by_path,
    "ignore_retained": truth,
    "auto_end_s": number_between(1, 3600, "seconds"),
}
_FETCH_LIMIT = number_between(0.1, 60, "seconds")


def _http(folder: _Folder) -> Table:
    return {
        vol.Required("url"): _text,
        "auth": _text,
        "username": _scalar_text,
        "password": _scalar_text,
        "token": _scalar_text,
        "verify_tls": truth,
        "ca_file": folder.file,
        "timeout_s": _FETCH_LIMIT,
    }


_MQTT_IMAGE: Table = {
    vol.Required("topic"): _text,
    "encoding": _text,
    "path": _text,
    "timeout_s": _FETCH_LIMIT,
}


def _file(folder: _Folder) -> Table:
    return {vol.Required("path"): folder.path, "timeout_s": _FETCH_LIMIT}


def _tls(folder: _Folder) -> Table:
    return {
        "ca_file": folder.file,
        "cert_file": folder.file,
        "key_file": folder.file,
        "verify": truth,
    }


def _broker(folder: _Folder) -> Table:
    return {
        "host": _host,
        "port": _whole(1, 65535, "a TCP port"),
        "username": _scalar_text,
        "password": _scalar_text,
        "tls": lambda value: _check_tls(value, folder),
        "protocol": _choice("auto", "5", "3.1.1"),
        "keepalive_s": _whole(5, 3600, "seconds"),
        "birth_topic": _plain_topic,
    }


def _camera(folder: _Folder) -> Table:
    return {
        "name": _text,
        "preset": _text,
        "triggers": _check_triggers,
        "snapshot": lambda value: _check_snapshot(value, folder),
        "burst": _check_burst,
        "settings": _build(CameraSettings, SETTINGS_SCHEMA.schema),
        "keep": _build(KeepLimits, _KEEP),
        "publish_image": truth,
        "merge_window_s": number_between(0, 60, "seconds"),
        "reference_every_s": _pause,
    }


def _inference(folder: _Folder) -> Table:
    return {
        "enabled": truth,
        "backend": _choice("auto", *BACKEND_NAMES),
        "model": lambda value: None if value is None else folder.path(value),
        "threads": _whole(1, 64, "threads"),
    }


_LEARNING: Table = {
    "enabled": truth,
    "hour": _whole(0, 23, "the hour of a day"),
    "recall": number_between(0.5, 0.999, "a share"),
}

_HEALTH: Table = {"host": _host, vol.Required("port"): _whole(1, 65535, "a TCP port")}


def _site(folder: _Folder) -> Table:
    return {
        "prefix": _prefix,
        "site": require_id,
        "worker_id": require_id,
        "data_dir": folder.path,
        "state_dir": folder.path,
        "mqtt": lambda value: _check_broker(value, folder),
        "inference": _build(InferenceConfig, _inference(folder)),
        "learning": _build(LearningConfig, _LEARNING),
        "health": _build(HealthConfig, _HEALTH),
        vol.Required("cameras"): lambda value: _check_cameras(value, folder),
    }


def known_keys() -> dict[str, tuple[str, ...]]:
    """Return the keys that the file may hold, by the place at which they stand."""
    here = _Folder(Path())
    tables = {
        "": _site(here),
        "mqtt": _broker(here),
        "mqtt.tls": _tls(here),
        "inference": _inference(here),
        "learning": _LEARNING,
        "health": _HEALTH,
        "cameras.<id>": _camera(here),
        "triggers": _TRIGGER,
        "snapshot (HTTP)": _http(here),
        "snapshot (MQTT)": _MQTT_IMAGE,
        "snapshot (file)": _file(here),
        "burst": _BURST,
        "keep": _KEEP,
        "settings": SETTINGS_SCHEMA.schema,
    }
    return {place: tuple(str(key) for key in table) for place, table in tables.items()}


_TEXT_KEYS = frozenset(
    {"host", "name", "password", "protocol", "token", "username", "start", "end", "ignore", "where"}
).union(*(preset.parameters for preset in presets.PRESETS.values())) - {"verify_tls"}
"""Keys whose values stay as they are written: ON is not true, and 0123 is not 83."""

_SECRET_KEYS = {"password", "token"}.union(
    name
    for preset in presets.PRESETS.values()
    for name, parameter in preset.parameters.items()
    if parameter.kind == "secret"
)


# --- what holds between keys --------------------------------------------------------------------


def _check_broker(value: Any, folder: _Folder) -> BrokerConfig:
    broker: BrokerConfig = _build(BrokerConfig, _broker(folder))(value)
    if broker.password is not None and broker.username is None:
        raise vol.Invalid("password stands without username: add username")
    return broker


def _check_tls(value: Any, folder: _Folder) -> TlsConfig | None:
    if isinstance(value, bool):
        return TlsConfig() if value else None
    tls = TlsConfig(**_check(value, _tls(folder), "true, false or any of"))
    if tls.key_file is not None and tls.cert_file is None:
        raise vol.Invalid("key_file stands without cert_file: add cert_file")
    return tls


def _check_burst(value: Any) -> BurstConfig:
    burst: BurstConfig = _build(BurstConfig, _BURST)(value)
    needed_s = (burst.size - 1) * burst.spacing_s
    if needed_s >= burst.limit_s:
        raise vol.Invalid(
            f"{burst.size} pictures every {burst.spacing_s:g} s take {needed_s:g} s, and limit_s "
            f"is {burst.limit_s:g}: take fewer, take them faster, or increase limit_s"
        )
    return burst


def _check_triggers(value: Any) -> tuple[Trigger, ...]:
    if not isinstance(value, list) or not value:
        raise vol.Invalid("give a list with at least one trigger")
    return tuple(_each(enumerate(value), _build(Trigger, _TRIGGER)).values())


def _check_snapshot(value: Any, folder: _Folder) -> Source:
    """Choose the kind of source by the key that names its address, then validate it."""
    # An MQTT source may hold a path into its JSON as well, hence the order of the kinds.
    kinds: dict[str, tuple[Any, Table]] = {
        "url": (HttpSource, _http(folder)),
        "topic": (MqttImageSource, _MQTT_IMAGE),
        "path": (FileSource, _file(folder)),
    }
    key = next((key for key in kinds if isinstance(value, dict) and key in value), None)
    if key is None:
        raise vol.Invalid("give url, topic or path: the address of the camera's pictures")
    source: Source = _build(*kinds[key])(value)
    return source


def _check_cameras(value: Any, folder: _Folder) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise vol.Invalid(
            "give at least one camera: its id, and below it what it sends; or {} where Home "
            "Assistant bridges all cameras"
        )

    def check(item: tuple[Any, Any]) -> Any:
        require_id(item[0])
        return _check_camera(item[1], folder)

    return _each(((key, (key, camera)) for key, camera in value.items()), check)


def _check_camera(value: Any, folder: _Folder) -> dict[str, Any]:
    """Validate a camera; a preset gives the triggers and the snapshot that are not written."""
    table = dict(_camera(folder))
    if not isinstance(value, dict):
        raise vol.Invalid("give preset, or triggers and snapshot")
    if "preset" not in value:
        for key in ("triggers", "snapshot"):
            table[vol.Required(key, msg=f"missing: add {key}, or preset")] = table.pop(key)
        return _check(value, table)
    preset = presets.PRESETS.get(value["preset"]) if isinstance(value["preset"], str) else None
    if preset is None:
        raise vol.Invalid(_unknown_preset(value["preset"]), path=["preset"])
    for name, parameter in preset.parameters.items():
        validator = folder.file if name == "ca_file" else _scalar_text
        required = vol.Required(name, msg=f"missing: give {parameter.meaning}")
        table[required if parameter.required else name] = validator
    checked = _check(value, table)
    return _expand_preset(value, checked, preset.parameters)


def _unknown_preset(name: Any) -> str:
    near = difflib.get_close_matches(name, presets.PRESETS, n=1) if isinstance(name, str) else []
    return f"did you mean {near[0]}?" if near else f"choose one of {', '.join(presets.PRESETS)}"


def _expand_preset(
    value: dict[str, Any], checked: dict[str, Any], parameters: Collection[str]
) -> dict[str, Any]:
    given = {name: str(checked.pop(name)) for name in list(checked) if name in parameters}
    name = checked.pop("preset")
    with _as_mistake(value):
        triggers, source = presets.expand(name, given)
    checked = {"triggers": triggers, "snapshot": source, **checked}
    for key, parameter in (("triggers", "motion_topic"), ("snapshot", "snapshot_url")):
        if not checked[key]:
            raise vol.Invalid(f"the preset {name} knows no {key}: add {key}, or {parameter}")
    return checked


def _check_own_topics(config: WorkerConfig) -> None:
    """Refuse to listen to ourselves: an alarm would raise the next one for ever."""
    mistakes: list[vol.Invalid] = []
    for camera in config.cameras:
        for trigger in camera.triggers:
            own = config.topics.camera(camera.id, "relevant")
            if topic_matches(trigger.topic, own):
                mistakes.append(
                    _SelfContained(
                        f"the trigger topic {trigger.topic} also covers {own}, which VeroAllarme "
                        "sends itself: give a narrower topic",
                        path=["cameras", camera.id, "triggers"],
                    )
                )
    if mistakes:
        raise vol.MultipleInvalid(mistakes)


# --- reading ----------------------------------------------------------------------------------


def _sentence(error: vol.Invalid, document: ConfigDocument) -> str:
    """Say where in the file the mistake is, which value stands there, and what to do."""
    path = [str(step) if isinstance(step, vol.Marker) else step for step in error.path]
    where = ".".join(str(step) for step in path) or "the file"
    line = document.line(path)
    value = shown(value_at(document.content, path))
    if isinstance(error, _SelfContained) or not path:
        value = None
    elif value is not None and (path[-1] in _SECRET_KEYS or document.is_hidden(path)):
        value = "(hidden)"
    place = where if line is None else f"{where} (line {line})"
    return ": ".join(part for part in (place, value, advice(error)) if part)


def _tell(error: vol.MultipleInvalid, document: ConfigDocument) -> list[str]:
    """Return a sentence for each mistake that was not told when the file was read."""
    told = [
        (document.line(one.path) or 0, _sentence(one, document))
        for one in error.errors
        if not document.is_unresolved(one.path)
    ]
    return [
        _in_one_line(_without_secrets(sentence, document.secrets)) for _, sentence in sorted(told)
    ]


def _in_one_line(sentence: str) -> str:
    """Keep a key or an address with a line break from looking like two mistakes."""
    return "".join(character if character.isprintable() else "�" for character in sentence)


def _without_secrets(sentence: str, secrets: Collection[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        # A shorter one would turn up in innocent words; where it is the value it is hidden anyway.
        if len(secret) >= 4:
            # Triggers show their values in lower case, and a repr may escape some characters.
            for spelling in (re.escape(secret), re.escape(repr(secret)[1:-1])):
                sentence = re.sub(spelling, "(hidden)", sentence, flags=re.IGNORECASE)
    return sentence


def _compose(checked: dict[str, Any], folder: _Folder) -> WorkerConfig:
    default = WorkerConfig(cameras=())
    cameras = tuple(
        CameraConfig(
            id=camera_id,
            name=camera.pop("name", camera_id),
            source=camera.pop("snapshot"),
            **camera,
        )
        for camera_id, camera in checked["cameras"].items()
    )
    config = WorkerConfig(
        cameras=cameras,
        topics=Topics(**{key: checked[key] for key in ("prefix", "site") if key in checked}),
        worker_id=checked.get("worker_id", default.worker_id),
        broker=checked.get("mqtt", default.broker),
        inference=checked.get("inference", default.inference),
        learning=checked.get("learning", default.learning),
        data_dir=checked.get("data_dir", folder.path(str(default.data_dir))),
        state_dir=checked.get("state_dir", folder.path(str(default.state_dir))),
        health=checked.get("health", default.health),
    )
    _check_own_topics(config)
    return config


def parse_config(content: Any, folder: Path = Path()) -> WorkerConfig:
    """Validate the content of a configuration file.

    Args:
        content: what YAML made of the file.
        folder: what relative paths in the file are relative to.

    Raises:
        ConfigError: with all mistakes.
    """
    return parse_document(ConfigDocument(content=content), folder)


def parse_document(document: ConfigDocument, folder: Path) -> WorkerConfig:
    """Validate a configuration file that has been read; as `parse_config`, with its lines."""
    mistakes = list(document.mistakes)
    if not document.is_readable:
        raise ConfigError(mistakes)
    if not isinstance(document.content, dict):
        mistakes.append("the file: give keys with values, at least cameras and the cameras' ids")
        raise ConfigError(mistakes)
    here = _Folder(folder)
    try:
        config = _compose(_check(document.content, _site(here)), here)
    except vol.MultipleInvalid as error:
        mistakes += _tell(error, document)
    if mistakes:
        raise ConfigError(mistakes)
    return config


def read_config(path: Path) -> ConfigDocument:
    """Read a configuration file without validating it; never raises."""
    return read_document(path, _TEXT_KEYS)


def load_config(path: Path) -> WorkerConfig:
    """Read and validate a configuration file.

    Raises:
        ConfigError: with all mistakes, each naming the path in the file, value and remedy.
    """
    return parse_document(read_config(path), path.absolute().parent)
