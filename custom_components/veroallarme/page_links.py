"""Links to the page of the worker: in a browser of its own, or as an app in the sidebar."""

import re
from urllib.parse import quote

from homeassistant.core import callback

MAX_CHARACTERS = 400
_OWN = "homeassistant://"
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]+(?:/[\w.~-]+)*", re.ASCII)
_APP = re.compile(r"homeassistant://app/[-_.A-Za-z0-9]+")


def is_page(text: str) -> bool:
    """Whether a text is the address of a page: nobody shall make a link run a script."""
    return len(text) <= MAX_CHARACTERS and any(
        pattern.fullmatch(text) for pattern in (_ADDRESS, _APP)
    )


@callback
def page_link(page: str, path: str = "") -> str:
    """Return the address of a part of the page, for the device registry and for repairs.

    Args:
        page: as the worker tells it.
        path: begins with a slash; empty for the start.
    """
    if not page.startswith(_OWN):
        return f"{page}{path}"
    # The panel of an app opens its start; the page itself then goes where its address says.
    return f"{page}?page={quote(path)}" if path else page


@callback
def frontend_link(page: str, path: str = "") -> str:
    """Return the address of a part of the page as Home Assistant's own pages and phones take it."""
    link = page_link(page, path)
    return f"/{link.removeprefix(_OWN)}" if link.startswith(_OWN) else link


def event_path(camera_id: str, event_id: str) -> str:
    """Return the path of an event."""
    return f"/events/{camera_id}/{event_id}"


def zones_path(camera_id: str) -> str:
    """Return the path of a camera's zones."""
    return f"/cameras/{camera_id}/zones"


def events_path(camera_id: str) -> str:
    """Return the path of a camera's events."""
    return f"/events?camera={camera_id}"
