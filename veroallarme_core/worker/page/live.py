"""What changes, told to browsers as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json

from aiohttp import web

from veroallarme_core.worker.changes import Change, Listener, TooManyListenersError
from veroallarme_core.worker.page.shell import House

BEAT_S = 15.0
"""How often a silent stream says that it lives, so that no proxy takes it for dead."""
SEND_LIMIT_S = 10.0
"""How long a browser may take to read before its stream is closed; it comes back by itself."""


def routes(house: House) -> list[web.RouteDef]:
    """Return the route of the stream."""

    async def stream(request: web.Request) -> web.StreamResponse:
        try:
            with house.changes.listener() as listener:
                return await _stream(request, listener)
        except TooManyListenersError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from None

    return [web.get("/changes", stream, allow_head=False)]


async def _stream(request: web.Request, listener: Listener) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            # nginx would keep it until it is full.
            "X-Accel-Buffering": "no",
        }
    )
    await response.prepare(request)
    message = b"retry: 3000\n\n"
    # A browser that is gone or stuck, and the worker's stop, end it.
    with contextlib.suppress(TimeoutError, ConnectionError):
        while True:
            async with asyncio.timeout(SEND_LIMIT_S):
                await response.write(message)
            try:
                async with asyncio.timeout(BEAT_S):
                    message = _event(await listener.next())
            except TimeoutError:
                message = b": still here\n\n"
    return response


def _event(change: Change) -> bytes:
    data = {"kind": change.kind, "camera": change.camera, "event_id": change.event_id}
    return f"event: change\ndata: {json.dumps(data)}\n\n".encode()
