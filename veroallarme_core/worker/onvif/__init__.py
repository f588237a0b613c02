"""Cameras asked over ONVIF: their motion, and where their pictures are, without MQTT.

`MotionSubscription` listens to a camera's events, `find_picture_address` finds its picture. All of
it runs in a thread of its own, and neither zeep nor lxml is loaded before a camera needs them.
"""

from veroallarme_core.worker.onvif.motion_notices import Notification
from veroallarme_core.worker.onvif.onvif_address import (
    MISSING_EXTRA,
    OnvifAddress,
    OnvifError,
    can_speak_onvif,
)
from veroallarme_core.worker.onvif.picture_address import find_picture_address, prepare
from veroallarme_core.worker.onvif.subscription import (
    AUTO_END_S,
    MotionListener,
    MotionSubscription,
)

__all__ = [
    "AUTO_END_S",
    "MISSING_EXTRA",
    "MotionListener",
    "MotionSubscription",
    "Notification",
    "OnvifAddress",
    "OnvifError",
    "can_speak_onvif",
    "find_picture_address",
    "prepare",
]
