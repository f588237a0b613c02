"""The first teacher: what moves at the same place in event after event is nuisance."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.training.bursts import write_event
from veroallarme_training.config import TeacherSettings
from veroallarme_training.moving_events import MovingEvent, load_moving_events
from veroallarme_training.recurrence import label_by_recurrence

SETTINGS = TeacherSettings(min_events=4)
BUSY = [(20, 20), (21, 60), (20, 20)]
RARE = [(120, 40), (100, 70), (120, 40)]
OTHER = [(70, 80), (70, 20), (70, 80)]


def camera(tmp_path, minutes, places):
    for number, (minute, where) in enumerate(zip(minutes, places, strict=True)):
        name = f"20260101_{minute // 60:02d}{minute % 60:02d}00"
        write_event(tmp_path / name, where, seed=number, height=24)
    return load_moving_events(tmp_path).events


def labelled(events, settings=SETTINGS):
    labels = label_by_recurrence(events, settings)
    by_event = {moving.event.name: set() for moving in events}
    for (name, _), label in labels.items():
        by_event[name].add((label.relevant, label.source, label.weight))
    return list(by_event.values())


def test_busy_places_are_nuisance_and_rare_ones_relevant(tmp_path):
    events = camera(tmp_path, range(5), [BUSY, BUSY, RARE, BUSY, BUSY])
    nuisance, relevant = {(False, "recurrence", 0.5)}, {(True, "recurrence", 0.5)}
    assert labelled(events) == [nuisance, nuisance, relevant, nuisance, nuisance]


def test_in_between_nothing_is_said(tmp_path):
    events = camera(tmp_path, range(6), [BUSY, BUSY, RARE, OTHER, OTHER, OTHER])
    assert labelled(events)[0] == set()
    assert labelled(events)[2] == {(True, "recurrence", 0.5)}


def test_a_short_history_says_nothing(tmp_path):
    events = camera(tmp_path, range(3), [BUSY, BUSY, RARE])
    assert label_by_recurrence(events, SETTINGS) == {}


def test_damaged_regions_are_left_out(tmp_path):
    events = camera(tmp_path, range(5), [BUSY, BUSY, RARE, BUSY, BUSY])
    motion = events[2].motion
    damaged = replace(motion, damaged_shares=(0.5,) * len(motion.regions))
    broken = MovingEvent.found(events[2].event, damaged)
    assert labelled((*events[:2], broken, *events[3:]))[2] == set()
