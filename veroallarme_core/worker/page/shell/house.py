"""What the pages may use of the worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from veroallarme_core.worker.camera import CameraWorker
from veroallarme_core.worker.changes import Changes
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.config import WorkerConfig
from veroallarme_core.worker.history import PastEvents
from veroallarme_core.worker.mqtt import Listening
from veroallarme_core.worker.nightly import Adaptations
from veroallarme_core.worker.page.shell.rendering import words_of
from veroallarme_core.worker.storage import Storage
from veroallarme_core.worker.web import Condition


@dataclass(frozen=True, kw_only=True)
class House:
    """The worker as the pages see it.

    Attributes:
        config: Of the worker.
        cameras: Those served at this moment, by id; cameras come and go.
        storage: Holds verdicts, thumbs and frames.
        past_events: Answers questions about them.
        adaptations: Adapt cameras, at night or on request.
        complaints: What is wrong.
        listening: What the cameras' topics have brought.
        condition: Tells how the worker is.
        changes: Tells what changes, as it does.
    """

    config: WorkerConfig
    cameras: Mapping[str, CameraWorker]
    storage: Storage
    past_events: PastEvents
    adaptations: Adaptations
    complaints: Complaints
    listening: Listening
    condition: Callable[[], Condition]
    changes: Changes

    def camera(self, request: web.Request) -> CameraWorker:
        """Return the camera that the address of a request names as ``{camera}``.

        Raises:
            web.HTTPNotFound: There is none.
        """
        name = request.match_info["camera"]
        camera = self.cameras.get(name)
        if camera is None:
            raise web.HTTPNotFound(text=words_of(request)("failed.no_camera", camera=name))
        return camera
