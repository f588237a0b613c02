"""Today, Events and one event in a real Chromium, before a worker that judges drawn scenes."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from benchmarks.page_peer import DESKTOP, PHONE, PagedWorker, Visit, chromium, paged_worker, visit
from benchmarks.peers import until
from tests.axe import violations
from tests.drawn import add_noise, encode
from tests.worker.conftest import SMALL, drawn_jpegs
from tests.worker.history.test_past_events import stored_verdict
from veroallarme_core.contract import State
from veroallarme_core.drawing import draw_event
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.storage import EventStore

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

DELIVERY = "car_turns_into_the_drive"
SEEN_BEFORE = (
    DELIVERY, "person_at_the_gate", "person_behind_the_fence", "person_in_the_drive", DELIVERY,
    DELIVERY,
)  # fmt: skip
"""What one camera has seen: enough that its memory knows the view, and tells sights apart."""
MANY = 10_000
VIEWS = [
    pytest.param(DESKTOP, {"color_scheme": "light"}, id="light"),
    pytest.param(DESKTOP, {"color_scheme": "dark"}, id="dark"),
    pytest.param(PHONE, {"color_scheme": "light"}, id="phone"),
]


def calm(scene: str, number: int) -> list[bytes]:
    """A scene on a day without wind: only its mover moves; the noise is each event's own."""
    drawn = draw_event(scene, size=SMALL)
    mover = np.logical_or.reduce(drawn.masks).astype(np.uint8)
    around = cv2.dilate(mover, np.ones((13, 13), np.uint8))[..., None] > 0
    return [
        encode(add_noise(np.where(around, frame, drawn.frames[0]), 10 * number + place, 1.0))
        for place, frame in enumerate(drawn.frames)
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def paged(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PagedWorker]:
    """A worker whose cameras have seen something."""
    folder = tmp_path_factory.mktemp("paged")
    store = EventStore(folder / "data")
    close_call = replace(
        stored_verdict(0, State.IRRELEVANT, camera="drive", score=0.49, reason="light"),
        motion_at=now() - timedelta(minutes=5),
    )
    store.add_verdict(close_call)
    store.mark_published(close_call.event_id)
    store.frames.save("drive", close_call.event_id, drawn_jpegs("cloud_shadow"))
    store.close()
    async with paged_worker(folder, "street", "drive") as paged:
        for scene in ("person_in_the_drive", "corrupt_green_band"):
            await paged.see("drive", drawn_jpegs(scene))
        for number, scene in enumerate(SEEN_BEFORE):
            await paged.see("street", calm(scene, number))
        yield paged


@pytest_asyncio.fixture(loop_scope="module")
async def looking(browser: Browser, paged: PagedWorker, tmp_path: Path) -> AsyncIterator[Visit]:
    """Somebody before the page at a desk."""
    async with visit(browser, paged.base, tmp_path) as visit_:
        yield visit_


def card(looking: Visit, verdict: dict[str, Any]) -> Any:
    return looking.page.locator(f"li.event[data-event='{verdict['event_id']}']")


async def thumb_of(looking: Visit, verdict: dict[str, Any]) -> str:
    """Return what the worker has, whatever the page shows."""
    response = await looking.page.request.get(
        f"{looking.base}/events/{verdict['camera']}/{verdict['event_id']}/card"
    )
    text = await response.text()
    return text.partition('data-feedback="')[2].partition('"')[0]


async def until_thumb(looking: Visit, verdict: dict[str, Any], expected: str) -> None:
    async def holds() -> bool:
        return await thumb_of(looking, verdict) == expected

    await until(holds)


# --- teaching ----------------------------------------------------------------------------------


async def test_a_thumb_changes_the_verdict_of_a_like_event(
    looking: Visit, paged: PagedWorker
) -> None:
    before = paged.decided["street"][-1]
    assert before["relevant"] is True
    await looking.open(f"/events/street/{before['event_id']}")
    await looking.page.get_by_role("button", name="It was a false alarm").click()
    await expect(looking.page.get_by_text("Noted: a false alarm.")).to_be_visible()
    await until_thumb(looking, before, "false")
    after = await paged.see("street", calm(DELIVERY, len(SEEN_BEFORE)))
    assert (after["state"], after["relevant"]) == ("irrelevant", False)
    assert after["reason"] == "like_rejected"

    async def shows_what_is_alike() -> int:
        # The memory takes in an event after its alarm.
        await looking.open(f"/events/street/{after['event_id']}")
        return await looking.page.locator(".alike").count()

    await until(shows_what_is_alike)
    await expect(looking.page.get_by_role("heading", level=1)).to_have_text(
        "Like something you called a false alarm"
    )
    alike = looking.page.locator(".alike").first
    await expect(alike.get_by_text("It was a false alarm")).to_be_visible()
    await looking.page.get_by_role("button", name="It was a false alarm").first.wait_for()
    await looking.shoot("event")


async def test_a_thumb_is_taken_back(looking: Visit, paged: PagedWorker) -> None:
    verdict = paged.decided["drive"][0]
    await looking.open("/events")
    one = card(looking, verdict)
    up = one.get_by_role("button", name="It was relevant")
    await up.click()
    await expect(up).to_have_attribute("aria-pressed", "true")
    await until_thumb(looking, verdict, "true")
    await looking.page.get_by_role("button", name="Undo").click()
    await expect(up).to_have_attribute("aria-pressed", "false")
    await expect(looking.page.get_by_text("Answer taken back.")).to_be_visible()
    await until_thumb(looking, verdict, "")
    # A second click on the same thumb takes it back as well.
    await up.click()
    await until_thumb(looking, verdict, "true")
    await up.click()
    await until_thumb(looking, verdict, "")


async def test_a_thumb_that_the_worker_refuses_is_not_shown(
    looking: Visit, paged: PagedWorker
) -> None:
    await looking.open("/events")
    one = card(looking, paged.decided["drive"][0])
    await one.evaluate("card => { card.dataset.path += 'gone' }")
    looking.errors.clear()
    await one.get_by_role("button", name="It was relevant").click()
    await expect(one.get_by_role("button", name="It was relevant")).to_have_attribute(
        "aria-pressed", "false"
    )
    await expect(looking.page.locator("#status")).not_to_be_empty()
    looking.errors.clear()  # that it was not found


async def test_an_arrow_begins_with_an_event_in_sight(looking: Visit, paged: PagedWorker) -> None:
    await looking.open("/events")
    first = looking.page.locator("li.event .picture").first
    await expect(first).to_be_visible()
    await looking.page.keyboard.press("ArrowDown")
    await expect(looking.page.locator("li.event .picture:focus")).to_have_count(0)
    await looking.page.keyboard.press("ArrowRight")
    await expect(first).to_be_focused()


async def test_by_keyboard_alone(looking: Visit, paged: PagedWorker) -> None:
    await looking.open("/events")
    keyboard, first = looking.page.keyboard, paged.decided["street"][-1]
    await looking.page.get_by_role("heading", name="Events").wait_for()
    for _ in range(40):
        await keyboard.press("Tab")
        if await looking.page.evaluate("document.activeElement.matches('li.event .picture')"):
            break
    focused = "document.activeElement.closest('[data-event]')?.dataset.event"
    assert await looking.page.evaluate(focused) == first["event_id"]
    await keyboard.press("ArrowRight")
    second = await looking.page.evaluate(focused)
    assert second != first["event_id"]
    await keyboard.press("ArrowDown")
    assert await looking.page.evaluate(focused) not in (first["event_id"], second)
    await keyboard.press("ArrowUp")
    assert await looking.page.evaluate(focused) == second
    verdict = next(one for one in paged.decided["street"] if one["event_id"] == second)
    given = await thumb_of(looking, verdict)
    await keyboard.press("r")
    await until_thumb(looking, verdict, "true")
    await keyboard.press("z")
    await until_thumb(looking, verdict, given)
    assert await looking.page.evaluate(focused) == second, "the focus stays"
    await keyboard.press("Enter")
    await looking.page.wait_for_url(f"**/events/street/{second}")
    await expect(looking.page.get_by_role("heading", name="Why", exact=True)).to_be_visible()


# --- looking -----------------------------------------------------------------------------------


async def test_today_begins_with_what_is_worth_a_look(looking: Visit) -> None:
    await looking.open("/")
    review = looking.page.locator("#review")
    await expect(review.get_by_role("heading")).to_contain_text("worth a look")
    one = review.locator("li.event").first
    await one.get_by_role("button", name="It was a false alarm").click()
    await expect(looking.page.get_by_text("Noted: a false alarm.")).to_be_visible()
    await looking.page.get_by_role("button", name="Undo").click()
    await expect(one.get_by_role("button", name="It was a false alarm")).to_have_attribute(
        "aria-pressed", "false"
    )
    await looking.shoot("today", whole=True)


async def test_the_gallery_is_filtered_without_leaving_it(
    looking: Visit, paged: PagedWorker
) -> None:
    await looking.open("/events")
    await looking.page.locator(".filters summary").click()
    await looking.page.get_by_label("Camera").select_option("drive")
    await expect(looking.page.locator(".count")).to_contain_text("3 events")
    await looking.page.get_by_label("Which events").focus()
    await looking.page.get_by_label("Which events").select_option("suppressed")
    await expect(looking.page.locator(".count")).to_contain_text("2 events")
    assert "shown=suppressed" in looking.page.url
    await expect(looking.page.get_by_label("Which events")).to_be_focused()
    await looking.page.reload()
    await expect(looking.page.locator(".count")).to_contain_text("2 events")
    await looking.shoot("filtered")
    await looking.page.get_by_label("Cause").select_option(label="Damaged pictures")
    await expect(card(looking, paged.decided["drive"][1])).to_be_visible()
    await expect(looking.page.locator("li.event")).to_have_count(1)
    await looking.page.get_by_role("link", name="Show everything").click()
    await expect(looking.page.locator("li.event").nth(5)).to_be_visible()


async def test_pictures_play_under_the_mouse_and_for_nobody_who_wants_them_still(
    browser: Browser, paged: PagedWorker, tmp_path: Path
) -> None:
    for motion, plays in (("no-preference", True), ("reduce", False)):
        async with visit(browser, paged.base, tmp_path, reduced_motion=motion) as looking:
            await looking.open("/events")
            picture = card(looking, paged.decided["drive"][0]).locator(".picture")
            await picture.hover()
            image = picture.locator("img")
            if plays:
                await expect(image).to_have_attribute("src", re.compile("/frames/2"))
                await looking.page.mouse.move(0, 0)
            else:
                await looking.page.wait_for_timeout(1500)
            assert str(await image.get_attribute("src")).endswith("/thumbnail")


async def test_an_event_shows_its_frames_and_layers(looking: Visit, paged: PagedWorker) -> None:
    verdict = paged.decided["drive"][0]
    await looking.open(f"/events/drive/{verdict['event_id']}")
    image = looking.page.locator("[data-stage] img")
    await looking.page.get_by_role("button", name="Picture 1").click()
    assert "/frames/0" in str(await image.get_attribute("src"))
    await looking.page.get_by_role("button", name="Play").click()
    await expect(image).to_have_attribute("src", re.compile("/frames/1"))
    regions = looking.page.locator(".layer-regions")
    await expect(regions).to_be_visible()
    await looking.page.get_by_label("What moved").uncheck()
    await expect(regions).to_be_hidden()
    await expect(looking.page.get_by_text("is shown after 20 events")).to_be_visible()
    await expect(looking.page.get_by_text("Looks like a person").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_state_has_the_colour_of_its_frame_in_the_picture(
    browser: Browser, paged: PagedWorker, tmp_path: Path, scheme: str
) -> None:
    colour = """element => {
        const style = getComputedStyle(element);
        const value = element.matches('rect') ? style.stroke : style.color;
        return value.match(/\\d+/g).slice(0, 3).map(Number);
    }"""
    relevant, suppressed = paged.decided["drive"][:2]
    async with visit(browser, paged.base, tmp_path, color_scheme=scheme) as looking:
        await looking.open("/events?camera=drive")
        for verdict, (more, less) in ((relevant, (1, 0)), (suppressed, (0, 1))):
            found = await card(looking, verdict).locator(".badge").first.evaluate(colour)
            assert found[more] > found[less] + 50, "green for relevant, red for suppressed"
        await looking.open(f"/events/drive/{relevant['event_id']}")
        for place in (".layer-regions rect.relevant", ".number.relevant"):
            red, green, _ = await looking.page.locator(place).first.evaluate(colour)
            assert green > red + 50


async def test_what_comes_in_appears_on_top(looking: Visit, paged: PagedWorker) -> None:
    await looking.open("/events?camera=drive")
    await looking.page.wait_for_timeout(500)  # until the stream of changes is open
    new = await paged.see("drive", drawn_jpegs("person_at_the_gate"))
    await expect(card(looking, new)).to_be_visible()
    assert (
        await looking.page.locator("li.event").first.get_attribute("data-event")
        == (new["event_id"])
    )
    # Who reads further down is not moved: a button tells of it.
    await looking.page.locator("li.event .picture").nth(1).focus()
    newer = await paged.see("drive", drawn_jpegs("car_turns_into_the_drive"))
    await looking.page.get_by_role("button", name="Show new events (1)").click()
    await expect(card(looking, newer)).to_be_visible()
    await expect(looking.page.get_by_role("button", name="Show new events")).to_be_hidden()


async def test_new_events_move_nothing_under_the_pointer(
    looking: Visit, paged: PagedWorker
) -> None:
    await looking.open("/events?camera=drive")
    await looking.page.wait_for_timeout(500)  # until the stream of changes is open
    first = looking.page.locator("li.event").first
    await first.hover()
    before = await first.bounding_box()
    held = await first.get_attribute("data-event")
    await paged.see("drive", drawn_jpegs("person_at_the_gate"))
    await expect(looking.page.get_by_role("button", name="Show new events")).to_be_visible()
    assert await first.get_attribute("data-event") == held
    assert await first.bounding_box() == before
    await looking.shoot("fresh")


async def test_today_follows_what_happens(looking: Visit, paged: PagedWorker) -> None:
    await looking.open("/")
    alarms = looking.page.locator("section[aria-labelledby='camera-drive'] .counts .relevant")
    before = int((await alarms.inner_text()).split()[0])
    await looking.page.wait_for_timeout(500)  # until the stream of changes is open
    await paged.see("drive", drawn_jpegs("person_at_the_gate"))
    await expect(alarms).to_have_text(f"{before + 1} alarms", timeout=15_000)


async def test_motion_is_ignored_from_the_region_itself(looking: Visit, paged: PagedWorker) -> None:
    verdict = paged.decided["drive"][0]
    await looking.open(f"/events/drive/{verdict['event_id']}")
    await looking.page.get_by_role("link", name="Always alert here").first.click()
    await expect(looking.page.locator("polygon.proposed.always")).to_be_visible()
    await looking.page.get_by_role("link", name="Cancel").click()
    await looking.page.get_by_role("link", name="Ignore motion here").first.click()
    await expect(looking.page.locator("polygon.proposed.ignore")).to_be_visible()
    await looking.shoot("zone")
    await looking.page.get_by_role("button", name="Ignore it").click()
    await expect(looking.page.get_by_text("ignored from now on")).to_be_visible()
    await expect(looking.page.locator(".layer-zones polygon.ignore")).to_be_visible()
    after = await paged.see("drive", calm("person_in_the_drive", 50))
    assert (after["reason"], after["relevant"]) == ("outside_zones", False)


# --- phones ------------------------------------------------------------------------------------


async def test_swipes_on_a_phone(browser: Browser, paged: PagedWorker, tmp_path: Path) -> None:
    verdict = paged.decided["street"][0]
    async with visit(browser, paged.base, tmp_path, size=PHONE) as looking:
        await looking.open("/events?camera=street")
        await looking.shoot("events-phone")
        client = await looking.page.context.new_cdp_session(looking.page)
        one = card(looking, verdict)

        async def swipe(by: int) -> None:
            await one.scroll_into_view_if_needed()
            box = await one.bounding_box()
            assert box is not None
            x, y = box["x"] + box["width"] / 2, box["y"] + 60
            await client.send(
                "Input.dispatchTouchEvent",
                {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]},
            )
            for step in range(1, 7):
                await client.send(
                    "Input.dispatchTouchEvent",
                    {"type": "touchMove", "touchPoints": [{"x": x + by * step / 6, "y": y}]},
                )
            await client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

        await swipe(120)
        await until_thumb(looking, verdict, "true")
        await swipe(-120)
        await until_thumb(looking, verdict, "false")
        await swipe(30)
        await looking.page.wait_for_timeout(300)
        assert await thumb_of(looking, verdict) == "false", "a short one is no answer"
        assert looking.page.url.endswith("/events?camera=street"), "and no tap"
        image = one.locator("img")
        box = await one.bounding_box()
        assert box is not None
        held = {"x": box["x"] + 40, "y": box["y"] + 40}
        await client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [held]})
        await expect(image).to_have_attribute("src", re.compile("/frames/1"))
        await client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        await expect(image).to_have_attribute("src", re.compile("/thumbnail$"))
        assert looking.page.url.endswith("/events?camera=street"), "what was held is no tap"
        width = await looking.page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE[0], "nothing is wider than the screen"


@pytest.mark.parametrize(("size", "more"), VIEWS)
async def test_axe_objects_to_nothing(
    browser: Browser,
    paged: PagedWorker,
    tmp_path: Path,
    size: tuple[int, int],
    more: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    verdict = paged.decided["drive"][0]
    event = f"/events/drive/{verdict['event_id']}"
    look = request.node.callspec.id
    async with visit(browser, paged.base, tmp_path, size=size, **more) as looking:
        for name, path in (
            ("today", "/"),
            ("events", "/events?camera=street"),
            ("event", event),
            ("zone", f"{event}/regions/0/always"),
        ):
            await looking.open(path)
            for summary in await looking.page.locator("summary").all():
                if await summary.is_visible() and not await summary.evaluate(
                    "summary => summary.parentElement.open"
                ):
                    await summary.click()
            # The bar at the top lies over what is scrolled below it.
            await looking.page.evaluate("scrollTo(0, 0)")
            assert await violations(looking.page) == [], name
            await looking.shoot(f"{name}-{look}", whole=True)


@pytest.mark.parametrize("language", ["de", "es", "fr", "it"])
async def test_no_language_breaks_the_page(
    browser: Browser, paged: PagedWorker, tmp_path: Path, language: str
) -> None:
    verdict = paged.decided["drive"][0]
    async with visit(browser, paged.base, tmp_path, size=PHONE, locale=language) as looking:
        for name, path in (
            ("today", "/"), ("events", "/events"),
            ("event", f"/events/drive/{verdict['event_id']}"),
        ):  # fmt: skip
            await looking.open(path)
            assert await looking.page.evaluate("document.documentElement.lang") == language
            width = await looking.page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE[0], f"{name} is wider than the screen"


# --- ten thousand ------------------------------------------------------------------------------


def fill(folder: Path, count: int) -> None:
    """Put many events into a store at once; the newest ones have pictures."""
    store = EventStore(folder / "data")
    chance, end = random.Random(3), now()
    rows = []
    for number in range(count):
        state = chance.choice([State.RELEVANT, State.IRRELEVANT, State.IRRELEVANT])
        at = end - timedelta(minutes=4 * number + 1)
        one = replace(
            stored_verdict(0, state, camera="drive", reason="moved" if number % 3 else "light"),
            motion_at=at,
            decided_at=at,
            event_id=f"{at:%Y%m%d_%H%M%S}_{number:06x}",
        )
        content = one.to_dict()
        kinds = ",person," if content["objects"] else ""
        rows.append(
            (
                one.event_id, "drive", content["motion_at"], json.dumps(content), 1,
                state.value, int(one.relevant), one.reason, kinds,
            )
        )  # fmt: skip
        if number < 100:
            store.frames.save("drive", one.event_id, drawn_jpegs("person_in_the_drive"))
    store._db.execute("BEGIN")
    store._db.executemany(
        "INSERT INTO events (event_id, camera, motion_at, verdict, published, state, alarm, "
        "reason, kinds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    store._db.execute("COMMIT")
    store.close()


async def test_ten_thousand_events_scroll(browser: Browser, tmp_path: Path) -> None:
    await asyncio.to_thread(fill, tmp_path, MANY)
    async with (
        paged_worker(tmp_path, "drive", inference={"enabled": False}) as paged,
        visit(browser, paged.base, tmp_path) as looking,
    ):
        await looking.open("/events")
        await expect(looking.page.locator(".count")).to_contain_text("10000 events")
        count = 0
        for _ in range(60):
            await looking.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
            await looking.page.wait_for_timeout(100)
            count = await looking.page.locator("li.event").count()
            if count >= 1500:
                break
        assert count >= 1500
        ids = await looking.page.evaluate(
            "[...document.querySelectorAll('li.event')].map(card => card.dataset.event)"
        )
        assert len(ids) == len(set(ids)), "no event twice"
        assert ids == sorted(ids, reverse=True)
        await looking.page.evaluate("scrollTo(0, 0)")
        await expect(looking.page.locator("li.event img").first).to_have_js_property(
            "complete", True
        )
        # Further down the frames of a scroll come as they do at the top.
        slowest = await looking.page.evaluate(
            """async () => {
                let last = performance.now(), slowest = 0;
                for (let step = 0; step < 60; step += 1) {
                    scrollBy(0, 150);
                    await new Promise(requestAnimationFrame);
                    slowest = Math.max(slowest, performance.now() - last);
                    last = performance.now();
                }
                return slowest;
            }"""
        )
        print(f"slowest frame of a scroll over {count} loaded events: {slowest:.0f} ms")
        await looking.shoot("many")
        # Who opens an event far down and comes back is where they were.
        one = looking.page.locator(f"li.event[data-event='{ids[900]}']")
        await one.scroll_into_view_if_needed()
        await looking.page.wait_for_timeout(300)
        before = await one.bounding_box()
        assert before is not None
        await one.locator(".picture").click()
        await looking.page.wait_for_url(f"**/events/drive/{ids[900]}")
        await looking.page.go_back()
        await expect(one).to_be_in_viewport()
        await expect(one.locator(".picture")).to_be_focused()

        async def is_where_it_was() -> bool:
            after = await one.bounding_box()
            return after is not None and abs(after["y"] - before["y"]) < 5

        await until(is_where_it_was)
