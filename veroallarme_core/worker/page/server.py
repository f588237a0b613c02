"""Serves the page on its port, and within Home Assistant on another."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator

from aiohttp import web

from veroallarme_core.worker.page import live
from veroallarme_core.worker.page.door import Door
from veroallarme_core.worker.page.guard import Handler, add_headers
from veroallarme_core.worker.page.pages import all_routes
from veroallarme_core.worker.page.shell import (
    CSRF_TOKEN,
    LANGUAGE_COOKIE,
    LANGUAGES,
    RENDERER,
    House,
    make_renderer,
    url_for,
)

_CLOSE_LIMIT_S = 1.0
_YEAR_S = 365 * 86400


def make_application(house: House, door: Door) -> web.Application:
    """Return the application that answers browsers."""
    token = secrets.token_urlsafe(24)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CSRF_TOKEN] = token
        return await handler(request)

    app = web.Application(middlewares=[guard], client_max_size=1 << 20)
    renderer = app[RENDERER] = make_renderer()
    app.on_response_prepare.append(add_headers)
    app.router.add_get("/static/{version}/{name:.+}", renderer.static.answer)
    app.router.add_post("/language", _choose_language)
    app.router.add_routes([*live.routes(house), *all_routes(house)])
    return app


async def _choose_language(request: web.Request) -> web.Response:
    form = await request.post()
    language, back = form.get("language"), str(form.get("back", "/"))
    response = web.Response(status=303, headers={"Location": url_for(request, "/")})
    if back.startswith("/") and not back.startswith("//"):
        response.headers["Location"] = url_for(request, back)
    if language in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE, str(language), max_age=_YEAR_S, httponly=True, samesite="Lax", path="/"
        )
    return response


@contextlib.asynccontextmanager
async def serving_page(house: House, door: Door) -> AsyncIterator[None]:
    """Serve the pages at a door until the block ends.

    Raises:
        OSError: The port cannot be opened.
    """
    runner = web.AppRunner(
        make_application(house, door), access_log=None, shutdown_timeout=_CLOSE_LIMIT_S
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, door.host, door.port).start()
        yield
    finally:
        await runner.cleanup()
