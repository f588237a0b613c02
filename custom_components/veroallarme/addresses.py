"""Addresses of the pictures of past events, to be asked for by somebody who is logged in."""

URL = "/api/veroallarme/{device_id}/{event_id}/{picture}"
ANNOTATED = "annotated.jpg"
THUMBNAIL = "thumbnail.jpg"


def picture_path(device_id: str, event_id: str, picture: str = ANNOTATED) -> str:
    """Return the address of a picture."""
    return URL.format(device_id=device_id, event_id=event_id, picture=picture)
