from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from custom_components.veroallarme.issues import PATIENCE_S

from .repairs import pass_reports, shown
from .worker import (
    HEALTH,
    INFO,
    STATS,
    STUCK,
    changed,
    moment,
    say,
)


@pytest.mark.parametrize(
    ("issue", "topic", "cause", "remedy", "placeholders"),
    [
        ("worker_offline", "worker/main/status", "offline", "online", {"site": "VeroAllarme home"}),
        (
            "no_snapshots",
            "camera/drive/connectivity",
            "OFF",
            "ON",
            {"camera": "Drive", "fault": ""},
        ),
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
            changed(STATS, learning=STUCK),
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
    await pass_reports(hass, freezer, PATIENCE_S - 10)
    await say(hass, topic, cause)
    assert shown(hass) == {}
    await pass_reports(hass, freezer, 20)
    assert shown(hass) == {issue: placeholders}
    await say(hass, topic, remedy)
    assert shown(hass) == {}
    await pass_reports(hass, freezer, PATIENCE_S + 10)
    assert shown(hass) == {}


async def test_another_contract_is_an_issue_at_once(hass: HomeAssistant, site) -> None:
    await say(hass, "info", {"contract": 2})
    assert shown(hass) == {
        "contract_mismatch": {"site": "VeroAllarme home", "worker": "2", "here": "1"}
    }
    await say(hass, "info", INFO)
    assert shown(hass) == {}


async def test_trouble_from_before_the_start_names_the_camera(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site
) -> None:
    await start_site(retained={"camera/drive/connectivity": "OFF"})
    await say(hass, "camera/ghost/connectivity", "OFF")
    await pass_reports(hass, freezer, PATIENCE_S + 1)
    assert shown(hass) == {"no_snapshots": {"camera": "Drive", "fault": ""}}


def fault(key: str, message: str) -> dict[str, str]:
    return {"key": key, "message": message, "at": moment()}


async def test_each_camera_that_fails_is_told_with_its_reason(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    errors = [
        fault("drive/snapshots", "drive: http://192.168.1.20/ answered HTTP 401"),
        fault("drive/fault", "drive: an internal error came up"),
        fault("drive/slow", "drive: judging takes too long"),
        fault("garden/no_contrast", "garden: the lens is covered"),
        fault("garden/notice", "garden: the camera was re-aimed"),
        fault("broker", "the broker is slow"),
    ]
    await say(hass, "camera/drive/connectivity", "OFF")
    troubled = changed(HEALTH, errors=errors)
    await say(hass, "worker/main/health", troubled)
    await pass_reports(hass, freezer, PATIENCE_S + 10, troubled)
    told = {
        (issue.translation_key, *(issue.translation_placeholders or {}).values())
        for issue in ir.async_get(hass).issues.values()
        if issue.active
    }
    assert told == {
        ("no_snapshots", "Drive", "http://192.168.1.20/ answered HTTP 401"),
        ("camera_fault", "Drive", "an internal error came up\n\njudging takes too long"),
        ("camera_fault", "Garden", "the lens is covered"),
    }
    await say(hass, "worker/main/health", HEALTH)
    assert shown(hass) == {"no_snapshots": {"camera": "Drive", "fault": ""}}
