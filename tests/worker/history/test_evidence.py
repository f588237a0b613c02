"""Why a past event was judged as it was, out of a real store and a real memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.watched import garden_model, history, learned_memory
from tests.worker.history.test_event_lists import LEFT
from tests.worker.storage.test_event_store import verdict
from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import CommandError, RelevanceRegion
from veroallarme_core.worker.history.evidence import Evidence
from veroallarme_core.worker.storage import Storage


@dataclass
class Camera:
    """As much of a camera as the evidence asks for: what it has learned, and its zones."""

    learning: Any
    id: str = "front"
    context: Any = field(
        default_factory=lambda: SimpleNamespace(settings=SimpleNamespace(zones=(LEFT,)))
    )


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    memory = learned_memory()
    return Camera(SimpleNamespace(state=CameraState(tmp_path, memory, garden_model(memory))))


@pytest.fixture
def ids(storage: Storage) -> list[str]:
    """Events of the memory, with verdicts as a worker would have stored them."""
    for event in history():
        regions = [
            RelevanceRegion(
                **vars(seen.region), confidence=0.9, relevance_score=0.9 - number / 100,
                is_relevant=True, reason="moved", cues={"novelty": 0.25, "change": float("nan")},
            )
            for number, seen in enumerate(event.evidence.regions[:4])
        ]  # fmt: skip
        storage.store.add_verdict(
            verdict(
                event.event_id, motion_at=event.moment, decided_at=event.moment, hold_until=None,
                regions=regions, frame_dimensions=event.frames[0].shape[:2],
            )
        )  # fmt: skip
        storage.store.frames.save("front", event.event_id, event.encoded)
    return [event.event_id for event in history()]


async def test_it_says_all_that_stands_behind_a_verdict(
    storage: Storage, camera: Camera, ids: list[str]
) -> None:
    storage.store.set_feedback("front", ids[5], False, history()[5].moment)
    found = await Evidence(storage).gather(camera, ids[5])  # type: ignore[arg-type]
    assert found.listed.event_id == found.verdict["event_id"] == ids[5]
    assert found.listed.feedback is False
    assert found.zones == (LEFT,)
    assert found.recurrence is not None
    assert found.recurrence.events == len(ids)
    scores = [judged.region.relevance_score for judged in found.regions]
    assert scores == sorted(scores, reverse=True)
    best = found.regions[0]
    assert best.region.cues == {"novelty": 0.25}, "what is no number is not told"
    assert best.recurrence is not None
    assert 0.0 < best.recurrence <= 1.0
    assert best.alike is not None
    assert len(best.alike) == 5
    events = [one.event for one in best.alike]
    assert all(event is not None and event.event_id in set(ids) - {ids[5]} for event in events)
    assert [one.likeness for one in best.alike] == sorted(
        (one.likeness for one in best.alike), reverse=True
    )


async def test_alike_events_that_are_gone_keep_their_time(
    storage: Storage, camera: Camera, ids: list[str]
) -> None:
    before = await Evidence(storage).gather(camera, ids[5])  # type: ignore[arg-type]
    assert before.regions[0].alike
    gone = before.regions[0].alike[0].event
    assert gone is not None
    storage.store._db.execute("DELETE FROM events WHERE event_id = ?", (gone.event_id,))
    after = await Evidence(storage).gather(camera, ids[5])  # type: ignore[arg-type]
    assert after.regions[0].alike
    first = after.regions[0].alike[0]
    assert first.event is None
    assert timedelta(0) <= gone.motion_at - first.at < timedelta(minutes=15)


async def test_without_a_memory_it_says_what_is_stored(storage: Storage, ids: list[str]) -> None:
    camera = Camera(SimpleNamespace(state=None))
    found = await Evidence(storage).gather(camera, ids[0])  # type: ignore[arg-type]
    assert found.recurrence is None
    assert {judged.alike for judged in found.regions} == {None}
    assert {judged.recurrence for judged in found.regions} == {None}


async def test_an_event_that_the_memory_has_not_seen(
    storage: Storage, camera: Camera, ids: list[str]
) -> None:
    event_id = "20261123_120000_abcdef"
    storage.store.add_verdict(verdict(event_id, frame_dimensions=None, regions=()))
    found = await Evidence(storage).gather(camera, event_id)  # type: ignore[arg-type]
    assert found.regions == []


@pytest.mark.parametrize("camera_id", ["front", "yard"])
async def test_an_event_of_another_camera_is_unknown(
    storage: Storage, camera: Camera, ids: list[str], camera_id: str
) -> None:
    camera.id = camera_id
    event_id = "20200101_000000_abcdef" if camera_id == "front" else ids[0]
    with pytest.raises(CommandError, match="unknown"):
        await Evidence(storage).gather(camera, event_id)  # type: ignore[arg-type]
