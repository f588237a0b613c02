from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.veroallarme.const import DOMAIN
from custom_components.veroallarme.issues import PATIENCE_S

from .worker import HEALTH, INFO, STATS, changed, say

OLD = STATS["learning"] | {"learned": False, "events_seen": 5000, "missing": "more sessions"}


def shown(hass: HomeAssistant) -> dict[str | None, dict[str, str] | None]:
    issues = ir.async_get(hass).issues.values()
    return {
        issue.translation_key: issue.translation_placeholders
        for issue in issues
        if issue.domain == DOMAIN and issue.active
    }


async def wait(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    """Let time pass while the worker reports."""
    while seconds > 0:
        freezer.tick(step := min(seconds, 60.0))
        seconds -= step
        async_fire_time_changed(hass)
        await say(hass, "worker/main/health", HEALTH)


@pytest.mark.parametrize(
    ("issue", "topic", "cause", "remedy", "placeholders"),
    [
        ("worker_offline", "worker/main/status", "offline", "online", {"site": "veroallarme/home"}),
        ("no_snapshots", "camera/drive/connectivity", "OFF", "ON", {"camera": "Drive"}),
        (
            "learning_stuck",
            "camera/drive/stats",
            changed(STATS, adaptation=STATS["adaptation"] | {"outcome": "failed"}),
            STATS,
            {"camera": "Drive", "missing": "–"},
        ),
        (
            "learning_stuck",
            "camera/drive/stats",
            changed(STATS, learning=OLD),
            STATS,
            {"camera": "Drive", "missing": "more sessions"},
        ),
    ],
)
async def test_trouble_that_lasts_is_an_issue_until_it_ends(
    freezer: FrozenDateTimeFactory,
    hass: HomeAssistant,
    site,
    issue: str,
    topic: str,
    cause: Any,
    remedy: Any,
    placeholders: dict[str, str],
) -> None:
    await say(hass, topic, cause)
    await wait(hass, freezer, PATIENCE_S - 10)
    await say(hass, topic, cause)
    assert shown(hass) == {}
    await wait(hass, freezer, 20)
    assert shown(hass) == {issue: placeholders}
    await say(hass, topic, remedy)
    assert shown(hass) == {}
    await wait(hass, freezer, PATIENCE_S + 10)
    assert shown(hass) == {}


async def test_trouble_that_passes_is_no_issue(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await say(hass, "camera/drive/connectivity", "OFF")
    await wait(hass, freezer, PATIENCE_S - 10)
    await say(hass, "camera/drive/connectivity", "ON")
    await wait(hass, freezer, PATIENCE_S)
    assert shown(hass) == {}


async def test_another_contract_is_an_issue_at_once(hass: HomeAssistant, site) -> None:
    await say(hass, "info", {"contract": 2})
    assert shown(hass) == {
        "contract_mismatch": {"site": "veroallarme/home", "worker": "2", "here": "1"}
    }
    await say(hass, "info", INFO)
    assert shown(hass) == {}


async def test_issues_go_with_their_camera_and_their_site(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await say(hass, "camera/garden/connectivity", "OFF")
    await say(hass, "camera/drive/connectivity", "OFF")
    await wait(hass, freezer, PATIENCE_S + 10)
    assert shown(hass)
    await say(hass, "info", changed(INFO, cameras=INFO["cameras"][:1]))
    assert shown(hass) == {"no_snapshots": {"camera": "Drive"}}
    await hass.config_entries.async_unload(site.entry_id)
    assert shown(hass) == {}


async def test_the_text_of_an_issue_follows_what_it_is_about(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await say(hass, "camera/drive/stats", changed(STATS, learning=OLD))
    await wait(hass, freezer, PATIENCE_S + 1)
    less = OLD | {"missing": "one [thumb](https://example.org)"}
    await say(hass, "camera/drive/stats", changed(STATS, learning=less))
    placeholders = shown(hass)["learning_stuck"]
    assert placeholders is not None
    assert placeholders["missing"] == "one \\[thumb\\]\\(https://example.org\\)"


async def test_trouble_from_before_the_start_names_the_camera(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site
) -> None:
    await start_site(retained={"camera/drive/connectivity": "OFF"})
    await say(hass, "camera/ghost/connectivity", "OFF")
    await wait(hass, freezer, PATIENCE_S + 1)
    assert shown(hass) == {"no_snapshots": {"camera": "Drive"}}
