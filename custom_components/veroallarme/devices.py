"""The devices of one site in Home Assistant's registry: its worker and its cameras."""

from collections.abc import Set

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .contract import Info
from .page_links import events_path, page_link


def camera_of(device: dr.AnyDeviceEntry, entry_id: str) -> str | None:
    """Return the id of the camera that a device of this entry stands for; None for the site."""
    for domain, identifier in device.identifiers:
        head, _, camera_id = identifier.partition("/")
        if domain == DOMAIN and head == entry_id and camera_id:
            return camera_id
    return None


@callback
def async_camera_device(
    hass: HomeAssistant, entry_id: str, camera_id: str
) -> dr.AnyDeviceEntry | None:
    """Return the device that stands for a camera of this entry; None where there is none."""
    return dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, f"{entry_id}/{camera_id}"), entry_id
    )


@callback
def async_add_site(hass: HomeAssistant, entry: ConfigEntry) -> str:
    """Add the device of a site where there is none; return its id."""
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, entry.entry_id)},
        entry_type=dr.DeviceEntryType.SERVICE,
        manufacturer="VeroAllarme",
        name=entry.title,
    )
    return device.id


@callback
def async_show_worker(hass: HomeAssistant, device_id: str, info: Info) -> None:
    """Show the version of the worker on the device of its site, and link to its page."""
    url = None if info.page is None else page_link(info.page)
    dr.async_get(hass).async_update_device(
        device_id, sw_version=info.version, configuration_url=url
    )


@callback
def async_follow_cameras(
    hass: HomeAssistant, entry_id: str, info: Info, expected_ids: Set[str]
) -> None:
    """Rename and link the devices of cameras, and remove those of cameras that are gone for good.

    Args:
        info: what the worker has.
        expected_ids: of these, and of cameras that may come back.
    """
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, entry_id):
        camera_id = camera_of(device, entry_id)
        if camera_id is None:
            continue
        if camera_id not in expected_ids:
            registry.async_remove_device(device.id)
        elif camera_id in info.cameras:
            page = info.page
            registry.async_update_device(
                device.id,
                name=info.cameras[camera_id].name,
                configuration_url=None if page is None else page_link(page, events_path(camera_id)),
            )
