"""The flow that adds a site, found by MQTT or by hand."""

from collections.abc import Mapping
from typing import Any, override

import probatio
from homeassistant.components import mqtt
from homeassistant.config_entries import (
    SOURCE_MQTT,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
)
from homeassistant.core import callback
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.util.hass_dict import HassKey

from .camera_flow import CameraFlow
from .connection import site_root
from .const import (
    CONF_PREFIX,
    CONF_SITE,
    DEFAULT_PREFIX,
    DEFAULT_SITE,
    DOMAIN,
    SUBENTRY_CAMERA,
)
from .contract import Info
from .payload import PayloadError, is_valid_id, read_json
from .probe import async_probe, async_when_online

WAITING: HassKey[set[str]] = HassKey(f"{DOMAIN}_waiting")
"""Sites that are offered once their worker is there."""


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
        # The broker remembers sites whose workers are gone for good.
        root = site_root(self._site)
        if not (await async_probe(self.hass, root))[1]:
            await self._offer_once_online(root, discovery_info)
            return self.async_abort(reason="worker_offline")
        self.context["title_placeholders"] = {"site": site}
        return await self.async_step_confirm()

    async def _offer_once_online(self, root: str, discovery_info: MqttServiceInfo) -> None:
        """Begin this flow again when the worker is there: the same `info` is told only once."""
        waiting = self.hass.data.setdefault(WAITING, set())
        if root in waiting:
            return
        waiting.add(root)

        async def begin() -> None:
            waiting.discard(root)
            await self.hass.config_entries.flow.async_init(
                DOMAIN, context={"source": SOURCE_MQTT}, data=discovery_info
            )

        await async_when_online(self.hass, root, begin)

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
