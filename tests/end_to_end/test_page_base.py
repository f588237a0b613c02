"""The page in a real Chromium: login, set-up help, live, by keyboard, and inside Home Assistant."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import cv2
import pytest
from aiohttp import web
from playwright.async_api import Browser, expect

from benchmarks.page_peer import DESKTOP, PHONE, chromium, visit
from benchmarks.peers import HttpCamera, Mosquitto, free_port
from tests.axe import violations
from tests.worker.conftest import Site
from tests.worker.page.conftest import Visitor, visiting
from tests.worker.talk import sender
from veroallarme_core.drawing import draw_event
from veroallarme_core.worker.config import IngressConfig, PageConfig, hash_password
from veroallarme_core.worker.page import Door, serving_page
from veroallarme_core.worker.snapshots import FileSource

pytestmark = pytest.mark.timeout(240)

PASSWORD = "correct horse"
SLUG, INGRESS_PATH = "a0d7b954_veroallarme", "/api/hassio_ingress/Ab3_-x"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A worker's surroundings: a broker, and a camera whose pictures are large."""
    try:
        broker = Mosquitto(tmp_path)
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    frames = draw_event("person_in_the_drive", size=(576, 704)).frames
    cameras = HttpCamera()
    cameras.frames = {"front": tuple(cv2.imencode(".jpg", one)[1].tobytes() for one in frames)}
    broker.start()
    try:
        async with cameras.serve():
            yield Site(tmp_path, broker.port, cameras)
    finally:
        broker.kill()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_set_up_help_follows_what_arrives(
    site: Site, browser: Browser, tmp_path: Path, scheme: str, size: tuple[int, int]
) -> None:
    async with (
        visiting(site) as visitor,
        visit(browser, visitor.base, tmp_path, size=size, color_scheme=scheme) as looking,
    ):
        page = looking.page
        await looking.open("/set-up")
        heard = page.get_by_text("Motion arrives on cam/front/motion: once since the start.")
        await expect(page.get_by_text("No motion on cam/front/motion yet")).to_be_visible()
        async with sender(site.port) as broker:
            await broker.motion()
            # Without a reload: the page hears of it.
            await expect(heard).to_be_visible()
            await expect(page.get_by_text("One event has been judged.")).to_be_visible()
        await page.get_by_role("button", name="Try its pictures").press("Enter")
        await expect(page.get_by_text("They are large enough: 704 × 576.")).to_be_visible()
        await expect(page.get_by_role("img", name="What front sees now")).to_be_visible()
        assert await violations(page) == []
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0], "it scrolls sideways"
        await looking.shoot(f"set_up_{scheme}_{size[0]}", whole=True)


async def test_it_says_what_it_waits_for_while_somebody_walks_to_the_camera(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    site.more = {"source": FileSource(path=uploads), "reference_every_s": 0.0}
    async with (
        visiting(site) as visitor,
        visit(browser, visitor.base, tmp_path, size=PHONE) as looking,
    ):
        page = looking.page
        await looking.open("/set-up")
        await page.wait_for_timeout(500)  # until the stream of changes is open
        await page.get_by_role("button", name="Try its pictures").click()
        waits = page.get_by_text("Waiting up to 20 s for new pictures: walk before the camera now.")
        await expect(waits).to_be_visible()
        assert await violations(page) == []
        await looking.shoot("set_up_waits")
        for number, jpeg in enumerate(site.cameras.frames["front"]):
            (uploads / f"{number}.jpg").write_bytes(jpeg)
            # What the page hears meanwhile takes nothing away from what is waited for.
            visitor.worker.cameras["front"].context.tell("motion")
            await page.wait_for_timeout(700)
        await expect(page.get_by_text("They are sharp.")).to_be_visible()
        await expect(waits).to_be_hidden()


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone"]
)
async def test_somebody_logs_in_by_keyboard_alone(
    site: Site, browser: Browser, tmp_path: Path, scheme: str, size: tuple[int, int]
) -> None:
    async with (
        visiting(site, username="anna", password_hash=hash_password(PASSWORD)) as visitor,
        visit(browser, visitor.base, tmp_path, size=size, color_scheme=scheme) as looking,
    ):
        page, keyboard = looking.page, looking.page.keyboard
        await page.goto(f"{visitor.base}/set-up")
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        assert await page.get_by_role("navigation").count() == 0
        assert await violations(page) == []
        await page.get_by_label("User").focus()
        for words in ("wrong horse", PASSWORD):
            await page.get_by_label("User").focus()
            await keyboard.type("anna")
            await keyboard.press("Tab")
            await keyboard.type(words)
            await keyboard.press("Enter")
            if words != PASSWORD:
                await expect(page.get_by_role("alert")).to_have_text(
                    "That is not right. Try again."
                )
                assert await page.locator("#status").text_content() == ""
                assert await violations(page) == []
                await looking.shoot(f"login_{scheme}_{size[0]}")
        await expect(page.get_by_role("heading", name="Set-up help")).to_be_visible()
        await page.get_by_role("button", name="Log out").press("Enter")
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        await page.go_back()
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        # The browser tells of the refusal, as it shall.
        looking.errors[:] = [error for error in looking.errors if "status of 401" not in error]


async def test_a_session_that_has_ended_asks_for_the_login(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    async with (
        visiting(site, token="a-token-of-our-own") as visitor,
        visit(browser, visitor.base, tmp_path) as looking,
    ):
        page = looking.page
        for _ in range(2):
            await page.goto(f"{visitor.base}/set-up")
            await page.get_by_label("Token").fill("a-token-of-our-own")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("heading", name="Set-up help")).to_be_visible()
            await page.context.clear_cookies()
            # Whichever asks first, the button or a part of the page that is renewed.
            await page.evaluate("document.getElementById('test-front')?.click()")
            await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        looking.errors[:] = [error for error in looking.errors if "status of 401" not in error]


async def test_the_first_tab_leads_past_the_navigation(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    async with visiting(site) as visitor, visit(browser, visitor.base, tmp_path) as looking:
        page = looking.page
        await looking.open("/set-up")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="To the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Try its pictures")).to_be_focused()


async def test_a_page_is_told_when_the_worker_is_gone_and_when_it_is_back(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    site.page = PageConfig(port=free_port())
    base = f"http://127.0.0.1:{site.page.port}"
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(contextlib.AsyncExitStack())
        second = await stack.enter_async_context(contextlib.AsyncExitStack())
        await first.enter_async_context(site.worker())
        looking = await stack.enter_async_context(visit(browser, base, tmp_path))
        status = looking.page.locator("#status")
        await looking.open("/set-up")
        await first.aclose()
        await expect(status).to_have_text("The worker cannot be reached. Trying again…")
        await second.enter_async_context(site.worker())
        await expect(status).to_have_text("")
        looking.errors.clear()  # the browser tells of each try


# --- inside Home Assistant --------------------------------------------------------------------


@dataclass
class Panel:
    """Home Assistant as far as the page sees it: a frame on its own address, and a proxy."""

    base: str


@contextlib.asynccontextmanager
async def panel(visitor: Visitor) -> AsyncIterator[Panel]:
    """Serve what Home Assistant does around an app's page."""
    ingress = IngressConfig(host="127.0.0.1", port=free_port(), supervisor="127.0.0.1")
    frame = (
        "<!doctype html><title>Home Assistant</title><style>html,body,iframe{margin:0;border:0;"
        f"width:100%;height:100%}}</style><iframe title=app src='{INGRESS_PATH}/'></iframe>"
    )

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=frame, content_type="text/html")

    async def no_icon(request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def forward(request: web.Request) -> web.StreamResponse:
        path = request.raw_path.removeprefix(INGRESS_PATH)
        headers = {**request.headers, "X-Ingress-Path": INGRESS_PATH}
        headers.pop("Accept-Encoding", None)
        async with http.request(
            request.method,
            f"http://127.0.0.1:{ingress.port}{path}",
            headers=headers,
            data=await request.read() or None,
            allow_redirects=False,
        ) as found:
            kept = {
                name: value
                for name, value in found.headers.items()
                if name not in {"Transfer-Encoding", "Content-Encoding", "Content-Length"}
            }
            response = web.StreamResponse(status=found.status, headers=kept)
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                async for part, _ in found.content.iter_chunks():
                    await response.write(part)
            return response

    app = web.Application()
    app.router.add_get("/favicon.ico", no_icon)
    app.router.add_get(f"/app/{SLUG}", show)
    app.router.add_route("*", f"{INGRESS_PATH}/{{path:.*}}", forward)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    async with (
        serving_page(visitor.worker.house, Door("ingress", ingress=ingress)),
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http,
    ):
        await runner.setup()
        port = free_port()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield Panel(f"http://127.0.0.1:{port}")
        finally:
            await runner.cleanup()


async def test_inside_home_assistant_it_goes_where_the_panel_says(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    async with (
        visiting(site) as visitor,
        panel(visitor) as around,
        visit(browser, around.base, tmp_path) as looking,
    ):
        page = looking.page
        inside = page.frame_locator("iframe")
        await looking.open(f"/app/{SLUG}")
        await expect(inside.get_by_role("heading", name="Today")).to_be_visible()
        await inside.get_by_role("link", name="Set-up help").click()
        await expect(inside.get_by_role("heading", name="Set-up help")).to_be_visible()
        async with sender(site.port) as broker:
            await broker.motion()
            await expect(inside.get_by_text("Motion arrives on cam/front/motion")).to_be_visible()
        await inside.get_by_role("button", name="Try its pictures").click()
        await expect(inside.get_by_text("They are sharp.")).to_be_visible()
        await looking.shoot("ingress")
        # The form without a script, which a redirect follows.
        await inside.get_by_role("button", name="Deutsch").click()
        await expect(inside.get_by_role("heading", name="Einrichtungshilfe")).to_be_visible()
        # A link in a notification opens the panel.
        await looking.open(f"/app/{SLUG}?page=/set-up%3Fa%3Db")
        await expect(inside.get_by_role("heading", name="Einrichtungshilfe")).to_be_visible()
        assert page.url == f"{around.base}/app/{SLUG}"
        assert page.frames[1].url == f"{around.base}{INGRESS_PATH}/set-up?a=b"
        # Home Assistant tells of a change of address without loading anything.
        await page.evaluate(
            f"history.pushState(null, '', '/app/{SLUG}?page=/');"
            "window.dispatchEvent(new CustomEvent('location-changed'))"
        )
        await expect(inside.get_by_role("heading", name="Heute")).to_be_visible()


@pytest.mark.parametrize(
    "page",
    ["//evil.example/", "https://evil.example/", "javascript:alert(1)", "/../../secret", "\\evil"],
)
async def test_the_panel_leads_to_no_other_page(
    site: Site, browser: Browser, tmp_path: Path, page: str
) -> None:
    async with (
        visiting(site) as visitor,
        panel(visitor) as around,
        visit(browser, around.base, tmp_path) as looking,
    ):
        await looking.page.goto(f"{around.base}/app/{SLUG}?page={page}")
        inside = looking.page.frame_locator("iframe")
        await expect(inside.get_by_role("heading", name="Today")).to_be_visible()
        await looking.page.wait_for_timeout(300)
        inner = looking.page.frames[1].url
        assert inner in {
            f"{around.base}{INGRESS_PATH}/",
            f"{around.base}{INGRESS_PATH}//evil.example/",
        }
