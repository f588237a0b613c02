"""Labels files: whose region a row means, and what is refused."""

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.training.bursts import write_camera, write_event
from veroallarme_training.moving_events import load_moving_events
from veroallarme_training.region_labels import (
    LabelsError,
    RegionLabel,
    count_labels,
    read_labels,
)


@pytest.fixture
def events(tmp_path):
    write_event(tmp_path / "gate" / "e0", [(20, 40), (70, 40), (120, 40)])
    write_event(tmp_path / "gate" / "e1", [(30, 30), (80, 30), (130, 30)])
    return load_moving_events(tmp_path / "gate").events


@pytest.fixture
def labels_file(tmp_path):
    def write(text: str):
        path = tmp_path / "labels.csv"
        path.write_text(text)
        return path

    return write


def test_all_regions_of_an_irrelevant_event_are_nuisance(events, labels_file):
    labels = read_labels(labels_file("event_id,label,cause\ne0,irrelevant,tree\n"), events)
    assert labels == {("gate/e0", n): RegionLabel(False) for n in range(3)}


def test_only_the_largest_region_of_a_relevant_event_is_relevant(events, labels_file):
    labels = read_labels(labels_file("event_id,label\ne1,relevant\ngone,relevant\n"), events)
    assert labels == {("gate/e1", 0): RegionLabel(True)}


def test_uncertain_rows_are_left_out(events, labels_file):
    text = "event_id,label,uncertain\ne0,relevant,1\ne1,relevant,0\n"
    assert set(read_labels(labels_file(text), events)) == {("gate/e1", 0)}


def test_boxes_find_their_regions(events, labels_file):
    region = events[0].motion.regions[1]
    shifted = f"{region.x + 1},{region.y + 1},{region.width},{region.height}"
    text = f"event_id,x,y,width,height,is_relevant\ne0,{shifted},1\ne0,0,100,9,9,0\ng,1,1,1,1,0\n"
    assert read_labels(labels_file(text), events) == {("gate/e0", 1): RegionLabel(True)}


def test_a_bare_name_is_looked_for_in_every_camera(tmp_path):
    for camera, label in (("gate", "relevant"), ("yard", "irrelevant")):
        folder = write_camera(tmp_path / camera, 1)
        (folder / "truth.csv").write_text(f"event_id,label\n20260101_000000,{label}\n")
    labels = read_labels("truth.csv", load_moving_events(tmp_path).events)
    assert labels["gate/20260101_000000", 0].relevant
    assert not labels["yard/20260101_000000", 0].relevant


def test_cameras_that_share_ids_need_a_column(tmp_path, labels_file):
    for camera in ("gate", "yard"):
        write_camera(tmp_path / "all" / camera, 1)
    events = load_moving_events(tmp_path / "all").events
    with pytest.raises(LabelsError, match=r"line 2: .*several cameras \(gate, yard\).*`camera`"):
        read_labels(labels_file("event_id,label\n20260101_000000,relevant\n"), events)
    labels = read_labels(
        labels_file("event_id,label,camera\n20260101_000000,relevant,yard\n"), events
    )
    assert set(labels) == {("yard/20260101_000000", 0)}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("event_id,label\ne0,maybe\n", "line 2: 'maybe' is no label; give relevant or irrelevant"),
        ("event_id,x,y,width,height,is_relevant\ne0,1,2,3,a,1\n", "line 2: expected whole pixels"),
        ("event_id,x,y,width,height,is_relevant\ne0,1,2,3,4,yes\n", "line 2: expected whole"),
        ("event_id,x,y,width,height,is_relevant\ne0,1\n", "line 2: expected whole pixels"),
        ("name,truth\n", "has the columns name, truth; expected event_id,label or"),
        ("", "has the columns none; expected event_id,label"),
        ("event_id,label\nother,relevant\n", "none of its rows fits a moving region"),
        ("event_id,label\n,relevant\n", "none of its rows fits a moving region"),
    ],
)
def test_a_wrong_file_is_one_clear_sentence(events, labels_file, text, sentence):
    with pytest.raises(LabelsError) as caught:
        read_labels(labels_file(text), events)
    assert sentence in str(caught.value)


def test_bytes_that_are_no_text_are_refused(events, tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00event")
    with pytest.raises(LabelsError, match="cannot be read"):
        read_labels(tmp_path / "labels.csv", events)


def test_a_missing_path_is_named(events, tmp_path):
    with pytest.raises(LabelsError, match=r"no labels file .*sub/labels\.csv\.$"):
        read_labels(tmp_path / "sub" / "labels.csv", events)


def test_labels_are_counted_by_source():
    labels = {("e", 0): RegionLabel(True), ("e", 1): RegionLabel(False, 0.5, "recurrence")}
    expected = "file: 1 relevant and 0 nuisance, recurrence: 0 relevant and 1 nuisance"
    assert count_labels(labels) == expected
    assert count_labels({}) == "none"
