"""Whether one camera can be reached: its pictures be fetched, and its topics be heard."""

from __future__ import annotations

from veroallarme_core.contract import OFF, ON
from veroallarme_core.worker.camera.context import CameraContext
from veroallarme_core.worker.camera.publisher import CameraPublisher
from veroallarme_core.worker.snapshots import SnapshotError


class Connectivity:
    """Tells whenever it changes whether a camera can be reached.

    Args:
        context: of the camera.
        publisher: of the camera.
    """

    def __init__(self, context: CameraContext, publisher: CameraPublisher) -> None:
        self._context = context
        self._publisher = publisher
        self._is_reachable: bool | None = None
        self._is_heard = True

    @property
    def is_reachable(self) -> bool | None:
        """Whether the camera has given a picture when it was last asked; None before that."""
        return self._is_reachable

    @property
    def payload(self) -> bytes | None:
        """The connectivity as the contract writes it; None as long as it is not known."""
        if not self._is_heard:
            return OFF
        return None if self._is_reachable is None else (ON if self._is_reachable else OFF)

    def note_reachable(self, is_reachable: bool, fault: SnapshotError | None) -> None:
        """Take note whether the camera has given a picture, and why not."""
        if is_reachable:
            self._context.resolve("snapshots")
        else:
            trouble = fault or "no picture came in time: check the camera and its address"
            self._context.complain("snapshots", str(trouble))
        before = self.payload
        self._is_reachable = is_reachable
        self._publish_changed(before)

    def note_heard(self, is_heard: bool) -> None:
        """Take note whether the broker lets us hear the camera's triggers and pictures."""
        before = self.payload
        self._is_heard = is_heard
        self._publish_changed(before)

    def _publish_changed(self, before: bytes | None) -> None:
        payload = self.payload
        if payload != before:
            # What is not known any more is cleared.
            self._publisher.publish("connectivity", payload or b"")
