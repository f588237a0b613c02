"""Cameras that Home Assistant bridges: it defines them, and sends their motion with the frames."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import voluptuous as vol

from veroallarme_core.contract import (
    MAX_COMMAND_BYTES,
    AnalysisRequest,
    BridgedBurst,
    BridgedCamera,
    BridgedFrame,
    CameraSettings,
    CommandError,
    MotionEnd,
    require_id,
)
from veroallarme_core.files import write_atomically
from veroallarme_core.worker.camera import CameraWorker
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.config import BurstConfig, CameraConfig
from veroallarme_core.worker.mqtt import Incoming
from veroallarme_core.worker.site import Site
from veroallarme_core.worker.snapshots import BridgeSource, Burst, read_frames

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BRIDGED = 256
"""Cameras that are taken from messages."""
MAX_BURST_AGE = timedelta(minutes=5)
"""A burst that is older when it is sent comes from a clock that is behind. Home Assistant takes
pictures for 12 s, keeps a burst for a minute for a worker that restarts, and 30 s may pass until
the broker has it."""
MAX_CLOCK_LEAD = timedelta(minutes=1)
"""What comes from further ahead comes from a clock that is ahead: set clocks differ by seconds."""


class Bridge:
    """Carries out what Home Assistant says of its cameras.

    Args:
        site: its cameras.
        local: cameras of the configuration file, which no message changes.
        path: keeps the definitions over restarts, so that no event waits for the broker.
    """

    def __init__(self, site: Site, local: tuple[CameraConfig, ...], path: Path) -> None:
        self._site = site
        self._local = {camera.id: camera for camera in local}
        self._names = {camera.name.strip().casefold(): camera.id for camera in local}
        self._path = path

    def load(self) -> list[CameraConfig]:
        """Return the cameras that a former run has served, as far as they may be served now.

        Raises:
            OSError: the file is there but cannot be read.
        """
        try:
            content = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            _LOGGER.warning(
                "%s is damaged: the cameras that Home Assistant bridges are served again when it "
                "defines them", self._path,
            )  # fmt: skip
            return []
        cameras = []
        for camera, definition in content.items():
            # Whatever is wrong here is told when Home Assistant defines the camera again.
            with contextlib.suppress(CommandError):
                cameras.append(self._read(camera, json.dumps(definition).encode()))
        return cameras[:MAX_BRIDGED]

    def serves(self, camera: CameraWorker) -> bool:
        """Whether a camera is one that Home Assistant bridges."""
        return camera.id not in self._local

    async def define(self, camera: str, payload: bytes) -> None:
        """Add a camera, change it, or remove it where the payload is empty.

        Raises:
            CommandError: it cannot be; nothing has changed.
        """
        known = self._site.cameras.get(camera)
        if not payload:
            if known is not None and camera not in self._local:
                await self._site.remove_camera(camera)
                await self._save()
            return
        config = self._read(camera, payload)
        if known is not None and known.context.config == config:
            return
        if known is not None:
            known.context.config = config
            self._site.publish_info()
        elif len(self._site.cameras) - len(self._local) >= MAX_BRIDGED:
            raise CommandError(f"there are {MAX_BRIDGED} cameras already: remove one")
        else:
            await self._site.add_camera(config)
        await self._save()

    def _read(self, camera: str, payload: bytes) -> CameraConfig:
        require_camera_id(camera)
        definition = BridgedCamera.from_json(payload)
        if camera in self._local:
            raise CommandError(
                f"the worker's file has a camera {camera!r} already: take another id"
            )
        name = definition.name
        if (other := self._names.get(name.strip().casefold())) is not None:
            raise CommandError(
                f"the camera {other!r} of the worker's file has the name {name!r} already: take "
                "another name"
            )
        return CameraConfig(
            id=camera,
            name=name,
            triggers=(),
            source=BridgeSource(),
            burst=BurstConfig(size=definition.burst_size, spacing_s=definition.spacing_s),
            settings=CameraSettings(mode=definition.mode),
            reference_every_s=0.0,
        )

    async def _save(self) -> None:
        definitions = {
            camera.id: BridgedCamera(
                name=camera.context.config.name,
                burst_size=camera.context.config.burst.size,
                spacing_s=camera.context.config.burst.spacing_s,
                mode=camera.context.config.settings.mode,
            ).to_dict()
            for camera in self._site.cameras.values()
            if camera.id not in self._local
        }
        try:
            await asyncio.to_thread(write_atomically, self._path, json.dumps(definitions))
        except OSError as error:
            raise CommandError(
                f"it is served, but {self._path} cannot be written ({error}): check that the disk "
                "is writable and not full"
            ) from error

    async def take_burst(
        self,
        camera: CameraWorker,
        message: Incoming,
        received_at: datetime,
        not_before: datetime | None = None,
    ) -> bool:
        """Start an event with the frames that a message brings, unless it is known already.

        Args:
            camera: that it is of.
            message: from Home Assistant.
            received_at: when it came, UTC.
            not_before: since when it may have waited at the broker; None where it came at once.

        Returns:
            Whether it is a new one.

        Raises:
            CommandError: it is no burst, or the camera takes its bursts itself.
        """
        if camera.id in self._local:
            raise CommandError("the worker takes this camera's bursts itself: send none")
        sent = await read_large(BridgedBurst.from_json, message.payload)
        event_id = sent.event_id
        owner = await camera.motion.owner_of(event_id, redelivered=message.redelivered)
        if owner == camera.id:
            message.acknowledge()
            return False
        if owner is not None:
            raise CommandError(f"the event {event_id} is one of the camera {owner!r}: make new ids")
        ahead = clock_lead(sent, not_before or received_at, received_at)
        motion_at = min(sent.motion_at - ahead, received_at)
        frames = [replace(frame, captured_at=frame.captured_at - ahead) for frame in sent.frames]
        burst = await asyncio.to_thread(read_frames, frames, motion_at, received_at)
        camera.motion.note_clock(ahead)
        camera.motion.add_burst(event_id, motion_at, burst, message.acknowledge)
        return True

    def end_motion(self, camera: CameraWorker, message: Incoming) -> None:
        """End the motion of a burst; the message is acknowledged once that is remembered.

        Raises:
            CommandError: the payload says something else.
        """
        if camera.id in self._local:
            raise CommandError("the worker hears of this camera's motion itself: send no end")
        event_id = MotionEnd.from_json(message.payload).event_id
        camera.motion.end_burst(event_id, message.acknowledge)

    async def take_reference(
        self, camera: CameraWorker, message: Incoming, received_at: datetime
    ) -> None:
        """Take a picture without motion, unless something moves by now.

        Args:
            camera: that it is of.
            message: from Home Assistant.
            received_at: when it came, UTC.

        Raises:
            CommandError: it is no picture, or the camera takes its pictures itself.
        """
        if camera.id in self._local:
            raise CommandError("the worker takes this camera's pictures itself: send none")
        frame = await read_large(BridgedFrame.from_json, message.payload)
        # Whatever either clock says, it was taken just before it came.
        sent = replace(frame, captured_at=received_at)
        burst = await asyncio.to_thread(read_frames, [sent], received_at, received_at)
        if not burst.snapshots:
            raise CommandError(str(burst.errors[0]))
        await camera.reference_watch.take_from_home_assistant(burst.snapshots[0].data)

    async def burst_to_analyze(
        self, camera: CameraWorker, request: AnalysisRequest
    ) -> Burst | None:
        """Return the frames that came with an analysis; None where the worker takes them itself.

        Raises:
            CommandError: frames came where they may not, or none where they must.
        """
        frames = request.frames
        if camera.id in self._local:
            if frames is not None:
                raise CommandError("the worker takes this camera's bursts itself: send no frames")
            return None
        if not frames:
            raise CommandError(
                "only Home Assistant can take pictures of this camera: send them as frames"
            )
        newest = max(frame.captured_at for frame in frames)
        return await asyncio.to_thread(read_frames, frames, newest, now())


async def read_large(read: Callable[[bytes], T], payload: bytes) -> T:
    """Read a command, outside the event loop where it is large.

    Args:
        read: reads it, such as `BridgedBurst.from_json`.
        payload: the message as it came.

    Raises:
        CommandError: it is none.
    """
    if len(payload) <= MAX_COMMAND_BYTES:
        return read(payload)
    return await asyncio.to_thread(read, payload)


def require_camera_id(camera: str) -> None:
    """Refuse an id that could become no folder and no topic.

    Raises:
        CommandError: it is none.
    """
    try:
        require_id(camera)
    except vol.Invalid as error:
        raise CommandError(f"the camera's id {camera[:64]!r}: {error}") from None


def clock_lead(burst: BridgedBurst, earliest: datetime, latest: datetime) -> timedelta:
    """Return how far the clock of who sends a burst is ahead of ours; 0 where it may be right.

    Args:
        burst: as it was sent.
        earliest: first moment at which it may have been sent, by our clock.
        latest: last one.
    """
    # It is sent once the last picture is there.
    sent_at = max([burst.motion_at, *(frame.captured_at for frame in burst.frames)])
    if sent_at - latest > MAX_CLOCK_LEAD:
        return sent_at - latest
    if earliest - sent_at > MAX_BURST_AGE:
        return sent_at - earliest
    return timedelta()
