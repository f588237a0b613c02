"""The worker as an app of Home Assistant: options and the supervisor's broker become its file.

The options hold what a configuration file holds, in the same words, so that its schema checks
them and its defaults apply. The user's own ``veroallarme.yaml`` counts more wherever it says
something, and the supervisor is asked for a broker where neither names one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import voluptuous as vol

from veroallarme_core.contract import advice, one_word_of, or_none, shown
from veroallarme_core.worker.config.config_file import ConfigDocument
from veroallarme_core.worker.config.loading import parse_document, read_config
from veroallarme_core.worker.config.preset_systems import SWITCH_ON
from veroallarme_core.worker.config.sentences import ConfigError
from veroallarme_core.worker.config.worker_config import HealthConfig, IngressConfig, WorkerConfig

_LOGGER = logging.getLogger(__name__)

Content = dict[str, Any]

LOG_LEVELS = ("debug", "info", "warning", "error")

ATTEMPTS = 5
"""How often the supervisor is asked: after a start of the machine the broker may be on its way."""
PAUSE_S = 3.0
TIMEOUT_S = 10.0

_SLUG = re.compile(r"[-_.A-Za-z0-9]{1,128}")
_OR = "or fill in mqtt in this app's options"


class AppError(RuntimeError):
    """The app cannot start; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class AppPlaces:
    """What the app finds around it, as the supervisor lays it out.

    Attributes:
        options: The options that the user has set, JSON; need not exist.
        config: The user's own configuration file; need not exist.
        data_dir: Folder that survives updates; holds the events and what is learned.
        supervisor: Address of the supervisor.
        token: What the supervisor knows the app by; None where there is no supervisor.
        health: Where the watchdog asks, from outside of the container; no port is published.
        ingress: Where the supervisor asks for the page, on behalf of Home Assistant's users.
    """

    options: Path = Path("/data/options.json")
    config: Path = Path("/config/veroallarme.yaml")
    data_dir: Path = Path("/data")
    supervisor: str = "http://supervisor"
    token: str | None = field(default=None, repr=False)
    health: HealthConfig = field(default_factory=lambda: HealthConfig(host="0.0.0.0", port=8098))
    ingress: IngressConfig = field(default_factory=lambda: IngressConfig(port=8097))


async def prepare(places: AppPlaces) -> WorkerConfig:
    """Make the worker's configuration of options, file and supervisor; set the log level.

    Raises:
        ConfigError: options or file cannot be used; with all mistakes.
        AppError: no broker is known.
    """
    options = read_options(places.options)
    level = options.pop("log_level", None)
    content = _content_of_options(options, places)
    try:
        or_none(one_word_of(*LOG_LEVELS))(level)
    except vol.Invalid as error:
        value = shown(level) or "not a text"
        raise ConfigError([f"options: log_level: {value}: {advice(error)}"]) from None
    _parse("options", ConfigDocument(content=content), places.data_dir)
    if level is not None:
        logging.getLogger().setLevel(level.upper())
    document = _with_file(content, places)
    config = _parse(str(places.config), document, places.config.absolute().parent)
    if "host" not in document.content["mqtt"]:
        service = await ask_for_broker(places)
        _parse("the supervisor's broker", ConfigDocument(content={"mqtt": service, "cameras": {}}))
        document.content["mqtt"] = _completed(document.content["mqtt"], service)
        _LOGGER.info("broker: %s, as the supervisor says", service.get("host"))
        config = _parse(str(places.config), document, places.config.absolute().parent)
    return await _with_ingress(config, places)


async def _with_ingress(config: WorkerConfig, places: AppPlaces) -> WorkerConfig:
    """Let the page be seen within Home Assistant, where there is a supervisor to bring it there."""
    if places.token is None:
        return config
    slug = await ask_for_slug(places)
    link = None if slug is None else f"homeassistant://app/{slug}"
    return replace(config, ingress=replace(places.ingress, link=link))


def _parse(source: str, document: ConfigDocument, folder: Path = Path()) -> WorkerConfig:
    """Validate, and let each mistake say where it was made."""
    try:
        return parse_document(document, folder)
    except ConfigError as error:
        raise ConfigError([f"{source}: {mistake}" for mistake in error.mistakes]) from None


# --- the options ------------------------------------------------------------------------------


def read_options(path: Path) -> Content:
    """Read what the user has set in the app's options; what was left empty is left out.

    Raises:
        AppError: the file cannot be read.
    """
    try:
        options = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise AppError(f"{path} cannot be read ({error.strerror}): check its rights") from None
    except (ValueError, RecursionError):
        raise AppError(f"{path} is not JSON: save the app's options again") from None
    if not isinstance(options, dict):
        raise AppError(f"{path} holds no options: save the app's options again")
    given: Content = _without_empty(options)
    return given


def _without_empty(value: Any) -> Any:
    """Leave out what a form sends for a field that was cleared."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and item != ""}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def _content_of_options(options: Content, places: AppPlaces) -> Content:
    """Write the options as the content of a configuration file.

    Raises:
        ConfigError: with the mistakes that the file's schema cannot see.
    """
    cameras = options.get("cameras", [])
    if not isinstance(cameras, list) or not all(isinstance(camera, dict) for camera in cameras):
        raise ConfigError(["options: cameras: give a list of cameras"])
    if cameras and places.token is None:
        raise ConfigError(
            [
                "options: cameras: their pictures come through Home Assistant's supervisor, and "
                f"there is none (SUPERVISOR_TOKEN is not set): describe them in {places.config}"
            ]
        )
    written: Content = {}
    mistakes = []
    for index, camera in enumerate(cameras):
        camera_id = camera.get("id")
        if not isinstance(camera_id, str):
            mistakes.append(f"options: cameras.{index}.id: missing: add it")
        elif camera_id in written:
            mistakes.append(
                f"options: cameras: two have the id {camera_id[:64]!r}: give each its own"
            )
        else:
            written[camera_id] = _written_camera(camera, places)
    if mistakes:
        raise ConfigError(mistakes)
    return {"mqtt": {}, **options, "cameras": written}


def _written_camera(options: Content, places: AppPlaces) -> Content:
    """Write a camera of the options as a camera of the file."""
    camera = {key: value for key, value in options.items() if key not in {"id", "start", "end"}}
    words: Content = {key: options[key] for key in ("start", "end") if key in options}
    if words and "motion_topic" in camera:
        trigger: Content = {"topic": camera["motion_topic"], "start": list(SWITCH_ON), **words}
        camera["triggers"] = [trigger]
    return {
        **camera,
        "preset": "home_assistant",
        "url": f"{places.supervisor}/core",
        "token": places.token,
    }


# --- the user's own file ----------------------------------------------------------------------


def _with_file(options: Content, places: AppPlaces) -> ConfigDocument:
    """Return the user's file, completed by the options and the app's folders.

    Raises:
        ConfigError: the file cannot be read, or says what only the app can say.
    """
    document = ConfigDocument()
    if places.config.exists():
        document = read_config(places.config)
    content = {} if document.content is None else document.content
    if not document.is_readable or not isinstance(content, dict):
        return document
    _refuse_contradictions(content, options, places)
    document.content = {
        "data_dir": str(places.data_dir / "events"),
        "state_dir": str(places.data_dir / "state"),
        **options,
        **content,
        "mqtt": _completed(content.get("mqtt"), options["mqtt"]),
        "learning": _joined(content.get("learning"), options.get("learning", {})),
        "cameras": _joined(content.get("cameras"), options["cameras"]),
        "health": asdict(places.health),
    }
    # No mistake shows what came from outside of the file.
    secrets = [places.token, options["mqtt"].get("password")]
    document.secrets.update(str(secret) for secret in secrets if secret is not None)
    return document


def _refuse_contradictions(content: Content, options: Content, places: AppPlaces) -> None:
    mistakes = []
    if "health" in content:
        mistakes.append(
            f"health: the app answers on port {places.health.port}, for its watchdog: remove it"
        )
    if isinstance(content.get("cameras"), dict):
        mistakes += [
            f"cameras.{camera}: stands in the app's options as well: keep one of the two"
            for camera in content["cameras"].keys() & options["cameras"].keys()
        ]
    if mistakes:
        raise ConfigError([f"{places.config}: {mistake}" for mistake in sorted(mistakes)])


def _joined(upper: Any, lower: Mapping[str, Any]) -> Any:
    """Take from a lower layer what the upper one does not say; a wrong upper one is kept."""
    upper = {} if upper is None else upper
    return {**lower, **upper} if isinstance(upper, dict) else upper


def _completed(broker: Any, other: Mapping[str, Any]) -> Any:
    """Complete what one layer says of the broker by what another one says.

    Who names a host means another broker, which has its own port, login and encryption; and a
    user name goes with its password.
    """
    broker = {} if broker is None else broker
    if not isinstance(broker, dict) or "host" in broker:
        return broker
    login = {"username", "password"}
    has_login = not login.isdisjoint(broker)
    added = {key: value for key, value in other.items() if not (has_login and key in login)}
    return {**added, **broker}


# --- the supervisor ---------------------------------------------------------------------------


async def ask_for_broker(places: AppPlaces) -> Content:
    """Ask the supervisor for the broker that another app provides.

    Returns:
        The keys of ``mqtt`` in a configuration file.

    Raises:
        AppError: there is no broker, no supervisor, or no answer.
    """
    if places.token is None:
        raise AppError(
            "no broker is named, and there is no supervisor to ask (SUPERVISOR_TOKEN is not set): "
            f"name mqtt.host in {places.config}"
        )
    headers = {"Authorization": f"Bearer {places.token}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        for _ in range(ATTEMPTS - 1):
            try:
                return await _ask_once(session, places.supervisor)
            except AppError as error:
                _LOGGER.info("%s (asking again in %g s)", error, PAUSE_S)
                await asyncio.sleep(PAUSE_S)
        return await _ask_once(session, places.supervisor)


async def ask_for_slug(places: AppPlaces) -> str | None:
    """Ask the supervisor what it calls this app, which is part of the address of its page.

    Returns:
        None where it does not say: the page is there all the same, and nothing links to it.
    """
    headers = {"Authorization": f"Bearer {places.token}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    address = f"{places.supervisor}/addons/self/info"
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.get(address, allow_redirects=False) as response,
        ):
            slug = (await response.json(content_type=None))["data"]["slug"]
    except (TimeoutError, aiohttp.ClientError, ValueError, RecursionError, LookupError, TypeError):
        slug = None
    if not isinstance(slug, str) or _SLUG.fullmatch(slug) is None:
        _LOGGER.info("the supervisor does not say what this app is called: nothing links to it")
        return None
    return slug


async def _ask_once(session: aiohttp.ClientSession, supervisor: str) -> Content:
    trouble, answer = "", None
    try:
        # A redirect would carry the token to another host.
        async with session.get(f"{supervisor}/services/mqtt", allow_redirects=False) as response:
            if response.status == 200:
                answer = await response.json(content_type=None)
            elif response.status != 400:  # its way to say that there is no such service
                trouble = f"it answers {response.status}"
    except TimeoutError:
        trouble = "no answer in time"
    except (aiohttp.ClientError, ValueError, RecursionError) as error:
        trouble = type(error).__name__
    if trouble:
        raise AppError(
            f"the supervisor cannot be asked for the broker ({trouble}): restart the app, {_OR}"
        )
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict) or not data.get("host"):
        raise AppError(
            "Home Assistant has no MQTT broker that apps may use: install and start the app "
            f"Mosquitto broker, {_OR}"
        )
    # It names a protocol as well, for clients that know one only; ours finds out the best.
    service = {key: data[key] for key in ("host", "port", "username", "password") if data.get(key)}
    return {**service, "tls": True} if data.get("ssl") else service
