"""The keys of `snapshot`: where a camera's pictures come from."""

from __future__ import annotations

from typing import Any

import voluptuous as vol

from veroallarme_core.contract import number_between, truth
from veroallarme_core.worker.config.mappings import Table, build
from veroallarme_core.worker.config.values import (
    Folder,
    SelfContainedMistake,
    any_text,
    scalar_text,
)
from veroallarme_core.worker.snapshots import (
    MISSING_EXTRA,
    FileSource,
    HttpSource,
    MqttImageSource,
    RtspSource,
    Source,
    can_decode,
)

_FETCH_LIMIT = number_between(0.1, 60, "seconds")


def _http(folder: Folder) -> Table:
    return {
        vol.Required("url"): any_text,
        "auth": any_text,
        "username": scalar_text,
        "password": scalar_text,
        "token": scalar_text,
        "verify_tls": truth,
        "ca_file": folder.file,
        "timeout_s": _FETCH_LIMIT,
    }


_RTSP: Table = {
    vol.Required("url"): any_text,
    "username": scalar_text,
    "password": scalar_text,
    "timeout_s": _FETCH_LIMIT,
}

_MQTT_IMAGE: Table = {
    vol.Required("topic"): any_text,
    "encoding": any_text,
    "path": any_text,
    "timeout_s": _FETCH_LIMIT,
}


def _file(folder: Folder) -> Table:
    return {vol.Required("path"): folder.path, "timeout_s": _FETCH_LIMIT}


def snapshot_tables(folder: Folder) -> dict[str, Table]:
    """Return the keys of each kind of source, by its name."""
    return {
        "HTTP": _http(folder),
        "RTSP": _RTSP,
        "MQTT": _MQTT_IMAGE,
        "file": _file(folder),
    }


def check_snapshot(value: Any, folder: Folder) -> Source:
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
    if key == "url" and str(value["url"]).startswith("rtsp://"):
        return _check_stream(value)
    source: Source = build(*kinds[key])(value)
    return source


def _check_stream(value: dict[str, Any]) -> RtspSource:
    source: RtspSource = build(RtspSource, _RTSP)(value)
    if not can_decode():
        raise SelfContainedMistake(f"url {source.shown_url} {MISSING_EXTRA}", path=["url"])
    return source
