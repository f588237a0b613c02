"""Image entities: the strongest frame of the latest event, and zones that are suggested."""

from datetime import datetime
from typing import override

from homeassistant.components.image import ImageEntity
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .contract import CameraInfo
from .entity import CameraEntity, async_add_for_cameras
from .hub import Hub, VeroAllarmeConfigEntry

PARALLEL_UPDATES = 0
LAST_EVENT = "annotated"
"""Key of the annotated picture of the latest event."""
SUGGESTED_ZONES = "suggested_zones"
"""Key of the picture of suggested zones."""


async def async_setup_entry(
    hass: HomeAssistant,
    entry: VeroAllarmeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the image entities of a site."""
    hub = entry.runtime_data
    async_add_for_cameras(
        hub,
        async_add_entities,
        lambda info: (AnnotatedImage(hub, info), SuggestedZonesImage(hub, info)),
    )


class AnnotatedImage(CameraEntity, ImageEntity):
    """The annotated picture of the latest event."""

    _attr_content_type = "image/jpeg"
    kinds = ("image",)

    def __init__(self, hub: Hub, info: CameraInfo) -> None:
        """Set up the picture of a camera."""
        CameraEntity.__init__(self, hub, info, LAST_EVENT)
        ImageEntity.__init__(self, hub.hass)

    @property
    @override
    def image_last_updated(self) -> datetime | None:
        """When a new picture came."""
        return self.camera.image_at

    @override
    async def async_image(self) -> bytes | None:
        """Return the picture."""
        return self.camera.image


class SuggestedZonesImage(CameraEntity, ImageEntity):
    """What moves again and again, and the zones that are suggested to be ignored."""

    _attr_content_type = "image/jpeg"
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    kinds = ("suggestions_image",)

    def __init__(self, hub: Hub, info: CameraInfo) -> None:
        """Set up the picture of a camera."""
        CameraEntity.__init__(self, hub, info, SUGGESTED_ZONES)
        ImageEntity.__init__(self, hub.hass)

    @property
    @override
    def image_last_updated(self) -> datetime | None:
        """When the picture came."""
        return self.camera.suggestions_image_at

    @override
    async def async_image(self) -> bytes | None:
        """Return the picture."""
        return self.camera.suggestions_image
