"""How a camera is learned, and the error of a wrong input."""

from __future__ import annotations

from dataclasses import dataclass

from veroallarme_core.contract import ALL_KINDS, ObjectKind, Zone


class AdaptationInputError(ValueError):
    """What a camera should be learned from cannot be used; the message is one sentence."""


@dataclass(frozen=True, kw_only=True)
class AdaptationOptions:
    """How a camera is learned."""

    recall: float = 0.99
    """Share of intruders that must raise the alarm."""
    confidence: float = 0.95
    """With which the promise must hold."""
    intruders: int = 1200
    """Synthetic intruders that the promise is calibrated on."""
    most_events: int = 1500
    """Only the latest events are learned from."""
    zones: tuple[Zone, ...] = ()
    """Where motion counts: only there a recall is promised."""
    objects: tuple[ObjectKind, ...] = ALL_KINDS
    """Kinds that count: only of these a recall is promised."""
    threads: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("recall", "confidence"):
            if not 0.5 <= getattr(self, name) < 1.0:
                raise AdaptationInputError(
                    f"{name} {getattr(self, name)!r}: give a share from 0.5 to below 1"
                )
        if self.seed < 0:
            raise AdaptationInputError(f"seed {self.seed}: give a whole number from 0")
