"""Fixtures: a site that is set up, over the mocked MQTT client of Home Assistant's own tests."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.components.mqtt.models import DATA_MQTT
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.veroallarme.const import CONF_PREFIX, CONF_SITE, DOMAIN

from .worker import HEALTH, INFO, ROOT, SETTINGS, STATS, publish

type StartSite = Callable[..., Awaitable[MockConfigEntry]]


@pytest.fixture(autouse=True)
def custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load the integration of this checkout."""


@pytest.fixture
def expected_lingering_timers() -> bool:
    """The mocked MQTT client leaves a timer of its own behind."""
    return True


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return a site that is not set up yet."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="VeroAllarme home",
        unique_id=ROOT,
        data={CONF_PREFIX: "veroallarme", CONF_SITE: "home"},
    )


@pytest.fixture
def start_site(hass: HomeAssistant, mqtt_mock: Any, entry: MockConfigEntry) -> StartSite:
    """Return a function that sets up the site, telling it what the broker has retained."""

    async def start(
        info: dict[str, Any] = INFO, *, retained: Mapping[str, Any] | None = None
    ) -> MockConfigEntry:
        if hass.config_entries.async_get_entry(entry.entry_id) is None:
            entry.add_to_hass(hass)
        setup = hass.async_create_task(hass.config_entries.async_setup(entry.entry_id))
        await subscribed(hass, f"{ROOT}/info")
        for below, payload in (retained_state(info) | dict(retained or {})).items():
            publish(hass, below, payload, retained=True)
        publish(hass, "info", info, retained=True)
        assert await setup
        await hass.async_block_till_done()
        return entry

    return start


@pytest.fixture
async def site(start_site: StartSite) -> MockConfigEntry:
    """Return a site that is set up, with the cameras drive and garden."""
    return await start_site()


async def subscribed(hass: HomeAssistant, topic: str, limit_s: float = 5.0) -> None:
    """Wait until Home Assistant listens to a topic."""
    async with asyncio.timeout(limit_s):
        while not hass.data[DATA_MQTT].client.is_active_subscription(topic):
            await asyncio.sleep(0)


def retained_state(info: dict[str, Any]) -> dict[str, Any]:
    """Return what the broker has retained for a site, but for `info`, which comes last."""
    state: dict[str, Any] = {}
    for camera in info.get("cameras", ()):
        topic = f"camera/{camera['id']}"
        state[f"{topic}/settings"] = SETTINGS
        state[f"{topic}/stats"] = STATS
        state[f"{topic}/relevant"] = "OFF"
    return state | {"worker/main/health": HEALTH, "worker/main/status": "online"}


@pytest.fixture
def all_entities_enabled() -> Iterator[None]:
    """Enable entities that are disabled by default."""
    with patch("homeassistant.helpers.entity.Entity.entity_registry_enabled_default", new=True):
        yield
