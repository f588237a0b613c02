"""Brings the motion that a camera tells over ONVIF on the same way as that of MQTT."""

from __future__ import annotations

import asyncio
import logging

from veroallarme_core.worker.camera import CameraWorker, Signal
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.motion_sources import MotionSignal
from veroallarme_core.worker.mqtt import Listening
from veroallarme_core.worker.onvif import (
    AUTO_END_S,
    MotionSubscription,
    Notification,
    OnvifAddress,
    OnvifError,
)

_LOGGER = logging.getLogger(__name__)


class OnvifMotion:
    """Listens to one camera; a `MotionListener`.

    Args:
        camera: whose motion it is.
        address: where it is asked.
        listening: counts what comes, and knows whether it can be heard.
        complaints: tell why it cannot.
    """

    def __init__(
        self,
        camera: CameraWorker,
        address: OnvifAddress,
        listening: Listening,
        complaints: Complaints,
    ) -> None:
        self._camera = camera
        self._address = address
        self._listening = listening
        self._complaints = complaints
        self._subscription = MotionSubscription(address, self)

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._subscription.run()

    def heard(self, remark: str | None) -> None:
        """Take note that motion is heard from now on."""
        _LOGGER.info("%s: listens to the motion of %s", self._camera.id, self._address.shown)
        self._complaints.resolve(self._key("onvif"))
        if remark is None:
            self._complaints.resolve(self._key("onvif_topics"))
        else:
            sentence = f"{self._camera.id}: {self._address.shown}: {remark}"
            self._complaints.tell(self._key("onvif_topics"), sentence)
        self._note_refusal(None)

    def lost(self, error: OnvifError, pause_s: float) -> None:
        """Tell that no motion is heard, and why."""
        sentence = (
            f"the motion of {self._address.shown} cannot be heard, and is tried again after "
            f"{pause_s:.0f} s: {error}"
        )
        self._complaints.tell(self._key("onvif"), f"{self._camera.id}: {sentence}")
        self._note_refusal(sentence)

    def _key(self, about: str) -> str:
        return f"{self._camera.id}/{about}"

    def _note_refusal(self, sentence: str | None) -> None:
        camera = self._camera.id
        self._listening.asked(camera, self._address, sentence)
        self._camera.connectivity.note_heard(self._listening.can_hear(camera))

    async def take(self, signal: MotionSignal, notification: Notification) -> None:
        """Take a signal; returns once the start is journalled, or the end remembered."""
        self._listening.told(self._camera.id, self._address, signal)
        if signal not in {MotionSignal.START, MotionSignal.END}:
            return
        safe = asyncio.Event()
        told = Signal(
            received_at=now(),
            acknowledge=safe.set,
            trigger=self._subscription.origin_of(notification),
            shown=notification.shown,
        )
        if signal is MotionSignal.START:
            self._camera.motion.start(told, AUTO_END_S)
        else:
            self._camera.motion.end(told)
        await safe.wait()
