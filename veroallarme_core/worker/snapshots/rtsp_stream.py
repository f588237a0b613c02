"""One video stream that a thread decodes as long as somebody asks for its pictures."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from veroallarme_core.pictures import MAX_PIXELS
from veroallarme_core.worker.snapshots.rtsp_source import MISSING_EXTRA, RtspSource
from veroallarme_core.worker.snapshots.snapshots import SnapshotError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

MAX_UNDECODABLE = 200
"""Packets in a row without a picture after which a stream is given up: ten seconds of video."""
LIVE_AFTER_S = 0.004
"""A packet that had to be waited for so long comes as the camera takes it; what comes at once on
connecting is what a relay had kept since its last keyframe."""


@dataclass(frozen=True)
class Picture:
    """The newest decoded frame of a stream.

    Attributes:
        frame: As FFmpeg decoded it, not yet turned into RGB.
        number: Counts the frames of the stream.
        came_at: When it was decoded, UTC.
        came_s: The same on the monotonic clock, seconds.
    """

    frame: VideoFrame
    number: int
    came_at: datetime
    came_s: float


class RtspStream:
    """Decodes a stream in a thread of its own and keeps its newest picture.

    Args:
        source: the camera; every wait for it is limited by its `timeout_s`.
        changed: called in the thread when there is a new picture, or the stream has ended.
    """

    def __init__(self, source: RtspSource, changed: Callable[[], None]) -> None:
        self._source = source
        self._changed = changed
        self._stop = threading.Event()
        self._has_ended = threading.Event()
        self.newest: Picture | None = None
        self.first_s: float | None = None
        """When the first picture came, on the monotonic clock."""
        self.is_live = False
        """Whether what comes is of the present, and no longer what a relay had kept."""
        self.fault: SnapshotError | None = None
        self._thread = threading.Thread(target=self._run, name="veroallarme-rtsp", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it is still connected; it may take `timeout_s` to notice a stop."""
        return not self._has_ended.is_set()

    def stop(self) -> None:
        """Ask the thread to end; returns at once."""
        self._stop.set()

    def _run(self) -> None:
        try:
            with _stream_errors(self._source):
                self._decode()
        except SnapshotError as error:
            self.fault = error
        finally:
            self._has_ended.set()
            self._changed()

    def _decode(self) -> None:
        with _open(self._source) as container:
            if not container.streams.video:
                raise SnapshotError(
                    "not_an_image",
                    f"{self._source.shown_url} holds no video: check the path of the address",
                )
            video = container.streams.video[0]
            # A picture of its own for each thread would come so many frames late.
            video.codec_context.thread_count = 1
            # Nothing is made up in place of what was lost.
            video.codec_context.options = {"max_pixels": str(MAX_PIXELS), "err_detect": "explode"}
            self._decode_packets(container, video)
        if not self._stop.is_set():
            raise SnapshotError(
                "incomplete",
                f"{self._source.shown_url} ended its stream: check the camera, and how many "
                "streams it gives at a time",
            )

    def _decode_packets(self, container: InputContainer, video: Any) -> None:
        import av

        number = undecodable = 0
        has_keyframe = False
        asked_s = time.monotonic()
        for packet in container.demux(video):
            if self._stop.is_set():
                return
            self.is_live |= time.monotonic() - asked_s >= LIVE_AFTER_S
            frames: list[VideoFrame] = []
            try:
                frames = packet.decode()
                is_whole = not packet.is_corrupt
            except av.error.InvalidDataError:
                is_whole = False
            # What was lost smears over all pictures up to the next keyframe, and looks like motion.
            has_keyframe &= is_whole
            for frame in frames:
                has_keyframe = not frame.is_corrupt and (has_keyframe or frame.key_frame)
                if has_keyframe:
                    undecodable, number = -1, number + 1
                    self._take(frame, number)
            undecodable += 1
            if undecodable > MAX_UNDECODABLE:
                raise SnapshotError(
                    "undecodable",
                    f"{self._source.shown_url} sends video of which no picture can be decoded: "
                    "let the camera send H.264, with a keyframe every second",
                )
            asked_s = time.monotonic()

    def _take(self, frame: VideoFrame, number: int) -> None:
        came_s = time.monotonic()
        self.first_s = self.first_s or came_s
        self.newest = Picture(frame, number, datetime.now(UTC), came_s)
        self._changed()


def _open(source: RtspSource) -> InputContainer:
    try:
        import av
    except ImportError:
        raise SnapshotError("no_decoder", f"{source.shown_url} {MISSING_EXTRA}") from None
    # TCP alone: with UDP lost packets smear over the picture, and smear looks like motion.
    return av.open(
        source.url_with_login,
        format="rtsp",
        timeout=source.timeout_s,
        options={
            "rtsp_transport": "tcp",
            "protocol_whitelist": "rtsp,rtp,tcp",
            "allowed_media_types": "video",
            "flags": "low_delay",
            # Its rate of frames does not matter, and would take a second or two to find out.
            "fpsprobesize": "0",
            "probesize": "500000",
            "analyzeduration": str(round(min(source.timeout_s, 3.0) * 1e6)),
            "timeout": str(round(source.timeout_s * 1e6)),
        },
    )


@contextlib.contextmanager
def _stream_errors(source: RtspSource) -> Iterator[None]:
    """Turn what FFmpeg can raise into one `SnapshotError`; its own words hold the password."""
    where = source.shown_url
    try:
        yield
    except SnapshotError:
        raise
    except Exception as error:
        code, remedy = _explained(error, source)
        raise SnapshotError(code, f"{where} {remedy}") from None


def _explained(error: Exception, source: RtspSource) -> tuple[str, str]:
    import av

    has_login = source.username is not None
    match error:
        case av.error.HTTPUnauthorizedError():
            remedy = "check user name and password" if has_login else "set username and password"
            return "http_401", f"refuses the login: {remedy}"
        case av.error.HTTPForbiddenError():
            return "http_403", "forbids this user to see video: give it that right on the camera"
        case av.error.HTTPNotFoundError():
            return "http_404", "is not there (404): check the path of the address"
        case av.error.HTTPError():
            return "bad_response", "refuses the stream: check the address and the camera's own log"
        # The first is what a wait becomes that PyAV has ended.
        case av.error.ExitError() | av.error.TimeoutError():
            return "timeout", (
                f"did not answer within {source.timeout_s:g} s: check the camera and its network, "
                "or increase timeout_s"
            )
        case av.error.ConnectionRefusedError() | av.error.ConnectionResetError():
            return "unreachable", (
                "cannot be reached: check that the camera is on and that host and port are right"
            )
        case av.error.InvalidDataError() | av.error.ProtocolNotFoundError():
            return "bad_response", (
                "does not speak RTSP, or sends video that cannot be read: check the port and the "
                "address"
            )
        case OSError():
            return "unreachable", (
                "cannot be reached, or broke off: check the camera, host and port, and the network"
            )
    return "bad_response", f"cannot be read ({type(error).__name__}): check the camera's video"
