"""Listeners to what has changed at a site, by camera and kind of message."""

import logging
from collections.abc import Callable, Iterable

from homeassistant.core import CALLBACK_TYPE, callback

_LOGGER = logging.getLogger(__name__)

WORKER = "worker"
"""A worker became available, or the last one unavailable."""
HEALTH = "health"
"""A worker reported, or was not heard in time."""
INFO = "info"
"""The site offers something else."""
_SITE_KINDS = (WORKER, HEALTH, INFO)


class Listeners:
    """The listeners of one site."""

    def __init__(self, root: str) -> None:
        """Start without listeners.

        Args:
            root: what all topics of the site begin with, for the log.
        """
        self._root = root
        self._listeners: dict[tuple[str, str], list[Callable[[], None]]] = {}

    @callback
    def async_add(
        self, camera_id: str, kinds: Iterable[str], listener: Callable[[], None]
    ) -> CALLBACK_TYPE:
        """Call ``listener`` after each message of these kinds; return how to remove it.

        WORKER, HEALTH and INFO are about the site, whatever the camera.
        """
        keys = [("" if kind in _SITE_KINDS else camera_id, kind) for kind in kinds]
        for key in keys:
            self._listeners.setdefault(key, []).append(listener)

        @callback
        def remove() -> None:
            for key in keys:
                self._listeners[key].remove(listener)

        return remove

    @callback
    def async_notify(self, kind: str, camera_id: str = "") -> None:
        """Call the listeners to a kind of message; an empty camera means the site."""
        for listener in list(self._listeners.get((camera_id, kind), ())):
            try:
                listener()
            except Exception:
                # An entity that fails must not keep the alarm from the others.
                _LOGGER.exception("%s of %s could not be shown", kind, camera_id or self._root)
