"""The page of a real worker, and a Chromium that looks at it; for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright

from benchmarks.house import worker_configuration
from benchmarks.peers import HttpCamera, Mosquitto, WorkerProcess, free_port

WAIT_MS = 30_000
DESKTOP, PHONE = (1280, 800), (390, 844)
FLAGS = [
    # Chromium's sandbox wants rights that containers mostly do not give.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class PagedWorker:
    """A worker in a process of its own that serves the page, its broker and its cameras."""

    broker: Mosquitto
    cameras: HttpCamera
    worker: WorkerProcess
    base: str
    decided: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    async def see(self, camera: str, frames: Sequence[bytes]) -> dict[str, Any]:
        """Let a camera see something, and say so; return the verdict."""
        self.cameras.frames[camera] = frames
        self.cameras.requests.clear()  # the first frame comes first
        async with aiomqtt.Client("127.0.0.1", self.broker.port) as client:
            await client.subscribe(f"veroallarme/home/camera/{camera}/event", qos=1)
            await client.publish(f"cam/{camera}/motion", "ON", qos=1)
            message = await anext(aiter(client.messages))
            await client.publish(f"cam/{camera}/motion", "OFF", qos=1)
        verdict = json.loads(bytes(message.payload))  # type: ignore[arg-type]
        self.decided.setdefault(camera, []).append(verdict)
        return dict(verdict)


@contextlib.asynccontextmanager
async def paged_worker(folder: Path, *names: str, **changes: Any) -> AsyncIterator[PagedWorker]:
    """Run a worker with a page on loopback.

    Args:
        folder: for everything that is written; `data` in it may hold events already.
        names: ids of its cameras.
        changes: further keys of its configuration.

    Raises:
        FileNotFoundError: mosquitto is not installed.
    """
    broker, cameras, port = Mosquitto(folder), HttpCamera(), free_port()
    cameras.frames = dict.fromkeys(names, ())
    broker.start()
    async with cameras.serve():
        config = worker_configuration(broker.port, cameras, *names, hold_s=0.5)
        worker = WorkerProcess(folder, config | {"page": {"port": port}} | changes)
        worker.start()
        try:
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                await client.subscribe("veroallarme/home/worker/+/status", qos=1)
                async for message in client.messages:
                    if message.payload == b"online":
                        break
            yield PagedWorker(broker, cameras, worker, f"http://127.0.0.1:{port}")
        finally:
            worker.kill()
            broker.kill()
    assert "Traceback" not in worker.log, worker.log[-4000:]


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a Chromium.

    Raises:
        FileNotFoundError: it is not installed.
    """
    program = shutil.which("chromium")
    if program is None:
        raise FileNotFoundError(
            "there is no chromium: run scripts/test, or apt-get install chromium"
        )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        await browser.close()


@dataclass
class Visit:
    """Somebody who looks at the page."""

    page: Page
    base: str
    folder: Path
    """For screenshots."""
    errors: list[str] = field(default_factory=list)
    """What the browser complains of: mistakes of scripts, and what the policy forbids."""

    async def open(self, path: str) -> None:
        """Open a page."""
        response = await self.page.goto(self.base + path)
        assert response is not None
        assert response.status == 200, await response.text()

    async def shoot(self, name: str, *, whole: bool = False) -> None:
        """Keep a screenshot."""
        await self.page.wait_for_timeout(400)
        await self.page.screenshot(path=self.folder / f"{name}.png", full_page=whole)


@contextlib.asynccontextmanager
async def visit(
    browser: Browser,
    base: str,
    folder: Path,
    *,
    size: tuple[int, int] = DESKTOP,
    **more: Any,
) -> AsyncIterator[Visit]:
    """Look at the page; the browser reaches nothing else."""
    if named := os.environ.get("VEROALLARME_SCREENSHOTS"):
        folder = Path(named)
    width, height = size
    context: BrowserContext = await browser.new_context(
        viewport={"width": width, "height": height},
        has_touch=size == PHONE,
        **{"locale": "en-GB", "color_scheme": "light", "bypass_csp": False, **more},
    )
    astray: list[str] = []

    async def stop(route: Route) -> None:
        astray.append(route.request.url)
        await route.abort()

    await context.route(lambda url: not url.startswith((base, "data:", "blob:")), stop)
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    looking = Visit(page, base, folder)
    page.on("pageerror", lambda error: looking.errors.append(str(error)))
    page.on(
        "console",
        lambda message: looking.errors.append(message.text) if message.type == "error" else None,
    )
    try:
        yield looking
    finally:
        await context.close()
    assert looking.errors == []
    assert astray == [], "the page asks another host"
