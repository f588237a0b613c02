"""Exports are the checkpoint in another format, and prove it before they are written."""

import argparse
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="exporting needs the extra [train]")
onnx = pytest.importorskip("onnx", reason="exporting needs the extra [train]")
export = pytest.importorskip("veroallarme_training.export", reason="the extra [train] is missing")

from tests.drawn import burst_of, draw_person, draw_yard, encode  # noqa: E402
from veroallarme_core.description.region_crops import CropGeometry, InputMode  # noqa: E402
from veroallarme_core.inference import ModelError  # noqa: E402
from veroallarme_core.relevance_mask import (  # noqa: E402
    ModelMeta,
    RelevanceMaskModel,
    model_from_checkpoint,
    open_backend,
    save_checkpoint,
)
from veroallarme_training.errors import TrainingError  # noqa: E402

ExportSettings = export.ExportSettings

# What torch's exporter and NNCF use of their own dependencies.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(autouse=True, scope="module")
def few_crops_on_one_thread():
    """Seconds instead of minutes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_MAX_CROPS", 40)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network with random weights whose scores differ from crop to crop."""
    torch.manual_seed(11)
    model = RelevanceMaskModel(mode="both", crop=CropGeometry(margin=0.5))
    with torch.no_grad():
        model.train()
        for _ in range(5):  # statistics of the layers, as training would have them
            model(torch.rand(8, 3, 64, 64))
        for weight in model.classification_head.parameters():
            weight.mul_(4.0)
    model.trained_heads = {"segmentation", "classification"}
    path = tmp_path_factory.mktemp("checkpoints") / "best_model.pth"
    save_checkpoint(path, model.eval())
    return path


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """A folder of drawn events in which a person walks."""
    folder = tmp_path_factory.mktemp("events") / "yard"
    yard = draw_yard()
    for number in range(12):
        event = folder / f"20260501_1200{number:02}_abcdef"
        event.mkdir(parents=True)
        places = [20 + 8 * number + 70 * frame for frame in range(3)]
        for index, frame in enumerate(burst_of(*(draw_person(yard, x, 100) for x in places))):
            (event / f"{index}.jpg").write_bytes(encode(frame))
    return folder


@pytest.fixture(scope="module")
def exported(checkpoint, events):
    """The plain export, made once."""
    return export.export(ExportSettings(checkpoint=checkpoint, calibration=events))


def crops(count=3, size=(224, 224)):
    return np.random.default_rng(2).random((count, 3, *size), dtype=np.float32)


class TestOnnx:
    def test_is_one_file_beside_the_checkpoint(self, exported, checkpoint):
        assert exported.path == checkpoint.with_suffix(".onnx")
        assert exported.size_bytes == exported.path.stat().st_size < 48e6
        names = {path.name for path in checkpoint.parent.iterdir()}
        assert not {name for name in names if name.endswith((".data", ".part"))}

    def test_ports_are_those_of_the_original(self, exported):
        graph = onnx.load(exported.path)
        onnx.checker.check_model(graph)
        assert [port.name for port in graph.graph.input] == ["image"]
        assert [port.name for port in graph.graph.output] == ["segmentation", "classification"]
        batch, *rest = graph.graph.input[0].type.tensor_type.shape.dim
        assert batch.dim_param
        assert [dimension.dim_value for dimension in rest] == [3, 224, 224]

    def test_agrees_with_torch_and_says_so(self, exported):
        assert set(exported.differences) == {"openvino", "onnxruntime"}
        assert max(exported.differences.values()) <= 1e-4
        assert exported.crops >= 12
        assert exported.score_change is None
        assert any("largest difference to torch" in line for line in exported.lines())

    def test_judges_as_the_checkpoint_does(self, exported, checkpoint):
        image = crops()
        expected = open_backend(checkpoint, "cpu").infer(image)
        for name in ("openvino", "onnxruntime"):
            answer = open_backend(exported.path, "cpu", name).infer(image)
            assert np.abs(answer.segmentation - expected.segmentation).max() < 1e-4
            assert np.abs(answer.classification - expected.classification).max() < 1e-4

    def test_says_how_it_is_fed(self, exported):
        meta = open_backend(exported.path, "cpu").meta
        assert meta.crop == CropGeometry(margin=0.5)
        assert meta.trained_heads == ("segmentation", "classification")
        assert meta.name == "best_model"

    def test_tells_nothing_about_the_machine_it_was_made_on(self, exported):
        content = exported.path.read_bytes()
        assert export.__file__.encode() not in content
        assert b"site-packages" not in content
        assert b"stack_trace" not in content
        assert b"networks.py" not in content

    def test_another_input_size(self, checkpoint):
        model, _ = model_from_checkpoint(checkpoint)
        graph = export.to_onnx(model, model.meta, (96, 128))
        shape = graph.graph.input[0].type.tensor_type.shape.dim
        assert [dimension.dim_value for dimension in shape[1:]] == [3, 96, 128]

    def test_a_network_with_one_trained_head_says_which(self, tmp_path, events):
        model = RelevanceMaskModel(mode="segmentation", input_mode="rgb")
        model.trained_heads = {"segmentation"}
        save_checkpoint(tmp_path / "segmentation.pth", model)
        report = export.export(
            ExportSettings(checkpoint=tmp_path / "segmentation.pth", calibration=events)
        )
        meta = open_backend(report.path, "cpu").meta
        assert meta.trained_heads == ("segmentation",)
        assert meta.input_mode is InputMode.RGB


class TestInt8:
    def test_onnx_is_small_and_close_in_every_runtime(self, checkpoint, events, tmp_path):
        settings = ExportSettings(
            checkpoint=checkpoint,
            int8=True,
            calibration=events,
            output=tmp_path / "small.onnx",
            name="yard-8",
        )
        report = export.export(settings)
        assert report.size_bytes < 13e6
        change = report.score_change
        assert change.crops == len(export.crops_of_events(events, ModelMeta())) // 4
        assert 0 < change.mean <= change.largest < 0.2
        assert change.mask_agreement > 0.9
        assert any(line.startswith("INT8 on") for line in report.lines())
        image = crops()
        answers = [open_backend(report.path, "cpu", n) for n in ("openvino", "onnxruntime")]
        assert [backend.meta.name for backend in answers] == ["yard-8", "yard-8"]
        first, second = (backend.infer(image) for backend in answers)
        assert np.abs(first.classification - second.classification).max() < 0.2

    def test_openvino_has_its_weights_beside_it(self, checkpoint, events, tmp_path):
        settings = ExportSettings(
            checkpoint=checkpoint,
            format="openvino",
            int8=True,
            calibration=events,
            output=tmp_path / "new" / "small.xml",
        )
        report = export.export(settings)
        assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["small.bin", "small.xml"]
        assert report.size_bytes < 13e6
        assert open_backend(report.path).meta.crop == CropGeometry(margin=0.5)


class TestChecks:
    def test_an_export_that_differs_is_not_written(self, checkpoint, events, monkeypatch, tmp_path):
        right = export.to_onnx

        def wrong(*arguments):
            graph = right(*arguments)
            weight = next(w for w in graph.graph.initializer if "classification" in w.name)
            values = onnx.numpy_helper.to_array(weight) + np.float32(0.01)
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
            return graph

        monkeypatch.setattr(export, "to_onnx", wrong)
        target = tmp_path / "wrong.onnx"
        with pytest.raises(ModelError, match=r"differs from its checkpoint by .* nothing was writ"):
            export.export(ExportSettings(checkpoint=checkpoint, calibration=events, output=target))
        assert list(tmp_path.iterdir()) == []

    def test_the_drawn_scenes_serve_where_there_are_no_events(self):
        cut = export.crops_of_events(None, ModelMeta(), (32, 32))
        assert cut.shape[1:] == (3, 32, 32)
        assert len(cut) >= 20
        assert 0 <= cut.min() < cut.max() <= 1

    def test_crops_are_of_what_moved(self, events):
        cut = export.crops_of_events(events, ModelMeta())
        # The three greys of a mover differ.
        assert (np.ptp(cut, axis=1).max(axis=(1, 2)) > 0.2).all()

    def test_broken_pictures_are_left_out(self, events, tmp_path):
        for event in events.iterdir():
            copy = tmp_path / event.name
            copy.mkdir()
            for picture in event.iterdir():
                (copy / picture.name).write_bytes(picture.read_bytes())
            (copy / "1.jpg").write_bytes(b"broken")
        assert len(export.crops_of_events(tmp_path, ModelMeta())) >= 12

    def test_too_few_crops_are_an_error(self, tmp_path):
        event = tmp_path / "20260501_120000_abcdef"
        event.mkdir()
        for index, frame in enumerate(burst_of(*[draw_yard()] * 3)):
            (event / f"{index}.jpg").write_bytes(encode(frame))
        with pytest.raises(TrainingError, match=r"Only 0 regions move in .*give --calibration mor"):
            export.crops_of_events(tmp_path, ModelMeta())


class TestCommandLine:
    def parse(self, *arguments):
        parser = argparse.ArgumentParser(prog="veroallarme-train export")
        export.add_arguments(parser)
        return parser.parse_args(list(map(str, arguments)))

    def test_prints_what_it_did(self, checkpoint, events, tmp_path, capsys):
        target = tmp_path / "m.onnx"
        arguments = ("--checkpoint", checkpoint, "--calibration", events, "--output", target)
        assert export.run(self.parse(*arguments, "--name", "yard")) == 0
        printed = capsys.readouterr().out
        assert re.match(rf"{re.escape(str(target))}: \d+\.\d MB\n", printed)
        assert re.search(r"openvino: largest difference to torch \d\.\de-0\d on \d+ crops", printed)
        assert open_backend(target, "cpu").meta.name == "yard"

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--checkpoint", "nowhere.pth"], "nowhere.pth does not exist"),
            (["--checkpoint", "{model}", "--output", "m.bin"], "format onnx ends in .onnx"),
            (["--checkpoint", "{model}", "--calibration", "nowhere"], "nowhere is no folder"),
            (["--checkpoint", "{contrastive}"], "none of its heads is trained"),
        ],
    )
    def test_a_mistake_is_one_sentence(self, checkpoint, tmp_path, capsys, arguments, sentence):
        save_checkpoint(tmp_path / "contrastive.pth", RelevanceMaskModel(mode="contrastive"))
        files = {"model": checkpoint, "contrastive": tmp_path / "contrastive.pth"}
        filled = [argument.format(**files) for argument in arguments]
        assert export.run(self.parse(*filled)) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("veroallarme-train export: ")
        assert sentence in captured.err
        assert captured.err.count("\n") == 1

    def test_a_place_that_cannot_be_written_is_named(self, checkpoint, events, tmp_path, capsys):
        (tmp_path / "file").touch()
        target = tmp_path / "file" / "m.onnx"
        arguments = ("--checkpoint", checkpoint, "--calibration", events, "--output", target)
        assert export.run(self.parse(*arguments)) == 1
        assert "cannot be written" in capsys.readouterr().err

    def test_refuses_an_unknown_format(self, checkpoint):
        with pytest.raises(ModelError, match=r"format 'tflite': choose one of onnx, openvino"):
            export.export(ExportSettings(checkpoint=checkpoint, format="tflite"))
        with pytest.raises(SystemExit):
            self.parse("--checkpoint", checkpoint, "--format", "tflite")


def test_real_crops_agree_too(footage, checkpoint, tmp_path):
    settings = ExportSettings(
        checkpoint=checkpoint,
        calibration=footage / "cameras",
        output=tmp_path / "m.onnx",
    )
    report = export.export(settings)
    assert report.crops == 40
    assert max(report.differences.values()) <= 1e-4
