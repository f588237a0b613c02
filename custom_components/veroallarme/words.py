"""Words of the entities, where Home Assistant itself does not translate them."""

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.translation import (
    async_get_cached_translations,
    async_get_translations,
)

from .const import DOMAIN
from .reasons import EventState


@callback
def decision_words(
    hass: HomeAssistant, judged: str, relevant: bool, reason: str
) -> tuple[str, str]:
    """Return what became of an event, and why, in the language of the house.

    Args:
        hass: whose language is meant.
        judged: state of the event.
        relevant: whether it raised the alarm.
        reason: as `reason_word` returns it.
    """
    outcome = judged
    if judged == EventState.IRRELEVANT and relevant:
        outcome = "not_suppressed_yet"
    elif judged == EventState.UNKNOWN and not relevant:
        outcome = "unknown_suppressed"
    words = async_get_cached_translations(hass, hass.config.language, "entity", DOMAIN)
    sensors = f"component.{DOMAIN}.entity.sensor"
    return (
        words.get(f"{sensors}.outcome.state.{outcome}", judged),
        words.get(f"{sensors}.reason.state.{reason}", reason),
    )


async def notification_words(hass: HomeAssistant) -> dict[str, str]:
    """Return the words of notifications in the language of the house, by their keys."""
    head = f"component.{DOMAIN}.selector.notification.options."
    words = await async_get_translations(hass, hass.config.language, "selector", {DOMAIN})
    return {key.removeprefix(head): text for key, text in words.items() if key.startswith(head)}
