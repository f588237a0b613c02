"""What a user sees: the pages of Home Assistant in a real Chromium.

`VEROALLARME_SCREENSHOTS` names a folder that gets the screenshots; README and docs show them.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, ViewportSize, expect

from benchmarks.house import House, jpegs
from benchmarks.page_peer import chromium
from tests.axe import violations

from .conftest import CORRUPT, PERSON
from .test_bridge import showing

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

VIEWPORT: ViewportSize = {"width": 1280, "height": 760}
WAIT_MS = 30_000


class Browser:
    """A page of a user who is logged in."""

    def __init__(self, page: Page, url: str, folder: Path) -> None:
        self.page = page
        self.errors: list[str] = []
        self._url = url
        self._folder = folder
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def open(self, path: str) -> None:
        """Open a page of Home Assistant and wait until it has been drawn."""
        await self.page.goto(self._url + path)
        await self.page.wait_for_function(
            "!document.getElementById('ha-launch-screen')", timeout=WAIT_MS
        )

    async def see(self, *texts: str) -> None:
        """Wait until the page shows all of these texts."""
        for text in texts:
            # Options of closed selects are there as well, hidden.
            found = self.page.get_by_text(text, exact=True).filter(visible=True)
            await expect(found.first).to_be_visible(timeout=WAIT_MS)

    async def shoot(self, name: str) -> None:
        """Keep a screenshot."""
        # Transitions of dialogs and the fade of pictures.
        await self.page.wait_for_timeout(1500)
        await self.page.screenshot(path=self._folder / f"{name}.jpg", type="jpeg", quality=85)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(house: House, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A Chromium whose user is logged in, and which reaches Home Assistant alone."""
    folder = Path(
        os.environ.get("VEROALLARME_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots")
    )
    url = house.home.url
    tokens = json.dumps(json.dumps(house.home.token))

    async def go_on(route: Route) -> None:
        await route.abort()

    async with chromium() as program:
        context = await program.new_context(viewport=VIEWPORT, locale="en-GB", color_scheme="light")
        await context.route(lambda to: not to.startswith((url, "data:", "blob:")), go_on)
        await context.add_init_script(f"localStorage.setItem('hassTokens', {tokens})")
        yield Browser(await context.new_page(), url, folder)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lively(house: House) -> House:
    """A house in which something has happened."""
    for scene in (CORRUPT, PERSON):
        await house.decide("front", scene)
    return house


async def test_the_device_page_shows_alarm_settings_and_thumbs(
    browser: Browser, lively: House
) -> None:
    device = (await lively.devices())["Front"]["id"]
    await browser.page.set_viewport_size({"width": 1280, "height": 1340})
    await browser.open(f"/config/devices/device/{device}")
    await browser.see("Relevant motion", "Detected", "Last event: false alarm", "Filter now")
    await browser.see("Decision", "Reason", "Learning", "Suppressed events")
    await browser.shoot("device")
    await browser.page.set_viewport_size(VIEWPORT)
    assert browser.errors == []


async def test_the_image_shows_the_annotated_frame(browser: Browser, lively: House) -> None:
    await browser.open("/config/dashboard?more-info-entity-id=image.front_last_event")
    picture = browser.page.locator("ha-more-info-dialog img, more-info-image img, ha-dialog img")
    await expect(picture.first).to_be_visible(timeout=WAIT_MS)
    size: list[int] = await picture.first.evaluate(
        "async image => { await image.decode(); return [image.naturalWidth, image.naturalHeight] }"
    )
    assert size == [640, 480]
    await browser.shoot("image")
    assert browser.errors == []


async def test_the_alarm_explains_itself(browser: Browser, lively: House) -> None:
    await browser.open("/config/dashboard?more-info-entity-id=binary_sensor.front_relevant_motion")
    await browser.see("Relevant motion")
    assert browser.errors == []


SAVE_DASHBOARD = """async () => {
  const { hass } = document.querySelector("home-assistant");
  await hass.callWS({ type: "lovelace/dashboards/create", url_path: "alarms-here",
    title: "Alarms", mode: "storage", show_in_sidebar: true });
  await hass.callWS({ type: "lovelace/config/save", url_path: "alarms-here",
    config: { views: [{ cards: [{ type: "custom:veroallarme-card" }] }] } });
}"""
PHONE: ViewportSize = {"width": 390, "height": 844}


async def test_the_card_shows_what_was_suppressed_and_takes_thumbs(
    browser: Browser, lively: House
) -> None:
    page = browser.page
    await browser.open("/config/dashboard")
    await page.evaluate(SAVE_DASHBOARD)
    await page.set_viewport_size(PHONE)
    await browser.open("/alarms-here")
    card = page.locator("veroallarme-card")
    await browser.see("Damaged pictures", "A person moved")
    await browser.shoot("card")
    for state, (more, less) in (("relevant", (1, 0)), ("irrelevant", (0, 1))):
        colour = await card.locator(f".{state} ha-icon").first.evaluate(
            "icon => getComputedStyle(icon).color.match(/\\d+/g).map(Number)"
        )
        assert colour[more] > colour[less] + 50, "as the picture frames it"
    width = await card.evaluate("card => [card.scrollWidth, card.clientWidth]")
    assert width[0] <= width[1], "it fits a phone"
    await card.get_by_role("button", name="Suppressed", exact=True).click()
    await expect(card.get_by_text("A person moved")).to_have_count(0, timeout=WAIT_MS)
    row = card.locator("li").filter(has_text="Damaged pictures").first
    await row.get_by_role("button", name="Show the picture").click()
    picture = card.locator("dialog img")
    await expect(picture).to_be_visible(timeout=WAIT_MS)
    size: list[int] = await picture.evaluate(
        "async image => { await image.decode(); return [image.naturalWidth, image.naturalHeight] }"
    )
    assert size == [640, 480]
    # This worker tells no address of a page: nothing stands where the link would.
    await expect(card.locator("dialog")).not_to_contain_text("null")
    thumb = card.locator("dialog").get_by_role("button", name="It was a false alarm")
    await thumb.click()
    await expect(thumb).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
    await expect(thumb).to_be_focused()
    await expect(card.locator("dialog").get_by_text("null")).to_have_count(0)
    await browser.shoot("card_picture")
    await browser.open("/alarms-here")
    row = card.locator("li").filter(has_text="Damaged pictures").first
    thumb = row.get_by_role("button", name="It was a false alarm")
    await expect(thumb).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
    await page.set_viewport_size(VIEWPORT)
    assert browser.errors == []


SAVE_SECTIONS = """async () => {
  const { hass } = document.querySelector("home-assistant");
  await hass.callWS({ type: "lovelace/dashboards/create", url_path: "in-sections",
    title: "Sections", mode: "storage", show_in_sidebar: true });
  const cards = [{ type: "custom:veroallarme-card", grid_options: { rows: 4 } },
    { type: "markdown", content: "Below" }];
  await hass.callWS({ type: "lovelace/config/save", url_path: "in-sections",
    config: { views: [{ type: "sections", sections: [{ type: "grid", cards }] }] } });
}"""


async def test_in_a_section_the_card_covers_no_other(browser: Browser, lively: House) -> None:
    await browser.open("/config/dashboard")
    await browser.page.evaluate(SAVE_SECTIONS)
    await browser.open("/in-sections")
    await browser.see("Damaged pictures", "Below")
    card = await browser.page.locator("veroallarme-card").bounding_box()
    below = await browser.page.get_by_text("Below", exact=True).bounding_box()
    assert card is not None
    assert below is not None
    assert card["y"] + card["height"] <= below["y"]
    assert browser.errors == []


async def test_while_the_worker_is_away_the_card_claims_nothing_about_events(
    browser: Browser, lively: House
) -> None:
    alarm = "binary_sensor.front_relevant_motion"
    lively.worker.kill()
    try:
        await lively.home.until_state(alarm, "unavailable")
        await browser.open("/alarms-here")
        await browser.see("Front: the worker is offline.")
        card = browser.page.locator("veroallarme-card")
        await expect(card.get_by_text("No events")).to_have_count(0)
    finally:
        lively.worker.start()
        await lively.home.until_state(alarm, "on", "off")
    await browser.see("Damaged pictures")
    assert browser.errors == []


CARD = "veroallarme-card"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, VIEWPORT], ids=["phone", "desktop"])
async def test_axe_has_nothing_against_the_card(
    browser: Browser, lively: House, viewport: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    page = browser.page
    try:
        await page.set_viewport_size(viewport)
        await page.emulate_media(color_scheme=scheme)
        await browser.open("/alarms-here")
        await browser.see("Damaged pictures", "A person moved")
        await browser.shoot(f"card_{viewport['width']}_{scheme}")
        assert await violations(page, within=CARD) == []
        card = page.locator(CARD)
        row = card.locator("li").filter(has_text="Damaged pictures").first
        await row.get_by_role("button", name="Show the picture").click()
        picture = card.locator("dialog img")
        await expect(picture).to_be_visible(timeout=WAIT_MS)
        await picture.evaluate("image => image.decode()")
        assert await violations(page, within=CARD) == []
        await browser.shoot(f"card_dialog_{viewport['width']}_{scheme}")
        await card.get_by_role("button", name="Close").click()
    finally:
        await page.set_viewport_size(VIEWPORT)
        await page.emulate_media(color_scheme="light")


async def test_motion_is_ignored_where_it_was_once_the_user_has_seen_where(
    browser: Browser, lively: House
) -> None:
    await browser.open("/alarms-here")
    card = browser.page.locator("veroallarme-card")
    row = card.locator("li").filter(has_text="A person moved").first
    await row.get_by_role("button", name="It was a false alarm").click()
    await row.get_by_role("button", name="Ignore motion here").click()
    await expect(card.locator("dialog polygon").first).to_be_attached(timeout=WAIT_MS)
    zones = await lively.home.state("sensor.front_zones")
    assert zones["state"] == "0"
    await card.get_by_role("button", name="Ignore it").click()
    await lively.home.until_state("sensor.front_zones", "1")
    await lively.home.post(
        "services/veroallarme/set_zones",
        {"device_id": (await lively.devices())["Front"]["id"], "zones": []},
    )
    await lively.home.until_state("sensor.front_zones", "0")
    assert browser.errors == []


async def test_past_events_are_media(browser: Browser, lively: House) -> None:
    page = browser.page
    await browser.open("/media-browser/browser")
    for folder in ("VeroAllarme", "Front", "("):
        await page.locator("ha-card").filter(has_text=folder).first.click(timeout=WAIT_MS)
    event = page.locator("ha-card").filter(has_text="A person moved").first
    await expect(event).to_be_visible(timeout=WAIT_MS)
    await browser.shoot("media")
    assert browser.errors == []


async def test_a_camera_is_added_by_hand(browser: Browser, lively: House) -> None:
    """The flow as a user walks it: two entities, nothing else."""
    home = lively.home
    picture = home.show("Porch", jpegs(PERSON)[0])
    await home.add_file_camera("Porch", picture)
    await browser.open("/config/integrations/integration/veroallarme")
    await browser.see("VeroAllarme home")
    await browser.shoot("integration")
    await browser.page.get_by_text("Add a camera from Home Assistant").first.click()
    await browser.see("Camera", "Motion")
    await pick(browser.page, 0, "Porch")
    await pick(browser.page, 1, "Porch motion")
    await browser.shoot("add_camera")
    await browser.page.get_by_role("button", name="Submit").click()
    await home.until_state("binary_sensor.porch_relevant_motion", "off")
    async with showing(picture, jpegs(PERSON)):
        await lively.publish("cam/porch/motion", "ON")
        await home.until_state("binary_sensor.porch_relevant_motion", "on")
    assert browser.errors == []


async def pick(page: Page, number: int, name: str) -> None:
    """Choose an entity in one of the fields of a form."""
    await page.locator("ha-entity-picker").nth(number).click()
    found = page.locator("ha-picker-combo-box")
    # Until the search has the focus, keys are shortcuts of the page.
    await expect(found.locator("input")).to_be_focused(timeout=WAIT_MS)
    await page.keyboard.type(name)
    await found.get_by_text(name, exact=True).first.click()
    await expect(found).to_have_count(0, timeout=WAIT_MS)


async def test_a_site_is_changed_by_its_flow(browser: Browser, lively: House) -> None:
    """The errors of the flow are sentences of ours, beside the field that they are about."""
    entry = await lively.entry()
    step: Any = await lively.home.post(
        "config/config_entries/flow",
        {"handler": "veroallarme", "entry_id": entry["entry_id"]},
    )
    step = await lively.home.post(
        f"config/config_entries/flow/{step['flow_id']}", {"prefix": "a/+", "site": "Home!"}
    )
    assert step["errors"] == {"prefix": "invalid_prefix", "site": "invalid_site"}
