"""Synthetic histories: the layout, the order, the labels, the weather, and the re-aimed camera."""

import csv
from collections import Counter
from datetime import date

import cv2
import numpy as np
import pytest

from veroallarme_core.drawing.perspective import Turn
from veroallarme_training.errors import TrainingError
from veroallarme_training.histories import HistoryOptions, write_history

SIZE = (144, 176)
OPTIONS = HistoryOptions(
    days=8, events_per_day=12, size=SIZE, seed=3, relevant_share=0.2, reaim_day=6
)


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    folder = tmp_path_factory.mktemp("history") / "street"
    write_history(folder, OPTIONS)
    return folder


@pytest.fixture(scope="module")
def rows(history):
    with (history / "labels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read(folder, event_id, number=0):
    return cv2.imread(str(folder / event_id / f"{number}.jpg"))


def test_every_event_is_three_frames_and_a_label(history, rows):
    folders = sorted(entry.name for entry in history.iterdir() if entry.is_dir())
    assert [row["event_id"] for row in rows] == folders
    assert len(folders) == 8 * 12
    for name in folders:
        assert {file.name for file in (history / name).iterdir()} == {"0.jpg", "1.jpg", "2.jpg"}
        assert read(history, name).shape == (*SIZE, 3)
    assert {entry.name for entry in history.iterdir()} == {*folders, "labels.csv"}


def test_days_follow_each_other(rows):
    days = Counter(row["event_id"][:8] for row in rows)
    assert list(days) == [f"202605{day:02}" for day in range(4, 12)]
    assert set(days.values()) == {12}


def test_labels_follow_the_cause(rows):
    causes = {
        label: {row["cause"] for row in rows if row["label"] == label}
        for label in ("relevant", "irrelevant")
    }
    assert causes["relevant"] <= {"person", "animal", "vehicle"}
    assert {"street", "tree", "light", "corrupt"} <= causes["irrelevant"]
    assert not causes["relevant"] & causes["irrelevant"]
    assert np.mean([row["label"] == "relevant" for row in rows]) == pytest.approx(0.2, abs=0.1)


def test_nights_are_grey_and_days_are_not(history, rows):
    for row in rows:
        hour = int(row["event_id"][9:11])
        if row["cause"] in ("street", "tree") and (hour >= 22 or hour < 5 or 8 <= hour < 19):
            spread = np.median(np.ptp(read(history, row["event_id"]).astype(int)[16:], axis=2))
            assert (spread < 3) == (hour >= 22 or hour < 5), row


def test_the_same_seed_writes_the_same_and_another_does_not(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_history(
            tmp_path / name, HistoryOptions(days=1, events_per_day=3, size=SIZE, seed=seed)
        )
    content = {
        name: {
            str(file.relative_to(tmp_path / name)): file.read_bytes()
            for file in (tmp_path / name).rglob("*.*")
        }
        for name in "abc"
    }
    assert content["a"] == content["b"]
    assert content["a"] != content["c"]


def daytime(history, rows, days):
    """The mean picture of quiet events in daylight."""
    frames = [
        read(history, row["event_id"]).astype(np.float32)
        for row in rows
        if row["event_id"][:8] in days and 8 <= int(row["event_id"][9:11]) < 19
        if row["cause"] in ("street", "tree")
    ]
    assert len(frames) >= 2
    return cv2.cvtColor(np.mean(frames, axis=0).astype(np.uint8), cv2.COLOR_BGR2GRAY)[16:-16]


def test_from_the_day_of_the_new_aim_on_the_view_is_another(history, rows):
    first, second, after = (
        daytime(history, rows, days)
        for days in (
            ("20260504", "20260505", "20260506"),
            ("20260507", "20260508", "20260509"),
            ("20260510", "20260511"),
        )
    )

    def alike(one, other):
        return float(cv2.matchTemplate(one, other, cv2.TM_CCOEFF_NORMED)[0, 0])

    assert alike(first, second) > 0.9 > 0.8 > alike(second, after)


def test_a_garden_has_no_street(tmp_path):
    start = date(2027, 1, 30)
    options = HistoryOptions(camera="garden", days=2, events_per_day=10, size=SIZE, start=start)
    write_history(tmp_path / "garden", options)
    with (tmp_path / "garden" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["event_id"][:8] for row in rows} == {"20270130", "20270131"}
    assert not {"street", "vehicle"} & {row["cause"] for row in rows}


def test_a_folder_that_is_in_use_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(TrainingError, match="not empty"):
        write_history(tmp_path)
    assert (tmp_path / "labels.csv").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"days": 0}, "0 days"),
        ({"events_per_day": 0}, "with 0 events"),
        ({"relevant_share": 2.0}, r"relevant_share is 2\.0"),
    ],
)
def test_wrong_options_are_refused(wrong, message):
    with pytest.raises(TrainingError, match=message):
        HistoryOptions(**wrong)


def test_the_aim_is_an_option():
    assert HistoryOptions().reaim != Turn()
    assert HistoryOptions().reaim_day is None
