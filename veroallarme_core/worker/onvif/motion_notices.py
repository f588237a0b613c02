"""Which of a camera's ONVIF notifications tell of motion, and what they tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from veroallarme_core.worker.motion_sources import MotionSignal, show_payload

_MOTION = re.compile(
    r"videosource/motionalarm"
    r"|videoanalytics/motion\w*(/.*)?"
    r"|cameraapplicationplatform/vmd/.*"
    r"|ruleengine/("
    r"cellmotiondetector|motionregiondetector|fielddetector|linedetector|loiteringdetector"
    r"|objectdetection|peopledetector|tpsmarteventdetector|myruledetector"
    r")(/.*)?"
)
"""What the standard and the makers call motion: Hikvision and Dahua CellMotionDetector and
MotionAlarm, Reolink MyRuleDetector beside them, TP-Link (Tapo) CellMotionDetector, PeopleDetector
and TPSmartEventDetector, Axis VMD."""
_OTHER = re.compile(r"tamper|globalscenechange|toobright|toodark|tooblurry", re.I)
"""What the same rules tell besides: somebody at the lens is no motion before it."""
_STATE = re.compile(r"is\w+|\w*(state|active|motion|alarm|value)", re.I)
"""The names of states; an ObjectId of 1 is none."""
_TRUE, _FALSE = {"true", "1", "on"}, {"false", "0", "off"}
MAX_NAME = 120


@dataclass(frozen=True)
class Notification:
    """What a camera tells, as it came.

    Attributes:
        topic: Such as tns1:RuleEngine/CellMotionDetector/Motion.
        operation: Initialized, Changed, Deleted, or empty.
        source: Of what it tells, by name, such as {"VideoSourceConfigurationToken": "000"}.
        data: What it tells, by name, such as {"IsMotion": "true"}.
    """

    topic: str
    operation: str
    source: Mapping[str, str]
    data: Mapping[str, str]

    @property
    def name(self) -> str:
        """The topic without namespaces, in small letters."""
        return plain_topic(self.topic)

    @property
    def origin(self) -> str:
        """Whose motion it tells: an end ends the motion of the same origin alone."""
        parts = [self.name, *(f"{name}={self.source[name]}" for name in sorted(self.source))]
        return "onvif/" + "/".join(parts)[:MAX_NAME]

    @property
    def shown(self) -> str:
        """What a log says of it."""
        told = ", ".join(f"{name}={value}" for name, value in self.data.items())
        return f"{show_payload(told)} on {show_payload(self.topic)}"


def plain_topic(topic: str) -> str:
    """Leave out the namespaces' prefixes, which every camera chooses as it likes."""
    return "/".join(part.rpartition(":")[2] for part in topic.strip().strip("/").split("/")).lower()


def is_motion_topic(topic: str) -> bool:
    """Tell whether a topic is about motion."""
    name = plain_topic(topic)
    return _MOTION.fullmatch(name) is not None and _OTHER.search(name) is None


def signal_of(notification: Notification, sources: Iterable[Collection[str]]) -> MotionSignal:
    """Judge a notification.

    Args:
        notification: What came.
        sources: The tokens by which the device names each of its cameras, ours first. What names
            another one's is not ours; what names none of them is taken for ours.
    """
    if not is_motion_topic(notification.topic) or notification.operation.lower() == "deleted":
        return MotionSignal.OTHER
    ours, *others = sources
    told = set(notification.source.values())
    if told.isdisjoint(ours) and any(not told.isdisjoint(other) for other in others):
        return MotionSignal.OTHER
    about = {name: value for name, value in notification.data.items() if not _OTHER.search(name)}
    if notification.data and not about:
        return MotionSignal.OTHER
    states = {value.strip().lower() for name, value in about.items() if _STATE.fullmatch(name)}
    if states & _TRUE:
        return MotionSignal.START
    # A rule without a state, such as a line that was crossed, tells that something has happened.
    return MotionSignal.END if states & _FALSE else MotionSignal.START
