"""Zones suggested from a folder of events, so that they can be taken as they are."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from veroallarme_core.adaptation.options import AdaptationInputError
from veroallarme_core.cli import main
from veroallarme_core.commands import CommandError, score_folder, suggest_folder
from veroallarme_core.contract import ZoneKind, read_zones
from veroallarme_core.zone_suggestions import FEWEST_EVENTS

HEIGHT, WIDTH = 144, 192
STREET_Y = 36
"""Where something passes behind, in pixels."""


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of something that passes in a street, and of some that come nearer."""
    folder = tmp_path_factory.mktemp("events")
    draw = np.random.default_rng(7)
    place = cv2.resize(draw.integers(60, 160, (18, 24, 3)).astype(np.uint8), (WIDTH, HEIGHT))
    for number in range(FEWEST_EVENTS + 6):
        event = folder / f"20261123_{number // 3:02d}{20 * (number % 3):02d}00_{number:06x}"
        event.mkdir()
        is_near = number % 10 == 9
        for step in range(3):
            frame = place.copy()
            x = int(draw.integers(0, WIDTH - 26))
            y, height = (80, 50) if is_near else (STREET_Y, 16)
            frame[y : y + height, x : x + 26] = (20, 20, 230)
            noise = draw.integers(-3, 4, frame.shape)
            frame = np.clip(frame + noise, 0, 255).astype(np.uint8)
            cv2.imwrite(str(event / f"{step}.jpg"), frame)
    return folder


@pytest.fixture(scope="module")
def written(camera: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suggested")
    told: list[tuple[int, int]] = []
    suggested = suggest_folder(
        camera,
        None,
        folder / "zones.json",
        picture=folder / "zones.png",
        progress=lambda done, total: told.append((done, total)),
    )
    assert len(suggested) == 1
    assert told[-1] == (FEWEST_EVENTS + 6, FEWEST_EVENTS + 6)
    return folder


def test_the_street_is_written_as_a_file_of_zones(written: Path) -> None:
    (zone,) = read_zones(written / "zones.json")
    assert zone.kind is ZoneKind.IGNORE
    heights = [y * HEIGHT for _, y in zone.points]
    assert STREET_Y - 12 < min(heights) < max(heights) < STREET_Y + 16 + 12
    picture = cv2.imread(str(written / "zones.png"))
    assert picture is not None
    assert picture.shape == (HEIGHT, WIDTH, 3)


def test_taken_as_it_is_nothing_more_is_suggested_and_it_is_kept(
    camera: Path, written: Path, tmp_path: Path
) -> None:
    zones = read_zones(written / "zones.json")
    assert suggest_folder(camera, None, tmp_path / "more.json", zones=zones) == []
    assert read_zones(tmp_path / "more.json") == zones


def test_thumbs_up_are_not_hidden(camera: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    events = sorted(path.name for path in camera.iterdir())
    rows = "".join(f"{name},relevant\n" for name in events)
    labels.write_text(f"event_id,label\n{rows}", encoding="utf-8")
    output = tmp_path / "zones.json"
    folders = ["--data-dir", str(camera), "--labels", str(labels)]
    assert main(["suggest", *folders, "--output", str(output)]) == 0
    assert json.loads(output.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (lambda root: {"data_dir": root / "nowhere"}, AdaptationInputError, "nowhere"),
        (lambda root: {"state_dir": root / "nowhere"}, CommandError, "adapt"),
        (lambda root: {"output": root}, CommandError, "is a folder"),
        (lambda root: {"picture": root}, CommandError, "is a folder"),
        (lambda root: {"picture": root / "picture.odd"}, CommandError, "suffix"),
        (lambda root: {"labels": root / "no.csv"}, AdaptationInputError, "no.csv"),
    ],
)
def test_wrong_input_is_one_sentence(
    camera: Path,
    tmp_path: Path,
    arguments: Callable[[Path], dict[str, Any]],
    error: type[Exception],
    message: str,
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    first = min(camera.iterdir())
    (few / first.name).symlink_to(first)
    given: dict[str, Any] = {"data_dir": few, "state_dir": None, "output": tmp_path / "z.json"}
    with pytest.raises(error, match=message) as caught:
        suggest_folder(**(given | arguments(tmp_path)))
    assert "\n" not in str(caught.value)


# --- real footage ---------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_a_real_camera_loses_nothing_by_the_zone_that_it_suggests(
    footage: Path, tmp_path: Path
) -> None:
    """A farm gate before a cross road: ignoring that road hides nobody at the gate."""
    camera = footage / "cameras" / "field"
    (suggested,) = suggest_folder(camera, None, tmp_path / "zones.json")
    zones = read_zones(tmp_path / "zones.json")
    assert zones == (suggested.zone,)
    score_folder(camera, None, tmp_path / "scores.csv", zones=zones)
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        states = {row["event_id"]: row["state"] for row in csv.DictReader(file)}
    with (camera / "labels.csv").open(newline="", encoding="utf-8") as file:
        labels = {row["event_id"]: row["label"] for row in csv.DictReader(file)}
    lost = [name for name in labels if (labels[name], states[name]) == ("relevant", "irrelevant")]
    assert lost == []
    false_alarms = [name for name, label in labels.items() if label == "irrelevant"]
    assert suggested.evidence.suppressed >= 0.7 * len(false_alarms)
