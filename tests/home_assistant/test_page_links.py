import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir

from custom_components.veroallarme.const import DOCUMENTATION_URL, DOMAIN
from custom_components.veroallarme.contract import Info
from custom_components.veroallarme.page_links import (
    event_path,
    frontend_link,
    is_page,
    page_link,
    zones_path,
)

from .worker import INFO, changed, say

HTTPS = "https://alarm.example.org/va"
APP = "homeassistant://app/a0d7b954_veroallarme"
EVENT = "20261128_031500_a1b2c3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HTTPS, True),
        ("http://192.168.1.5:8099", True),
        ("http://[fd00::5]:8099", True),
        (APP, True),
        ("javascript:alert(1)", False),
        ("https://a.example/?x", False),
        ("https://a.example/'><script>", False),
        ("https://a.example/a b", False),
        ("homeassistant://config/users", False),
        ("homeassistant://app/../config", False),
        ("https://" + "a" * 500, False),
        ("", False),
    ],
)
def test_what_may_be_linked_to(text: str, expected: bool) -> None:
    assert is_page(text) == expected
    assert (Info.from_json(changed(INFO, page=text)).page is not None) == expected


@pytest.mark.parametrize("page", [None, 7, ["https://a.example"]])
def test_what_is_no_address_is_no_reason_to_give_up_the_cameras(page) -> None:
    info = Info.from_json(changed(INFO, page=page))
    assert info.page is None
    assert len(info.cameras) == 2


def test_links_to_parts_of_the_page() -> None:
    event, zones = event_path("drive", EVENT), zones_path("drive")
    assert page_link(HTTPS, event) == f"{HTTPS}/events/drive/{EVENT}"
    assert page_link(APP, zones) == f"{APP}?page=/cameras/drive/zones"
    assert page_link(APP) == APP
    assert frontend_link(HTTPS, zones) == f"{HTTPS}/cameras/drive/zones"
    assert frontend_link(APP, event) == f"/app/a0d7b954_veroallarme?page=/events/drive/{EVENT}"
    assert page_link(APP, "/events?camera=drive").endswith("?page=/events%3Fcamera%3Ddrive")


@pytest.mark.parametrize(
    ("page", "site_url", "camera_url"),
    [
        (HTTPS, HTTPS, f"{HTTPS}/events?camera=drive"),
        (APP, APP, f"{APP}?page=/events%3Fcamera%3Ddrive"),
        (None, None, None),
    ],
)
async def test_devices_link_to_the_page(
    hass: HomeAssistant, site, page: str | None, site_url: str | None, camera_url: str | None
) -> None:
    def urls() -> list[str | None]:
        registry = dr.async_get(hass)
        found = [
            registry.async_get_device_by_identifier((DOMAIN, identifier), site.entry_id)
            for identifier in (site.entry_id, f"{site.entry_id}/drive")
        ]
        return [device.configuration_url for device in found if device is not None]

    assert urls() == [None, None]
    await say(hass, "info", changed(INFO, page=page))
    assert urls() == [site_url, camera_url]
    await say(hass, "info", INFO)
    assert urls() == [None, None]


async def test_the_repair_of_suggested_zones_opens_the_zones(hass: HomeAssistant, site) -> None:
    evidence = {
        **dict.fromkeys(("events", "alarms", "suppressed", "rejected", "to_look_at"), 3),
        "moving_share": 0.5,
    }
    zone = {"name": "tree", "kind": "ignore", "points": [[0, 0], [1, 0], [1, 1]]}
    suggestion = {"id": "a", "zone": zone, "evidence": evidence}
    await say(hass, "camera/drive/suggestions", {"suggestions": [suggestion]})

    def link() -> str | None:
        issue_id = f"suggested_zones_{site.entry_id}_drive"
        issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
        assert issue is not None
        return issue.learn_more_url

    assert link() == f"{DOCUMENTATION_URL}#repairs"
    await say(hass, "info", changed(INFO, page=APP))
    assert link() == f"{APP}?page=/cameras/drive/zones"
    await say(hass, "info", changed(INFO, page=HTTPS))
    assert link() == f"{HTTPS}/cameras/drive/zones"
