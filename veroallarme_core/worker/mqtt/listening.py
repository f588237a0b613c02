"""What each topic that a camera depends on has brought, and what could not be made of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from veroallarme_core.contract import BRIDGED, TopicHealth, Topics
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.config import CameraConfig
from veroallarme_core.worker.motion_sources import (
    MotionPayloadError,
    MotionSignal,
    Trigger,
    read_signal,
    show_payload,
)
from veroallarme_core.worker.mqtt.messages import Incoming
from veroallarme_core.worker.mqtt.refusals import Refusal
from veroallarme_core.worker.snapshots import BridgeSource, MqttImageSource

_LOGGER = logging.getLogger(__name__)

MAX_REPORTED = 8
"""Values of one trigger that are told to be neither start nor end; a counter would go on."""


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
        return signal

    def sum_up(self) -> str:
        """Say what it has brought, and what to do where that is not what is wanted."""
        if self.refusal is not None:
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


def topic_records(camera: CameraConfig, topics: Topics) -> dict[Trigger | None, TopicRecord]:
    """Return a record for each trigger of a camera, and one (None) for its pictures or bursts."""
    records: dict[Trigger | None, TopicRecord] = {
        trigger: TopicRecord(camera.id, trigger.topic, Gives.MOTION) for trigger in camera.triggers
    }
    if isinstance(camera.source, MqttImageSource):
        records[None] = TopicRecord(camera.id, camera.source.topic, Gives.PICTURES)
    elif isinstance(camera.source, BridgeSource):
        records[None] = TopicRecord(camera.id, topics.camera("+", "burst"), Gives.BURSTS)
    return records


def show_message(message: Incoming) -> str:
    """Write a motion message for people."""
    return f"{show_payload(message.payload)} on {message.topic}"


def _payload_key(record: TopicRecord) -> str:
    return f"{record.camera}/payload/{record.topic}"


class Listening:
    """Knows what the topics of the site's cameras have brought.

    Args:
        topics: of the site.
        echo: the topic of what the worker says to itself.
        birth_topic: where Home Assistant tells that it has started.
        complaints: tells people what is wrong.
        changed: called when the health has something new to say.
    """

    def __init__(
        self,
        topics: Topics,
        echo: str,
        birth_topic: str,
        complaints: Complaints,
        changed: Callable[[], None],
    ) -> None:
        self._topics = topics
        self._echo = echo
        self._birth_topic = birth_topic
        self._complaints = complaints
        self._changed = changed
        self._records: dict[str, dict[Trigger | None, TopicRecord]] = {}
        self._refused: dict[str, str] = {}

    def add(self, camera: CameraConfig) -> None:
        """Begin to listen for a camera."""
        records = self._records[camera.id] = topic_records(camera, self._topics)
        for record in records.values():
            record.refusal = self._refused.get(record.topic)
        self._changed()

    def remove(self, camera: str) -> None:
        """Forget a camera."""
        self._records.pop(camera, None)
        self._changed()

    def is_refused(self, topic: str) -> bool:
        """Tell whether the broker refuses a subscription."""
        return topic in self._refused

    def can_hear(self, camera: str) -> bool:
        """Tell whether the broker lets us listen to all that a camera depends on."""
        return all(record.refusal is None for record in self._records.get(camera, {}).values())

    def state(self) -> dict[str, list[TopicHealth]]:
        """Return what the health says of the topics, by camera."""
        return {
            camera: [record.health() for record in records.values()]
            for camera, records in self._records.items()
        }

    def records(self, camera: str) -> list[TopicRecord]:
        """Return what each topic of a camera has brought."""
        return list(self._records.get(camera, {}).values())

    @property
    def is_deaf(self) -> bool:
        """Whether any camera cannot be heard."""
        return not all(self.can_hear(camera) for camera in self._records)

    # --- what comes ------------------------------------------------------------------------

    def motion(self, camera: str, trigger: Trigger, message: Incoming) -> MotionSignal | None:
        """Judge a motion message, and tell once where it is none.

        Returns:
            What it says, or None where it cannot be understood.
        """
        record = self._records[camera][trigger]
        before = record.note
        signal: MotionSignal | None = None
        try:
            signal = record.read(trigger, message.payload, message.retain)
        except MotionPayloadError as error:
            self._tell_misunderstood(record, str(error))
        if signal is MotionSignal.START:
            self._complaints.resolve(_payload_key(record))
        elif signal is MotionSignal.PAST and record.past == 1:
            _LOGGER.info("%s: retained, so it tells the past and is not taken: %s",
                         camera, show_message(message))  # fmt: skip
        if record.note != before:
            self._changed()
        return signal

    def _tell_misunderstood(self, record: TopicRecord, sentence: str) -> None:
        if sentence in record.reported or len(record.reported) > MAX_REPORTED:
            return
        full = len(record.reported) == MAX_REPORTED
        more = (
            f"{MAX_REPORTED} messages on topic {record.topic} were neither start nor end: "
            "no more are told"
        )
        if self._complaints.tell_each(
            _payload_key(record), f"{record.camera}: {more if full else sentence}"
        ):
            record.reported.add(sentence)

    def picture(self, camera: str, message: Incoming) -> None:
        """Count a picture."""
        self._count(camera, retained=message.retain)

    def burst(self, camera: str) -> None:
        """Count a burst that was taken."""
        self._count(camera, retained=False)

    def _count(self, camera: str, *, retained: bool) -> None:
        record = self._records.get(camera, {}).get(None)
        if record is None:
            return
        before = record.note
        if retained:
            record.past += 1
        else:
            record.count_wanted()
        if record.note != before:
            self._changed()

    # --- what the broker refuses -------------------------------------------------------------

    def answered(self, refused: Mapping[str, Refusal]) -> None:
        """Take note of the subscriptions that the broker refuses; all others it has granted."""
        before = self._refused
        self._refused = {
            topic: f"the broker refuses the subscription to {topic} ({refusal.reason}): "
            f"{self._loss(topic)}; {refusal.remedy}"
            for topic, refusal in refused.items()
        }
        for records in self._records.values():
            for record in records.values():
                record.refusal = self._refused.get(record.topic)
        for topic in before.keys() - refused.keys():
            self._complaints.resolve(f"subscription/{topic}")
            _LOGGER.info("the broker grants the subscription to %s now", topic)
        for topic, sentence in self._refused.items():
            self._complaints.tell(f"subscription/{topic}", sentence)
        if self._refused != before:
            self._changed()

    def _loss(self, topic: str) -> str:
        """Say what a refused subscription takes from us."""
        losses = []
        for gives, lost in ((Gives.MOTION, "motion"), (Gives.PICTURES, "pictures")):
            cameras = [
                camera
                for camera, records in self._records.items()
                if any(
                    record.topic == topic and record.gives is gives for record in records.values()
                )
            ]
            if cameras:
                losses.append(f"{lost} of {', '.join(cameras)} cannot be heard")
        if (command := self._topics.command(topic)) is not None:
            if command[1] in BRIDGED:
                losses.append("the cameras that Home Assistant bridges cannot be heard")
            else:
                losses.append(f"the command {command[1]} cannot be heard")
        if topic == self._echo:
            losses.append(
                "motion in the first seconds of a connection may have waited and raises the alarm"
            )
        if topic == self._topics.integration("+"):
            losses.append(
                "whether Home Assistant's integration is there cannot be known, and MQTT "
                "discovery is withheld"
            )
        if topic == self._birth_topic:
            losses.append("a start of Home Assistant goes unnoticed")
        return " and ".join(losses)
