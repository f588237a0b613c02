"""What is kept of an event while its camera is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.history import EventFolder
from veroallarme_core.adaptation.perspective import Sighting
from veroallarme_core.adaptation.sprites import Sprite
from veroallarme_core.camera_memory import AssessedRegion
from veroallarme_core.description import BurstEvidence, RegionEvidence

MOST_SPRITES = 100
"""Movers of its own that a camera shows again, the latest ones."""
MOST_SPRITE_PX = 4_000_000
"""Of all of them together: 32 MB on disk."""


@dataclass(eq=False)
class ObservedEvent:
    """What is kept of an event while its camera is learned."""

    source: EventFolder
    evidence: BurstEvidence
    is_whole: bool
    """Whether no frame is damaged: intruders are pasted over these."""
    counts: NDArray[np.bool_]
    """(n,): which regions lie where motion counts, and are no object that does not."""
    is_alerting: bool = False
    """Whether it alerts by where something moved, whatever the model says."""
    sightings: tuple[Sighting, ...] = ()
    """People who stand in the picture as a whole, recognised for certain."""
    sprites: tuple[Sprite, ...] = ()
    """Movers that could be cut out cleanly."""
    assessed: tuple[AssessedRegion, ...] = ()
    """The regions, and how unusual they are; none where the memory cannot tell."""

    @property
    def regions(self) -> tuple[RegionEvidence, ...]:
        """What is known of the regions that moved, the most important first."""
        return self.evidence.regions

    def forget_frames(self) -> None:
        """Let go of what only a memory needs that sees whole frames, a megabyte."""
        # The regions keep what they need of it.
        self.evidence = self.evidence.without_frames()


def forget_old_sprites(events: Sequence[ObservedEvent]) -> None:
    """Let go of all movers but the latest; `events` are in order of time."""
    count, pixels = 0, 0
    for event in reversed(events):
        count += len(event.sprites)
        pixels += sum(sprite.alpha.size for sprite in event.sprites)
        if count > MOST_SPRITES or pixels > MOST_SPRITE_PX:
            event.sprites = ()
