"""Which items make up the batches of an epoch, in every process, from any batch on."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from veroallarme_training.errors import TrainingError
from veroallarme_training.ranks import Ranks


class TrainingBatches(Sampler[list[int]]):
    """Shuffled batches, a function of seed and epoch alone, so that a resumed run goes on alike.

    All processes get the same number of batches of the same size. The few items that are left
    over are left out of this epoch, for batch normalisation needs more than one.

    Args:
        length: number of items.
        batch_size: items per batch and process; a smaller data set makes smaller batches.
        seed: seed of the run.
        ranks: this process among the others.

    Raises:
        TrainingError: there are not two items for each process.
    """

    def __init__(self, length: int, batch_size: int, seed: int, ranks: Ranks) -> None:
        self.batch_size = min(batch_size, length // ranks.world_size)
        if self.batch_size < 2:
            raise TrainingError(
                f"There are only {length} items to train on, and each of {ranks.world_size} "
                "process(es) needs at least 2: give more events, or raise teacher.drawn_seeds."
            )
        self.length = length
        self.seed = seed
        self.ranks = ranks
        self.epoch = 0
        self.start = 0
        """Batches of this epoch that are done already."""

    @property
    def per_epoch(self) -> int:
        """Batches of a whole epoch."""
        return self.length // (self.batch_size * self.ranks.world_size)

    def __len__(self) -> int:
        return self.per_epoch - self.start

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        # Left a tensor: as Python numbers the order of a million items would take 40 MB.
        order = torch.randperm(self.length, generator=generator)
        stride = self.batch_size * self.ranks.world_size
        for number in range(self.start, self.per_epoch):
            whole = order[number * stride : (number + 1) * stride]
            yield whole[self.ranks.rank :: self.ranks.world_size].tolist()


class ValidationBatches(Sampler[list[int]]):
    """All items in order, each of them in one process only."""

    def __init__(self, length: int, batch_size: int, ranks: Ranks) -> None:
        self.own = range(ranks.rank, length, ranks.world_size)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.own) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        for at in range(0, len(self.own), self.batch_size):
            yield list(self.own[at : at + self.batch_size])
