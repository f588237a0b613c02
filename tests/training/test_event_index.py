"""The index of a folder: what it gives back, from which shard, and how it notices damage."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.event_index import (
    MANIFEST,
    DamagedIndexError,
    EventIndex,
    renew_index,
    write_index,
)
from veroallarme_training.events import Event, find_events, mask_paths

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


def key(event: Event) -> str:
    """Name the state of an event by its files' sizes."""
    sizes = "".join(f"{path.stat().st_size:02x}" for path in event.frames)
    return sizes.rjust(32, "0")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    for camera, count in {"gate": 4, "yard": 5, "zoo": 1}.items():
        for number in range(count):
            touch(folder, *(f"{camera}/e{number}/{frame}.jpg" for frame in range(1 + number % 3)))
    touch(folder, "yard/e2/masks/0.png", "yard/e2/masks/1.png", "yard/e2/masks/2.png", "notes.txt")
    return folder


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.events"))


def test_gives_each_event_once_over_all_shards(data, tmp_path):
    index = renew_index(data, tmp_path / "index", key, shard_events=3)
    assert len(shards(tmp_path / "index")) == 4
    assert tuple(index[number] for number in range(len(index))) == find_events(data)
    assert [index.key(number) for number in range(len(index))] == [
        key(event) for event in find_events(data)
    ]
    assert [bytes(one).ljust(16, b"\0").hex() for one in index.keys()] == [  # noqa: SIM118
        index.key(number) for number in range(len(index))
    ]
    for number in (-1, len(index)):
        with pytest.raises(IndexError):
            index[number]


def test_one_camera_alone_is_listed_under_its_own_name(data, tmp_path):
    index = renew_index(data / "gate", tmp_path / "index", key)
    assert tuple(index[number] for number in range(4)) == find_events(data / "gate")
    assert index[0].name == "gate/e0"


@given(
    st.dictionaries(NAMES, st.lists(st.tuples(NAMES, st.booleans()), min_size=1), max_size=5),
    st.integers(1, 4),
)
def test_keeps_any_names(tmp_path_factory, cameras, shard_events):
    root = tmp_path_factory.mktemp("index")
    events = []
    for camera, names in cameras.items():
        for number, (name, has_masks) in enumerate(names):
            frames = tuple(Path("data", camera, f"e{number}", f"{name}{n}.jpg") for n in range(2))
            masks = mask_paths(frames) if has_masks else ()
            events.append((Event(camera, f"e{number}", frames, masks), f"{number:032x}"))
    index = write_index("data", root, events, shard_events=shard_events)
    assert [(index[n], index.key(n)) for n in range(len(index))] == events


def test_names_that_are_no_unicode_are_kept(tmp_path):
    folder = os.fsencode(tmp_path) + b"/data/gate/\xff\xfe"
    os.makedirs(folder)
    Path(os.fsdecode(folder), "0.jpg").touch()
    index = renew_index(tmp_path / "data", tmp_path / "index", key)
    assert index[0] == find_events(tmp_path / "data")[0]
    assert index[0].frames[0].is_file()


def test_another_process_maps_the_files_itself(data, tmp_path):
    index = renew_index(data, tmp_path / "index", key, shard_events=3)
    sent = pickle.dumps(index)
    assert [pickle.loads(sent)[n] for n in range(10)] == [index[n] for n in range(10)]
    assert len(sent) < 2000, "it carries no events"


def test_an_unchanged_folder_keeps_its_shards(data, tmp_path):
    first = renew_index(data, tmp_path / "index", key, shard_events=3)
    before = {path: path.stat().st_mtime_ns for path in shards(tmp_path / "index")}
    again = renew_index(
        data, tmp_path / "index", key, EventIndex(tmp_path / "index", data), shard_events=3
    )
    assert again.digest == first.digest
    assert before == {path: path.stat().st_mtime_ns for path in shards(tmp_path / "index")}


@pytest.mark.parametrize("change", ["added", "removed", "rewritten"])
def test_a_changed_folder_renews_the_index(data, tmp_path, change):
    first = renew_index(data, tmp_path / "index", key, shard_events=3)
    if change == "added":
        touch(data, "gate/e9/0.jpg")
    elif change == "removed":
        (data / "yard" / "e0" / "0.jpg").unlink()
    else:
        (data / "yard" / "e0" / "0.jpg").write_bytes(b"another")
    renew_index(data, tmp_path / "index", key, first, shard_events=3)
    index = EventIndex(tmp_path / "index", data)
    assert index.digest != first.digest
    assert tuple(index[number] for number in range(len(index))) == find_events(data)
    assert [path.name for path in shards(tmp_path / "index")] == sorted(index.shards), (
        "what the manifest no longer names is gone"
    )


@pytest.mark.parametrize("damage", ["empty", "cut", "turned", "gone"])
@pytest.mark.parametrize("file", ["shard", "manifest"])
def test_damage_is_found_out(data, tmp_path, damage, file):
    folder = tmp_path / "index"
    renew_index(data, folder, key, shard_events=3)
    path = shards(folder)[1] if file == "shard" else folder / MANIFEST
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "turned":
        content[len(content) // 2] ^= 0x80
        path.write_bytes(content)
    else:
        path.write_bytes(content[: {"empty": 0, "cut": len(content) - 5}[damage]])
    expected = FileNotFoundError if (file, damage) == ("manifest", "gone") else DamagedIndexError
    with pytest.raises(expected, match=path.name):
        EventIndex(folder, data)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.floats(0.1, 1.0), st.data())
def test_the_later_events_of_each_camera_are_held_out(tmp_path_factory, counts, share, draw):
    events = [
        (Event(f"c{camera}", f"e{n}", (Path("data", f"c{camera}", f"e{n}", "0.jpg"),)), "0" * 32)
        for camera, count in enumerate(counts)
        for n in range(count)
    ]
    index = write_index("data", tmp_path_factory.mktemp("index"), events)
    chosen = sorted(draw.draw(st.sets(st.integers(0, len(events) - 1), min_size=1)))
    is_early = index.is_early(np.array(chosen), share)
    for camera in range(len(counts)):
        own = [
            bool(e)
            for n, e in zip(chosen, is_early, strict=True)
            if index[n].camera == f"c{camera}"
        ]
        early = max(1, round(len(own) * share)) if own else 0
        assert own == [True] * early + [False] * (len(own) - early)
