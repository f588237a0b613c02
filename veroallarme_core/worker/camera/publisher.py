"""What one camera tells the broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from veroallarme_core.contract import OFF, ON, Verdict, dump
from veroallarme_core.worker.camera.alarm import Alarm
from veroallarme_core.worker.camera.context import CameraContext
from veroallarme_core.worker.mqtt import Outgoing


class CameraPublisher:
    """Publishes on the topics of one camera, and keeps what is retained there.

    Args:
        context: of the camera.
        alarm: of the camera.
        last_verdict: of a former run, as the contract writes it; None where there is none.
    """

    def __init__(
        self, context: CameraContext, alarm: Alarm, last_verdict: Mapping[str, Any] | None
    ) -> None:
        self._context = context
        self._alarm = alarm
        self._verdict = None if last_verdict is None else dump(last_verdict)
        self._picture: bytes | None = None
        self._is_closed = False

    def publish(self, suffix: str, payload: bytes) -> None:
        """Publish state of the camera, retained."""
        self._send(self._state(suffix, payload))
        self._context.tell(suffix)

    def publish_alarm(self) -> None:
        """Publish whether the alarm is on."""
        self._send(self._alarm_state())
        self._context.tell("alarm")

    def publish_verdict(
        self, verdict: Verdict, picture: bytes | None, on_published: Callable[[], object]
    ) -> None:
        """Publish in the order of the contract: image, verdict, relevant, event."""
        payload = self._verdict = dump(verdict.to_dict())
        if picture is not None and self._context.config.publish_image:
            self._picture = picture
            self._send(self._state("image", picture))
        self._send(self._state("verdict", payload))
        self.publish_alarm()
        self.publish_event(payload, on_published)
        self._context.tell("verdict", verdict.event_id)

    def publish_event(self, payload: bytes, on_published: Callable[[], object]) -> None:
        """Publish a decision on the topic that automations listen to.

        Args:
            payload: the verdict, as the contract writes it.
            on_published: called once the broker has it.
        """
        self._send(
            Outgoing(
                topic=self._topic("event"), payload=payload, retain=False, on_published=on_published
            )
        )

    def retained(self, payloads: Mapping[str, bytes | None]) -> list[Outgoing]:
        """Return all retained state, in the order in which it is published.

        Args:
            payloads: of the topics that others keep, by the topic's suffix; None is left out.
        """
        kept = {**payloads, "image": self._picture, "verdict": self._verdict}
        state = [self._state(suffix, data) for suffix, data in kept.items() if data is not None]
        return [*state, self._alarm_state()]

    def close(self) -> None:
        """Publish nothing more: the camera has been removed."""
        self._is_closed = True

    def _alarm_state(self) -> Outgoing:
        """Return the alarm as it is; once the broker has it, it may end."""
        if not self._alarm.is_on:
            return self._state("relevant", OFF)
        return Outgoing(
            topic=self._topic("relevant"),
            payload=ON,
            retain=True,
            on_published=self._alarm.seen,
            on_refused=self._alarm.refused,
        )

    def _state(self, suffix: str, payload: bytes) -> Outgoing:
        return Outgoing(topic=self._topic(suffix), payload=payload, retain=True)

    def _topic(self, suffix: str) -> str:
        return self._context.services.topics.camera(self._context.id, suffix)

    def _send(self, message: Outgoing) -> None:
        if not self._is_closed:
            self._context.services.publish(message)
