"""Suggested zones: what a camera's own history proposes to ignore, and the repair that asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOCUMENTATION_URL, DOMAIN
from .payload import read_count, read_id, read_object, read_objects, read_share

MAX_SUGGESTIONS = 3
ISSUE = "suggested_zones"
"""Translation key of the repair."""


@final
@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A zone that a camera's history proposes to ignore, and what speaks for it."""

    id: str
    events: int
    moving_share: float
    alarms: int
    suppressed: int
    rejected: int
    to_look_at: int

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read an item of ``suggestions``."""
        evidence = read_object(content.get("evidence"), "evidence")
        return cls(
            id=read_id(content, "id"),
            events=read_count(evidence, "events"),
            moving_share=read_share(evidence, "moving_share"),
            alarms=read_count(evidence, "alarms"),
            suppressed=read_count(evidence, "suppressed"),
            rejected=read_count(evidence, "rejected"),
            to_look_at=read_count(evidence, "to_look_at"),
        )

    def placeholders(self) -> dict[str, str]:
        """Return what the text of the repair names."""
        return {
            "moving": f"{self.moving_share:.0%}",
            "events": str(self.events),
            "alarms": str(self.alarms),
            "suppressed": str(self.suppressed),
            "rejected": str(self.rejected),
            "to_look_at": str(self.to_look_at),
        }


def read_suggestions(content: Mapping[str, Any]) -> list[Suggestion]:
    """Read ``suggestions``: zones that a camera's history proposes to ignore."""
    items = read_objects(content.get("suggestions"), "suggestions", MAX_SUGGESTIONS)
    return [Suggestion.from_json(item) for item in items]


class SuggestionIssues:
    """A repair for each camera of a site with suggested zones; its flow takes or refuses them."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Start without issues."""
        self._hass = hass
        self._entry_id = entry_id
        self._shown: dict[str, tuple[str, list[str], str | None]] = {}

    @callback
    def async_set(
        self, camera_id: str, name: str, suggestions: list[Suggestion], link: str | None
    ) -> None:
        """Show the repair of a camera as long as anything is suggested.

        Args:
            camera_id: of the camera.
            name: of the camera, for people.
            suggestions: that stand.
            link: to the page on which its zones are drawn; None where there is none.
        """
        if not suggestions:
            self.async_clear(camera_id)
            return
        shown = name, [suggestion.id for suggestion in suggestions], link
        # One that the user has put off comes again only where something else is suggested.
        if self._shown.get(camera_id) == shown:
            return
        self._shown[camera_id] = shown
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id(camera_id),
            data={"entry_id": self._entry_id, "camera_id": camera_id},
            is_fixable=True,
            learn_more_url=link or f"{DOCUMENTATION_URL}#repairs",
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE,
            translation_placeholders={"camera": name},
        )

    @callback
    def async_clear(self, camera_id: str | None = None) -> None:
        """Drop the repair of one camera, or all of them."""
        for shown_id in list(self._shown):
            if camera_id in (None, shown_id):
                del self._shown[shown_id]
                ir.async_delete_issue(self._hass, DOMAIN, self._issue_id(shown_id))

    def _issue_id(self, camera_id: str) -> str:
        return f"{ISSUE}_{self._entry_id}_{camera_id}"
