"""The learning rate over a phase: a warm-up, then cosine, steps or plateaus."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer

STEPS = 3
"""`step` divides the rate by ten after each third of the phase."""

PLATEAU_PATIENCE = 5
PLATEAU_FACTOR = 0.3
"""`plateau` multiplies the rate by this after so many validations without improvement."""

MAX_WARMUP_SHARE = 0.2
"""A short phase must not spend itself on warming up."""


class Schedule:
    """Sets the learning rate of an optimizer before every step.

    Args:
        kind: `cosine`, `step` or `plateau`.
        optimizer: all its groups get the same rate.
        learning_rate: the largest rate.
        total_steps: steps of the phase.
        warmup_steps: steps in which the rate rises linearly from 0.
    """

    def __init__(
        self,
        kind: str,
        optimizer: Optimizer,
        learning_rate: float,
        total_steps: int,
        warmup_steps: int = 0,
    ) -> None:
        if kind not in ("cosine", "step", "plateau"):
            raise ValueError(f"kind must be cosine, step or plateau, not {kind!r}.")
        self.kind = kind
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.total_steps = max(total_steps, 1)
        self.warmup_steps = min(warmup_steps, int(MAX_WARMUP_SHARE * self.total_steps))
        self.factor = 1.0
        """What plateaus have made of the rate so far."""
        self.stale = 0
        """Validations since the last improvement or reduction."""

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1)
        match self.kind:
            case "cosine":
                return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
            case "step":
                return self.learning_rate * 0.1 ** min(int(done * STEPS), STEPS - 1)
            case _:
                return self.learning_rate * self.factor

    def apply(self, step: int) -> float:
        """Set the learning rate of a step, and return it."""
        rate = self.rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def validated(self, improved: bool) -> None:
        """Take note of a validation: `plateau` lowers the rate when nothing improves."""
        self.stale = 0 if improved else self.stale + 1
        if self.kind == "plateau" and self.stale > PLATEAU_PATIENCE:
            self.factor *= PLATEAU_FACTOR
            self.stale = 0

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"factor": self.factor, "stale": self.stale}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.factor, self.stale = state["factor"], state["stale"]
