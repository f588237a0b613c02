"""What all entities of the integration share."""

from collections.abc import Callable, Iterable, Sequence
from typing import override

from homeassistant.core import callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .cameras import Camera
from .const import DOMAIN
from .contract import CameraInfo
from .hub import Hub
from .listeners import INFO, WORKER


class CameraEntity(Entity):
    """An entity of one camera; it is told when a message that it shows has come."""

    _attr_has_entity_name = True
    _attr_should_poll = False
    kinds: Sequence[str] = ()
    """The kinds of topics that the entity shows."""

    def __init__(self, hub: Hub, info: CameraInfo, key: str) -> None:
        """Set up the entity ``key`` of a camera."""
        entry_id = hub.entry.entry_id
        self.hub = hub
        self.camera_id = info.id
        self._attr_translation_key = key
        self._attr_unique_id = f"{entry_id}_{info.id}_{key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, f"{entry_id}/{info.id}")},
            manufacturer="VeroAllarme",
            name=info.name,
            via_device_id=hub.device_id,
        )

    @property
    def camera(self) -> Camera:
        """What is known of the camera."""
        return self.hub.cameras.get(self.camera_id)

    @property
    @override
    def available(self) -> bool:
        """Whether the site has this camera.

        What was told last stays true while the worker is away, and twenty entities that become
        unavailable at once tell no more than one. Only the alarm may not seem to watch.
        """
        return self.hub.serves(self.camera_id)

    def require_worker(self) -> None:
        """Let nobody command a worker that is away.

        Raises:
            ServiceValidationError: no worker is there.
        """
        if not self.hub.online:
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="worker_offline",
                translation_placeholders={"camera": self.hub.cameras.name(self.camera_id)},
            )

    @override
    async def async_added_to_hass(self) -> None:
        """Listen to what the worker says."""
        of_the_site = (WORKER, INFO)
        for kinds, listener in (
            (of_the_site, self.async_write_ha_state),
            (self.kinds, self.on_update),
        ):
            self.async_on_remove(self.hub.listeners.async_add(self.camera_id, kinds, listener))

    @callback
    def on_update(self) -> None:
        """Show what has come."""
        self.async_write_ha_state()


@callback
def async_add_for_cameras(
    hub: Hub,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[CameraInfo], Iterable[Entity]],
) -> None:
    """Add the entities of each camera, now and when a camera is added."""

    @callback
    def add(info: CameraInfo) -> None:
        async_add_entities(make(info), config_subentry_id=hub.subentry_id(info.id))

    hub.cameras.async_on_added(add)
