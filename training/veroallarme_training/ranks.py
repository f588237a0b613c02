"""Several processes that train one network: `torchrun` starts them, DDP joins them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn

from veroallarme_training.errors import TrainingError


@dataclass(frozen=True)
class Ranks:
    """This process among the others."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    """Its number on this machine, and that of its GPU."""

    @property
    def is_main(self) -> bool:
        """Tell whether this process writes files and speaks to the user."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Tell whether there is no other process."""
        return self.world_size == 1

    @classmethod
    def from_environment(cls) -> Ranks:
        """Read what `torchrun` tells its processes; without it there is only this one."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        if "RANK" not in os.environ:
            return cls()
        try:
            return cls(*(int(os.environ[name]) for name in names))
        except (KeyError, ValueError):
            given = ", ".join(f"{name}={os.environ.get(name)!r}" for name in names)
            raise TrainingError(
                f"The processes' numbers are incomplete ({given}); start them with torchrun."
            ) from None

    def wait(self) -> None:
        """Wait until all processes are here."""
        if not self.is_alone:
            distributed.barrier()

    def any(self, flag: bool, device: torch.device) -> bool:
        """Tell whether the flag is set in any process; all must ask at the same step."""
        return self.sum([float(flag)], device)[0] > 0

    def sum(self, values: Sequence[float], device: torch.device) -> list[float]:
        """Add up numbers over all processes."""
        if self.is_alone:
            return list(values)
        kind = torch.float64 if device.type == "cpu" else torch.float32
        total = torch.tensor(values, dtype=kind, device=device)
        distributed.all_reduce(total)
        return [float(value) for value in total]

    def share_buffers(self, model: nn.Module) -> None:
        """Give all processes the first one's buffers, the statistics of batch normalisation."""
        if not self.is_alone:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)

    def gather(self, values: list[Any]) -> list[Any]:
        """Join lists over all processes, in order of their ranks."""
        if self.is_alone:
            return values
        parts: list[list[Any]] = [[] for _ in range(self.world_size)]
        distributed.all_gather_object(parts, values)
        return [value for part in parts for value in part]


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that `torchrun` started; they part when the context ends."""
    ranks = Ranks.from_environment()
    if ranks.is_alone:
        yield ranks
        return
    if device.type == "cuda":
        torch.cuda.set_device(ranks.local_rank)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()
