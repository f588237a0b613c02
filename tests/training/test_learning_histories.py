"""A camera learns from a synthetic history of days: weather, nights, traffic, another aim."""

import csv
from pathlib import Path

import numpy as np
import pytest

from veroallarme_core.adaptation.folder_run import adapt_folder
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.camera_memory.camera_state import MEMORY_FILE
from veroallarme_core.camera_memory.scene_memory import SceneMemory
from veroallarme_core.commands.score import score_folder
from veroallarme_core.description.burst_evidence import Light
from veroallarme_core.description.scene_encoder import ENCODER_NAME
from veroallarme_training.histories import HistoryOptions, write_history

pytestmark = pytest.mark.evaluation
OPTIONS = AdaptationOptions(recall=0.9, confidence=0.9, intruders=60)


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["event_id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("street")
    history = HistoryOptions(days=5, events_per_day=12, size=(240, 320), seed=4, relevant_share=0.2)
    write_history(folder / "data", history)
    return folder


@pytest.mark.timeout(600)  # it looks for objects in 120 bursts
def test_street_without_labels(street: Path) -> None:
    """Nuisance is suppressed, and hardly anybody who comes onto the premises is missed."""
    (street / "data" / "labels.csv").rename(street / "labels.csv")
    report = adapt_folder(street / "data", street / "state", None, OPTIONS)
    assert report["learned"], report["missing"]
    memory = SceneMemory.load(street / "state" / MEMORY_FILE, ENCODER_NAME)
    assert {Light.DAY, Light.INFRARED} <= set(memory.plates)
    assert memory.reaimed == 0, "weather and nights are not another view"

    score_folder(street / "data", street / "state", street / "scores.csv")
    labels, scores = rows_of(street / "labels.csv"), rows_of(street / "scores.csv")
    assert scores.keys() == labels.keys()
    is_relevant = np.array([labels[name]["label"] == "relevant" for name in labels])
    suppressed = np.array([scores[name]["state"] == "irrelevant" for name in labels])
    assert suppressed[is_relevant].mean() <= 0.1
    assert suppressed[~is_relevant].mean() >= 0.1


def test_street_after_the_camera_was_turned(tmp_path: Path) -> None:
    history = HistoryOptions(days=4, events_per_day=8, size=(144, 192), seed=3, reaim_day=2)
    write_history(tmp_path / "data", history)
    report = adapt_folder(tmp_path / "data", tmp_path / "state", None, OPTIONS)
    memory = SceneMemory.load(tmp_path / "state" / MEMORY_FILE, ENCODER_NAME)
    assert memory.reaimed == 1
    assert 6 <= report["events"] <= 16, "only what came after it"
    assert not report["learned"]
