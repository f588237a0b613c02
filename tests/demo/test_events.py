"""What the demo plays: folders of events with labels, and clips."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.contract import is_valid_id
from veroallarme_core.demo import events
from veroallarme_core.demo.events import (
    DEFAULT_GAP_S,
    EventsError,
    camera_id,
    drawn,
    from_folder,
    from_video,
    read_labels,
)
from veroallarme_core.drawing import Programme


def jpeg(value: int) -> bytes:
    return events.encode(np.full((36, 44, 3), value, np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two events of a camera with a name that is no id, and things that are no events."""
    root = tmp_path / "Front Door"
    for name, values in (("20261123_120000_b", (1, 2, 3)), ("20261123_110000_a", range(11))):
        (root / name).mkdir(parents=True)
        for index, value in enumerate(values):
            (root / name / f"{index}.jpg").write_bytes(jpeg(value))
    (root / "empty").mkdir()
    (root / "notes.txt").write_text("not an event")
    return root


def clip(path: Path, seconds: float, fps: float = 10.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    assert writer.isOpened()
    for number in range(round(seconds * fps)):
        writer.write(np.full((48, 64, 3), number % 256, np.uint8))
    writer.release()
    return path


@given(st.text(max_size=100))
def test_any_name_becomes_an_id(name: str) -> None:
    assert is_valid_id(camera_id(name))


def test_events_of_a_folder_come_in_order_with_their_frames(folder: Path) -> None:
    first, second = from_folder(folder, None)
    assert (first.name, second.name) == ("20261123_110000_a", "20261123_120000_b")
    assert first.camera == second.camera == "front_door"
    assert list(first.frames) == [jpeg(value) for value in range(11)]
    assert first.gap_s == DEFAULT_GAP_S
    assert first.label is None


def test_labels_are_read_and_uncertain_ones_left_out(folder: Path) -> None:
    (folder / "labels.csv").write_text(
        "event_id,label,cause,gap_s,uncertain\n"
        "20261123_110000_a,irrelevant,rain,2.5,0\n"
        "20261123_120000_b,relevant,person,nonsense,1\n"
    )
    first, second = from_folder(folder, None)
    assert (first.label, first.cause, first.gap_s) == ("irrelevant", "rain", 2.5)
    assert (second.label, second.gap_s) == (None, DEFAULT_GAP_S)
    assert [event.gap_s for event in from_folder(folder, 0.1)] == [0.1, 0.1]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"event_id,label\na,maybe\n", "line 2: 'maybe' is no label"),
        (b"event_id,label\na,relevant\nb\n", "line 3"),
        (b"name,kind\na,relevant\n", "expected the columns"),
        (b"\xff\xfe\x00\x01", "cannot be read"),
    ],
)
def test_wrong_labels_are_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(EventsError, match=complaint):
        read_labels(path)


def test_no_labels_are_no_mistake(tmp_path: Path) -> None:
    assert read_labels(tmp_path / "labels.csv") == {}


def test_folder_without_events_is_named(tmp_path: Path) -> None:
    with pytest.raises(EventsError, match="holds no events"):
        list(from_folder(tmp_path, None))
    with pytest.raises(EventsError, match="is no folder"):
        list(from_folder(tmp_path / "nowhere", None))


def test_clip_is_cut_into_bursts(tmp_path: Path) -> None:
    played = list(from_video(clip(tmp_path / "My Clip.avi", 9.0), 0.5))
    assert [event.name for event in played] == ["second_0", "second_4", "second_8"][: len(played)]
    assert len(played) >= 2
    assert {event.camera for event in played} == {"my_clip"}
    assert {len(event.frames) for event in played} == {3}
    means = [
        cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_GRAYSCALE).mean()
        for frame in played[1].frames
    ]
    assert means == pytest.approx([40, 45, 50], abs=2), "frames 0.5 s apart, 4 s into the clip"


def test_clip_that_is_too_short_is_named(tmp_path: Path) -> None:
    with pytest.raises(EventsError, match=r"shorter than 1\.0 s"):
        list(from_video(clip(tmp_path / "short.avi", 0.5), 0.5))


@pytest.mark.parametrize("content", [None, b"", b"this is no clip" * 100])
def test_file_that_is_no_clip_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EventsError, match="is no clip that can be read"):
        list(from_video(path, None))


def test_drawn_events_are_labelled() -> None:
    event = next(drawn(Programme(size=(144, 176))))
    assert event.label in events.LABELS
    assert event.cause
    assert len(event.frames) == 3
    assert all(frame.startswith(b"\xff\xd8") for frame in event.frames)
