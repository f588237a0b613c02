"""When cameras are adapted: one at a time, at night, as they fill, and on command."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from veroallarme_core.contract import CameraSettings, CommandError, iso
from veroallarme_core.worker.camera import Adaptation, CameraLearning, Complain, Outcome, Resolve
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.config import LearningConfig
from veroallarme_core.worker.nightly.adaptation_process import (
    AdaptationProcessError,
    Guidance,
    run_adaptation,
    write_labels,
    write_zones,
)
from veroallarme_core.worker.storage import Storage

_LOGGER = logging.getLogger(__name__)

SettingsInForce = Callable[[], CameraSettings]
"""Tells the settings of a camera as they are now."""

TICK_S = 30.0
"""How often it is looked whether a camera is due; a clock may be set meanwhile."""


class Adaptations:
    """Adapts cameras, one after the other: at night, as they fill, and on command.

    Args:
        config: hour and promised recall.
        data_dir: holds the cameras' events.
        storage: knows the thumbs.
        adapted: called with the camera's id when an adaptation has ended.
        complain: see `WorkerServices`.
        resolve: see `WorkerServices`.
        detector: an object detector of the user's own, the one that judges.
        command: runs ``veroallarme``.
    """

    def __init__(
        self,
        config: LearningConfig,
        data_dir: Path,
        storage: Storage,
        adapted: Callable[[str], None],
        complain: Complain,
        resolve: Resolve,
        detector: Path | None = None,
        command: Sequence[str] = (sys.executable, "-m", "veroallarme_core"),
    ) -> None:
        self.command = tuple(command)
        self._config = config
        self._detector = detector
        self._data_dir = data_dir
        self._storage = storage
        self._adapted = adapted
        self._complain = complain
        self._resolve = resolve
        self._cameras: dict[str, tuple[CameraLearning, SettingsInForce]] = {}
        # Keeps the order of coming, and each camera once.
        self._queue: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._night: date | None = None
        self._looked_at: datetime | None = None

    def add(self, learning: CameraLearning, settings: SettingsInForce) -> None:
        """Adapt this camera from now on, by the settings that are in force by then."""
        self._cameras[learning.camera] = learning, settings

    def remove(self, camera: str) -> None:
        """Adapt this camera no more; what runs already ends."""
        self._cameras.pop(camera, None)
        self._queue.pop(camera, None)

    def request(self, camera: str) -> None:
        """Adapt a camera as soon as its turn comes, unless there is nothing new to learn from.

        Raises:
            CommandError: it learns nothing.
        """
        if camera not in self._cameras:
            raise CommandError(
                "this camera learns nothing: set learning.enabled and inference.enabled to true, "
                "and see the log's begin"
            )
        self._queue[camera] = None
        self._wake.set()

    async def run(self) -> None:
        """Adapt cameras as they are due, until cancelled; a running process is then killed."""
        while True:
            self._queue_due(datetime.now())
            while self._queue:
                camera = next(iter(self._queue))
                del self._queue[camera]
                try:
                    await self._adapt(*self._cameras[camera])
                except Exception as error:  # whatever is wrong with learning, alarms go on
                    _LOGGER.exception("%s: adaptation failed", camera)
                    self._failed(camera, repr(error))
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()

    def _queue_due(self, at: datetime) -> None:
        """Queue what is due at a moment of local time: at night all cameras, else full ones."""
        is_night = self._is_night(at)
        for camera, (learning, _) in self._cameras.items():
            if is_night or learning.is_due:
                self._queue[camera] = None

    def _is_night(self, at: datetime) -> bool:
        """Tell whether the hour of a night is here, or went by since it was last looked.

        An adaptation may run over it, and where summer time begins the clock leaves it out.
        """
        begins = at.replace(hour=self._config.hour, minute=0, second=0, microsecond=0)
        if at < begins:
            begins -= timedelta(days=1)
        looked_at, self._looked_at = self._looked_at, at
        went_by = looked_at is not None and looked_at < begins
        if begins.date() == self._night or not (at.hour == self._config.hour or went_by):
            return False
        self._night = begins.date()
        return True

    async def _adapt(self, learning: CameraLearning, settings: SettingsInForce) -> None:
        camera = learning.camera
        feedback = await self._storage.database(lambda store: store.feedback(camera))
        in_force = settings()
        guidance = Guidance(
            labels=write_labels(feedback),
            zones=write_zones(in_force.zones),
            objects=in_force.objects,
            recall=self._config.recall if in_force.recall is None else in_force.recall,
            detector=self._detector,
        )
        basis, last = learning.basis(repr(guidance)), learning.last
        if last is not None and last.outcome is not Outcome.FAILED and last.basis == basis:
            _LOGGER.info("%s: nothing new to learn from since %s", camera, last.at)
            return
        data_dir = self._data_dir / camera
        if not await asyncio.to_thread(data_dir.is_dir):
            _LOGGER.info("%s: no events to learn from yet", camera)
            return
        _LOGGER.info("%s: learning from its events", camera)
        started = time.monotonic()
        events, outcome = 0, Outcome.FAILED
        try:
            report = await run_adaptation(self.command, data_dir, learning.folder, guidance)
            events = report.events
            outcome = Outcome.LEARNED if report.learned else Outcome.LEARNING
        except (AdaptationProcessError, OSError) as error:
            self._failed(camera, str(error))
        seconds = time.monotonic() - started
        await learning.finish_adaptation(
            Adaptation(at=iso(now()), seconds=seconds, events=events, outcome=outcome, basis=basis)
        )
        if outcome is not Outcome.FAILED:
            for key in ("adaptation", "notice"):
                self._resolve(f"{camera}/{key}")
            _LOGGER.info("%s: %s from %d events, in %.0f s", camera, outcome, events, seconds)
        self._adapted(camera)

    def _failed(self, camera: str, reason: str) -> None:
        self._complain(
            f"{camera}/adaptation",
            f"{camera}: learning from its events failed, and what was learned before stays in "
            f"force: {reason}",
        )
