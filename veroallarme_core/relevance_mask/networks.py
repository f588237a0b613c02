"""The relevance network: one encoder and three thin heads.

Imports torch, so nothing that the worker runs may import this module when it loads.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ResNet18_Weights, resnet18

from veroallarme_core.description import CropGeometry, InputMode
from veroallarme_core.inference import ModelError
from veroallarme_core.relevance_mask.model_meta import HEADS, ModelMeta, ModelMode
from veroallarme_core.relevance_mask.weight_files import read_tensors, unwrapped

ENCODER_DIM = 512
"""Features of ResNet-18's last stage."""

STRIDE = 32
"""One cell of the encoder's last stage in pixels of the input."""

# ImageNet's, which torchvision's weights expect. A grey picture in three channels is what those
# weights saw of grey pictures, so a temporal crop is normalised the same way.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class EncoderFeatures(NamedTuple):
    """The encoder's four stages, fine to coarse."""

    stride4: Tensor  # (N, 64, H/4, W/4)
    stride8: Tensor  # (N, 128, H/8, W/8)
    stride16: Tensor  # (N, 256, H/16, W/16)
    stride32: Tensor  # (N, 512, H/32, W/32)


class RelevanceOutput(NamedTuple):
    """What the network of mode "both" answers; logits, class 1 is relevant."""

    segmentation: Tensor  # (N, num_classes, H, W)
    classification: Tensor  # (N, num_classes)


class ResNetEncoder(nn.Module):
    """ResNet-18 without its classifier; names are torchvision's, so that its weights load.

    Args:
        pretrained_backbone: True takes torchvision's ImageNet weights (downloaded once), False
            random ones, a path those in a file of torchvision's ResNet-18 or in a checkpoint.

    Raises:
        ModelError: the weights cannot be had.
    """

    def __init__(self, pretrained_backbone: bool | str | Path = False) -> None:
        super().__init__()
        backbone = _imagenet_resnet18() if pretrained_backbone is True else resnet18(weights=None)
        self.conv1: nn.Module = backbone.conv1
        self.bn1: nn.Module = backbone.bn1
        self.relu: nn.Module = backbone.relu
        self.maxpool: nn.Module = backbone.maxpool
        self.layer1: nn.Module = backbone.layer1
        self.layer2: nn.Module = backbone.layer2
        self.layer3: nn.Module = backbone.layer3
        self.layer4: nn.Module = backbone.layer4
        self.mean: Tensor
        self.std: Tensor
        # Constants, not weights: they stay out of checkpoints.
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        if not isinstance(pretrained_backbone, bool):
            _load_backbone(self, Path(pretrained_backbone))

    def forward(self, image: Tensor) -> EncoderFeatures:
        """Encode crops, (N, 3, H, W) in [0, 1]."""
        x = (image - self.mean) / self.std  # (N, 3, H, W)
        x = self.relu(self.bn1(self.conv1(x)))  # (N, 64, H/2, W/2)
        stride4 = self.layer1(self.maxpool(x))  # (N, 64, H/4, W/4)
        stride8 = self.layer2(stride4)  # (N, 128, H/8, W/8)
        stride16 = self.layer3(stride8)  # (N, 256, H/16, W/16)
        return EncoderFeatures(stride4, stride8, stride16, self.layer4(stride16))


class ProjectionHead(nn.Module):
    """The MLP of SimCLR: NT-Xent works on its output, everything later on what it is fed.

    A Simple Framework for Contrastive Learning of Visual Representations, 2020,
    https://arxiv.org/abs/2002.05709, section 4.2: the representation before the projection is
    the better one.
    """

    def __init__(self, feature_dim: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(ENCODER_DIM, ENCODER_DIM, bias=False),
            nn.BatchNorm1d(ENCODER_DIM),
            nn.ReLU(inplace=True),
            nn.Linear(ENCODER_DIM, feature_dim),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Project (N, 512) to unit vectors, (N, feature_dim)."""
        return functional.normalize(self.layers(features), dim=1)


class SegmentationHead(nn.Module):
    """Transposed convolutions from stride 32 back to every pixel.

    The finer stages are added on the way (as in a feature pyramid), for a mover of 15 px is gone
    at stride 32. Kernel 4 at stride 2 covers every pixel equally often: no checkerboard.
    """

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(ENCODER_DIM, 96, 1, bias=False)
        self.norm = nn.BatchNorm2d(96)
        self.to_stride16 = _Upsampling(96, 64, skipped=256)
        self.to_stride8 = _Upsampling(64, 48, skipped=128)
        self.to_stride4 = _Upsampling(48, 32, skipped=64)
        self.to_stride2 = _Upsampling(32, 16)
        self.to_pixels = nn.ConvTranspose2d(16, num_classes, 4, stride=2, padding=1)

    def forward(self, features: EncoderFeatures) -> Tensor:
        """Return logits per pixel, (N, num_classes, H, W)."""
        x = functional.relu(self.norm(self.reduce(features.stride32)))  # (N, 96, H/32, W/32)
        x = self.to_stride16(x, features.stride16)  # (N, 64, H/16, W/16)
        x = self.to_stride8(x, features.stride8)  # (N, 48, H/8, W/8)
        x = self.to_stride4(x, features.stride4)  # (N, 32, H/4, W/4)
        x = self.to_stride2(x)  # (N, 16, H/2, W/2)
        return cast(Tensor, self.to_pixels(x))  # (N, num_classes, H, W)


class _Upsampling(nn.Module):
    """Twice the resolution, with a finer stage of the encoder added where there is one."""

    def __init__(self, wide: int, narrow: int, skipped: int | None = None) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False)
        self.lateral = None if skipped is None else nn.Conv2d(skipped, narrow, 1, bias=False)
        self.norm = nn.BatchNorm2d(narrow)

    def forward(self, x: Tensor, finer: Tensor | None = None) -> Tensor:
        x = self.up(x)  # (N, wide, h, w) -> (N, narrow, 2h, 2w)
        if self.lateral is not None:
            x = x + self.lateral(finer)  # (N, skipped, 2h, 2w) -> (N, narrow, 2h, 2w)
        return functional.relu(self.norm(x))


class ClassificationHead(nn.Module):
    """An MLP from the pooled features to relevant or not."""

    def __init__(self, num_classes: int = 2, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(ENCODER_DIM, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(128, num_classes),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (N, num_classes) of features (N, 512)."""
        return cast(Tensor, self.layers(features))


class RelevanceMaskModel(nn.Module):
    """The relevance network.

    Args:
        mode: which heads it has, and so what `forward` returns:
            "contrastive": unit vectors (N, feature_dim);
            "segmentation": logits (N, num_classes, H, W);
            "classification": logits (N, num_classes);
            "both": `RelevanceOutput` of the last two.
        feature_dim: length of the projection that NT-Xent compares.
        num_classes: 2, not relevant (0) and relevant (1).
        pretrained_backbone: True (ImageNet, from torchvision), False, or a file.
        input_mode: what the input's three channels show; recorded in the checkpoint.
        crop: how the crops that it learns from are cut; recorded in the checkpoint.
        pretrained: another name of `pretrained_backbone`, the original's.

    Raises:
        ModelError: an argument is wrong or the weights cannot be had.

    Example:
        >>> model = RelevanceMaskModel(mode="both").eval()
        >>> output = model(torch.rand(4, 3, 224, 224))
        >>> output.segmentation.shape, output.classification.shape
        (torch.Size([4, 2, 224, 224]), torch.Size([4, 2]))
    """

    def __init__(
        self,
        mode: str = "both",
        feature_dim: int = 128,
        num_classes: int = 2,
        pretrained_backbone: bool | str | Path = False,
        input_mode: str = "temporal",
        crop: CropGeometry | None = None,
        *,
        pretrained: bool | str | Path | None = None,
    ) -> None:
        super().__init__()
        if pretrained is not None:
            if pretrained_backbone is not False:
                raise ModelError(
                    f"RelevanceMaskModel: pretrained {str(pretrained)!r} and pretrained_backbone "
                    f"{str(pretrained_backbone)!r} mean the same: give one of them."
                )
            pretrained_backbone = pretrained
        # Checked the way a file's are: the same mistakes, the same sentences.
        meta = ModelMeta.from_dict(
            {
                "mode": mode,
                "feature_dim": feature_dim,
                "num_classes": num_classes,
                "input_mode": input_mode,
            },
            "RelevanceMaskModel",
        )
        self._meta = replace(meta, crop=crop or CropGeometry())
        self.trained_heads: set[str] = set()
        """Heads that a phase has trained; the predictor listens to these alone."""
        heads = self.mode.heads
        self.encoder = ResNetEncoder(pretrained_backbone)
        self.projection = None if heads else ProjectionHead(feature_dim)
        self.segmentation_head = SegmentationHead(num_classes) if "segmentation" in heads else None
        self.classification_head = (
            ClassificationHead(num_classes) if "classification" in heads else None
        )

    @property
    def mode(self) -> ModelMode:
        """Which heads the network has."""
        return self._meta.mode

    @property
    def input_mode(self) -> InputMode:
        """What the input's three channels show."""
        return self._meta.input_mode

    @property
    def crop(self) -> CropGeometry:
        """How the crops that it learns from are cut."""
        return self._meta.crop

    @property
    def meta(self) -> ModelMeta:
        """What a checkpoint of this network says of itself."""
        trained = tuple(head for head in HEADS if head in self.trained_heads)
        return replace(self._meta, trained_heads=trained)

    @classmethod
    def from_meta(cls, meta: ModelMeta, mode: str | None = None) -> RelevanceMaskModel:
        """Build the network that a file describes, untrained; `mode` overrides the file's."""
        return cls(
            mode=mode or meta.mode.value,
            feature_dim=meta.feature_dim,
            num_classes=meta.num_classes,
            input_mode=meta.input_mode.value,
            crop=meta.crop,
        )

    def features(self, image: Tensor) -> Tensor:
        """Return the encoder's pooled features, (N, 512), of crops (N, 3, H, W)."""
        return _pool(self.encoder(_checked(image)))

    def forward(self, image: Tensor) -> Tensor | RelevanceOutput:
        """Judge crops, (N, 3, H, W) in [0, 1] with H and W multiples of 32.

        Raises:
            ValueError: the input has another shape.
        """
        features = self.encoder(_checked(image))
        if self.projection is not None:
            return cast(Tensor, self.projection(_pool(features)))
        answers = []
        if self.segmentation_head is not None:
            answers.append(self.segmentation_head(features))
        if self.classification_head is not None:
            answers.append(self.classification_head(_pool(features)))
        return RelevanceOutput(*answers) if len(answers) == 2 else cast(Tensor, answers[0])


def _checked(image: Tensor) -> Tensor:
    shape = tuple(image.shape)
    if len(shape) != 4 or shape[1] != 3 or shape[2] % STRIDE or shape[3] % STRIDE:
        raise ValueError(
            f"The network takes (N, 3, H, W) with H and W multiples of {STRIDE}, not {shape}."
        )
    return image


def _pool(features: EncoderFeatures) -> Tensor:
    return features.stride32.mean(dim=(2, 3))  # (N, 512, H/32, W/32) -> (N, 512)


def _imagenet_resnet18() -> Any:
    try:
        return resnet18(weights=ResNet18_Weights.IMAGENET1K_V1)
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"torchvision's ImageNet weights of ResNet-18 cannot be downloaded ({error}); give "
            "pretrained_backbone a file with them, or false to start from random weights."
        ) from error


def _load_backbone(encoder: ResNetEncoder, path: Path) -> None:
    content = read_tensors(path)
    weights = unwrapped(content.get("model_state_dict", content))
    weights = {name.removeprefix("encoder."): weight for name, weight in weights.items()}
    own = encoder.state_dict()
    lacking = [
        name for name in own if name not in weights or weights[name].shape != own[name].shape
    ]
    if lacking:
        raise ModelError(
            f"{path} does not hold a ResNet-18: {len(lacking)} of its {len(own)} tensors are "
            f"missing or have another shape, the first is {lacking[0]}."
        )
    encoder.load_state_dict({name: weights[name] for name in own})
