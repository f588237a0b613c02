"""Make the pictures of the page for the documentation, from drawn scenes alone.

    python -m benchmarks.page_pictures [--folder docs/images/page]

A real worker with a page judges scenes that the package draws. What it has judged is then copied
to the hours of the last thirty days, for a day and its numbers need a past, and a real Chromium
looks at it: `tour.webp` moves from view to view at a desk, `today.jpg`, `event.jpg` and `zones.jpg`
are stills of a phone. Needs mosquitto and chromium, as the tests do. Look at the pictures before
you commit them. The past and its thumbs are made up: no figure in a picture measures anything.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import random
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
from PIL import Image
from playwright.async_api import Browser

from benchmarks.page_peer import PHONE, PagedWorker, Visit, chromium, paged_worker, visit
from veroallarme_core.contract import new_event_id
from veroallarme_core.demo.events import encode
from veroallarme_core.drawing import draw_event
from veroallarme_core.worker.clock import now

DESK = (1000, 640)
VIEW_MS, STEP_MS = 1700, 700
"""How long a view stands, and a step on the way to it."""
MOST_TOUR_BYTES, MOST_STILL_BYTES = 900_000, 120_000
DAYS = 30
SIZE = (480, 640)
GATE = slice(220, 700), slice(560, 1200)
"""Rows and columns of a drawing of twice the size: what a camera sees that is aimed at the gate."""
SCENES: tuple[tuple[str, str, int], ...] = (
    ("drive", "infrared_switch", 21),
    ("drive", "person_in_infrared", 23),
    ("garden", "insect_at_the_lens", 22),
    ("garden", "cat_at_night", 4),
    ("drive", "person_at_dusk", 20),
    ("drive", "headlights_on_the_wall", 20),
    ("garden", "garden_tree_in_wind", 7),
    ("drive", "tree_in_strong_wind", 15),
    ("drive", "cloud_shadow", 8),
    ("gate", "cloud_shadow", 8),
    ("garden", "corrupt_macroblocks", 6),
    ("drive", "tree_in_light_wind", 9),
    ("gate", "exposure_jump", 9),
    ("drive", "corrupt_green_band", 9),
    ("gate", "person_at_the_gate", 9),
    ("garden", "person_in_the_garden", 9),
    ("garden", "cat_in_the_garden", 9),
    ("gate", "car_turns_into_the_drive", 9),
    ("drive", "person_in_the_drive", 9),
)
"""Camera, scene, and the hour of its copies; the last ones are what is looked at."""
REAL = ("person", "car", "cat")
"""How the names of scenes begin that somebody would call relevant."""
ZONES = {
    "garden": ("Tree", ((0, 0), (0.25, 0), (0.25, 0.5), (0.52, 0.54), (0.52, 0.72), (0, 0.72))),
    "gate": ("Street", ((0, 0), (1, 0), (1, 0.34), (0, 0.34))),
}
"""What two of the cameras ignore, as shares of width and height; the third one's is drawn."""
PREMISES = (
    (0.01, 0.64), (0.2, 0.55), (0.38, 0.46), (0.76, 0.45), (0.99, 0.62), (0.99, 0.8),
    (0.99, 0.98), (0.01, 0.98),
)  # fmt: skip
"""A zone on the drive's picture: the premises, without the street."""


def drawn(camera: str, scene: str) -> list[bytes]:
    """Draw a scene as one of the cameras would send it."""
    if camera != "gate":
        return [encode(frame) for frame in draw_event(scene, size=SIZE).frames]
    twice = draw_event(scene, size=(2 * SIZE[0], 2 * SIZE[1])).frames
    return [encode(frame[GATE].copy()) for frame in twice]


def copy_into_the_past(data: Path) -> None:
    """Copy what was judged to the hours of the last days, with pictures, outcomes and thumbs."""
    chance, end = random.Random(5), now()
    with contextlib.closing(sqlite3.connect(data / "events.sqlite")) as db:
        rows = db.execute("SELECT * FROM events WHERE verdict IS NOT NULL ORDER BY motion_at")
        columns = [column[0] for column in rows.description]
        judged = [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]
        for row, (_, scene, hour) in zip(judged, SCENES, strict=True):
            for days in range(DAYS):
                day = end.replace(hour=hour, minute=0) - timedelta(days=days)
                at = day + timedelta(seconds=chance.randrange(-5400, 5400))
                if at < end - timedelta(minutes=10) and chance.random() < (0.4 if days else 0.8):
                    _copy(db, data, row, at, chance, scene.startswith(REAL))
        db.commit()


def _copy(
    db: sqlite3.Connection,
    data: Path,
    row: dict[str, Any],
    at: datetime,
    chance: random.Random,
    is_real: bool,
) -> None:
    verdict, camera, event_id = json.loads(row["verdict"]), row["camera"], new_event_id(at)
    later = at - datetime.fromisoformat(verdict["motion_at"])
    for key in ("motion_at", "decided_at", "hold_until"):
        if verdict[key] is not None:
            verdict[key] = (datetime.fromisoformat(verdict[key]) + later).isoformat()
    verdict["timing_ms"]["total"] *= chance.uniform(0.9, 1.6)
    verdict["event_id"] = event_id
    changed = {
        "event_id": event_id,
        "motion_at": verdict["motion_at"],
        "verdict": json.dumps(verdict),
    }
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO events VALUES ({marks})", tuple((row | changed).values()))
    db.execute(
        "INSERT INTO outcomes SELECT ?, outcomes FROM outcomes WHERE event_id = ?",
        (event_id, row["event_id"]),
    )
    if chance.random() < 0.25:
        given = (event_id, camera, int(is_real), verdict["decided_at"])
        db.execute("INSERT INTO feedback VALUES (?, ?, ?, ?)", given)
    shutil.copytree(data / camera / row["event_id"], data / camera / event_id)


@dataclass
class Tour:
    """Pictures of somebody at a desk, one after the other."""

    looking: Visit
    pictures: list[Image.Image] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)

    async def see(self, time_ms: int = VIEW_MS) -> None:
        """Keep what the browser shows."""
        await self.looking.page.wait_for_timeout(500)
        data = await self.looking.page.screenshot()
        self.pictures.append(Image.open(io.BytesIO(data)).convert("RGB"))
        self.times_ms.append(time_ms)

    def save(self, path: Path) -> None:
        """Write the moving picture."""
        first, *others = self.pictures
        first.save(
            path, save_all=True, append_images=others, duration=self.times_ms, loop=0,
            quality=72, method=6,
        )  # fmt: skip
        _check(path, MOST_TOUR_BYTES)


def _check(path: Path, most: int) -> None:
    size = path.stat().st_size
    print(f"{path}: {size / 1e3:.0f} kB")
    if size > most:
        sys.exit(f"{path} has {size} bytes, more than {most}: take fewer or plainer pictures")


async def draw_zone(looking: Visit, corners: Sequence[tuple[float, float]]) -> None:
    """Set corners of a zone on the picture."""
    box = await looking.page.locator("#canvas").bounding_box()
    assert box is not None
    for x, y in corners:
        at = box["x"] + x * box["width"], box["y"] + y * box["height"]
        await looking.page.mouse.click(*at)


async def scroll_to(looking: Visit, selector: str, above_px: int = 70) -> None:
    """Scroll until something stands at the top, below the bar."""
    await looking.page.locator(selector).first.evaluate(
        "(one, above) => scrollTo(0, one.getBoundingClientRect().top + scrollY - above)", above_px
    )


async def tour(looking: Visit, event: str) -> Tour:
    """Walk through the page."""
    taken, page = Tour(looking), looking.page
    await looking.open("/")
    await taken.see()
    await scroll_to(looking, "#cameras")
    await taken.see()
    await looking.open("/events")
    await taken.see()
    await looking.open(event)
    await taken.see()
    await scroll_to(looking, "#regions-heading")
    await taken.see()
    await looking.open("/cameras/drive/zones")
    await scroll_to(looking, "#stage", 80)
    await page.get_by_role("button", name="New zone").click()
    await scroll_to(looking, "#stage", 80)
    for before, after in ((0, 3), (3, 6), (6, 8)):
        await draw_zone(looking, PREMISES[before:after])
        await taken.see(STEP_MS)
    await page.locator("#finish").click()
    await scroll_to(looking, "#stage", 80)
    await taken.see()
    await looking.open("/cameras/drive/what-if")
    await taken.see(STEP_MS)
    await page.get_by_text("A threshold of my own").click()
    for value in ("0.6", "0.75"):
        await page.locator("[name=threshold]").fill(value)
        await taken.see(STEP_MS if value == "0.6" else VIEW_MS)
    await looking.open("/numbers")
    await taken.see()
    return taken


async def stills(looking: Visit, event: str, folder: Path) -> None:
    """Keep what a phone shows."""

    async def keep(name: str) -> None:
        path = folder / f"{name}.jpg"
        await looking.page.wait_for_timeout(500)
        await looking.page.screenshot(path=path, type="jpeg", quality=80)
        _check(path, MOST_STILL_BYTES)

    await looking.open("/")
    await keep("today")
    await looking.open(event)
    await keep("event")
    await looking.open("/cameras/drive/zones")
    await looking.page.locator("#new-zone").tap()
    await scroll_to(looking, "#stage", 110)
    await draw_zone(looking, PREMISES)
    await keep("zones")


async def take(folder: Path, browser: Browser) -> None:
    """Let the worker see the scenes, and look at its page."""
    with tempfile.TemporaryDirectory(prefix="veroallarme-pictures-") as name:
        data = Path(name)
        cameras = sorted({camera for camera, _, _ in SCENES})
        async with paged_worker(data, *cameras) as paged:
            event = await judge(paged)
            await asyncio.to_thread(copy_into_the_past, data / "data")
            async with visit(browser, paged.base, data, size=DESK) as looking:
                taken = await tour(looking, event)
            await asyncio.to_thread(taken.save, folder / "tour.webp")
            async with visit(browser, paged.base, data, size=PHONE) as looking:
                await stills(looking, event, folder)


async def judge(paged: PagedWorker) -> str:
    """Let the cameras see all scenes; return the path of the last event."""
    async with aiomqtt.Client("127.0.0.1", paged.broker.port) as client:
        for camera, (name, points) in ZONES.items():
            zones = json.dumps({"zones": [{"name": name, "kind": "ignore", "points": points}]})
            await client.publish(f"veroallarme/home/camera/{camera}/set", zones, qos=1)
    for camera, scene, _ in SCENES:
        verdict = await paged.see(camera, await asyncio.to_thread(drawn, camera, scene))
        print(f"{camera} {scene}: {verdict['state']} {verdict['reason']}")
    return f"/events/{verdict['camera']}/{verdict['event_id']}"


async def make(folder: Path) -> None:
    """Make all pictures."""
    async with chromium() as browser:
        await take(folder, browser)


def main(argv: Sequence[str] | None = None) -> int:
    """Make the pictures by the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--folder", type=Path, default=root / "docs" / "images" / "page")
    folder = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(make(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
