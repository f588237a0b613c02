"""What each topic that a camera depends on has brought, and what could not be made of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from veroallarme_core.contract import BRIDGED, TopicHealth, Topics
from veroallarme_core.worker.camera.alarm import now
from veroallarme_core.contract.messages import BRIDGED, Topics
from veroallarme_core.contract.verdict import iso
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

MAX_TOLD = 8
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
class Ear:
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
    told: set[str] = field(default_factory=set)

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

    def hear(self, trigger: Trigger, payload: bytes, retained: bool) -> MotionSignal:
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
                self.bring()
                self.mistake = None
            case MotionSignal.END:
                self.ends += 1
            case MotionSignal.PAST:
                self.past += 1
            case MotionSignal.OTHER:
                self.others += 1
        return signal

    def bring(self) -> None:
        """Count a start or a picture."""
        self.count += 1
        self.last_at = now()


def ears_of(camera: CameraConfig, topics: Topics) -> dict[Trigger | None, Ear]:
    """Return an ear for each trigger of a camera, and one (None) for its pictures or bursts."""
    ears: dict[Trigger | None, Ear] = {
        trigger: Ear(camera.id, trigger.topic, Gives.MOTION) for trigger in camera.triggers
    }
    if isinstance(camera.source, MqttImageSource):
        ears[None] = Ear(camera.id, camera.source.topic, Gives.PICTURES)
    elif isinstance(camera.source, BridgeSource):
        ears[None] = Ear(camera.id, topics.camera("+", "burst"), Gives.BURSTS)
    return ears


def show_message(message: Incoming) -> str:
    """Write a motion message for people."""
    return f"{show_payload(message.payload)} on {message.topic}"


def _payload_key(ear: Ear) -> str:
    return f"{ear.camera}/payload/{ear.topic}"


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
        self._ears: dict[str, dict[Trigger | None, Ear]] = {}
        self._refused: dict[str, str] = {}

    def add(self, camera: CameraConfig) -> None:
        """Begin to listen for a camera."""
        ears = self._ears[camera.id] = ears_of(camera, self._topics)
        for ear in ears.values():
            ear.refusal = self._refused.get(ear.topic)
        self._changed()

    def remove(self, camera: str) -> None:
        """Forget a camera."""
        self._ears.pop(camera, None)
        self._changed()

    def is_refused(self, topic: str) -> bool:
        """Tell whether the broker refuses a subscription."""
        return topic in self._refused

    def can_hear(self, camera: str) -> bool:
        """Tell whether the broker lets us listen to all that a camera depends on."""
        return all(ear.refusal is None for ear in self._ears.get(camera, {}).values())

    def state(self) -> dict[str, list[TopicHealth]]:
        """Return what the health says of the topics, by camera."""
        return {
            camera: [ear.health() for ear in ears.values()] for camera, ears in self._ears.items()
        }

    @property
    def is_deaf(self) -> bool:
        """Whether any camera cannot be heard."""
        return not all(self.can_hear(camera) for camera in self._ears)

    # --- what comes ------------------------------------------------------------------------

    def motion(self, camera: str, trigger: Trigger, message: Incoming) -> MotionSignal | None:
        """Judge a motion message, and tell once where it is none.

        Returns:
            What it says, or None where it cannot be understood.
        """
        ear = self._ears[camera][trigger]
        before = ear.note
        signal: MotionSignal | None = None
        try:
            signal = ear.hear(trigger, message.payload, message.retain)
        except MotionPayloadError as error:
            self._tell_misunderstood(ear, str(error))
        if signal is MotionSignal.START:
            self._complaints.resolve(_payload_key(ear))
        elif signal is MotionSignal.PAST and ear.past == 1:
            _LOGGER.info("%s: retained, so it tells the past and is not taken: %s",
                         camera, show_message(message))  # fmt: skip
        if ear.note != before:
            self._changed()
        return signal

    def _tell_misunderstood(self, ear: Ear, sentence: str) -> None:
        if sentence in ear.told or len(ear.told) > MAX_TOLD:
            return
        full = len(ear.told) == MAX_TOLD
        more = (
            f"{MAX_TOLD} messages on topic {ear.topic} were neither start nor end: no more are told"
        )
        if self._complaints.tell_each(
            _payload_key(ear), f"{ear.camera}: {more if full else sentence}"
        ):
            ear.told.add(sentence)

    def picture(self, camera: str, message: Incoming) -> None:
        """Count a picture."""
        self._bring(camera, retained=message.retain)

    def burst(self, camera: str) -> None:
        """Count a burst that was taken."""
        self._bring(camera, retained=False)

    def _bring(self, camera: str, *, retained: bool) -> None:
        ear = self._ears.get(camera, {}).get(None)
        if ear is None:
            return
        before = ear.note
        if retained:
            ear.past += 1
        else:
            ear.bring()
        if ear.note != before:
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
        for ears in self._ears.values():
            for ear in ears.values():
                ear.refusal = self._refused.get(ear.topic)
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
        for gives, what in ((Gives.MOTION, "motion"), (Gives.PICTURES, "pictures")):
            cameras = [
                camera
                for camera, ears in self._ears.items()
                if any(ear.topic == topic and ear.gives is gives for ear in ears.values())
            ]
            if cameras:
                losses.append(f"{what} of {', '.join(cameras)} cannot be heard")
        if (command := self._topics.command(topic)) is not None:
            if command[1] in BRIDGED:
                losses.append("the cameras that Home Assistant bridges cannot be heard")
            else:
                losses.append(f"the command {command[1]} cannot be heard")
        if topic == self._echo:
            losses.append(
                "motion in the first seconds of a connection may have waited and raises the alarm"
            )
        if topic == self._birth_topic:
            losses.append("a start of Home Assistant goes unnoticed")
        return " and ".join(losses)
