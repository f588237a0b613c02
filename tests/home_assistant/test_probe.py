from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.core import HomeAssistant

from custom_components.veroallarme import probe

from .fixtures import subscribed
from .worker import INFO, ROOT, publish


async def ask(hass: HomeAssistant, *answers: tuple[str, Any], limit_s: float = 5.0) -> Any:
    """Probe the site, which gives these answers."""
    with patch.object(probe, "PROBE_TIMEOUT_S", limit_s):
        asking = hass.async_create_task(probe.async_probe(hass, ROOT))
        await subscribed(hass, f"{ROOT}/info")
        for topic, payload in answers:
            publish(hass, topic, payload)
        return await asking


@pytest.mark.usefixtures("mqtt_mock")
async def test_a_site_with_a_worker_is_known_by_its_info(hass: HomeAssistant) -> None:
    status = ("worker/main/status", "online")
    info, online = await ask(hass, status, ("info", "no json"), ("info", INFO))
    assert online
    assert info.cameras.keys() == {"drive", "garden"}


@pytest.mark.usefixtures("mqtt_mock")
async def test_of_several_workers_one_that_is_online_is_enough(hass: HomeAssistant) -> None:
    statuses = [("worker/a/status", "online"), ("worker/b/status", "offline")]
    _, online = await ask(hass, *statuses, ("info", INFO))
    assert online


@pytest.mark.usefixtures("mqtt_mock")
async def test_another_contract_needs_no_worker_to_be_known(hass: HomeAssistant) -> None:
    info, online = await ask(hass, ("info", {"contract": 2}))
    assert (info.contract, info.supported, online) == (2, False, False)


@pytest.mark.usefixtures("mqtt_mock")
async def test_a_probe_that_nobody_answers_ends_and_leaves_nothing_behind(
    hass: HomeAssistant, mqtt_mock: Any
) -> None:
    assert await ask(hass, limit_s=0.05) == (None, False)
    with pytest.raises(TimeoutError):
        await subscribed(hass, f"{ROOT}/info", limit_s=0.05)
