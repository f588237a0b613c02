"""System health: which sites there are and how they are."""

from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .hub import VeroAllarmeConfigEntry


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register the page of the integration."""
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return the state of all sites in a few numbers."""
    entries: list[VeroAllarmeConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    hubs = [entry.runtime_data for entry in entries]
    versions = {hub.info.version for hub in hubs if hub.info and hub.info.version}
    return {
        "sites": len(hubs),
        "sites_online": sum(hub.online for hub in hubs),
        "cameras": sum(len(hub.info.cameras) for hub in hubs if hub.info),
        "worker_version": ", ".join(sorted(versions)) or "–",
    }
