from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant

from custom_components.veroallarme.issues import PATIENCE_S

from .repairs import pass_reports, shown
from .worker import INFO, STATS, STUCK, changed, say


async def test_trouble_that_passes_is_no_issue(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await say(hass, "camera/drive/connectivity", "OFF")
    await pass_reports(hass, freezer, PATIENCE_S - 10)
    await say(hass, "camera/drive/connectivity", "ON")
    await pass_reports(hass, freezer, PATIENCE_S)
    assert shown(hass) == {}


async def test_issues_go_with_their_camera_and_their_site(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await say(hass, "camera/garden/connectivity", "OFF")
    await say(hass, "camera/drive/connectivity", "OFF")
    await pass_reports(hass, freezer, PATIENCE_S + 10)
    assert shown(hass)
    await say(hass, "info", changed(INFO, cameras=INFO["cameras"][:1]))
    assert shown(hass) == {"no_snapshots": {"camera": "Drive", "fault": ""}}
    await hass.config_entries.async_unload(site.entry_id)
    assert shown(hass) == {}


async def test_the_text_of_an_issue_follows_what_it_is_about(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await say(hass, "camera/drive/stats", changed(STATS, learning=STUCK))
    await pass_reports(hass, freezer, PATIENCE_S + 1)
    less = STUCK | {"missing": "one [thumb](https://example.org)"}
    await say(hass, "camera/drive/stats", changed(STATS, learning=less))
    placeholders = shown(hass)["learning_stuck"]
    assert placeholders is not None
    assert placeholders["missing"] == "one \\[thumb\\]\\(https://example.org\\)"
