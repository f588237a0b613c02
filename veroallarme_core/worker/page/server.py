"""Serves the page at its doors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from veroallarme_core.worker.page import failures, live
from veroallarme_core.worker.page.door import Door
from veroallarme_core.worker.page.guard import Guard, Handler
from veroallarme_core.worker.page.login import Login, local_address
from veroallarme_core.worker.page.pages import all_routes
from veroallarme_core.worker.page.shell import (
    LANGUAGE_COOKIE,
    LANGUAGES,
    RENDERER,
    House,
    make_renderer,
    url_for,
)

MAX_CONNECTIONS = 300
"""Each costs the worker a file, of which it has 1024 on most systems and needs some itself."""
MAX_BODY_BYTES = 256 << 10
_CLOSE_LIMIT_S = 1.0
_KEEP_ALIVE_S = 30.0
_YEAR_S = 365 * 86400


def make_application(house: House, door: Door) -> web.Application:
    """Return the application that answers browsers at a door."""
    login = Login(door.page) if door.page is not None and door.page.has_login else None
    guard = Guard(door, login)

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await failures.answer(request, handler, guard)

    app = web.Application(middlewares=[answer], client_max_size=MAX_BODY_BYTES)
    renderer = app[RENDERER] = make_renderer()
    app.on_response_prepare.append(guard.add_headers)
    app.router.add_get("/static/{version}/{name:.+}", renderer.static.answer)
    app.router.add_post("/language", _choose_language)
    app.router.add_routes([] if login is None else login.routes())
    app.router.add_routes([*live.routes(house), *all_routes(house)])
    return app


async def _choose_language(request: web.Request) -> web.Response:
    form = await request.post()
    language, back = form.get("language"), form.get("back")
    where = local_address(request, back if isinstance(back, str) else None)
    response = web.Response(status=303, headers={"Location": where})
    if language in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE,
            str(language),
            max_age=_YEAR_S,
            path=url_for(request, "/"),
            httponly=True,
            samesite="Lax",
        )
    return response


@contextlib.asynccontextmanager
async def serving_page(house: House, door: Door) -> AsyncIterator[None]:
    """Serve the pages at a door until the block ends.

    Raises:
        OSError: The port cannot be opened.
    """
    runner = web.AppRunner(
        make_application(house, door),
        # Its lines would drown what the log has to say, and tell who looked at which event.
        access_log=None,
        shutdown_timeout=_CLOSE_LIMIT_S,
        keepalive_timeout=_KEEP_ALIVE_S,
    )
    await runner.setup()
    server = runner.server
    assert server is not None

    def accept() -> asyncio.Protocol:
        return server() if len(server.connections) < MAX_CONNECTIONS else _Refused()

    try:
        listening = await asyncio.get_running_loop().create_server(
            accept, door.host, door.port, reuse_address=True
        )
        try:
            yield
        finally:
            listening.close()
    finally:
        await runner.cleanup()


class _Refused(asyncio.Protocol):
    """A connection too many: it is closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
