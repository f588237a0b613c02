"""The flow that brings a camera of Home Assistant to the worker."""

from typing import Any

import probatio
from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME, Platform
from homeassistant.core import split_entity_id
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)

from .const import (
    CONF_BURST_SIZE,
    CONF_CAMERA_ENTITY,
    CONF_CAMERA_ID,
    CONF_MODE,
    CONF_MOTION_ENTITY,
    CONF_SPACING_S,
)
from .hub import VeroAllarmeConfigEntry
from .motion_entities import async_motion_selector
from .pictures import BURST_LIMIT_S, PictureError, async_take_picture
from .settings import Mode

MAX_NAME_CHARACTERS = 64
DEFAULT_BURST = {CONF_BURST_SIZE: 3, CONF_SPACING_S: 0.6}

FIRST_SCHEMA = {
    probatio.Optional(CONF_NAME): TextSelector(),
    probatio.Required(CONF_MODE, default=Mode.AUTO.value): SelectSelector(
        SelectSelectorConfig(
            options=[mode.value for mode in Mode],
            translation_key="mode",
            mode=SelectSelectorMode.DROPDOWN,
        )
    ),
}
"""What is asked when a camera is added; later its device and its entities change it."""
BURST_SCHEMA = {
    probatio.Required(CONF_BURST_SIZE): probatio.All(
        NumberSelector(NumberSelectorConfig(min=2, max=10, step=1, mode=NumberSelectorMode.BOX)),
        probatio.Coerce(int),
    ),
    probatio.Required(CONF_SPACING_S): NumberSelector(
        NumberSelectorConfig(
            min=0.5, max=10, step=0.1, mode=NumberSelectorMode.BOX, unit_of_measurement="s"
        )
    ),
}


class CameraFlow(ConfigSubentryFlow):
    """Brings a camera of Home Assistant to the worker."""

    def _entities_schema(self, motion_entity: str | None = None) -> probatio.Schema:
        """Ask for a camera and for what signals its motion, which may be known."""
        return probatio.Schema(
            {
                probatio.Required(CONF_CAMERA_ENTITY): EntitySelector(
                    EntitySelectorConfig(domain=Platform.CAMERA)
                ),
                probatio.Required(CONF_MOTION_ENTITY): async_motion_selector(
                    self.hass, motion_entity
                ),
            }
        )

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the camera and for what signals its motion, nothing else."""
        entry: VeroAllarmeConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        hub = entry.runtime_data
        if not hub.can("burst"):
            return self.async_abort(reason="worker_too_old")
        errors: dict[str, str] = {}
        fault: str | None = None
        if user_input is not None:
            entity_id: str = user_input[CONF_CAMERA_ENTITY]
            subentries = entry.subentries.values()
            if any(subentry.data[CONF_CAMERA_ENTITY] == entity_id for subentry in subentries):
                return self.async_abort(reason="already_configured")
            if (fault := await self._picture_fault(entity_id)) is None:
                cameras = hub.info.cameras.values() if hub.info else ()
                taken_ids = {subentry.data[CONF_CAMERA_ID] for subentry in subentries}
                camera_id = _free(
                    split_entity_id(entity_id)[1],
                    taken_ids | {camera.id for camera in cameras},
                    "_",
                )
                state = self.hass.states.get(entity_id)
                wanted = user_input.pop(CONF_NAME, "").strip()
                name = _free(
                    wanted or (state.name if state else entity_id),
                    {camera.name for camera in cameras},
                    " ",
                )
                return self.async_create_entry(
                    title=name,
                    data=user_input | {CONF_CAMERA_ID: camera_id} | DEFAULT_BURST,
                    unique_id=camera_id,
                )
            errors[CONF_CAMERA_ENTITY] = "no_picture"
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(
                self._entities_schema().extend(FIRST_SCHEMA), user_input
            ),
            errors=errors,
            description_placeholders={"fault": fault or ""},
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change the entities, and how the burst is taken."""
        subentry = self._get_reconfigure_subentry()
        errors: dict[str, str] = {}
        fault: str | None = None
        if user_input is not None:
            entity_id = user_input[CONF_CAMERA_ENTITY]
            subentries = self._get_entry().subentries.values()
            others = [other for other in subentries if other is not subentry]
            pauses_s = (user_input[CONF_BURST_SIZE] - 1) * user_input[CONF_SPACING_S]
            if any(other.data[CONF_CAMERA_ENTITY] == entity_id for other in others):
                return self.async_abort(reason="already_configured")
            if pauses_s >= BURST_LIMIT_S:
                errors["base"] = "burst_too_long"
            elif (fault := await self._picture_fault(entity_id)) is not None:
                errors[CONF_CAMERA_ENTITY] = "no_picture"
            else:
                return self.async_update_and_abort(
                    self._get_entry(), subentry, data_updates=user_input
                )
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                self._entities_schema(subentry.data[CONF_MOTION_ENTITY]).extend(BURST_SCHEMA),
                user_input or subentry.data,
            ),
            errors=errors,
            description_placeholders={"fault": fault or ""},
        )

    async def _picture_fault(self, entity_id: str) -> str | None:
        """Return what came instead of a picture; None where one came."""
        try:
            await async_take_picture(self.hass, entity_id, BURST_LIMIT_S)
        except PictureError as error:
            return str(error)
        return None


def _free(text: str, taken: set[str], separator: str) -> str:
    """Return ``text``, cut and numbered so that nothing in ``taken`` is the same but for case."""
    taken = {text.casefold() for text in taken}
    candidate, number = text[:MAX_NAME_CHARACTERS], 2
    while candidate.casefold() in taken:
        ending = f"{separator}{number}"
        candidate, number = text[: MAX_NAME_CHARACTERS - len(ending)] + ending, number + 1
    return candidate
