"""Suggested zones from the store to the settings, with a real mosquitto in between."""

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import Listener
from tests.worker.conftest import Site, drawn_jpegs
from tests.worker.fake_state import FakeState
from tests.worker.talk import HEALTH, STATUS, C, Judging, retained, sender
from tests.zone_suggestions.past import STREET, car_at, recurrence, verdict
from veroallarme_core.worker.service import Worker
from veroallarme_core.worker.storage.event_store import EventStore

EVENTS = 60
SUGGESTIONS, PICTURE = f"{C}/suggestions", f"{C}/suggestions_image"


@pytest.fixture
def street(site: Site, learner: FakeState) -> FakeState:
    """A camera whose memory has seen a street again and again."""
    learner.learned, learner.events_seen = True, EVENTS
    learner.moving = (EVENTS, recurrence(STREET))
    remember(site.folder / "data")
    return learner


def remember(data_dir: Path) -> None:
    """Store verdicts of cars that passed in the street, and pictures of some of them."""
    store = EventStore(data_dir)
    for number in range(EVENTS):
        content = verdict(number, car_at(number))
        store.frames.save("front", content["event_id"], drawn_jpegs("person_in_the_drive"))
    store.close()
    with sqlite3.connect(data_dir / "events.sqlite") as db:
        for number in range(EVENTS):
            content = verdict(number, car_at(number))
            # What the worker says of its latest event when it starts.
            content |= {"camera": "front", "hold_until": None, "decided_at": content["motion_at"],
                        "reason": "moved", "explanation": "Something moved."}  # fmt: skip
            db.execute(
                "INSERT INTO events (event_id, camera, motion_at, verdict, published) "
                "VALUES (?, 'front', ?, ?, 1)",
                (content["event_id"], content["motion_at"], json.dumps(content)),
            )
    db.close()


def can_learn(worker: Worker) -> None:
    Judging().install(worker)
    # Stands for an adaptation that ends well at once.
    line = '{"learned": true, "events": 60, "seconds": 1}'
    worker._adaptations.command = (sys.executable, "-S", "-c", f"print({line!r})")


def suggested(heard: Listener) -> list[dict[str, Any]]:
    return list(heard.on(SUGGESTIONS)[-1].json()["suggestions"]) if heard.on(SUGGESTIONS) else []


def settings(heard: Listener) -> dict[str, Any]:
    return dict(heard.on(f"{C}/settings")[-1].json())


def complaints(heard: Listener) -> list[str]:
    return [error["message"] for error in heard.on(HEALTH)[-1].json()["errors"]]


async def until_online(heard: Listener) -> None:
    await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])


async def test_a_street_is_suggested_on_command_and_ignored_only_once_it_is_taken(
    site: Site, street: FakeState
) -> None:
    async with site.listener() as heard, site.worker(can_learn), sender(site.port) as broker:
        await until_online(heard)
        assert suggested(heard) == []
        await broker.send(f"{C}/learn", {})
        await heard.until(lambda: suggested(heard))
        (found,) = suggested(heard)
        assert found["zone"]["kind"] == "ignore"
        assert found["evidence"]["events"] == EVENTS
        assert found["evidence"]["confirmed"] == 0
        assert found["sentence"]
        assert heard.payloads(PICTURE)[-1].startswith(b"\xff\xd8\xff")
        assert settings(heard)["zones"] == [], "nothing is ignored without the user's word"
        await broker.send(f"{C}/suggestion", {"id": found["id"], "take": True})
        await heard.until(lambda: settings(heard)["zones"] and not suggested(heard))
        assert settings(heard)["zones"] == [found["zone"]]
        await heard.until(lambda: heard.payloads(PICTURE)[-1] == b"")
    async with site.listener() as heard, site.worker(can_learn):
        await until_online(heard)
        assert settings(heard)["zones"] == [found["zone"]]
        assert suggested(heard) == []
    assert PICTURE not in await retained(site.port)


async def test_what_stands_survives_a_restart_and_what_is_refused_does_not_come_again(
    site: Site, street: FakeState
) -> None:
    async with site.listener() as heard, site.worker(can_learn), sender(site.port) as broker:
        await until_online(heard)
        await broker.send(f"{C}/learn", {})
        await heard.until(lambda: suggested(heard))
        before = suggested(heard)
    async with site.listener() as heard, site.worker(can_learn), sender(site.port) as broker:
        await until_online(heard)
        assert suggested(heard) == before
        assert heard.payloads(PICTURE)[-1].startswith(b"\xff\xd8\xff")
        await broker.send(f"{C}/suggestion", {"id": before[0]["id"], "take": False})
        await heard.until(lambda: not suggested(heard))
        assert settings(heard)["zones"] == []
    async with (
        site.listener() as heard,
        site.worker(can_learn) as worker,
        sender(site.port) as broker,
    ):
        await until_online(heard)
        await worker.cameras["front"].suggestions.renew(lambda: ())
        await broker.motion()
        await heard.until(lambda: heard.on(f"{C}/event"))
        assert suggested(heard) == []


async def test_a_thumb_up_takes_back_a_suggestion_that_would_hide_it(
    site: Site, street: FakeState
) -> None:
    async with site.listener() as heard, site.worker(can_learn), sender(site.port) as broker:
        await until_online(heard)
        await broker.send(f"{C}/learn", {})
        await heard.until(lambda: suggested(heard))
        before = suggested(heard)
        for number in range(0, EVENTS, 2):
            event_id = verdict(number, car_at(number))["event_id"]
            await broker.send(f"{C}/feedback", {"event_id": event_id, "relevant": True})
        await heard.until(lambda: suggested(heard) != before)
        assert all(one["evidence"]["confirmed"] == 0 for one in suggested(heard))


async def test_a_camera_whose_pictures_are_not_published_suggests_without_one(
    site: Site, street: FakeState
) -> None:
    site.more = {"publish_image": False}
    async with site.listener() as heard, site.worker(can_learn), sender(site.port) as broker:
        await until_online(heard)
        await broker.send(f"{C}/learn", {})
        await heard.until(lambda: suggested(heard))
    assert set(heard.payloads(PICTURE)) <= {b""}


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ({"id": "zone_none", "take": True}, "no zone is suggested as zone_none: give the id"),
        ({"id": "zone_none", "take": False}, "no zone is suggested as zone_none: give the id"),
        ({"id": "A B", "take": True}, "id: 'A B': use 1 to 64 of the characters"),
        ({"id": "zone_a"}, "take: missing: add it"),
        ({"id": "zone_a", "take": "yes"}, "take: 'yes': give true or false"),
        ("take it", "is not JSON: send an object such as"),
    ],
)
async def test_a_wrong_answer_is_told_in_one_sentence(
    site: Site, payload: Any, sentence: str
) -> None:
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await until_online(heard)
        await broker.send(f"{C}/suggestion", payload)
        await heard.until(lambda: any(sentence in one for one in complaints(heard)))


async def test_a_store_that_cannot_be_read_is_told_and_alarms_go_on(
    site: Site, street: FakeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(EventStore, "verdicts_before", broken)
    async with site.listener() as heard, site.worker(can_learn), sender(site.port) as broker:
        await until_online(heard)
        await broker.send(f"{C}/learn", {})
        await heard.until(
            lambda: any("zones cannot be suggested" in one for one in complaints(heard))
        )
        await broker.motion()
        await heard.until(lambda: heard.on(f"{C}/event"))


async def test_there_is_room_for_sixteen_zones(site: Site, street: FakeState) -> None:
    corners = [[0, 0.9], [1, 0.9], [1, 1]]
    zones = [{"name": f"z{n}", "kind": "ignore", "points": corners} for n in range(16)]
    async with site.listener() as heard, site.worker(can_learn), sender(site.port) as broker:
        await until_online(heard)
        await broker.send(f"{C}/set", {"zones": zones})
        await broker.send(f"{C}/learn", {})
        await heard.until(lambda: suggested(heard))
        await broker.send(f"{C}/suggestion", {"id": suggested(heard)[0]["id"], "take": True})
        await heard.until(lambda: any("has 16 zones" in one for one in complaints(heard)))
        assert suggested(heard), "it can still be taken"
