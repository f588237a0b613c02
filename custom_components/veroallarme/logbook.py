"""Lines of the activity log: what was decided, and why, in the language of the house."""

from collections.abc import Callable

from homeassistant.components.logbook import (
    LOGBOOK_ENTRY_ENTITY_ID,
    LOGBOOK_ENTRY_ICON,
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import Event, HomeAssistant, callback

from .const import DOMAIN, EVENT_DECISION
from .words import decision_words

_ICONS = {
    "relevant": "mdi:shield-alert",
    "irrelevant": "mdi:bell-off-outline",
    "unknown": "mdi:help-circle-outline",
}


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event], dict[str, str | None]]], None],
) -> None:
    """Describe the decisions of all cameras."""

    @callback
    def describe(event: Event) -> dict[str, str | None]:
        data = event.data
        judged = str(data.get("state"))
        outcome, why = decision_words(
            hass, judged, bool(data.get("relevant")), str(data.get("reason_word"))
        )
        return {
            LOGBOOK_ENTRY_NAME: str(data.get("name")),
            LOGBOOK_ENTRY_MESSAGE: f"{outcome}: {why}",
            LOGBOOK_ENTRY_ICON: _ICONS.get(judged),
            LOGBOOK_ENTRY_ENTITY_ID: data.get(ATTR_ENTITY_ID),
        }

    async_describe_event(DOMAIN, EVENT_DECISION, describe)
