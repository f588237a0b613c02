"""The three phases: what each learns from, its loss, and how it is judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from veroallarme_core.relevance_mask import RelevanceMaskModel
from veroallarme_training.config import AugmentationSettings, TrainingConfig
from veroallarme_training.datasets.event_crops import NO_AUGMENTATION
from veroallarme_training.datasets.motion_dataset import ContrastiveMotionDataset
from veroallarme_training.datasets.teaching_dataset import TeachingDataset
from veroallarme_training.errors import TrainingError
from veroallarme_training.losses import ContrastiveLoss, relevance_loss, segmentation_loss
from veroallarme_training.metrics import area_under_curve, mask_counts, nearest_is_positive
from veroallarme_training.moving_events import MovingEvents
from veroallarme_training.ranks import Ranks
from veroallarme_training.training_data import TrainingData

PHASES = {
    "contrastive": ("contrastive",),
    "segmentation": ("segmentation",),
    "relevance": ("relevance",),
    "both": ("contrastive", "segmentation"),
    "all": ("contrastive", "segmentation", "relevance"),
}
"""What `--phase` may be, and the phases that it runs one after the other."""


@dataclass(frozen=True)
class Goal:
    """The number by which a phase is judged."""

    metric: str
    higher_is_better: bool

    def improves(self, value: float, best: float | None, min_delta: float) -> bool:
        """Tell whether a value beats the best one so far."""
        if best is None:
            return True
        gain = value - best if self.higher_is_better else best - value
        return gain > min_delta


class Phase(ABC):
    """One phase of training.

    Args:
        config: the run's configuration.
        data: what it learns from.
        ranks: this process among the others.
        device: where it computes.
    """

    name: str
    mode: str
    """Of the `RelevanceMaskModel` that it trains."""
    output: str
    """File name of its best weights."""
    goal: Goal

    def __init__(
        self, config: TrainingConfig, data: TrainingData, ranks: Ranks, device: torch.device
    ) -> None:
        self.config = config
        self.data = data
        self.ranks = ranks
        self.device = device
        self.training = self._dataset(data.training, config.augmentation)
        self.validation = self._validation()

    @property
    def freeze_epochs(self) -> float:
        """Epochs for which the encoder is left as it is, infinity for the whole phase."""
        settings: Any = self.config.phase(self.name)
        if getattr(settings, "freeze_encoder", False):
            return float("inf")
        return float(getattr(settings, "freeze_epochs", 0))

    def _validation(self) -> Any:
        if not self.data.validation.events:
            return None
        dataset = self._dataset(self.data.validation, NO_AUGMENTATION)
        return dataset if len(dataset) else None

    def _options(self, augmentation: AugmentationSettings) -> dict[str, Any]:
        return {
            "input_mode": self.config.input_mode,
            "size": (self.config.crop_size, self.config.crop_size),
            "augmentation": augmentation,
            "seed": self.config.seed,
        }

    def prepare(self, model: RelevanceMaskModel) -> None:
        """Choose which of the network's weights may learn."""
        model.requires_grad_(True)

    def state(self) -> dict[str, Any]:
        """Return what of the phase itself a resumed run needs."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:  # noqa: B027 - most phases have none
        """Take back what `state` gave."""

    @abstractmethod
    def _dataset(self, events: MovingEvents, augmentation: AugmentationSettings) -> Any:
        """Return the dataset of a part of the events."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, int]:
        """Return the loss of a batch, and how many crops went through the network."""

    @abstractmethod
    def evaluate(self, model: nn.Module, batches: Iterable[Any]) -> dict[str, float]:
        """Return the metrics of the validation set, the same in every process."""

    @abstractmethod
    def pictures(self, model: nn.Module, count: int) -> Tensor | None:
        """Return example pictures (N, 3, h, w) in [0, 1]; None where there are none."""


class ContrastivePhase(Phase):
    """The encoder learns to tell movers apart, without any label."""

    name = "contrastive"
    mode = "contrastive"
    output = "contrastive_final.pth"
    goal = Goal("val_loss", higher_is_better=False)

    def __init__(
        self, config: TrainingConfig, data: TrainingData, ranks: Ranks, device: torch.device
    ) -> None:
        super().__init__(config, data, ranks, device)
        self.nt_xent = ContrastiveLoss(
            config.temperature,
            config.contrastive.memory_bank_size,
            config.feature_dim,
            gather=not ranks.is_alone,
        ).to(device)
        self.plain_nt_xent = ContrastiveLoss(config.temperature)

    def _dataset(self, events: MovingEvents, augmentation: AugmentationSettings) -> Any:
        return ContrastiveMotionDataset(events, **self._options(augmentation))

    def _validation(self) -> Any:
        # The pair of a validation crop must differ from it, so it varies: in the same way always.
        if len(self.data.validation.events) < 2:
            return None
        return self._dataset(self.data.validation, self.config.augmentation)

    @override
    def state(self) -> dict[str, Any]:
        return self.nt_xent.bank_state()

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        self.nt_xent.load_bank_state(state)

    @override
    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, int]:
        """Return the NT-Xent loss of the batch's pairs.

        A negative and its mirror image are one more pair: so each negative stands against every
        anchor, and is not itself pushed away from its like.
        """
        anchor, positive, negative = batch
        views = [anchor, positive]
        if self.config.contrastive.use_negatives:
            views = [anchor, negative, positive, negative.flip(-1)]
        images = torch.cat(views)  # (2 or 4 times N, 3, h, w)
        first_views, second_views = model(images).chunk(2)
        return self.nt_xent(first_views, second_views), len(images)

    @override
    def evaluate(self, model: nn.Module, batches: Iterable[Any]) -> dict[str, float]:
        total, found, counted = 0.0, 0.0, 0.0
        for anchor, positive, _ in batches:
            anchors, positives = model(torch.cat([anchor, positive])).float().chunk(2)
            if len(anchor) > 1:
                total += float(self.plain_nt_xent(anchors, positives)) * len(anchor)
                counted += len(anchor)
                found += nearest_is_positive(anchors, positives)
        total, found, counted = self.ranks.sum([total, found, counted], self.device)
        if not counted:
            return {}
        return {"val_loss": total / counted, "val_retrieval": found / counted}

    @override
    def pictures(self, model: nn.Module, count: int) -> Tensor | None:
        items = [self.training[i] for i in range(min(count, len(self.training)))]
        return torch.stack([torch.cat(item, dim=2) for item in items])


class TaughtPhase(Phase):
    """What the two phases share that learn from a teacher's labels."""

    output = "best_model.pth"

    def _mask_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        settings = self.config.segmentation
        return segmentation_loss(logits, mask, settings.foreground_weight, settings.dice_weight)

    def _dataset(self, events: MovingEvents, augmentation: AugmentationSettings) -> Any:
        return TeachingDataset(events, labels=self.data.labels, **self._options(augmentation))

    def __init__(
        self, config: TrainingConfig, data: TrainingData, ranks: Ranks, device: torch.device
    ) -> None:
        super().__init__(config, data, ranks, device)
        nuisance, relevant = self.training.shares()
        if not nuisance or not relevant:
            missing = "relevant" if nuisance else "nuisance" if relevant else "labelled"
            raise TrainingError(
                f"Phase {self.name}: there is no {missing} region to learn from; give a labels "
                "file (teacher.labels_file) or let drawn scenes join in (teacher.drawn_seeds)."
            )

    @override
    def pictures(self, model: nn.Module, count: int) -> Tensor | None:
        source: Any = self.training if self.validation is None else self.validation
        step = max(1, len(source) // count)
        items = [source[i] for i in range(0, len(source), step)][:count]
        images = torch.stack([item["image"] for item in items])
        masks = torch.stack([item["mask"] for item in items])
        answer = model(images.to(self.device))
        logits = answer if isinstance(answer, Tensor) else answer.segmentation
        found = logits.float().softmax(dim=1)[:, 1].cpu()
        # Unknown is grey in the true mask.
        true = torch.where(masks < 0, 0.5, masks.float())
        grey = [m[:, None].expand_as(images) for m in (true, found)]
        return torch.cat([images, *grey], dim=3)


class SegmentationPhase(TaughtPhase):
    """The segmentation head learns where in the crop is what matters."""

    name = "segmentation"
    mode = "segmentation"
    goal = Goal("val_iou", higher_is_better=True)

    @override
    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, int]:
        return self._mask_loss(model(batch["image"]), batch["mask"]), len(batch["image"])

    @override
    def evaluate(self, model: nn.Module, batches: Iterable[Any]) -> dict[str, float]:
        sums = [0.0, 0.0, 0.0, 0.0]
        for batch in batches:
            logits = model(batch["image"]).float()
            counts = mask_counts(logits, batch["mask"])
            loss = float(self._mask_loss(logits, batch["mask"])) * len(logits)
            sums = [s + v for s, v in zip(sums, (*counts, loss, len(logits)), strict=True)]
        shared, union, loss, items = self.ranks.sum(sums, self.device)
        return {"val_loss": loss / max(items, 1.0), "val_iou": shared / max(union, 1.0)}


class RelevancePhase(TaughtPhase):
    """The classification head learns whether a region is worth an alarm."""

    name = "relevance"
    mode = "both"
    goal = Goal("val_auc", higher_is_better=True)

    def __init__(
        self, config: TrainingConfig, data: TrainingData, ranks: Ranks, device: torch.device
    ) -> None:
        super().__init__(config, data, ranks, device)
        self.class_weights = (1.0, config.relevance.relevant_weight)
        if config.relevance.balance_labels:
            nuisance, relevant = self.training.shares()
            half = (nuisance + relevant) / 2
            self.class_weights = (
                half / nuisance,
                half / relevant * config.relevance.relevant_weight,
            )

    @override
    def prepare(self, model: RelevanceMaskModel) -> None:
        super().prepare(model)
        if not self.config.relevance.segmentation_weight and model.segmentation_head is not None:
            # DDP waits for the gradient of every weight that may learn.
            model.segmentation_head.requires_grad_(False)

    @override
    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, int]:
        output = model(batch["image"])
        loss = relevance_loss(
            output.classification, batch["label"], batch["weight"], self.class_weights
        )
        share = self.config.relevance.segmentation_weight
        if share:
            loss = loss + share * self._mask_loss(output.segmentation, batch["mask"])
        return loss, len(batch["image"])

    @override
    def evaluate(self, model: nn.Module, batches: Iterable[Any]) -> dict[str, float]:
        results: list[tuple[float, int]] = []
        sums = [0.0, 0.0, 0.0, 0.0]
        for batch in batches:
            output = model(batch["image"])
            logits = output.classification.float()
            losses = relevance_loss(logits, batch["label"], batch["weight"], self.class_weights)
            counts = mask_counts(output.segmentation.float(), batch["mask"])
            added = (float(losses) * len(logits), len(logits), *counts)
            sums = [s + v for s, v in zip(sums, added, strict=True)]
            scores = logits.softmax(dim=1)[:, 1].tolist()
            results += list(zip(scores, batch["label"].tolist(), strict=True))
        loss, items, shared, union = self.ranks.sum(sums, self.device)
        results = self.ranks.gather(results)
        metrics = {"val_loss": loss / max(items, 1.0), "val_iou": shared / max(union, 1.0)}
        right = sum((score >= 0.5) == (label == 1) for score, label in results)
        metrics["val_accuracy"] = right / max(len(results), 1)
        auc = area_under_curve([score for score, _ in results], [label for _, label in results])
        return metrics if auc is None else {**metrics, "val_auc": auc}


_KINDS: dict[str, type[Phase]] = {
    kind.name: kind for kind in (ContrastivePhase, SegmentationPhase, RelevancePhase)
}


def make_phase(
    name: str, config: TrainingConfig, data: TrainingData, ranks: Ranks, device: torch.device
) -> Phase:
    """Return a phase by its name."""
    return _KINDS[name](config, data, ranks, device)
