"""Set-up help: each step of a camera's first hour, as it is found out."""

import asyncio
import os
from dataclasses import replace
from typing import Any

import cv2
import pytest

from benchmarks.peers import HttpCamera, until
from tests.worker.conftest import Site, drawn_jpegs
from tests.worker.page.conftest import Visitor, visiting
from tests.worker.talk import Judging, sender
from veroallarme_core.contract import OFF, FrameCounts
from veroallarme_core.drawing import draw_event
from veroallarme_core.worker.camera.pending_event import FetchedFrames
from veroallarme_core.worker.motion_sources.motion_messages import Trigger
from veroallarme_core.worker.page.pages import set_up_checks
from veroallarme_core.worker.page.pages.set_up_checks import BAD, OK, WAIT, TriedPictures, look_at
from veroallarme_core.worker.snapshots import BridgeSource, FileSource
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource

HTMX = {"HX-Request": "true"}


async def states(visitor: Visitor, camera: str = "front") -> dict[str, str]:
    """Return what is found, by the sentence that says so."""
    _, text = await visitor.get(f"/set-up/{camera}", headers=HTMX)
    found = {}
    for item in text.split("<li class=")[1:]:
        state, rest = item.split('"')[1], item.split("</span>")[2]
        found[rest.split("</p>")[0].strip()] = state
    return found


async def test_motion_that_arrives_is_told(visitor: Visitor, site: Site) -> None:
    Judging().install(visitor.worker)
    before = await states(visitor)
    assert [state for text, state in before.items() if "No motion on cam/front/motion" in text] == [
        WAIT
    ]
    async with sender(site.port) as broker:
        await broker.motion()
        await until(lambda: visitor.worker.cameras["front"].statistics.events == 1)
    after = await states(visitor)
    assert after["Motion arrives on cam/front/motion: once since the start."] == OK
    assert after["One event has been judged."] == OK
    assert after["Pictures come."] == OK


async def test_what_cannot_be_understood_is_told_with_its_remedy(
    visitor: Visitor, site: Site
) -> None:
    async with sender(site.port) as broker:
        await broker.motion("perhaps")
        await until(lambda: visitor.worker._listening.records("front")[0].mistake is not None)
    assert (await states(visitor))["What comes on cam/front/motion cannot be understood."] == BAD
    _, text = await visitor.get("/set-up")
    assert "&#39;perhaps&#39;" in text


async def test_what_the_broker_has_kept_is_no_motion(site: Site) -> None:
    async with sender(site.port) as broker:
        await broker.send("cam/front/motion", "ON", retain=True)
    async with visiting(site) as visitor:
        await until(lambda: visitor.worker._listening.records("front")[0].past == 1)
        found = await states(visitor)
        assert any("Only a retained message" in text for text in found)


async def test_its_pictures_are_tried_and_shown(visitor: Visitor, cameras: HttpCamera) -> None:
    frames = draw_event("person_in_the_drive", size=(576, 704)).frames
    cameras.frames["front"] = tuple(cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames)
    response, text = await visitor.post("/set-up/front", headers=HTMX)
    assert response.status == 200
    assert "2 of 2 different pictures came." in text
    assert "They are large enough: 704 × 576." in text
    assert "They are sharp." in text
    assert "does not tell how old they are" in text
    assert "data:image/jpeg;base64," in text
    # Without scripts the same form leads to the whole page.
    response, text = await visitor.post("/set-up/front")
    assert "<h1>Set-up help</h1>" in text
    assert "They are sharp." in text


async def test_a_camera_that_is_away_is_told_with_its_remedy(
    visitor: Visitor, cameras: HttpCamera
) -> None:
    cameras.frames["front"] = (b"<html><title>Log in</title>",)
    _, text = await visitor.post("/set-up/front", headers=HTMX)
    assert "No picture came." in text
    assert "No pictures come." in text
    assert "sent a web page" in text
    assert "check the address and the login" in text
    assert "data:image" not in text


async def test_pictures_that_may_not_be_published_are_not_shown(site: Site) -> None:
    site.more = {"publish_image": False}
    async with visiting(site) as visitor:
        _, text = await visitor.post("/set-up/front", headers=HTMX)
        assert "different pictures came." in text
        assert "data:image" not in text


async def test_a_camera_that_home_assistant_bridges_is_not_asked(site: Site) -> None:
    site.more = {"source": BridgeSource(), "triggers": ()}
    async with visiting(site) as visitor:
        _, text = await visitor.get("/set-up")
        assert "No motion on veroallarme/home/camera/+/burst yet" in text
        assert "Home Assistant sends the pictures" in text
        assert "hx-post" not in text


async def test_a_camera_that_sends_its_pictures(site: Site) -> None:
    site.more = {
        "source": MqttImageSource(topic="cam/front/image", timeout_s=0.2),
        "triggers": (Trigger(topic="cam/front/motion", start=("ON",)),),
    }
    async with visiting(site) as visitor:
        found = await states(visitor)
        assert any("No picture on cam/front/image yet" in text for text in found)
        async with sender(site.port) as broker:
            await broker.send("cam/front/image", drawn_jpegs("person_in_the_drive")[0])
            await until(lambda: visitor.worker._listening.records("front")[1].count == 1)
        assert (await states(visitor))["A picture has come on cam/front/image."] == OK


async def test_pictures_that_a_camera_delivers_are_waited_for(site: Site) -> None:
    folder = site.folder / "uploads"
    folder.mkdir()
    site.more = {"source": FileSource(path=folder), "reference_every_s": 60.0}
    async with visiting(site) as visitor:
        await until(lambda: visitor.worker.cameras["front"].connectivity.payload == OFF)
        assert (await states(visitor))[
            "No picture has been delivered yet: walk before the camera."
        ] == WAIT
        _, page = await visitor.get("/set-up")
        assert "Waiting up to 20 s for new pictures: walk before the camera now." in page
        trying = asyncio.create_task(visitor.post("/set-up/front", headers=HTMX))
        await asyncio.sleep(2.0)
        assert not trying.done(), "who walks to the camera has not got there yet"
        for number, jpeg in enumerate(drawn_jpegs("person_in_the_drive")):
            (folder / f"{number}.jpg").write_bytes(jpeg)
            await asyncio.sleep(0.8)
        _, text = await trying
        assert "No new picture came" not in text
        assert "data:image/jpeg;base64," in text


async def test_pictures_that_are_never_delivered_are_not_waited_for_without_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_up_checks, "WAITED_S", 1.0)
    old = site.folder / "uploads" / "old.jpg"
    old.parent.mkdir()
    old.write_bytes(drawn_jpegs("person_in_the_drive")[0])
    os.utime(old, (1e9, 1e9))
    site.more = {"source": FileSource(path=old.parent)}
    async with visiting(site) as visitor:
        _, text = await visitor.post("/set-up/front", headers=HTMX)
    assert "Walk before the camera while this waits" in text
    assert "address" not in text, "a folder has none"


async def test_an_unknown_camera_is_not_there(visitor: Visitor) -> None:
    for path in ("/set-up/nobody", "/set-up/..%2f", "/set-up/FRONT"):
        response, _ = await visitor.get(path)
        assert response.status == 404
    response, _ = await visitor.post("/set-up/nobody")
    assert response.status == 404


def fetched(
    size: tuple[int, int] = (576, 704), *, sigma: float = 0.0, **more: Any
) -> FetchedFrames:
    frame = draw_event("person_in_the_drive", size=size).frames[0]
    if sigma:
        frame = cv2.GaussianBlur(frame, (0, 0), sigma)
    counts = FrameCounts(requested=3, fetched=3, distinct=3, age_ms=400)
    return replace(
        FetchedFrames(
            frames=[cv2.imencode(".jpg", frame)[1].tobytes()], counts=counts, fetch_ms=1200.0
        ),
        **more,
    )


def keys(tried: TriedPictures) -> dict[str, str]:
    return {check.key: check.state for check in tried.checks}


def test_good_pictures() -> None:
    tried = look_at(fetched(), is_shown=True)
    assert set(keys(tried).values()) == {OK}
    assert tried.jpeg is not None


@pytest.mark.parametrize(
    ("pictures", "fault"),
    [
        (fetched((288, 352)), "test_small"),
        (fetched(sigma=8.0), "test_blurred"),
        (fetched(fetch_ms=9000.0), "test_slow"),
        (
            fetched(counts=FrameCounts(requested=3, fetched=3, distinct=3, age_ms=8000)),
            "test_stale",
        ),
        (fetched(counts=FrameCounts(requested=3, fetched=8, distinct=1, age_ms=0)), "test_few"),
        (fetched(frames=[b"\xff\xd8 no picture"]), "test_undecodable"),
        (fetched(frames=[]), "test_none"),
    ],
)
def test_each_fault_is_found_and_no_other(pictures: FetchedFrames, fault: str) -> None:
    found = keys(look_at(pictures, is_shown=True))
    assert [key for key, state in found.items() if state == BAD] == [fault]
