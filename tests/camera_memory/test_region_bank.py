"""What the bank remembers, what it forgets, and what a thumb does to it."""

import numpy as np
import pytest

from tests.camera_memory.assessed import observe
from tests.watched import history, scene_encoder
from veroallarme_core.camera_memory.region_bank import BANK_SIZE, event_key
from veroallarme_core.camera_memory.scene_memory import SceneMemory


def test_full_bank_forgets_at_random_but_not_what_the_user_judged() -> None:
    memory = SceneMemory(scene_encoder().name)
    event = history()[0]
    observe(memory, event)
    memory.bank.judge(event.event_id, False)
    judged = int((memory.bank.label < 0).sum())
    draw, session = np.random.default_rng(1), int(memory.bank.session[0])
    hundred = (event.evidence.regions * 100)[:100]
    for number in range(2 * BANK_SIZE // 100):
        memory.bank.add(hundred, session + number, number, draw)
    assert len(memory.bank) == BANK_SIZE
    assert (memory.bank.label < 0).sum() == judged
    is_old = memory.bank.session < session + BANK_SIZE // 100
    assert 0.2 < np.mean(is_old) < 0.5, "a part of the old ones is left"


def test_user_word_is_taken_back(memory: SceneMemory) -> None:
    event_id, bank = history()[0].event_id, memory.bank
    count = len(history()[0].evidence.regions)
    bank.judge(event_id, True)
    assert (bank.label == 1).sum() == 1, "a thumb up is about one region"
    assert np.flatnonzero(bank.label)[0] == 0, "about the one that came first"
    bank.judge(event_id, False)
    assert (bank.label == -1).sum() == count, "a thumb down is about all of them"
    bank.judge(event_id, None)
    assert not bank.label.any()
    bank.judge("20200101_000000_ffffff", True)
    assert not bank.label.any(), "of an event that it does not hold"


def test_thumb_up_is_about_the_region_at_the_place(memory: SceneMemory) -> None:
    event = history()[0]
    chosen = event.evidence.regions[2]
    memory.bank.judge(event.event_id, True, chosen.place)
    (row,) = np.flatnonzero(memory.bank.label)
    assert memory.bank.place[row] == pytest.approx(chosen.place)


@pytest.mark.parametrize(
    ("text", "key"),
    [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)],
)
def test_event_keys_are_those_of_the_published_function(text: str, key: int) -> None:
    """Files that are in use hold them: http://www.isthe.com/chongo/tech/comp/fnv/."""
    assert event_key(text) == key
