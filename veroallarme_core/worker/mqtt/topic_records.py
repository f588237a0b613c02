"""What one source of a camera's motion or pictures has brought, counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from veroallarme_core.contract import TopicHealth, Topics
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.config import CameraConfig
from veroallarme_core.worker.motion_sources import (
    MotionPayloadError,
    MotionSignal,
    Trigger,
    read_signal,
    show_payload,
)
from veroallarme_core.worker.mqtt.messages import Incoming
from veroallarme_core.worker.onvif import OnvifAddress
from veroallarme_core.worker.snapshots import BridgeSource, MqttImageSource


class Gives(StrEnum):
    """What a topic brings."""

    MOTION = "motion"
    PICTURES = "pictures"
    BURSTS = "bursts"
    """Motion together with its pictures, from Home Assistant."""


_SILENT = {
    Gives.MOTION: "no motion on this topic yet",
    Gives.PICTURES: "no picture on this topic yet",
    Gives.BURSTS: "no motion on this topic yet",
}


@dataclass(eq=False)
class TopicRecord:
    """What one topic has brought to one camera.

    Attributes:
        topic: The topic filter.
        gives: What it brings.
        count: Starts of motion, or pictures, so far.
        ends: Ends of motion.
        others: Messages about something else, such as another camera.
        past: Retained messages, which tell the past and are not taken.
        is_asked: Whether the camera itself is asked, over ONVIF, and no topic listened to.
        misunderstood: Messages that are neither start nor end.
        last_at: When the latest start or picture came.
        refusal: Why the broker does not let us listen; None where it does.
        mistake: What could not be understood since the latest start.
    """

    camera: str
    topic: str
    gives: Gives
    count: int = 0
    ends: int = 0
    others: int = 0
    past: int = 0
    misunderstood: int = 0
    last_at: datetime | None = None
    refusal: str | None = None
    mistake: str | None = None
    reported: set[str] = field(default_factory=set)
    is_asked: bool = False

    @property
    def note(self) -> str | None:
        """What is wrong with it, or that it has brought nothing yet; None where all is well."""
        if self.refusal is not None:
            return self.refusal
        if self.mistake is not None:
            return self.mistake
        if self.count:
            return None
        past = ", but for what the broker had retained: that tells the past" if self.past else ""
        return _SILENT[self.gives] + past

    def health(self) -> TopicHealth:
        """Return what the health says of it."""
        return TopicHealth(
            topic=self.topic,
            gives=self.gives.value,
            count=self.count,
            last_at=self.last_at,
            note=self.note,
        )

    def read(self, trigger: Trigger, payload: bytes, retained: bool) -> MotionSignal:
        """Judge a motion message and count it.

        Raises:
            MotionPayloadError: it cannot be understood.
        """
        try:
            signal = read_signal(trigger, payload, retained)
        except MotionPayloadError as error:
            self.misunderstood += 1
            self.mistake = str(error)
            raise
        self.count_signal(signal)
        return signal

    def count_signal(self, signal: MotionSignal) -> None:
        """Count what a message says."""
        match signal:
            case MotionSignal.START:
                self.count_wanted()
                self.mistake = None
            case MotionSignal.END:
                self.ends += 1
            case MotionSignal.PAST:
                self.past += 1
            case MotionSignal.OTHER:
                self.others += 1

    def sum_up(self) -> str:
        """Say what it has brought, and what to do where that is not what is wanted."""
        if self.refusal is not None:
            if self.is_asked:
                return f"CANNOT BE HEARD: {self.refusal}"
            return f"CANNOT BE HEARD: the broker refuses the subscription ({self.refusal})"
        counted = "pictures" if self.gives is Gives.PICTURES else "starts of motion"
        counts = {
            counted: self.count,
            "ends of motion": self.ends,
            "not understood": self.misunderstood,
            "retained": self.past,
            "about something else": self.others,
        }
        heard = ", ".join(f"{kind}: {count}" for kind, count in counts.items() if count)
        if self.count:
            return heard
        if not heard:
            return (
                "NEVER HEARD: check the topic, that the camera sends there, and that something has "
                "moved meanwhile"
            )
        remedy = "" if self.mistake is None else f"; {self.mistake}"
        return f"NO {counted.upper()} ({heard}){remedy}"

    def count_wanted(self) -> None:
        """Count a start or a picture."""
        self.count += 1
        self.last_at = now()


Key = Trigger | OnvifAddress | None
"""What a record is of: a trigger, a camera that tells its motion itself, or pictures and bursts."""


def topic_records(camera: CameraConfig, topics: Topics) -> dict[Key, TopicRecord]:
    """Return a record for each source of a camera's motion, and one for its pictures or bursts."""
    records: dict[Key, TopicRecord] = {
        trigger: TopicRecord(camera.id, trigger.topic, Gives.MOTION) for trigger in camera.triggers
    }
    if camera.onvif is not None:
        records[camera.onvif] = TopicRecord(
            camera.id, camera.onvif.shown, Gives.MOTION, is_asked=True
        )
    if isinstance(camera.source, MqttImageSource):
        records[None] = TopicRecord(camera.id, camera.source.topic, Gives.PICTURES)
    elif isinstance(camera.source, BridgeSource):
        records[None] = TopicRecord(camera.id, topics.camera("+", "burst"), Gives.BURSTS)
    return records


def show_message(message: Incoming) -> str:
    """Write a motion message for people."""
    return f"{show_payload(message.payload)} on {message.topic}"
