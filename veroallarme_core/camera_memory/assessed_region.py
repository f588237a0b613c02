"""A region that moved, and what its camera knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from veroallarme_core.description import RegionEvidence


class Thumb(Enum):
    """What the user said of things that are like a region."""

    NONE = 0
    RELEVANT = 1
    NUISANCE = -1


@dataclass(frozen=True, eq=False, kw_only=True)
class AssessedRegion(RegionEvidence):
    """A region that was described, to which the memory adds how unusual it is."""

    deviation: float
    """How far it is from the usual look of its place, in spreads."""
    novelty: float
    """In [0, 1]: 1 minus its likeness to what was seen here in the most alike sessions."""
    sessions: int
    """Other sessions in which something like it moved here."""
    recurrence: float
    """Share of the events in which its place moves."""
    thumb: Thumb = Thumb.NONE
    """Of the user, for what is like it."""
