"""A camera over HTTP that counts what it is asked, and small pictures for it."""

import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache

import cv2
import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer

MOTION_AT = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@cache
def jpeg(number: int = 0) -> bytes:
    """A small JPEG; each number gives another picture."""
    noise = np.random.default_rng(number).integers(40, 216, (6, 8, 3), np.uint8)
    picture = cv2.resize(noise, (64, 48), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def now() -> datetime:
    return datetime.now(UTC)


class Camera:
    """A real HTTP server on loopback that counts what it is asked."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.servers: list[TestServer] = []

    async def start(self, handler: Handler, tls: ssl.SSLContext | None = None) -> str:
        async def counting(request: web.Request) -> web.StreamResponse:
            self.requests.append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                return await handler(request)
            finally:
                self.in_flight -= 1

        app = web.Application()
        app.router.add_get("/{path:.*}", counting)
        server = TestServer(app, host="127.0.0.1", scheme="https" if tls else "http")
        await server.start_server(ssl=tls)
        self.servers.append(server)
        return str(server.make_url("/snap.jpg"))


def answers(body: bytes = b"", status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(
            body=body,
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    return handler
