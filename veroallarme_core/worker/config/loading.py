"""Reads the configuration file, and makes the worker's configuration of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import voluptuous as vol

from veroallarme_core.contract import Topics
from veroallarme_core.worker.config.config_file import ConfigDocument, read_document
from veroallarme_core.worker.config.mappings import check_mapping
from veroallarme_core.worker.config.presets import PRESETS
from veroallarme_core.worker.config.schema import site_table
from veroallarme_core.worker.config.sentences import ConfigError, sentences
from veroallarme_core.worker.config.values import Folder, SelfContainedMistake
from veroallarme_core.worker.config.worker_config import CameraConfig, WorkerConfig
from veroallarme_core.worker.motion_sources import topic_matches

TEXT_KEYS = frozenset(
    {"host", "name", "password", "protocol", "token", "username", "start", "end", "ignore", "where"}
).union(*(preset.parameters for preset in PRESETS.values())) - {"port", "verify_tls"}
"""Keys whose values stay as they are written: ON is not true, and 0123 is not 83."""


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
    here = Folder(folder)
    try:
        config = _compose(check_mapping(document.content, site_table(here)), here)
    except vol.MultipleInvalid as error:
        mistakes += sentences(error, document)
    if mistakes:
        raise ConfigError(mistakes)
    return config


def read_config(path: Path) -> ConfigDocument:
    """Read a configuration file without validating it; never raises."""
    return read_document(path, TEXT_KEYS)


def load_config(path: Path) -> WorkerConfig:
    """Read and validate a configuration file.

    Raises:
        ConfigError: with all mistakes, each naming the path in the file, value and remedy.
    """
    return parse_document(read_config(path), path.absolute().parent)


def _compose(checked: dict[str, Any], folder: Folder) -> WorkerConfig:
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
        page=checked.get("page", default.page),
        discovery=checked.get("discovery", default.discovery),
    )
    _check_own_topics(config)
    return config


def _check_own_topics(config: WorkerConfig) -> None:
    """Refuse to listen to ourselves: an alarm would raise the next one for ever."""
    mistakes: list[vol.Invalid] = []
    for camera in config.cameras:
        for trigger in camera.triggers:
            own = config.topics.camera(camera.id, "relevant")
            if topic_matches(trigger.topic, own):
                mistakes.append(
                    SelfContainedMistake(
                        f"the trigger topic {trigger.topic} also covers {own}, which VeroAllarme "
                        "sends itself: give a narrower topic",
                        path=["cameras", camera.id, "triggers"],
                    )
                )
    if mistakes:
        raise vol.MultipleInvalid(mistakes)
