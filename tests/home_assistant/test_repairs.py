"""The flow that asks about suggested zones, over the HTTP interface of Home Assistant's pages."""

from http import HTTPStatus
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component

from custom_components.veroallarme.const import DOMAIN

from .worker import JPEG, SUGGESTIONS, say, sent, validate

TOPIC = "camera/drive/suggestions"
TWO = {
    "suggestions": [
        SUGGESTIONS["suggestions"][0],
        SUGGESTIONS["suggestions"][0] | {"id": "zone_00aa11bb"},
    ]
}


class Fix:
    """A fix flow as the page of repairs drives it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._flow_id = ""

    async def begin(self, issue_id: str) -> dict[str, Any]:
        body = {"handler": DOMAIN, "issue_id": issue_id}
        return await self._post("/api/repairs/issues/fix", body)

    async def choose(self, option: str) -> dict[str, Any]:
        return await self._post(
            f"/api/repairs/issues/fix/{self._flow_id}", {"next_step_id": option}
        )

    async def _post(self, url: str, body: dict[str, str]) -> dict[str, Any]:
        answer = await self._client.post(url, json=body)
        assert answer.status == HTTPStatus.OK, await answer.text()
        step: dict[str, Any] = await answer.json()
        self._flow_id = step["flow_id"]
        return step


@pytest.fixture
async def fix(hass: HomeAssistant, hass_client: Any) -> Fix:
    assert await async_setup_component(hass, "repairs", {})
    return Fix(await hass_client())


def issue(hass: HomeAssistant) -> ir.IssueEntry | None:
    issues = ir.async_get(hass).issues.values()
    found = [one for one in issues if one.translation_key == "suggested_zones" and one.active]
    return found[0] if found else None


def shown_issue(hass: HomeAssistant) -> ir.IssueEntry:
    found = issue(hass)
    assert found is not None
    return found


async def test_a_zone_is_taken(hass: HomeAssistant, site, mqtt_mock, fix: Fix) -> None:
    await say(hass, "camera/drive/suggestions_image", JPEG)
    await say(hass, TOPIC, SUGGESTIONS)
    found = shown_issue(hass)
    assert found.is_fixable
    assert found.translation_placeholders == {"camera": "Drive"}
    step = await fix.begin(found.issue_id)
    assert (step["type"], step["menu_options"]) == ("menu", ["take", "refuse"])
    told = step["description_placeholders"]
    assert told["picture"].startswith("![](/api/image_proxy/image.")
    assert "token=" in told["picture"]
    del told["picture"]
    assert told == {
        "camera": "Drive",
        "number": "1",
        "moving": "41%",
        "events": "398",
        "alarms": "300",
        "suppressed": "212",
        "rejected": "4",
        "to_look_at": "1",
    }
    assert (await fix.choose("take"))["type"] == "create_entry"
    (command,) = sent(mqtt_mock, "camera/drive/suggestion")
    assert command == {"id": "zone_4c1f90ab", "take": True}
    validate("suggestion", command)
    assert issue(hass) is None


async def test_zones_are_asked_about_one_after_the_other(
    hass: HomeAssistant, site, mqtt_mock, fix: Fix
) -> None:
    await say(hass, TOPIC, TWO)
    step = await fix.begin(shown_issue(hass).issue_id)
    assert step["description_placeholders"]["picture"] == "", "none came"
    step = await fix.choose("refuse")
    assert step["description_placeholders"]["number"] == "2"
    assert (await fix.choose("take"))["type"] == "create_entry"
    assert sent(mqtt_mock, "camera/drive/suggestion") == [
        {"id": "zone_4c1f90ab", "take": False},
        {"id": "zone_00aa11bb", "take": True},
    ]


async def test_the_repair_goes_with_what_is_suggested(
    hass: HomeAssistant, site, mqtt_mock, fix: Fix
) -> None:
    await say(hass, TOPIC, SUGGESTIONS)
    issue_id = shown_issue(hass).issue_id
    await fix.begin(issue_id)
    await say(hass, TOPIC, {"suggestions": []})
    assert issue(hass) is None
    step = await fix.choose("take")
    assert (step["type"], step["reason"]) == ("abort", "gone")
    assert sent(mqtt_mock, "camera/drive/suggestion") == []


async def test_a_flow_about_what_is_gone_ends(hass: HomeAssistant, site, fix: Fix) -> None:
    await say(hass, TOPIC, SUGGESTIONS)
    issue_id = shown_issue(hass).issue_id
    site.runtime_data.cameras.get("drive").suggestions = []
    step = await fix.begin(issue_id)
    assert (step["type"], step["reason"]) == ("abort", "gone")


async def test_an_answer_that_cannot_be_sent_is_told(
    hass: HomeAssistant, site, fix: Fix, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise HomeAssistantError("no broker")

    await say(hass, TOPIC, SUGGESTIONS)
    await fix.begin(shown_issue(hass).issue_id)
    monkeypatch.setattr(site.runtime_data.commands, "async_send", refuse)
    step = await fix.choose("take")
    assert (step["type"], step["reason"]) == ("abort", "not_sent")
    assert issue(hass) is not None, "it can be answered later"


async def test_a_repair_that_was_put_off_comes_again_only_with_something_else(
    hass: HomeAssistant, site
) -> None:
    await say(hass, TOPIC, SUGGESTIONS)
    found = shown_issue(hass)
    ir.async_ignore_issue(hass, DOMAIN, found.issue_id, True)
    more = SUGGESTIONS["suggestions"][0]["evidence"] | {"events": 400}
    counted = {"suggestions": [SUGGESTIONS["suggestions"][0] | {"evidence": more}]}
    await say(hass, TOPIC, counted)
    assert shown_issue(hass).dismissed_version is not None


async def test_repairs_go_with_their_camera_and_their_site(hass: HomeAssistant, site) -> None:
    await say(hass, TOPIC, SUGGESTIONS)
    await say(hass, "camera/ghost/suggestions", SUGGESTIONS)
    assert issue(hass) is not None
    await hass.config_entries.async_unload(site.entry_id)
    assert issue(hass) is None


@pytest.mark.parametrize(
    "payload",
    [{}, {"suggestions": 1}, {"suggestions": [{"id": "zone_a"}]},
     {"suggestions": [{"id": "NOT AN ID", "evidence": {}}]}],
)  # fmt: skip
async def test_what_does_not_follow_the_contract_suggests_nothing(
    hass: HomeAssistant, site, payload: object
) -> None:
    await say(hass, TOPIC, payload)
    assert issue(hass) is None


async def test_the_picture_is_shown_until_nothing_is_suggested(
    hass: HomeAssistant, site, hass_client
) -> None:
    client = await hass_client()
    (entity_id,) = (
        one for one in hass.states.async_entity_ids("image") if "drive" in one and "zones" in one
    )
    await say(hass, "camera/drive/suggestions_image", JPEG)
    answer = await client.get(f"/api/image_proxy/{entity_id}")
    assert await answer.read() == JPEG
    await say(hass, "camera/drive/suggestions_image", b"")
    found = hass.states.get(entity_id)
    assert found is not None
    assert found.state == "unknown"
