"""Which MQTT messages tell of motion.

A `Trigger` describes the messages of one camera, and `read_signal` says of one message whether it
is a start or an end. Topic filters and JSON paths are checked here for all who use them.
"""

from veroallarme_core.worker.motion_sources.motion_messages import (
    ANY_VALUE,
    MotionPayloadError,
    MotionSignal,
    Trigger,
    check_topic_filter,
    look_up,
    plain_text,
    read_signal,
    show_payload,
    topic_matches,
)

__all__ = [
    "ANY_VALUE",
    "MotionPayloadError",
    "MotionSignal",
    "Trigger",
    "check_topic_filter",
    "look_up",
    "plain_text",
    "read_signal",
    "show_payload",
    "topic_matches",
]
