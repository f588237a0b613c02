"""Pages that are about one camera: which one is chosen first."""

from __future__ import annotations

from aiohttp import web

from veroallarme_core.worker.camera import CameraWorker
from veroallarme_core.worker.page.shell import House, render, url_for


def by_name(house: House) -> list[CameraWorker]:
    """Return the cameras in the order in which people look for them."""
    return sorted(house.cameras.values(), key=lambda camera: camera.context.config.name.casefold())


def choose(request: web.Request, house: House, page: str, title: str) -> web.Response:
    """Answer with a choice of cameras; where there is one alone it is chosen.

    Args:
        request: For a page without a camera.
        house: Has the cameras.
        page: The last part of the page's address.
        title: Key of its title.

    Raises:
        web.HTTPSeeOther: There is one camera.
    """
    cameras = by_name(house)
    if len(cameras) == 1:
        raise web.HTTPSeeOther(url_for(request, f"/cameras/{cameras[0].id}/{page}"))
    return render(request, "choose_camera.html", cameras=cameras, page=page, title=title)
