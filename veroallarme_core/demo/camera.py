"""A camera over real HTTP: it serves a played event's frames in their own rhythm."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from aiohttp import web

from veroallarme_core.demo.events import PlayedEvent

SHOW_LIMIT_S = 15.0
"""How long who asks a camera waits for its first picture to be drawn."""


class DemoCamera:
    """What the cameras of the demo see; each answers at ``/<camera>/snapshot.jpg``."""

    def __init__(self) -> None:
        self.port = 0
        self._idle: dict[str, bytes] = {}
        self._playing: dict[str, tuple[PlayedEvent, float]] = {}
        self._shown: dict[str, asyncio.Event] = {}

    def expect(self, camera: str) -> None:
        """Let whoever asks a camera wait for the picture that `show` brings."""
        self._shown[camera] = asyncio.Event()

    def show(self, camera: str, picture: bytes) -> None:
        """Set what a camera sees while nothing is played."""
        self._idle[camera] = picture
        if camera in self._shown:
            self._shown[camera].set()

    def play(self, event: PlayedEvent) -> None:
        """Let the camera of an event see it from now on."""
        self._playing[event.camera] = (event, time.monotonic())

    def url(self, camera: str) -> str:
        """Return the address of a camera's snapshots."""
        return f"http://127.0.0.1:{self.port}/{camera}/snapshot.jpg"

    def _picture(self, camera: str) -> bytes | None:
        if camera not in self._playing:
            return self._idle.get(camera)
        event, since = self._playing[camera]
        index = int((time.monotonic() - since) / event.gap_s)
        return event.frames[min(index, len(event.frames) - 1)]

    async def _answer(self, request: web.Request) -> web.Response:
        camera = request.match_info["camera"]
        if camera in self._shown and camera not in self._playing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SHOW_LIMIT_S):
                    await self._shown[camera].wait()
        picture = self._picture(camera)
        if picture is None:
            raise web.HTTPNotFound(text="no such camera")
        return web.Response(body=picture, content_type="image/jpeg")

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Answer on a free port of loopback."""
        app = web.Application()
        app.router.add_get("/{camera}/snapshot.jpg", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            yield
        finally:
            await runner.cleanup()
