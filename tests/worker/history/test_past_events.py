"""Past events over a real mosquitto: lists, pictures, answered thumbs, zones around an event."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.peers import Listener
from tests.worker.conftest import SMALL, Site, drawn_jpegs
from tests.worker.talk import HEALTH, STATUS, Broker, C, Judging, sender
from veroallarme_core.contract import RelevanceRegion, State, new_event_id
from veroallarme_core.contract import Verdict as ContractVerdict
from veroallarme_core.contract.object_kinds import ObjectKind
from veroallarme_core.contract.verdict import FrameCounts, Timing, VerdictObject
from veroallarme_core.worker.service import Worker
from veroallarme_core.worker.storage import EventStore

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
_numbers = itertools.count()


def stored_verdict(number: int, state: State, **changes: Any) -> ContractVerdict:
    """Return a verdict of the camera, each an hour after the one before."""
    height, width = SMALL
    at = BEGIN + timedelta(hours=number)
    return ContractVerdict(
        **{
            "event_id": new_event_id(at),
            "camera": "front",
            "state": state,
            "relevant": state is not State.IRRELEVANT,
            "score": None if state is State.UNKNOWN else 0.7,
            "threshold": 0.5,
            "reason": "moved",
            "explanation": "Something moved.",
            "cues": {},
            "motion_at": at,
            "decided_at": at + timedelta(seconds=1),
            "hold_until": None,
            "mode": "filter",
            "learning": False,
            "merged": 0,
            "frame_dimensions": (height, width),
            "regions": [
                RelevanceRegion(
                    x=40, y=30, width=30, height=50, area=900, centroid=(55, 55), confidence=0.9,
                    relevance_score=0.7, is_relevant=state is State.RELEVANT, reason="moved",
                )
            ],
            "objects": [
                VerdictObject(
                    kind=ObjectKind.PERSON, class_name="person", score=0.8, x=42, y=32, width=25,
                    height=4,
                )
            ] if state is State.RELEVANT else [],
            "frames": FrameCounts(requested=3, fetched=3, distinct=3),
            "timing_ms": Timing(),
            "model": "cues-1",
            **changes,
        }
    )  # fmt: skip


@pytest.fixture
def past(site: Site) -> list[ContractVerdict]:
    """What a camera has judged before the worker starts, oldest first, with pictures of each."""
    states = (State.RELEVANT, State.IRRELEVANT, State.UNKNOWN, State.IRRELEVANT)
    verdicts = [stored_verdict(number, state) for number, state in enumerate(states)]
    store = EventStore(site.folder / "data")
    for verdict in verdicts:
        store.add_verdict(verdict)
        store.mark_published(verdict.event_id)
        store.frames.save("front", verdict.event_id, drawn_jpegs("person_in_the_drive"))
    store.close()
    return verdicts


def can_judge(worker: Worker) -> None:
    Judging().install(worker)


async def ask(heard: Listener, broker: Broker, command: str, **request: Any) -> bytes:
    """Send a request, and return its answer."""
    request_id = f"request_{next(_numbers)}"
    await broker.send(f"{C}/{command}", {"request_id": request_id, **request})
    topic = f"{C}/answer/{request_id}"
    await heard.until(lambda: heard.payloads(topic))
    (answer,) = heard.payloads(topic)
    assert not heard.on(topic)[0].retain
    return bytes(answer)


async def ask_json(heard: Listener, broker: Broker, command: str, **request: Any) -> dict[str, Any]:
    return dict(json.loads(await ask(heard, broker, command, **request)))


async def until_online(heard: Listener) -> None:
    await heard.until(lambda: heard.payloads(STATUS)[-1:] == [b"online"])


async def test_past_events_are_listed_page_by_page_and_counted(
    site: Site, past: list[ContractVerdict]
) -> None:
    async with site.listener() as heard, site.worker(can_judge), sender(site.port) as broker:
        await until_online(heard)
        first = await ask_json(heard, broker, "list_events", limit=3)
        assert [item["event_id"] for item in first["events"]] == [
            verdict.event_id for verdict in reversed(past[1:])
        ]
        assert first["more"] is True
        rest = await ask_json(heard, broker, "list_events", until=first["events"][-1]["motion_at"])
        assert [item["event_id"] for item in rest["events"]] == [past[0].event_id]
        assert rest["more"] is False
        assert rest["events"][0]["objects"] == ["person"]
        assert rest["events"][0]["pictures"] == 3
        quiet = await ask_json(heard, broker, "list_events", states=["irrelevant"])
        assert {item["event_id"] for item in quiet["events"]} == {
            past[1].event_id, past[3].event_id,
        }  # fmt: skip
        one = await ask_json(heard, broker, "list_events", event_id=past[2].event_id)
        assert [item["state"] for item in one["events"]] == ["unknown"]
        moments = [(BEGIN + timedelta(hours=hours)).isoformat() for hours in (0, 2, 9)]
        counted = await ask_json(heard, broker, "list_events", limit=0, count_between=moments)
        assert counted["events"] == []
        names = ("relevant", "irrelevant", "unknown", "suppressed")
        assert [[counts[name] for name in names] for counts in counted["counts"]] == [
            [1, 1, 0, 1], [0, 1, 1, 1],
        ]  # fmt: skip


def size(jpeg: bytes) -> tuple[int, int]:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.shape[:2]


async def test_pictures_of_a_past_event_come_annotated_small_or_as_they_were(
    site: Site, past: list[ContractVerdict]
) -> None:
    event_id = past[0].event_id
    async with site.listener() as heard, site.worker(can_judge), sender(site.port) as broker:
        await until_online(heard)
        annotated = await ask(heard, broker, "get_picture", event_id=event_id)
        assert size(annotated) == SMALL
        frames = [
            await ask(heard, broker, "get_picture", event_id=event_id, frame=number)
            for number in range(3)
        ]
        assert all(size(frame) == SMALL for frame in frames)
        assert annotated not in frames
        small = await ask(heard, broker, "get_picture", event_id=event_id, width=88)
        assert size(small) == (72, 88)
        missing = await ask_json(heard, broker, "get_picture", event_id=event_id, frame=3)
        assert "3 pictures" in missing["error"]
        unknown = await ask_json(heard, broker, "get_picture", event_id="20200101_000000_000000")
        assert "unknown" in unknown["error"]


async def test_pictures_that_may_not_be_published_are_not_given(
    site: Site, past: list[ContractVerdict]
) -> None:
    site.more = {"publish_image": False}
    async with site.listener() as heard, site.worker(can_judge), sender(site.port) as broker:
        await until_online(heard)
        refused = await ask_json(heard, broker, "get_picture", event_id=past[0].event_id)
        assert "publish_image" in refused["error"]
        listed = await ask_json(heard, broker, "list_events")
        assert {item["pictures"] for item in listed["events"]} == {0}


async def test_a_thumb_is_answered_and_stands_in_the_list(
    site: Site, past: list[ContractVerdict]
) -> None:
    event_id = past[1].event_id
    async with site.listener() as heard, site.worker(can_judge), sender(site.port) as broker:
        await until_online(heard)
        given = await ask_json(heard, broker, "feedback", event_id=event_id, relevant=True)
        assert given == {"event_id": event_id, "relevant": True}
        listed = await ask_json(heard, broker, "list_events", event_id=event_id)
        assert listed["events"][0]["feedback"] is True
        await ask_json(heard, broker, "feedback", event_id=event_id, relevant=None)
        listed = await ask_json(heard, broker, "list_events", event_id=event_id)
        assert listed["events"][0]["feedback"] is None
        unknown = await ask_json(
            heard, broker, "feedback", event_id="20200101_000000_000000", relevant=True
        )
        assert "unknown event" in unknown["error"]


async def test_motion_is_ignored_where_it_was_only_on_the_users_word(
    site: Site, past: list[ContractVerdict]
) -> None:
    event_id = past[0].event_id

    def zones(heard: Listener) -> list[Any]:
        return list(heard.on(f"{C}/settings")[-1].json()["zones"])

    async with site.listener() as heard, site.worker(can_judge), sender(site.port) as broker:
        await until_online(heard)
        shown = await ask_json(heard, broker, "ignore_here", event_id=event_id, preview=True)
        assert shown["added"] is False
        assert zones(heard) == []
        added = await ask_json(heard, broker, "ignore_here", event_id=event_id)
        assert added == {"zones": shown["zones"], "added": True}
        await heard.until(lambda: zones(heard))
        assert zones(heard) == shown["zones"]
        again = await ask_json(heard, broker, "ignore_here", event_id=event_id)
        assert again == added, "the zone that is there"
        assert zones(heard) == shown["zones"]
        nothing = await ask_json(heard, broker, "ignore_here", event_id=past[1].event_id)
        assert "nothing to ignore" in nothing["error"]


async def test_a_request_for_a_camera_that_is_not_there_is_answered(
    site: Site, past: list[ContractVerdict]
) -> None:
    topic = "veroallarme/home/camera/attic"
    async with site.listener() as heard, site.worker(can_judge), sender(site.port) as broker:
        await until_online(heard)
        await broker.send(f"{topic}/list_events", {"request_id": "r1"})
        await heard.until(lambda: heard.payloads(f"{topic}/answer/r1"))
        assert "there is no camera" in heard.on(f"{topic}/answer/r1")[0].json()["error"]


async def test_a_retained_request_is_refused(site: Site, past: list[ContractVerdict]) -> None:
    async with sender(site.port) as broker:
        await broker.send(f"{C}/list_events", {"request_id": "stale"}, retain=True)
    async with site.listener() as heard, site.worker(can_judge):
        await until_online(heard)
        await heard.until(
            lambda: any("retained" in error["message"]
                        for error in heard.on(HEALTH)[-1].json()["errors"])
        )  # fmt: skip
        assert heard.payloads(f"{C}/answer/stale") == []


async def test_a_verdict_of_an_earlier_release_is_listed(site: Site) -> None:
    """It names no objects; its pictures are gone."""
    old = stored_verdict(0, State.RELEVANT)
    content = old.to_dict()
    del content["objects"]
    store = EventStore(site.folder / "data")
    store.add_verdict(old)
    store._db.execute("UPDATE events SET verdict = ?, published = 1", (json.dumps(content),))
    store.close()
    async with site.listener() as heard, site.worker(can_judge), sender(site.port) as broker:
        await until_online(heard)
        listed = await ask_json(heard, broker, "list_events")
        assert [item["objects"] for item in listed["events"]] == [[]]
        assert [item["pictures"] for item in listed["events"]] == [0]
        gone = await ask_json(heard, broker, "get_picture", event_id=old.event_id)
        assert "no longer kept" in gone["error"]
