"""Past regions most like one of a past event: the same as comparing it with every other."""

import numpy as np
import pytest

from tests.watched import history, learned_memory
from veroallarme_core.camera_memory.alike_region import alike_regions
from veroallarme_core.camera_memory.region_bank import event_key


def centre(place: np.ndarray) -> tuple[float, float]:
    return float(place[0]), float(place[1])


@pytest.fixture
def event_id() -> str:
    return history()[3].event_id


def test_they_are_the_most_alike_of_other_events(event_id: str) -> None:
    bank = learned_memory().bank
    (row, *_) = np.flatnonzero(bank.event == np.uint64(event_key(event_id)))
    [found] = alike_regions(bank, event_id, [centre(bank.place[row])], 5)
    assert found is not None
    region = next(
        region
        for event in history()
        if event.event_id == event_id
        for region in event.evidence.regions
        if np.allclose(region.place, bank.place[row], atol=1e-3)
    )
    likeness = bank.likeness([region])[0]
    best: dict[int, float] = {}
    for other, value in enumerate(likeness):
        key = int(bank.event[other])
        if key != event_key(event_id):
            best[key] = max(best.get(key, 0.0), float(value))
    expected = sorted(best.values(), reverse=True)[:5]
    assert [one.likeness for one in found] == pytest.approx(expected, abs=1e-4)
    assert len({one.event_key for one in found}) == 5, "each of another event"


def test_thumbs_are_told(event_id: str) -> None:
    bank = learned_memory().bank
    (row, *_) = np.flatnonzero(bank.event == np.uint64(event_key(event_id)))
    place = centre(bank.place[row])
    [before] = alike_regions(bank, event_id, [place], 1)
    assert before is not None
    assert before[0].thumb is None
    liked = next(
        event.event_id for event in history() if event_key(event.event_id) == before[0].event_key
    )
    bank.judge(liked, False)
    [after] = alike_regions(bank, event_id, [place], 1)
    assert after is not None
    assert after[0].thumb is False


def test_what_the_memory_does_not_hold_has_none(event_id: str) -> None:
    bank = learned_memory().bank
    assert alike_regions(bank, event_id, [(0.001, 0.001)], 5) == [None]
    assert alike_regions(bank, "20200101_000000_aaaaaa", [(0.5, 0.5)], 5) == [None]
    assert alike_regions(bank, event_id, [], 5) == []
