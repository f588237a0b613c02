"""Home Assistant's supervisor, as far as the app asks it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


def not_enabled() -> web.Response:
    """Answer as it does where no app provides the service."""
    answer = {"result": "error", "message": "Service not enabled"}
    return web.json_response(answer, status=400)


@dataclass
class Supervisor:
    """Names the broker and shows the pictures of Home Assistant's cameras, and counts.

    Attributes:
        token: What it knows the app by.
        service: The broker that it names; None where there is none.
        pictures: JPEGs by camera entity, shown one after the other.
        answers: What it says first, before it names the service.
    """

    token: str
    service: Any = None
    pictures: dict[str, Sequence[bytes]] = field(default_factory=dict)
    answers: list[Callable[[], web.StreamResponse]] = field(default_factory=list)
    slug: Any = "a0d7b954_veroallarme"
    asked: int = 0
    shown: int = 0
    url: str = ""

    @contextlib.asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[Supervisor]:
        """Answer on loopback until the block ends; port 0 takes a free one."""
        app = web.Application()
        app.router.add_get("/addons/self/info", self._tell_of_the_app)
        app.router.add_get("/services/mqtt", self._name_the_broker)
        app.router.add_get("/core/api/camera_proxy/{entity}", self._show)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def _is_known(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    async def _tell_of_the_app(self, request: web.Request) -> web.StreamResponse:
        if not self._is_known(request) or self.slug is None:
            return web.json_response({"result": "error"}, status=403)
        return web.json_response({"result": "ok", "data": {"slug": self.slug}})

    async def _name_the_broker(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.answers:
            return self.answers.pop(0)()
        if not self._is_known(request):
            return web.json_response({"result": "error"}, status=401)
        if self.service is None:
            return not_enabled()
        return web.json_response({"result": "ok", "data": self.service})

    async def _show(self, request: web.Request) -> web.StreamResponse:
        frames = self.pictures.get(request.match_info["entity"])
        if not self._is_known(request) or not frames:
            return web.Response(status=401 if frames else 404)
        frame = frames[self.shown % len(frames)]
        self.shown += 1
        return web.Response(body=frame, content_type="image/jpeg")
