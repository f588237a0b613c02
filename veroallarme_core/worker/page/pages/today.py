"""Today: each camera's day, and what is worth a look."""

from __future__ import annotations

from aiohttp import web

from veroallarme_core.worker.page.shell import House, render


def routes(house: House) -> list[web.RouteDef]:
    """Return the routes of the page."""

    async def show(request: web.Request) -> web.Response:
        cameras = sorted(house.cameras.values(), key=lambda camera: camera.context.config.name)
        return render(request, "today.html", cameras=cameras)

    return [web.get("/", show)]
