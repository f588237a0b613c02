"""A camera with a video stream alone: an RTSP server on loopback, with the faults of real ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import cv2
import numpy as np

FPS = 20
FRAMES = 60
WIDTH, HEIGHT = 320, 240
CLOCK_HZ = 90_000
REALM, NONCE = "IP Camera", "5f2a"


@functools.cache
def drawn_video(count: int, gop: int) -> tuple[tuple[bytes, ...], ...]:
    """Return the NAL units of each frame of a video in which a disc moves; H.264."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base = Fraction(1, FPS)
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:annexb=1",
    }
    packets = []
    for number in range(count):
        picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
        cv2.circle(picture, (20 + number * 4 % 280, 120), 18, (40, 200, 240), -1)
        packets += encoder.encode(av.VideoFrame.from_ndarray(picture, "bgr24"))
    packets += encoder.encode(None)
    return tuple(
        tuple(filter(None, re.split(rb"\x00\x00\x00?\x01", bytes(packet)))) for packet in packets
    )


def rtp_packets(nals: tuple[bytes, ...], sequence: int, timestamp: int) -> Iterator[bytes]:
    """Pack one frame as RFC 6184 says: each unit alone, or in fragments."""
    parts: list[bytes] = []
    for nal in nals:
        if len(nal) <= 1200:
            parts.append(nal)
            continue
        body = nal[1:]
        for begin in range(0, len(body), 1200):
            first, last = begin == 0, begin + 1200 >= len(body)
            kind = (first << 7) | (last << 6) | (nal[0] & 0x1F)
            parts.append(bytes([(nal[0] & 0x60) | 28, kind]) + body[begin : begin + 1200])
    for index, part in enumerate(parts):
        marker = (index == len(parts) - 1) << 7
        header = bytes([0x80, marker | 96]) + (sequence + index).to_bytes(2, "big")
        yield header + (timestamp & 0xFFFFFFFF).to_bytes(4, "big") + b"\0\0\0\1" + part


@dataclass
class RtspCamera:
    """What the camera does; and what has come.

    Attributes:
        gop: Frames from one keyframe to the next.
        begin: The frame with which every stream begins; not a keyframe unless `gop` divides it.
        kept: Frames that come at once, before those that come in time: what a relay had kept.
        login: User name and password that are asked for, in `scheme`.
        silent: "connect" answers nothing, "play" sends nothing after the word that it plays.
        dies_after: Frames after which the connection breaks off.
        damage: Turns the data of each RTP packet into what is sent.
        moved_to: Where it sends who has logged in.
        answers: Replies in place of the usual ones, by method.
    """

    gop: int = 10
    begin: int = 0
    kept: int = 0
    login: tuple[str, str] | None = None
    scheme: str = "digest"
    silent: str = ""
    dies_after: int | None = None
    damage: object = None
    moved_to: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    port: int = 0
    playing: int = 0
    most_playing: int = 0
    plays: int = 0
    requests: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/live/main?token=hunter2"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        play: asyncio.Task[None] | None = None
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                while head.startswith(b"$"):  # RTCP of the client; it precedes its next request
                    head = head[4 + int.from_bytes(head[2:4], "big") :]
                request = head.decode("latin-1")
                self.requests.append(request)
                if self.silent == "connect":
                    continue
                method = request.split(" ", 1)[0]
                writer.write(self._answer(method, request).encode())
                await writer.drain()
                if method == "PLAY" and self.silent != "play":
                    play = asyncio.create_task(self._play(writer))
                if method == "TEARDOWN":
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            return
        finally:
            if play is not None:
                play.cancel()
                await asyncio.gather(play, return_exceptions=True)
            writer.close()

    def _answer(self, method: str, request: str) -> str:
        sequence = re.search(r"CSeq: *(\d+)", request, re.I)
        head = f"CSeq: {sequence[1] if sequence else 0}\r\n"
        if method in self.answers:
            return self.answers[method].replace("{head}", head)
        if method != "OPTIONS" and self.login is not None and not self._is_known(method, request):
            wanted = f'Digest realm="{REALM}", nonce="{NONCE}"'
            if self.scheme == "basic":
                wanted = f'Basic realm="{REALM}"'
            return f"RTSP/1.0 401 Unauthorized\r\n{head}WWW-Authenticate: {wanted}\r\n\r\n"
        ok = f"RTSP/1.0 200 OK\r\n{head}"
        match method:
            case "OPTIONS":
                return f"{ok}Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n"
            case "DESCRIBE" if self.moved_to:
                return f"RTSP/1.0 302 Moved\r\n{head}Location: {self.moved_to}\r\n\r\n"
            case "DESCRIBE":
                sdp = (
                    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=live\r\nt=0 0\r\n"
                    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
                    "a=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
                )
                return (
                    f"{ok}Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}"
                )
            case "SETUP":
                return f"{ok}Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n"
        return f"{ok}Session: 1\r\n\r\n"

    def _is_known(self, method: str, request: str) -> bool:
        assert self.login is not None
        user, password = self.login
        if self.scheme == "basic":
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            return f"Authorization: Basic {token}" in request
        given = dict(re.findall(r'(\w+)="([^"]*)"', request))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        secret = md5(f"{user}:{REALM}:{password}")
        asked = md5(f"{method}:{given.get('uri')}")
        wanted = md5(f"{secret}:{NONCE}:{asked}")
        return given.get("username") == user and given.get("response") == wanted

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        video = drawn_video(FRAMES, self.gop)
        self.plays += 1
        self.playing += 1
        self.most_playing = max(self.most_playing, self.playing)
        sequence = 0
        try:
            for number in range(self.begin, 10_000):
                sent = number - self.begin
                if self.dies_after is not None and sent >= self.dies_after:
                    writer.close()
                    return
                frame = video[number % len(video)]
                for packet in rtp_packets(frame, sequence, number * CLOCK_HZ // FPS):
                    body = self.damage(packet) if callable(self.damage) else packet
                    writer.write(b"$\0" + len(body).to_bytes(2, "big") + body)
                    sequence = (sequence + 1) & 0xFFFF
                await writer.drain()
                if sent >= self.kept:
                    await asyncio.sleep(1 / FPS)
        except ConnectionError:
            return
        finally:
            self.playing -= 1

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[RtspCamera]:
        await asyncio.to_thread(drawn_video, FRAMES, self.gop)
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
