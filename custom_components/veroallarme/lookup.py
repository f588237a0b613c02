"""Which camera of which site a device stands for."""

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_READ
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er

from .const import DOMAIN
from .devices import camera_of
from .hub import Hub, VeroAllarmeConfigEntry
from .image import LAST_EVENT


@callback
def async_find_camera(hass: HomeAssistant, device_id: str) -> tuple[Hub, str] | None:
    """Return the hub and the id of the camera that a device stands for; None where it is none."""
    device = dr.async_get(hass).async_get(device_id)
    if device is None:
        return None
    entries: list[VeroAllarmeConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    for entry in entries:
        if (camera_id := camera_of(device, entry.entry_id)) is not None:
            return entry.runtime_data, camera_id
    return None


@callback
def async_cameras(hass: HomeAssistant, user: User | None) -> dict[str, tuple[Hub, str]]:
    """Return all cameras that a user may see, by their devices; None may see all."""
    registry = dr.async_get(hass)
    found: dict[str, tuple[Hub, str]] = {}
    entries: list[VeroAllarmeConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    for entry in entries:
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
            camera_id = camera_of(device, entry.entry_id)
            if camera_id is not None and may_see(hass, user, entry.runtime_data, camera_id):
                found[device.id] = entry.runtime_data, camera_id
    return found


@callback
def may_see(hass: HomeAssistant, user: User | None, hub: Hub, camera_id: str) -> bool:
    """Whether a user may see a camera: who may see its latest event may see the former ones."""
    if user is None or user.is_admin:
        return True
    unique_id = f"{hub.entry.entry_id}_{camera_id}_{LAST_EVENT}"
    entity_id = er.async_get(hass).async_get_entity_id("image", DOMAIN, unique_id)
    return entity_id is not None and user.permissions.check_entity(entity_id, POLICY_READ)
