"""Teaching a camera in a real Chromium: zones by mouse, by finger and by keys, what if, numbers.

A worker in this process, a real mosquitto and a drawn camera stand behind the page.
`VEROALLARME_SCREENSHOTS` names a folder that gets the screenshots.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Page, ViewportSize, expect

from benchmarks.page_peer import chromium
from benchmarks.peers import HttpCamera, Listener, Mosquitto
from tests.axe import violations
from tests.worker.conftest import Site, drawn_jpegs
from tests.worker.history.test_past_events import stored_verdict
from tests.worker.page.conftest import Visitor, visiting
from tests.worker.talk import C, events, sender
from veroallarme_core.contract import (
    ALL_KINDS,
    Mode,
    Promise,
    State,
    SuggestionEvidence,
    Zone,
    ZoneKind,
    ZoneSuggestion,
)
from veroallarme_core.pipeline import Outcome, Outcomes
from veroallarme_core.worker.camera.learning import LearningStatus
from veroallarme_core.worker.storage import EventStore
from veroallarme_core.zone_suggestions import KnownSuggestions

pytestmark = pytest.mark.timeout(240)

DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
PAGES = ("/cameras/front/zones", "/cameras/front/what-if", "/numbers")
EVENTS = 40


@dataclass
class Seen:
    """A page that is looked at, and the worker behind it."""

    page: Page
    visitor: Visitor
    site: Site
    folder: Path
    errors: list[str]

    async def open(self, path: str) -> None:
        """Open a page of the worker."""
        await self.page.goto(self.visitor.base + path)

    async def shoot(self, name: str) -> None:
        """Keep a screenshot of all of the page."""
        await self.page.screenshot(path=self.folder / f"{name}.png", full_page=True)

    @property
    def zones(self) -> tuple[Any, ...]:
        """Those in force."""
        return self.visitor.worker.cameras["front"].context.settings.zones

    async def verdict_of_next_motion(self) -> dict[str, Any]:
        """Let something move before the camera, and wait for what the broker is told."""
        listener = Listener(self.site.port, [f"{C}/event"])
        async with listener.listen(), sender(self.site.port) as broker:
            await broker.motion("ON")
            await listener.until(lambda: bool(events(listener)))
            await broker.motion("OFF")
        return events(listener)[0]


class SeenBefore:
    """Stands for the state of a camera of which nothing but what keeps moving is asked."""

    def __init__(self, recurrence: NDArray[np.float32]) -> None:
        self._recurrence = recurrence

    def recurrence(self) -> tuple[int, NDArray[np.float32]]:
        return 300, self._recurrence

    def alike(self, event_id: str, places: Sequence[Any], most: int) -> list[None]:
        return [None] * len(places)


def fill_past(folder: Path) -> None:
    """Store what a camera has judged in the last days: swaying leaves, and people now and then."""
    store = EventStore(folder / "data")
    for number in range(EVENTS):
        is_alarm = number % 4 == 0
        state = State.RELEVANT if is_alarm else State.IRRELEVANT
        score = 0.55 + 0.01 * number if is_alarm else 0.2
        reason = "moved" if is_alarm else ("seen_before", "light", "busy_place")[number % 3]
        verdict = stored_verdict(number, state, score=score, reason=reason)
        verdict = replace(verdict, timing_ms=replace(verdict.timing_ms, total=900.0 + 40 * number))
        store.add_verdict(verdict)
        store.mark_published(verdict.event_id)
        kinds = frozenset(ALL_KINDS)
        outcome = Outcome(kinds=kinds, fixed=score)
        store.outcomes.add(
            verdict.event_id, Outcomes(chosen=kinds, outcomes={kinds: outcome}).to_dict()
        )
        if is_alarm and number < 16:
            store.set_feedback("front", verdict.event_id, number < 8, verdict.decided_at)
        store.frames.save("front", verdict.event_id, drawn_jpegs("person_in_the_drive"))
    store.close()


@pytest.fixture
async def seen(tmp_path: Path) -> AsyncIterator[Seen]:
    """A Chromium before the page of a camera with a past; it reaches this page alone."""
    try:
        broker = Mosquitto(tmp_path)
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    cameras = HttpCamera()
    cameras.frames = {"front": drawn_jpegs("person_in_the_drive")}
    site = Site(tmp_path, broker.port, cameras)
    fill_past(tmp_path)
    folder = Path(os.environ.get("VEROALLARME_SCREENSHOTS") or tmp_path)
    errors: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        broker.start()
        stack.callback(broker.kill)
        await stack.enter_async_context(cameras.serve())
        visitor = await stack.enter_async_context(visiting(site))
        program = await stack.enter_async_context(chromium())
        context = await program.new_context(viewport=DESK, locale="en-GB", has_touch=True)
        page = await context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda said: errors.append(said.text) if said.type == "error" else None,
        )
        yield Seen(page, visitor, site, folder, errors)
    assert [error for error in errors if "404" not in error] == []


async def test_a_zone_drawn_with_the_mouse_acts_on_the_next_motion(seen: Seen) -> None:
    assert (await seen.verdict_of_next_motion())["state"] == "relevant"
    await seen.open("/cameras/front/zones")
    await seen.page.get_by_role("button", name="New zone").click()
    box = await seen.page.locator("#canvas").bounding_box()
    assert box is not None
    for x, y in ((0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)):
        await seen.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    await expect(seen.page.locator("#estimate")).to_contain_text("suppressed 0 of the last 11")
    await seen.page.get_by_role("button", name="Finish").click()
    kind = seen.page.get_by_label("Motion in it")
    await expect(kind).to_have_value("only")
    await kind.select_option("ignore")
    await expect(seen.page.locator("#estimate")).to_contain_text("suppressed 11 of the last 11")
    await expect(seen.page.locator("#estimate")).to_have_class("estimate warns")
    # A corner is dragged out to the edge of the picture.
    await drag_corner(seen, 0, -0.01, -0.01)
    await seen.page.get_by_label("Name").fill("Everything")
    await seen.page.get_by_role("button", name="Save").click()
    await expect(seen.page.locator("#told")).to_contain_text("Saved")
    (zone,) = seen.zones
    assert (zone.name, zone.kind) == ("Everything", ZoneKind.IGNORE)
    assert zone.points[0] == pytest.approx((0, 0), abs=0.006)
    verdict = await seen.verdict_of_next_motion()
    assert verdict["state"] == "irrelevant"
    assert verdict["reason"] == "outside_zones"
    await seen.shoot("zones-mouse")


async def test_all_of_the_picture_is_in_sight_while_a_zone_is_drawn(seen: Seen) -> None:
    await seen.page.set_viewport_size({"width": 1280, "height": 720})
    await seen.open("/cameras/front/zones")
    await expect(seen.page.locator("#picture")).to_be_visible()
    await seen.page.get_by_role("button", name="New zone").click()
    await expect(seen.page.locator("#estimate")).to_be_in_viewport(ratio=1)
    bar = await seen.page.locator(".top").bounding_box()
    box = await seen.page.locator("#canvas").bounding_box()
    assert bar is not None
    assert box is not None
    assert box["y"] >= bar["y"] + bar["height"]


async def drag_corner(seen: Seen, number: int, x: float, y: float) -> None:
    """Drag a corner by shares of the picture."""
    stage = await seen.page.locator("#canvas").bounding_box()
    corner = await seen.page.locator("button.corner").nth(number).bounding_box()
    assert stage is not None
    assert corner is not None
    middle = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    await seen.page.mouse.move(*middle)
    await seen.page.mouse.down()
    await seen.page.mouse.move(
        middle[0] + x * stage["width"], middle[1] + y * stage["height"], steps=4
    )
    await seen.page.mouse.up()


async def test_a_zone_drawn_with_keys_alone_acts_on_the_next_motion(seen: Seen) -> None:
    await seen.open("/cameras/front/zones")
    keys = seen.page.keyboard
    await press_until(seen, "#new-zone")
    await keys.press("Enter")
    await expect(seen.page.locator("#canvas")).to_be_focused()
    for moves in ("Left Up", "Right", "Down", "Left"):
        for direction in moves.split():
            for _ in range(21 if moves != "Left Up" else 11):
                await keys.press(f"Shift+Arrow{direction}")
        await keys.press("Enter")
    await press_until(seen, "#finish")
    await keys.press("Enter")
    name = seen.page.get_by_label("Name")
    await expect(name).to_be_focused()
    await keys.type("By keys")
    await press_until(seen, "select[name=kind]")
    await keys.press("ArrowDown")
    await press_until(seen, "#save")
    await keys.press("Enter")
    await expect(seen.page.locator("#told")).to_contain_text("Saved")
    (zone,) = seen.zones
    assert zone.name == "By keys"
    assert zone.points == ((0, 0), (1, 0), (1, 1), (0, 1))
    assert (await seen.verdict_of_next_motion())["reason"] == "outside_zones"


async def press_until(seen: Seen, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        if await seen.page.evaluate("s => document.activeElement?.matches(s)", selector):
            return
        await seen.page.keyboard.press("Tab")
    pytest.fail(f"Tab never reaches {selector}")


async def test_corners_are_moved_added_removed_and_undone_by_keys(seen: Seen) -> None:
    camera = seen.visitor.worker.cameras["front"]
    zone = {"name": "tree", "kind": "only", "points": [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6]]}
    await seen.visitor.post(
        "/cameras/front/zones",
        f'{{"zones": [{str(zone).replace(chr(39), chr(34))}]}}',
        headers={"Content-Type": "application/json"},
    )
    assert len(camera.context.settings.zones) == 1
    await seen.open("/cameras/front/zones")
    corners = seen.page.locator("button.corner")
    await expect(corners.first).to_have_accessible_name(
        "Corner 1 of 3 of tree: 20 % from the left, 20 % from the top"
    )
    await corners.first.focus()
    keys = seen.page.keyboard
    await keys.press("ArrowLeft")
    await expect(corners.first).to_have_accessible_name(
        "Corner 1 of 3 of tree: 19 % from the left, 20 % from the top"
    )
    await keys.press("+")
    await expect(corners).to_have_count(4)
    await expect(corners.nth(1)).to_be_focused()
    await keys.press("Delete")
    await expect(corners).to_have_count(3)
    await keys.press("Delete")
    await expect(corners).to_have_count(3)
    await expect(seen.page.locator("#hint")).to_contain_text("at least 3")
    for _ in range(3):
        await keys.press("Control+z")
    await expect(corners.first).to_have_accessible_name(
        "Corner 1 of 3 of tree: 20 % from the left, 20 % from the top"
    )
    await expect(seen.page.locator("#save")).to_be_disabled()


async def test_a_finger_draws_as_well(seen: Seen) -> None:
    await seen.page.set_viewport_size(PHONE)
    await seen.open("/cameras/front/zones")
    await seen.page.locator("#new-zone").tap()
    await expect(seen.page.locator("#hint")).to_contain_text("tap the corners")
    await expect(seen.page.locator("#hint")).to_be_in_viewport(ratio=1)
    box = await seen.page.locator("#canvas").bounding_box()
    assert box is not None
    finish = seen.page.locator("#finish")
    for x, y in ((0.1, 0.1), (0.9, 0.2), (0.5, 0.9)):
        await expect(finish).to_be_disabled()
        await seen.page.touchscreen.tap(box["x"] + x * box["width"], box["y"] + y * box["height"])
    await expect(finish).to_be_enabled()
    await expect(finish).to_be_in_viewport(ratio=1)
    await seen.shoot("zones-drawing-phone")
    await finish.tap()
    await seen.page.locator("#save").tap()
    await expect(seen.page.locator("#told")).to_contain_text("Saved")
    (zone,) = seen.zones
    assert len(zone.points) == 3


async def test_the_first_corner_closes_the_zone_and_every_zone_has_a_name_of_its_own(
    seen: Seen,
) -> None:
    await seen.open("/cameras/front/zones")
    for _ in range(2):
        await seen.page.locator("#new-zone").click()
        box = await seen.page.locator("#canvas").bounding_box()
        assert box is not None
        for x, y in ((0.2, 0.2), (0.7, 0.2), (0.5, 0.8), (0.21, 0.2)):
            await seen.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        await expect(seen.page.locator("#new-zone")).to_be_visible()
    names = seen.page.get_by_label("Name")
    await expect(names).to_have_count(2)
    await names.nth(0).fill("Tree")
    await names.nth(1).fill("tree")
    await names.nth(1).press("Enter")
    await expect(names.nth(1)).to_have_value("tree 2")
    await seen.page.locator("#save").click()
    await expect(seen.page.locator("#told")).to_contain_text("Saved")
    assert [zone.name for zone in seen.zones] == ["Tree", "tree 2"]
    assert [len(zone.points) for zone in seen.zones] == [3, 3]


async def test_a_suggestion_is_accepted_refused_or_edited(seen: Seen) -> None:
    camera = seen.visitor.worker.cameras["front"]
    evidence = SuggestionEvidence(
        events=300, since=datetime(2026, 11, 1, tzinfo=UTC), moving_share=0.62, alarms=80,
        suppressed=61, confirmed=0, rejected=12, to_look_at=2, look_at=(),
    )  # fmt: skip
    offered = [
        ZoneSuggestion(
            id=f"s{number}",
            zone=Zone(
                name=f"Tree {number}",
                kind=ZoneKind.IGNORE,
                points=((0.1, 0.1), (0.2 + number / 10, 0.1), (0.2, 0.5)),
            ),
            evidence=evidence,
        )
        for number in range(3)
    ]
    camera.suggestions._known = KnownSuggestions(offered=tuple(offered))
    await seen.open("/cameras/front/zones")
    await expect(seen.page.locator("polygon.suggested")).to_have_count(3)
    await seen.shoot("zones-suggested")
    await seen.page.get_by_role("button", name="Refuse: Tree 0").click()
    await expect(seen.page.locator(".suggestion")).to_have_count(2)
    assert seen.zones == ()
    await seen.page.get_by_role("button", name="Accept: Tree 1").click()
    await expect(seen.page.locator("#told")).to_contain_text("Accepted")
    assert seen.zones == (offered[1].zone,)
    await seen.page.get_by_role("button", name="Edit: Tree 2").click()
    await seen.page.keyboard.press("ArrowRight")
    await seen.page.get_by_role("button", name="Save").click()
    await expect(seen.page.locator("#told")).to_contain_text("Saved")
    assert [zone.name for zone in seen.zones] == ["Tree 1", "Tree 2"]
    assert seen.zones[1].points[0] == (0.11, 0.1)


async def test_what_often_moves_lies_over_the_picture_where_it_is_asked_for(seen: Seen) -> None:
    camera = seen.visitor.worker.cameras["front"]
    camera.learning._state = SeenBefore(np.full((3, 4), 0.5, np.float32))  # type: ignore[assignment]
    await seen.open("/events?shown=relevant")
    await seen.page.locator("li.event .picture").first.click()
    recurrence = seen.page.locator(".layer-recurrence")
    await expect(recurrence).to_be_hidden()
    await seen.page.get_by_label("Where it often moves").check()
    await expect(recurrence).to_be_visible()
    await expect(seen.page.get_by_text("in 50 % of the events")).to_be_visible()


async def test_what_if_tells_at_once_and_sets_what_is_applied(seen: Seen) -> None:
    await seen.open("/cameras/front/what-if")
    answer = seen.page.locator("#answer")
    await expect(answer).to_contain_text("10 of the last 40 events")
    await seen.page.get_by_text("A threshold of my own").click()
    slider = seen.page.locator("[name=threshold]")
    await slider.fill("0.7")
    # Six of the ten alarms scored 0.55, 0.59, ... below 0.70; two of them were called relevant.
    await expect(answer).to_contain_text("6 of the last 40 events")
    await expect(answer).to_contain_text("2 of the 2 that you called relevant")
    await seen.shoot("what-if")
    await seen.page.get_by_text("Judge only").click()
    await expect(answer).to_contain_text("40 of the last 40 events")
    await seen.page.get_by_text("Filter", exact=True).click()
    await seen.page.get_by_role("button", name="Apply").click()
    await expect(seen.page.get_by_text("Applied.")).to_be_visible()
    settings = seen.visitor.worker.cameras["front"].context.settings
    assert settings.threshold == 0.7
    assert settings.mode is Mode.FILTER


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
async def test_nothing_keeps_anybody_from_using_the_pages(seen: Seen, look: str) -> None:
    camera = seen.visitor.worker.cameras["front"]
    promise = Promise(
        recall=0.99, confidence=0.95, synthetic=1180, synthetic_recall=0.992, confirmed=12,
        confirmed_recall=1.0, since="2026-11-20T03:10:00+00:00", smallest_px=14,
    )  # fmt: skip
    heat = np.zeros((27, 36), np.float32)
    heat[4:14, 2:12] = np.hypot(*np.mgrid[-1:1:10j, -1:1:10j]).astype(np.float32)
    camera.learning._state = SeenBefore(heat)  # type: ignore[assignment]
    camera.learning._status = LearningStatus(learned=True, promise=promise)
    await camera.change_settings({"zones": ()})
    await seen.page.emulate_media(color_scheme="dark" if look == "dark" else "light")
    await seen.page.set_viewport_size(PHONE if look == "phone" else DESK)
    zone = (
        '{"zones": [{"name": "Tree", "kind": "ignore", "points": [[0.05, 0.05], [0.4, 0.08], '
        '[0.35, 0.5]]}, {"name": "Drive", "kind": "always", "points": [[0.5, 0.5], [0.9, 0.5], '
        "[0.9, 0.95], [0.45, 0.9]]}]}"
    )
    await seen.visitor.post(
        "/cameras/front/zones", zone, headers={"Content-Type": "application/json"}
    )
    for path in PAGES:
        await seen.open(path)
        await seen.page.wait_for_timeout(600)
        for summary in await seen.page.locator("summary").all():
            await summary.click()
        if path.endswith("zones"):
            await seen.page.get_by_role("button", name="What keeps moving").click()
            await seen.page.wait_for_function("document.getElementById('heat').naturalWidth > 0")
        assert await violations(seen.page) == [], path
        scrolls = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await seen.page.evaluate(scrolls), f"{path} is wider than the {look}"
        await seen.shoot(f"{path.rpartition('/')[2]}-{look}")
