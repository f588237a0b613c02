"""The worker's health as it tells it: over MQTT now and then, and to who asks the endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from collections.abc import Callable, Mapping, Sequence

from veroallarme_core import __version__
from veroallarme_core.contract import Health, HealthError, dump_state
from veroallarme_core.pipeline import MODEL
from veroallarme_core.worker.camera import CameraWorker, JudgingThreads
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.mqtt import Backlog, Listening, Outgoing

HEALTH_EVERY_S = 60.0


class HealthReport:
    """Publishes the health every minute, and soon after it has changed.

    Args:
        topic: of the health.
        changed: set when there is something new to tell.
        cameras: of the site, by id.
        judging: knows what runs the networks.
        complaints: what is wrong.
        listening: what the topics have brought.
        backlog: told when the broker has the health.
        discovery: returns the word for MQTT discovery.
        publish: publishes it.
    """

    def __init__(
        self,
        topic: str,
        changed: asyncio.Event,
        cameras: Mapping[str, CameraWorker],
        judging: JudgingThreads,
        complaints: Complaints,
        listening: Listening,
        backlog: Backlog,
        discovery: Callable[[], str],
        publish: Callable[[Outgoing], None],
    ) -> None:
        self._topic = topic
        self._changed = changed
        self._cameras = cameras
        self._judging = judging
        self._complaints = complaints
        self._listening = listening
        self._backlog = backlog
        self._discovery = discovery
        self._publish = publish
        self._remembering: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Publish the health until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEALTH_EVERY_S):
                    await self._changed.wait()
            self._changed.clear()
            self._publish(self.message())
            await asyncio.sleep(1.0)

    def message(self) -> Outgoing:
        """Return the health as it is now."""
        return Outgoing(
            self._topic,
            self._payload(),
            retain=True,
            on_published=self._note_published,
            # It tells the time, and the next one comes soon.
            is_tried_again=False,
        )

    def _note_published(self) -> None:
        """Take note that the broker was there: what comes after a kill is dated by that."""
        self._backlog.heard()
        task = asyncio.create_task(asyncio.to_thread(self._backlog.remember))
        self._remembering.add(task)
        task.add_done_callback(self._remembering.discard)

    def _payload(self) -> bytes:
        errors, discovery = self._complaints.shown(), self._discovery()
        health = Health(
            sentence=summary(len(self._cameras), errors, discovery),
            version=__version__,
            sent_at=now(),
            backend=self._judging.runtime or "opencv",
            model=MODEL,
            queue={camera.id: len(camera.queue) for camera in self._cameras.values()},
            memory_mb=peak_memory_mb(),
            errors=errors,
            discovery=discovery,
            topics=self._listening.state(),
        )
        return dump_state(health.to_dict())


def summary(cameras: int, errors: Sequence[HealthError], discovery: str) -> str:
    """Say in a sentence how the worker is, for who looks at the broker.

    Args:
        cameras: how many it serves.
        errors: what is not resolved, the latest first.
        discovery: the word for MQTT discovery.
    """
    served = {0: "no camera is served yet", 1: "one camera is served"}
    watched = served.get(cameras, f"{cameras} cameras are served")
    if not errors:
        sentence = f"All is well, {watched}"
    elif len(errors) == 1:
        sentence = f"One thing is wrong ({watched}): {errors[0].message}"
    else:
        sentence = f"{len(errors)} things are wrong ({watched}), the latest: {errors[0].message}"
    if discovery == "withdrawn":
        sentence = (
            sentence.rstrip(".")
            + "; MQTT discovery is withdrawn, because Home Assistant's integration is there"
        )
    return sentence.rstrip(".") + "."


def peak_memory_mb() -> float:
    """Return the largest resident size that this process has had, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kilobytes, macOS bytes.
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
