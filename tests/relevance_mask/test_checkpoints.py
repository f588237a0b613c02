"""Checkpoints: whole, honest, small, and never code."""

import os

import pytest

torch = pytest.importorskip("torch", reason="the network needs the extra [train]")

from veroallarme_core.description.region_crops import CropGeometry  # noqa: E402
from veroallarme_core.inference import ModelError  # noqa: E402
from veroallarme_core.relevance_mask.checkpoints import (  # noqa: E402
    LoadReport,
    judging_model,
    load_weights,
    model_from_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from veroallarme_core.relevance_mask.model_meta import ModelMode  # noqa: E402
from veroallarme_core.relevance_mask.networks import RelevanceMaskModel  # noqa: E402

MODES = tuple(mode.value for mode in ModelMode)
LARGEST_CHECKPOINT = 48e6


def crops(count=2, height=224, width=224):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(5))


def state(path):
    return torch.load(path, weights_only=True)["model_state_dict"]


class TestSize:
    @pytest.mark.parametrize("mode", MODES)
    def test_a_checkpoint_stays_small(self, saved, mode):
        assert saved[mode].stat().st_size <= LARGEST_CHECKPOINT


class TestTransfer:
    def test_contrastive_into_both_says_what_is_left_out(self, saved, models):
        model, report = model_from_checkpoint(saved["contrastive"], mode="both")
        assert {name.partition(".")[0] for name in report.left_out} == {"projection"}
        assert {name.partition(".")[0] for name in report.missing} == {
            "segmentation_head",
            "classification_head",
        }
        assert str(report) == (
            "Loaded encoder; left out projection; untrained: segmentation_head, "
            "classification_head."
        )
        source = models["contrastive"].encoder.state_dict()
        for name, weight in model.encoder.state_dict().items():
            assert torch.equal(weight, source[name])

    @pytest.mark.parametrize("source", MODES)
    @pytest.mark.parametrize("target", MODES)
    def test_every_mode_loads_into_every_other(self, saved, source, target):
        model, report = model_from_checkpoint(saved[source], mode=target)
        assert model.mode == target
        assert not model.training
        assert set(report.loaded) | set(report.missing) == set(model.state_dict())
        assert set(report.loaded) | set(report.left_out) == set(state(saved[source]))
        shared = set(model.mode.heads) & set(
            read_checkpoint(saved[source])["meta"]["trained_heads"]
        )
        assert model.trained_heads == shared

    def test_a_head_of_another_size_is_left_out(self, saved):
        model = RelevanceMaskModel(mode="both", num_classes=3)
        report = load_weights(model, read_checkpoint(saved["both"]))
        assert "segmentation_head.to_pixels.weight" in report.left_out
        assert "segmentation_head.to_pixels.weight" in report.missing
        # Half a head is no trained head.
        assert model.trained_heads == set()

    def test_a_head_that_no_phase_has_trained_stays_untrained(self, tmp_path):
        model = RelevanceMaskModel(mode="both")
        model.trained_heads = {"segmentation"}
        save_checkpoint(tmp_path / "half.pth", model)
        again, _ = model_from_checkpoint(tmp_path / "half.pth")
        assert again.trained_heads == {"segmentation"}
        assert again.meta.trained_heads == ("segmentation",)

    def test_loads_the_way_the_original_does(self, saved):
        content = torch.load(saved["contrastive"], weights_only=True)
        model = RelevanceMaskModel(mode="contrastive")
        model.load_state_dict(content["model_state_dict"])

    def test_weights_of_wrapped_models_load(self, models):
        wrapped = {f"module._orig_mod.{k}": w for k, w in models["both"].state_dict().items()}
        report = load_weights(RelevanceMaskModel(mode="both"), wrapped)
        assert report.left_out == report.missing == ()

    def test_says_when_nothing_is_missing(self):
        assert str(LoadReport(("encoder.conv1.weight",), (), ())) == "Loaded encoder."


class TestCheckpoints:
    def test_gives_back_exactly_what_was_saved(self, saved, models):
        for mode in MODES:
            model, report = model_from_checkpoint(saved[mode])
            assert report.left_out == report.missing == ()
            for name, weight in model.state_dict().items():
                assert torch.equal(weight, models[mode].state_dict()[name])

    def test_remembers_how_the_network_is_fed(self, tmp_path):
        geometry = CropGeometry(margin=0.5, min_side=64)
        model = RelevanceMaskModel(mode="contrastive", input_mode="rgb", crop=geometry)
        save_checkpoint(tmp_path / "a.pth", model)
        again, _ = model_from_checkpoint(tmp_path / "a.pth", mode="both")
        assert (again.input_mode, again.crop) == ("rgb", geometry)

    def test_holds_the_state_of_training(self, tmp_path):
        model = RelevanceMaskModel(mode="classification")
        optimiser = torch.optim.AdamW(model.parameters())
        save_checkpoint(tmp_path / "a.pth", model, epoch=3, optimizer=optimiser.state_dict())
        content = read_checkpoint(tmp_path / "a.pth")
        assert content["epoch"] == 3
        optimiser.load_state_dict(content["optimizer"])

    def test_a_model_in_ddp_is_unwrapped(self, tmp_path):
        class Wrapper(torch.nn.Module):
            def __init__(self, module):
                super().__init__()
                self.module = module

        model = RelevanceMaskModel(mode="classification")
        save_checkpoint(tmp_path / "a.pth", Wrapper(model))
        assert set(state(tmp_path / "a.pth")) == set(model.state_dict())

    def test_refuses_to_save_something_else(self, tmp_path):
        with pytest.raises(TypeError, match="holds a RelevanceMaskModel, not Linear"):
            save_checkpoint(tmp_path / "a.pth", torch.nn.Linear(1, 1))

    def test_a_failed_save_leaves_the_old_file(self, tmp_path, models):
        path = tmp_path / "new" / "a.pth"
        save_checkpoint(path, models["classification"], epoch=1)
        before = path.read_bytes()
        with pytest.raises((AttributeError, TypeError, RuntimeError, Exception), match="pickle"):
            save_checkpoint(path, models["classification"], callback=lambda: None)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_others_may_read_the_file(self, saved):
        mask = os.umask(0)
        os.umask(mask)
        assert saved["both"].stat().st_mode & 0o777 == 0o666 & ~mask

    def test_one_without_meta_data_is_known_by_its_heads(self, models, tmp_path):
        for mode in MODES:
            torch.save({"model_state_dict": models[mode].state_dict()}, tmp_path / "a.pth")
            model, report = model_from_checkpoint(tmp_path / "a.pth")
            assert model.mode == mode
            assert report.missing == ()


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return (os.mkdir, (self.marker,))


class TestJudging:
    @torch.no_grad()
    @pytest.mark.parametrize("mode", ["segmentation", "classification"])
    def test_a_head_that_was_not_trained_is_silent(self, saved, models, mode):
        output = judging_model(saved[mode])(crops())
        trained, silent = output if mode == "segmentation" else reversed(output)
        assert torch.allclose(trained, models[mode](crops()), atol=1e-5)
        assert not silent.any()

    @torch.no_grad()
    def test_trained_heads_are_heard(self, saved, models):
        for mine, its in zip(
            judging_model(saved["both"])(crops()), models["both"](crops()), strict=True
        ):
            assert torch.equal(mine, its)


class TestHostileFiles:
    def test_code_is_not_run(self, tmp_path):
        marker = tmp_path / "was-run"
        torch.save({"model_state_dict": {}, "extra": Bomb(marker)}, tmp_path / "bomb.pth")
        with pytest.raises(ModelError, match=r"bomb.pth .* code in it is not run"):
            read_checkpoint(tmp_path / "bomb.pth")
        with pytest.raises(ModelError, match=r"bomb.pth .* code in it is not run"):
            RelevanceMaskModel(pretrained_backbone=tmp_path / "bomb.pth")
        assert not marker.exists()

    def test_the_bomb_would_go_off_if_trusted(self, tmp_path):
        marker = tmp_path / "was-run"
        torch.save(Bomb(marker), tmp_path / "bomb.pth")
        torch.load(tmp_path / "bomb.pth", weights_only=False)
        assert marker.exists()

    @pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + b"\x00" * 99])
    def test_a_damaged_file_is_refused(self, tmp_path, content):
        (tmp_path / "a.pth").write_bytes(content)
        with pytest.raises(ModelError, match=r"a.pth is no checkpoint that can be loaded"):
            read_checkpoint(tmp_path / "a.pth")

    def test_a_cut_off_file_is_refused(self, saved, tmp_path):
        whole = saved["classification"].read_bytes()
        (tmp_path / "a.pth").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelError, match=r"a.pth is no checkpoint that can be loaded"):
            read_checkpoint(tmp_path / "a.pth")

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(ModelError, match=r"nowhere.pth does not exist or is no file"):
            read_checkpoint(tmp_path / "nowhere.pth")

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ([1, 2], "it holds a list"),
            ({"weights": {}}, "it has no `model_state_dict` of weights"),
            ({"model_state_dict": {"a": 1}}, "it has no `model_state_dict` of weights"),
            ({"model_state_dict": {}, "meta": {"mode": "x"}}, "`mode` is 'x', not one of"),
        ],
    )
    def test_another_file_is_refused(self, tmp_path, content, sentence):
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(ModelError, match=f"a.pth.*{sentence}"):
            model_from_checkpoint(tmp_path / "a.pth")

    def test_another_network_is_refused(self, tmp_path):
        other = torch.nn.Linear(2, 2).state_dict()
        torch.save({"model_state_dict": other}, tmp_path / "a.pth")
        with pytest.raises(
            ModelError, match=r"a.pth: These weights are not those of a RelevanceMaskModel: 120 te"
        ):
            model_from_checkpoint(tmp_path / "a.pth")
