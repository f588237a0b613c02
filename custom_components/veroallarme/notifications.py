"""Notifications about the cameras of one site, and the answers that come back from phones."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from .addresses import JPEG, media_path, picture_path
from .cameras import Cameras
from .commands import Commands
from .const import CONF_CAMERA_ENTITY, CONF_CAMERA_ID, DOMAIN
from .contract import Verdict
from .devices import async_camera_device, camera_of
from .past_events import PastEvent, PastEvents
from .phones import Delivery, async_send, sound
from .reasons import PERSON, EventState
from .words import decision_words, notification_words

_LOGGER = logging.getLogger(__name__)

EVENT_PRESSED = "mobile_app_notification_action"
REMEMBERED = 64
"""Notifications whose phones are known when a button is pressed."""
_THUMBS = {"relevant": True, "nuisance": False}


class Notifications:
    """Tells phones of events, and takes their answers."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        cameras: Cameras,
        commands: Commands,
        past_events: PastEvents,
        can: Callable[[str], bool],
        event_link: Callable[[str, str], str | None],
    ) -> None:
        """Set up with nothing sent.

        Args:
            hass: of the site.
            entry: of the site.
            cameras: of the site.
            commands: take the thumbs.
            past_events: tell of events that are not the latest.
            can: whether a worker is there that takes a command.
            event_link: where the worker's page shows an event of a camera, if there is one.
        """
        self._hass = hass
        self._entry = entry
        self._cameras = cameras
        self._commands = commands
        self._past_events = past_events
        self._can = can
        self._event_link = event_link
        self._sent_at: dict[str, float] = {}
        """When each camera was notified about last, by the loop's clock."""
        self._person_told: set[str] = set()
        """Cameras in whose alarm a person has been told of."""
        self._sent_to: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        """The phones that were told of an event."""

    @callback
    def async_listen(self) -> None:
        """Take the answers of phones from now on."""
        remove = self._hass.bus.async_listen(EVENT_PRESSED, self._on_pressed)
        self._entry.async_on_unload(remove)

    async def async_tell_event(
        self, camera_id: str, event_id: str, delivery: Delivery, camera_entity: str | None
    ) -> None:
        """Tell of an event that raised the alarm, with its picture or one of the camera itself.

        Raises:
            HomeAssistantError: no phone can be reached.
        """
        words = await notification_words(self._hass)
        event = await self._find(camera_id, event_id)
        device_id = self._device_id(camera_id)
        message = words["moved"]
        image: str | None = picture_path(device_id, event_id)
        target = self._target(camera_id, delivery.page, event_id)
        is_new = self._is_new(camera_id, event, delivery)
        data = self._data(camera_id, delivery, target, is_new=is_new)
        if event is not None:
            outcome, why = decision_words(
                self._hass, event.state, event.relevant, event.reason_word
            )
            at = dt_util.as_local(event.motion_at)
            message = f"{why}, {at:%H:%M}"
            data["when"] = int(event.motion_at.timestamp())
            if event.state is EventState.IRRELEVANT:
                message += f" ({words['learning']}: {outcome})"
            elif event.state is EventState.UNKNOWN:
                # Why it could not be judged says nothing of what is there: somebody may be.
                message = f"{words['unjudged']}, {at:%H:%M}: {why}"
            if not event.pictures:
                image = self._camera_picture(camera_id, camera_entity)
        if image is not None:
            data["image"] = image
        data["actions"] = [
            {
                "action": _action(device_id, event_id, thumb),
                "title": words[f"{thumb}_button"],
            }
            for thumb in _THUMBS
        ]
        self._remember(event_id, delivery.phones)
        await self._send(camera_id, delivery.phones, message, data)

    async def async_tell_motion(
        self, camera_id: str, delivery: Delivery, camera_entity: str | None
    ) -> None:
        """Tell of motion that nobody judged, with a picture of the camera itself.

        Raises:
            HomeAssistantError: no phone can be reached.
        """
        words = await notification_words(self._hass)
        entity = camera_entity or self._bridged_entity(camera_id)
        target = delivery.page or (f"entityId:{entity}" if entity else self._latest(camera_id))
        data = self._data(camera_id, delivery, target)
        # Not the tag of an event, whose picture and buttons stay.
        data["tag"] += "-motion"
        if (image := self._camera_picture(camera_id, camera_entity)) is not None:
            data["image"] = image
        message = f"{words['not_judged']}, {dt_util.now():%H:%M}"
        await self._send(camera_id, delivery.phones, message, data)

    # --- answers ---------------------------------------------------------------------------

    async def _on_pressed(self, event: Event) -> None:
        pressed = str(event.data.get("action", "")).split("|")
        match pressed:
            case [domain, device_id, event_id, answer] if domain == DOMAIN:
                device = dr.async_get(self._hass).async_get(device_id)
                camera_id = device and camera_of(device, self._entry.entry_id)
                if camera_id:
                    await self._take_answer(camera_id, event_id, answer)

    async def _take_answer(self, camera_id: str, event_id: str, answer: str) -> None:
        """Carry out what a button says, and echo it on the phones that had it."""
        words = await notification_words(self._hass)
        data: dict[str, Any] = {"tag": self._tag(camera_id), **sound(is_quiet=True)}
        try:
            if not self._can("feedback"):
                raise HomeAssistantError(words["offline"])
            if answer == "ignore":
                await self._past_events.async_ignore_here(camera_id, event_id, preview=False)
                message = words["ignored"]
            elif answer in _THUMBS:
                thumb = _THUMBS[answer]
                await self._commands.async_give_feedback(camera_id, event_id, thumb)
                message = words["thanks"]
                if not thumb:
                    action = _action(self._device_id(camera_id), event_id, "ignore")
                    data["actions"] = [{"action": action, "title": words["ignore_button"]}]
            else:
                return
        except HomeAssistantError as error:
            message = f"{words['not_taken']} {error}"
        phones = self._sent_to.get(event_id, ())
        try:
            await self._send(camera_id, phones, message, data)
        except HomeAssistantError as error:
            _LOGGER.warning("An answer about %s cannot be confirmed: %s", camera_id, error)

    # --- what is sent ----------------------------------------------------------------------

    async def _send(
        self, camera_id: str, phones: tuple[str, ...], message: str, data: dict[str, Any]
    ) -> None:
        await async_send(self._hass, phones, self._cameras.name(camera_id), message, data)

    def _is_new(
        self, camera_id: str, event: Verdict | PastEvent | None, delivery: Delivery
    ) -> bool:
        """Whether an event tells more than the others of its alarm; one that is not known may."""
        if not delivery.follow_up:
            self._person_told.discard(camera_id)
        may_be_person = event is None or event.reason_word == PERSON
        is_new = not delivery.follow_up or (may_be_person and camera_id not in self._person_told)
        if event is not None and may_be_person:
            self._person_told.add(camera_id)
        return is_new

    def _data(
        self, camera_id: str, delivery: Delivery, target: str, *, is_new: bool = True
    ) -> dict[str, Any]:
        """Return how a notification behaves; one that makes no sound begins no cool-down."""
        now = self._hass.loop.time()
        last = self._sent_at.get(camera_id)
        is_cooling = last is not None and now - last < delivery.cool_down_s
        is_quiet = is_cooling or not is_new or delivery.is_quiet(dt_util.now())
        if not is_quiet:
            self._sent_at[camera_id] = now
        return {
            "tag": self._tag(camera_id),
            "clickAction": target,
            "url": target,
            **sound(is_quiet=is_quiet),
        }

    def _target(self, camera_id: str, page: str, event_id: str) -> str:
        """Return what a tap on the notification of an event opens."""
        if page:
            return f"{page}?veroallarme={event_id}"
        link = self._event_link(camera_id, event_id)
        # Without encryption it is an address within the house, which a phone may have left.
        if link is not None and not link.startswith("http:"):
            return link
        if "media_source" in self._hass.config.components:
            # The day is for the way back alone.
            today = dt_util.now().date()
            return media_path(f"{self._device_id(camera_id)}/{today}/{event_id}", JPEG)
        return self._latest(camera_id)

    def _latest(self, camera_id: str) -> str:
        """Return what opens the latest picture of a camera."""
        unique_id = f"{self._entry.entry_id}_{camera_id}_annotated"
        entity_id = er.async_get(self._hass).async_get_entity_id("image", DOMAIN, unique_id)
        return f"entityId:{entity_id}" if entity_id else "/"

    def _tag(self, camera_id: str) -> str:
        return f"veroallarme-{self._device_id(camera_id)}"

    def _device_id(self, camera_id: str) -> str:
        device = async_camera_device(self._hass, self._entry.entry_id, camera_id)
        return device.id if device else ""

    def _camera_picture(self, camera_id: str, camera_entity: str | None) -> str | None:
        """Return the address of what the camera shows now; None where no entity is known."""
        entity = camera_entity or self._bridged_entity(camera_id)
        return entity and f"/api/camera_proxy/{entity}"

    def _bridged_entity(self, camera_id: str) -> str | None:
        for subentry in self._entry.subentries.values():
            if subentry.data[CONF_CAMERA_ID] == camera_id:
                return str(subentry.data[CONF_CAMERA_ENTITY])
        return None

    def _remember(self, event_id: str, phones: tuple[str, ...]) -> None:
        before = self._sent_to.pop(event_id, ())
        self._sent_to[event_id] = tuple(dict.fromkeys([*before, *phones]))
        while len(self._sent_to) > REMEMBERED:
            self._sent_to.popitem(last=False)

    async def _find(self, camera_id: str, event_id: str) -> Verdict | PastEvent | None:
        """Return an event; None where nothing is known of it, which keeps nobody from alarm."""
        camera = self._cameras.get(camera_id)
        for known in (camera.verdict, camera.decision):
            if known is not None and known.event_id == event_id:
                return known
        if not self._can("list_events"):
            return None
        try:
            page = await self._past_events.async_list(camera_id, event_id=event_id, limit=1)
        except HomeAssistantError:
            return None
        return page.events[0] if page.events else None


def _action(device_id: str, event_id: str, answer: str) -> str:
    """Return what a button sends back."""
    return f"{DOMAIN}|{device_id}|{event_id}|{answer}"
