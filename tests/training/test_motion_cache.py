"""Motion is computed once, kept in little memory, and never read from a file that lies."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.training.bursts import write_broken_event, write_camera, write_event
from veroallarme_core.motion_detection import MotionDetector
from veroallarme_training.events import Event, find_events
from veroallarme_training.motion_cache import (
    BrokenEventError,
    MotionCache,
    read_frames,
)


@pytest.fixture
def events(tmp_path) -> tuple[Event, ...]:
    return find_events(write_camera(tmp_path / "gate", 3))


def stored(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.npz"))


def same(one, other) -> bool:
    return (
        (one.regions, one.damaged_shares, one.region_frames, one.frame_dimensions)
        == (other.regions, other.damaged_shares, other.region_frames, other.frame_dimensions)
    ) and np.array_equal(one.motion_mask, other.motion_mask)


def test_keeps_what_the_detector_found(events):
    result = MotionDetector(min_area=20).detect_motion(list(events[0].frames))
    motion = MotionCache(MotionDetector(min_area=20)).motion(events[0])
    assert motion.regions == result.motion_regions
    assert np.array_equal(motion.motion_mask, result.motion_mask)
    assert all(2 <= len(frames) <= 3 for frames in motion.region_frames)
    assert len(motion.packed_mask) < result.motion_mask.size / 8


def test_a_second_run_reads_from_disk(events, tmp_path):
    first = MotionCache(None, tmp_path / "cache")
    before = [first.motion(event) for event in events]
    second = MotionCache(None, tmp_path / "cache")
    assert all(same(one, second.motion(e)) for one, e in zip(before, events, strict=True))
    assert (first.computed, second.computed) == (3, 0)


def test_another_detector_or_changed_frames_compute_anew(events, tmp_path):
    MotionCache(None, tmp_path / "cache").motion(events[0])
    other = MotionCache(MotionDetector(min_area=300), tmp_path / "cache")
    other.motion(events[0])
    assert other.computed == 1
    write_event(events[0].frames[0].parent, [(100, 60), (60, 60), (20, 60)], seed=9)
    changed = MotionCache(None, tmp_path / "cache")
    changed.motion(events[0])
    assert changed.computed == 1


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "pickle"])
def test_a_damaged_file_is_computed_anew(events, tmp_path, damage):
    cache = MotionCache(None, tmp_path / "cache")
    expected = cache.motion(events[0])
    (path,) = stored(tmp_path / "cache")
    data = path.read_bytes()
    if damage == "pickle":
        np.savez(path, regions=np.array([{"code": 1}], dtype=object))
    else:
        path.write_bytes(
            {"empty": b"", "garbage": b"x" * 99, "cut": data[: len(data) // 2]}[damage]
        )
    again = MotionCache(None, tmp_path / "cache")
    assert same(again.motion(events[0]), expected)
    assert again.computed == 1
    assert same(MotionCache(None, tmp_path / "cache").motion(events[0]), expected)


def test_memory_is_bounded(events):
    cache = MotionCache(max_in_memory=2)
    for event in events:
        cache.motion(event)
    cache.motion(events[2])
    assert cache.computed == 3
    cache.motion(events[0])
    assert cache.computed == 4
    with pytest.raises(ValueError, match="at least 1, not 0"):
        MotionCache(max_in_memory=0)


def test_a_broken_event_says_why(tmp_path):
    write_broken_event(tmp_path / "gate" / "e0")
    (event,) = find_events(tmp_path)
    with pytest.raises(BrokenEventError, match=r"gate/e0 has no two frames.*1\.png.*2\.png"):
        MotionCache().motion(event)


def test_one_lost_frame_is_no_broken_event(tmp_path):
    write_event(tmp_path / "gate" / "e0", [(20, 40), (70, 40), (120, 40)])
    (tmp_path / "gate" / "e0" / "1.png").write_bytes(b"lost")
    (event,) = find_events(tmp_path)
    assert set(MotionCache().motion(event).region_frames) == {(0, 2)}


def test_a_lost_frame_cannot_be_read(tmp_path):
    event = Event("gate", "e0", (tmp_path / "0.png",))
    with pytest.raises(BrokenEventError, match="cannot be read"):
        read_frames(event, (0,))
