"""The worker's configuration: its dataclasses, and the file that fills them.

`load_config` reads and validates the file and tells all mistakes at once; `prepare` makes the
configuration of the Home Assistant app. Of other rooms it knows the dataclasses that it fills.
"""

from veroallarme_core.worker.config.app import AppError, AppPlaces, prepare
from veroallarme_core.worker.config.loading import load_config, parse_config
from veroallarme_core.worker.config.passwords import MIN_PASSWORD, hash_password
from veroallarme_core.worker.config.sentences import ConfigError
from veroallarme_core.worker.config.worker_config import (
    BrokerConfig,
    BurstConfig,
    CameraConfig,
    HealthConfig,
    InferenceConfig,
    IngressConfig,
    LearningConfig,
    PageConfig,
    TlsConfig,
    WorkerConfig,
)

__all__ = [
    "MIN_PASSWORD",
    "AppError",
    "AppPlaces",
    "BrokerConfig",
    "BurstConfig",
    "CameraConfig",
    "ConfigError",
    "HealthConfig",
    "InferenceConfig",
    "IngressConfig",
    "LearningConfig",
    "PageConfig",
    "TlsConfig",
    "WorkerConfig",
    "hash_password",
    "load_config",
    "parse_config",
    "prepare",
]
