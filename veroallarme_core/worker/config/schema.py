"""The keys of the configuration file: what each may hold, and what holds between them."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import voluptuous as vol

from veroallarme_core.contract import (
    SETTINGS_SCHEMA,
    CameraSettings,
    integer_between,
    number_between,
    one_word_of,
    or_none,
    require_id,
    truth,
)
from veroallarme_core.inference import BACKEND_NAMES
from veroallarme_core.worker.config import presets
from veroallarme_core.worker.config.mappings import Table, build, check_each, check_mapping
from veroallarme_core.worker.config.passwords import MIN_PASSWORD
from veroallarme_core.worker.config.snapshot_schema import check_snapshot, snapshot_tables
from veroallarme_core.worker.config.values import (
    Folder,
    SelfContainedMistake,
    any_text,
    as_mistake,
    host_name,
    is_loopback,
    networks,
    page_address,
    password_hash,
    pause_s,
    plain_topic,
    scalar_text,
    scalar_texts,
    secret_of,
    texts_by_path,
    topic_prefix,
)
from veroallarme_core.worker.config.worker_config import (
    BrokerConfig,
    BurstConfig,
    HealthConfig,
    InferenceConfig,
    LearningConfig,
    PageConfig,
    TlsConfig,
)
from veroallarme_core.worker.motion_sources import Trigger
from veroallarme_core.worker.onvif import MISSING_EXTRA as ONVIF_EXTRA
from veroallarme_core.worker.onvif import can_speak_onvif
from veroallarme_core.worker.snapshots import (
    OnvifSource,
)
from veroallarme_core.worker.storage import KeepLimits

_BURST: Table = {
    "size": integer_between(2, 10, "frames"),
    "spacing_s": number_between(0.1, 10, "seconds"),
    "limit_s": number_between(1, 60, "seconds"),
    "max_age_s": number_between(0.5, 600, "seconds"),
}
_KEEP: Table = {
    "days": number_between(0, 3650, "days"),
    "size_mb": number_between(1, 1_000_000, "megabytes"),
}
_TRIGGER: Table = {
    vol.Required("topic"): any_text,
    vol.Required("start"): scalar_texts,
    "end": scalar_texts,
    "ignore": scalar_texts,
    "path": any_text,
    "where": texts_by_path,
    "ignore_retained": truth,
    "auto_end_s": number_between(1, 3600, "seconds"),
}


def _tls(folder: Folder) -> Table:
    return {
        "ca_file": folder.file,
        "cert_file": folder.file,
        "key_file": folder.file,
        "verify": truth,
    }


def _broker(folder: Folder) -> Table:
    return {
        "host": host_name,
        "port": integer_between(1, 65535, "a TCP port"),
        "username": scalar_text,
        "password": scalar_text,
        "tls": lambda value: _check_tls(value, folder),
        "protocol": vol.All(scalar_text, one_word_of("auto", "5", "3.1.1")),
        "keepalive_s": integer_between(5, 3600, "seconds"),
        "birth_topic": plain_topic,
    }


def _camera(folder: Folder) -> Table:
    return {
        "name": any_text,
        "preset": any_text,
        "triggers": _check_triggers,
        "snapshot": lambda value: check_snapshot(value, folder),
        "burst": _check_burst,
        "settings": build(CameraSettings, SETTINGS_SCHEMA.schema),
        "keep": build(KeepLimits, _KEEP),
        "publish_image": truth,
        "merge_window_s": number_between(0, 60, "seconds"),
        "reference_every_s": pause_s,
    }


def _inference(folder: Folder) -> Table:
    return {
        "enabled": truth,
        "backend": vol.All(scalar_text, one_word_of("auto", *BACKEND_NAMES)),
        "model": or_none(folder.path),
        "detector": or_none(folder.path),
        "threads": integer_between(1, 64, "threads"),
    }


_LEARNING: Table = {
    "enabled": truth,
    "hour": integer_between(0, 23, "the hour of a day"),
    "recall": number_between(0.5, 0.999, "a share"),
}

_PAGE: Table = {
    "host": host_name,
    "port": integer_between(1, 65535, "a TCP port"),
    "username": scalar_text,
    "password": secret_of(MIN_PASSWORD),
    "password_hash": password_hash,
    "token": secret_of(16),
    "address": page_address,
    "trusted_proxies": networks,
}

_HEALTH: Table = {"host": host_name, vol.Required("port"): integer_between(1, 65535, "a TCP port")}


def site_table(folder: Folder) -> Table:
    """Return the keys at the top of the file."""
    return {
        "prefix": topic_prefix,
        "site": require_id,
        "worker_id": require_id,
        "data_dir": folder.path,
        "state_dir": folder.path,
        "mqtt": lambda value: _check_broker(value, folder),
        "inference": build(InferenceConfig, _inference(folder)),
        "learning": build(LearningConfig, _LEARNING),
        "health": build(HealthConfig, _HEALTH),
        "page": _check_page,
        "discovery": truth,
        vol.Required("cameras"): lambda value: _check_cameras(value, folder),
    }


def known_keys() -> dict[str, tuple[str, ...]]:
    """Return the keys that the file may hold, by the place at which they stand."""
    here = Folder(Path())
    tables = {
        "": site_table(here),
        "mqtt": _broker(here),
        "mqtt.tls": _tls(here),
        "inference": _inference(here),
        "learning": _LEARNING,
        "health": _HEALTH,
        "page": _PAGE,
        "cameras.<id>": _camera(here),
        "triggers": _TRIGGER,
        **{f"snapshot ({kind})": table for kind, table in snapshot_tables(here).items()},
        "burst": _BURST,
        "keep": _KEEP,
        "settings": SETTINGS_SCHEMA.schema,
    }
    return {place: tuple(str(key) for key in table) for place, table in tables.items()}


# --- what holds between keys ------------------------------------------------------------------


def _check_broker(value: Any, folder: Folder) -> BrokerConfig:
    broker: BrokerConfig = build(BrokerConfig, _broker(folder))(value)
    if broker.password is not None and broker.username is None:
        raise vol.Invalid("password stands without username: add username")
    return broker


def _check_page(value: Any) -> PageConfig:
    page: PageConfig = build(PageConfig, _PAGE)(value)
    if page.username is None and (page.password or page.password_hash) is not None:
        raise vol.Invalid("a password stands without username: add username")
    if page.username is not None and (page.password is None) == (page.password_hash is None):
        raise vol.Invalid("username wants one of password and password_hash: give one of them")
    if not page.has_login and not is_loopback(page.host):
        raise vol.Invalid(
            f"{page.host} lets other machines see your pictures: add username and password, or "
            "token; or take host 127.0.0.1, which this machine alone can reach"
        )
    return page


def _check_tls(value: Any, folder: Folder) -> TlsConfig | None:
    if isinstance(value, bool):
        return TlsConfig() if value else None
    tls = TlsConfig(**check_mapping(value, _tls(folder), "true, false or any of"))
    if tls.key_file is not None and tls.cert_file is None:
        raise vol.Invalid("key_file stands without cert_file: add cert_file")
    return tls


def _check_burst(value: Any) -> BurstConfig:
    burst: BurstConfig = build(BurstConfig, _BURST)(value)
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
    return tuple(check_each(enumerate(value), build(Trigger, _TRIGGER)).values())


def _check_cameras(value: Any, folder: Folder) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise vol.Invalid(
            "give at least one camera: its id, and below it what it sends; or {} where Home "
            "Assistant bridges all cameras"
        )

    def check(item: tuple[Any, Any]) -> Any:
        camera_id, camera = item
        try:
            require_id(camera_id)
        except vol.Invalid as wrong_id:
            # Its other mistakes are told as well, rather than one after the other.
            _check_camera_beside(wrong_id, camera, folder)
            raise
        return _check_camera(camera, folder)

    return check_each(((key, (key, camera)) for key, camera in value.items()), check)


def _check_camera_beside(wrong_id: vol.Invalid, camera: Any, folder: Folder) -> None:
    """Raise the mistakes of a camera together with that of its id, where there are any."""
    try:
        _check_camera(camera, folder)
    except vol.MultipleInvalid as others:
        raise vol.MultipleInvalid([wrong_id, *others.errors]) from None
    except vol.Invalid as other:
        raise vol.MultipleInvalid([wrong_id, other]) from None


def _check_camera(value: Any, folder: Folder) -> dict[str, Any]:
    """Validate a camera; a preset gives the triggers and the snapshot that are not written."""
    table = dict(_camera(folder))
    if not isinstance(value, dict):
        raise vol.Invalid("give preset, or triggers and snapshot")
    if "preset" not in value:
        for key in ("triggers", "snapshot"):
            table[vol.Required(key, msg=f"missing: add {key}, or preset")] = table.pop(key)
        return check_mapping(value, table)
    preset = presets.PRESETS.get(value["preset"]) if isinstance(value["preset"], str) else None
    if preset is None:
        raise vol.Invalid(_unknown_preset(value["preset"]), path=["preset"])
    for name, parameter in preset.parameters.items():
        validator = folder.file if name == "ca_file" else scalar_text
        required = vol.Required(name, msg=f"missing: give {parameter.meaning}")
        table[required if parameter.required else name] = validator
    checked = check_mapping(value, table)
    return _expand_preset(value, checked, preset.parameters)


def _unknown_preset(name: Any) -> str:
    near = difflib.get_close_matches(name, presets.PRESETS, n=1) if isinstance(name, str) else []
    return f"did you mean {near[0]}?" if near else f"choose one of {', '.join(presets.PRESETS)}"


def _expand_preset(
    value: dict[str, Any], checked: dict[str, Any], parameters: Collection[str]
) -> dict[str, Any]:
    given = {name: str(checked.pop(name)) for name in list(checked) if name in parameters}
    name = checked.pop("preset")
    with as_mistake(value):
        triggers, source = presets.expand(name, given)
    if isinstance(source, OnvifSource):
        if not can_speak_onvif():
            raise SelfContainedMistake(f"the preset {name}: {ONVIF_EXTRA}", path=["preset"])
        if "triggers" not in checked:
            checked = {"triggers": (), "onvif": source.camera, **checked}
    checked = {"triggers": triggers, "snapshot": source, **checked}
    for key, parameter in (("triggers", "motion_topic"), ("snapshot", "snapshot_url")):
        if not checked[key] and "onvif" not in checked:
            raise vol.Invalid(f"the preset {name} knows no {key}: add {key}, or {parameter}")
    return checked
