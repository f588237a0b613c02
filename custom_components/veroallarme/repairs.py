"""Fix flows of repairs: the user takes or refuses the zones that a camera's history suggests."""

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er

from .const import DOMAIN
from .hub import Hub
from .image import SUGGESTED_ZONES
from .suggestions import Suggestion


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Create the flow of a repair; only suggested zones have one."""
    about = data or {}
    return SuggestedZonesFlow(str(about.get("entry_id")), str(about.get("camera_id")))


class SuggestedZonesFlow(RepairsFlow):
    """Asks about one suggested zone after the other."""

    def __init__(self, entry_id: str, camera_id: str) -> None:
        """Set up for a camera of a site."""
        self._entry_id = entry_id
        self._camera_id = camera_id
        self._asked: Suggestion | None = None
        self._answered: set[str] = set()

    @property
    def _hub(self) -> Hub | None:
        entry = self.hass.config_entries.async_get_entry(self._entry_id)
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return None
        hub: Hub = entry.runtime_data
        return hub

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Show the next zone."""
        return await self.async_step_zone()

    async def async_step_zone(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Show a zone and its evidence, or end where none is left."""
        if (hub := self._hub) is None:
            return self.async_abort(reason="gone")
        suggestions = hub.cameras.get(self._camera_id).suggestions or []
        left = [suggestion for suggestion in suggestions if suggestion.id not in self._answered]
        if not left:
            if not self._answered:
                return self.async_abort(reason="gone")
            return self.async_create_entry(data={})
        self._asked = left[0]
        number = suggestions.index(self._asked) + 1
        return self.async_show_menu(
            step_id="zone",
            menu_options=["take", "refuse"],
            description_placeholders={
                "camera": hub.cameras.name(self._camera_id),
                "number": str(number),
                "picture": self._picture(hub),
                **self._asked.placeholders(),
            },
        )

    async def async_step_take(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Ignore motion in the zone from now on."""
        return await self._answer(take=True)

    async def async_step_refuse(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Let the zone count, and do not ask again."""
        return await self._answer(take=False)

    async def _answer(self, *, take: bool) -> RepairsFlowResult:
        if (hub := self._hub) is None or self._asked is None:
            return self.async_abort(reason="gone")
        stand = hub.cameras.get(self._camera_id).suggestions or []
        if self._asked.id not in [suggestion.id for suggestion in stand]:
            return self.async_abort(reason="gone")
        try:
            await hub.commands.async_send(
                self._camera_id, "suggestion", {"id": self._asked.id, "take": take}
            )
        except HomeAssistantError:
            return self.async_abort(reason="not_sent")
        self._answered.add(self._asked.id)
        return await self.async_step_zone()

    def _picture(self, hub: Hub) -> str:
        """Return the picture of the suggestion in Markdown; empty where there is none."""
        if hub.cameras.get(self._camera_id).suggestions_image is None:
            return ""
        unique_id = f"{self._entry_id}_{self._camera_id}_{SUGGESTED_ZONES}"
        entity_id = er.async_get(self.hass).async_get_entity_id("image", DOMAIN, unique_id)
        state = entity_id and self.hass.states.get(entity_id)
        address = state and state.attributes.get("entity_picture")
        return f"![]({address})" if address else ""
