"""What one camera counts: totals that only grow, beside what was learned."""

from __future__ import annotations

from dataclasses import asdict, replace

from veroallarme_core.contract import State, Stats, Verdict, dump_state
from veroallarme_core.worker.camera.learning import CameraLearning
from veroallarme_core.worker.storage import Totals


class CameraStatistics:
    """Counts motion starts and verdicts.

    Args:
        totals: of former runs.
        learning: what the camera has learned.
    """

    def __init__(self, totals: Totals, learning: CameraLearning) -> None:
        self._totals = totals
        self._learning = learning

    @property
    def totals(self) -> Totals:
        """Everything that is counted."""
        return self._totals

    @property
    def events(self) -> int:
        """Events that have their verdict."""
        return self._totals.events

    def count_start(self) -> None:
        """Count a motion start."""
        self._totals = replace(self._totals, motions=self._totals.motions + 1)

    def count_verdict(self, verdict: Verdict) -> None:
        """Count an event that has its verdict."""
        totals = self._totals
        self._totals = replace(
            totals,
            events=totals.events + 1,
            relevant=totals.relevant + (verdict.state is State.RELEVANT),
            suppressed=totals.suppressed + (not verdict.relevant),
            unknown=totals.unknown + (verdict.state is State.UNKNOWN),
            merged=totals.merged + verdict.merged,
        )

    def stats(self) -> Stats:
        """Return the statistics as they are now."""
        return Stats(**asdict(self._totals), learning=self._learning.stats())

    def payload(self) -> bytes:
        """Return the statistics as the contract writes them."""
        return dump_state(self.stats().to_dict())
