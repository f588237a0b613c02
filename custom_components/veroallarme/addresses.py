"""Addresses of past events and their pictures, for somebody who is logged in."""

from urllib.parse import quote

from .const import DOMAIN

URL = "/api/veroallarme/{device_id}/{event_id}/{picture}"
ANNOTATED = "annotated.jpg"
THUMBNAIL = "thumbnail.jpg"
JPEG = "image/jpeg"


def picture_path(device_id: str, event_id: str, picture: str = ANNOTATED) -> str:
    """Return the address of a picture."""
    return URL.format(device_id=device_id, event_id=event_id, picture=picture)


def media_path(identifier: str = "", content_type: str = "app") -> str:
    """Return the path at which the frontend shows a part of the media source.

    Args:
        identifier: as the media source divides it; empty for all cameras.
        content_type: as the media source gives it for that part.
    """
    item = f"media-source://{DOMAIN}/{identifier}".removesuffix("/")
    return f"/media-browser/browser/{quote(f'{content_type},{item}', safe='')}"
