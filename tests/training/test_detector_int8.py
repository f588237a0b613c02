"""The detector in 8 bits is what `veroallarme-train quantise` makes of the one that ships."""

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="quantising needs the extra [train]")
pytest.importorskip("nncf", reason="quantising needs the extra [train]")

import veroallarme_core  # noqa: E402
from veroallarme_core.description import (  # noqa: E402
    DETECTOR_FILE,
    INT8_DETECTOR_FILE,
    SCORES,
    ObjectDetector,
)
from veroallarme_core.drawing import draw_event  # noqa: E402
from veroallarme_core.inference import OPENVINO, open_graph  # noqa: E402
from veroallarme_training import cli, detector_int8  # noqa: E402

pytestmark = pytest.mark.evaluation
SHIPPED = Path(veroallarme_core.__file__).parent / "models"


@pytest.fixture
def models(tmp_path):
    shutil.copy(SHIPPED / DETECTOR_FILE, tmp_path)
    return tmp_path


def test_the_command_writes_what_ships(models, capsys):
    assert cli.main(["quantise", "--models", str(models)]) == 0
    assert "8 bits: the largest score changes by 0.0" in capsys.readouterr().out
    written = {path.name for path in models.iterdir()} - {DETECTOR_FILE}
    assert written == {INT8_DETECTOR_FILE, INT8_DETECTOR_FILE.replace(".xml", ".bin")}
    mine, shipped = (
        open_graph(OPENVINO, folder / INT8_DETECTOR_FILE, 1, remedy="")
        for folder in (models, SHIPPED)
    )
    assert mine.properties == shipped.properties
    frame = draw_event("person_in_the_drive").frames[1]
    picture = ObjectDetector(OPENVINO, 1).network_input([frame], 320)
    answers = [graph.run(picture, SCORES)[0] for graph in (mine, shipped)]
    # Not to the bit: the calibration adds up floats, in an order that is the processor's.
    assert np.abs(answers[0] - answers[1]).max() < 0.05, "run veroallarme-train quantise"


def test_a_detector_that_changes_is_not_written(models, monkeypatch, capsys):
    monkeypatch.setattr(detector_int8, "LARGEST_CHANGE", 1e-6)
    assert cli.main(["quantise", "--models", str(models)]) == 1
    assert "nothing was written; try another version of NNCF." in capsys.readouterr().err
    assert [path.name for path in models.iterdir()] == [DETECTOR_FILE]


def test_a_folder_without_the_detector_is_one_sentence(tmp_path, capsys):
    assert cli.main(["quantise", "--models", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("veroallarme-train quantise: ")
    assert f"{DETECTOR_FILE} is missing" in told
    assert "Traceback" not in told


def test_together_the_detectors_are_small_enough_to_ship():
    assert sum(path.stat().st_size for path in SHIPPED.glob("object_detector*")) < 12e6
