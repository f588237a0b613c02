"""What each topic that a camera depends on has brought, and what could not be made of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from veroallarme_core.contract import BRIDGED, TopicHealth, Topics
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.config import CameraConfig
from veroallarme_core.worker.motion_sources import (
    MotionPayloadError,
    MotionSignal,
    Trigger,
)
from veroallarme_core.worker.mqtt.messages import Incoming
from veroallarme_core.worker.mqtt.refusals import Refusal
from veroallarme_core.worker.mqtt.topic_records import (
    Gives,
    Key,
    TopicRecord,
    show_message,
    topic_records,
)
from veroallarme_core.worker.onvif import OnvifAddress

_LOGGER = logging.getLogger(__name__)

MAX_REPORTED = 8
"""Values of one trigger that are told to be neither start nor end; a counter would go on."""


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
        self._records: dict[str, dict[Key, TopicRecord]] = {}
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

    def told(self, camera: str, address: OnvifAddress, signal: MotionSignal) -> None:
        """Count what a camera has told over ONVIF."""
        record = self._records.get(camera, {}).get(address)
        if record is not None:
            before = record.note
            record.count_signal(signal)
            if record.note != before:
                self._changed()

    def asked(self, camera: str, address: OnvifAddress, fault: str | None) -> None:
        """Take note why a camera's motion cannot be heard over ONVIF; None where it can."""
        record = self._records.get(camera, {}).get(address)
        if record is not None and record.refusal != fault:
            record.refusal = fault
            self._changed()

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
            for key, record in records.items():
                if not isinstance(key, OnvifAddress):
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
