"""The losses of the three phases."""

from __future__ import annotations

from typing import Any

import torch
from lightly.loss import NTXentLoss
from torch import Tensor, nn
from torch.nn import functional

from veroallarme_training.datasets.motion_dataset import UNKNOWN


class ContrastiveLoss(nn.Module):
    """NT-Xent, lightly's, over anchors and positives.

    A Simple Framework for Contrastive Learning of Visual Representations, 2020,
    https://arxiv.org/abs/2002.05709, equation 1. With a memory bank, embeddings of earlier batches
    are the negatives: Momentum Contrast, 2019, https://arxiv.org/abs/1911.05722.

    Args:
        temperature: scale of the similarities, above 0.
        memory_bank_size: embeddings kept; 0 takes the other items of the batch as negatives.
        feature_dim: length of an embedding.
        gather: take the negatives of all processes.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        memory_bank_size: int = 0,
        feature_dim: int = 128,
        *,
        gather: bool = False,
    ) -> None:
        super().__init__()
        bank: int | tuple[int, int] = (memory_bank_size, feature_dim) if memory_bank_size else 0
        self.nt_xent = NTXentLoss(temperature, bank, gather_distributed=gather)

    def forward(self, anchor: Tensor, positive: Tensor) -> Tensor:
        """Return the mean loss of pairs, both (N, feature_dim)."""
        loss: Tensor = self.nt_xent(anchor, positive)
        return loss

    def bank_state(self) -> dict[str, Any]:
        """Return the memory bank, which lightly leaves out of `state_dict`."""
        bank = self.nt_xent.memory_bank
        return {"bank": bank.bank.cpu().clone(), "pointer": bank.bank_ptr.cpu().clone()}

    def load_bank_state(self, state: dict[str, Any]) -> None:
        """Take back what `bank_state` gave."""
        bank = self.nt_xent.memory_bank
        bank.bank.copy_(state["bank"])
        bank.bank_ptr.copy_(state["pointer"])


def segmentation_loss(
    logits: Tensor, mask: Tensor, foreground_weight: float = 1.0, dice_weight: float = 0.0
) -> Tensor:
    """Return the cross-entropy per pixel, averaged by weight over the pixels that are known.

    The Dice loss joins in where asked: V-Net, 2016, https://arxiv.org/abs/1606.04797, section 3.
    Movers are few pixels, so that calling everything background already has a low cross-entropy;
    Dice measures the overlap itself. It is taken over the whole batch: most crops show no mover.

    Args:
        logits: (N, 2, H, W).
        mask: int64 (N, H, W): 1 relevant, 0 not, -1 unknown.
        foreground_weight: weight of a relevant pixel against another.
        dice_weight: weight of the Dice loss, in [0, 1], against the cross-entropy.
    """
    weights = logits.new_tensor([1.0, foreground_weight])
    total = functional.cross_entropy(
        logits, mask, weight=weights, ignore_index=UNKNOWN, reduction="sum"
    )
    counted = (mask == 0).sum() + foreground_weight * (mask == 1).sum()
    # A batch of which nothing is known teaches nothing, but its loss must still be a number.
    loss = total / counted.clamp(min=1.0)
    return loss + dice_weight * _dice_loss(logits, mask) if dice_weight else loss


def _dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Return 1 minus the Dice coefficient of relevant pixels over the batch."""
    known, true = mask != UNKNOWN, (mask == 1).float()
    relevant = logits.float().softmax(dim=1)[:, 1] * known  # (N, H, W)
    # One pixel on either side: without a mover, predicting none is right.
    shared, both = (relevant * true).sum(), relevant.sum() + true.sum()
    return 1.0 - (2.0 * shared + 1.0) / (both + 1.0)


def relevance_loss(
    logits: Tensor, label: Tensor, weight: Tensor, class_weights: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """Return the cross-entropy of regions, averaged by weight.

    Args:
        logits: (N, 2).
        label: int64 (N,): 1 relevant, 0 nuisance.
        weight: (N,), how much each label counts.
        class_weights: factors of nuisance and of relevant regions.
    """
    factors = weight * torch.tensor(class_weights, device=logits.device)[label]
    losses = functional.cross_entropy(logits, label, reduction="none")
    return (losses * factors).sum() / factors.sum().clamp(min=1e-8)
