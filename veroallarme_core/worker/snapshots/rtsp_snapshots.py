"""Snapshots out of a video stream over RTSP: the last resort, for cameras without pictures."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import datetime

import cv2

from veroallarme_core.worker.snapshots.rtsp_greeting import greet
from veroallarme_core.worker.snapshots.rtsp_source import RtspSource
from veroallarme_core.worker.snapshots.rtsp_stream import Picture, RtspStream
from veroallarme_core.worker.snapshots.snapshots import Snapshot, SnapshotError, closed

IDLE_S = 3.0
"""A stream that nobody has asked for so long is ended: the burst is over, and decoding costs."""
CATCH_UP_LIMIT_S = 1.0
"""How long a relay may take to send what it had kept since its last keyframe."""
LOOK_AGAIN_S = 0.25
QUALITY = 92
"""Of the JPEG; lower makes blocks that look like motion between two pictures of a still scene."""


class RtspSnapshotClient:
    """Gives the newest picture of a stream; decodes only while it is asked.

    There is one decoder at most: one that hangs in the network is waited for, never doubled.
    """

    def __init__(self, source: RtspSource) -> None:
        """Prepare; nothing is opened before the first fetch."""
        self._source = source
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._stream: RtspStream | None = None
        self._ending: RtspStream | None = None
        self._given = 0  # number of the last picture that was given of the stream
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False

    async def fetch(self, moment: datetime) -> Snapshot:
        """Give the newest picture, one that no fetch before was given; the moment is the present.

        `age_ms` tells how long the picture had to be waited for where the stream had to be opened,
        which is mostly the wait for its next keyframe, else how long ago it came.
        """
        async with self._lock:
            if self._closed:
                raise closed(self._source.shown_url)
            self._stop_timer()
            try:
                async with asyncio.timeout(self._source.timeout_s):
                    picture, age_s = await self._next_picture()
                    data = await asyncio.to_thread(_encode, picture)
            except TimeoutError:
                self._end_stream()
                raise SnapshotError(
                    "timeout",
                    f"{self._source.shown_url} gave no whole picture within "
                    f"{self._source.timeout_s:g} s: let the camera send a keyframe every second, "
                    "or increase timeout_s",
                ) from None
            finally:
                if self._stream is not None:
                    loop = asyncio.get_running_loop()
                    self._idle = loop.call_later(IDLE_S, self._end_stream)
        return Snapshot(data, picture.came_at, round(age_s * 1000))

    async def close(self) -> None:
        """End the stream and a fetch that waits, and refuse later fetches."""
        self._closed = True
        self._stop_timer()
        self._end_stream()
        self._changed.set()

    async def _next_picture(self) -> tuple[Picture, float]:
        """Wait for a picture that was not given before; return it and its age in seconds."""
        asked_s = time.monotonic()
        is_opened = False
        while not self._closed:
            self._changed.clear()
            if self._stream is None:
                if not self._is_ending():
                    await greet(self._source)
                    self._open_stream()
                    is_opened = True
                    continue
            elif (picture := self._new_picture(self._stream)) is not None:
                self._given = picture.number
                since_s = asked_s if is_opened else time.monotonic()
                return picture, abs(picture.came_s - since_s)
            elif not self._stream.is_running:
                fault, self._stream = self._stream.fault, None
                if is_opened and fault is not None:
                    raise fault
                continue  # it has ended since the fetch before
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._changed.wait()
        raise closed(self._source.shown_url)

    def _new_picture(self, stream: RtspStream) -> Picture | None:
        """Return the newest picture, once it is of the present and was not given before."""
        picture, first_s = stream.newest, stream.first_s
        if picture is None or first_s is None or picture.number <= self._given:
            return None
        has_caught_up = (
            stream.is_live
            or not stream.is_running
            or time.monotonic() - first_s >= CATCH_UP_LIMIT_S
        )
        return picture if has_caught_up else None

    def _open_stream(self) -> None:
        loop, changed = asyncio.get_running_loop(), self._changed

        def tell() -> None:
            # The loop may have ended before the thread does.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(changed.set)

        self._given = 0
        self._stream = RtspStream(self._source, tell)

    def _is_ending(self) -> bool:
        """Whether the decoder before still lives: one camera never has two."""
        if self._ending is not None and not self._ending.is_running:
            self._ending = None
        return self._ending is not None

    def _end_stream(self) -> None:
        if self._stream is not None:
            self._stream.stop()
            self._ending, self._stream = self._stream, None

    def _stop_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


def _encode(picture: Picture) -> bytes:
    """Encode a frame as JPEG, in its full size; blocks."""
    done, data = cv2.imencode(
        ".jpg", picture.frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    if not done:
        raise SnapshotError(
            "undecodable", "a picture of the stream has no size: check the camera's video settings"
        )
    return data.tobytes()
