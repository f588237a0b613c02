"""What the parts of one camera share."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from veroallarme_core.contract import CameraSettings, Topics
from veroallarme_core.worker.camera.judging import JudgingThreads
from veroallarme_core.worker.config import CameraConfig
from veroallarme_core.worker.mqtt import Outgoing
from veroallarme_core.worker.storage import Storage

STORAGE_ERRORS = (OSError, sqlite3.Error, RuntimeError, TimeoutError)
"""What a full disk, a locked database or a closing worker ends in."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class WorkerServices:
    """What the worker gives to each of its cameras."""

    topics: Topics
    storage: Storage
    judging: JudgingThreads
    publish: Callable[[Outgoing], None]
    complain: Callable[[str, str], None]
    """Log a sentence (at most once a minute per key) and show it in the worker's health."""
    resolve: Callable[[str], None]
    """Take back a complaint, by its key."""
    tell: Callable[[str, str, str | None], None] = lambda kind, camera, event_id: None
    """Tell who looks that something has changed; see `Changes`."""


class CameraContext:
    """The configuration and settings of one camera as they are now, its tasks and complaints.

    Args:
        config: of the camera; Home Assistant may change that of a camera that it bridges.
        settings: those of the file, changed by what the user has set since.
        services: what the worker gives.
    """

    def __init__(
        self, config: CameraConfig, settings: CameraSettings, services: WorkerServices
    ) -> None:
        self.config = config
        self.settings = settings
        self.services = services
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def id(self) -> str:
        """The camera's id."""
        return self.config.id

    def complain(self, about: str, sentence: str) -> None:
        """Tell people what is wrong with the camera.

        Args:
            about: what it is about; by it the complaint is taken back.
            sentence: what is wrong, and what to do.
        """
        self.services.complain(f"{self.id}/{about}", f"{self.id}: {sentence}")

    def tell(self, kind: str, event_id: str | None = None) -> None:
        """Tell who looks that something of the camera has changed; see `Changes`."""
        self.services.tell(kind, self.id, event_id)

    def resolve(self, about: str) -> None:
        """Take a complaint back."""
        self.services.resolve(f"{self.id}/{about}")

    @property
    def is_busy(self) -> bool:
        """Whether anything still runs beside the events, such as a write."""
        return bool(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do something beside the events; `finish` waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self) -> None:
        """Wait for all that runs beside the events."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
