"""Pictures of past events over HTTP, for whoever is logged in: notifications, cards, media."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from aiohttp import ETag, web
from homeassistant.components.http import KEY_HASS, KEY_HASS_USER, HomeAssistantView
from homeassistant.components.http.auth import async_sign_path
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, Unauthorized

from .addresses import ANNOTATED, THUMBNAIL, URL
from .lookup import async_find_camera, may_see
from .payload import is_valid_id

THUMBNAIL_WIDTH_PX = 320
_PICTURES: dict[str, dict[str, int | None]] = {
    ANNOTATED: {},
    THUMBNAIL: {"width": THUMBNAIL_WIDTH_PX},
    **{f"{number}.jpg": {"frame": number} for number in range(10)},
}
SIGNED_FOR = timedelta(hours=12)
"""How long an address in a card or in the media browser may be used."""
_FOR_GOOD = {"Cache-Control": "private, max-age=604800, immutable"}
"""Of a picture as the camera sent it; it is nobody else's business."""


@callback
def async_sign(hass: HomeAssistant, path: str, *, refresh_token_id: str | None = None) -> str:
    """Return an address that may be used without a login for some hours."""
    return async_sign_path(hass, path, SIGNED_FOR, refresh_token_id=refresh_token_id)


class EventPictureView(HomeAssistantView):
    """Gives a picture of a past event."""

    url = URL
    name = "api:veroallarme:picture"

    async def get(
        self, request: web.Request, device_id: str, event_id: str, picture: str
    ) -> web.Response:
        """Return the picture as JPEG."""
        hass = request.app[KEY_HASS]
        found = async_find_camera(hass, device_id)
        if found is None or not is_valid_id(event_id) or picture not in _PICTURES:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        hub, camera_id = found
        if not may_see(hass, request[KEY_HASS_USER], hub, camera_id):
            raise Unauthorized
        if not hub.online or not hub.can("get_picture"):
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        wanted: dict[str, Any] = _PICTURES[picture]
        headers = _FOR_GOOD
        if "frame" not in wanted:
            # The zones that are in force are drawn into it: it is the same while these are.
            settings = hub.cameras.get(camera_id).settings
            wanted = wanted | {"zones_key": settings.zones_key if settings else ""}
            tag = ETag(value=f"{event_id}-{wanted['zones_key']}")
            if request.if_none_match and tag in request.if_none_match:
                return web.Response(status=HTTPStatus.NOT_MODIFIED)
            headers = {"Cache-Control": "private, no-cache", "ETag": f'"{tag.value}"'}
        try:
            jpeg = await hub.past_events.async_picture(camera_id, event_id, **wanted)
        except HomeAssistantError as error:
            is_gone = error.translation_key == "request_refused"
            status = HTTPStatus.NOT_FOUND if is_gone else HTTPStatus.SERVICE_UNAVAILABLE
            return web.Response(status=status)
        return web.Response(body=jpeg, content_type="image/jpeg", headers=headers)
