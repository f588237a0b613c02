"""Fetches the pictures of one camera: bursts for events and analyses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from veroallarme_core.contract import FrameCounts
from veroallarme_core.worker.camera.connectivity import Connectivity
from veroallarme_core.worker.camera.context import CameraContext
from veroallarme_core.worker.camera.pending_event import FetchedFrames
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.snapshots import Burst, SnapshotClient, take_burst


class CameraPictures:
    """Takes bursts, those of events before those of analyses.

    Args:
        context: of the camera.
        client: gives its snapshots.
        connectivity: of the camera.
    """

    def __init__(
        self, context: CameraContext, client: SnapshotClient, connectivity: Connectivity
    ) -> None:
        self._context = context
        self._client = client
        self._connectivity = connectivity
        self._interruptible: asyncio.Task[FetchedFrames] | None = None

    async def take(self, motion_at: datetime) -> FetchedFrames:
        """Take a burst.

        Args:
            motion_at: the moment of which pictures are wanted.
        """
        started = time.monotonic()
        options = self._context.config.burst
        burst = await take_burst(
            self._client,
            size=options.size,
            spacing_s=options.spacing_s,
            limit_s=options.limit_s,
            max_age_s=options.max_age_s,
            motion_at=motion_at,
        )
        return self.note_burst(burst, fetch_ms=(time.monotonic() - started) * 1e3)

    def note_burst(self, burst: Burst, fetch_ms: float) -> FetchedFrames:
        """Take note of what came of a burst."""
        fault = burst.errors[0] if burst.errors else None
        self._connectivity.note_reachable(bool(burst.fetched), fault)
        # Clocks of two machines differ a little, and no picture comes from the future.
        arrived_at = now()
        ages = [shot.age_ms for shot in burst.snapshots if shot.age_ms is not None]
        return FetchedFrames(
            frames=[shot.data for shot in burst.snapshots],
            taken_at=tuple(min(shot.captured_at, arrived_at) for shot in burst.snapshots),
            counts=FrameCounts(
                requested=burst.requested,
                fetched=burst.fetched,
                distinct=burst.distinct,
                age_ms=max(ages, default=None),
            ),
            fetch_ms=fetch_ms,
            fault=fault,
        )

    async def take_between_events(self, until_idle: Callable[[], Awaitable[None]]) -> FetchedFrames:
        """Take a burst while no event needs the camera; one that is interrupted is repeated.

        Args:
            until_idle: waits until no event runs.
        """
        while True:
            await until_idle()
            burst = self._interruptible = asyncio.create_task(self.take(now()))
            try:
                await asyncio.wait({burst})
            finally:
                burst.cancel()
                self._interruptible = None
            if not burst.cancelled():
                return burst.result()

    @property
    def is_between_events(self) -> bool:
        """Whether a burst is taken that an event interrupts."""
        return self._interruptible is not None

    def interrupt(self) -> None:
        """Leave the camera to an event."""
        if self._interruptible is not None:
            self._interruptible.cancel()
