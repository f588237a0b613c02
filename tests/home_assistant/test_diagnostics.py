import json

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)

from custom_components.veroallarme.diagnostics import _without_addresses

from .worker import HEALTH, JPEG, changed, moment, nuisance, say


async def test_diagnostics_tell_everything_but_names_addresses_and_pictures(
    hass: HomeAssistant, site, hass_client
) -> None:
    assert await async_setup_component(hass, "diagnostics", {})
    trouble = {
        "key": "drive/snapshots",
        "message": "drive: http://admin:secret@192.168.1.20/snap.jpg answered HTTP 401",
        "at": moment(),
    }
    await say(hass, "worker/main/health", changed(HEALTH, last_error=trouble, errors=[trouble]))
    why = "No usable picture came from the camera: 10.0.0.7:554 accepts no connection"
    await say(hass, "camera/drive/verdict", nuisance(state="unknown", explanation=why))
    await say(hass, "camera/drive/image", JPEG)
    content = await get_diagnostics_for_config_entry(hass, hass_client, site)
    assert content["online"] is True
    assert content["workers"]["main"]["health"]["faults"] == [
        {"key": "drive/snapshots", "message": "drive: **REDACTED** answered HTTP 401"}
    ]
    drive = content["cameras"]["drive"]
    assert drive["verdict"]["state"] == "unknown"
    assert drive["stats"]["suppressed"] == 322
    assert drive["settings"]["mode"] == "filter"
    assert drive["image_bytes"] == len(JPEG)
    text = json.dumps(content)
    for secret in ("secret", "192.168", "10.0.0.7", "Drive", "Garden"):
        assert secret not in text
    assert "learn" in content["info"]["capabilities"]


@pytest.mark.parametrize(
    "address",
    [
        "/data/veroallarme/events.sqlite",
        "cam-front.fritz.box",
        "[fe80::1c2:3ff]",
        "rtsp://u:p@host/x",
        "00:11:22:33:44:55",
    ],
)
def test_no_kind_of_address_is_left(address: str) -> None:
    assert _without_addresses(f"drive: {address} refused") == "drive: **REDACTED** refused"


@pytest.mark.parametrize("text", ["2026-11-23T06:14:02.517000+00:00", "06:14:02", "0.1.0"])
def test_times_and_versions_stay(text: str) -> None:
    assert _without_addresses(text) == text


def test_no_port_is_left() -> None:
    assert _without_addresses("cam:1883 and port 554") == "cam:**REDACTED** and **REDACTED**"
