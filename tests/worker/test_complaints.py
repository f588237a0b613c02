"""What is wrong is told once, each thing by itself, and shown until it is over."""

import logging

import pytest

from veroallarme_core.worker import complaints as complaints_module
from veroallarme_core.worker.complaints import MAX_KEYS, MAX_SENTENCES, MAX_SHOWN, Complaints


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at_s = 1000.0
        monkeypatch.setattr(complaints_module.time, "monotonic", lambda: self.at_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def complaints() -> Complaints:
    return Complaints(lambda: None)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_same_trouble_is_logged_once_a_minute(
    complaints: Complaints, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    complaints.tell("front/storage", "front: the disk is full")
    complaints.tell("front/storage", "front: 1 write waits")
    assert lines(caplog) == ["front: the disk is full"]
    assert [one.message for one in complaints.shown()] == ["front: the disk is full"]
    clock.at_s += complaints_module.REPEAT_AFTER_S
    complaints.tell("front/storage", "front: the disk is full")
    assert len(lines(caplog)) == 2


def test_each_wrong_message_is_logged(
    complaints: Complaints, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sentences = ["mode: 'x'", "hold_s: -1", "hold_s: 99999"]
    for sentence in (*sentences, *sentences):
        complaints.tell_each("command/front/set", sentence)
    assert lines(caplog) == sentences
    clock.at_s += complaints_module.REPEAT_AFTER_S
    assert complaints.tell_each("command/front/set", sentences[0])


def test_a_flood_of_wrong_messages_is_logged_as_one(
    complaints: Complaints, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    told = [complaints.tell_each("key", f"wrong: {number}") for number in range(1000)]
    assert told == [True] * MAX_SENTENCES + [False] * (1000 - MAX_SENTENCES)
    assert lines(caplog)[MAX_SENTENCES:] == ["key: further complaints are not logged for a minute"]
    clock.at_s += complaints_module.REPEAT_AFTER_S
    assert complaints.tell_each("key", "wrong: 5000")


def test_what_is_not_resolved_is_shown_the_latest_first() -> None:
    changes: list[None] = []
    complaints = Complaints(lambda: changes.append(None))
    complaints.tell("a", "first")
    complaints.note("b", "second")
    assert [(one.key, one.message) for one in complaints.shown()] == [
        ("b", "second"),
        ("a", "first"),
    ]
    complaints.resolve("b")
    assert [one.key for one in complaints.shown()] == ["a"]
    complaints.resolve("b")
    assert len(changes) == 3, "what was not there changes nothing"


def test_a_noted_trouble_is_not_logged(
    complaints: Complaints, caplog: pytest.LogCaptureFixture
) -> None:
    complaints.note("mqtt", "broker: gone")
    assert lines(caplog) == []
    assert complaints.shown()


def test_a_trouble_that_comes_back_is_told_again(
    complaints: Complaints, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        complaints.tell("a", "first")
        complaints.resolve("a")
    assert lines(caplog) == ["first", "first"]


def test_all_of_a_camera_is_resolved_at_once(complaints: Complaints) -> None:
    for key in ("front/storage", "front/payload/t", "front_2/storage"):
        complaints.tell(key, key)
    complaints.resolve_all("front/")
    assert [one.key for one in complaints.shown()] == ["front_2/storage"]


def test_memory_is_bounded(complaints: Complaints) -> None:
    for number in range(2 * MAX_KEYS):
        complaints.tell(f"key {number}", "wrong")
    assert len(complaints.shown()) == MAX_SHOWN
    assert complaints.shown()[0].key == f"key {2 * MAX_KEYS - 1}"
    assert len(complaints._open) == MAX_KEYS
