"""Thumbnails: made once, taken by nobody for a frame, gone with their event."""

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from benchmarks.peers import until
from tests.worker.conftest import drawn_jpegs
from tests.worker.history.test_event_lists import moved_at
from veroallarme_core.adaptation.history import list_events, picture_files
from veroallarme_core.contract import CommandError, Verdict
from veroallarme_core.drawing import draw_event
from veroallarme_core.worker.history import thumbnails as module
from veroallarme_core.worker.history.thumbnails import WIDTH_PX, Thumbnails
from veroallarme_core.worker.storage import KeepLimits, Storage

FRAMES = drawn_jpegs("person_in_the_drive")


@pytest.fixture
def past(storage: Storage) -> Verdict:
    """An event with pictures, 176 x 144 pixels."""
    one = moved_at(60, 0)
    storage.store.add_verdict(one)
    storage.store.frames.save("front", one.event_id, FRAMES)
    return one


def decoded(picture: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


async def test_it_shows_the_frame_and_what_moved(storage: Storage, past: Verdict) -> None:
    picture = decoded(await Thumbnails(storage).get("front", past.event_id))
    frame = decoded(FRAMES[1])
    assert picture.shape == frame.shape, "a small picture is not made larger"
    drawn, bare = (shown[60, 56:64].astype(int) for shown in (picture, frame))
    green = (drawn[:, 1] - drawn[:, 2]).max(), (bare[:, 1] - bare[:, 2]).max()
    assert green[0] > green[1] + 20, "the box of what is relevant, as in the picture of a verdict"


async def test_it_is_small(storage: Storage) -> None:
    one = moved_at(60, 0, frame_dimensions=(576, 704))
    storage.store.add_verdict(one)
    frames = [
        cv2.imencode(".jpg", frame)[1].tobytes()
        for frame in draw_event("person_in_the_drive").frames
    ]
    storage.store.frames.save("front", one.event_id, frames)
    picture = await Thumbnails(storage).get("front", one.event_id)
    assert decoded(picture).shape[1] == WIDTH_PX
    assert len(picture) < 20_000


async def test_it_is_made_once(
    storage: Storage, past: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def draw(verdict: dict[str, object], frames: list[bytes]) -> bytes:
        made.append(verdict["event_id"])
        return b"picture"

    monkeypatch.setattr(module, "draw_thumbnail", draw)
    thumbnails = Thumbnails(storage)
    asked = [thumbnails.get("front", past.event_id) for _ in range(20)]
    assert set(await asyncio.gather(*asked)) == {b"picture"}
    assert await Thumbnails(storage).get("front", past.event_id) == b"picture"
    assert made == [past.event_id]


async def test_whoever_goes_away_takes_it_from_nobody(
    storage: Storage, past: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def draw(verdict: dict[str, object], frames: list[bytes]) -> bytes:
        assert go_on.wait(20)
        return b"picture"

    monkeypatch.setattr(module, "draw_thumbnail", draw)
    thumbnails = Thumbnails(storage)
    first, second = (asyncio.create_task(thumbnails.get("front", past.event_id)) for _ in range(2))
    await until(lambda: bool(thumbnails._making))
    first.cancel()
    await asyncio.wait([first])
    go_on.set()
    assert await second == b"picture"


async def test_nobody_takes_it_for_a_frame(storage: Storage, past: Verdict) -> None:
    frames = storage.store.frames
    await Thumbnails(storage).get("front", past.event_id)
    assert frames.load("front", past.event_id) == list(FRAMES)
    assert frames.count("front", past.event_id) == len(FRAMES)
    (event,) = list_events(frames.data_dir / "front")
    assert [path.name for path in picture_files(event.folder)] == ["0.jpg", "1.jpg", "2.jpg"]


async def test_it_goes_with_its_event(storage: Storage, past: Verdict) -> None:
    frames = storage.store.frames
    thumbnails = Thumbnails(storage)
    await thumbnails.get("front", past.event_id)
    later = datetime.now(UTC) + timedelta(days=400)
    assert frames.remove_old("front", KeepLimits(days=1), set(), later) == 1
    assert not frames.folder("front", past.event_id).exists()
    with pytest.raises(CommandError, match="no longer kept"):
        await thumbnails.get("front", past.event_id)


async def test_an_event_that_went_while_it_was_drawn_does_not_come_back(
    storage: Storage, past: Verdict
) -> None:
    storage.store.frames.folder("front", past.event_id).rename(storage.store.path.parent / "away")
    with pytest.raises(OSError, match="No such file"):
        storage.store.frames.save_thumbnail("front", past.event_id, b"picture")
    assert not storage.store.frames.folder("front", past.event_id).exists()


@pytest.mark.parametrize(("camera", "event_id"), [("yard", None), ("front", "20200101_000000_aa")])
async def test_it_belongs_to_an_event_of_the_camera(
    storage: Storage, past: Verdict, camera: str, event_id: str | None
) -> None:
    with pytest.raises(CommandError, match="unknown"):
        await Thumbnails(storage).get(camera, event_id or past.event_id)


async def test_pictures_that_cannot_be_decoded_are_told(storage: Storage) -> None:
    one = replace(moved_at(60, 0), regions=())
    storage.store.add_verdict(one)
    storage.store.frames.save("front", one.event_id, [b"no picture"])
    with pytest.raises(CommandError, match="can be decoded"):
        await Thumbnails(storage).get("front", one.event_id)
