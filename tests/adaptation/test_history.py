"""Events on disk: which folders and pictures count, and in which order."""

from pathlib import Path

import pytest

from veroallarme_core.adaptation.history import list_events, picture_files
from veroallarme_core.adaptation.options import AdaptationInputError
from veroallarme_core.camera_memory.scene_memory import SESSION_S


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_events_come_in_order_of_time(tmp_path: Path) -> None:
    touch(tmp_path, "20260504_100000_b/0.jpg", "20260504_095959/0.jpg", "20260503_235959_a/0.png")
    touch(tmp_path, "labels.csv", "20260504_120000/note.txt", "empty/x.txt")
    events = list_events(tmp_path)
    names = ["20260503_235959_a", "20260504_095959", "20260504_100000_b"]
    assert [one.event_id for one in events] == names
    assert events[2].at - events[1].at == 1.0


def test_names_that_are_no_times_are_taken_in_their_order_a_session_each(tmp_path: Path) -> None:
    touch(tmp_path, "cat/0.jpg", "ant/0.jpg", "20260504_100000/0.jpg")
    events = list_events(tmp_path)
    assert [one.event_id for one in events] == ["20260504_100000", "ant", "cat"]
    assert [one.at for one in events] == [0.0, SESSION_S, 2 * SESSION_S]


def test_pictures_come_in_order_and_nothing_else_with_them(tmp_path: Path) -> None:
    touch(tmp_path, "2.jpg", "0.JPG", "1.webp", ".3.jpg", "mask.png", "4.txt", "annotated.jpg")
    assert [path.name for path in picture_files(tmp_path)] == ["0.JPG", "1.webp", "2.jpg"]


@pytest.mark.parametrize("name", ["nowhere", "file", "empty"])
def test_folder_without_events_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty" / "event").mkdir(parents=True)
    with pytest.raises(
        AdaptationInputError, match=f"{name} (cannot be read|holds no event).* give a"
    ):
        list_events(tmp_path / name)
