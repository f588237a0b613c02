"""One camera asked over ONVIF, by the maintained onvif-zeep-async and the WSDL files it brings.

Imported only where the extra is installed, and run in the thread of `onvif_thread`: what a camera
sends is parsed here, and may take a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import onvif
from lxml import etree
from onvif.client import ONVIFService
from onvif.definition import SERVICES

from veroallarme_core.worker.onvif.answers import errors, notification, skew, topics_below
from veroallarme_core.worker.onvif.guarded_transport import (
    CALL_LIMIT_S,
    PULL_S,
    SETTINGS,
    GuardedTransport,
    as_text,
    open_session,
)
from veroallarme_core.worker.onvif.motion_notices import Notification, is_motion_topic
from veroallarme_core.worker.onvif.onvif_address import OnvifAddress, OnvifError

SUBSCRIPTION_S = 120
"""For how long a camera keeps a subscription that nobody renews."""
RENEW_AFTER = 0.5
"""Share of its life after which it is renewed, so that one lost try does not end it."""
MIN_LIFE_S = 20.0
MESSAGES = 100
"""Notifications that are taken at a time."""
_WSDL = Path(onvif.__file__).parent / "wsdl"


class OnvifDevice:
    """A camera, its services as far as they are needed, and a subscription to its events.

    Args:
        address: of the camera.
        session: see `open_session`.
    """

    def __init__(self, address: OnvifAddress, session: aiohttp.ClientSession) -> None:
        self._address = address
        self._transport = GuardedTransport(address, session)
        self._skew: dt.timedelta | None = None
        self._urls: dict[str, str] = {}
        self._services: dict[tuple[str, str], ONVIFService] = {}
        self._subscription: str | None = None
        self._wants_absolute_times = False
        self.sources: list[set[str]] = [set()]
        """The tokens by which the device names each of its cameras, ours first."""

    # --- services ------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Find out the camera's clock and its services.

        Raises:
            OnvifError: It cannot be asked.
        """
        await self._find_skew()
        try:
            services = await self._ask("devicemgmt", "GetServices", IncludeCapability=False)
            told = {service.Namespace: service.XAddr for service in services or []}
        except (OnvifError, AttributeError, TypeError) as error:
            if isinstance(error, OnvifError) and error.code != "fault":
                raise
            told = await self._services_of_an_old_camera()
        self._urls = {
            namespace: self._address.service_url(url) for namespace, url in told.items() if url
        }

    async def _find_skew(self) -> None:
        """Ask for the camera's time: logins are dated, and those of another time are refused.

        The standard wants an answer without a login; some cameras give it with one alone, and have
        the right time then, or nobody could ever log in.
        """
        for operation in ("authless_GetSystemDateAndTime", "GetSystemDateAndTime"):
            try:
                self._skew = skew(await self._ask("devicemgmt", operation))
                return
            except (AttributeError, TypeError, ValueError):
                continue
            except OnvifError as error:
                if error.code not in {"login", "fault", "bad_answer"}:
                    raise

    async def _services_of_an_old_camera(self) -> dict[str, Any]:
        capabilities = await self._ask("devicemgmt", "GetCapabilities", Category="All")
        told = {}
        for name in ("Media", "Events"):
            with contextlib.suppress(AttributeError, TypeError):
                told[SERVICES[name.lower()]["ns"]] = getattr(capabilities, name).XAddr
        return told

    async def _ask(
        self, service: str, operation: str, limit_s: float | None = None, **parameters: Any
    ) -> Any:
        """Ask one of the camera's services.

        Raises:
            OnvifError: There is no usable answer within the limit.
        """
        with errors():
            async with asyncio.timeout(CALL_LIMIT_S if limit_s is None else limit_s):
                known = await self._service(service)
                return await getattr(known, operation)(parameters)

    async def _service(self, name: str) -> ONVIFService:
        definition = SERVICES[name]
        url = self._urls.get(definition["ns"], self._address.device_url)
        if name in {"pullpoint", "subscription"} and self._subscription is not None:
            url = self._subscription
        if (name, url) not in self._services:
            service = ONVIFService(
                url,
                self._address.username,
                self._address.password,
                str(_WSDL / definition["wsdl"]),
                no_cache=True,
                dt_diff=self._skew,
                binding_name=f"{{{definition['ns']}}}{definition['binding']}",
            )
            await service.close()  # its own way to the camera checks nothing
            service.transport = self._transport
            await service.setup()
            for client in (service.zeep_client, service.zeep_client_authless):
                client.settings = SETTINGS
            if self._address.username is None:
                service.ws_client = service.ws_client_authless
            # The clock's offset is known after the first question.
            if name != "devicemgmt" or self._skew is not None:
                self._services[name, url] = service
            return service
        return self._services[name, url]

    # --- pictures ------------------------------------------------------------------------------

    async def find_profiles(self) -> str:
        """Find the cameras of the device; return a token of our camera's first profile.

        Raises:
            OnvifError: There is no such camera, or it cannot be asked.
        """
        profiles = await self._ask("media", "GetProfiles")
        tokens: dict[str, set[str]] = {}
        first: dict[str, str] = {}
        for number, profile in enumerate(profiles or []):
            video = getattr(profile, "VideoSourceConfiguration", None)
            source = str(getattr(video, "SourceToken", None) or f"#{number}")
            known = tokens.setdefault(source, {source})
            known |= {str(profile.token), str(getattr(video, "token", source))}
            first.setdefault(source, str(profile.token))
        if len(first) < self._address.channel:
            raise OnvifError(
                "no_channel", f"it has {len(first)} cameras: give a channel from 1 to {len(first)}"
            )
        ours = list(first)[self._address.channel - 1]
        self.sources = [tokens[ours], *(tokens[other] for other in tokens if other != ours)]
        return first[ours]

    async def picture_url(self) -> str:
        """Return the address of our camera's still picture.

        Raises:
            OnvifError: It has none, or cannot be asked.
        """
        profile = await self.find_profiles()
        try:
            answer = await self._ask("media", "GetSnapshotUri", ProfileToken=profile)
            return self._address.picture_url(answer.Uri)
        except (OnvifError, AttributeError) as error:
            if isinstance(error, OnvifError) and error.code not in {"fault", "bad_answer"}:
                raise
            raise OnvifError(
                "no_pictures",
                "it tells no address of a picture: write snapshot.url, such as its RTSP stream",
            ) from None

    # --- events --------------------------------------------------------------------------------

    async def motion_topics(self) -> tuple[list[str], int]:
        """Return the topics that tell of motion, and how many topics the camera names in all.

        Raises:
            OnvifError: It cannot be asked.
        """
        answer = await self._ask("events", "GetEventProperties")
        topics: list[str] = []
        for element in getattr(getattr(answer, "TopicSet", None), "_value_1", None) or []:
            if isinstance(element, etree._Element):
                topics += topics_below(element, "")
        return [topic for topic in topics if is_motion_topic(topic)], len(topics)

    async def subscribe(self) -> float:
        """Make a subscription to all events, and let the camera tell how things stand.

        Returns:
            Seconds after which it is to be renewed.

        Raises:
            OnvifError: The camera makes none.
        """
        try:
            answer = await self._ask(
                "events", "CreatePullPointSubscription", InitialTerminationTime=self._until()
            )
            url = self._address.service_url(answer.SubscriptionReference.Address._value_1)
        except (OnvifError, AttributeError) as error:
            if isinstance(error, OnvifError) and error.code != "fault":
                raise
            raise OnvifError(
                "no_events",
                f"it makes no subscription to its events ({as_text(error)}): switch ONVIF events "
                "on, close other programs that listen to it, or restart the camera",
            ) from None
        self._forget_subscription()
        self._subscription = url
        life_s = self._life_s(answer)
        with contextlib.suppress(OnvifError):
            await self._ask("pullpoint", "SetSynchronizationPoint")
        return life_s * RENEW_AFTER

    async def renew(self) -> float:
        """Renew the subscription; return seconds after which it is to be renewed again.

        Raises:
            OnvifError: The camera does not; the subscription may have died.
        """
        answer = await self._ask("subscription", "Renew", TerminationTime=self._until())
        return self._life_s(answer) * RENEW_AFTER

    async def pull(self) -> list[Notification]:
        """Wait for notifications, for `PULL_S` at most where there are none.

        Raises:
            OnvifError: The subscription has died, or the camera cannot be asked.
        """
        answer = await self._ask(
            "pullpoint",
            "PullMessages",
            limit_s=PULL_S + CALL_LIMIT_S,
            Timeout=dt.timedelta(seconds=PULL_S),
            MessageLimit=MESSAGES,
        )
        messages = getattr(answer, "NotificationMessage", None) or []
        return [told for message in messages if (told := notification(message)) is not None]

    async def unsubscribe(self) -> None:
        """Let the camera forget the subscription: it keeps only a few."""
        if self._subscription is not None:
            with contextlib.suppress(OnvifError):
                await self._ask("subscription", "Unsubscribe", limit_s=2.0)

    def _forget_subscription(self) -> None:
        for key in [key for key in self._services if key[0] in {"pullpoint", "subscription"}]:
            del self._services[key]

    def _until(self) -> str:
        if not self._wants_absolute_times:
            return f"PT{SUBSCRIPTION_S}S"
        until = dt.datetime.now(dt.UTC) + (self._skew or dt.timedelta())
        until += dt.timedelta(seconds=SUBSCRIPTION_S)
        return until.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _life_s(self, answer: Any) -> float:
        """Tell how long a subscription lives by the camera's own clock."""
        try:
            life_s = float((answer.TerminationTime - answer.CurrentTime).total_seconds())
        except (AttributeError, TypeError):
            return float(SUBSCRIPTION_S)
        # Some cameras do not understand a length of time.
        self._wants_absolute_times |= life_s < SUBSCRIPTION_S / 2
        return min(max(life_s, MIN_LIFE_S), float(SUBSCRIPTION_S))


async def load_definitions() -> None:
    """Load what describes the services, which takes a while; sends nothing."""
    address = OnvifAddress(host="localhost")
    async with open_session(address) as session:
        device = OnvifDevice(address, session)
        for name in ("devicemgmt", "media", "events"):
            await device._service(name)


@contextlib.asynccontextmanager
async def connected(address: OnvifAddress) -> AsyncIterator[OnvifDevice]:
    """Connect to a camera.

    Raises:
        OnvifError: It cannot be asked.
    """
    async with open_session(address) as session:
        device = OnvifDevice(address, session)
        await device.connect()
        yield device
