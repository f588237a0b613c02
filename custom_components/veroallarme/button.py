"""Buttons: thumbs for the last event, learning, and back to the calibrated threshold."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .contract import CameraInfo
from .entity import CameraEntity, async_add_for_cameras
from .hub import Hub, VeroAllarmeConfigEntry

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class CameraButtonDescription(ButtonEntityDescription):
    """A button that sends a command for a camera."""

    press: Callable[[Hub, str], Awaitable[None]]


def _thumb(relevant: bool) -> Callable[[Hub, str], Awaitable[None]]:
    async def press(hub: Hub, camera_id: str) -> None:
        verdict = hub.cameras.get(camera_id).verdict
        if verdict is None:
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="no_event",
                translation_placeholders={"camera": hub.cameras.name(camera_id)},
            )
        await hub.commands.async_give_feedback(camera_id, verdict.event_id, relevant)

    return press


BUTTONS = (
    CameraButtonDescription(key="last_relevant", press=_thumb(True)),
    CameraButtonDescription(key="last_nuisance", press=_thumb(False)),
    CameraButtonDescription(
        key="learn",
        entity_category=EntityCategory.CONFIG,
        press=lambda hub, camera_id: hub.commands.async_learn(camera_id),
    ),
    CameraButtonDescription(
        key="calibrated_threshold",
        entity_registry_enabled_default=False,
        entity_category=EntityCategory.CONFIG,
        press=lambda hub, camera_id: hub.commands.async_set(camera_id, threshold=None),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: VeroAllarmeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the buttons of a site."""
    hub = entry.runtime_data
    async_add_for_cameras(
        hub,
        async_add_entities,
        lambda info: [CameraButton(hub, info, description) for description in BUTTONS],
    )


class CameraButton(CameraEntity, ButtonEntity):
    """Sends a command for a camera."""

    entity_description: CameraButtonDescription

    def __init__(self, hub: Hub, info: CameraInfo, description: CameraButtonDescription) -> None:
        """Set up a button of a camera."""
        super().__init__(hub, info, description.key)
        self.entity_description = description

    @override
    async def async_press(self) -> None:
        """Send the command."""
        self.require_worker()
        await self.entity_description.press(self.hub, self.camera_id)
