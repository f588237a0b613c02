"""Flows: a site found by MQTT or added by hand, and cameras brought from Home Assistant."""

from collections.abc import Mapping
from typing import Any, override

import probatio
from homeassistant.components import mqtt
from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import Platform
from homeassistant.core import callback, split_entity_id
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
)
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo

from .connection import site_root
from .const import (
    CONF_BURST_SIZE,
    CONF_CAMERA_ENTITY,
    CONF_CAMERA_ID,
    CONF_MOTION_ENTITY,
    CONF_PREFIX,
    CONF_SITE,
    CONF_SPACING_S,
    DEFAULT_PREFIX,
    DEFAULT_SITE,
    DOMAIN,
    SUBENTRY_CAMERA,
)
from .contract import Info
from .hub import VeroAllarmeConfigEntry
from .payload import PayloadError, is_valid_id, read_json
from .pictures import BURST_LIMIT_S, PictureError, async_take_picture
from .probe import async_probe

MAX_NAME_CHARACTERS = 64
DEFAULT_BURST = {CONF_BURST_SIZE: 3, CONF_SPACING_S: 0.6}

CAMERA_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_CAMERA_ENTITY): EntitySelector(
            EntitySelectorConfig(domain=Platform.CAMERA)
        ),
        probatio.Required(CONF_MOTION_ENTITY): EntitySelector(
            EntitySelectorConfig(domain=[Platform.BINARY_SENSOR, Platform.EVENT])
        ),
    }
)
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


class VeroAllarmeConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a site whose worker answers."""

    VERSION = 1

    def __init__(self) -> None:
        """Start with the site that a worker has by default."""
        self._site = {CONF_PREFIX: DEFAULT_PREFIX, CONF_SITE: DEFAULT_SITE}

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return what can be added to a site."""
        return {SUBENTRY_CAMERA: CameraFlow}

    @override
    async def async_step_mqtt(self, discovery_info: MqttServiceInfo) -> ConfigFlowResult:
        """Take up a site that has told what it offers."""
        prefix, _, site = discovery_info.topic.removesuffix("/info").rpartition("/")
        try:
            info = Info.from_json(read_json(discovery_info.payload))
        except PayloadError:
            return self.async_abort(reason="invalid_discovery_info")
        if not prefix or not is_valid_id(site):
            return self.async_abort(reason="invalid_discovery_info")
        self._site = {CONF_PREFIX: prefix, CONF_SITE: site}
        await self.async_set_unique_id(site_root(self._site))
        self._abort_if_unique_id_configured()
        if not info.supported:
            return self.async_abort(reason="contract_mismatch")
        self.context["title_placeholders"] = {"site": site}
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Let the user agree to a site that was found."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if not (error := await self._test(self._site)):
                return self._create()
            errors["base"] = error
        return self.async_show_form(
            step_id="confirm",
            description_placeholders={"site": self._site[CONF_SITE]},
            errors=errors,
        )

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Let the user name a site."""
        errors: dict[str, str] = {}
        if user_input is not None and not (errors := _mistakes(user_input)):
            await self.async_set_unique_id(site_root(user_input), raise_on_progress=False)
            self._abort_if_unique_id_configured()
            if not (error := await self._test(user_input)):
                self._site = user_input
                return self._create()
            errors["base"] = error
        return self._site_form("user", user_input or self._site, errors)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Follow a worker whose prefix or site was changed; all entities stay."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None and not (errors := _mistakes(user_input)):
            root = site_root(user_input)
            if root != entry.unique_id:
                await self.async_set_unique_id(root, raise_on_progress=False)
                self._abort_if_unique_id_configured()
            if not (error := await self._test(user_input)):
                # A title that the user has chosen stays.
                title = _title(user_input) if entry.title == _title(entry.data) else entry.title
                return self.async_update_and_abort(
                    entry, unique_id=root, title=title, data=user_input
                )
            errors["base"] = error
        return self._site_form("reconfigure", user_input or dict(entry.data), errors)

    def _site_form(
        self, step_id: str, site: dict[str, Any], errors: dict[str, str]
    ) -> ConfigFlowResult:
        schema = {probatio.Required(key, default=site[key]): str for key in self._site}
        return self.async_show_form(
            step_id=step_id, data_schema=probatio.Schema(schema), errors=errors
        )

    async def _test(self, site: dict[str, Any]) -> str | None:
        """Return the reason why a site cannot be used, or None."""
        if not await mqtt.async_wait_for_mqtt_client(self.hass):
            return "mqtt_unavailable"
        info, online = await async_probe(self.hass, site_root(site))
        if info is None:
            return "no_answer"
        if not info.supported:
            return "contract_mismatch"
        return None if online else "worker_offline"

    def _create(self) -> ConfigFlowResult:
        return self.async_create_entry(title=_title(self._site), data=self._site)


class CameraFlow(ConfigSubentryFlow):
    """Brings a camera of Home Assistant to the worker."""

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
                name = _free(
                    state.name if state else entity_id, {camera.name for camera in cameras}, " "
                )
                return self.async_create_entry(
                    title=name,
                    data=user_input | {CONF_CAMERA_ID: camera_id} | DEFAULT_BURST,
                    unique_id=camera_id,
                )
            errors[CONF_CAMERA_ENTITY] = "no_picture"
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(CAMERA_SCHEMA, user_input),
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
                CAMERA_SCHEMA.extend(BURST_SCHEMA), user_input or subentry.data
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


def _mistakes(site: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong with a prefix and a site."""
    errors = {}
    site[CONF_PREFIX] = site[CONF_PREFIX].strip().strip("/")
    site[CONF_SITE] = site[CONF_SITE].strip()
    try:
        mqtt.valid_publish_topic(site[CONF_PREFIX])
    except probatio.Invalid:
        errors[CONF_PREFIX] = "invalid_prefix"
    if not is_valid_id(site[CONF_SITE]):
        errors[CONF_SITE] = "invalid_site"
    return errors


def _title(site: Mapping[str, Any]) -> str:
    return f"VeroAllarme {site[CONF_SITE]}"


def _free(text: str, taken: set[str], separator: str) -> str:
    """Return ``text``, cut and numbered so that nothing in ``taken`` is the same but for case."""
    taken = {text.casefold() for text in taken}
    candidate, number = text[:MAX_NAME_CHARACTERS], 2
    while candidate.casefold() in taken:
        ending = f"{separator}{number}"
        candidate, number = text[: MAX_NAME_CHARACTERS - len(ending)] + ending, number + 1
    return candidate
