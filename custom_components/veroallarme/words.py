"""Words of the entities, where Home Assistant itself does not translate them."""

from dataclasses import asdict

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.translation import (
    async_get_cached_translations,
    async_get_translations,
)

from .const import DOMAIN
from .reasons import EventState
from .stats import Learning


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


@callback
def learning_words(hass: HomeAssistant, learning: Learning) -> str | None:
    """Return what a camera still needs to see, and how long that takes at its pace.

    None where nothing of that kind is missing, and where the worker does not tell what is needed.
    """
    if not learning.lacks_events or not learning.events_needed:
        return None
    words = async_get_cached_translations(hass, hass.config.language, "entity", DOMAIN)
    head = f"component.{DOMAIN}.entity.sensor.learning_stage.state_attributes.progress.state"
    days = learning.whole_days_left
    keys = ["needs"] if days is None else ["needs", "one_day" if days == 1 else "days"]
    values = asdict(learning) | {"days": days}
    parts = [words.get(f"{head}.{key}") for key in keys]
    return "; ".join(part.format_map(values) for part in parts if part) or None


async def notification_words(hass: HomeAssistant) -> dict[str, str]:
    """Return the words of notifications in the language of the house, by their keys."""
    head = f"component.{DOMAIN}.selector.notification.options."
    words = await async_get_translations(hass, hass.config.language, "selector", {DOMAIN})
    return {key.removeprefix(head): text for key, text in words.items() if key.startswith(head)}
