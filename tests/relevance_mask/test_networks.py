"""The network's shapes, and the weights that it begins with."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs the extra [train]")

from veroallarme_core.inference import ModelError  # noqa: E402
from veroallarme_core.relevance_mask import networks  # noqa: E402 - after the check for torch
from veroallarme_core.relevance_mask.model_meta import ModelMode  # noqa: E402
from veroallarme_core.relevance_mask.networks import (  # noqa: E402
    RelevanceMaskModel,
    RelevanceOutput,
)

MODES = tuple(mode.value for mode in ModelMode)


def crops(count=2, height=224, width=224):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(5))


class TestForward:
    @torch.no_grad()
    def test_contrastive_gives_unit_vectors(self, models):
        vectors = models["contrastive"](crops(3))
        assert vectors.shape == (3, 128)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(3), atol=1e-5)

    @torch.no_grad()
    def test_segmentation_gives_a_map_of_every_pixel(self, models):
        assert models["segmentation"](crops()).shape == (2, 2, 224, 224)

    @torch.no_grad()
    def test_classification_gives_two_classes(self, models):
        assert models["classification"](crops()).shape == (2, 2)

    @torch.no_grad()
    def test_both_gives_both(self, models):
        output = models["both"](crops())
        assert isinstance(output, RelevanceOutput)
        assert output.segmentation.shape == (2, 2, 224, 224)
        assert output.classification.shape == (2, 2)

    @torch.no_grad()
    def test_features_are_resnets(self, models):
        model, image = models["both"], crops()
        assert model.features(image).shape == (2, 512)
        # What torchvision's own ResNet-18 computes of the normalised picture.
        backbone = networks.resnet18(weights=None).eval()
        backbone.fc = torch.nn.Identity()
        backbone.load_state_dict(model.encoder.state_dict(), strict=False)
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        expected = backbone((image - mean) / std)
        assert torch.allclose(model.features(image), expected, atol=1e-5)

    @torch.no_grad()
    @pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 160), (256, 224)])
    def test_takes_any_multiple_of_32(self, models, height, width):
        assert models["segmentation"](crops(1, height, width)).shape == (1, 2, height, width)

    @pytest.mark.parametrize("shape", [(1, 3, 100, 224), (1, 1, 224, 224), (3, 224, 224)])
    @pytest.mark.parametrize("mode", MODES)
    def test_refuses_another_shape_and_names_it(self, models, mode, shape):
        with pytest.raises(ValueError, match=r"multiples of 32, not \("):
            models[mode](torch.zeros(shape))

    def test_other_sizes_of_the_heads(self):
        model = RelevanceMaskModel(mode="contrastive", feature_dim=64).eval()
        with torch.no_grad():
            assert model(crops(2, 64, 64)).shape == (2, 64)
        model = RelevanceMaskModel(mode="both", num_classes=3).eval()
        with torch.no_grad():
            assert model(crops(1, 64, 64)).segmentation.shape == (1, 3, 64, 64)

    def test_every_weight_learns(self):
        torch.manual_seed(2)
        for mode in MODES:
            model = RelevanceMaskModel(mode=mode).train()
            answers = model(crops(2, 64, 64))
            answers = answers if isinstance(answers, tuple) else (answers,)
            # A fixed direction: the length of a unit vector has no gradient.
            sum((a * torch.linspace(0, 1, a.numel()).view_as(a)).sum() for a in answers).backward()
            still = [n for n, p in model.named_parameters() if p.grad is None]
            assert still == []

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ({"mode": "detection"}, "`mode` is 'detection', not one of contrastive"),
            ({"input_mode": "bgr"}, "`input_mode` is 'bgr', not one of temporal, rgb"),
            ({"feature_dim": 0}, "`feature_dim` is 0, not 2 to 4096"),
            ({"num_classes": 1}, "`num_classes` is 1, not 2 to 4096"),
        ],
    )
    def test_a_wrong_argument_is_named(self, arguments, sentence):
        with pytest.raises(ModelError, match=f"RelevanceMaskModel.*{sentence}"):
            RelevanceMaskModel(**arguments)


class TestPretrainedBackbone:
    def same_encoder(self, model, other):
        mine, its = model.encoder.state_dict(), other.state_dict()
        return all(torch.equal(weight, its[name]) for name, weight in mine.items())

    def test_takes_torchvisions_file(self, tmp_path):
        backbone = networks.resnet18(weights=None)
        torch.save(backbone.state_dict(), tmp_path / "resnet18.pth")
        model = RelevanceMaskModel(pretrained_backbone=tmp_path / "resnet18.pth")
        assert self.same_encoder(model, backbone)
        assert model.trained_heads == set()

    def test_takes_a_checkpoint(self, saved, models):
        model = RelevanceMaskModel(pretrained_backbone=str(saved["contrastive"]))
        assert self.same_encoder(model, models["contrastive"].encoder)

    def test_takes_the_name_of_the_original(self, saved, models):
        model = RelevanceMaskModel(mode="both", pretrained=str(saved["contrastive"]))
        assert self.same_encoder(model, models["contrastive"].encoder)
        assert RelevanceMaskModel(pretrained=False).trained_heads == set()
        with pytest.raises(ModelError, match="mean the same: give one of them"):
            RelevanceMaskModel(pretrained=True, pretrained_backbone=saved["contrastive"])

    def test_refuses_another_network(self, tmp_path):
        torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "a.pth")
        with pytest.raises(ModelError, match=r"a.pth does not hold a ResNet-18: 120 of its 120"):
            RelevanceMaskModel(pretrained_backbone=tmp_path / "a.pth")

    def test_takes_imagenets_weights_from_torchvision(self, monkeypatch):
        asked = []
        plain = networks.resnet18

        def download(weights):
            asked.append(weights)
            return plain(weights=None)

        monkeypatch.setattr(networks, "resnet18", download)
        RelevanceMaskModel(pretrained_backbone=True)
        assert asked == [networks.ResNet18_Weights.IMAGENET1K_V1]

    def test_without_a_network_the_remedy_is_named(self, monkeypatch):
        def no_network(weights):
            raise OSError("no route to host")

        monkeypatch.setattr(networks, "resnet18", no_network)
        with pytest.raises(ModelError, match=r"cannot be downloaded \(no route.*give pretrained_b"):
            RelevanceMaskModel(pretrained_backbone=True)


def test_random_weights_follow_the_seed():
    torch.manual_seed(4)
    first = RelevanceMaskModel(mode="classification").state_dict()
    torch.manual_seed(4)
    second = RelevanceMaskModel(mode="classification").state_dict()
    assert all(np.array_equal(first[name], second[name]) for name in first)
