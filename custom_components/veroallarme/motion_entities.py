"""Which entities are offered as a camera's motion.

The entity selector of Home Assistant sorts by name and nothing else, so motion, occupancy and
doorbells cannot stand first. What signals no motion is left out instead: most of a house's
binary sensors.
"""

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.const import ATTR_DEVICE_CLASS, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import EntitySelector, EntitySelectorConfig

from .const import DOMAIN

DOMAINS = (Platform.BINARY_SENSOR, Platform.EVENT)
_UNLIKELY = frozenset(
    {
        BinarySensorDeviceClass.BATTERY,
        BinarySensorDeviceClass.BATTERY_CHARGING,
        BinarySensorDeviceClass.CO,
        BinarySensorDeviceClass.COLD,
        BinarySensorDeviceClass.CONNECTIVITY,
        BinarySensorDeviceClass.GAS,
        BinarySensorDeviceClass.HEAT,
        BinarySensorDeviceClass.LIGHT,
        BinarySensorDeviceClass.MOISTURE,
        BinarySensorDeviceClass.PLUG,
        BinarySensorDeviceClass.POWER,
        BinarySensorDeviceClass.PROBLEM,
        BinarySensorDeviceClass.RUNNING,
        BinarySensorDeviceClass.SMOKE,
        BinarySensorDeviceClass.UPDATE,
    }
)
"""Other classes stay, and what has none: many cameras tell of a person by such a sensor, and a
door may be what a camera looks at."""


@callback
def async_motion_selector(hass: HomeAssistant, chosen: str | None) -> EntitySelector:
    """Return the picker of what signals motion in front of a camera.

    Never an entity of ours, which would wait for its own verdict.

    Args:
        hass: whose entities are offered.
        chosen: what signals it so far, which stays on offer whatever it is.
    """
    registry = er.async_get(hass)
    entries = [entry for entry in registry.entities.values() if entry.domain in DOMAINS]
    ours = {entry.entity_id for entry in entries if entry.platform == DOMAIN}
    unlikely = {entry.entity_id for entry in entries if entry.entity_category is not None}
    unlikely |= {entry.entity_id for entry in entries if _is_of_service(hass, entry)}
    unlikely |= {
        state.entity_id
        for state in hass.states.async_all(DOMAINS)
        if state.attributes.get(ATTR_DEVICE_CLASS) in _UNLIKELY
    }
    return EntitySelector(
        EntitySelectorConfig(
            domain=list(DOMAINS), exclude_entities=sorted(ours | unlikely - {chosen})
        )
    )


@callback
def _is_of_service(hass: HomeAssistant, entry: er.RegistryEntry) -> bool:
    """Whether an event is of software, such as a backup, which nothing moves in front of."""
    if entry.domain != Platform.EVENT or entry.device_id is None:
        return False
    device = dr.async_get(hass).async_get(entry.device_id)
    return isinstance(device, dr.DeviceEntry) and device.entry_type is dr.DeviceEntryType.SERVICE
