"""Folders of events: what is found in them, and how they are split."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.events import EventsError, find_events


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_frames_come_in_order_of_their_numbers(tmp_path):
    touch(tmp_path / "gate", "e1/10.jpg", "e1/2.jpg", "e1/0.JPG", "e1/mask.png", "e1/notes.txt")
    (found,) = find_events(tmp_path / "gate")
    assert [path.name for path in found.frames] == ["0.JPG", "2.jpg", "10.jpg"]
    assert (found.name, found.masks) == ("gate/e1", ())


def test_a_parent_holds_several_cameras(tmp_path):
    touch(tmp_path, "yard/e1/0.jpg", "gate/e2/0.jpg", "gate/e1/0.jpg", "gate/labels.csv", "x/y/z")
    assert [found.name for found in find_events(tmp_path)] == ["gate/e1", "gate/e2", "yard/e1"]


def test_masks_belong_to_an_event_where_they_are_complete(tmp_path):
    touch(tmp_path, "e1/0.jpg", "e1/1.jpg", "e1/masks/0.png", "e1/masks/1.png")
    touch(tmp_path, "e2/0.jpg", "e2/1.jpg", "e2/masks/0.png")
    one, other = find_events(tmp_path)
    assert [mask.name for mask in one.masks] == ["0.png", "1.png"]
    assert other.masks == ()


@pytest.mark.parametrize("made", [(), ("notes.txt",), ("e1/notes.txt",)])
def test_a_folder_without_events_says_what_was_expected(tmp_path, made):
    touch(tmp_path, *made)
    with pytest.raises(EventsError, match=r"holds no events: expected .*/<event_id>/0\.jpg or"):
        find_events(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(EventsError, match="nowhere is no folder"):
        find_events(tmp_path / "nowhere")
