"""Set-up help: whether motion and pictures of each camera arrive, and what to do where not."""

from __future__ import annotations

import base64

from aiohttp import web

from veroallarme_core.worker.camera import AnalysisError, CameraWorker
from veroallarme_core.worker.page.pages.set_up_checks import (
    WAITED_S,
    Check,
    TriedPictures,
    can_be_asked,
    checks,
    delivers,
    try_pictures,
)
from veroallarme_core.worker.page.shell import House, render
from veroallarme_core.worker.web import assess


def routes(house: House) -> list[web.RouteDef]:
    """Return the routes of the page."""
    tried: dict[str, TriedPictures] = {}

    def of_camera(camera: CameraWorker) -> dict[str, object]:
        pictures = tried.get(camera.id)
        jpeg = None if pictures is None else pictures.jpeg
        return {
            "camera": camera.id,
            "name": camera.context.config.name,
            "checks": checks(house, camera),
            "tried": pictures,
            "picture": None if jpeg is None else base64.b64encode(jpeg).decode(),
            "can_be_asked": can_be_asked(camera),
            "busy": "set_up.waiting" if delivers(camera) else "set_up.testing",
            "waited": f"{WAITED_S:.0f}",
        }

    async def show(request: web.Request) -> web.Response:
        named = sorted(house.cameras.values(), key=lambda camera: camera.context.config.name)
        health = assess(house.condition())
        return render(
            request, "set_up.html", health=health, cameras=[of_camera(camera) for camera in named]
        )

    async def show_camera(request: web.Request) -> web.Response:
        return render(request, "set_up_camera.html", item=of_camera(house.camera(request)))

    async def try_out(request: web.Request) -> web.Response:
        camera = house.camera(request)
        try:
            tried[camera.id] = await try_pictures(camera)
        except AnalysisError as error:
            tried[camera.id] = TriedPictures([Check("test_none", "bad", detail=str(error))])
        for gone in tried.keys() - house.cameras.keys():
            del tried[gone]
        if "HX-Request" not in request.headers:
            return await show(request)
        return await show_camera(request)

    return [
        web.get("/set-up", show),
        web.get("/set-up/{camera:[a-z0-9_]{1,64}}", show_camera),
        web.post("/set-up/{camera:[a-z0-9_]{1,64}}", try_out),
    ]
