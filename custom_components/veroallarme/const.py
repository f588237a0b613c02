"""Names and limits of the VeroAllarme integration."""

from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "veroallarme"
PLATFORMS: Final = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.IMAGE,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
]
DOCUMENTATION_URL: Final = (
    "https://github.com/veroallarme/veroallarme/blob/main/docs/home-assistant.md"
)

EVENT_DECISION: Final = "veroallarme_decision"
"""Fired on the bus for each decision."""

CONF_PREFIX: Final = "prefix"
CONF_SITE: Final = "site"
DEFAULT_PREFIX: Final = "veroallarme"
DEFAULT_SITE: Final = "home"

SUBENTRY_CAMERA: Final = "camera"
CONF_CAMERA_ID: Final = "camera_id"
CONF_CAMERA_ENTITY: Final = "camera_entity"
CONF_MOTION_ENTITY: Final = "motion_entity"
CONF_BURST_SIZE: Final = "burst_size"
CONF_SPACING_S: Final = "spacing_s"
CONF_MODE: Final = "mode"
