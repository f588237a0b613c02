"""MQTT discovery: Home Assistant's own entities for people without the integration."""

from veroallarme_core.worker.discovery.devices import (
    DISCOVERY_PREFIX,
    camera_device,
    camera_topic,
    node_id,
    site_device,
    site_topic,
)
from veroallarme_core.worker.discovery.publisher import Discovery

__all__ = [
    "DISCOVERY_PREFIX",
    "Discovery",
    "camera_device",
    "camera_topic",
    "node_id",
    "site_device",
    "site_topic",
]
