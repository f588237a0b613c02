"""What the phases `segmentation` and `relevance` learn from: crop, mask, label and weight."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from veroallarme_training.datasets.motion_dataset import RegionCrops


class TaughtRegion(TypedDict):
    """One item; the names are those of a batch's tensors as well."""

    image: Tensor  # float32 (3, h, w) in [0, 1]
    mask: Tensor  # int64 (h, w): 1 relevant, 0 not, -1 unknown
    label: Tensor  # int64 (): 1 relevant, 0 nuisance
    weight: Tensor  # float32 (): how much the label counts


class TeachingDataset(RegionCrops, Dataset[TaughtRegion]):
    """Labelled regions with their masks; one item per region that the teacher has a label for."""

    def __getitem__(self, index: int) -> TaughtRegion:
        """Return one region."""
        crop, mask = self._region(index)
        label = self._label(index)
        return TaughtRegion(
            image=torch.from_numpy(crop),
            mask=torch.from_numpy(mask.astype(np.int64)),
            label=torch.tensor(int(label.relevant)),
            weight=torch.tensor(label.weight),
        )

    def shares(self) -> tuple[float, float]:
        """Return the summed weight of nuisance and of relevant labels."""
        sums = [0.0, 0.0]
        for index in range(len(self)):
            label = self._label(index)
            sums[int(label.relevant)] += label.weight
        return sums[0], sums[1]
