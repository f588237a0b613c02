"""The drawn scenes as events: exact masks, labels, and a split that leaks nothing."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_core.drawing import draw_events
from veroallarme_training.drawn_events import (
    FIRST_SEED,
    draw_event_folders,
    label_drawn,
    read_masks,
    split_by_seed,
)
from veroallarme_training.events import Event
from veroallarme_training.motion_cache import MotionCache
from veroallarme_training.moving_events import find_motion

SIZE = (144, 176)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="module")
def events(folder):
    return draw_event_folders(folder, 1, SIZE)


def test_every_scene_is_there_with_its_masks(events):
    originals = {f"{e.camera}_{FIRST_SEED}/{e.name}": e for e in draw_events(FIRST_SEED, SIZE)}
    assert {event.name for event in events} == set(originals)
    for event in events:
        masks = read_masks(event, range(3))
        for mask, truth in zip(masks, originals[event.name].masks, strict=True):
            assert np.array_equal(mask > 0, truth)


def test_what_is_drawn_is_not_drawn_again(events, folder):
    frame = events[0].frames[0]
    frame.write_bytes(b"kept")
    assert draw_event_folders(folder, 1, SIZE) == events
    assert frame.read_bytes() == b"kept"
    (folder / f"{SIZE[0]}x{SIZE[1]}" / str(FIRST_SEED) / "drawn.json").write_text(
        json.dumps({"format": 0})
    )
    draw_event_folders(folder, 1, SIZE)
    assert frame.read_bytes()[:2] == b"\xff\xd8"


def test_labels_follow_the_masks(events):
    found = find_motion(events, MotionCache())
    labels = label_drawn(found.events)
    relevant = {name for (name, _), label in labels.items() if label.relevant}
    nuisance = {name for (name, _), label in labels.items() if not label.relevant}
    truth = {f"{e.camera}_{FIRST_SEED}/{e.name}": e.label for e in draw_events(FIRST_SEED, SIZE)}
    assert relevant
    assert {truth[name] for name in relevant} == {"relevant"}
    irrelevant = {m.event.name for m in found.events if truth[m.event.name] == "irrelevant"}
    assert irrelevant <= nuisance
    assert {label.source for label in labels.values()} == {"drawn"}


def made(*seeds: int) -> list[Event]:
    return [Event(f"street_{seed}", f"e{n}", ()) for seed in seeds for n in range(10)]


@pytest.mark.parametrize(("seeds", "held_out"), [(10, 2), (5, 1), (2, 1), (3, 1)])
def test_whole_seeds_are_held_out(seeds, held_out):
    training, validation = split_by_seed(made(*range(seeds)), 0.8)
    assert len({e.camera for e in validation}) == held_out
    assert not {e.camera for e in training} & {e.camera for e in validation}


def test_a_single_seed_is_split_by_scene():
    training, validation = split_by_seed(made(1), 0.8)
    assert (len(training), len(validation)) == (8, 2)


@pytest.mark.parametrize("seeds", [1, 4])
def test_nothing_is_held_out_where_all_is_wanted(seeds):
    assert split_by_seed(made(*range(seeds)), 1.0)[1] == ()
    assert split_by_seed([], 1.0) == ((), ())
