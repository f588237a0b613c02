"""Moving events read from an index: the same as listed ones, in every process, run after run."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.training.bursts import write_broken_event, write_camera, write_event, write_still_event
from veroallarme_training.epoch_batches import TrainingBatches
from veroallarme_training.errors import TrainingError
from veroallarme_training.indexed_events import (
    REGION_COUNTS,
    IndexedData,
    find_indexed_events,
    index_folder,
)
from veroallarme_training.motion_cache import MotionCache
from veroallarme_training.moving_events import JoinedEvents, load_moving_events
from veroallarme_training.ranks import Ranks


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    write_camera(folder / "gate", 4)
    write_camera(folder / "yard", 4)
    write_still_event(folder / "gate" / "20260101_000500")
    write_broken_event(folder / "yard" / "20260101_230000")
    return folder


class Looked:
    """Looks at a folder, and counts what had to be found anew."""

    def __init__(self, data: Path, **options) -> None:
        cache_folder = data.parent / "cache"
        self.cache = MotionCache(None, cache_folder / "motion", max_in_memory=2)
        self.asked: list[str] = []
        options = {"train_split": 0.6, **options}
        self.found: IndexedData = find_indexed_events(
            data, cache_folder, self.cache, watch=self._watch, **options
        )
        self.all = JoinedEvents(self.found.early.events, self.found.late.events)

    def _watch(self, items, doing):
        for item in items:
            self.asked.append(doing)
            yield item

    @property
    def looked_at(self) -> int:
        """Events whose motion was asked for."""
        return self.asked.count("finding motion")


def names(events) -> list[str]:
    return [moving.event.name for moving in events]


def sorted_names(looked: Looked) -> list[str]:
    return sorted(names(looked.all))


def test_finds_what_a_list_would_hold(data):
    looked = Looked(data)
    listed = load_moving_events(data)
    assert sorted(names(looked.all)) == sorted(names(listed.events))
    by_name = {moving.event.name: moving for moving in listed.events}
    for moving in looked.all:
        other = by_name[moving.event.name]
        assert moving.region_count == other.region_count
        assert moving.motion.regions == other.motion.regions
        assert np.array_equal(moving.motion.motion_mask, other.motion.motion_mask)
    early = looked.found.early
    assert (early.still, len(early.skipped), looked.found.event_count) == (1, 1, 10)
    assert "yard/20260101_230000 has no two frames" in early.skipped[0].reason
    # Split over all events of a camera, moving or not.
    hours = {"gate": (0, 1), "yard": (0, 1, 2)}
    assert names(early.events) == [
        f"{camera}/20260101_0{hour}0000" for camera in hours for hour in hours[camera]
    ]


def test_a_second_look_finds_no_motion_anew(data):
    first = Looked(data)
    assert (first.looked_at, first.cache.computed) == (10, 10)
    second = Looked(data)
    assert second.looked_at == 1, "only the broken one: it may be readable now"
    assert names(second.all) == names(first.all)
    assert second.found.notes == ()


def test_a_changed_folder_is_looked_at_where_it_changed(data):
    Looked(data)
    write_event(data / "gate" / "20260101_090000", [(20, 40), (70, 40), (120, 40)], seed=7)
    write_event(data / "yard" / "20260101_010000", [(120, 50), (70, 50), (20, 50)], seed=8)
    shutil.rmtree(data / "yard" / "20260101_020000")
    changed = Looked(data)
    assert changed.looked_at == 3, "the new one, the rewritten one, the broken one"
    assert sorted(names(changed.all)) == sorted(names(load_moving_events(data).events))


def test_what_is_gone_costs_the_others_nothing(data):
    before = sorted_names(Looked(data))
    shutil.rmtree(data / "gate" / "20260101_010000")
    for _ in range(2):
        looked = Looked(data)
        assert looked.looked_at == 1, "the broken one alone"
        assert sorted_names(looked) == [name for name in before if name != "gate/20260101_010000"]


def test_a_part_of_the_events_is_spread_evenly(data):
    looked = Looked(data, max_sequences=5)
    assert looked.found.event_count == 5
    assert looked.looked_at == 5
    assert Looked(data).looked_at == 5, "the rest"


@pytest.mark.parametrize("file", ["index.json", "*.events", REGION_COUNTS])
@pytest.mark.parametrize("damage", [b"", b"{}", b"x" * 500])
def test_a_damaged_file_is_made_anew_with_one_sentence(data, tmp_path, file, damage):
    before = names(Looked(data).all)
    (path,) = index_folder(data, tmp_path / "cache").glob(file)
    content = path.read_bytes()
    path.write_bytes(damage)
    again = Looked(data)
    assert names(again.all) == before
    (note,) = again.found.notes
    assert note.startswith(f"The index of events {path} was damaged (")
    assert note.endswith(") and is made anew.")
    assert path.read_bytes() == content
    assert again.cache.computed == 1, "the motion of all but the broken one was kept"
    assert Looked(data).found.notes == ()


def test_what_is_of_another_list_counts_nothing(data, tmp_path):
    Looked(data)
    counts = index_folder(data, tmp_path / "cache") / REGION_COUNTS
    stale = counts.read_bytes()
    write_event(data / "gate" / "20260101_000001", [(20, 40), (70, 40), (120, 40)])
    expected = names(Looked(data).all)
    counts.write_bytes(stale)  # as if the run had been stopped before it was written
    again = Looked(data)
    assert names(again.all) == expected
    assert again.found.notes == ()


def test_an_interrupted_look_goes_on_where_it_was(data, tmp_path):
    def stopping(items, doing):
        for number, item in enumerate(items):
            if doing == "finding motion" and number == 3:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        find_indexed_events(
            data, tmp_path / "cache", MotionCache(), train_split=0.5, watch=stopping
        )
    assert Looked(data).looked_at == 7


def test_another_process_takes_the_index_as_it_is(data, tmp_path):
    with pytest.raises(TrainingError, match=r"index\.json is not there: all processes of a run"):
        Looked(data, renew=False)
    first = Looked(data)
    write_event(data / "gate" / "20260101_090000", [(20, 40), (70, 40), (120, 40)])
    other = Looked(data, renew=False)
    assert names(other.all) == names(first.all)
    assert other.asked == []
    (path,) = index_folder(data, tmp_path / "cache").glob("*.events")
    path.write_bytes(b"")
    with pytest.raises(TrainingError, match=r"\.events is damaged \(.*\): start the run again"):
        names(Looked(data, renew=False).all)


def test_processes_together_read_each_event_once_an_epoch(data):
    Looked(data)
    orders = []
    for epoch in (0, 1):
        read = []
        for rank in (0, 1):
            events = Looked(data, renew=False, train_split=1.0).found.early.events
            batches = TrainingBatches(len(events), 2, 3, Ranks(rank, 2))
            batches.epoch = epoch
            read.append([events[n].event.name for batch in batches for n in batch])
        assert len(read[0]) == len(read[1]) == 4
        assert sorted(read[0] + read[1]) == sorted(names(events))
        orders.append(read)
    assert orders[0] != orders[1]


def test_a_resumed_run_reads_the_same_order(data):
    def order(looked: Looked, start: int = 0) -> list[list[str]]:
        events = pickle.loads(pickle.dumps(looked.found.early.events))
        batches = TrainingBatches(len(events), 2, 3, Ranks())
        batches.epoch, batches.start = 1, start
        return [[events[n].event.name for n in batch] for batch in batches]

    whole = order(Looked(data, train_split=1.0))
    assert len(whole) == 4
    resumed = Looked(data, train_split=1.0)
    assert order(resumed, start=2) == whole[2:]
    shutil.rmtree(data.parent / "cache")  # no index, no motion: all of it is made again
    assert order(Looked(data, train_split=1.0), start=2) == whole[2:]


def test_motion_that_was_deleted_is_found_again(data, tmp_path):
    first = Looked(data)
    regions = [moving.motion.regions for moving in first.all]
    shutil.rmtree(tmp_path / "cache" / "motion")
    again = Looked(data)
    assert [moving.motion.regions for moving in again.all] == regions
    assert os.listdir(tmp_path / "cache" / "motion")


def test_a_part_is_read_as_late(data):
    events = Looked(data).all
    assert names(events[2:4]) == names(events)[2:4]
    assert names([events[-1]]) == names(events)[-1:]
    part = events.parts[0]
    assert names(part[1:]) == names(part)[1:]
    with pytest.raises(IndexError):
        events[len(events)]
