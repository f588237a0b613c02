"""VeroAllarme: alarms of cameras that mean something, judged by a worker over MQTT."""

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HassJob, HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import AnyDeviceEntry
from homeassistant.helpers.typing import ConfigType

from .actions import async_register_actions
from .bridges import Bridges, async_clear_definition
from .card import async_register_card
from .connection import site_root
from .const import CONF_CAMERA_ID, DOMAIN, PLATFORMS
from .contract import Origin
from .devices import camera_of
from .event_list import async_register_list
from .event_pictures import EventPictureView
from .hub import Hub, VeroAllarmeConfigEntry
from .presence import async_clear_presence, async_show_presence

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Set up what is there for all sites: actions, pictures of past events, and the card."""
    async_register_actions(hass)
    async_register_list(hass)
    hass.http.register_view(EventPictureView())
    await async_register_card(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: VeroAllarmeConfigEntry) -> bool:
    """Set up a site."""
    hub = entry.runtime_data = Hub(hass, entry)
    await hub.async_start()
    bridges = Bridges(hub)

    async def on_update(hass: HomeAssistant, entry: VeroAllarmeConfigEntry) -> None:
        if site_root(entry.data) != hub.connection.root:
            # The cameras go along; their definitions would stay where they were.
            for subentry in entry.subentries.values():
                await async_clear_definition(hub, subentry.data[CONF_CAMERA_ID])
            await async_clear_presence(hub)
            hass.config_entries.async_schedule_reload(entry.entry_id)
        else:
            await bridges.async_update()

    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    await bridges.async_update()
    entry.async_on_unload(bridges.async_hand_over)
    # A shutdown job runs before background tasks are cancelled and the broker is left.
    job = HassJob(bridges.async_hand_over, f"{DOMAIN} hands over")
    entry.async_on_unload(hass.async_add_shutdown_job(job))
    entry.async_on_unload(entry.add_update_listener(on_update))
    entry.async_on_unload(async_show_presence(hub))
    return True


async def async_unload_entry(hass: HomeAssistant, entry: VeroAllarmeConfigEntry) -> bool:
    """Unload a site; its worker goes on."""
    if entry.disabled_by is not None:
        # It has no entities until the user enables it again.
        await async_clear_presence(entry.runtime_data)
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: VeroAllarmeConfigEntry) -> None:
    """Take the cameras that Home Assistant brought away from the worker."""
    hub = Hub(hass, entry)
    for subentry in entry.subentries.values():
        await async_clear_definition(hub, subentry.data[CONF_CAMERA_ID])
    await async_clear_presence(hub)


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: VeroAllarmeConfigEntry, device: AnyDeviceEntry
) -> bool:
    """Let the user remove a camera that the worker does not have, or that is bridged by nobody."""
    if entry.state is not ConfigEntryState.LOADED:
        return False
    hub = entry.runtime_data
    camera_id = camera_of(device, entry.entry_id)
    if camera_id is None or hub.subentry_id(camera_id) is not None:
        return False
    camera = hub.info.cameras.get(camera_id) if hub.info else None
    if camera is None:
        return True
    if camera.origin != Origin.HOME_ASSISTANT:
        return False
    await async_clear_definition(hub, camera_id)
    return True
