"""Repair issues: what the user has to know and can do something about."""

import re
from collections.abc import Mapping
from datetime import datetime

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later

from .const import DOCUMENTATION_URL, DOMAIN

PATIENCE_S = 300.0
"""Trouble that passes by itself, such as a restart, is no issue."""
_MARKUP = re.compile(r"[][()<>*_`!#|\\]")


class Issues:
    """The repair issues of one site; one comes up when its cause has lasted for some time."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Start without issues."""
        self._hass = hass
        self._entry_id = entry_id
        self._known: dict[tuple[str, str], CALLBACK_TYPE | None] = {}
        """Cancels the timer of an issue that waits; None for one that is shown."""
        self._placeholders: dict[tuple[str, str], dict[str, str]] = {}

    @callback
    def async_set(
        self,
        kind: str,
        active: bool,
        placeholders: Mapping[str, str],
        *,
        camera_id: str = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Say whether there is cause for an issue.

        Args:
            kind: translation key of the issue.
            active: whether its cause is there.
            placeholders: what its text names.
            camera_id: the camera that it is about; empty for the site.
            patience_s: how long the cause has to last.
        """
        key = (kind, camera_id)
        if not active:
            self._clear(key)
            return
        texts = {name: _plain(text) for name, text in placeholders.items()}
        before, self._placeholders[key] = self._placeholders.get(key), texts
        if key not in self._known:

            @callback
            def show(_: datetime | None = None) -> None:
                self._show(key)

            if patience_s:
                self._known[key] = async_call_later(self._hass, patience_s, show)
            else:
                show()
        elif self._known[key] is None and texts != before:
            self._show(key)

    @callback
    def _show(self, key: tuple[str, str]) -> None:
        self._known[key] = None
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id(key),
            is_fixable=False,
            learn_more_url=f"{DOCUMENTATION_URL}#repairs",
            severity=ir.IssueSeverity.WARNING,
            translation_key=key[0],
            translation_placeholders=self._placeholders[key],
        )

    @callback
    def async_clear(self, camera_id: str | None = None) -> None:
        """Drop the issues of one camera, or all of them."""
        for key in list(self._known):
            if camera_id in (None, key[1]):
                self._clear(key)

    def _clear(self, key: tuple[str, str]) -> None:
        if key not in self._known:
            return
        self._placeholders.pop(key, None)
        if (cancel := self._known.pop(key)) is None:
            ir.async_delete_issue(self._hass, DOMAIN, self._issue_id(key))
        else:
            cancel()

    def _issue_id(self, key: tuple[str, str]) -> str:
        return "_".join(filter(None, (key[0], self._entry_id, key[1])))


def _plain(text: str) -> str:
    """Let what came over the broker be no markup where it is shown."""
    return _MARKUP.sub(r"\\\g<0>", text)
