"""The pages, one a module, each with ``routes(house)``."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from veroallarme_core.worker.page.pages import (
    event,
    event_zone,
    events,
    numbers,
    set_up,
    today,
    what_if,
    zones,
)
from veroallarme_core.worker.page.shell import House

_PAGES = (today, events, event, event_zone, zones, what_if, numbers, set_up)


def all_routes(house: House) -> Iterator[web.RouteDef]:
    """Yield the routes of all pages."""
    for page in _PAGES:
        yield from page.routes(house)


__all__ = ["all_routes"]
