"""The row that is fitted on the labels of other cameras."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from veroallarme_core.demo.events import encode
from veroallarme_core.drawing import draw_event
from veroallarme_training.evaluation.cameras import EvaluationError, EventLabel, find_cameras
from veroallarme_training.evaluation.rows import RowSettings, make_rows

SIZE = (288, 352)
STREET = ("person_in_the_drive", "tree_in_strong_wind", "car_turns_into_the_drive", "cloud_shadow")
GARDEN = ("person_in_the_garden", "garden_tree_in_wind", "cat_in_the_garden")


def write_camera(folder: Path, names: tuple[str, ...]) -> None:
    rows = []
    for number, name in enumerate(names):
        event = draw_event(name, size=SIZE)
        (folder / f"e{number}").mkdir(parents=True)
        for index, frame in enumerate(event.frames):
            (folder / f"e{number}" / f"{index}.jpg").write_bytes(encode(frame))
        rows.append((f"e{number}", event.label))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("event_id", "label"), *rows])


def scores(row, labelled):
    return {score.event_id: score.score for score in row.score(labelled.camera)}


def turned(labelled):
    """Return a camera whose labels say the opposite."""
    return replace(
        labelled,
        labels={
            name: EventLabel(not label.relevant, label.cause)
            for name, label in labelled.labels.items()
        },
    )


def test_a_camera_is_weighed_by_the_labels_of_others_and_never_by_its_own(tmp_path):
    write_camera(tmp_path / "site" / "street", STREET)
    write_camera(tmp_path / "site" / "garden", GARDEN)
    garden, street = find_cameras([tmp_path / "site"])

    def garden_scores(*cameras):
        (row,) = make_rows(["others"], RowSettings(cameras=cameras, states=tmp_path))
        return scores(row, garden)

    learned = garden_scores(garden, street)
    assert all(0.0 < score < 1.0 for score in learned.values())
    assert garden_scores(turned(garden), street) == learned
    opposite = garden_scores(garden, turned(street))
    assert opposite == pytest.approx({name: 1.0 - score for name, score in learned.items()})


def test_labels_of_one_kind_teach_nothing(tmp_path):
    write_camera(tmp_path / "site" / "street", STREET[:2])
    write_camera(tmp_path / "site" / "garden", GARDEN[:1])
    cameras = find_cameras([tmp_path / "site"])
    (row,) = make_rows(["others"], RowSettings(cameras=cameras, states=tmp_path))
    street = next(one for one in cameras if one.camera.name == "site/street")
    with pytest.raises(EvaluationError, match="relevant and irrelevant events of other cameras"):
        scores(row, street)


def test_the_row_joins_where_there_are_several_cameras(tmp_path):
    write_camera(tmp_path / "site" / "street", STREET[:1])
    (one,) = find_cameras([tmp_path / "site"])
    name = "first day, weighed by other cameras"
    rows = {
        count: [
            row.name
            for row in make_rows(None, RowSettings(cameras=(one,) * count, states=tmp_path))
        ]
        for count in (1, 2)
    }
    assert name not in rows[1]
    assert name in rows[2]
